use std::vec::Vec;

use proptest::{collection::vec, prelude::*};

use super::{
    Canonical, LONGEST, Needs, SHORT, UriFlags, canonical_path,
    escape::Piece,
    flags::{Characters, Twice},
};
use crate::{
    request::{Request, reference::check},
    test_support::cases,
};

/// What matters in a target, and little else.
fn byte() -> impl Strategy<Value = u8> {
    let special = prop::sample::select(&b"/.%2eEFf5c0\\a?#:@6"[..]);
    prop_oneof![12 => special, 1 => Just(0_u8), 1 => prop::sample::select(&[0x80_u8, 0xc3, 0xa9, 0xff][..])]
}

/// Pieces that belong together, so that they come in a row often enough.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "/",
        "//",
        "/.",
        "/..",
        "/./",
        "/../",
        "%2e",
        "%2E",
        "%2f",
        "%5C",
        "%25",
        "%252e",
        "%252f",
        "%",
        "%%",
        "%3",
        "%36",
        "%61",
        "%00",
        "%c3%a9",
        "%c3",
        "%ff",
        "\\",
        "a",
        "index.html",
        "?",
        "#",
        "http://",
        "h:80",
        "u@h",
        "é",
        ".",
        "..",
        "*",
        "%7e",
        "%zz",
        "/a-path-of-some-length/that-is-clean",
    ];
    prop_oneof![
        3 => prop::sample::select(known.to_vec()).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(byte(), 0..4),
    ]
}

fn target() -> impl Strategy<Value = Vec<u8>> {
    let pieces = vec(piece(), 0..12).prop_map(|pieces| pieces.concat());
    let rooted = pieces
        .prop_flat_map(|text| prop_oneof![Just([b"/", text.as_slice()].concat()), Just(text)]);
    prop_oneof![3 => rooted, 1 => vec(byte(), 0..80), 1 => vec(any::<u8>(), 0..40)]
}

