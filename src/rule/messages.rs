//! What users see for the mistakes that they make most: every line of it.

use std::{format, string::ToString, vec::Vec};

use super::{
    diagnostic::{Code, Diagnostics},
    field::{Phase, Type},
    scheme::Scheme,
};

fn scheme() -> Scheme {
    Scheme::new()
        .field("tenant", Type::Bytes)
        .list("offices", Type::Ip)
        .list("partners", Type::Ip)
        .limit("logins")
}

/// Texts, and what is shown for each.
const SHOWN: &[(&str, &str)] = &[
    (
        r#"http.request.uri.pth eq "/login" and ip.src in $office"#,
        r##"error[P0102]: unknown field `http.request.uri.pth`
 --> 1:1
  |
1 | http.request.uri.pth eq "/login" and ip.src in $office
  | ^^^^^^^^^^^^^^^^^^^^
  = help: did you mean `http.request.uri.path` (alias `path`)?

error[P0207]: list `$office` is not defined
 --> 1:48
  |
1 | http.request.uri.pth eq "/login" and ip.src in $office
  |                                                ^^^^^^^
  = help: did you mean `$offices`? declared lists: `$offices`, `$partners`
"##,
    ),
    (
        r#"user_agent contains "bot" and lowercase(host) eq "a""#,
        r##"error[P0102]: unknown field `user_agent`
 --> 1:1
  |
1 | user_agent contains "bot" and lowercase(host) eq "a"
  | ^^^^^^^^^^
  = help: did you mean `ua`, short for `http.user_agent`?

error[P0103]: unknown function `lowercase`
 --> 1:31
  |
1 | user_agent contains "bot" and lowercase(host) eq "a"
  |                               ^^^^^^^^^
  = help: did you mean `lower`?
"##,
    ),
    (
        r#"ip.src in $blocked or counter("login") gt 5"#,
        r##"error[P0207]: list `$blocked` is not defined
 --> 1:11
  |
1 | ip.src in $blocked or counter("login") gt 5
  |           ^^^^^^^^
  = help: declared lists: `$offices`, `$partners`

error[P0201]: limit "login" is not defined
 --> 1:31
  |
1 | ip.src in $blocked or counter("login") gt 5
  |                               ^^^^^^^
  = help: did you mean "logins"? declared limits: "logins"
"##,
    ),
    (
        r#"path = "/a" and host === "b" or load => 50 &&& ssl"#,
        r##"error[P0001]: `=` is no operator
 --> 1:6
  |
1 | path = "/a" and host === "b" or load => 50 &&& ssl
  |      ^
  = help: write `==` or `eq`

error[P0001]: `===` is no operator
 --> 1:22
  |
1 | path = "/a" and host === "b" or load => 50 &&& ssl
  |                      ^^^
  = help: write `==` or `eq`

error[P0001]: `=>` is no operator
 --> 1:38
  |
1 | path = "/a" and host === "b" or load => 50 &&& ssl
  |                                      ^^
  = help: write `>=` or `ge`

error[P0001]: `&&&` is no operator
 --> 1:44
  |
1 | path = "/a" and host === "b" or load => 50 &&& ssl
  |                                            ^^^
  = help: write `&&` or `and`
"##,
    ),
    (
        r#"path endswith ".php""#,
        r##"error[P0101]: unknown operator `endswith`
 --> 1:6
  |
1 | path endswith ".php"
  |      ^^^^^^^^
  = help: did you mean `ends_with`?
"##,
    ),
    (
        r#"path eq 'x' and host eq “y”"#,
        r##"error[P0001]: texts are in double quotes
 --> 1:9
  |
1 | path eq 'x' and host eq “y”
  |         ^^^
  = help: write texts as "…", patterns as r"…"

error[P0001]: texts are in double quotes
 --> 1:25
  |
1 | path eq 'x' and host eq “y”
  |                         ^^^
  = help: write texts as "…", patterns as r"…"
"##,
    ),
    (
        r#"path eq and ssl"#,
        r##"error[P0001]: nothing to compare with after this
 --> 1:6
  |
1 | path eq and ssl
  |      ^^
  = help: as in `path eq "/login"`
"##,
    ),
    (
        r#"path matches r"^/(a|b" and path matches "*.php""#,
        r##"error[P0305]: no regular expression: unclosed group
 --> 1:18
  |
1 | path matches r"^/(a|b" and path matches "*.php"
  |                  ^

error[P0305]: no regular expression: repetition operator missing expression
 --> 1:42
  |
1 | path matches r"^/(a|b" and path matches "*.php"
  |                                          ^
  = help: patterns such as *.php are for `wildcard`
"##,
    ),
    (
        r#"ip.src in 10.0.0.1/8"#,
        r##"error[P0002]: host bits are set
 --> 1:11
  |
1 | ip.src in 10.0.0.1/8
  |           ^^^^^^^^^^
  = help: write 10.0.0.0/8 for the network or 10.0.0.1/32 for the host
"##,
    ),
    (
        r#"ip.src in {192.0.2.0/24 192.0.2.01 300.1.1.1}"#,
        r##"error[P0002]: an octet with a leading zero, which some programs read as octal
 --> 1:25
  |
1 | ip.src in {192.0.2.0/24 192.0.2.01 300.1.1.1}
  |                         ^^^^^^^^^^
  = help: write 192.0.2.1/32 if that is what is meant

error[P0002]: an octet above 255
 --> 1:36
  |
1 | ip.src in {192.0.2.0/24 192.0.2.01 300.1.1.1}
  |                                    ^^^^^^^^^
  = help: the four numbers of an IPv4 address go from 0 to 255
"##,
    ),
    (
        r#"posture ge defnd"#,
        r##"error[P0301]: `defnd` is no posture
 --> 1:12
  |
1 | posture ge defnd
  |            ^^^^^
  = help: did you mean `defend`? postures are normal, elevated, overload, defend, lockdown
"##,
    ),
    (
        "(path eq \"/a\" and\n\thots eq \"b\"",
        r##"error[P0001]: a `)` is missing for this
 --> 1:1
  |
1 | (path eq "/a" and
  | ^

error[P0102]: unknown field `hots`
 --> 2:2
  |
2 |     hots eq "b"
  |     ^^^^
  = help: did you mean `host`, short for `http.host`?
"##,
    ),
    (
        r#"ip.src not in $offices"#,
        r##"error[P0001]: `not` within a comparison
 --> 1:8
  |
1 | ip.src not in $offices
  |        ^^^
  = help: it stands before: `not ip.src in $office`
"##,
    ),
    (
        r#"path eq login and load eq "5""#,
        r##"error[P0301]: `login` is no text
 --> 1:9
  |
1 | path eq login and load eq "5"
  |         ^^^^^
  = help: texts are in double quotes: "login"

error[P0301]: expected a number, found a text
 --> 1:27
  |
1 | path eq login and load eq "5"
  |                           ^^^
  = help: write it without quotes
"##,
    ),
    (
        r#"headers["x"] eq "a" and headers.accept eq "b""#,
        r##"error[P0301]: `eq` does not go with `headers["x"]`, which is an array
 --> 1:14
  |
1 | headers["x"] eq "a" and headers.accept eq "b"
  |              ^^
  = help: compare one element, [0], or any(…[*] …) of them

error[P0102]: unknown field `headers.accept`
 --> 1:25
  |
1 | headers["x"] eq "a" and headers.accept eq "b"
  |                         ^^^^^^^^^^^^^^
  = help: did you mean `header["accept"]`?
"##,
    ),
    (
        r#"path eq "/a" path eq "/b""#,
        r##"error[P0001]: expected `and`, `or` or the end, found `path`
 --> 1:14
  |
1 | path eq "/a" path eq "/b"
  |              ^^^^
  = help: comparisons are joined with `and` or `or`
"##,
    ),
    (
        r#"contains(path, "a") or substring(path) eq "a""#,
        r##"error[P0103]: unknown function `contains`
 --> 1:1
  |
1 | contains(path, "a") or substring(path) eq "a"
  | ^^^^^^^^
  = help: `contains` is an operator and stands between: path contains "…"

error[P0302]: `substring` takes 2 or 3 arguments
 --> 1:24
  |
1 | contains(path, "a") or substring(path) eq "a"
  |                        ^^^^^^^^^
  = help: as in substring(path, 0, 4)
"##,
    ),
    (
        r#"path eq "/a" AND ssl"#,
        r##"error[P0001]: expected `and`, `or` or the end, found `AND`
 --> 1:14
  |
1 | path eq "/a" AND ssl
  |              ^^^
  = help: did you mean `and`?
"##,
    ),
];

#[test]
fn mistakes_are_shown_as_they_are_meant_to_be() {
    for (text, shown) in SHOWN {
        let mistakes = scheme().parse(text).expect_err(text);
        assert_eq!(mistakes.to_string(), *shown, "{text}");
    }
}

/// Expressions in a file, each with its mistakes: all are shown in its order, at their places in it.
#[test]
fn mistakes_of_many_texts_are_those_of_their_file() {
    let texts = [("limits", "load gtt 5"), ("rules", "pth eq \"/a\" or ssl =")];
    let file = "[[rule]]\nwhen = 'pth eq \"/a\" or ssl ='\n\n[[limit]]\n\twhen = 'load gtt 5'\n";
    let mut found = Vec::new();
    for (name, text) in texts {
        let at = file.find(text).unwrap();
        let mistakes = scheme().parse_in(text, Phase::Request).unwrap_err();
        found.extend(mistakes.into_iter().map(|mistake| {
            let span = mistake.span.clone().map(|span| span.start + at..span.end + at);
            crate::rule::Diagnostic { span, ..mistake }.at_place(format!("{name}, when"))
        }));
    }
    let found = Diagnostics::new(file, found).with_origin("gate.toml");
    assert_eq!(
        found.to_string(),
        r##"error[P0102]: unknown field `pth`
 --> gate.toml:2:9  (rules, when)
  |
2 | when = 'pth eq "/a" or ssl ='
  |         ^^^
  = help: did you mean `path`, short for `http.request.uri.path`?

error[P0001]: `=` is no operator
 --> gate.toml:2:28  (rules, when)
  |
2 | when = 'pth eq "/a" or ssl ='
  |                            ^
  = help: write `==` or `eq`

error[P0101]: unknown operator `gtt`
 --> gate.toml:5:15  (limits, when)
  |
5 |     when = 'load gtt 5'
  |                  ^^^
  = help: did you mean `gt`?
"##
    );
    let places: Vec<_> = found.iter().map(|it| (it.line(), it.column(), it.place())).collect();
    assert_eq!(places[0], (Some(2), Some(9), Some("rules, when")));
    assert!(places.is_sorted_by_key(|(line, ..)| *line));
}

/// For each kind of mistake in an expression there is a text that is it, and the explanations speak of
/// nothing else.
#[test]
fn each_kind_of_mistake_can_be_made() {
    for (text, code) in [
        ("path eq", Code::Syntax),
        ("path = \"/\"", Code::Syntax),
        ("(ssl and ssl", Code::Syntax),
        ("ip.src in {10.0.0.1/8}", Code::Literal),
        ("ip.src eq 192.0.2.01", Code::Literal),
        ("path startswith \"/a\"", Code::UnknownOperator),
        ("tenan eq \"a\"", Code::UnknownField),
        ("lowercase(host) eq \"a\"", Code::UnknownFunction),
        ("counter(\"name\") gt 5", Code::UnknownLimit),
        ("ip.src in $office", Code::UnknownList),
        ("path eq 5", Code::Type),
        ("ip.src lt 10.0.0.1", Code::Type),
        ("ip.src eq \"10.0.0.1\"", Code::Type),
        ("substring(path) eq \"a\"", Code::Arguments),
        ("headers[\"x\"][*] contains \"y\"", Code::Each),
        ("status eq 404", Code::Phase),
        ("path matches \"(\"", Code::Regex),
        ("path matches r\"(\\d{1,1000}){1,1000}\"", Code::RegexTooLarge),
        ("path wildcard \"/**\"", Code::Wildcard),
    ] {
        let mistakes = scheme().parse(text).expect_err(text);
        let codes: Vec<_> = mistakes.iter().map(super::Diagnostic::code).collect();
        assert_eq!(codes, [code], "{text}");
    }
    for text in [
        "path eq \"/login\"",
        "ssl",
        "lower(host) eq \"a\"",
        "headers[\"x\"][0] eq \"a\"",
        "any(headers[\"x\"][*] contains \"y\")",
        "substring(path, 0, 4) eq \"/api\"",
        "cidr(ip.src, 24, 64) eq 192.0.2.0",
        "url_decode(query, \"r\") contains \"<\"",
        "sample(0.1)",
        "path matches r\"\\.php$\"",
        "host matches r\"^(www\\.)?shop\\.example$\"",
    ] {
        scheme().parse(text).expect(text);
    }
}

/// Where a condition should begin, it is a condition that is missed, and not a value.
#[test]
fn what_is_expected_is_a_condition_where_one_begins() {
    for (text, found) in [
        ("", "end"),
        ("ssl and", "end"),
        ("(ssl or )", "`)`"),
        ("and ssl", "`and`"),
        ("$offices", "`$offices`"),
        ("{ 1 }", "`{`"),
    ] {
        let mistakes = scheme().parse(text).expect_err(text);
        let first = mistakes.iter().next().unwrap().message();
        assert_eq!(first, format!("expected a condition, found {found}"), "{text}");
    }
}

#[test]
fn nothing_found_is_empty() {
    let mistakes = scheme().parse("load gtt 5").unwrap_err();
    assert!(!mistakes.is_empty());
    assert!(Diagnostics::new("ssl", Vec::new()).is_empty());
}

/// What is missing or wrong between parentheses is told once.
#[test]
fn a_call_that_goes_wrong_is_one_mistake() {
    for (text, message) in [
        ("exists(host", "a `)` is missing for this"),
        ("exists($offices)", "expected a value, found `$offices`"),
        ("exists(host path)", "expected `,` or `)`, found `path`"),
    ] {
        let mistakes = scheme().parse(text).expect_err(text);
        let found: Vec<&str> = mistakes.iter().map(|mistake| mistake.message()).collect();
        assert_eq!(found, [message], "{text}");
    }
}

#[test]
fn elements_of_an_array_have_no_names() {
    for (text, message) in [
        ("headers[\"x\"][\"y\"] eq \"a\"", "an array has elements by number, not by name"),
        ("path[\"y\"] eq \"a\"", "one value has no elements"),
    ] {
        let mistakes = scheme().parse(text).expect_err(text);
        let found: Vec<&str> = mistakes.iter().map(|mistake| mistake.message()).collect();
        assert_eq!(found, [message], "{text}");
    }
}

/// Where a value should stand, an operator is not taken for the name of one.
#[test]
fn operators_are_no_values() {
    for word in ["eq", "not", "and", "xor"] {
        let text = format!("exists({word})");
        let mistakes = scheme().parse(&text).expect_err(&text);
        let found = mistakes.iter().next().unwrap().message();
        assert!(found.ends_with(&format!(", found `{word}`")), "{found}");
    }
}

#[test]
fn a_wildcard_that_is_refused_is_told_why() {
    for (pattern, message) in [
        ("/a**b", "two stars in a row say no more than one"),
        ("*a*b*c*d*e*f*g*h*i*", "more than 8 stars"),
    ] {
        let text = format!("path wildcard \"{pattern}\"");
        let mistakes = scheme().parse(&text).expect_err(&text);
        let found = mistakes.iter().next().unwrap().message();
        assert!(found.contains(message), "{found}");
    }
}
