use std::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use super::{ATTACKERS, Incident, MOMENTS, Matched, Step, Totals};
use crate::{
    Timestamp,
    detect::{Culprit, EventKind, Evidence, Posture, Recorder},
};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(1_000 + seconds)
}

fn evidence(offered: f64) -> Evidence {
    Evidence { offered, usual: 500.0, new: 0.62, load: 35.0, ..Evidence::default() }
}

fn posture(from: Posture, to: Posture) -> EventKind {
    EventKind::Posture { from, to }
}

fn found(name: &str, rule: &str) -> EventKind {
    EventKind::Found { name: name.to_string(), rule: rule.to_string(), covers: 0.71, harms: 0.0 }
}

const RULE: &str = r#"ip.src in {198.51.100.0/24} and path eq "/search""#;

/// One as it may be, small.
fn small() -> Recorder {
    use Posture::{Defend, Elevated, Normal};
    let mut recorder = Recorder::new();
    let (high, low) = (evidence(6_150.0), evidence(510.0));
    let what = "from 198.51.100.0/24 on GET /search".to_string();
    let culprit = Culprit { share: 0.71, what, new: 0.93 };
    let name = || "auto-1".to_string();
    recorder.note(posture(Normal, Elevated), &evidence(5_000.0), None, at(0));
    recorder.note(found("auto-1", RULE), &high, Some(&culprit), at(1));
    recorder.note(posture(Elevated, Defend), &high, Some(&culprit), at(2));
    recorder.note(EventKind::Throttled { name: name() }, &high, Some(&culprit), at(2));
    let matched = [Matched { name: "auto-1", rule: RULE, requests: 5_600 }];
    let totals =
        Totals { offered: 6_150, refused: 5_000, shed: 3, held: 40, known: 7, matched: &matched };
    recorder.tick(&totals, &high, at(3));
    recorder.tick(&totals, &evidence(6_000.0), at(4));
    recorder.note(EventKind::Held { rate: 120.0 }, &high, None, at(5));
    recorder.note(EventKind::Denied { name: name() }, &high, Some(&culprit), at(12));
    recorder.note(posture(Defend, Elevated), &low, None, at(240));
    recorder.note(EventKind::Readmitted, &low, None, at(250));
    recorder.note(posture(Elevated, Normal), &low, None, at(312));
    recorder
}

#[test]
fn a_report_can_be_read_at_a_glance() {
    let recorder = small();
    let report = recorder.incident().unwrap().to_markdown();
    assert_eq!(report, include_str!("small.md"), "{report}");
}

#[test]
fn what_has_happened_can_be_asked_for() {
    let recorder = small();
    let incident = recorder.incident().unwrap();
    let first = |step| incident.first(step).map(|after| after.as_secs());
    assert_eq!(
        [
            Step::Noticed,
            Step::Explained,
            Step::Throttled,
            Step::Denied,
            Step::Eased,
            Step::Restored
        ]
        .map(first),
        [Some(0), Some(1), Some(2), Some(12), Some(240), Some(312)]
    );
    assert_eq!(first(Step::Lockdown), None);
    assert_eq!((incident.started(), incident.duration().as_secs()), (at(0), 312));
    assert_eq!((incident.is_over(), incident.posture()), (true, Posture::Defend));
    assert_eq!(incident.peak().offered, 6_150.0);
    assert_eq!((incident.harm().offered, incident.harm().turned_away()), (12_300, 10_086));
    let attackers = incident.attackers();
    assert_eq!((attackers.len(), attackers[0].requests, &*attackers[0].rule), (1, 11_200, RULE));
    assert!((attackers[0].share - 0.910).abs() < 0.001);
}

#[test]
fn one_that_goes_on_says_so() {
    let mut recorder = Recorder::new();
    let evidence = Evidence { offered: 90.0, ..Evidence::default() };
    recorder.note(posture(Posture::Normal, Posture::Lockdown), &evidence, None, at(0));
    recorder.tick(&Totals::default(), &evidence, at(90));
    let report = recorder.incident().unwrap().to_markdown();
    assert!(report.starts_with("# Incident that goes on: lockdown for 1 min 30 s so far\n"));
    assert!(report.contains(
        "At the peak there were 90 requests a second, where nothing was usual yet. \
         Of 0 requests, 0 (0 %) were turned away, 0 of them from known clients.\n"
    ));
    assert!(report.contains("\nNothing was found that the excess has in common.\n"));
    assert!(report.ends_with("\n## How it was restored\n\n- Not yet normal\n"), "{report}");
}

