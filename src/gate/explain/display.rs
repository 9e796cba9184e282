//! An explanation as a text, for whoever asks at a prompt or reads a log.

use alloc::string::String;
use core::{fmt, time::Duration};

use super::{Explanation, LimitFate, LimitReport, RuleFate, RuleReport, Stage, StageOutcome};
use crate::{
    gate::Mode,
    request::{Reason, Resolved},
};

/// A report of several lines.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (stage, outcome) in self.stages() {
            write!(f, "{:<12}{}", stage.name(), outcome.text())?;
            match (stage, self.client) {
                (Stage::Client, Some(Resolved { ip, reason })) => {
                    write!(f, ": {ip}, {}", text_of(reason))?;
                }
                (Stage::Client, None) => f.write_str(": not known")?,
                _ => {}
            }
            f.write_str("\n")?;
            match stage {
                Stage::Rules => self.rules.iter().try_for_each(|rule| writeln!(f, "  {rule}"))?,
                Stage::Limits => {
                    self.limits.iter().try_for_each(|limit| writeln!(f, "  {limit}"))?
                }
                _ => {}
            }
        }
        let verdict = match (&self.denial, self.mode) {
            (None, _) => String::from("admitted"),
            (Some(denial), Mode::Enforce) => alloc::format!("{denial}, status {}", denial.status()),
            (Some(denial), Mode::Observe) => {
                alloc::format!("admitted, as the gate only observes; else {denial}")
            }
            (Some(denial), Mode::Off) => {
                alloc::format!("admitted, as the gate is off; else {denial}")
            }
        };
        write!(f, "verdict     {verdict}")
    }
}

impl fmt::Display for RuleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, fate, failing } = self;
        match (fate, failing) {
            (RuleFate::Enforced, _) => write!(f, "{name:?} holds"),
            (RuleFate::InShadow, _) => write!(f, "{name:?} holds, in shadow"),
            (RuleFate::Skipped, _) => write!(f, "{name:?} holds, but its group is skipped"),
            (RuleFate::DoesNotHold, Some(part)) => write!(f, "{name:?} does not hold: not {part}"),
            (RuleFate::DoesNotHold, None) => write!(f, "{name:?} does not hold"),
            (RuleFate::NotReached, _) => write!(f, "{name:?} is not asked"),
        }
    }
}

impl fmt::Display for LimitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, fate, standing, in_flight } = self;
        write!(f, "{name:?} ")?;
        match fate {
            LimitFate::Admits => f.write_str("admits")?,
            LimitFate::Denies => f.write_str("denies")?,
            LimitFate::Saturated => return f.write_str("has no place for the key"),
            LimitFate::MissingKey => return f.write_str("denies: a part of the key is missing"),
            LimitFate::Banned(wait) => return write!(f, "has banned the key, for {wait:?}"),
            LimitFate::DoesNotApply => return f.write_str("does not apply"),
            LimitFate::AsksStore => return f.write_str("is for the store to say"),
            LimitFate::NoKey => return f.write_str("does not apply: there is no key"),
            LimitFate::NotReached => return f.write_str("is not asked"),
        }
        if let Some(now) = in_flight {
            write!(f, ", {} of {} in flight", now.in_use(), now.limit())?;
        }
        match standing {
            Some(standing) => {
                write!(f, ", {} of {} left", standing.remaining(), standing.limit())?;
                match standing.retry_after() {
                    Duration::ZERO => Ok(()),
                    Duration::MAX => f.write_str(", and waiting does not help"),
                    wait => write!(f, ", again in {wait:?}"),
                }
            }
            None => Ok(()),
        }
    }
}

impl StageOutcome {
    fn text(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Admitted => "admitted here",
            Self::Denied => "denied here",
            Self::NotReached => "not reached",
        }
    }
}

fn text_of(reason: Reason) -> &'static str {
    match reason {
        Reason::Peer => "the peer, as no proxy is trusted",
        Reason::Header => "the first in the header that is no trusted proxy",
        Reason::AllHopsTrusted => "the first in the header, where all are trusted proxies",
        Reason::PeerUntrusted => "the peer, which is no trusted proxy",
        Reason::NoHeader => "the peer, a trusted proxy that has sent no header",
        Reason::TooFewHops => "the peer, as the header is too short",
        Reason::Malformed => "the last in the header before what is no address",
        Reason::TooManyHops => "the last in the header that was followed to",
    }
}
