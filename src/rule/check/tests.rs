use core::ops::Range;
use std::{format, string::String, string::ToString as _, vec::Vec};

use crate::rule::{
    Code, Scheme, Type,
    expr::{DEEPEST, MOST_TESTS},
    field::{BUILTINS, HEADER_NAMES, Phase, SUPPLIED},
};

fn scheme() -> Scheme {
    Scheme::new()
        .field("tenant", Type::Bytes)
        .field("plan", Type::Int)
        .field("vip", Type::Bool)
        .field("edge", Type::Ip)
        .list("office", Type::Ip)
        .list("words", Type::Bytes)
        .list("numbers", Type::Int)
        .limit("logins")
}

fn canonical(text: &str) -> String {
    match scheme().parse(text) {
        Ok(expr) => expr.to_string(),
        Err(mistakes) => panic!("{text}\n{mistakes}"),
    }
}

/// What each text means, said by the one text that means the same.
#[test]
fn texts_have_one_canonical_text() {
    let same = [
        "true",
        "not false",
        "ssl",
        "not ssl and vip",
        r#"path eq "/a""#,
        r#"path ne "/a""#,
        r#"path lt "a" or path le "a" or path gt "a" or path ge "a""#,
        r#"path contains "a" and path starts_with "b" and path ends_with "c""#,
        r#"path wildcard "/a*" xor path strict wildcard r"\**""#,
        r#"path matches r"\.php$""#,
        r#"path in {"/a" "/b"} or path in {} or path in $words"#,
        "ip.src eq 10.0.0.1 or ip.src ne 2001:db8::1",
        "ip.src in {10.0.0.0/8 10.0.0.1 10.0.0.1..10.0.0.9 ::/0 2001:db8::1..2001:db8::9}",
        "ip.src in $office and edge in $office",
        "load eq 1 or load ne -1 or load lt 2 or load le 3 or load gt 4 or load ge 5 or load & 6",
        "load in {1 3..5 -9223372036854775808..9223372036854775807} or load in $numbers",
        "posture ge defend or posture in {normal..overload lockdown} or posture eq 9",
        "exists(tenant) or exists(plan) or exists(vip) or exists(edge) or exists(headers[\"x\"])",
        "uri.flags.nul or tag[\"x\"] or sample(0.05) or sample(1) or sample(0) or sample(0.000001)",
        r#"counter("logins") ge 3 and len(path) gt 8 and len(args["q"]) gt 1"#,
        r#"lower(upper(url_decode(url_decode(path, "r"), "u"))) eq "" or url_decode(uri, "ru") eq "a""#,
        r#"substring(path, 1) eq "a" or substring(path, -3, -1) eq "b""#,
        "cidr(ip.src, 24, 64) eq 10.0.0.0 or cidr(cidr(edge, 0, 0), 32, 128) in $office",
        r#"header["x-a"] eq "1" or headers["x-a"][1] eq "2" or headers.names[0] eq "host""#,
        r#"ua eq "a" or referer eq "b" or http.cookie eq "c" or http.x_forwarded_for eq "d""#,
        r#"arg["q"] eq "1" or cookie["id"] eq "2" or args.names[2] eq "3""#,
        r#"any(headers["x"][*] contains "a") and all(lower(headers.values[*]) eq "b")"#,
        r#"any(len(args["q"][*]) gt 3) or not all(args.values[*] in {"a"})"#,
        r#"asn in {1 2} and country eq "DE" and tls.ja4 eq "x" and body.size gt 1"#,
        r##"path eq r"a\b" or path eq r#"a"b"# or path eq "\x00\xff\n\t\r" or path eq "é""##,
    ];
    for text in same {
        assert_eq!(canonical(text), text);
    }
    for (text, expected) in [
        // Signs and words.
        ("ssl&&vip||!ssl^^vip", "ssl and vip or not ssl xor vip"),
        (
            r#"path == "a" || path != "a" || path ~ "a""#,
            r#"path eq "a" or path ne "a" or path matches "a""#,
        ),
        (
            "load < 1 or load <= 1 or load > 1 or load >= 1",
            "load lt 1 or load le 1 or load gt 1 or load ge 1",
        ),
        ("load bitwise_and 0x0F", "load & 15"),
        // Precedence, and what needs parentheses.
        ("ssl or vip and ssl xor vip", "ssl or vip and ssl xor vip"),
        ("(ssl or vip) and (ssl xor vip)", "(ssl or vip) and (ssl xor vip)"),
        ("(ssl or (vip and (ssl)))", "ssl or vip and ssl"),
        ("ssl xor (vip or ssl)", "ssl xor (vip or ssl)"),
        ("(ssl xor vip) or ssl", "ssl xor vip or ssl"),
        ("not (ssl and vip)", "not (ssl and vip)"),
        ("not ssl and vip", "not ssl and vip"),
        ("(ssl and vip) and ssl and (vip and ssl)", "ssl and vip and ssl and vip and ssl"),
        ("(ssl xor vip) xor (ssl xor vip)", "ssl xor vip xor ssl xor vip"),
        ("not not not ssl", "not ssl"),
        ("! ! ssl", "ssl"),
        (r#"not path eq "a""#, r#"path ne "a""#),
        (r#"not path ne "a""#, r#"path eq "a""#),
        // Bools.
        ("ssl eq true or ssl ne false", "ssl or not (exists(ssl) and not ssl)"),
        ("ssl ne true", "not ssl"),
        ("ssl eq false", "exists(ssl) and not ssl"),
        ("uri.flags.nul eq false", "not uri.flags.nul"),
        (r#"starts_with(path, "/a") == true"#, r#"path starts_with "/a""#),
        (r#"ends_with(path, "/a") != true"#, r#"not path ends_with "/a""#),
        // Names.
        (r#"http.request.uri.path eq "a" and http.host eq "b""#, r#"path eq "a" and host eq "b""#),
        (r#"http.request.headers["X-A"][0] eq "a""#, r#"header["x-a"] eq "a""#),
        (r#"http.request.uri.args["A"][0] eq "a""#, r#"arg["A"] eq "a""#),
        (r#"header["User-Agent"] eq "a" or http.user_agent eq "b""#, r#"ua eq "a" or ua eq "b""#),
        ("ip.src.asnum eq 5 or tls", "asn eq 5 or ssl"),
        // Literals.
        ("load in {0x10, 5..5,7..8}", "load in {16 5 7..8}"),
        (
            "ip.src in 10.0.0.0/8 or ip.src in 10.0.0.1 or load in 4..5",
            "ip.src in {10.0.0.0/8} or ip.src in {10.0.0.1} or load in {4..5}",
        ),
        (
            "ip.src eq ::ffff:10.0.0.1 or ip.src in {::ffff:10.0.0.0/104 10.0.0.1/32}",
            "ip.src eq 10.0.0.1 or ip.src in {10.0.0.0/8 10.0.0.1}",
        ),
        (
            r##"path eq r"a" or path eq r#"b"# or path eq "\x41\\""##,
            r#"path eq "a" or path eq "b" or path eq r"A\""#,
        ),
        (r#"path matches "^/a\.b\"c$""#, r##"path matches r#"^/a\.b"c$"#"##),
        (r#"path in $"words""#, "path in $words"),
        (
            "posture >= 3 and posture in {0 2..4}",
            "posture ge defend and posture in {normal overload..lockdown}",
        ),
        ("sample(0.500) or sample(1.0) or sample(0.0)", "sample(0.5) or sample(1) or sample(0)"),
        // Elements.
        (
            r#"any(lower(headers["x"][*])[*] contains "a")"#,
            r#"any(lower(headers["x"][*]) contains "a")"#,
        ),
        (r#"all(not len(args["q"][*])[*] in {3 4})"#, r#"not any(len(args["q"][*]) in {3 4})"#),
        (
            r#"any(starts_with(headers.names[*], "x-"))"#,
            r#"any(headers.names[*] starts_with "x-")"#,
        ),
        (r#"any((headers.names[*] ne "a"))"#, r#"not all(headers.names[*] eq "a")"#),
        (r#"all(headers.names[*] ne "a")"#, r#"not any(headers.names[*] eq "a")"#),
        (
            "cidr6(ip.src, 64) eq ::1 or cidr(ip.src, 8) eq ::1",
            "cidr(ip.src, 32, 64) eq ::1 or cidr(ip.src, 8, 128) eq ::1",
        ),
        ("\t# about\n ssl # more\r\n\n and# and\nvip", "ssl and vip"),
    ] {
        let found = canonical(text);
        assert_eq!(found, expected, "{text}");
        assert_eq!(scheme().parse(text).ok(), scheme().parse(&found).ok(), "{text}");
    }
}

/// I2: each mistake has its kind, and exactly the bytes that make it.
#[test]
fn mistakes_are_all_found_where_they_are() {
    // The bytes between the marks are those of the mistakes, in order.
    let cases: &[(&str, &[Code])] = &[
        (r#"«pth» eq "a""#, &[Code::UnknownField]),
        (
            r#"«pth» eq 5 and path eq «5» or «lowr»(path) eq "a""#,
            &[Code::UnknownField, Code::Type, Code::UnknownFunction],
        ),
        (r#"«pth» in «$ofice»"#, &[Code::UnknownField, Code::UnknownList]),
        (r#"path «containz» "a""#, &[Code::UnknownOperator]),
        (r#"path in «$office» and ip.src in «$nobody»"#, &[Code::Type, Code::UnknownList]),
        (r#"path eq «$words» or path eq «{"a"}»"#, &[Code::Type, Code::Type]),
        (r#"«path» and «load» or «headers["x"]»"#, &[Code::Type, Code::Type, Code::Type]),
        (r#"«header» eq "a" or «headers» eq "a" or «tag»"#, &[Code::Type, Code::Type, Code::Type]),
        ("ip.src «lt» 10.0.0.1", &[Code::Type]),
        (
            r#"load «contains» "a" or ssl «gt» true or headers["x"] «eq» "a""#,
            &[Code::Type, Code::Type, Code::Type],
        ),
        (
            r#"ip.src eq «10.0.0.0/8» or ip.src eq «"10.0.0.1"» or ip.src in {«"a"» «5»}"#,
            &[Code::Type, Code::Type, Code::Type, Code::Type],
        ),
        ("load eq «1.5» or load eq «defend» or posture eq «defnd» or ssl eq «1»", &[Code::Type; 4]),
        (
            "ip.src eq «10.0.0.1/8» or ip.src eq «10.0.0.01» or ip.src eq «fe80::1%eth0»",
            &[Code::Literal; 3],
        ),
        ("load eq «9223372036854775808» or load eq «007» or load eq «12ab»", &[Code::Literal; 3]),
        ("load in {«5..4» 1} or ip.src in {«10.0.0.1..::1»}", &[Code::Literal, Code::Type]),
        (r#"path eq "«\q»«\x»g" or path eq «"»abc"#, &[Code::Literal; 3]),
        ("path eq «r#\"»abc\"", &[Code::Literal]),
        (r#"path «=» "a" and path eq «'b'»"#, &[Code::Syntax, Code::Syntax]),
        (r#"«status» eq 200"#, &[Code::Phase]),
        (r#"«headers["x"][*]» eq "a" or any(«path» eq "a")"#, &[Code::Each, Code::Each]),
        (r#"«any»(headers["x"][*] eq "a" or headers["x"][*] eq "b")"#, &[Code::Each]),
        (r#"any(«all»(headers["x"][*] eq "a"))"#, &[Code::Each]),
        (
            r#"path«["x"]» eq "a" or headers["x"]«["y"]» eq "b" or headers.names«[-1]» eq "c""#,
            &[Code::Type; 3],
        ),
        (r#"headers«[*]» eq "a""#, &[Code::Type]),
        (
            r#"«substring»(path) eq "a" or lower(path, «5») eq "b""#,
            &[Code::Arguments, Code::Arguments],
        ),
        (
            r#"lower(«load») eq "a" or cidr(ip.src, «33», «129») eq ::1 or len(«load») eq 1"#,
            &[Code::Type, Code::Arguments, Code::Arguments, Code::Type],
        ),
        (
            r#"sample(«2») or sample(«0.0000001») or url_decode(path, «"x"») eq "" or counter(«"x"») eq 1"#,
            &[Code::Arguments, Code::Arguments, Code::Arguments, Code::UnknownLimit],
        ),
        (
            r#"path wildcard "a*«*»b" or path wildcard "*a*a*a*a*a*a*a*a«*»""#,
            &[Code::Wildcard, Code::Wildcard],
        ),
        (
            r#"path matches "«(»" or path matches r"«(?=»a)" or path matches «"\"("»"#,
            &[Code::Regex; 3],
        ),
        (r#"path matches r"«\w{1000000}»""#, &[Code::RegexTooLarge]),
        // The grammar.
        ("«»", &[Code::Syntax]),
        ("ssl and «»", &[Code::Syntax]),
        ("ssl and «)» and «pth»", &[Code::Syntax, Code::UnknownField]),
        ("«(»ssl and vip", &[Code::Syntax]),
        ("ssl«)» and «pth» or vip", &[Code::Syntax, Code::UnknownField]),
        ("«or» ssl", &[Code::Syntax]),
        (r#"path «"a"» and «pth» «5»"#, &[Code::Syntax, Code::UnknownField, Code::Syntax]),
        (r#"path eq "a" «eq» "b" and «pth»"#, &[Code::Syntax, Code::UnknownField]),
        (r#"path eq "a" «AND» host eq "b""#, &[Code::Syntax]),
        ("ip.src «not» in {10.0.0.1}", &[Code::Syntax]),
        (r#"path in «"a"»"#, &[Code::Syntax]),
        ("load in «{»1 2", &[Code::Syntax]),
        ("load in {1 «lt» 2 «=» 3}", &[Code::Syntax; 2]),
        (
            "load in {«,» 1, 2} and (load in «{»1 2) and «pth»",
            &[Code::Syntax, Code::Syntax, Code::UnknownField],
        ),
        ("path eq «§» \"a\"", &[Code::Syntax]),
        ("path «eq» ", &[Code::Syntax]),
        ("«lower»() eq \"a\"", &[Code::Arguments]),
        ("path eq «raw.path» or «\"a\"» eq path", &[Code::Type, Code::Type]),
        // Only arrays have elements, and only once.
        ("«true»[0] or «false»[0]", &[Code::UnknownField; 2]),
        ("uri.flags.nul eq «true[0]» or load eq 1«[0]»", &[Code::Type; 2]),
        (r#"path eq "a"«[0]» or path in {"a"«[0]»}"#, &[Code::Type; 2]),
        ("ip.src eq 10.0.0.1«[0]» or ip.src in {10.0.0.0/8«[0]»}", &[Code::Type; 2]),
        (r#"substring(path, «1[0]») eq "" or starts_with(path, «"a"[0]»)"#, &[Code::Arguments; 2]),
        ("cidr(ip.src, «1[0]») eq ::1 or sample(«0.5[0]»)", &[Code::Arguments; 2]),
        (r#"starts_with(path, "/a")«[0]» or lower(path)«[*]» eq "a""#, &[Code::Type; 2]),
        (
            r#"any(headers["x"][*]«[*]» eq "a") or any(lower(headers["x"][*])[*]«[*]» eq "a")"#,
            &[Code::Type; 2],
        ),
        (r#"headers[«007»] eq "a" or headers["x"][«007»] eq "a""#, &[Code::Literal; 2]),
        (
            r#"starts_with(path, «'a'») or substring(path, «007») eq "" or sample(«007»)"#,
            &[Code::Syntax, Code::Literal, Code::Literal],
        ),
        // After a mistake, reading goes on where something new begins.
        ("(ssl «,» tls) and «pth»", &[Code::Syntax, Code::UnknownField]),
        (r#"(tag["t" «,» ssl) and «pth»"#, &[Code::Syntax, Code::UnknownField]),
        (
            r#"path «strict» "a" or path «other» wildcard "a""#,
            &[Code::UnknownOperator, Code::Syntax],
        ),
        (r#"substring(path «5» (1, 2), «"x"») eq "a""#, &[Code::Syntax, Code::Arguments]),
        (r#"substring(path «ssl» [1 or 2], «"x"») eq "a""#, &[Code::Syntax, Code::Arguments]),
    ];
    for (marked, codes) in cases {
        let (text, spans) = unmarked(marked);
        let mistakes = scheme().parse(&text).expect_err(&text);
        let found: Vec<_> =
            mistakes.iter().map(|it| (it.code(), it.span.clone().unwrap_or_default())).collect();
        let expected: Vec<_> = codes.iter().copied().zip(spans).collect();
        assert_eq!(found, expected, "{marked}\n{mistakes}");
    }
}

/// The text without its marks, and what they enclose.
fn unmarked(marked: &str) -> (String, Vec<Range<usize>>) {
    let (mut text, mut spans) = (String::new(), Vec::new());
    for c in marked.chars() {
        match c {
            '«' => spans.push(text.len()..text.len()),
            '»' => spans.last_mut().expect("opened").end = text.len(),
            c => text.push(c),
        }
    }
    (text, spans)
}

#[test]
fn what_was_meant_is_suggested() {
    for (text, help) in [
        (r#"http.request.uri.pth eq "a""#, "did you mean `http.request.uri.path` (alias `path`)?"),
        (r#"lowr(path) eq "a""#, "did you mean `lower`?"),
        (
            "ip.src in $ofice",
            "did you mean `$office`? declared lists: `$numbers`, `$office`, `$words`",
        ),
        ("ip.src in $x", "declared lists: `$numbers`, `$office`, `$words`"),
        (r#"path containz "a""#, "did you mean `contains`?"),
        (r#"path is "a""#, "did you mean `eq`?"),
        ("path containz host", "did you mean `contains`?"),
        ("load eq 12ab", "numbers are whole, as in 250; hexadecimal ones start with 0x"),
        ("load eq 1.5", "numbers are whole"),
        (
            "ip.src eq 1.2.3.4x",
            "addresses are written as in 192.0.2.1 or 2001:db8::1, without quotes",
        ),
        (r#"path eq "a" AND ssl"#, "did you mean `and`?"),
        ("tennant eq 5", "did you mean `tenant`?"),
        ("ip.src in", "as in `ip.src in $office` or `path in {\"/a\" \"/b\"}`"),
        ("path eq", "as in `path eq \"/login\"`"),
        ("path eq \"a\" == \"b\"", "comparisons are joined with `and`"),
        ("ssl not (vip)", "`not` stands before a comparison: not ip.src in $office"),
        ("ssl ! vip", "`not` stands before a comparison: not ip.src in $office"),
        ("ssl | vip", "write `||` or `or`"),
        ("ssl ^ vip", "write `^^` or `xor`"),
        ("ssl = true", "write `==` or `eq`"),
        (r#"counter("login") eq 1"#, "did you mean \"logins\"? declared limits: \"logins\""),
    ] {
        let mistakes = scheme().parse(text).expect_err(text);
        let found = mistakes.iter().next().and_then(|it| it.help.as_deref());
        assert_eq!(found, Some(help), "{text}");
    }
    // What follows here is no comparison that lacks an `and`.
    for text in ["path eq \"a\" (ssl)", "path eq \"a\" {\"b\"}"] {
        let mistakes = scheme().parse(text).expect_err(text);
        assert_eq!(mistakes.iter().next().unwrap().help, None, "{text}");
    }
}

#[test]
fn a_set_ends_where_the_next_comparison_begins() {
    for text in ["path in {\"a\" and ssl", "path in {\"a\" || ssl"] {
        let mistakes = scheme().parse(text).expect_err(text);
        let first = mistakes.iter().next().unwrap();
        assert_eq!(first.message, "a `}` is missing for this", "{text}");
        assert_eq!(mistakes.len(), 1, "{text}: {mistakes}");
    }
}

#[test]
fn kinds_of_values_are_told_in_words() {
    for (text, message) in [
        ("path in $numbers", "`$numbers` is a list of numbers, and `path` is a text"),
        ("path in $office", "`$office` is a list of addresses, and `path` is a text"),
        ("load in $words", "`$words` is a list of texts, and `load` is a number"),
        ("load in $flags", "`$flags` is a list of values, and `load` is a number"),
        ("lower(load) eq \"\"", "`lower` takes a text, and `load` is a number"),
        ("lower(ip.src) eq \"\"", "`lower` takes a text, and `ip.src` is an address"),
        (
            "cidr(headers[\"x\"], 1) eq ::1",
            "`cidr` takes an address, and `headers[\"x\"]` is an array",
        ),
        ("len(ssl) eq 1", "`len` takes a text or an array, and `ssl` is yes or no"),
        ("path", "`path` is a text, not a condition"),
        ("headers eq \"a\"", "`headers` is many values, by name"),
        ("path & 1", "`&` does not go with `path`, which is a text"),
        ("path eq 5", "expected a text, found a number"),
        ("load eq 1.5", "expected a number, found a number with a point"),
        ("load eq \"1\"", "expected a number, found a text"),
        ("ip.src eq 5", "expected an address, found a number"),
        ("load eq 10.0.0.1", "expected a number, found an address"),
        ("load eq 10.0.0.0/8", "expected a number, found a prefix"),
        ("load eq 1[0]", "one value has no elements"),
        ("ip.src eq 10.0.0.0/8[0]", "one value has no elements"),
        ("ip.src eq 10.0.0.0/8", "a prefix where one address should be"),
        ("load eq defend", "`defend` is no literal"),
        ("path eq host", "`host` is no text"),
        ("path in host", "`host` is no text"),
        ("path in \"a\"", "`in` needs a set or a list"),
        ("sample(-0.5)", "`sample` takes a number from 0 to 1, with up to six decimals"),
        ("sample(-1)", "`sample` takes a number from 0 to 1, with up to six decimals"),
        ("sample(1.5)", "`sample` takes a number from 0 to 1, with up to six decimals"),
        ("sample(1.000001)", "`sample` takes a number from 0 to 1, with up to six decimals"),
    ] {
        let mistakes = scheme().list("flags", Type::Bool).parse(text).expect_err(text);
        assert_eq!(mistakes.iter().map(|it| it.message()).collect::<Vec<_>>(), [message], "{text}");
    }
}

#[test]
fn fields_of_the_response_are_there_in_its_phase_only() {
    let text = "status in {401 403} and path eq \"/login\" and response.latency_ms gt 5";
    assert!(scheme().parse_in(text, Phase::Response).is_ok());
    let mistakes = scheme().parse(text).expect_err(text);
    assert_eq!(mistakes.iter().map(|it| it.code()).collect::<Vec<_>>(), [Code::Phase, Code::Phase]);
    assert!(scheme().parse_term_in("response.size", Phase::Response).is_ok());
    assert!(scheme().parse_term("response.size").is_err());
}

#[test]
fn terms_are_single_values() {
    for text in [
        "client",
        "ip.src",
        "header[\"x\"]",
        "cidr(ip.src, 24, 64)",
        "lower(path)",
        "tenant",
        "ssl",
        "sample(0.1)",
    ] {
        let term = scheme().parse_term(text).expect(text);
        assert_eq!(term.to_string(), text);
    }
    for text in [
        "",
        "headers[\"x\"]",
        "headers",
        "headers[\"x\"][*]",
        "path eq \"a\"",
        "exists(path)",
        "5",
        "path path",
        "nobody",
    ] {
        assert!(scheme().parse_term(text).is_err(), "{text}");
    }
}

/// I1: each limit is a mistake like others, and what is just below it is none.
#[test]
fn every_limit_is_a_mistake() {
    let first = |text: &str| {
        let mistakes = scheme().parse(text).expect_err("too much");
        assert_eq!(mistakes.iter().len(), 1);
        mistakes.iter().next().map(|it| it.code())
    };
    for open in ["(", "not ", "!", "not (", "lower("] {
        assert_eq!(first(&open.repeat(100_000)), Some(Code::TooLong));
        assert_eq!(first(&open.repeat(2_000)), Some(Code::TooDeep), "{open}");
    }
    let nested = |levels: usize| format!("{}ssl{}", "(".repeat(levels), ")".repeat(levels));
    assert!(scheme().parse(&nested(DEEPEST)).is_ok());
    assert_eq!(first(&nested(DEEPEST + 1)), Some(Code::TooDeep));
    // Each pair of parentheses holds two levels of the tree.
    let mixed =
        |levels: usize| format!("{}ssl{}", "vip or ssl and (".repeat(levels), ")".repeat(levels));
    assert!(scheme().parse(&mixed(DEEPEST / 2 - 1)).is_ok());
    assert_eq!(first(&mixed(DEEPEST / 2 + 1)), Some(Code::TooDeep));
    let lowers =
        |levels: usize| format!("{}path{} eq \"a\"", "lower(".repeat(levels), ")".repeat(levels));
    assert!(scheme().parse(&lowers(DEEPEST - 1)).is_ok());
    assert_eq!(first(&lowers(DEEPEST)), Some(Code::TooDeep));

    let short = Scheme::new().field("a", Type::Bool);
    let many = |tests: usize| format!("a{}", "||a".repeat(tests - 1));
    assert!(short.parse(&many(MOST_TESTS)).is_ok());
    let mistakes = short.parse(&many(MOST_TESTS + 1)).expect_err("too many");
    assert_eq!(mistakes.iter().map(|it| it.code()).collect::<Vec<_>>(), [Code::TooManyTests]);

    let long = |bytes: usize| format!("ssl{}", " ".repeat(bytes - 3));
    assert!(scheme().parse(&long(16 * 1_024)).is_ok());
    assert_eq!(first(&long(16 * 1_024 + 1)), Some(Code::TooLong));
    assert!(scheme().parse(&format!("path wildcard \"{}\"", "*a".repeat(8))).is_ok());
    // No more mistakes are shown than a reader takes in.
    assert_eq!(scheme().parse(&"x and ".repeat(2_000)).expect_err("unknown").iter().len(), 100);
}

/// The documentation lists every field, function and operator that there is.
#[test]
fn the_documentation_is_complete() {
    let language = include_str!("../language.md");
    for entry in BUILTINS {
        let row = format!("| `{}` | {} |", entry.name, quoted(entry.aliases));
        assert!(language.contains(&row), "{row}");
        assert!(language.contains(entry.about), "{}", entry.about);
    }
    for (name, aliases, _, about) in SUPPLIED {
        let row = format!("| `{name}` | {} |", quoted(aliases));
        assert!(language.contains(&row) && language.contains(about), "{row}");
    }
    for (name, aliases, header) in HEADER_NAMES {
        let row = format!("| `{name}` | {} | Bytes | `header[\"{header}\"]` |", quoted(aliases));
        assert!(language.contains(&row), "{row}");
    }
    for (name, ..) in super::function::FUNCTIONS {
        assert!(language.contains(&format!("`{name}(")), "{name}");
    }
    for (word, _) in crate::rule::parser::OPERATORS {
        assert!(language.contains(&format!("`{word}`")), "{word}");
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What is said after a mistake is about other mistakes, not about what the first one has upset.
#[test]
fn a_mistake_in_brackets_hides_no_other_and_makes_none_up() {
    for (text, codes) in [
        ("(path eq \"/a\" path eq \"/b\") and hots eq \"c\"", 2),
        ("(path eq \"/a\" x (y) z) and hots eq \"c\"", 2),
        ("(path eq \"/a\" ] and hots eq \"c\"", 2),
        ("(path eq \"/a\" } or ssl", 1),
        ("(path eq \"/a\" x", 2),
        ("(path eq \"/a\"", 1),
        ("len(path x) gt 5 and hots eq \"c\"", 2),
    ] {
        let found = crate::rule::Scheme::new().parse(text).unwrap_err();
        let said: std::vec::Vec<_> = found.iter().map(|it| it.to_string()).collect();
        assert_eq!(said.len(), codes, "{text}: {said:#?}");
    }
}
