//! Snapshots that are damaged: at every bit and every length, in every field, with numbers at their extremes.
//!
//! Each is an error, or the same snapshot in other words. Who refuses one goes on as before: a gate as it was, an
//! `ExactLimiter` empty and at work, as it says, and a `KeyedLimiter` is not made at all. Nothing panics.
//!
//! The sums of snapshots tell damage, so what is behind them is only seen by snapshots that were made well: at the ends of
//! time, of debts, and restored at times that cannot be.

use std::{net::IpAddr, time::Duration};

use portcullis::{
    Capacity, Defence, ExactLimiter, ExactSnapshot, Gate, GateSnapshot, KeyedLimiter,
    KeyedSnapshot, LimitRule, Outcome, Posture, Quota, Request, Timestamp,
    gate::Then,
    rule::{Action, Ban, Rule, Scheme},
};
use serde_json::{Value, json};

use crate::{Dice, peer, secs};

const NOW: Timestamp = secs(10_000);
const BURST: u32 = 3;

/// Each bit of `each`th byte flipped, each of these bytes gone, doubled, and replaced; cut at each of them.
fn damaged(text: &str, each: usize, mut look: impl FnMut(&[u8])) {
    let whole = text.as_bytes();
    for at in (0..whole.len()).step_by(each) {
        let mut other = whole.to_vec();
        for bit in 0..8 {
            other[at] = whole[at] ^ 1 << bit;
            look(&other);
        }
        for byte in *b"09-.\"}]e" {
            other[at] = byte;
            look(&other);
        }
        other[at] = whole[at];
        other.insert(at, whole[at]);
        look(&other);
        other.drain(at..at + 2);
        look(&other);
        look(&whole[..at]);
    }
    look(&[whole, whole].concat());
    look(&[whole, b"x"].concat());
}

/// Every place in a document, as a JSON pointer.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(String::from(at));
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| places(field, &format!("{at}/{name}"), all));
        }
        Value::Array(items) => {
            (0..).zip(items).for_each(|(n, item)| places(item, &format!("{at}/{n}"), all));
        }
        _ => {}
    }
}

/// Every value replaced by others, gone, twice, and in the place of another.
fn rearranged(text: &str, most: usize, mut look: impl FnMut(&[u8])) {
    let whole: Value = serde_json::from_str(text).unwrap();
    let mut all = Vec::new();
    places(&whole, "", &mut all);
    let mut look = |value: &Value| look(&serde_json::to_vec(value).unwrap());
    let others = [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u32::MAX),
        json!(u64::MAX),
        json!(1e308),
        json!(0.5),
        json!(""),
        json!("x"),
        json!([]),
        json!({}),
        json!("255.255.255.255/32"),
        json!("::/0"),
    ];
    // So many that each is met by some others, and not all by all.
    let each = all.len().div_ceil(most);
    for (number, place) in all.iter().enumerate().step_by(each) {
        for other in &others {
            let mut value = whole.clone();
            *value.pointer_mut(place).unwrap() = other.clone();
            look(&value);
        }
        for other in all.iter().skip(number + 1).step_by((all.len() / 10).max(1)) {
            let mut value = whole.clone();
            let (one, two) = (value.pointer(place).cloned(), value.pointer(other).cloned());
            *value.pointer_mut(place).unwrap() = two.unwrap();
            if let Some(place) = value.pointer_mut(other) {
                *place = one.unwrap();
            }
            look(&value);
        }
        let mut value = whole.clone();
        match value.pointer_mut(place) {
            Some(Value::Object(fields)) => {
                for name in fields.keys().cloned().collect::<Vec<_>>() {
                    let mut value = whole.clone();
                    value.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(&name);
                    look(&value);
                }
                fields.insert(String::from("more"), json!(1));
            }
            Some(Value::Array(items)) => {
                let more = items.last().cloned().unwrap_or(json!(1));
                items.push(more);
            }
            Some(Value::Number(number)) => {
                let one_more = number.as_u64().map(|number| number.wrapping_add(1));
                *number = one_more.unwrap_or(1).into();
            }
            _ => continue,
        }
        look(&value);
    }
}

