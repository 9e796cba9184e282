//! The gate, as the simulator sees it: the only place that speaks to its defence.

use std::time::Duration;

use portcullis::{
    Admission, CidrSet, ClientIp, Defence, Denial, DenialReason, ForwardedBy, Gate, Mode, Outcome,
    Posture, Request, Timestamp, Trust, detect::EventKind,
};

use super::{
    ask::{Ask, Nanos},
    attack::EXEMPT,
    people::PROXY,
};

/// What refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// What the attack looks like.
    Mitigation,
    /// The client is not known, and there is not enough for everybody.
    Unknown,
    /// The request is not important enough, whoever sends it.
    Shed,
    /// Something that a person has set.
    Other,
}

impl By {
    pub(crate) const COUNT: usize = 4;

    pub(crate) const fn at(self) -> usize {
        match self {
            Self::Mitigation => 0,
            Self::Unknown => 1,
            Self::Shed => 2,
            Self::Other => 3,
        }
    }

    fn of(denial: &Denial) -> Self {
        match denial.reason() {
            DenialReason::Mitigation => Self::Mitigation,
            DenialReason::Shed if denial.name() == "unknown clients" => Self::Unknown,
            DenialReason::Shed => Self::Shed,
            _ => Self::Other,
        }
    }
}

/// The right to be served, or what refuses.
pub(crate) type Ruling = Result<Admission, By>;

/// What the gate has told of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) at: Nanos,
    pub(crate) what: What,
    /// In the gate's own words.
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Posture { to: Posture },
    Throttled,
    Denied,
    Other,
}

/// What a gate takes along over a restart.
#[cfg(feature = "serde")]
pub(crate) type Saved = portcullis::GateSnapshot;
#[cfg(not(feature = "serde"))]
pub(crate) enum Saved {}

pub(crate) struct Keeper {
    gate: Gate,
}

impl Keeper {
    /// A gate that may defend by itself, with nothing else set but whom it must spare.
    pub(crate) fn new() -> Result<Self, String> {
        let proxies = CidrSet::from_iter([PROXY]);
        let gate = Gate::builder()
            .exempt(CidrSet::from_iter([EXEMPT]))
            .trust(ClientIp::new(Trust::Nets(proxies), ForwardedBy::header("x-forwarded-for")))
            .defence(Defence::up_to(Posture::Defend))
            .build()
            .map_err(|error| format!("the gate could not be built: {error}"))?;
        Ok(Self { gate })
    }

    pub(crate) fn observe(&self) {
        self.gate.set_mode(Mode::Observe);
    }

    pub(crate) fn ask(&self, ask: &Ask, now: Nanos) -> Ruling {
        let forwarded = ask.behind.map(|client| client.to_string());
        let mut request = Request::new(ask.peer)
            .method(ask.method)
            .host("shop.example")
            .target(&ask.target)
            .header("user-agent", ask.agent);
        if ask.has_referer {
            request = request.header("referer", "https://shop.example/");
        }
        if ask.has_cookie {
            request = request.header("cookie", "session=1");
        }
        if ask.has_language {
            request = request.header("accept-language", "en");
        }
        if let Some(client) = &forwarded {
            request = request.header("x-forwarded-for", client);
        }
        self.check(&request, now)
    }

    pub(crate) fn check(&self, request: &Request<'_>, now: Nanos) -> Ruling {
        let verdict = self.gate.check(request, Timestamp::from_nanos(now));
        verdict.into_result().map_err(|denial| By::of(&denial))
    }

    pub(crate) fn finish(&self, admission: Admission, status: u16, took: Nanos, now: Nanos) {
        let outcome = Outcome::status(status).latency(Duration::from_nanos(took));
        self.gate.finish(admission, outcome, Timestamp::from_nanos(now));
    }

    pub(crate) fn tick(&self, now: Nanos) {
        self.gate.tick(Timestamp::from_nanos(now));
    }

    pub(crate) fn posture(&self) -> Posture {
        self.gate.posture()
    }

    /// How much speaks for an attack, and how busy the service is; 0 to 100.
    pub(crate) fn attack_and_load(&self) -> (f64, f64) {
        let evidence = self.gate.defence().evidence();
        (evidence.attack, evidence.load)
    }

    /// What it has told of since it was asked last.
    pub(crate) fn told(&self) -> Vec<Told> {
        let events = self.gate.events().into_iter();
        let told = events.map(|event| Told {
            at: event.at.as_nanos(),
            what: match event.kind {
                EventKind::Posture { to, .. } => What::Posture { to },
                EventKind::Throttled { .. } => What::Throttled,
                EventKind::Denied { .. } => What::Denied,
                _ => What::Other,
            },
            text: event.text,
        });
        told.collect()
    }

    /// The report of the incident, as Markdown.
    pub(crate) fn incident(&self) -> Option<String> {
        self.gate.incident().map(|incident| incident.to_markdown())
    }

    /// What would be written to disk before a restart; `None` where the library is built without.
    #[cfg(feature = "serde")]
    pub(crate) fn save(&self, now: Nanos) -> Option<Saved> {
        Some(self.gate.snapshot(Timestamp::from_nanos(now)))
    }

    #[cfg(not(feature = "serde"))]
    pub(crate) fn save(&self, _now: Nanos) -> Option<Saved> {
        None
    }

    /// A new gate that goes on from there.
    #[cfg(feature = "serde")]
    pub(crate) fn restored(saved: &Saved, now: Nanos) -> Result<Self, String> {
        let keeper = Self::new()?;
        let restored = keeper.gate.restore(saved, Timestamp::from_nanos(now));
        restored.map_err(|error| format!("the gate does not take what was saved: {error}"))?;
        Ok(keeper)
    }

    #[cfg(not(feature = "serde"))]
    pub(crate) fn restored(saved: &Saved, _now: Nanos) -> Result<Self, String> {
        match *saved {}
    }
}
