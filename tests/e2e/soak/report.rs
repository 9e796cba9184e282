//! Whether it was good, and the tables that say so.

use std::fmt::Write as _;

use crate::{
    director::{AtRest, Done},
    journal::Journal,
    memory::median,
    talk::{COUNTS, Told},
};

/// One second of the run.
#[derive(Clone, Copy, Default)]
pub(crate) struct Second {
    pub(crate) resident: u64,
    pub(crate) heap: u64,
    /// In this second.
    pub(crate) served: u64,
    pub(crate) refused: u64,
    pub(crate) posture: u8,
    pub(crate) is_flooded: bool,
}

pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) length: f64,
    pub(crate) seconds: Vec<Second>,
    pub(crate) at_rest: Vec<AtRest>,
    pub(crate) done: Done,
    pub(crate) told: Told,
    /// What the gate has refused, by the name of what has.
    pub(crate) refused: Vec<(String, u64)>,
    pub(crate) fleet: String,
    /// Open files and threads before the service was started, and after it has ended.
    pub(crate) outside: [(u64, u64); 2],
    pub(crate) mibs: f64,
}

/// More than this is growth. From one third of 900 seconds to the next a leak of 1 KiB for each reload adds some 180 KiB, and
/// one of 1 KiB for each 1,000 requests some 300 KiB; what is not a leak has moved by less than 10 KiB.
const HEAP_GROWTH: u64 = 32 * 1_024;
/// The allocator keeps what it has had at its busiest moment, and goes up by steps of some megabytes until it has seen the
/// busiest of all: this only finds what the heap does not show. Percent, and bytes.
const RESIDENT_GROWTH: (u64, u64) = (5, 4 * 1_048_576);

/// The same moments as two parts: the second and the last third.
fn thirds<T>(all: &[T]) -> (&[T], &[T]) {
    let third = all.len() / 3;
    let (begin, last) = all.split_at(all.len() - third);
    (begin.split_at(begin.len().saturating_sub(third)).1, last)
}

struct Memory {
    /// Medians at rest, of the second and the last third, and what is between them on average.
    heap: [u64; 2],
    requests: u64,
    reloads: u64,
    resident: [u64; 2],
}

impl Outcome {
    fn memory(&self) -> Memory {
        // The first one is from before the first client.
        let (second, last) = thirds(self.at_rest.get(1..).unwrap_or_default());
        let heap =
            [second, last].map(|part| median(&part.iter().map(|it| it.heap).collect::<Vec<_>>()));
        let middle = |part: &[AtRest], value: fn(&AtRest) -> u64| {
            median(&part.iter().map(value).collect::<Vec<_>>())
        };
        let (second_s, last_s) = thirds(&self.seconds);
        let resident = [second_s, last_s]
            .map(|part| median(&part.iter().map(|it| it.resident).collect::<Vec<_>>()));
        Memory {
            heap,
            requests: middle(last, |it| it.requests) - middle(second, |it| it.requests),
            reloads: middle(last, |it| it.reloads) - middle(second, |it| it.reloads),
            resident,
        }
    }

    /// Looks at what can only be seen in the end.
    pub(crate) fn judge(&self, journal: &Journal, most_places: u32) {
        let memory = self.memory();
        let [second, last] = memory.heap;
        let grown = last.saturating_sub(second);
        if grown > HEAP_GROWTH {
            journal
                .wrong(&format!("the heap at rest has grown by {grown} bytes in the last third"));
        }
        let [second, last] = memory.resident;
        let (percent, bytes) = RESIDENT_GROWTH;
        if last > second + second * percent / 100 + bytes {
            journal.wrong(&format!("the resident memory has grown from {second} to {last} bytes"));
        }
        if let (Some(first), Some(last)) = (self.at_rest.get(1), self.at_rest.last()) {
            let of = |it: &AtRest| (it.files, it.tasks, it.threads);
            if of(first) != of(last) {
                journal.wrong(&format!(
                    "files, tasks and threads were {:?}, and are {:?}",
                    of(first),
                    of(last)
                ));
            }
        }
        let [before, after] = self.outside;
        if after.0 > before.0 {
            journal.wrong(&format!("{} files were open, and {} are", before.0, after.0));
        }
        if most_places > 3 {
            journal.wrong(&format!("{most_places} had a place of three"));
        }
        let [sent, served, ..] = self.told.counts;
        if served == 0 || sent == 0 {
            journal.wrong("nobody was served: nothing is shown");
        }
    }

