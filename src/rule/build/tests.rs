//! What is built against what is read from a text, and what is refused.

use std::string::ToString as _;

use super::{arg, args, cookie, counter, field, header, headers, sample, tag};
use crate::{
    limit::Share,
    rule::{
        Code, Diagnostic, Expr, Lists, Rule, RuleSet, Scheme, Type, expr::DEEPEST, field::Phase,
    },
};

/// I1.
#[test]
fn what_is_built_is_what_its_text_says() {
    let scheme = Scheme::new()
        .field("tenant", Type::Bytes)
        .field("edge", Type::Ip)
        .list("office", Type::Ip)
        .list("operators", Type::Int)
        .limit("logins");
    let mapped = || "::ffff:10.1.2.3".parse().expect("an address");
    let nets = || ["::ffff:10.0.0.0/104", "10.1.2.3/9", "::/0"].map(|net| net.parse().expect(net));
    let cases: &[(Expr, &str)] = &[
        (field::path().eq("/a"), r#"path eq "/a""#),
        (field::path().ne("/a").not(), r#"path eq "/a""#),
        (field::method().one_of(["GET", "HEAD"]), r#"method in {"GET" "HEAD"}"#),
        (
            field::host().upper().lt("b").or(field::host().le("c")),
            r#"upper(host) lt "b" or host le "c""#,
        ),
        (field::uri().gt("b").xor(field::query().ge("c")), r#"uri gt "b" xor query ge "c""#),
        (header("User-Agent").ends_with("x"), r#"ua ends_with "x""#),
        (headers("X-A").any().ne("x"), r#"any(headers["x-a"][*] ne "x")"#),
        (headers("x-a").all().ne("x"), r#"not any(headers["x-a"][*] eq "x")"#),
        (headers("x-a").all().len().ne(3), r#"all(len(headers["x-a"][*]) ne 3)"#),
        (headers("x-a").at(2).exists(), r#"exists(headers["x-a"][2])"#),
        (args("q").len().within([1..=3, 5..=5]), r#"len(args["q"]) in {1..3 5}"#),
        (arg("q").url_decode().contains("'"), r#"url_decode(arg["q"]) contains "'""#),
        (
            arg("q").url_decode_fully().matches("a|b").expect("valid"),
            r#"url_decode(arg["q"], "r") matches "a|b""#,
        ),
        (
            cookie("s").substring(0, -1).wildcard(r"a*\*").expect("valid"),
            r#"substring(cookie["s"], 0, -1) wildcard r"a*\*""#,
        ),
        (
            field::path().from(-4).strict_wildcard("*.p").expect("valid"),
            r#"substring(path, -4) strict wildcard "*.p""#,
        ),
        (field::ip_src().in_list("office").not(), "not ip.src in $office"),
        (field::ip_src().eq(mapped()), "ip.src eq 10.1.2.3"),
        (field::client().within(nets()), "client in {10.0.0.0/8 10.0.0.0/9 ::/0}"),
        (field::address("edge").network(24, 200).ne(mapped()), "cidr(edge, 24, 128) ne 10.1.2.3"),
        (field::flag("ssl").is_true().and(tag("a b").is_true()), r#"ssl and tag["a b"]"#),
        (
            sample(Share::percent(5)).and(counter("logins").ge(3)),
            r#"sample(0.05) and counter("logins") ge 3"#,
        ),
        (field::posture().ge(3).and(field::load().has_bits(6)), "posture ge defend and load & 6"),
        (field::score().one_of([1, -1]), "score in {1 -1}"),
        (field::text("tenant").lower().exists(), "exists(lower(tenant))"),
        (field::number("ip.src.asnum").gt(1), "asn gt 1"),
        (field::number("ip.src.asnum").le(-1), "asn le -1"),
        (field::number("ip.src.asnum").in_list("operators"), "asn in $operators"),
        (field::address("edge").in_list("office"), "edge in $office"),
        (Expr::all([]).and(Expr::any([])), "true and false"),
        (Expr::all([field::nul().is_true(), Expr::constant(false)]), "uri.flags.nul and false"),
        (field::status().lt(500), "status lt 500"),
    ];
    for (built, text) in cases {
        assert_eq!(scheme.parse_in(text, Phase::Response).as_ref(), Ok(built), "{text}");
        let printed = built.to_string();
        assert_eq!(scheme.parse_in(&printed, Phase::Response).as_ref(), Ok(built), "{printed}");
    }
}

/// I2: neither building nor dropping, comparing or printing goes deeper than that.
#[test]
#[cfg_attr(miri, ignore = "100,000 conditions")]
fn what_is_built_in_a_loop_is_refused_and_never_deep() {
    let flag = || field::nul().is_true();
    let mut grown = flag();
    let mut value = field::path();
    let mut network = field::ip_src();
    for at in 0..100_000_u32 {
        grown = match at % 4 {
            0 => grown.and(flag()),
            1 => grown.not(),
            2 => flag().xor(grown),
            _ => grown.or(flag()),
        };
        value = if at % 2 == 0 { value.lower() } else { value.from(1) };
        network = network.network(24, 64);
    }
    let network = network.eq(std::net::Ipv4Addr::LOCALHOST.into());
    for (deep, code) in [
        (grown.clone(), Some(Code::TooDeep)),
        (value.clone().eq("a"), Some(Code::TooDeep)),
        (value.len().eq(1).or(flag()), Some(Code::TooDeep)),
        (network, Some(Code::TooDeep)),
        (Expr::all((0..4_096).map(|_| flag())), None),
        (Expr::any((0..4_097).map(|_| flag())).not(), Some(Code::TooManyTests)),
    ] {
        assert!((1..=DEEPEST + 2).contains(&deep.0.levels()));
        assert_eq!((deep.clone() == deep, deep.to_string().is_empty()), (true, false));
        let rules = [Rule::new("fine", flag()), Rule::new("odd", deep)];
        let refused = RuleSet::new(rules, Lists::new()).err();
        let refused = refused.as_ref().and_then(|refused| refused.iter().next());
        assert_eq!(refused.map(Diagnostic::code), code);
        assert!(refused.is_none_or(|refused| refused.place() == Some("rule \"odd\"")));
    }
}

#[test]
fn as_many_levels_as_may_be_are_judged() {
    let flag = || field::nul().is_true();
    let grown = |expr: Expr, level| if level % 2 == 0 { expr.and(flag()) } else { expr.or(flag()) };
    for (levels, is_judged) in [(DEEPEST - 1, true), (DEEPEST, true), (DEEPEST + 1, false)] {
        let deep = (1..levels).fold(flag(), grown);
        assert_eq!(deep.0.levels(), levels);
        assert_eq!(RuleSet::new([Rule::new("deep", deep)], Lists::new()).is_ok(), is_judged);
    }
}

#[test]
fn names_of_headers_are_compared_in_lower_case() {
    let built = field::header_names().any().one_of(["X-A", "b"]);
    assert_eq!(built.to_string(), r#"any(headers.names[*] in {"x-a" "b"})"#);
}

#[test]
fn patterns_are_checked_and_each_element_is_no_term() {
    assert!(field::path().wildcard("a**").is_err());
    let spans = |pattern: &[u8]| {
        let refused = field::path().wildcard(pattern).unwrap_err();
        refused.iter().map(Diagnostic::span).collect::<std::vec::Vec<_>>()
    };
    assert_eq!(spans(b"a**"), [Some(2..3)]);
    // What is shown of it is longer than it is.
    assert_eq!(spans(b"\xff**"), [None]);
    assert!(field::path().strict_wildcard("*a*a*a*a*a*a*a*a*").is_err());
    assert!(field::path().matches("(").is_err());
    assert_eq!(headers("a").any().lower().term(), None);
    assert_eq!(field::path().lower().term().map(|it| it.to_string()), Some("lower(path)".into()));
}

/// A term is compared with texts as a fingerprint has them: by what kind of value it is.
#[test]
fn terms_are_what_a_text_says() {
    let said = |expr: Option<Expr>| expr.map(|expr| expr.to_string());
    let term = |text: super::Text| text.term().unwrap();
    let path = term(field::path());
    assert_eq!(said(path.eq_text(b"/a")), Some("path eq \"/a\"".into()));
    assert_eq!(said(path.starts_with_text(b"/a")), Some("path starts_with \"/a\"".into()));
    assert_eq!(said(path.starts_with_text(b"")), None);
    let ssl = field::flag("ssl").term().unwrap();
    assert_eq!(said(ssl.eq_text(b"true")), Some("ssl".into()));
    assert_eq!(said(ssl.eq_text(b"false")), Some("not ssl".into()));
    assert_eq!(said(ssl.eq_text(b"yes")), None);
    assert_eq!(said(ssl.starts_with_text(b"t")), None);
    let length = field::path().len().term().unwrap();
    assert_eq!(said(length.eq_text(b"12")), Some("len(path) eq 12".into()));
    assert_eq!(said(length.eq_text(b"twelve")), None);
}
