//! Judging a request by rules allocates nothing, however its path and host were written.

use portcullis::{
    Headers, Request,
    request::canonical_path,
    rule::{Lists, Rule, RuleSet, Scheme},
};

use super::{allocations, peer};

const CONDITIONS: [&str; 9] = [
    r#"path eq "/never" or host eq "never.example""#,
    r#"path starts_with "/never/" and method eq "POST""#,
    r#"path wildcard "*/never/*.php" or path ends_with ".never""#,
    r#"header["user-agent"] contains "never" or any(headers["x-list"][*] eq "never")"#,
    r#"ip.src in {192.0.2.1 2001:db8::/32}"#,
    r#"arg["next"] eq "/never" or cookie["session"] eq "never""#,
    r#"lower(query) contains "never" or len(uri) > 20000"#,
    r#"uri.flags.nul and uri.flags.backslash and uri.flags.non_utf8"#,
    r#"path eq "/admin/x" and host eq "shop.example""#,
];

/// Header lines as a server keeps them.
struct Lines(&'static [(&'static str, &'static str)]);

impl Headers for Lines {
    fn first(&self, name: &str) -> Option<&[u8]> {
        let mut lines = self.0.iter();
        lines.find(|(line, _)| *line == name).map(|(_, value)| value.as_bytes())
    }

    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8]) -> std::ops::ControlFlow<()>) {
        for (name, value) in self.0 {
            if visit(name, value.as_bytes()).is_break() {
                return;
            }
        }
    }
}

const LINES: Lines =
    Lines(&[("user-agent", "curl/8.5"), ("x-list", "a"), ("x-list", "b"), ("cookie", "a=b; c=d")]);

/// I7 of the canonical form, and with it all of the evaluation.
#[test]
fn rules_allocate_nothing_whatever_a_path_is_made_of() {
    let scheme = Scheme::new();
    let rules = CONDITIONS.map(|text| Rule::new(text, scheme.parse(text).unwrap()));
    let rules = RuleSet::new(rules, Lists::default()).unwrap();
    let long = format!("/admin/{}../x", "a/".repeat(900) + &"../".repeat(899));
    let (mut last, mut none) = (0, 0);
    for (target, host) in [
        ("/admin/x", "shop.example"),
        ("/admin/x?next=%2F&a=b", "Shop.Example.:8080"),
        ("//admin/./%78", "shop.example"),
        (r"\admin\y\..\x?q=%ff", "SHOP.EXAMPLE"),
        ("http://u:p@Shop.Example/admin/x", "other.example"),
        (&long, "shop.example"),
        ("/%252e%00%zz", "[::1]:80"),
        ("", ""),
        ("*", "shop.example"),
        ("/index.html", "shop.example"),
    ] {
        let judge = || {
            let request = Request::new(peer(7)).method("GET").target(target).host(host);
            rules.first_match(&request.header_lines(&LINES)).map(Rule::when).is_some()
        };
        // Whatever is made once, at first, is made here.
        let expected = judge();
        assert_eq!(expected, canonical_path(target) == &b"/admin/x"[..], "{target}");
        *(if expected { &mut last } else { &mut none }) += 1;
        let count = allocations(|| (0..100).for_each(|_| assert_eq!(judge(), expected)));
        assert_eq!(count, 0, "{target} at {host}");
    }
    assert_eq!((last, none), (6, 4));
}

/// What is canonical already is not copied.
#[test]
fn canonical_paths_are_borrowed() {
    let count = allocations(|| {
        for target in ["/", "/a/b?c=d", "/.well-known/x", "/images/logo-new.png", ""] {
            let (path, _) = target.split_once('?').unwrap_or((target, ""));
            assert_eq!(canonical_path(target), path.as_bytes());
        }
    });
    assert_eq!(count, 0);
}
