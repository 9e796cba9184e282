//! What came of a request, in words: what was understood, what happened, why, and what follows.

use std::{
    io::{self, Write},
    time::Duration,
};

use portcullis::{
    Denial, DenialReason, Gate,
    gate::{LimitFate, LimitReport, Mode, RuleFate, Stage, StageOutcome, config::GateConfig},
    ipnet::IpNet,
};

use super::{
    options::Asked,
    plain,
    play::{Played, Refused, Run},
};

/// All that there is to tell of.
pub(super) struct Story<'a> {
    pub(super) gate: &'a Gate,
    pub(super) config: &'a GateConfig,
    pub(super) asked: &'a Asked,
    pub(super) played: &'a Played,
}

/// What the client would see.
pub(super) struct Sees {
    /// `None` if the service answers, and nobody has said what.
    pub(super) status: Option<u16>,
    /// In whole seconds, rounded up, as adapters write it.
    pub(super) retry_after: Option<u64>,
    /// Only while the store of a limit of the fleet does not answer.
    is_without_store: bool,
}

pub(super) fn write(story: &Story<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Story { asked, played, .. } = story;
    let curl = &asked.curl;
    let host = if curl.host.is_empty() { "(no host) " } else { &curl.host };
    write!(out, "request     {} {}{}", curl.method, plain(host), plain(&curl.target))?;
    write!(out, ", {}, from {}", curl.version, asked.peer.from)?;
    writeln!(
        out,
        "{}",
        if asked.peer.is_assumed { " (assumed; --from says another)" } else { "" }
    )?;
    if !curl.ignored.is_empty() {
        writeln!(out, "passed over {}", plain(&curl.ignored.join(", ")))?;
    }
    curl.notes.iter().try_for_each(|note| writeln!(out, "note        {}", plain(note)))?;
    if asked.peer.times > 1 {
        let Asked { peer, .. } = asked;
        let status = peer.status.unwrap_or(200);
        let (times, every) = (peer.times, peer.every);
        writeln!(out, "played      {times} times, every {every:?}, answered with {status}")?;
        played.runs.iter().try_for_each(|run| writeln!(out, "{}", line_of(run)))?;
        writeln!(out, "the last one:")?;
    }
    writeln!(out, "{}", played.explanation)?;
    let fleet = played.explanation.limits().iter().any(|it| it.fate() == LimitFate::AsksStore);
    if fleet {
        writeln!(out, "note        limits of the fleet are explained as if their store admitted")?;
    }
    let sees = story.sees();
    match sees.status {
        Some(status) => write!(out, "client sees status {status}")?,
        None => write!(out, "client sees what the service answers")?,
    }
    if sees.is_without_store {
        write!(out, ", while the store does not answer")?;
    }
    match sees.retry_after {
        Some(seconds) => writeln!(out, ", retry-after: {seconds}")?,
        None => writeln!(out)?,
    }
    writeln!(out, "conclusion  {}", story.conclusion())
}

fn line_of(run: &Run) -> String {
    let Run { first, last, refused } = run;
    let numbers = if first == last { format!("{first}") } else { format!("{first}-{last}") };
    match refused {
        None => format!("  {numbers:<10}admitted"),
        Some(it) => {
            let what = reason(it.reason);
            format!("  {numbers:<10}refused by {:?} ({what}), status {}", it.by, it.status)
        }
    }
}