    pub(crate) fn markdown(&self, journal: &Journal) -> String {
        let mut text = String::new();
        let (wrongs, first) = journal.wrongs();
        let memory = self.memory();
        let mut row = |name: &str, value: String| {
            let _ = writeln!(text, "| {name} | {value} |");
        };
        row("what", "how much".into());
        row("---", "---:".into());
        row("length", format!("{:.0} s, seed {}", self.length, self.seed));
        row("**wrong**", format!("**{wrongs}**"));
        for (name, count) in COUNTS.iter().zip(self.told.counts) {
            row(&format!("requests: {name}"), count.to_string());
        }
        let Done {
            reloads,
            refused_reloads,
            swaps,
            edits,
            bans,
            snapshots,
            forced,
            kills,
            pauses,
            forgotten,
            floods,
            published,
        } = self.done;
        row("floods", floods.to_string());
        row("reloads, and texts that were refused", format!("{reloads}, {refused_reloads}"));
        row("lists swapped (100,000 prefixes and back), edits", format!("{swaps}, {edits}"));
        row("bans by hand, postures forced", format!("{bans}, {forced}"));
        row(
            "snapshots restored into another gate, metrics published",
            format!("{snapshots}, {published}"),
        );
        row(
            "the store killed, paused, robbed of script or data",
            format!("{kills}, {pauses}, {forgotten}"),
        );
        row("fleet", self.fleet.clone());
        let kib = |bytes: u64| format!("{:.1}", bytes as f64 / 1_024.0);
        let [second, last] = memory.heap;
        row(
            "heap at rest, KiB: medians of the second and the last third",
            format!("{}, {}", kib(second), kib(last)),
        );
        row(
            "between them",
            format!(
                "{} requests, {} reloads: a leak of 1 KiB per 1,000 requests would be {} KiB, per reload {} KiB; {} KiB fail",
                memory.requests,
                memory.reloads,
                memory.requests / 1_000,
                memory.reloads,
                HEAP_GROWTH / 1_024
            ),
        );
        row(
            "resident, KiB: the same",
            format!("{}, {}", kib(memory.resident[0]), kib(memory.resident[1])),
        );
        if let (Some(first), Some(last)) = (self.at_rest.get(1), self.at_rest.last()) {
            row(
                "files, tasks, threads at the first and the last rest",
                format!(
                    "{}, {}, {} and {}, {}, {}",
                    first.files, first.tasks, first.threads, last.files, last.tasks, last.threads
                ),
            );
        }
        let [before, after] = self.outside;
        row(
            "files, threads before the start and after the end",
            format!("{}, {} and {}, {}", before.0, before.1, after.0, after.1),
        );
        row("what the gate says it takes, MiB", format!("{:.1}", self.mibs));
        text.push_str("\n| regular clients in | requests | p50 ms | p90 | p99 | p99.9 | longest |\n|---|---:|---:|---:|---:|---:|---:|\n");
        for (phase, histogram) in &self.told.latencies {
            let ms = |micros: u64| format!("{:.2}", micros as f64 / 1_000.0);
            let quantiles =
                [5_000, 9_000, 9_900, 9_990].map(|share| ms(histogram.quantile(share))).join(" | ");
            let _ = writeln!(
                text,
                "| {phase} | {} | {quantiles} | {} |",
                histogram.len(),
                ms(histogram.most())
            );
        }
        text.push_str("\n| who knows what it is owed | admitted | refused | units left in the fullest window |\n|---|---:|---:|---:|\n");
        for line in &self.told.oracles {
            let _ = writeln!(text, "| {} |", line.split('|').collect::<Vec<_>>().join(" | "));
        }
        text.push_str("\n| refused by | requests |\n|---|---:|\n");
        for (name, count) in &self.refused {
            let _ = writeln!(text, "| {name} | {count} |");
        }
        for wrong in first {
            let _ = writeln!(text, "\n- wrong at {wrong}");
        }
        text
    }

    /// Each rest, for those who look for what has grown.
    pub(crate) fn rests(&self) -> String {
        let mut text = String::new();
        for rest in &self.at_rest {
            let _ = writeln!(
                text,
                "rest at {:7.1} s: heap {:9.1} KiB, {} files, {} tasks, {} threads, {} requests, {} reloads",
                rest.seconds,
                rest.heap as f64 / 1_024.0,
                rest.files,
                rest.tasks,
                rest.threads,
                rest.requests,
                rest.reloads
            );
        }
        text
    }
}
