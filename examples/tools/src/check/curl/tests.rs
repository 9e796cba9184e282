//! Which request is understood from which arguments.

use super::{Curl, base64, decoded, encoded, read};
use crate::check::options::Words;

fn curl(args: &[&str]) -> Result<Curl, String> {
    let args = args.iter().map(|&arg| arg.to_owned()).collect();
    read(args, &mut Words::default()).map_err(|error| error.to_string())
}

pub(super) fn of(args: &[&str]) -> Curl {
    curl(args).unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

impl Curl {
    fn get(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.iter().filter(|(known, _)| known == name);
        let first = lines.next().map(|(_, value)| value.as_str());
        assert_eq!(lines.next(), None, "{name} is there once");
        first
    }
}

#[test]
fn urls_become_hosts_and_targets_as_they_are_written() {
    for (url, host, target, is_secure) in [
        ("localhost", "localhost", "/", None),
        ("localhost:8080/a", "localhost:8080", "/a", None),
        ("http://h", "h", "/", Some(false)),
        ("HTTPS://h/", "h", "/", Some(true)),
        ("https://h?q=1", "h", "/?q=1", Some(true)),
        ("https://h#top", "h", "/", Some(true)),
        ("https://h/a?b=/c#d", "h", "/a?b=/c", Some(true)),
        ("h/a/../.env", "h", "/a/../.env", None),
        ("h/%2e%2e//x", "h", "/%2e%2e//x", None),
        ("/login?x=http://y/", "", "/login?x=http://y/", None),
        ("h/go?to=https://other/", "h", "/go?to=https://other/", None),
        ("[2001:db8::1]:80/x", "[2001:db8::1]:80", "/x", None),
        ("https://h/straße", "h", "/straße", Some(true)),
        ("https://user:secret@h:1/x", "h:1", "/x", Some(true)),
    ] {
        let curl = of(&[url]);
        assert_eq!(
            (&*curl.host, &*curl.target, curl.is_secure),
            (host, target, is_secure),
            "{url}"
        );
        assert_eq!((&*curl.method, curl.version, curl.body), ("GET", "HTTP/1.1", None), "{url}");
    }
}

#[test]
fn what_is_no_url_is_told() {
    for (args, told) in [
        (&[][..], "no URL"),
        (&[""], "no host"),
        (&["http://"], "no host"),
        (&["http:///x"], "no host"),
        (&["ftp://h/x"], "neither http nor https"),
        (&["h/a b"], "%20"),
        (&["h/\r\nx: y"], "%20"),
        (&["a", "b"], "several URLs"),
        (&["http://me:secret@h/a b"], "\"h/a b\""),
    ] {
        let error = curl(args).unwrap_err();
        assert!(error.contains(told) && !error.contains("secret"), "{args:?}: {error}");
    }
}

#[test]
fn methods_and_bodies_follow_from_options() {
    for (args, method, target, body) in [
        (&["h"][..], "GET", "/", None),
        (&["-X", "DELETE", "h"], "DELETE", "/", None),
        (&["-XPATCH", "h"], "PATCH", "/", None),
        (&["--request=PURGE", "h"], "PURGE", "/", None),
        (&["-I", "h"], "HEAD", "/", None),
        (&["-d", "a=1", "h"], "POST", "/", Some(3)),
        (&["-d", "a=1", "-d", "b=2", "h"], "POST", "/", Some(7)),
        (&["--data-raw", "@x", "h"], "POST", "/", Some(2)),
        (&["--data-binary", "", "h"], "POST", "/", Some(0)),
        (&["-d", "@file", "h"], "POST", "/", None),
        (&["--data-urlencode", "a=b c", "h"], "POST", "/", Some(5)),
        (&["-d", "a=1", "-X", "PUT", "h"], "PUT", "/", Some(3)),
        (&["-G", "-d", "a=1", "h/x"], "GET", "/x?a=1", None),
        (&["-G", "-d", "a=1", "-d", "b", "h/x?y"], "GET", "/x?y&a=1&b", None),
        (&["-F", "f=@x", "h"], "POST", "/", None),
        (&["-T", "x", "h"], "PUT", "/", None),
        (&["--json", "{}", "h"], "POST", "/", Some(2)),
        (&["-d", "ü", "h"], "POST", "/", Some(2)),
        (&["-d", "x", "-H", "content-length: 100", "h"], "POST", "/", Some(100)),
    ] {
        let curl = of(args);
        assert_eq!((&*curl.method, &*curl.target, curl.body), (method, target, body), "{args:?}");
    }
    assert!(curl(&["-X", "GE T", "h"]).unwrap_err().contains("no method"));
    assert!(curl(&["-X", "", "h"]).unwrap_err().contains("no method"));
}

#[test]
fn headers_are_curls_own_and_those_given() {
    let plain = of(&["http://h/"]);
    let lines = [("host", "h"), ("user-agent", "curl/8"), ("accept", "*/*")];
    assert_eq!(plain.headers, lines.map(|(name, value)| (name.to_owned(), value.to_owned())));

    for (args, name, value) in [
        (&["-H", "X-A:  b c ", "h"][..], "x-a", Some("b c")),
        (&["-H", "X-Empty;", "h"], "x-empty", Some("")),
        (&["-H", "X-Nothing:", "h"], "x-nothing", None),
        (&["-H", "User-Agent:", "h"], "user-agent", None),
        (&["-A", "me", "h"], "user-agent", Some("me")),
        (&["-A", "", "h"], "user-agent", None),
        (&["-A", "me", "-H", "user-agent: it", "h"], "user-agent", Some("it")),
        (&["-e", "http://r/", "h"], "referer", Some("http://r/")),
        (&["-b", "a=1", "-b", "b=2", "h"], "cookie", Some("a=1; b=2")),
        (&["-b", "jar.txt", "h"], "cookie", None),
        (
            &["-u", "Aladdin:open sesame", "h"],
            "authorization",
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ),
        (&["http://a:b%40@h/"], "authorization", Some("Basic YTpiQA==")),
        (&["--oauth2-bearer", "t", "h"], "authorization", Some("Bearer t")),
        (&["-r", "0-9", "h"], "range", Some("bytes=0-9")),
        (&["--compressed", "h"], "accept-encoding", Some("deflate, gzip, br, zstd")),
        (&["-d", "x", "h"], "content-type", Some("application/x-www-form-urlencoded")),
        (&["-d", "x", "-H", "Content-Type: text/plain", "h"], "content-type", Some("text/plain")),
        (&["--json", "1", "h"], "content-type", Some("application/json")),
        (&["-d", "xy", "h"], "content-length", Some("2")),
        (&["-H", "Host: other", "h"], "host", Some("other")),
    ] {
        assert_eq!(of(args).get(name), value, "{args:?}");
    }
    assert_eq!(of(&["-H", "Host: other", "h"]).host, "other");
    assert_eq!(of(&["-H", ":authority: other", "-H", ":path: /", "h"]).host, "other");
}

#[test]
fn what_no_server_takes_is_refused() {
    for (args, told) in [
        (&["-H", "a: b\r\nc: d", "h"][..], "line break"),
        (&["-H", "a: b\r", "h"], "line break"),
        (&["-H", "a: b\0", "h"], "line break or a NUL"),
        (&["-H", "a: \u{1b}[2J", "h"], "control character"),
        (&["-H", "a b: c", "h"], "without blanks"),
        (&["-H", "::c", "h"], "without blanks"),
        (&["-H", "nothing", "h"], "no colon"),
        (&["-H", "@file", "h"], "no file is read"),
        (&["-A", "a\nb", "h"], "user-agent has a line break"),
        (&["-b", "a=1\r\nx: y", "h"], "cookie has a line break"),
    ] {
        let error = curl(args).unwrap_err();
        assert!(error.contains(told), "{args:?}: {error}");
        assert!(!error.contains('\u{1b}') && error.lines().count() == 1, "{error:?}");
    }
}

#[test]
fn what_changes_nothing_is_passed_over_and_said() {
    let curl_of = of(&["-sSkLvi", "-o", "out.html", "--max-time", "5", "h", "-w", "%{http_code}"]);
    assert_eq!(
        curl_of.ignored,
        [
            "--silent",
            "--show-error",
            "--insecure",
            "--location",
            "--verbose",
            "--include",
            "--output",
            "--max-time",
            "--write-out"
        ]
    );
    for (args, told) in [
        (&["--comprssed", "h"][..], "unknown option --comprssed; did you mean --compressed?"),
        (&["--hedaer", "a: b", "h"], "unknown option --hedaer; did you mean --header?"),
        (&["--tmies", "3", "h"], "unknown option --tmies; did you mean --times?"),
        (&["--frobnicate", "h"], "unknown option --frobnicate"),
        (&["-?", "h"], "unknown option -?"),
        (&["--deny-warnings", "h"], "--deny-warnings belongs before --explain"),
        (&["h", "-H"], "missing argument for option '-H'"),
    ] {
        assert_eq!(curl(args).unwrap_err(), told);
    }
}

#[test]
fn versions_are_those_of_http() {
    for (option, version) in [
        ("--http1.0", "HTTP/1.0"),
        ("-0", "HTTP/1.0"),
        ("--http1.1", "HTTP/1.1"),
        ("--http2", "HTTP/2"),
        ("--http3", "HTTP/3"),
    ] {
        assert_eq!(of(&[option, "h"]).version, version);
    }
}

/// As a browser copies it.
#[test]
fn a_whole_line_is_split_as_by_a_shell() {
    let line = "curl 'https://shop.example/login?next=%2F' \\\n  -X 'POST' \\\n  \
                -H 'accept: */*' \\\n  -H 'user-agent: Mozilla/5.0 (X11)' \\\n  \
                -b 'session=abc; b=c' \\\n  --data-raw $'name=it\\'s\\u0021' \\\n  --compressed";
    for args in [
        &[line][..],
        &[
            "curl",
            "https://shop.example/login?next=%2F",
            "-X",
            "POST",
            "-H",
            "accept: */*",
            "-H",
            "user-agent: Mozilla/5.0 (X11)",
            "-b",
            "session=abc; b=c",
            "--data-raw",
            "name=it's!",
            "--compressed",
        ],
    ] {
        let curl = of(args);
        assert_eq!((&*curl.method, &*curl.host), ("POST", "shop.example"));
        assert_eq!((&*curl.target, curl.body), ("/login?next=%2F", Some(10)));
        assert_eq!(curl.get("cookie"), Some("session=abc; b=c"));
        assert_eq!(curl.get("user-agent"), Some("Mozilla/5.0 (X11)"));
    }
    assert_eq!(of(&["$ curl -I h"]).method, "HEAD");
    let error = curl(&["curl 'http://h"]).unwrap_err();
    assert_eq!(error, "the line for curl: a ' is not closed");
}

#[test]
fn encodings_are_those_of_their_rfcs() {
    // The vectors of RFC 4648, section 10.
    for (text, encoded) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64(text.as_bytes()), encoded);
    }
    assert_eq!(encoded("a-b_c.d~ ü/"), "a-b_c.d~+%C3%BC%2F");
    for (text, bytes) in [("a%20b", &b"a b"[..]), ("%", b"%"), ("%2", b"%2"), ("%zz%41", b"%zzA")] {
        assert_eq!(decoded(text), bytes);
    }
}

