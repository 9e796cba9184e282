//! What the gate notices and does by itself; and that nothing of what clients send is told.

use core::{net::IpAddr, time::Duration};
use std::{
    format,
    panic::{AssertUnwindSafe, catch_unwind},
    string::{String, ToString as _},
    vec::Vec,
};

use tracing::Level;

use super::{Listener, NOW, from, heard, rule};
use crate::{
    detect::{Defence, EventKind, Parameters, Posture},
    gate::{Gate, Outcome},
    quota::Quota,
    request::Request,
    rule::{Action, RuleMode},
    time::Timestamp,
};

const A_MINUTE: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

fn watching() -> Gate {
    Gate::builder().defence(Defence::up_to(Posture::Defend)).build().unwrap()
}

const NUMBERS: &str = "times_usual=0.00 offered=0.00 usual=0.00 attack=0.00 load=0.00 new=0.00";

#[test]
fn an_operators_orders_are_told_without_their_words() {
    let gate = watching();
    let lines = heard(|| {
        gate.defence().force(Posture::Elevated, A_MINUTE, at(0));
        gate.defence().force(Posture::Defend, A_MINUTE, at(0));
        gate.defence().release(at(1));
        gate.defence().force(Posture::Lockdown, A_MINUTE, at(1));
        gate.defence().pin("auto-1", at(1));
    });
    let told = "INFO portcullis::defence: an operator has intervened";
    let lowered = "INFO portcullis::defence: posture lowered from=defend to=normal";
    assert_eq!(
        lines,
        [
            told.to_string(),
            format!("WARN portcullis::defence: posture raised from=normal to=elevated {NUMBERS}"),
            told.to_string(),
            // I2: within the second.
            format!("INFO portcullis::defence: posture raised from=elevated to=defend {NUMBERS}"),
            told.to_string(),
            format!("{lowered} {NUMBERS}"),
            told.to_string(),
            format!("WARN portcullis::defence: posture raised from=normal to=lockdown {NUMBERS}"),
        ]
    );
}

/// I3: what happens while nobody listens is told to who comes, as far as it is kept.
#[test]
fn what_was_noted_before_is_told_once_and_in_order() {
    let gate = watching();
    for second in 0..20 {
        gate.defence().force(Posture::Elevated, A_MINUTE, at(second));
        gate.defence().release(at(second));
    }
    assert_eq!(gate.events().len(), 80, "and reading them does not tell them");
    let lines = heard(|| drop(gate.check(&from("192.0.2.1"), at(20))));
    assert_eq!(lines[0], "INFO portcullis::defence: events were left out left_out=48");
    assert_eq!(lines.len(), 33);
    let (raised, lowered) = ("posture raised from=normal", "posture lowered from=elevated");
    let count = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!((count(raised), count(lowered), count("intervened")), (8, 8, 16));
    assert_eq!(count("WARN"), 8, "each was a second after the one before");
    assert_eq!(heard(|| gate.tick(at(20))), [""; 0]);
}

/// I4: whoever is told is told at the next check what is left.
#[test]
fn a_subscriber_that_panics_loses_one_event() {
    let gate = watching();
    let listener = Listener::up_to(Level::TRACE).breaks_on("posture raised");
    let force = || listener.hears(|| gate.defence().force(Posture::Elevated, A_MINUTE, NOW));
    assert!(catch_unwind(AssertUnwindSafe(force)).is_err());
    assert_eq!(gate.posture(), Posture::Elevated);
    listener.take();
    listener.hears(|| gate.defence().release(at(1)));
    let lines = listener.take();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains("posture lowered"), "{lines:?}");
}

/// I4: no lock is held, so nothing here waits for itself.
#[test]
fn a_subscriber_can_ask_the_gate_for_anything() {
    let gate = watching();
    let again = || Gate::builder().defence(Defence::up_to(Posture::Defend));
    let asked = gate.clone();
    let listener = Listener::up_to(Level::TRACE).also(move || {
        drop(asked.check(&from("192.0.2.1"), NOW));
        asked.defence().drill(A_MINUTE, NOW);
        asked.tick(at(1));
        let _ = (asked.events(), asked.status(NOW), asked.open_metrics(NOW));
        asked.reload_with(again(), NOW).unwrap();
    });
    listener.hears(|| {
        gate.defence().force(Posture::Elevated, A_MINUTE, NOW);
        gate.reload_with(Gate::builder().deny("192.0.2.0/24".parse().unwrap()), NOW).unwrap();
        drop(gate.check(&from("192.0.2.2"), NOW));
    });
    let lines = listener.take();
    // Of the drills, whatever was noted while it was told.
    let drills = lines.iter().filter(|line| line.contains("portcullis::defence")).count();
    assert!(drills >= 2, "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("INFO portcullis::config: reloaded")));
}

#[test]
fn a_warning_is_told_to_who_wants_no_more_than_warnings() {
    let gate = watching();
    let listener = Listener::up_to(Level::WARN);
    listener.hears(|| {
        gate.defence().force(Posture::Elevated, A_MINUTE, NOW);
        gate.defence().release(at(1));
    });
    let lines = listener.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("WARN portcullis::defence: posture raised"), "{lines:?}");
}

