//! What is compiled costs no more than it has to: nothing is asked that a key has told, or that was asked before,
//! and what costs little comes first.

use core::{
    cell::Cell,
    ops::ControlFlow,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};
use std::{format, string::String, vec::Vec};

use super::{
    super::{Hits, Index, Names, TooLarge, code::YES, source::Source, spec::Spec},
    Asked, Compiler, MOST_REGEX_BYTES,
};
use crate::{
    request::{Headers, Request, canonical::Canonical},
    rule::{
        Scheme, Type,
        expr::{Expr, Node},
        facts::{Counters, Facts},
        field::Phase,
        list::Lists,
    },
};

fn scheme() -> Scheme {
    Scheme::new().list("office", Type::Ip).limit("logins").field("tenant", Type::Bytes)
}

fn lists() -> Lists {
    let mut lists = Lists::new();
    lists.set("office", crate::cidr::CidrSet::new());
    lists
}

fn built(texts: &[&str]) -> Index {
    let exprs = texts.iter().map(|text| scheme().parse_in(text, Phase::Response).unwrap());
    let names = Names { lists: &lists(), tags: &["tag".into()] };
    Index::build(exprs.collect(), &names).ok().unwrap()
}

/// Three words each.
fn instructions(index: &Index) -> usize {
    index.code.heap_bytes() / 12
}

/// Where a key holds exactly where a part does, that part is not asked again.
#[test]
fn what_a_key_has_told_is_not_asked_again() {
    for (text, left) in [
        ("path eq \"/a\"", 0),
        ("path eq \"/a\" or host eq \"h\"", 0),
        ("path in {\"/a\" \"/b\"} or ip.src in {10.0.0.0/8} or ssl or load gt 5", 0),
        ("path starts_with \"/a\" or path ends_with \"a\" or path contains \"a\"", 0),
        ("path wildcard \"/a*\" or lower(path) eq \"/b\" or ip.src in $office", 0),
        ("any(headers[\"x\"][*] eq \"a\") or exists(header[\"y\"])", 0),
        ("false", 0),
        ("path eq \"/abc\" and host eq \"h\"", 1),
        ("path eq \"/abc\" and host eq \"h\" and method eq \"GET\"", 2),
        ("path eq \"/abc\" and (host eq \"h\" or ssl)", 2),
        ("path eq \"/abc\" and not host eq \"h\"", 1),
        // A key of these holds for others, too.
        ("path wildcard \"/a*b\"", 1),
        ("path matches \"^/a\"", 1),
        ("path eq \"/a\" or path matches \"^/b\"", 2),
        ("query lt \"a\"", 1),
        ("len(headers[\"x\"][0]) & 4", 1),
        // And these have none that does.
        ("not path eq \"/a\"", 1),
        ("path lt \"a\"", 1),
        ("path eq \"/a\" xor host eq \"h\"", 6),
        ("score gt 5", 1),
        ("tag[\"tag\"]", 1),
        ("counter(\"logins\") gt 5", 1),
        ("all(headers[\"x\"][*] eq \"a\")", 1),
    ] {
        let index = built(&[text]);
        assert_eq!(instructions(&index), left, "{text}");
        assert_eq!(index.starts[0] == YES, left == 0 && text != "false", "{text}");
    }
}

/// Where one part is enough to find a rule, it is the one that holds least often, for the fewest rules.
#[test]
fn the_part_that_finds_a_rule_is_the_rarest() {
    let keys_are_of = |texts: &[&str]| {
        let index = built(texts);
        index.fields.iter().map(|field| format!("{:?}", field.needs())).collect::<Vec<_>>()
    };
    let of = |text: &str| keys_are_of(&[text]);
    let (path, host) = (of("path eq \"/a\""), of("host eq \"h\""));
    assert_ne!(path, host);
    for (text, chosen) in [
        ("path eq \"/abc\" and host eq \"h\"", &path),
        ("path eq \"/a\" and host eq \"h.example\"", &host),
        ("path contains \"/abcdefgh\" and host eq \"h.example\"", &host),
        ("path starts_with \"/abcdefgh\" and host matches \"h\"", &path),
        ("not (path ne \"/a\" or host ne \"h.example\")", &host),
        ("path eq \"/a\" and (host eq \"h.example\" or host eq \"i.example\")", &host),
        ("path eq \"/abc\" and not host eq \"h.example\"", &path),
    ] {
        assert_eq!(of(text), *chosen, "{text}");
    }
    // A longer host is rarer, but eight rules ask for it.
    let hosts: Vec<String> =
        (0..8).map(|at| format!("host eq \"h.exampl\" and path eq \"/{at}12345\"")).collect();
    let texts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    assert_eq!(keys_are_of(&texts), path);
}

