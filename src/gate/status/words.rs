//! Rules and limits in words.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::time::Duration;

use crate::{
    gate::plan::{Bound, Cost, LimitPlan, MissingKey, Then},
    limit::Share,
    rule::{Action, Ban, Class, Rule, Skip},
};

/// What follows from a rule: `deny 403`, `tag bot; score 10`.
pub(super) fn actions_of(rule: &Rule) -> String {
    let mut words: Vec<String> = rule.actions.iter().map(action).collect();
    if rule.share != Share::ALL {
        words.push(String::from("for a share of the clients"));
    }
    words.join("; ")
}

fn action(action: &Action) -> String {
    match action {
        Action::Allow { bypass_limits, bypass_shedding } => {
            match (bypass_limits, bypass_shedding) {
                (false, false) => String::from("allow"),
                (true, false) => String::from("allow, past limits"),
                (false, true) => String::from("allow, past shedding"),
                (true, true) => String::from("allow, past limits and shedding"),
            }
        }
        Action::Deny { status } => format!("deny {status}"),
        Action::Ban(ban) => self::ban(ban),
        Action::Skip(Skip::Rules) => String::from("skip rules"),
        Action::Skip(Skip::Limits) => String::from("skip limits"),
        Action::Skip(Skip::Group(group)) => format!("skip group {group}"),
        Action::Count => String::from("count"),
        Action::Log => String::from("log"),
        Action::Tag(tag) => format!("tag {tag}"),
        Action::Score(score) => format!("score {score}"),
        Action::Class(class) => format!("class {}", class_name(*class)),
    }
}

fn ban(ban: &Ban) -> String {
    let first = length(ban.first);
    if ban.escalate > 1 {
        format!("ban {first}, {} times as long each time, up to {}", ban.escalate, length(ban.most))
    } else {
        format!("ban {first}")
    }
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Sheddable => "sheddable",
        Class::Default => "default",
        Class::Critical => "critical",
        Class::CriticalPlus => "critical_plus",
    }
}

/// What a limit lets pass.
pub(super) fn bound_of(limit: &LimitPlan) -> String {
    match limit.bound {
        Bound::Quota(quota) => quota.to_string(),
        Bound::InFlight(most) => format!("{most} in flight"),
    }
}

/// What a limit counts together: `client, path`.
pub(super) fn key_of(limit: &LimitPlan) -> String {
    let terms: Vec<String> = limit.by.iter().map(ToString::to_string).collect();
    terms.join(", ")
}

/// What else is said of a limit.
pub(super) fn words_of(limit: &LimitPlan) -> String {
    let mut words = Vec::new();
    match &limit.cost {
        Cost::Units(1) => {}
        Cost::Units(units) => words.push(format!("costs {units}")),
        Cost::Request(term) | Cost::Response(term) => words.push(format!("costs {term}")),
    }
    if let Some(distinct) = &limit.distinct {
        words.push(format!("counts distinct {distinct}"));
    }
    if let Some(condition) = &limit.count_if {
        words.push(format!("counts responses with {condition}"));
    }
    match limit.missing {
        MissingKey::Group => {}
        MissingKey::Skip => words.push(String::from("skips requests without a key")),
        MissingKey::Deny => words.push(String::from("denies requests without a key")),
    }
    if let Then::Ban(ban) = &limit.then {
        words.push(self::ban(ban));
    }
    if limit.share != Share::ALL {
        words.push(String::from("for a share of the clients"));
    }
    words.join("; ")
}

/// A length of time as configurations write it: `15m`, `1d`, `1m30s`.
fn length(time: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = time.as_secs();
    let mut text = String::new();
    for (seconds, unit) in UNITS {
        let whole = left.checked_div(seconds).unwrap_or(0);
        left = left.checked_rem(seconds).unwrap_or(0);
        if whole > 0 {
            text.push_str(&format!("{whole}{unit}"));
        }
    }
    match time.subsec_millis() {
        0 if text.is_empty() => String::from("0s"),
        0 => text,
        millis => format!("{text}{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::length;

    #[test]
    fn lengths_of_time_are_as_configurations_write_them() {
        for (millis, text) in [
            (0, "0s"),
            (500, "500ms"),
            (1_000, "1s"),
            (90_000, "1m30s"),
            (90_500, "1m30s500ms"),
            (900_000, "15m"),
            (86_400_000, "1d"),
            (90_061_001, "1d1h1m1s1ms"),
        ] {
            assert_eq!(length(Duration::from_millis(millis)), text);
        }
    }

    /// What is told can be written.
    #[cfg(feature = "config")]
    #[test]
    fn a_configuration_reads_what_is_told() {
        for text in ["500ms", "1s", "1m30s", "15m", "1d1h1m1s1ms"] {
            let config = std::format!(
                "[[limit]]\nname = 'a'\nquota = '1/s'\nthen = {{ ban = '{text}', max = '2d' }}\n"
            );
            let gate = crate::Gate::from_toml(&config).unwrap();
            let status = gate.status(crate::Timestamp::from_secs(1));
            assert_eq!(status.limits[0].words, std::format!("ban {text}"));
        }
    }
}
