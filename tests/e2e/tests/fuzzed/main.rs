//! The fuzz targets as ordinary tests: on all of their seeds, on what has found something before, and on inputs that are
//! made of both by chance, the same ones each time. Fuzzing itself goes on in `fuzz`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "reads the seeds, and says what it skips"
)]
#![allow(
    clippy::duplicate_mod,
    reason = "targets share a file, and each is a program of its own there"
)]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
};

#[path = "../../../../fuzz/fuzz_targets/bucket_ops.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod bucket_ops;
#[path = "../../../../fuzz/fuzz_targets/cidr_ops.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod cidr_ops;
#[path = "../../../../fuzz/fuzz_targets/cidr_sets.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod cidr_sets;
#[path = "../../../../fuzz/fuzz_targets/cidr_text.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod cidr_text;
#[path = "../../../../fuzz/fuzz_targets/config.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod config;
#[path = "../../../../fuzz/fuzz_targets/fleet_ops.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod fleet_ops;
#[path = "../../../../fuzz/fuzz_targets/forwarded.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod forwarded;
#[path = "../../../../fuzz/fuzz_targets/keyed_ops.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod keyed_ops;
#[path = "../../../../fuzz/fuzz_targets/path.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod path;
#[path = "../../../../fuzz/fuzz_targets/proxy.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod proxy;
#[path = "../../../../fuzz/fuzz_targets/quota_text.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod quota_text;
#[path = "../../../../fuzz/fuzz_targets/rule_eval.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod rule_eval;
#[path = "../../../../fuzz/fuzz_targets/rule_text.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod rule_text;
#[path = "../../../../fuzz/fuzz_targets/sketches.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod sketches;
#[path = "../../../../fuzz/fuzz_targets/window_ops.rs"]
#[allow(unused_attributes, reason = "no_main is for fuzzing")]
mod window_ops;

/// A test for each target, with so many inputs that are made.
macro_rules! fuzzed {
    ($($target:ident: $made:literal,)*) => {
        $(mod $target {
            #[test]
            fn finds_nothing() {
                crate::try_all(stringify!($target), crate::$target::run, $made);
            }
        })*

        const TARGETS: &[&str] = &[$(stringify!($target)),*];
    };
}

mod targets {
    use super::{Path, fs};

    fuzzed! {
        bucket_ops: 300,
        cidr_ops: 300,
        cidr_sets: 300,
        cidr_text: 300,
        config: 40,
        fleet_ops: 40,
        forwarded: 300,
        keyed_ops: 40,
        path: 300,
        proxy: 300,
        quota_text: 300,
        rule_eval: 40,
        rule_text: 300,
        sketches: 40,
        window_ops: 300,
    }

    /// None is forgotten here.
    #[test]
    fn all_of_them_are_tried() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/Cargo.toml");
        let manifest = fs::read_to_string(manifest).unwrap();
        let names =
            manifest.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        let mut names: Vec<&str> = names.filter(|name| !name.starts_with("portcullis")).collect();
        names.sort_unstable();
        assert_eq!(names, TARGETS);
    }
}

/// Tries seeds, and inputs made of them.
fn try_all(name: &str, run: fn(&[u8]), made: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
    let mut files: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!seeds.is_empty(), "{} has no seeds", folder.display());
    for (file, seed) in files.iter().zip(&seeds) {
        try_one(run, seed, &file.display().to_string());
    }
    let mut chance = Chance(name.bytes().fold(1, |sum, byte| sum * 31 + u64::from(byte)));
    for number in 0..made {
        let input = chance.input(&seeds);
        try_one(run, &input, &format!("the {number}th that is made, {input:02x?}"));
    }
}

/// Says which one it was.
fn try_one(run: fn(&[u8]), input: &[u8], which: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(input))) {
        eprintln!("found by {which}");
        resume_unwind(panic);
    }
}

/// Splitmix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end.max(1) as u64) as usize
    }

    /// Bytes, or a seed with some of its bytes changed, left out, or put twice.
    fn input(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        if self.below(3) == 0 {
            let length = self.below(256);
            return (0..length).map(|_| self.below(256) as u8).collect();
        }
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(8) {
            let at = self.below(input.len());
            match self.below(4) {
                _ if input.is_empty() => input.push(self.below(256) as u8),
                0 => input[at] ^= 1 << self.below(8),
                1 => input[at] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'%', b','][self.below(8)],
                2 => drop(input.drain(at..(at + self.below(16)).min(input.len()))),
                _ => {
                    let end = (at + self.below(32)).min(input.len());
                    let part = input[at..end].to_vec();
                    input.splice(at..at, part);
                }
            }
        }
        input
    }
}
