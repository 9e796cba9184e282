//! A gate that notices a flood and turns it away, and what an operator can say meanwhile.

use core::{net::IpAddr, time::Duration};
use std::format;

use super::NOW;
use crate::{
    Defence, Gate, Outcome, Posture, Request, Timestamp,
    detect::{EditError, EventKind, Parameters},
    rule::{Scheme, Type},
};

pub(super) const AN_HOUR: Duration = Duration::from_secs(3_600);
pub(super) const A_SECOND: Duration = Duration::from_secs(1);
/// An attacker's requests for each of a visitor's.
pub(super) const FLOOD: u64 = 10;

/// A site with twenty visitors a second, which it knows, and its clock.
pub(super) struct Site {
    pub(super) gate: Gate,
    pub(super) now: Timestamp,
    second: u64,
}

/// What became of the requests of some seconds.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) visitors_refused: u64,
    pub(super) attackers_admitted: u64,
}

impl Site {
    pub(super) fn defence() -> Defence {
        let parameters = Parameters {
            cold_seconds: 60,
            mitigation_seconds: 10,
            dwell_seconds: 5,
            calm_seconds: 10,
            unloaded_seconds: 5,
            again_seconds: 0,
            most_changes: 30,
            ..Parameters::default()
        };
        Defence::up_to(Posture::Lockdown).parameters(parameters)
    }

    pub(super) fn new() -> Self {
        let gate = Gate::builder().defence(Self::defence()).danger_seed(7).build().unwrap();
        let mut site = Self { gate, now: NOW.saturating_add(AN_HOUR * 5), second: 0 };
        site.seconds(150, 0);
        assert_eq!(site.gate.posture(), Posture::Normal);
        site
    }

    pub(super) fn ask(&self, client: IpAddr, target: &str, agent: &str, now: Timestamp) -> bool {
        let request = Request::new(client)
            .method("GET")
            .host("h")
            .target(target)
            .header("user-agent", agent)
            .header("cookie", "a=b");
        let asked = self.gate.check(&request, now).into_result();
        asked.is_ok_and(|admission| {
            self.gate.finish(admission, Outcome::status(200), now);
            true
        })
    }

    /// The next seconds, with so many requests of an attacker's for each of a visitor's.
    pub(super) fn seconds(&mut self, count: u32, flood: u64) -> Sent {
        let mut sent = Sent::default();
        (0..count).for_each(|_| self.second(flood, &mut sent));
        sent
    }

    fn second(&mut self, flood: u64, sent: &mut Sent) {
        for nth in 0..20 {
            let now = self.now.saturating_add(Duration::from_millis(nth * 50));
            let visitor = [10, (nth % 5) as u8, nth as u8, (self.second % 40) as u8];
            let page = ["/", "/shop", "/news", "/about"][(self.second + nth) as usize % 4];
            let agent = ["Mozilla/5.0", "Mozilla/4.0"][(nth % 2) as usize];
            sent.visitors_refused += u64::from(!self.ask(visitor.into(), page, agent, now));
            for other in 0..flood {
                let attacker = [198, 51, 100, (nth * 12 + other % 12) as u8];
                let is_in = self.ask(attacker.into(), "/hunted", "evil", now);
                sent.attackers_admitted += u64::from(is_in);
            }
        }
        self.gate.tick(self.now.saturating_add(Duration::from_millis(999)));
        (self.now, self.second) = (self.now.saturating_add(A_SECOND), self.second + 1);
    }

    /// A flood comes, and is turned away by a mitigation.
    pub(super) fn is_flooded(&mut self) {
        drop(self.gate.events());
        self.seconds(10, FLOOD);
        let Sent { attackers_admitted: admitted, visitors_refused: refused } =
            self.seconds(5, FLOOD);
        let events = self.gate.events();
        assert!(self.gate.posture() >= Posture::Defend, "{events:#?}");
        assert!(admitted <= 50, "{admitted} of 1,000 requests got in: {events:#?}");
        assert!(refused <= 5, "{refused} of 100 visitors were refused");
        let is_made = |kind: &EventKind| {
            matches!(kind, EventKind::Throttled { .. } | EventKind::Denied { .. })
        };
        assert!(events.iter().any(|event| is_made(&event.kind)), "{events:#?}");
    }

    /// It is over, and eighty seconds later nothing is left of it.
    pub(super) fn comes_to_rest(&mut self) {
        self.seconds(80, 0);
        let defence = self.gate.defence();
        assert_eq!(defence.mitigations(self.now), []);
        assert_eq!(self.gate.posture(), Posture::Normal, "{:#?}", self.gate.events());
        assert!(self.gate.incident().unwrap().is_over());
    }

    pub(super) fn knows(&self, client: IpAddr) -> bool {
        let snapshot = self.gate.0.snapshot.load();
        let detector = snapshot.setting.detector.as_ref().unwrap();
        detector.knows(detector.glance(Some(client)).network)
    }
}

/// An operator narrows what the gate has found: it is kept as he says, from the next check on.
#[test]
#[cfg_attr(miri, ignore = "a site's requests for minutes")]
fn an_operator_can_change_a_mitigation() {
    let mut site = Site::new();
    site.is_flooded();
    let scheme = Scheme::new().list("office", Type::Ip);
    let when = |text: &str| scheme.parse(text).unwrap();
    let mitigations = |site: &Site| site.gate.defence().mitigations(site.now);
    let before = mitigations(&site);
    let name = before[0].name.as_str();
    let edit = |site: &Site, name: &str, text| site.gate.defence().edit(name, when(text), site.now);
    assert!(matches!(edit(&site, "auto-0", "ssl"), Err(EditError::Unknown)));
    assert!(matches!(edit(&site, name, "ip.src in $office"), Err(EditError::Names(_))));
    assert_eq!(mitigations(&site), before);
    drop(site.gate.events());

    edit(&site, name, r#"ip.src in {198.51.100.0/25}"#).unwrap();
    let after = mitigations(&site);
    assert_eq!(after.len(), before.len());
    assert_eq!(after[0].condition, r#"ip.src in {198.51.100.0/25}"#);
    assert!(after[0].is_pinned() && !before[0].is_pinned());
    let told = site.gate.events();
    let told = told.iter().find_map(|event| match &event.kind {
        EventKind::Told { what } => Some(what.as_str()),
        _ => None,
    });
    assert_eq!(told, Some(format!("{name} is to be: ip.src in {{198.51.100.0/25}}").as_str()));
    let asks = |host: u8| site.ask([198, 51, 100, host].into(), "/hunted", "evil", site.now);
    assert_eq!((asks(20), asks(200)), (false, true));

    let nothing = Gate::builder().build().unwrap();
    let edited = nothing.defence().edit("auto-1", when("ssl"), NOW);
    assert!(matches!(edited, Err(EditError::Unknown)));
}

/// Only so many are kept, and it is known how many nobody has read.
#[test]
fn events_that_nobody_reads_are_counted() {
    let gate = Gate::builder().defence(Defence::up_to(Posture::Defend)).build().unwrap();
    let defence = gate.defence();
    for second in 0..100 {
        let now = NOW.saturating_add(A_SECOND * second);
        assert!(defence.force(Posture::Elevated, AN_HOUR, now) && defence.release(now));
    }
    assert_eq!((defence.dropped_events(), gate.events().len()), (400 - 256, 256));
    assert_eq!((defence.dropped_events(), gate.events().len()), (400 - 256, 0));
    assert_eq!(defence.dropped_samples(), 0, "there is one thread");
    let none = Gate::builder().build().unwrap();
    assert_eq!((none.defence().dropped_events(), none.defence().dropped_samples()), (0, 0));
}
