//! A gate that notices a flood and turns it away.

use core::{net::IpAddr, time::Duration};

use super::NOW;
use crate::{
    Defence, Gate, Outcome, Posture, Request, Timestamp,
    detect::{EventKind, Parameters},
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
    pub(super) fn new() -> Self {
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
        let defence = Defence::up_to(Posture::Lockdown).parameters(parameters);
        let gate = Gate::builder().defence(defence).danger_seed(7).build().unwrap();
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
