use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use proptest::{collection::vec, prelude::*};
use regex_automata::{meta, util::syntax};

use super::*;
use crate::test_support::{cases, rounds};

/// What the slow evaluator judges by.
fn slow(pattern: &str) -> meta::Regex {
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    // An empty match may lie between any two bytes.
    let config = meta::Config::new().utf8_empty(false);
    let mut builder = meta::Regex::builder();
    builder.syntax(syntax).configure(config).build(pattern).unwrap()
}

fn fits(Required { place, literals, folded }: &Required, text: &[u8]) -> bool {
    let text = if *folded { text.to_ascii_lowercase() } else { text.to_vec() };
    literals.iter().any(|literal| match place {
        Place::Whole => text == **literal,
        Place::Start => text.starts_with(literal),
        Place::End => text.ends_with(literal),
        Place::Anywhere => {
            literal.is_empty() || text.windows(literal.len()).any(|window| window == &**literal)
        }
    })
}

/// Patterns of all kinds, small enough that texts of a few letters match them.
fn pattern() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        6 => "[abAB]{1,3}".prop_map(|text| text),
        1 => Just(String::new()),
        1 => prop::sample::select(
            &["[ab]", "[^a]", "[a-c]", "[aA]", ".", r"\w", r"\d", r"\x00", "(?i:ab)", "(?i:B)", "(?i)a", "[[:alpha:]]"][..]
        ).prop_map(String::from),
        1 => prop::sample::select(
            &["^", "$", r"\A", r"\z", r"\b", r"\B", "(?m:^)", "(?m:$)", r"\b{start}"][..]
        ).prop_map(String::from),
    ];
    let whole = leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            2 => vec(inner.clone(), 1..4).prop_map(|ways| format!("({})", ways.join("|"))),
            2 => (inner.clone(), prop::sample::select(
                &["*", "+", "?", "*?", "{2}", "{1,2}", "{0,2}", "{2,}", "{0}", "{9}"][..]
            )).prop_map(|(inner, times)| format!("(?:{inner}){times}")),
            1 => inner.prop_map(|inner| format!("(?-i:{inner})")),
        ]
    });
    (
        prop::sample::select(&["", "", "^", "(?i)", "(?i)^"][..]),
        whole,
        prop::sample::select(&["", "$"][..]),
    )
        .prop_map(|(start, whole, end)| format!("{start}{whole}{end}"))
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![9 => prop::sample::select(b"aabbABc\n ".to_vec()), 1 => any::<u8>()], 0..9)
}

proptest! {
    #![proptest_config(cases(1_000))]

    /// I3, and that all kinds of engine judge the same.
    #[test]
    fn what_is_required_is_in_every_text_that_matches(
        pattern in pattern(), texts in vec(text(), 12),
    ) {
        let Ok(regex) = Regex::new(&pattern) else { return Ok(()) };
        let slow = slow(&pattern);
        for text in texts {
            let expected = slow.is_match(&text);
            prop_assert_eq!(regex.is_match(&text), expected, "{} {:?}", pattern, text);
            if let Some(required) = regex.required() {
                let whole = required.place == Place::Whole;
                prop_assert!(required.literals.iter().all(|text| whole || !text.is_empty()));
                prop_assert!(
                    !expected || fits(required, &text),
                    "{} {:?} {:?}", pattern, text, required
                );
            }
            if let Some((place, literal)) = literal(&pattern) {
                let literals = [literal].into();
                let literal = Required { place, literals, folded: false };
                prop_assert_eq!(fits(&literal, &text), expected, "{}", pattern);
            }
        }
    }
}

fn required(pattern: &str) -> Option<(Place, Vec<String>, bool)> {
    let regex = Regex::new(pattern).unwrap();
    let Required { place, literals, folded } = regex.required()?.clone();
    let mut literals: Vec<_> =
        literals.iter().map(|literal| String::from_utf8(literal.to_vec()).unwrap()).collect();
    literals.sort_unstable();
    Some((place, literals, folded))
}