/// I1 of the program: whatever comes, there is a request or a message.
#[test]
fn nothing_panics() {
    let words = [
        "curl",
        "curl 'h' -d $'\\x",
        "-H",
        "--header=",
        "-H=a:b",
        "a: b",
        ":",
        "::",
        ";",
        "",
        "-",
        "--",
        "-d",
        "@",
        "http://",
        "https://u:p@h:1/x?y#z",
        "h/\u{fc}",
        "-XPOST",
        "-sS",
        "-u",
        "%",
        "%zz",
        "--times",
        "7",
        "-G",
        "--json",
        "-I",
        "\0",
        "\r\n",
        "-\u{1f600}",
        "--\u{1f600}",
        "-b",
        "=",
        "--data-urlencode",
        "@=",
    ];
    let mut state = 1_u64;
    let mut any = |most: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % most
    };
    let (mut read, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let args: Vec<&str> = (0..any(6)).map(|_| words[any(words.len())]).collect();
        match curl(&args) {
            Ok(_) => read += 1,
            Err(told) => {
                assert!(!told.is_empty() && told.lines().count() == 1, "{args:?}: {told:?}");
                refused += 1;
            }
        }
    }
    assert!(read > 100 && refused > 100, "{read} {refused}");
}

#[test]
fn urls_that_curl_makes_several_requests_of_are_noted() {
    for (args, notes) in [
        (&["h/{a,b}"][..], 1),
        (&["h/[1-3]"], 1),
        (&["h/x[a-c:2].png"], 1),
        (&["{one,two}.example"], 1),
        (&["h/{a}?[1-2]"], 1),
        (&["-g", "h/{a,b}"], 0),
        (&["h/[1-3]", "--globoff"], 0),
        (&["h/%7Ba,b%7D"], 0),
        (&["[2001:db8::1]/x"], 0),
        (&["[fe80::1%25eth-0]/x"], 0),
        (&["h/}a{"], 0),
        (&["-d", "{\"a\":[1-3]}", "h/"], 0),
    ] {
        let curl = of(args);
        assert_eq!(curl.notes.len(), notes, "{args:?}: {:?}", curl.notes);
        assert!(curl.notes.iter().all(|note| note.contains("without -g")));
    }
}

#[test]
fn secrets_of_headers_that_are_wrong_are_not_shown() {
    for header in [
        "Authorization Bearer SECRET",
        "Authorization\tSECRET",
        "Authorization=SECRET",
        "Authorization;SECRET",
        "Authori zation: SECRET",
        "Authorization: SECRET\r\n",
    ] {
        let err = curl(&["h", "-H", header]).unwrap_err();
        assert!(err.contains("the header \"Autho") && !err.contains("SECRET"), "{err}");
    }
}

#[test]
fn what_was_meant_is_guessed_from_near_names_only() {
    for (wrong, help) in [
        ("--next", ""),
        ("--tims", "; did you mean --times?"),
        ("--hedaer", "; did you mean --header?"),
        ("--xyz", ""),
    ] {
        let err = curl(&["h", wrong, "x"]).unwrap_err();
        assert_eq!(err, format!("unknown option {wrong}{help}"));
    }
}