/// Whether a rule is tried for every request: lints say so, and a presence that says nothing is no key.
#[test]
fn what_is_always_there_finds_nothing() {
    for (text, always) in [
        ("path matches \"[0-9]\"", true),
        ("host matches \"[0-9]\"", true),
        ("method lt \"a\"", true),
        ("uri matches \"[0-9]\"", true),
        ("lower(path) matches \"[0-9]\"", true),
        ("path wildcard \"*\"", true),
        ("exists(path)", true),
        ("exists(uri.flags.nul)", true),
        ("len(path) & 4", true),
        ("len(headers[\"x\"]) & 4", true),
        ("not ssl", true),
        ("all(headers[\"x\"][*] eq \"a\")", true),
        ("score gt 5", true),
        ("tag[\"tag\"]", true),
        ("tag[\"other\"]", true),
        ("counter(\"logins\") gt 5", true),
        ("path eq \"/a\" or not ssl", true),
        ("query matches \"[0-9]\"", false),
        ("query wildcard \"*\"", false),
        ("query lt \"a\"", false),
        ("header[\"x\"] matches \"[0-9]\"", false),
        ("headers[\"x\"][1] matches \"[0-9]\"", false),
        ("any(headers[\"x\"][*] matches \"[0-9]\")", false),
        ("exists(tenant)", false),
        ("exists(ip.src)", false),
        ("ssl", false),
        ("load gt 5", false),
        ("len(headers[\"x\"]) gt 5", false),
        ("sample(0.5)", false),
        ("path eq \"/a\" and not ssl", false),
        ("path eq \"/a\" xor host eq \"h\"", false),
        ("not (path eq \"/a\" xor host eq \"h\")", true),
        ("not (path ne \"/a\" and host ne \"h\")", false),
        ("not (path ne \"/a\" and host eq \"h\")", true),
    ] {
        assert_eq!(built(&[text]).tries_always(0), always, "{text}");
    }
    let index = built(&["ssl", "not ssl", "path eq \"/a\""]);
    assert_eq!([0, 1, 2, 3].map(|rule| index.tries_always(rule)), [false, true, false, false]);
}

/// What it is guessed to cost, from what is at hand to what takes a walk over all headers and a copy.
#[test]
fn expenses_are_in_this_order() {
    let expense = |text: &str| {
        let (Expr(Node::Atom(atom)) | Expr(Node::Any(atom))) = scheme().parse(text).unwrap() else {
            panic!("{text}")
        };
        let Asked { source, spec } = Asked::of(&atom, &[], &lists());
        Source::expense(&source) + Spec::expense(&spec)
    };
    let texts = [
        "load gt 5",
        "path eq \"/a\"",
        "substring(path, 1) eq \"a\"",
        "ip.src in {10.0.0.0/8}",
        "cidr(ip.src, 24, 64) in {10.0.0.0/8}",
        "ssl",
        "header[\"x\"] eq \"a\"",
        "ip.src in $office",
        "path contains \"a\"",
        "uri contains \"a\"",
        "headers[\"x\"][1] eq \"a\"",
        "path wildcard \"a*b\"",
        "any(headers[\"x\"][*] contains \"a\")",
        "path matches \"a\"",
        "lower(path) lt \"a\"",
        "len(lower(url_decode(path))) gt 5",
        "lower(path) matches \"a\"",
        "lower(headers[\"x\"][1]) matches \"a\"",
    ];
    let expenses = texts.map(expense);
    for (at, pair) in expenses.windows(2).enumerate() {
        assert!(pair[0] < pair[1], "{} {} {expenses:?}", texts[at], texts[at + 1]);
    }
    for dear in [
        "counter(\"logins\") gt 5",
        "any(headers[\"x\"][*] eq \"a\")",
        "header[\"x\"] contains \"a\"",
    ] {
        assert!(expense(dear) > expense("path eq \"/a\"") + 30, "{dear}");
    }
}