fn host() -> impl Strategy<Value = Vec<u8>> {
    let special = prop::sample::select(&b"aAzZ09.:@[]-\xc3/"[..]);
    let known =
        ["h", "Shop.Example.", "[::1]", "[::1]:80", "h:80", "h:", "::1", "u:p@H.:8", "..", "."];
    prop_oneof![
        2 => vec(special, 0..12),
        1 => prop::sample::select(known.to_vec()).prop_map(|host| host.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #![proptest_config(cases(4_000))]

    /// I1 to I6, and that all of it is what the steps give.
    #[test]
    fn any_target_and_host_keep_the_laws(target in target(), host in host(), method in "GET|CONNECT") {
        let _ = check(&target, &method, &host);
    }
}

proptest! {
    #![proptest_config(cases(100))]

    /// I5: where the limits are, and where the scan goes from 16 bytes at once to one by one.
    #[test]
    fn any_length_keeps_the_laws(
        length in prop_oneof![0..70_usize, SHORT - 20..SHORT + 20, LONGEST - 9..LONGEST + 9],
        parts in vec(piece(), 0..4),
        at in any::<prop::sample::Index>(),
        fill in prop::sample::select(&b"a/%\xc3"[..]),
    ) {
        let mut target = std::vec![if fill == b'/' { b'b' } else { fill }; length];
        let parts = parts.concat();
        let at = at.index(length + 1);
        target.splice(at..at, parts.iter().copied());
        target.insert(0, b'/');
        let _ = check(&target, "GET", b"");
        // The same in a query.
        let queried = [b"/q?", target.as_slice()].concat();
        let _ = check(&queried, "GET", &target);
    }
}

/// Each flag by itself, and what is nearest to it without being odd.
#[test]
fn flags_are_what_their_table_says() {
    for (flag, odd, fine) in [
        (
            UriFlags::DOT_SEGMENTS,
            ["/a/./b", "/..", "/a/%2e%2E", r"/a\.\b", "."],
            ["/.a", "/a.", "/...", "/a?/../", "/a/..;"],
        ),
        (
            UriFlags::ENCODED_SLASH,
            ["/a%2fb", "/a%2Fb", "/a%5cb", "/%5C", "/%%2f"],
            ["/%25", "/a?b=%2f", "/%2", "/%252f", "/f%2"],
        ),
        (
            UriFlags::DOUBLE_ENCODED,
            ["/%252e", "/%2541", "/%25%32%65", "/%25%2541", "/%252%65"],
            ["/%25", "/%25g1", "/%252g", "/a?b=%2541", "/%25/41"],
        ),
        (
            UriFlags::BAD_PERCENT,
            ["/%", "/%2", "/%zz", "/?%", "/?a=%2x"],
            ["/%20", "/?%20", "/#%", "/25", "/%2541"],
        ),
        (
            UriFlags::NUL,
            ["/\0", "/%00", "/?\0", "/?a=%00", "/a%00b"],
            ["/0", "/%2500", "/%30", "/#\0", "/%01"],
        ),
        (
            UriFlags::BACKSLASH,
            [r"\", r"/a\b", r"/\\", r"/a\", r"/.\."],
            ["/%5c", r"/?\", r"/#\", "/", "/a"],
        ),
        (
            UriFlags::DOUBLE_SLASH,
            ["//", "/a//b", r"/a\/b", r"\\", "/a///"],
            ["/a/./b", "/%2F/", "/?//", "/a/", "/#//"],
        ),
        (
            UriFlags::NON_UTF8,
            ["/%ff", "/%c3", "/%c3/%a9", "/%C0%AF", "/?%ed%a0%80"],
            ["/é", "/%c3%a9", "/%F0%9F%98%80", "/#%ff", "/%25ff"],
        ),
    ] {
        for (targets, is_odd) in [(odd, true), (fine, false)] {
            for target in targets {
                let request = Request::new(None).target(target);
                let flags = Canonical::with(&request, |canonical| canonical.flags);
                assert_eq!(flags.has(flag), is_odd, "{target:?} has flags {flags:?}");
            }
        }
    }
}

/// All first bytes, each with the bytes at the borders of what may follow it.
#[test]
fn utf8_is_what_the_standard_library_takes_for_it() {
    let edges = [0, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xe1, 0xff];
    let texts = (0..=u8::MAX).flat_map(|first| {
        let last = if first < 0xf0 { &edges[..1] } else { &edges[..] };
        let after = edges.iter().flat_map(move |a| edges.map(|b| [first, *a, b]));
        after.flat_map(move |[a, b, c]| last.iter().map(move |d| [a, b, c, *d]))
    });
    for text in texts {
        for len in 1..=text.len() {
            let text = &text[..len];
            let mut characters = Characters::default();
            text.iter().for_each(|byte| characters.push(*byte));
            let read = std::str::from_utf8(text);
            assert_eq!(characters.are_utf8(false), read.is_ok(), "{text:x?}");
            let begun = read.err().is_none_or(|error| error.error_len().is_none());
            assert_eq!(characters.are_utf8(true), begun, "{text:x?}, cut");
        }
    }
}

/// Between characters and escapes, whole stretches are plain: a reader that never is would go byte by byte.
#[test]
fn readers_are_idle_between_characters_and_between_escapes() {
    let mut characters = Characters::default();
    for (byte, is_idle) in [(b'a', true), (0xe2, false), (0x82, false), (0xac, true), (0xff, true)]
    {
        characters.push(byte);
        assert_eq!(characters.is_idle(), is_idle, "{byte:x}");
    }
    let mut twice = Twice::default();
    let [plain, escaped] = [Piece::Plain, Piece::Escaped];
    for (piece, is_idle) in [
        (plain(b'2'), true),
        (escaped(b'%'), false),
        (plain(b'2'), false),
        (plain(b'/'), true),
        (escaped(b'%'), false),
        (escaped(b'%'), false),
        (Piece::BadPercent, true),
    ] {
        assert!(!twice.push(piece), "{piece:?}");
        assert_eq!(twice.is_idle(), is_idle, "{piece:?}");
    }
}

/// What is cut at the length that is looked at is not held against a target; what stands before that is.
#[test]
fn what_may_have_been_cut_is_nothing_odd() {
    let bad = UriFlags::BAD_PERCENT;
    for (last, behind, flags) in [
        ("%", "41", 0),
        ("%4", "1", 0),
        ("%41", "", 0),
        ("%", "zz", 0),
        ("%z", "z", bad),
        ("%4z", "", bad),
        ("%%", "41", bad),
        ("%%4", "1", bad),
        ("%e2%82", "%ac", 0),
        ("%e2%", "82%ac", 0),
        ("%e2%8", "2%ac", 0),
        ("%ff%8", "2%ac", UriFlags::NON_UTF8),
        ("%e2a%8", "2%ac", UriFlags::NON_UTF8),
        ("%e2", "%82%ac", 0),
        ("%e2a", "", UriFlags::NON_UTF8),
    ] {
        // One behind the place where it is cut, so that it is.
        let fill = "a".repeat(LONGEST - 1 - last.len());
        let target = std::format!("/{fill}{last}{behind}b");
        let queried = std::format!("/?a{fill}{last}{behind}b");
        for target in [target, queried] {
            let checked = check(target.as_bytes(), "GET", b"");
            assert_eq!(checked.flags, flags, "{last:?} before {behind:?}");
        }
    }
}

/// Exactly as long as is looked at, nothing is cut; one longer, it is. One scan knows what is clean of it.
#[test]
fn the_longest_target_is_not_cut() {
    for (last, flags) in [("%", UriFlags::BAD_PERCENT), ("%4", UriFlags::BAD_PERCENT), ("a", 0)] {
        let fill = "a".repeat(LONGEST - 1 - last.len());
        for target in [std::format!("/{fill}{last}"), std::format!("/?a{fill}{last}")] {
            let checked = check(target.as_bytes(), "GET", b"");
            assert_eq!(checked.flags, flags, "{last:?} at the end");
            assert_eq!(checked.is_soon_clean, flags == 0 && target.len() == LONGEST);
        }
    }
    // A host that is clean, and one that is not.
    for (host, length) in [("a", LONGEST), ("A", LONGEST), ("a", LONGEST + 1), ("A", LONGEST + 1)] {
        let checked = check(b"/", "GET", host.repeat(length).as_bytes());
        assert_eq!(checked.host, "a".repeat(LONGEST).as_bytes());
    }
}

/// A flag that both the path and the query have is there, and not twice, which would be not at all.
#[test]
fn a_flag_of_path_and_query_is_one() {
    let checked = check(b"/%00%ff%zz?%00%ff%zz", "GET", b"");
    assert_eq!(checked.flags, UriFlags::NUL | UriFlags::NON_UTF8 | UriFlags::BAD_PERCENT);
    assert_eq!(Needs::TARGET.union(Needs::PATH), Needs::TARGET);
}

/// I8 from the other side: what is not read is not looked at, unless the rest has to be rewritten.
#[test]
fn what_is_not_read_costs_nothing() {
    let odd = UriFlags(UriFlags::BAD_PERCENT);
    for (needs, path, host, flags) in [
        (Needs::NOTHING, "", "", UriFlags(0)),
        (Needs::OVERSIZE, "", "", UriFlags(0)),
        (Needs::PATH, "/a", "", UriFlags(0)),
        (Needs::PATH.union(Needs::OVERSIZE), "/a", "", UriFlags(0)),
        (Needs::QUERY, "/a", "h", odd),
        (Needs::TARGET, "/a", "h", odd),
        (Needs::HOST, "/a", "h", odd),
        (Needs::ALL, "/a", "h", odd),
    ] {
        Canonical::of(b"/a?%", false, b"H", needs, |canonical| {
            assert_eq!(canonical.path, path.as_bytes(), "{needs:?}");
            assert_eq!(canonical.host, host.as_bytes(), "{needs:?}");
            assert_eq!(canonical.flags, flags, "{needs:?}");
        });
    }
}

/// A host is rewritten beside the longest path.
#[test]
fn a_host_beside_a_long_path_is_in_lower_case() {
    for length in [SHORT - 1, SHORT, LONGEST, LONGEST + 1] {
        let target = std::format!("//{}", "a".repeat(length - 2));
        let checked = check(target.as_bytes(), "GET", b"SHOP.Example");
        assert_eq!(checked.host, b"shop.example", "{length}");
    }
}

/// What is canonical is not copied, however it came to be looked at.
#[test]
fn what_is_canonical_is_borrowed() {
    use std::borrow::Cow::Borrowed;
    for target in
        ["", "/", "*", "/a/b.c/.d?e=%ff", "/%2F", "/é", "http://h/a", "/a#b", "/.well-known/x"]
    {
        assert!(matches!(canonical_path(target), Borrowed(_)), "{target}");
    }
    assert_eq!(canonical_path("/a//b"), &b"/a/b"[..]);
}

/// A path that is looked at only in part is told so.
#[test]
fn what_is_too_long_is_cut() {
    let seen = |target: &str, host: &str| {
        Canonical::with(&Request::new(None).target(target).host(host), |canonical| {
            let query = canonical.query.map(<[u8]>::len);
            (canonical.path.len(), query, canonical.host.len(), canonical.oversize)
        })
    };
    let [exact, longer] =
        [LONGEST, LONGEST + 1].map(|length| std::format!("/{}", "a".repeat(length - 1)));
    assert_eq!(seen(&exact, &exact), (LONGEST, None, LONGEST, false));
    assert_eq!(seen(&longer, "h"), (LONGEST, None, 1, true));
    assert_eq!(seen("/", &longer), (1, None, LONGEST, true));
    assert_eq!(seen(&std::format!("{longer}?{longer}"), "H"), (LONGEST, Some(LONGEST), 1, true));
}

#[test]
fn the_target_names_the_host_if_it_has_one() {
    for (method, target, host, expected) in [
        ("GET", "/", "Header.Example:8080", "header.example"),
        ("GET", "http://u:p@Target.Example.:80/", "header.example", "target.example"),
        ("GET", "http:///a", "header.example", "header.example"),
        ("CONNECT", "Target.Example:443", "header.example", "target.example"),
        ("CONNECT", "", "header.example", "header.example"),
        ("CONNECT", "/chat", "header.example", "header.example"),
    ] {
        let request = Request::new(None).method(method).target(target).host(host);
        Canonical::with(&request, |canonical| {
            assert_eq!(canonical.host, expected.as_bytes(), "{method} {target}");
            let is_authority = method == "CONNECT" && !target.starts_with('/');
            assert_eq!(canonical.path.is_empty(), is_authority);
        });
    }
}

/// Every pair and every triple of bytes, and the borders of those of four, is UTF-8 where the standard library says so.
#[test]
fn characters_are_those_of_the_standard_library() {
    let agrees = |text: &[u8]| {
        let mut characters = super::flags::Characters::default();
        text.iter().for_each(|byte| characters.push(*byte));
        assert_eq!(characters.are_utf8(false), core::str::from_utf8(text).is_ok(), "{text:x?}");
    };
    for first in 0..=255 {
        agrees(&[first]);
        for second in 0..=255 {
            agrees(&[first, second]);
        }
    }
    const BORDERS: [u8; 14] =
        [0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf4, 0xff];
    for first in 0..=255 {
        for second in BORDERS {
            for third in BORDERS {
                agrees(&[first, second, third]);
                BORDERS.into_iter().for_each(|fourth| agrees(&[first, second, third, fourth]));
            }
        }
    }
}

/// The path alone is what a request's path is, cut or not.
#[test]
fn a_long_path_alone_is_that_of_its_request() {
    for ending in ["%41/../b", "/..", "/.", "%2", "%", "//", "%c3%a9"] {
        for more in 0..12 {
            let target = std::format!("/{}{ending}", "a".repeat(LONGEST - 8 + more));
            let whole = Canonical::with(&Request::new(None).target(&target), |canonical| {
                canonical.path.to_vec()
            });
            assert_eq!(&*canonical_path(&target), whole, "{ending} after {more}");
        }
    }
}
