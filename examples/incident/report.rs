//! What is said: the setting, the table and the verdict.

use indicatif::ProgressBar;
use portcullis::{Gate, Quota};

use crate::{
    crowd::Crowd,
    outage::{ATTACKER_PATIENCE_MS, VISITOR_PATIENCE_MS},
    scene::Scene,
    shop::Catalogue,
    tally::Summary,
};

/// The flood has to be at least so many times the capacity, from at least so many addresses.
const FLOOD_AT_LEAST: f64 = 5.0;
const ADDRESSES_AT_LEAST: usize = 50;
/// Goodput with the gate, and without it: the run fails outside these.
const WITH_AT_LEAST: f64 = 0.90;
const WITHOUT_AT_MOST: f64 = 0.50;

pub(crate) fn setting(
    shop: &Catalogue,
    capacity: f64,
    visitors: &Crowd,
    attackers: &Crowd,
    quota: Quota,
) {
    println!(
        "The service: a search page in axum, one worker, {} products: {capacity:.0} pages/s.",
        shop.len()
    );
    let crowd = |name: &str, crowd: &Crowd| {
        println!(
            "{name} {} addresses from {}, {:.0} requests/s ({:.2} x capacity), patient for {} ms.",
            crowd.clients,
            crowd.address(0),
            crowd.rate,
            crowd.rate / capacity,
            crowd.patience_ms
        );
    };
    crowd("Visitors:   ", visitors);
    crowd("Attackers:  ", attackers);
    println!(
        "The gate:    one limit, per client: {} a minute, bursts of {}.",
        quota.count(),
        quota.max_burst()
    );
}

/// A line of the story: above the bar, or plain where there is no terminal to draw a bar on.
pub(crate) fn announce(bar: &ProgressBar, text: &str) {
    match bar.is_hidden() {
        true => println!("\n{text}"),
        false => bar.println(format!("\n{text}")),
    }
}

pub(crate) fn table(scenes: &[&Scene]) {
    println!(
        "\n{:<28}{:>7}{:>7}{:>7}{:>8}{:>9}{:>11}{:>10}{:>10}{:>9}",
        "", "unsent", "sent", "per s", "served", "refused", "no answer", "p50", "p99", "goodput"
    );
    for scene in scenes {
        println!("{}", scene.title);
        let (before, during) = (scene.script.before(), scene.script.during());
        let visitors = |name, when| row(name, &scene.visitors(when), VISITOR_PATIENCE_MS, true);
        visitors("visitors, before", before);
        visitors("visitors, during the flood", during);
        visitors("visitors, after", scene.script.afterwards());
        row("attackers", &scene.attackers(), ATTACKER_PATIENCE_MS, false);
    }
    println!(
        "per s: requests that went onto the wire. Latency: of pages and refusals alike. goodput:\n\
         the share of what they wanted that was answered with the page within a second."
    );
}

fn row(name: &str, summary: &Summary, patience_ms: u64, wants_pages: bool) {
    let goodput = match wants_pages {
        true => format!("{:.1} %", 100.0 * summary.goodput()),
        false => String::new(),
    };
    println!(
        "  {name:<26}{:>7}{:>7}{:>7.0}{:>8}{:>9}{:>11}{:>10}{:>10}{goodput:>9}",
        summary.wanted - summary.sent,
        summary.sent,
        summary.offered,
        summary.served,
        summary.refused,
        summary.unanswered,
        summary.percentile(50, patience_ms),
        summary.percentile(99, patience_ms),
    );
}

/// What the gate itself has counted.
pub(crate) fn gate(gate: &Gate) {
    let stats = gate.stats();
    println!("The gate counted {} admitted and {} denied.", stats.admitted(), stats.denied());
}

pub(crate) fn refusal(head: Option<&str>) {
    println!("\nWhat a client reads that asks too often:");
    for line in head.unwrap_or("(no refusal to be had)").lines().filter(|line| !line.is_empty()) {
        println!("  {line}");
    }
}

/// The promise of the library, or why this run does not show it.
pub(crate) fn verdict(without: &Scene, with: &Scene, capacity: f64) -> Result<(), String> {
    for scene in [without, with] {
        let flood = scene.attackers();
        if flood.offered < FLOOD_AT_LEAST * capacity {
            return Err(format!(
                "no flood {}: the attackers sent {:.0} requests/s, which is {:.1} times the \
                 capacity and not {FLOOD_AT_LEAST} (is the machine busy with something else?)",
                scene.title,
                flood.offered,
                flood.offered / capacity
            ));
        }
        if flood.addresses < ADDRESSES_AT_LEAST {
            return Err(format!("the flood came from only {} addresses", flood.addresses));
        }
    }
    let calm = without.visitors(without.script.before()).goodput();
    let harmed = without.visitors(without.script.during()).goodput();
    let kept = with.visitors(with.script.during()).goodput();
    if calm < WITH_AT_LEAST {
        return Err(format!(
            "nothing to compare with: before any flood only {:.1} % of the visitors' requests were \
             served in time (is the machine busy with something else?)",
            100.0 * calm
        ));
    }
    if harmed > WITHOUT_AT_MOST {
        return Err(format!(
            "the flood did no harm: without the gate {:.1} % of the visitors' requests were still \
             served in time",
            100.0 * harmed
        ));
    }
    if kept < WITH_AT_LEAST {
        return Err(format!(
            "the gate did not hold: only {:.1} % of the visitors' requests were served in time \
             during the flood",
            100.0 * kept
        ));
    }
    println!(
        "The flood was {:.1} and {:.1} times the capacity. Of their goodput in peace the visitors\n\
         kept {:.1} % without the gate and {:.1} % with it.",
        without.attackers().offered / capacity,
        with.attackers().offered / capacity,
        100.0 * harmed / calm,
        100.0 * kept / calm
    );
    Ok(())
}
