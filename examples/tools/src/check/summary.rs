//! What was found in a file, and what the gate is that it describes.

use std::io::{self, Write};

use portcullis::{
    Gate,
    gate::{Bound, config::*},
    rule::{List, RuleMode},
};
use serde::Serialize;

use super::{file::Examined, plain};

/// What a gate is, in a few numbers and names.
#[derive(Serialize)]
pub(super) struct Summary {
    mode: &'static str,
    rules: usize,
    /// Those of them that are only counted.
    rules_in_shadow: usize,
    /// Those of them that are not asked.
    rules_off: usize,
    limits: Vec<Limit>,
    lists: Vec<ListOf>,
    trust: String,
    defence: String,
    memory_bytes: usize,
}

#[derive(Serialize)]
struct Limit {
    name: String,
    bound: String,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    fleet: bool,
}

#[derive(Serialize)]
struct ListOf {
    name: String,
    holds: &'static str,
    entries: usize,
}

impl Summary {
    pub(super) fn new(gate: &Gate, config: &GateConfig) -> Self {
        let modes =
            || config.rule.iter().map(|rule| mode_of(rule.mode, rule.group.as_ref(), config));
        let said = |it: &LimitConfig| mode_of(it.mode, it.group.as_ref(), config);
        let limits = gate.policies().into_iter().map(|policy| {
            let written = config.limit.iter().find(|limit| limit.name == policy.name());
            Limit {
                name: policy.name().to_owned(),
                bound: match policy.bound() {
                    Bound::Quota(quota) => quota.to_string(),
                    Bound::InFlight(most) => format!("{most} in flight"),
                    _ => "another bound".to_owned(),
                },
                by: written.map(by).unwrap_or_default(),
                mode: match written.map(said) {
                    Some(RuleMode::Shadow) => Some("in shadow"),
                    Some(RuleMode::Off) => Some("off"),
                    _ => None,
                },
                fleet: written.is_some_and(|it| matches!(it.scope, Some(ScopeConfig::Fleet))),
            }
        });
        let lists = gate.lists();
        let list = |name: String| {
            let list = lists.get(&name)?;
            let holds = match &list {
                List::Addresses(_) => "addresses",
                List::Texts(_) => "texts",
                _ => "numbers",
            };
            Some(ListOf { name, holds, entries: list.len() })
        };
        Self {
            mode: gate.mode().name(),
            rules: config.rule.len(),
            rules_in_shadow: modes().filter(|mode| *mode == RuleMode::Shadow).count(),
            rules_off: modes().filter(|mode| *mode == RuleMode::Off).count(),
            limits: limits.collect(),
            lists: lists.names().into_iter().filter_map(list).collect(),
            trust: trust(config),
            defence: defence(config),
            memory_bytes: gate.memory_bytes(),
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "  mode      {}", self.mode)?;
        writeln!(out, "  clients   {}", self.trust)?;
        let apart = [(self.rules_in_shadow, "in shadow"), (self.rules_off, "off")];
        let apart = apart.iter().filter(|(many, _)| *many > 0);
        let apart: Vec<String> = apart.map(|(many, what)| format!("{many} {what}")).collect();
        let apart =
            if apart.is_empty() { String::new() } else { format!(" ({})", apart.join(", ")) };
        writeln!(out, "  rules     {}{apart}", self.rules)?;
        let mut label = "limits";
        for Limit { name, bound, by, mode, fleet } in &self.limits {
            let fleet = if *fleet { ", of the fleet" } else { "" };
            let mode = mode.map(|mode| format!(", {mode}")).unwrap_or_default();
            writeln!(out, "  {label:<10}{name:?}: {bound}, {}{fleet}{mode}", plain(by))?;
            label = "";
        }
        label = "lists";
        for ListOf { name, holds, entries } in &self.lists {
            let many = match entries {
                0 => "empty".to_owned(),
                1 => "1 entry".to_owned(),
                _ => format!("{entries} entries"),
            };
            writeln!(out, "  {label:<10}{}: {holds}, {many}", plain(name))?;
            label = "";
        }
        writeln!(out, "  defence   {}", self.defence)?;
        writeln!(out, "  memory    {}", bytes(self.memory_bytes))
    }
}

/// Everything that was found in a file, and what it describes if that is known.
pub(super) fn write(file: &Examined, out: &mut dyn Write) -> io::Result<()> {
    let name = plain(&file.name);
    if let Some(why) = &file.unreadable {
        let place = why.at.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
        writeln!(out, "error: {name}{place}: {}\n", plain(&why.message))?;
    }
    for found in &file.found {
        writeln!(out, "{found}")?;
    }
    let parts = [(file.mistakes(), "mistake"), (file.warnings(), "warning")];
    let parts = parts.into_iter().filter(|(many, _)| *many > 0);
    let parts =
        parts.map(|(many, what)| format!("{many} {what}{}", if many == 1 { "" } else { "s" }));
    let parts: Vec<String> = parts.collect();
    let verdict = if parts.is_empty() { "fine".to_owned() } else { parts.join(", ") };
    writeln!(out, "{name}: {verdict}")?;
    match &file.gate {
        Some(gate) => Summary::new(gate, &file.config).write(out),
        None => Ok(()),
    }
}

/// What counts together, as it is written.
fn by(limit: &LimitConfig) -> String {
    match &limit.by {
        None => "by client".to_owned(),
        Some(OneOrMany::One(one)) => format!("by {one}"),
        Some(OneOrMany::Many(all)) if all.is_empty() => "of everybody together".to_owned(),
        Some(OneOrMany::Many(all)) => format!("by {}", all.join(", ")),
    }
}

fn mode_of(own: Option<RuleMode>, group: Option<&String>, config: &GateConfig) -> RuleMode {
    let of_group = group.and_then(|group| config.groups.get(group)).copied();
    own.unwrap_or_default().min(of_group.unwrap_or_default())
}

fn trust(config: &GateConfig) -> String {
    let client = config.client.as_ref();
    let header = client.and_then(|it| it.header.as_deref()).unwrap_or("x-forwarded-for");
    match client.and_then(|it| it.trust.as_ref()) {
        None => "are the peers: no proxy is trusted".to_owned(),
        Some(TrustConfig::Hops(many)) => format!("behind {many} proxies, by {}", plain(header)),
        Some(_) => {
            format!("behind proxies that are trusted, by {}", plain(header))
        }
    }
}

fn defence(config: &GateConfig) -> String {
    let auto = config.defence.as_ref().and_then(|it| it.auto);
    match auto {
        None | Some(AutoDefence::Off) => "off: it does nothing by itself".to_owned(),
        Some(auto) => format!("up to {}", format!("{auto:?}").to_lowercase()),
    }
}

/// A size as people write it.
fn bytes(many: usize) -> String {
    let [kilo, mega] = [1_000, 1_000_000];
    match many {
        _ if many < 10 * kilo => format!("{many} bytes"),
        _ if many < 10 * mega => format!("{} kB", many / kilo),
        _ => format!("{} MB", many / mega),
    }
}