/// A gate that knows of bans and, with a defence, of its traffic.
fn gate(with_defence: bool) -> Gate {
    let scheme = Scheme::new();
    let ban = Ban::new(Duration::from_secs(600)).escalate(2);
    let rule = Rule::new("ban", scheme.parse(r#"path eq "/ban""#).unwrap()).then(Action::Ban(ban));
    let limit = LimitRule::new("few", Quota::per_hour(BURST)).then(Then::Ban(ban));
    let builder = Gate::builder().clients(100).bans(20).danger_seed(1).rule(rule).limit_rule(limit);
    let up_to = if with_defence { Posture::Lockdown } else { Posture::Normal };
    builder.defence(Defence::up_to(up_to)).build().unwrap()
}

fn with_past(with_defence: bool) -> Gate {
    let gate = gate(with_defence);
    for second in 0..5 {
        let now = NOW.saturating_add(Duration::from_secs(second));
        for number in 0..10 {
            let target = if number == 9 { "/ban" } else { "/" };
            let request = Request::new(peer(number)).method("GET").target(target);
            if let Ok(admission) = gate.check(&request, now).into_result() {
                gate.finish(admission, Outcome::status(200), now);
            }
        }
        gate.tick(now);
    }
    let net = "2001:db8::/32".parse().unwrap();
    gate.bans().add(net, Duration::from_secs(9_000), "an operator's \"reason\"", NOW);
    gate
}

/// All that can be seen of a gate.
fn told(gate: &Gate) -> (Vec<portcullis::gate::BanInfo>, String) {
    (gate.bans().list(NOW), gate.open_metrics(NOW))
}

fn gates(with_defence: bool, (most_bytes, most_places): (usize, usize)) {
    let snapshot = with_past(with_defence).snapshot(NOW);
    let text = serde_json::to_string(&snapshot).unwrap();
    let each = text.len().div_ceil(most_bytes);
    let other = gate(with_defence);
    other.bans().add("192.0.2.0/24".parse().unwrap(), Duration::from_secs(60), "x", NOW);
    let before = told(&other);
    let (mut read, mut looked_at) = (0_usize, 0_usize);
    let mut look = |bytes: &[u8]| {
        looked_at += 1;
        let Ok(found) = serde_json::from_slice::<GateSnapshot>(bytes) else { return };
        if found == snapshot {
            return;
        }
        read += 1;
        let text = String::from_utf8_lossy(bytes);
        assert!(other.restore(&found, NOW).is_err(), "{text}");
        assert_eq!(other.bans().list(NOW), before.0, "{text}");
        if read % 50 == 0 {
            assert_eq!(told(&other), before, "{text}");
        }
    };
    damaged(&text, each, &mut look);
    rearranged(&text, most_places, &mut look);
    assert!(read > 100 && looked_at > 500, "{read} of {looked_at} could be read");
    assert_eq!(told(&other), before);
    // The one that is not damaged is restored by the same gate.
    other.restore(&snapshot, NOW).unwrap();
    assert!(
        !other.check(&Request::new("2001:db8::7".parse::<IpAddr>().unwrap()), NOW).is_admitted()
    );
}

#[test]
fn damaged_snapshots_of_a_gate_change_nothing() {
    gates(false, (usize::MAX, 40));
}

#[test]
fn damaged_snapshots_of_what_a_defence_knows_change_nothing() {
    gates(true, (40, 5));
}

#[test]
fn damaged_snapshots_of_an_exact_limiter_leave_it_empty() {
    type Limiter = ExactLimiter<String>;
    let make = || Limiter::new(Quota::per_hour(BURST), 4);
    let limiter = make();
    for (units, key) in (1..).zip(["a", "b\"\\", "ü"]) {
        assert!(limiter.check_n(key, units, NOW).is_admitted());
    }
    limiter.set_key_quota("own", Quota::per_day(7), NOW).unwrap();
    let text = serde_json::to_string(&limiter.snapshot(NOW)).unwrap();
    let mut other = make();
    let mut read = 0;
    let mut look = |bytes: &[u8]| {
        let Ok(found) = serde_json::from_slice::<ExactSnapshot<String>>(bytes) else { return };
        let is_same = serde_json::to_string(&found).unwrap() == text;
        let told = String::from_utf8_lossy(bytes);
        assert!(other.check("new", NOW).is_admitted());
        let restored = other.restore(found, Duration::ZERO, NOW);
        assert_eq!(restored.is_ok(), is_same, "{told}");
        if !is_same {
            read += 1;
            assert!(other.is_empty(), "{told}");
            let given = (0..9).filter(|_| other.check("a", NOW).is_admitted()).count();
            assert_eq!(given, BURST as usize, "{told}");
        }
        other = make();
    };
    damaged(&text, 1, &mut look);
    rearranged(&text, 60, &mut look);
    assert!(read > 100, "{read} could be read");
}

#[test]
fn damaged_snapshots_of_a_keyed_limiter_make_none() {
    let limiter = KeyedLimiter::new(Quota::per_hour(BURST), Capacity::keys(10)).unwrap();
    for key in 0..5 {
        assert!(limiter.check_n(&key, 1 + key % BURST, NOW).is_admitted());
    }
    limiter.set_quota(Quota::per_minute(BURST), NOW).unwrap();
    let text = serde_json::to_string(&limiter.snapshot(NOW)).unwrap();
    let mut read = 0;
    let mut look = |bytes: &[u8]| {
        let Ok(found) = serde_json::from_slice::<KeyedSnapshot>(bytes) else { return };
        let is_same = serde_json::to_string(&found).unwrap() == text;
        let restored = KeyedLimiter::restore(&found, Duration::ZERO, NOW);
        assert_eq!(restored.is_ok(), is_same, "{}", String::from_utf8_lossy(bytes));
        read += usize::from(!is_same);
    };
    damaged(&text, 1, &mut look);
    rearranged(&text, 60, &mut look);
    assert!(read > 100, "{read} could be read");
}

/// Made and restored at any time, after any time: no key is given more than what came back meanwhile.
#[test]
fn snapshots_at_the_ends_of_time_keep_the_bounds() {
    const TIMES: [Timestamp; 5] = [
        Timestamp::ZERO,
        secs(1),
        NOW,
        Timestamp::from_nanos(u64::MAX - 1),
        Timestamp::from_nanos(u64::MAX),
    ];
    let downs = [0, 1, 1_199, 1_200, 3_601, u64::MAX].map(Duration::from_secs);
    let quota = Quota::per_hour(BURST);
    let mut dice = Dice(5);
    for made in TIMES {
        for restored in TIMES {
            for down in downs {
                let told = format!("made at {made:?}, restored at {restored:?}, down for {down:?}");
                let keyed = KeyedLimiter::new(quota, Capacity::keys(50)).unwrap();
                let mut exact: ExactLimiter<u64> = ExactLimiter::new(quota, 10);
                let units = 1 + dice.below(BURST.into()) as u32;
                assert!(keyed.check_n(&1, units, made).is_admitted(), "{told}");
                assert!(exact.check_n(&1, units, made).is_admitted(), "{told}");
                // And one who pays for years.
                exact
                    .set_key_quota(&2, Quota::new(1, Duration::from_secs(1 << 31)).unwrap(), made)
                    .unwrap();
                assert!(exact.check(&2, made).is_admitted(), "{told}");

                let keyed = KeyedLimiter::restore(&keyed.snapshot(made), down, restored).unwrap();
                let snapshot = exact.snapshot(made);
                exact.restore(snapshot, down, restored).unwrap();
                let back = (down.as_secs() / 1_200).min(u64::from(units)) as u32;
                let allowed = BURST - units + back;
                let drain =
                    |check: &dyn Fn() -> bool| (0..9).take_while(|_| check()).count() as u32;
                let given = drain(&|| keyed.check(&1, restored).is_admitted());
                // A unit may come back by a 64th of its interval early.
                assert!(
                    given == allowed
                        || given + 1 == allowed
                        || down.as_secs() == 1_199 && given == allowed + 1,
                    "{told}: {given} of {allowed}"
                );
                let given = drain(&|| exact.check(&1, restored).is_admitted());
                assert_eq!(given, allowed, "{told}");
            }
            // Of a gate: it is banned until the time that was left has passed.
            let one = gate(true);
            let ban = "192.0.2.0/24".parse().unwrap();
            one.bans().add(ban, Duration::from_secs(60), "x", made);
            one.bans().add("198.51.100.0/24".parse().unwrap(), Duration::MAX, "ever", made);
            let other = gate(true);
            other.restore(&one.snapshot(made), restored).unwrap();
            for info in other.bans().list(restored) {
                assert!(info.remaining() <= Duration::from_secs(60) || info.reason() == "ever");
            }
            let at = restored.saturating_add(Duration::from_secs(59));
            let is_banned = !other.check(&Request::new(ban.addr()), at).is_admitted();
            assert!(
                is_banned
                    || made.as_nanos() > u64::MAX - 60_000_000_000
                    || at.as_nanos() == u64::MAX
            );
        }
    }
}