/// As only an operator can do: there is one moment, and the posture is told.
#[test]
fn a_lockdown_from_normal_is_how_it_was_noticed() {
    let mut recorder = Recorder::new();
    let low = Evidence::default();
    recorder.note(posture(Posture::Normal, Posture::Lockdown), &low, None, at(5));
    let incident = recorder.incident().unwrap();
    assert_eq!((incident.posture(), incident.timeline().len()), (Posture::Lockdown, 1));
    assert_eq!(incident.first(Step::Noticed), Some(core::time::Duration::ZERO));
    assert_eq!(incident.first(Step::Lockdown), None);
    assert!(incident.to_markdown().contains("- Posture up to lockdown\n"));
}

/// I1.
#[test]
fn a_timeline_is_bounded_and_has_the_first_of_each_kind() {
    let mut recorder = Recorder::new();
    let low = Evidence::default();
    recorder.note(posture(Posture::Normal, Posture::Elevated), &low, None, at(0));
    for second in 0..1_000 {
        recorder.note(EventKind::Readmitted, &low, None, at(second));
    }
    let name = || "auto-1".to_string();
    for kind in [
        found("auto-1", RULE),
        found("auto-2", RULE),
        EventKind::Throttled { name: name() },
        EventKind::Denied { name: name() },
        EventKind::Ended { name: name(), matched: 0 },
        EventKind::Held { rate: 1.0 },
        EventKind::Latched,
        EventKind::Told { what: name() },
        posture(Posture::Elevated, Posture::Defend),
        posture(Posture::Defend, Posture::Lockdown),
        posture(Posture::Lockdown, Posture::Defend),
        posture(Posture::Defend, Posture::Normal),
    ] {
        recorder.note(kind, &low, None, at(1_000));
    }
    let incident = recorder.incident().unwrap();
    for step in [
        Step::Noticed,
        Step::Raised,
        Step::Explained,
        Step::Found,
        Step::Throttled,
        Step::Denied,
        Step::Held,
        Step::Lockdown,
        Step::Latched,
        Step::Told,
        Step::Eased,
        Step::Ended,
        Step::Readmitted,
        Step::Restored,
    ] {
        assert!(incident.first(step).is_some(), "{step:?}");
    }
    assert!(incident.timeline().len() <= MOMENTS);
    assert_eq!(incident.timeline().len() as u64 + incident.left_out(), 1_013);
    assert!(incident.to_markdown().contains("\n\nAnd 761 more.\n"));
}

/// I2.
#[test]
fn attackers_are_bounded_and_the_strong_ones_stay() {
    let mut recorder = Recorder::new();
    let low = Evidence::default();
    recorder.note(posture(Posture::Normal, Posture::Elevated), &low, None, at(0));
    let names: Vec<String> = (0..1_000).map(|number| format!("auto-{number}")).collect();
    for (number, name) in (1..).zip(&names) {
        let requests = if number % 100 == 0 { 1_000 * number } else { 1 };
        let matched = [Matched { name, rule: RULE, requests }];
        let totals = Totals { offered: requests, matched: &matched, ..Totals::default() };
        recorder.tick(&totals, &low, at(number));
    }
    let incident = recorder.incident().unwrap();
    assert_eq!(incident.attackers.len(), ATTACKERS);
    let told = incident.attackers();
    assert_eq!((told.len(), &*told[0].name, told[0].requests), (32, "auto-999", 1_000_000));
    assert_eq!(told[9].requests, 100_000);
    assert_eq!(told[10].requests, 1);
    let kept: u64 = incident.attackers.iter().map(|it| it.requests).sum();
    assert_eq!(kept + incident.others, incident.harm().offered);
    let others = incident.harm().offered - told.iter().map(|it| it.requests).sum::<u64>();
    assert!(incident.to_markdown().contains(&format!("\n\nAnd {others} requests of others.\n")));
}

