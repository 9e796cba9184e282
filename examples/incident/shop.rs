//! The work behind a page: a fuzzy search through a catalogue, as honest as a small shop's.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

const WORDS: [&str; 32] = [
    "oak", "table", "lamp", "small", "chair", "steel", "round", "white", "shelf", "glass", "linen",
    "desk", "stool", "walnut", "tall", "mirror", "wool", "carpet", "clock", "copper", "bench",
    "drawer", "brass", "light", "soft", "cushion", "folding", "garden", "basket", "marble",
    "narrow", "sofa",
];

/// Words in the description of a product.
const DESCRIPTION: usize = 6;

struct Product {
    id: usize,
    words: [&'static str; DESCRIPTION],
}

/// What is searched. Its size decides what a page costs.
pub(crate) struct Catalogue {
    products: Vec<Product>,
}

impl Catalogue {
    pub(crate) fn of(size: usize) -> Self {
        let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut word = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
            WORDS[(state >> 59) as usize]
        };
        let products =
            (0..size).map(|id| Product { id, words: std::array::from_fn(|_| word()) }).collect();
        Self { products }
    }

    /// A catalogue so large that one search takes about `cost` of processor time on this machine:
    /// the incident then looks the same on a laptop and on a server, in debug and in release.
    pub(crate) fn costing(cost: Duration) -> Self {
        let mut shop = Self::of(200);
        // Twice, since a product costs more in a large catalogue than in one that fits a cache.
        for _ in 0..2 {
            let per_product = shop.quickest(30).as_secs_f64() / shop.len() as f64;
            let size = cost.as_secs_f64() / per_product.max(1e-9);
            shop = Self::of((size as usize).clamp(50, 1_000_000));
        }
        shop
    }

    /// The quickest of several searches is the one that nobody else's work disturbed.
    fn quickest(&self, tries: u32) -> Duration {
        let timed = (0..tries).map(|_| {
            let start = Instant::now();
            std::hint::black_box(self.search(std::hint::black_box("small+oak+table")));
            start.elapsed()
        });
        timed.min().unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.products.len()
    }

    /// The page with the ten products that are nearest to the query.
    pub(crate) fn search(&self, query: &str) -> String {
        let wanted: Vec<&str> = query.split('+').collect();
        let mut ranked: Vec<(usize, &Product)> =
            self.products.iter().map(|product| (distance(product, &wanted), product)).collect();
        ranked.sort_unstable_by_key(|(distance, product)| (*distance, product.id));
        let mut page = String::from("<!doctype html><title>Search</title><ol>\n");
        for (distance, product) in ranked.iter().take(10) {
            let name = product.words.join(" ");
            // Writing to a String can not fail.
            let _ = writeln!(page, "<li id={}>{name} (distance {distance})", product.id);
        }
        page.push_str("</ol>\n");
        page
    }
}

/// How far a product is from what is wanted: for each wanted word the nearest word it has.
fn distance(product: &Product, wanted: &[&str]) -> usize {
    let nearest = |want: &&str| product.words.iter().map(|word| edits(word, want)).min();
    wanted.iter().filter_map(nearest).sum()
}

/// Edit distance of two short words (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let mut row: [usize; 16] = std::array::from_fn(|i| i);
    let b = &b.as_bytes()[..b.len().min(15)];
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
