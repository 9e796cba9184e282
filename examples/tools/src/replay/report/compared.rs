//! What changes with another configuration.

use super::{About, TOP, by, samples, some};
use crate::replay::{
    clients::{self, Clients},
    page::{
        Cell,
        Head::{Left, Right},
        Page, share, thousands,
    },
    run::Replay,
    tally::{Rules, Tally, why},
    time::written,
};

/// A number of a gate's, if it is known.
type Count = fn(&Tally) -> Option<u64>;

/// What one gate refuses and the other lets pass.
pub(super) fn changes(replay: &Replay, about: &About, page: &mut Page) {
    let (Some(other), Some(name)) = (&replay.sides.1, &about.against) else { return };
    let (one, other) = (&replay.sides.0.tally, &other.tally);
    let rows: [(&str, Count); 6] = [
        ("passed", |tally| Some(tally.all_passed())),
        ("refused", |tally| Some(tally.all_refused())),
        ("refused, and served in the log (2xx, 3xx)", |tally| Some(tally.served_and_refused())),
        ("clients refused something", |tally| Some(tally.clients.refused() as u64)),
        ("clients refused everything", |tally| tally.clients.locked_out().map(|it| it as u64)),
        ("bans", |tally| Some(tally.bans())),
    ];
    let cell = |count: Option<u64>| count.map_or(Cell::words("not known"), Cell::Count);
    let rows =
        rows.map(|(what, count)| vec![Cell::words(what), cell(count(one)), cell(count(other))]);
    page.table(&[Left("what"), Right("now"), Right("with the other")], rows.into());

    let changes = &replay.changes;
    let all = replay.requests();
    page.heading(format!("What changes from {} to {name}", about.config));
    let count = |rules: &Rules| rules.all().iter().map(|rule| rule.count).sum::<u64>();
    let (refused, admitted) = (count(&changes.refused), count(&changes.admitted));
    let rows = [
        ("newly refused", refused),
        ("newly admitted", admitted),
        ("refused by both", changes.both_refuse),
        ("passed by both", changes.both_pass),
    ];
    let rows = rows.map(|(what, count)| {
        vec![Cell::words(what), Cell::Count(count), Cell::words(share(count, all))]
    });
    page.table(&[Left("what"), Right("requests"), Right("share")], rows.into());
    if refused + admitted == 0 {
        page.prose("For these requests nothing changes.");
    }
    part("Newly refused, and by what", &changes.refused, &changes.refused_clients, page);
    part(
        "Newly admitted, and what had refused",
        &changes.admitted,
        &changes.admitted_clients,
        page,
    );
}

fn part(heading: &str, rules: &Rules, whose: &Clients, page: &mut Page) {
    if rules.all().is_empty() {
        return;
    }
    page.heading(heading);
    let rows = rules.by_count().into_iter().map(|rule| {
        vec![
            Cell::code(&rule.name),
            Cell::words(why(rule.reason)),
            Cell::Count(rule.count),
            Cell::Count(rule.clients),
            Cell::Count(rule.served),
            Cell::words(written(rule.first)),
            Cell::words(written(rule.last)),
        ]
    });
    let head = [
        Left("name"),
        Left("why"),
        Right("requests"),
        Right("clients"),
        Right("served (2xx, 3xx)"),
        Left("first"),
        Left("last"),
    ];
    page.table(&head, rows.collect());
    page.list(samples(rules));
    let top = whose.top(TOP / 2);
    let rows = top.iter().map(|(ip, client)| {
        vec![
            Cell::code(ip.to_string()),
            Cell::Count(client.refused),
            Cell::words(by(client, rules)),
        ]
    });
    page.table(&[Left("client"), Right("requests"), Left("by")], rows.collect());
    let more = whose.refused().saturating_sub(top.len());
    if more > 0 {
        page.prose(format!("And {} more.", some(more as u64, "client")));
    }
    if whose.times_full() > 0 {
        let most = thousands(clients::MOST as u64);
        page.prose(format!(
            "These are more clients than are told apart ({most}); counts can be too low."
        ));
    }
}
