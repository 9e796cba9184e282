//! All scenarios in one table.

use super::{measure::Results, play::Run};

/// A row for each scenario; several runs of one are told by their worst numbers.
pub(crate) fn table(runs: &[Run]) -> String {
    let mut text = header();
    for of_one in runs.chunk_by(|one, next| one.scenario.name == next.scenario.name) {
        text.push_str(&row(of_one));
    }
    text.push_str(
        "The worst of all runs of a scenario. noticed, refusing, denying: seconds after the start of the attack\n\
         (or how many runs had noticed something before there was anything), refusing its first request, denying all that a signature covers. restored: seconds after its end.\n\
         served: the share of ordinary requests answered within a second while it lasted. harmed: the share of\n\
         ordinary requests that the gate refused, from then on until the end.\n",
    );
    text
}

pub(crate) fn header() -> String {
    let line = |first: [&str; 13]| {
        let [name, runs, a, b, c, d, highest, e, f, g, h, i, j] = first;
        format!(
            "{name:<15}{runs:>5} {a:>9}{b:>9}{c:>9}{d:>9}  {highest:<9}{e:>8}{f:>9}{g:>9}{h:>9}{i:>9}{j:>9}\n"
        )
    };
    let names = [
        "scenario", "runs", "noticed", "refusing", "denying", "restored", "highest", "changes",
        "attack", "known", "new", "harmed", "harmed",
    ];
    let units =
        ["", "", "s", "s", "s", "s", "", "/10 min", "refused", "served", "served", "all", "known"];
    line(names) + &line(units)
}

/// Of runs of one scenario.
pub(crate) fn row(runs: &[Run]) -> String {
    let results: Vec<&Results> = runs.iter().map(|run| &run.results).collect();
    let name = runs.first().map_or("", |run| run.scenario.name);
    // The latest; somebody who never came to it is the worst.
    let latest =
        |of: &dyn Fn(&Results) -> Option<f64>| match results.iter().map(|r| of(r)).collect() {
            None => "-".to_owned(),
            Some::<Vec<f64>>(all) => format!("{:.1}", all.into_iter().fold(0.0, f64::max)),
        };
    let least = |of: &dyn Fn(&Results) -> f64| results.iter().map(|r| of(r)).fold(1.0, f64::min);
    let most = |of: &dyn Fn(&Results) -> f64| results.iter().map(|r| of(r)).fold(0.0, f64::max);
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let (highest, changes) = (results.iter().map(|r| r.highest), results.iter().map(|r| r.changes));
    format!(
        "{name:<15}{:>5} {:>9}{:>9}{:>9}{:>9}  {:<9}{:>8}{:>9}{:>9}{:>9}{:>9}{:>9}\n",
        results.len(),
        // One that was there before is none of the attack.
        match results.iter().filter(|r| r.false_alarm).count() {
            0 => latest(&|r| r.noticed),
            many => format!("{many} false"),
        },
        latest(&|r| r.throttled),
        latest(&|r| r.denied),
        latest(&|r| r.restored),
        highest.max().unwrap_or_default().name(),
        changes.max().unwrap_or(0),
        percent(least(&|r| r.attack_refused)),
        percent(least(&|r| r.known_goodput)),
        percent(least(&|r| r.new_goodput)),
        percent(most(&|r| r.collateral)),
        percent(most(&|r| r.known_collateral)),
    )
}