/// Who finds nothing by what does not need a target goes no further.
#[test]
fn what_is_found_is_found_before_anything_is_asked() {
    for (texts, found) in [
        (&["ip.src in {10.0.0.0/8} and path eq \"/b\""][..], true),
        (&["ip.src in {11.0.0.0/8}"], false),
        (&["ssl", "ip.src in {11.0.0.0/8}"], false),
        (&["not ip.src in {10.0.0.0/8}"], true),
        (&[], false),
    ] {
        let index = built(texts);
        assert!(index.finds_without_target());
        let (lists, mut hits) = (lists(), Hits::new());
        let request = Request::new(core::net::IpAddr::from([10, 0, 0, 1]));
        Canonical::with(&request, |canonical| {
            index.find(&Facts::of(&request, canonical, &lists), &mut hits);
        });
        assert_eq!(!hits.is_empty(), found, "{texts:?}");
    }
    assert!(!built(&["ssl", "path eq \"/a\""]).finds_without_target());
}

/// Counts how often a limit is asked.
struct Counting(Cell<u32>);

impl Counters for Counting {
    fn in_use(&self, _: &str, _: &Facts<'_>) -> i64 {
        self.0.set(self.0.get() + 1);
        7
    }
}

/// The rules that hold for a request for `/a`, and how often that asked a limit.
fn judged(texts: &[&str]) -> (Vec<usize>, u32) {
    let index = built(texts);
    let (lists, counters) = (lists(), Counting(Cell::new(0)));
    let request = Request::new(None).target("/a").field("ssl", true);
    let mut found = Vec::new();
    Canonical::with(&request, |canonical| {
        let facts = Facts { counters: &counters, ..Facts::of(&request, canonical, &lists) };
        index.walk(&facts, |rule| {
            found.push(rule);
            ControlFlow::Continue(())
        });
    });
    (found, counters.0.get())
}

/// A limit is asked last, and once for all rules that ask the same of it.
#[test]
fn what_is_dear_is_asked_last_and_once() {
    for (texts, found, asked) in [
        (&["counter(\"logins\") gt 5 and ssl"][..], &[0][..], 1),
        (&["counter(\"logins\") gt 5 and path eq \"/b\""], &[], 0),
        (&["counter(\"logins\") gt 5 and not path eq \"/a\""], &[], 0),
        (&["counter(\"logins\") gt 5 or not path eq \"/b\""], &[0], 0),
        (&["path lt \"a\" and (counter(\"logins\") gt 5 or not ssl) and path lt \"/\""], &[], 0),
        (&["not (counter(\"logins\") gt 5 and path lt \"a\") and path gt \"a\""], &[], 0),
        (&["counter(\"logins\") gt 5 xor path lt \"a\""], &[], 1),
        (&["counter(\"logins\") gt 5", "ssl", "counter(\"logins\") gt 5 and ssl"], &[0, 1, 2], 1),
        (&["counter(\"logins\") gt 9", "not counter(\"logins\") gt 9"], &[1], 1),
        (&["counter(\"logins\") gt 5", "counter(\"logins\") gt 6"], &[0, 1], 2),
    ] {
        assert_eq!(judged(texts), (found.to_vec(), asked), "{texts:?}");
    }
}

/// Lines `h0: m` to `h9: m`, and how often each was asked for.
struct Lines([AtomicU32; 10]);

impl Headers for Lines {
    fn first(&self, name: &str) -> Option<&[u8]> {
        let at: usize = name.strip_prefix('h')?.parse().ok()?;
        self.0[at].fetch_add(1, Relaxed);
        Some(b"m")
    }

    fn visit<'a>(&'a self, _: &mut dyn FnMut(&'a str, &'a [u8]) -> ControlFlow<()>) {
        unreachable!("first lines are asked for by their names");
    }
}