const SECRETS: [&str; 6] =
    ["198.51.100.", "10.7.", "2001:db8", "hunted", "Mozilla/evil", "session"];

/// A flood of 200 requests a second on 20 that are usual: what it sends is nowhere in what is told.
#[test]
#[cfg_attr(miri, ignore = "a site's requests for minutes")]
fn nothing_that_clients_send_is_told() {
    let parameters = Parameters { cold_seconds: 60, ..Parameters::default() };
    let defence = Defence { parameters, ..Defence::up_to(Posture::Lockdown) };
    let gate = Gate::builder()
        .deny("198.51.100.128/25".parse().unwrap())
        .rule(
            rule("shadow", r#"path contains "hunted""#, Action::Deny { status: 403 })
                .mode(RuleMode::Shadow),
        )
        .limit("per client", Quota::per_second(3).burst(5))
        .defence(defence)
        .build()
        .unwrap();
    let ask = |client: IpAddr, target: &str, agent: &str, now: Timestamp| {
        let request = Request::new(client)
            .method("GET")
            .host("hunted.example")
            .target(target)
            .header("user-agent", agent)
            .header("cookie", "session=\u{1b}[31m");
        if let Ok(admission) = gate.check(&request, now).into_result() {
            gate.finish(admission, Outcome::status(200), now);
        }
    };
    let listener = Listener::up_to(Level::TRACE);
    let (mut events, mut lines) = (Vec::new(), Vec::new());
    for second in 0..900_u64 {
        let flood = (700..760).contains(&second);
        listener.hears(|| {
            for nth in 0..20 {
                let now = at(second).saturating_add(Duration::from_millis(nth * 50));
                let client =
                    [10, 7, u8::try_from(nth).unwrap(), u8::try_from(second % 50).unwrap()];
                ask(client.into(), "/shop?q=1", "Mozilla/5.0", now);
                for other in 0..if flood { 20 } else { 0 } {
                    let net = [198, 51, 100, u8::try_from(nth * 12 + other % 12).unwrap()];
                    ask(net.into(), "/hunted\r\n\u{1b}[2J%0a", "Mozilla/evil \u{7}", now);
                }
            }
            gate.tick(at(second).saturating_add(Duration::from_millis(999)));
        });
        events.extend(gate.events());
        lines.extend(listener.take());
    }
    for line in &lines {
        let secret = SECRETS.iter().find(|secret| line.contains(**secret));
        assert_eq!(secret, None, "{line:?}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    let has = |what: &str| lines.iter().filter(|line| line.starts_with(what)).count();
    assert!(has("DEBUG portcullis::deny: denied rule=deny list ") > 100);
    assert!(has("DEBUG portcullis::deny: denied in shadow rule=shadow ") > 100);
    assert!(has("WARN portcullis::defence: posture raised from=normal to=") > 0);

    // I3: each event of the gate is one that was told, in its order.
    let told: Vec<&String> =
        lines.iter().filter(|line| line.contains(" portcullis::defence: ")).collect();
    assert_eq!(told.len(), events.len());
    let found = events.iter().filter(|event| matches!(event.kind, EventKind::Found { .. })).count();
    assert!(found > 0, "{told:?}");
    for (line, event) in told.iter().zip(&events) {
        let words = match &event.kind {
            EventKind::Posture { from, to } if to > from => {
                format!("WARN portcullis::defence: posture raised from={from} to={to} ")
            }
            EventKind::Posture { from, to } => {
                format!("INFO portcullis::defence: posture lowered from={from} to={to} ")
            }
            EventKind::Latched => "INFO portcullis::defence: posture latched".into(),
            EventKind::Found { name, covers, harms, .. } => format!(
                "INFO portcullis::defence: mitigation found mitigation={name} covers={covers:.2} \
                 harms={harms:.2}"
            ),
            EventKind::Throttled { name } => {
                format!("INFO portcullis::defence: mitigation throttles mitigation={name}")
            }
            EventKind::Denied { name } => {
                format!("INFO portcullis::defence: mitigation denies mitigation={name}")
            }
            EventKind::Ended { name, matched } => format!(
                "INFO portcullis::defence: mitigation ended mitigation={name} matched={matched}"
            ),
            EventKind::Held { rate } => {
                format!("INFO portcullis::defence: unknown clients are held rate={rate:.2}")
            }
            EventKind::Readmitted => {
                "INFO portcullis::defence: unknown clients are served again".into()
            }
            EventKind::Told { .. } => panic!("there is no operator"),
        };
        assert!(line.starts_with(&words), "{line} is not {words}");
    }
}