#[test]
fn the_best_that_is_known_is_required() {
    let all = |place, literals: &[&str], folded| {
        Some((place, literals.iter().map(|literal| literal.to_string()).collect(), folded))
    };
    assert_eq!(required(r"^/api/v[12]/.*"), all(Place::Start, &["/api/v1/", "/api/v2/"], false));
    assert_eq!(
        required(r"\.(php|asp)x?$"),
        all(Place::End, &[".asp", ".aspx", ".php", ".phpx"], false)
    );
    assert_eq!(required(r"^(GET|POST)$"), all(Place::Whole, &["GET", "POST"], false));
    assert_eq!(required("^$"), all(Place::Whole, &[""], false));
    assert_eq!(required(r"(?i)union\s+select"), all(Place::Anywhere, &["select"], true));
    assert_eq!(
        required(r"(?i)^/wp-(admin|login)"),
        all(Place::Start, &["/wp-admin", "/wp-login"], true)
    );
    assert_eq!(required(r"\d+ab\d*xyz"), all(Place::Anywhere, &["xyz"], false));
    assert_eq!(
        required(r"sqlmap|nikto|\bdirb\b"),
        all(Place::Anywhere, &["dirb", "nikto", "sqlmap"], false)
    );
    assert_eq!(required(r"\d+"), None);
    assert_eq!(required("a*"), None);
    assert_eq!(required(""), None);
    let many: Vec<_> = (0..100).map(|at| format!("word{at}")).collect();
    let (place, literals, _) = required(&many.join("|")).unwrap();
    assert!(place == Place::Anywhere && literals.len() <= 32, "{literals:?}");
    let long = "x".repeat(5_000);
    assert!(required(&long).unwrap().1[0].len() > 1_000);
}

/// What is repeated is known as far as it is the same in every text; and of two literals of which the one has the
/// other in it, the shorter says it all.
#[test]
fn what_is_required_is_no_more_than_what_is_so() {
    for (pattern, place, literals) in [
        ("^a{2}$", Place::Whole, &["aa"][..]),
        ("^a{2,3}$", Place::Start, &["a"]),
        ("^a{2,}$", Place::Start, &["a"]),
        ("^ba{0,2}$", Place::Start, &["b"]),
        ("^ba?$", Place::Whole, &["b", "ba"]),
        ("^(?:ab){8}$", Place::Whole, &["abababababababab"]),
        ("^(?:ab){9}$", Place::Start, &["ab"]),
        ("^(?:a|ab)", Place::Start, &["a"]),
        ("(?:b|ab)$", Place::End, &["b"]),
        ("abc|xabcx", Place::Anywhere, &["abc"]),
        ("^(?:ab|ba)", Place::Start, &["ab", "ba"]),
    ] {
        let literals = literals.iter().map(|literal| literal.to_string()).collect();
        assert_eq!(required(pattern), Some((place, literals, false)), "{pattern}");
    }
}

#[test]
fn memory_has_what_is_required() {
    let required = Required::of(&parsed("^(?:ab|bac)").unwrap()).unwrap();
    assert_eq!(required.memory_bytes(), 2 * size_of::<Box<[u8]>>() + 5);
}

/// I2 of what is required: up to 32 literals of 4 KiB in all are known, and more are shortened or left out.
#[test]
fn what_is_required_is_bounded() {
    let words = |count: u8, more: &str| {
        let words = (0..count).map(|at| format!("{}{at}{more}", char::from(b'a' + at % 26)));
        words.collect::<Vec<_>>().join("|")
    };
    let x = |count: usize| "x".repeat(count);
    for (pattern, count, bytes) in [
        (words(32, "xyz"), 32, 32 * 6 - 10),
        // Their ends are shortened until ten are left.
        (words(33, "xyz"), 10, 10 * 4),
        (words(99, "xyz"), 10, 10 * 4),
        (words(32, &x(125)), 32, 32 * 128 - 10),
        (words(32, &x(126)), 1, 97),
        (String::from("^[a-d][a-h]y$"), 32, 32 * 3),
        (String::from("^[a-d][a-i]y$"), 4, 4),
        (x(4_096), 1, 4_096),
        (x(4_097), 1, 3_073),
        (x(5_000), 1, 3_750),
        (format!("^{}", x(5_000)), 1, 3_750),
        (format!("{}$", x(5_000)), 1, 3_750),
        (format!("[ab]{}", x(3_000)), 1, 3_000),
        (format!("[ab]{}", x(2_000)), 2, 4_002),
    ] {
        let Required { literals, .. } = Required::of(&parsed(&pattern).unwrap()).unwrap();
        let sum: usize = literals.iter().map(|literal| literal.len()).sum();
        assert_eq!((literals.len(), sum), (count, bytes), "{}", &pattern[..20.min(pattern.len())]);
    }
}