/// I3.
#[test]
fn texts_are_bounded() {
    let mut recorder = Recorder::new();
    let low = Evidence::default();
    recorder.note(posture(Posture::Normal, Posture::Elevated), &low, None, at(0));
    let long = "ä".repeat(100_000);
    recorder.note(found(&long, &long), &low, None, at(1));
    let matched = [Matched { name: &long, rule: &long, requests: 3 }];
    recorder.tick(&Totals { offered: 4, matched: &matched, ..Totals::default() }, &low, at(2));
    let incident = recorder.incident().unwrap();
    assert_eq!((incident.attackers.len(), incident.attackers[0].requests), (1, 3));
    let characters = |text: &str| text.chars().count();
    assert!(characters(&incident.attackers[0].name) <= 64);
    assert!(characters(&incident.attackers[0].rule) <= 1_000);
    assert!(incident.timeline().iter().all(|moment| characters(&moment.text) < 1_000));
}

#[test]
fn what_clients_write_stays_in_its_cell() {
    let mut recorder = Recorder::new();
    let low = evidence(600.0);
    recorder.note(posture(Posture::Normal, Posture::Elevated), &low, None, at(0));
    let path = "path eq \"/a|b`c`\n| x | <script> [y](http://z) @all\"";
    recorder.note(found("auto-1", path), &low, None, at(1));
    let report = recorder.incident().unwrap().to_markdown();
    let row = |start: &str| report.lines().find(|line| line.contains(start)).unwrap();
    assert_eq!(
        row("| explained |"),
        r#"| 1 s | explained | Found auto-1, which covers 71 % of the excess and 0 % of the usual traffic: path eq "/a\|b\`c\`\\n\| x \| \<script\> \[y\](http\://z) `@`all" |"#
    );
    assert_eq!(
        row("| auto-1 |"),
        r#"| ``path eq "/a\|b`c`\n\| x \| <script> [y](http://z) @all"`` | auto-1 | 0 | 0 % |"#
    );
}

#[cfg(feature = "serde")]
#[test]
fn it_goes_through_serde() {
    let recorder = small();
    let incident = recorder.incident().unwrap();
    let text = serde_json::to_string(incident).unwrap();
    let read: Incident = serde_json::from_str(&text).unwrap();
    assert_eq!(&read, incident);
    assert!(text.contains(r#""step":"explained""#), "{text}");
}

/// Clocks of threads differ: time does not go back in a report.
#[test]
fn an_earlier_moment_does_not_make_it_shorter() {
    let mut recorder = Recorder::new();
    let low = Evidence::default();
    recorder.note(posture(Posture::Normal, Posture::Elevated), &low, None, at(10));
    recorder.tick(&Totals::default(), &low, at(15));
    recorder.note(EventKind::Readmitted, &low, None, at(3));
    let incident: &Incident = recorder.incident().unwrap();
    assert_eq!(incident.first(Step::Readmitted).map(|after| after.as_secs()), Some(5));
}

/// A clock that is set back: it lasts on, from the beginning as that clock would have had it.
#[test]
fn a_clock_set_back_makes_it_no_shorter() {
    let mut recorder = Recorder::new();
    let low = Evidence::default();
    recorder.set_back(core::time::Duration::from_secs(3));
    recorder.note(posture(Posture::Normal, Posture::Elevated), &low, None, at(110));
    recorder.tick(&Totals::default(), &low, at(115));
    recorder.set_back(core::time::Duration::from_secs(100));
    recorder.tick(&Totals::default(), &low, at(17));
    let incident = recorder.incident().unwrap();
    assert_eq!((incident.started(), incident.duration().as_secs()), (at(10), 7));
    recorder.note(posture(Posture::Elevated, Posture::Normal), &low, None, at(18));
    recorder.set_back(core::time::Duration::from_secs(5));
    assert_eq!(recorder.incident().unwrap().started(), at(10), "what is over is over");
}