impl Story<'_> {
    /// What the client would see of the last one.
    pub(super) fn sees(&self) -> Sees {
        let explanation = &self.played.explanation;
        let (status, retry_after) = match (explanation.denial(), self.without_store()) {
            (Some(denial), _) if !explanation.is_admitted() => {
                (Some(denial.status()), denial.retry_after().map(whole_seconds))
            }
            (_, Some(refused)) => (Some(refused.status), None),
            _ => (self.asked.peer.status, None),
        };
        Sees { status, retry_after, is_without_store: self.without_store().is_some() }
    }

    /// What refused the last one for want of a store, where it is that store's to say.
    fn without_store(&self) -> Option<&Refused> {
        let refused = self.played.runs.last()?.refused.as_ref()?;
        let limits = self.played.explanation.limits();
        let asks = |it: &LimitReport| it.fate() == LimitFate::AsksStore && it.name() == refused.by;
        (self.played.explanation.is_admitted() && limits.iter().any(asks)).then_some(refused)
    }

    /// How it ends, in a sentence or two.
    pub(super) fn conclusion(&self) -> String {
        let Self { gate, played, asked, .. } = self;
        let explanation = &played.explanation;
        let last = match (explanation.denial(), gate.mode()) {
            (None, _) => match self.without_store() {
                Some(Refused { by, status, .. }) => format!(
                    "That is for the store of {by:?} to say, which is not asked here; while it does not answer, status \
                     {status}."
                ),
                None => self.why_it_passes(),
            },
            (Some(denial), Mode::Enforce) => format!("It is refused: {}.", self.why(denial)),
            (Some(denial), mode) => {
                let mode = if mode == Mode::Off { "is off" } else { "only observes" };
                format!(
                    "It passes, as the gate {mode}; enforcing, it would refuse it: {}.",
                    self.why(denial)
                )
            }
        };
        let refused = |run: &&Run| run.refused.is_some();
        let admitted = played.runs.iter().filter(|run| run.refused.is_none());
        let admitted: u32 = admitted.map(|run| run.last - run.first + 1).sum();
        match played.runs.iter().find(refused) {
            Some(run) if asked.peer.times > 1 => {
                let times = asked.peer.times;
                let first = run.first;
                format!(
                    "{admitted} of {times} pass; the first that is refused is number {first}. \
                         Of the last one: {last}"
                )
            }
            None if asked.peer.times > 1 => format!("All {admitted} pass. Of the last one: {last}"),
            _ => last,
        }
    }

    fn why_it_passes(&self) -> String {
        let explanation = &self.played.explanation;
        if explanation.outcome(Stage::Exempt) == StageOutcome::Admitted {
            return "It passes, whatever rules and limits say: its address is exempt.".to_owned();
        }
        let shadows = explanation.rules().iter().filter(|rule| rule.fate() == RuleFate::InShadow);
        let shadows = shadows.map(|rule| format!("the rule {:?} holds", rule.name()));
        let limits = explanation.limits().iter().filter(|limit| {
            matches!(limit.fate(), LimitFate::Denies | LimitFate::MissingKey | LimitFate::Banned(_))
        });
        let limits = limits.map(|limit| format!("the limit {:?} denies", limit.name()));
        let shadows: Vec<String> = shadows.chain(limits).collect();
        let end = if shadows.is_empty() {
            String::new()
        } else {
            format!("; but in shadow {}", shadows.join(", and "))
        };
        format!("It passes: no rule and no limit refuses it{end}.")
    }

    /// Why it is refused, and what helps.
    fn why(&self, denial: &Denial) -> String {
        let name = denial.name();
        let rule = self.config.rule.iter().find(|rule| rule.name == name);
        let limit = self.config.limit.iter().find(|limit| limit.name == name);
        let again = match denial.retry_after() {
            Some(wait) => format!("; it may come again in {}", shown(wait)),
            None => String::from("; waiting does not help"),
        };
        match denial.reason() {
            DenialReason::DenyList => format!("its address is on the deny list{again}"),
            DenialReason::Rule => match rule {
                Some(rule) => {
                    format!("the rule {name:?} holds, `{}`{again}", on_a_line(&rule.when))
                }
                None => format!("the rule {name:?} holds{again}"),
            },
            DenialReason::Banned if limit.is_some() => {
                format!("the limit {name:?} has banned it{again}")
            }
            DenialReason::Banned => {
                let bans = self.gate.bans().list(self.played.end);
                let client = denial.client();
                let of_client = |net: IpNet| client.is_some_and(|client| net.contains(&client));
                match bans.iter().find(|ban| ban.net().is_some_and(of_client)) {
                    Some(ban) => format!("{:?} has banned its client{again}", ban.reason()),
                    None => format!("its client is banned{again}"),
                }
            }
            DenialReason::Limit => match limit.and_then(|limit| limit.quota.as_deref()) {
                Some(quota) => format!("the limit {name:?} of {} is used up{again}", plain(quota)),
                None => format!("the limit {name:?} is used up{again}"),
            },
            DenialReason::Concurrency => {
                format!("as many requests are in flight as the limit {name:?} lets{again}")
            }
            DenialReason::MissingKey => {
                format!("it lacks what the limit {name:?} counts by{again}")
            }
            DenialReason::Unavailable => {
                format!("the store of the limit {name:?} does not answer here{again}")
            }
            DenialReason::Saturated => format!("no place is left for new clients{again}"),
            DenialReason::Mitigation => {
                format!("it is like an attack that the gate has recognised, {name:?}{again}")
            }
            DenialReason::Shed => format!("not everybody can be served{again}"),
            DenialReason::MissingPeer => format!("its peer is not known{again}"),
            _ => format!("by {name:?}{again}"),
        }
    }
}

/// A condition of several lines as one.
fn on_a_line(condition: &str) -> String {
    let lines = condition.lines().map(str::trim).filter(|line| !line.is_empty());
    plain(&lines.collect::<Vec<_>>().join(" ").replace('\t', " "))
}

/// What a denial rests on, in a word or two.
pub(super) fn reason(reason: DenialReason) -> &'static str {
    match reason {
        DenialReason::DenyList => "deny list",
        DenialReason::Rule => "rule",
        DenialReason::Banned => "ban",
        DenialReason::Limit => "limit",
        DenialReason::Concurrency => "requests in flight",
        DenialReason::MissingKey => "missing key",
        DenialReason::Unavailable => "store",
        DenialReason::Saturated => "saturated",
        DenialReason::Mitigation => "mitigation",
        DenialReason::Shed => "shed",
        DenialReason::MissingPeer => "missing peer",
        _ => "other",
    }
}

/// `Retry-After`: whole seconds, never early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// A time to a millisecond, up.
fn shown(wait: Duration) -> String {
    let millis = wait.as_nanos().div_ceil(1_000_000);
    format!("{:?}", Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}
