//! What happened, a line for each phase, and whether it is what was promised.

use std::ops::RangeInclusive;

use crate::{
    flood::{PATIENCE, Window},
    node::Asked,
};

/// A part of the play.
pub(crate) struct Phase {
    name: &'static str,
    window: Window,
    /// `None` without a Redis.
    asked: Option<Asked>,
    /// What may be admitted.
    promised: RangeInclusive<f64>,
}

/// All phases so far.
pub(crate) struct Report {
    holds: bool,
}

impl Phase {
    pub(crate) fn new(name: &'static str, window: Window) -> Self {
        Self { name, window, asked: None, promised: 0.0..=f64::INFINITY }
    }

    /// How often Redis was asked meanwhile.
    pub(crate) fn asked(self, asked: Asked) -> Self {
        Self { asked: Some(asked), ..self }
    }

    /// What is promised of it: to admit no less and no more.
    pub(crate) fn between(self, least: f64, most: f64) -> Self {
        Self { promised: least..=most, ..self }
    }

    /// What of the promise is broken.
    fn broken(&self) -> Option<String> {
        let all = self.window.all();
        let slow = all.slowest > PATIENCE;
        match all.failed {
            0 if slow => Some(format!("one request took {} ms", all.slowest.as_millis())),
            0 if self.promised.contains(&f64::from(all.admitted)) => None,
            0 => Some(format!(
                "{} requests were admitted, where {:.0} to {:.0} were promised",
                all.admitted,
                self.promised.start(),
                self.promised.end()
            )),
            failed => Some(format!("{failed} requests were neither served nor refused")),
        }
    }
}

/// The columns: seconds, requests, admitted, of that promised, by each, calls, alone, slowest.
macro_rules! line {
    ($name:expr, $($column:expr),*) => {
        println!("{:<24}{:>6}{:>10}{:>10}{:>14}{:>18}{:>12}{:>8}{:>9}", $name, $($column),*)
    };
}

impl Report {
    /// Begins the table.
    pub(crate) fn begin() -> Self {
        line!("", "", "", "", "at least,", "by each", "calls per", "", "");
        line!(
            "",
            "s",
            "requests",
            "admitted",
            "at most",
            "service",
            "100 of them",
            "alone",
            "slowest"
        );
        Self { holds: true }
    }

    /// Tells of a phase that is over.
    pub(crate) fn add(&mut self, phase: Phase) {
        let all = phase.window.all();
        let shares = phase.window.nodes.iter().map(|node| node.admitted.to_string());
        let per_hundred = |count| 100.0 * count as f64 / f64::from(all.all().max(1));
        let asked = |what: fn(Asked) -> String| phase.asked.map_or("-".to_owned(), what);
        let calls = phase.asked.map(|asked| format!("{:.1}", per_hundred(asked.calls)));
        line!(
            phase.name,
            format!("{:.1}", phase.window.length.as_secs_f64()),
            all.all(),
            all.admitted,
            format!("{:.0}, {:.0}", phase.promised.start(), phase.promised.end()),
            shares.collect::<Vec<_>>().join(" + "),
            calls.unwrap_or("-".to_owned()),
            asked(|asked| asked.alone.to_string()),
            format!("{} ms", all.slowest.as_millis())
        );
        if let Some(reason) = phase.broken() {
            println!("{:<24}BROKEN: {reason}", "");
            self.holds = false;
        }
    }

    /// What it comes to: this, if all promises were kept.
    pub(crate) fn conclude(&self, shown: &str) {
        let shown = if self.holds { shown } else { "The limit did not hold: see above." };
        println!(
            "\nCalls: round trips to Redis. Alone: what a service decided without an answer.\n{shown}"
        );
    }

    pub(crate) fn holds(&self) -> bool {
        self.holds
    }
}