#[test]
fn a_plain_text_in_disguise_is_seen() {
    let literal = |pattern| literal(pattern).map(|(place, bytes)| (place, bytes.to_vec()));
    assert_eq!(literal("admin"), Some((Place::Anywhere, b"admin".to_vec())));
    assert_eq!(literal(r"^/a\.b"), Some((Place::Start, b"/a.b".to_vec())));
    assert_eq!(literal(r"(\.php)$"), Some((Place::End, b".php".to_vec())));
    assert_eq!(literal("^x$"), Some((Place::Whole, b"x".to_vec())));
    assert_eq!(literal("^$"), Some((Place::Whole, Vec::new())));
    for other in ["a|b", "a+", "(?i)a", ".", "(?m)^a", r"\ba", ""] {
        assert_eq!(literal(other), None, "{other}");
    }
}

#[test]
fn errors_say_what_and_where() {
    let error = |pattern: &str| {
        let error = Regex::new(pattern).map(|_| ()).unwrap_err();
        (pattern[error.at()].to_string(), error.to_string())
    };
    let (at, what) = error("ab(?=c)");
    assert_eq!(at, "(?=");
    assert!(what.starts_with("look-around is not available"), "{what}");
    let (at, what) = error(r"(a)\1");
    assert_eq!(at, r"\1");
    assert!(what.starts_with("back-references are not available"), "{what}");
    assert_eq!(error("a(b").0, "(");
    assert_eq!(error("a[b").0, "[");
    assert_eq!(error("a**b|*").0, "");
    assert!(error(r"x\pL").1.contains("Unicode"));
    assert!(error(r"(?u)\w").1.contains("Unicode"));
    assert!(error("x(?u:a)").1.contains("Unicode"));
    assert!(
        error(&"(".repeat(100)).1.contains("64") || error(&"(".repeat(100)).1.contains("unclosed")
    );
    let nested = format!("{}a{}", "(".repeat(100), ")".repeat(100));
    assert!(error(&nested).1.contains("deeper than 64"));
    assert!(error(r"\w{1000}{1000}").1.contains("256 KiB"));
}

/// I1 and I2: each of the three ways to be compiled, and that they hold what they should.
#[test]
#[cfg_attr(miri, ignore = "automata of thousands of states")]
fn large_expressions_are_packed_or_lazy() {
    let regex = |pattern: &str| Regex::new(pattern).unwrap();
    let dense = regex(r"^/api/\d+");
    assert!(
        matches!(dense.engine, Engine::Dense(_))
            && (256..DENSE + 1_000).contains(&dense.memory_bytes())
    );
    let packed =
        regex(&(0..200).map(|at| format!("{:x}", at * 7_919)).collect::<Vec<_>>().join("|"));
    assert!(matches!(packed.engine, Engine::Packed(_)), "{packed:?}");
    assert!((4_096..LARGEST + 8_000).contains(&packed.memory_bytes()));
    let lazy = regex("[ab]*a[ab]{14}c");
    assert!(matches!(lazy.engine, Engine::Lazy(_)));
    assert!((LAZY..LARGEST + LAZY).contains(&lazy.memory_bytes()));
    let text = |end: &[u8]| [&b"ab".repeat(50)[..], b"aabababababababab", end].concat();
    assert!(!lazy.is_match(&text(b"d")));
    let pattern = "[ab]*a[ab]{14}c";
    for end in [&b"c"[..], b"bc", b"abc"] {
        assert_eq!(lazy.is_match(&text(end)), slow(pattern).is_match(&text(end)));
    }
    assert!(packed.is_match(b"xx1eef") && !packed.is_match(b"xxx"));
}

/// I1: what makes backtracking engines stand still.
#[test]
fn texts_made_for_it_take_no_longer() {
    for pattern in ["(a+)+b", "(a|aa)+$x", "(?:a?){30}a{30}b", "(x+x+)+y"] {
        let regex = Regex::new(pattern).unwrap();
        assert!(!regex.is_match(&b"a".repeat(rounds(200_000, 200))), "{pattern}");
        assert!(!regex.is_match(&b"x".repeat(rounds(200_000, 200))), "{pattern}");
    }
}
