use core::{net::IpAddr, time::Duration};
use std::{format, string::String, vec::Vec};

use http::StatusCode;
use proptest::prelude::*;

use super::{Act, LONGEST, cut};
use crate::{
    Defence, Outcome, Posture, Request,
    adapt::axum::status::reply::Done,
    detect::Parameters,
    gate::{Gate, Mode},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_secs(1_000);

fn gate() -> Gate {
    Gate::builder().defence(Defence::up_to(Posture::Defend)).build().unwrap()
}

fn run(gate: &Gate, text: &str) -> Done {
    match Act::parse(text.as_bytes()) {
        Ok(act) => act.run(gate, NOW),
        Err(refused) => refused,
    }
}

fn status(gate: &Gate, text: &str) -> u16 {
    let done = run(gate, text);
    assert_eq!(done.done, done.status == StatusCode::OK, "{done:?}");
    assert!(done.text.ends_with('.'), "{done:?}");
    done.status.as_u16()
}

fn nets(gate: &Gate) -> Vec<String> {
    gate.bans().list(NOW).iter().map(|ban| format!("{}", ban.net().unwrap())).collect()
}

#[test]
fn a_ban_is_made_and_ended() {
    let gate = gate();
    let client: IpAddr = "192.0.2.9".parse().unwrap();
    let passes = || gate.check(&Request::new(client), NOW).is_admitted();
    let ban =
        r#"{"act":"ban","net":"192.0.2.0/24","seconds":900,"reason":" too\u0007 much\u202e "}"#;
    assert_eq!(status(&gate, ban), 200);
    let list = gate.bans().list(NOW);
    assert_eq!(list[0].remaining(), Duration::from_secs(900));
    assert_eq!(list[0].reason(), "too much");
    assert!(!passes());
    // Exactly this network.
    assert_eq!(status(&gate, r#"{"act":"unban","net":"192.0.2.9"}"#), 404);
    assert!(!passes());
    let unban = r#"{"act":"unban","net":"192.0.2.0/24"}"#;
    assert_eq!(status(&gate, unban), 200);
    assert!(passes());
    assert_eq!(status(&gate, unban), 404);
}

#[test]
fn a_network_may_be_written_as_people_do() {
    for (written, kept) in [
        ("192.0.2.9", "192.0.2.9/32"),
        ("192.0.2.9/24", "192.0.2.0/24"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::ffff:192.0.2.9", "192.0.2.9/32"),
        ("::ffff:192.0.2.9/120", "192.0.2.0/24"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("2001::/16", "2001::/16"),
    ] {
        let gate = gate();
        let ban = format!(r#"{{"act":"ban","net":"{written}","seconds":1}}"#);
        assert_eq!(status(&gate, &ban), 200, "{written}");
        assert_eq!(nets(&gate), [kept], "{written}");
        assert_eq!(gate.bans().list(NOW)[0].reason(), "by an operator");
        let unban = format!(r#"{{"act":"unban","net":"{written}"}}"#);
        assert_eq!(status(&gate, &unban), 200, "{written}");
    }
}

#[test]
fn nobody_bans_the_world_by_a_slip() {
    let gate = gate();
    for net in
        ["0.0.0.0/0", "10.0.0.0/7", "::/0", "2001::/15", "::ffff:0.0.0.0/96", "::ffff:0:0/103"]
    {
        let done = run(&gate, &format!(r#"{{"act":"ban","net":"{net}","seconds":1}}"#));
        assert_eq!(done.status, StatusCode::BAD_REQUEST, "{net}: {done:?}");
        assert!(done.text.contains("too wide"), "{done:?}");
    }
    for seconds in ["0", "2592001", "-1", "1.5", "1e3", "\"9\"", "18446744073709551616", "null"] {
        let ban = format!(r#"{{"act":"ban","net":"192.0.2.1","seconds":{seconds}}}"#);
        assert_eq!(status(&gate, &ban), 400, "{seconds}");
    }
    assert_eq!(nets(&gate), [""; 0]);
    let longest = format!(r#"{{"act":"ban","net":"192.0.2.1","seconds":{LONGEST}}}"#);
    assert_eq!(status(&gate, &longest), 200);
}

/// A proxy that is not seen has everybody come from there.
#[test]
fn nobody_bans_the_machine_itself() {
    let gate = gate();
    for net in
        ["127.0.0.1", "127.0.0.0/8", "127.9.0.0/16", "::1", "::/16", "::/127", "::ffff:127.0.0.1"]
    {
        let done = run(&gate, &format!(r#"{{"act":"ban","net":"{net}","seconds":1}}"#));
        assert_eq!(done.status, StatusCode::BAD_REQUEST, "{net}: {done:?}");
        assert!(done.text.contains("the machine itself"), "{done:?}");
    }
    assert_eq!(nets(&gate), [""; 0]);
    for (net, expected) in [("126.0.0.0/8", 200), ("128.0.0.0/8", 200), ("::2", 200)] {
        let ban = format!(r#"{{"act":"ban","net":"{net}","seconds":1}}"#);
        assert_eq!(status(&gate, &ban), expected, "{net}");
    }
    // What was banned by other means can be unbanned.
    gate.bans().add("127.0.0.0/8".parse().unwrap(), Duration::from_secs(9), "", NOW);
    assert_eq!(status(&gate, r#"{"act":"unban","net":"127.0.0.0/8"}"#), 200);
}

#[test]
fn the_gate_is_told_how_far_it_goes() {
    let gate = gate();
    for (mode, expected) in
        [("observe", Mode::Observe), ("off", Mode::Off), ("enforce", Mode::Enforce)]
    {
        assert_eq!(status(&gate, &format!(r#"{{"act":"mode","mode":"{mode}"}}"#)), 200);
        assert_eq!(gate.mode(), expected);
    }
    assert_eq!(status(&gate, r#"{"act":"force","posture":"lockdown","seconds":60}"#), 200);
    assert_eq!(gate.posture(), Posture::Lockdown);
    assert_eq!(status(&gate, r#"{"act":"drill","seconds":60}"#), 409);
    assert_eq!(gate.posture(), Posture::Lockdown);
    assert_eq!(status(&gate, r#"{"act":"release"}"#), 200);
    assert_eq!(gate.posture(), Posture::Normal);
    assert_eq!(status(&gate, r#"{"act":"drill","seconds":60}"#), 200);
    assert_eq!(gate.posture(), Posture::Elevated);
}

#[test]
fn without_a_defence_there_is_nothing_to_tell_it() {
    let gate = Gate::builder().build().unwrap();
    for text in [
        r#"{"act":"force","posture":"defend","seconds":60}"#,
        r#"{"act":"release"}"#,
        r#"{"act":"drill","seconds":60}"#,
        r#"{"act":"pin","name":"auto-1"}"#,
        r#"{"act":"remove","name":"auto-1"}"#,
    ] {
        assert_eq!(status(&gate, text), 404, "{text}");
    }
}

/// A flood from one network among others' requests, until something is found.
#[test]
fn what_the_gate_has_found_is_kept_and_removed() {
    let parameters = Parameters { cold_seconds: 60, ..Parameters::default() };
    let defence = Defence::up_to(Posture::Defend).parameters(parameters);
    let gate = Gate::builder().defence(defence).build().unwrap();
    let at = |millis: u64| NOW.saturating_add(Duration::from_millis(millis));
    let ask = |peer: String, path: &str, now| {
        let peer: IpAddr = peer.parse().unwrap();
        let verdict = gate.check(&Request::new(peer).method("GET").target(path), now);
        if let Ok(admission) = verdict.into_result() {
            gate.finish(admission, Outcome::status(200), now);
        }
    };
    let usual = |millis: u64| {
        let n = millis / 10 * 7_919 % 20_000;
        let path = ["/", "/items", "/cart", "/search"][usize::try_from(n % 4).unwrap()];
        ask(format!("198.51.{}.{}", n / 200, n % 200), path, at(millis));
    };
    let mut millis = 0;
    while millis < 300_000 {
        millis += 10;
        usual(millis);
    }
    while gate.defence().mitigations(at(millis)).is_empty() && millis < 360_000 {
        millis += 1;
        ask(String::from("203.0.113.7"), "/login", at(millis));
        if millis % 10 == 0 {
            usual(millis);
        }
    }
    let now = at(millis);
    let name = gate.defence().mitigations(now)[0].name.clone();
    let tell = |act: &str| {
        Act::parse(format!(r#"{{"act":"{act}","name":"{name}"}}"#).as_bytes())
            .unwrap()
            .run(&gate, now)
    };
    assert!(tell("pin").done);
    assert!(gate.defence().mitigations(now)[0].is_pinned());
    assert!(tell("remove").done);
    assert!(!gate.defence().mitigations(now).iter().any(|one| one.name == name));
    assert_eq!(tell("remove").status, StatusCode::NOT_FOUND);
    assert_eq!(tell("pin").status, StatusCode::NOT_FOUND);
}

#[test]
fn what_is_not_exactly_an_action_does_nothing() {
    let gate = gate();
    for text in [
        "",
        "null",
        "{",
        "{}",
        "[]",
        r#"["mode","off"]"#,
        r#"["mode",{"mode":"off"}]"#,
        r#""release""#,
        r#"{"act":"mode"}"#,
        r#"{"act":"mode","mode":"Off"}"#,
        r#"{"act":"mode","mode":"off","more":1}"#,
        r#"{"act":"mode","mode":"off","mode":"off"}"#,
        r#"{"act":"mode","act":"mode","mode":"off"}"#,
        r#"{"act":"mode","mode":"off"} x"#,
        r#"{"act":"mode","mode":"off"}{"act":"mode","mode":"off"}"#,
        r#"{"act":"release","seconds":1}"#,
        r#"{"act":"explode"}"#,
        r#"{"act":7}"#,
        r#"{"mode":"off"}"#,
        r#"{"act":"force","posture":"panic","seconds":1}"#,
        r#"{"act":"force","posture":"defend"}"#,
        r#"{"act":"unban","net":"192.0.2.0/33"}"#,
        r#"{"act":"unban","net":""}"#,
        r#"{"act":"unban","net":"shop.example"}"#,
        r#"{"act":"unban","net":null}"#,
    ] {
        assert_eq!(status(&gate, text), 400, "{text}");
    }
    for bytes in [&b"\xff\xfe"[..], b"{\"act\":\"pin\",\"name\":\"\xff\"}", &[b'['; 8_000]] {
        assert_eq!(Act::parse(bytes).unwrap_err().status, StatusCode::BAD_REQUEST);
    }
    let deep = format!(r#"{{"act":"pin","name":{}1"#, "[".repeat(8_000));
    assert_eq!(status(&gate, &deep), 400);
    assert_eq!((gate.mode(), gate.posture()), (Mode::Enforce, Posture::Normal));
    assert_eq!(nets(&gate), [""; 0]);
}

#[test]
fn a_reason_is_short_and_printable() {
    assert_eq!(cut(&"é".repeat(500), 200).chars().count(), 200);
    assert_eq!(cut(" it's \"quoted\" \\ ", 200), r#"it's "quoted" \"#);
    assert_eq!(cut("\u{1b}[31mred\u{0}\r\n\u{202e}\u{200b}", 200), "[31mred");
}

proptest! {
    #![proptest_config(crate::test_support::cases(256))]

    /// Whatever comes, there is an answer, and it is no fault of the service.
    #[test]
    fn any_text_has_an_answer(
        act in "(un)?ban|mode|force|release|drill|pin|remove|[a-z]{0,5}",
        key in "net|seconds|mode|posture|name|reason|.{0,4}",
        value in "\"[^\"\\\\]{0,40}\"|[0-9]{1,20}|null|\\{\\}",
        junk in ".{0,40}",
    ) {
        let gate = Gate::builder().build().unwrap();
        for text in [format!(r#"{{"act":"{act}","{key}":{value}}}"#), junk] {
            let done = run(&gate, &text);
            prop_assert!(done.status.as_u16() < 500);
            prop_assert!(done.text.chars().count() <= 320, "{done:?}");
            prop_assert!(!done.text.contains(['\u{1b}', '\n', '\u{202e}']), "{done:?}");
        }
    }
}