/// By an index and two rules each: eight headers are kept, and those beyond are looked for each time.
#[test]
fn the_first_line_of_a_header_is_looked_for_once() {
    let texts: Vec<String> = (0..20)
        .map(|at| {
            let test = if at % 2 == 0 { "lt \"z\"" } else { "gt \"a\"" };
            format!("header[\"h{}\"] {test}", at / 2)
        })
        .collect();
    let index = built(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let (lists, lines) = (lists(), Lines([const { AtomicU32::new(0) }; 10]));
    let request = Request::new(None).header_lines(&lines);
    let mut found = Vec::new();
    Canonical::with(&request, |canonical| {
        index.walk(&Facts::of(&request, canonical, &lists), |rule| {
            found.push(rule);
            ControlFlow::Continue(())
        });
    });
    assert_eq!(found, (0..20).collect::<Vec<_>>());
    let asked: Vec<u32> = lines.0.iter().map(|asked| asked.load(Relaxed)).collect();
    assert_eq!(asked, [1, 1, 1, 1, 1, 1, 1, 1, 3, 3]);
}

/// I2 of the index: however many rules ask it, what they change themselves is not kept.
#[test]
fn what_rules_change_is_asked_each_time() {
    let index = built(&["score lt 5"; 40]);
    let (lists, request) = (lists(), Request::new(None));
    let mut found = Vec::new();
    Canonical::with(&request, |canonical| {
        let facts = Facts::of(&request, canonical, &lists);
        index.walk(&facts, |rule| {
            found.push(rule);
            facts.marks.score.set(facts.marks.score.get() + 1);
            ControlFlow::Continue(())
        });
    });
    assert_eq!(found, [0, 1, 2, 3, 4]);
}

/// What finds rules and what they ask takes memory, each as much as there is of it.
#[test]
fn memory_has_what_is_compiled() {
    let many = |one: &dyn Fn(usize) -> String| -> Vec<String> { (0..500).map(one).collect() };
    let bytes = |texts: &[String]| {
        built(&texts.iter().map(String::as_str).collect::<Vec<_>>()).memory_bytes()
    };
    let makers: [(&dyn Fn(usize) -> String, usize); 9] = [
        (&|at| format!("path eq \"/{at}\""), 40),
        (&|at| format!("path ends_with \"/{at}\""), 40),
        (&|at| format!("path contains \"/{at}/\""), 40),
        (&|at| format!("lower(path) starts_with \"/{at}\""), 40),
        (&|at| format!("len(path) in {{{at}..{}}}", at + 9), 40),
        (&|at| format!("ip.src in {{10.{}.{}.0/24}}", at / 200, at % 200), 21),
        (&|at| format!("header[\"x-{at}\"] eq \"a\""), 100),
        (&|at| format!("path matches \"^/{at}[0-9]+x\""), 500),
        (&|at| format!("path lt \"/{at}\""), 60),
    ];
    let nothing = bytes(&[]);
    for (one, least) in makers {
        let texts = many(one);
        let few = bytes(&texts[..1]);
        let all = bytes(&texts);
        assert!(nothing <= few && few < nothing + 100_000, "{} {nothing} {few}", texts[0]);
        assert!(all > few + 499 * least && all < few + 499 * 40_000, "{} {few} {all}", texts[0]);
    }
    let same: Vec<String> = many(&|_| "path lt \"/a\"".into());
    assert!(bytes(&same) < nothing + 500 * 10);
}

/// All regular expressions together have a limit, and one that was compiled before counts once.
#[test]
fn regular_expressions_are_compiled_until_they_take_too_much() {
    let (lists, tags) = (lists(), []);
    let names = Names { lists: &lists, tags: &tags };
    let mut compiler = Compiler::new(&names);
    assert!(compiler.regex("ab+c").is_ok());
    compiler.regex_bytes = MOST_REGEX_BYTES - 1;
    assert!(compiler.regex("ab+c").is_ok());
    assert_eq!(compiler.regex("ab+d").map(|_| ()), Err(TooLarge::Regexes));
}
