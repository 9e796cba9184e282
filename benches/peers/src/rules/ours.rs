//! The rules in our words.

use std::{hint::black_box, net::Ipv4Addr, ops::ControlFlow, time::Instant};

use portcullis::{
    Headers, Request,
    rule::{Lists, Rule, RuleSet, Scheme},
};

use super::mix::{Asked, HEADER, Incoming, Kind, Mix, Wanted};
use crate::heap;

pub(crate) fn engine(mix: &'static Mix) -> impl Fn(&'static Incoming) -> Option<usize> {
    let rules = compiled(mix);
    move |incoming| {
        let request = Request::new(std::net::IpAddr::from(incoming.peer))
            .method(incoming.method)
            .host("shop.example")
            .target(&incoming.path)
            .header_lines(incoming);
        let first = rules.first_match(black_box(&request))?;
        first.name().parse().ok()
    }
}

/// Texts to rules that are ready, and what they take.
pub(crate) fn print_making(sizes: &[usize]) {
    println!("\n### rules: making\n");
    println!("| rules | ms | bytes a rule |");
    println!("|---:|---:|---:|");
    for &size in sizes {
        let mix = Mix::new(size, Asked::None);
        let mut took: Vec<f64> = (0..9)
            .map(|_| {
                let start = Instant::now();
                black_box(compiled(&mix));
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        took.sort_by(f64::total_cmp);
        let (rules, bytes) = heap::growth(|| compiled(&mix));
        println!("| {size} | {:.2} | {} |", took[took.len() / 2], bytes / size);
        drop(rules);
    }
}

fn compiled(mix: &Mix) -> RuleSet {
    let scheme = Scheme::new();
    let rules = mix.rules.iter().map(|rule| {
        Rule::new(&rule.number.to_string(), scheme.parse(&text(rule)).expect("a condition"))
    });
    RuleSet::new(rules, Lists::new()).expect("a set")
}

fn text(rule: &Wanted) -> String {
    let net = |net: &u32| Ipv4Addr::from_bits(*net);
    match &rule.kind {
        Kind::NetAndPath { net: at, path } => {
            format!("ip.src in {{{}/24}} and path starts_with \"{path}\"", net(at))
        }
        Kind::Header { value } => format!("header[\"{HEADER}\"] eq \"{value}\""),
        Kind::MethodAndPath { path } => {
            format!("method eq \"POST\" and path starts_with \"{path}\"")
        }
        Kind::NetOrPath { net: at, path } => {
            format!("ip.src in {{{}/24}} or path eq \"{path}\"", net(at))
        }
    }
}

impl Headers for Incoming {
    fn first(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(line, _)| *line == name).map(|(_, value)| value.as_bytes())
    }

    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8]) -> ControlFlow<()>) {
        for (name, value) in &self.headers {
            if visit(name, value.as_bytes()).is_break() {
                return;
            }
        }
    }
}
