//! Texts that are made to be costly: what a list costs to read follows from its size, and from little
//! else. Time is not asserted, but a step that went through a line once for each of its bytes would
//! keep these tests busy for days.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use portcullis::{CidrMap, CidrSet, cidr};

use super::peak_bytes;

/// Several passes over each of many texts, also where nothing is optimised.
const SIZE: usize = if cfg!(debug_assertions) { 1 << 16 } else { 1 << 23 };

/// What reading needs for its own use: the errors that are kept, and some room to merge in.
const LITTLE: usize = 64 << 10;

/// What the tables of large lists need beyond what follows from the size of a text.
const TABLES: usize = 512 << 10;

fn filled(part: &str, size: usize) -> String {
    part.repeat(size / part.len())
}

/// Texts that list little or nothing, whatever their size.
fn shapes(size: usize) -> impl Iterator<Item = (&'static str, String)> {
    let repeated = [
        // Many lines, each wrong, or right and the same.
        "1\n",
        "\n",
        "\r",
        "\r\n",
        "x\n",
        "\u{feff}",
        "é\n",
        "!\n",
        "1.2.3.4\n",
        "::\n",
        "::\n::2\n::4\n::6\n1.2.3.4\n",
        "10.1.2.3/8\n",
        "010.0.0.0/8\n",
        "::ffff:1.2.3.0/24\n",
        "0.0.0.0-255.255.255.254\n",
        "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe\n",
        "255.255.255.255\n0.0.0.0\n",
        "add x 1.2.3.4\n",
        "x:1.2.3.4-1.2.3.5\n",
        // One line.
        "1",
        "0",
        "a",
        "#",
        ";",
        ";1.2.3.4",
        "/",
        " /",
        " ",
        ",",
        "-",
        "- ",
        ".",
        "1.",
        "0.",
        ":",
        "1:",
        "%",
        "[",
        "]",
        "\"",
        "1.2.3.4",
        "1.2.3.4,",
        "1.2.3.4-",
        "1.2.3.4/",
        "::/",
        "é",
        "0x1.",
        "\t1.2.3.4 - x:",
    ]
    .into_iter()
    .map(move |part| (part, filled(part, size)));
    // A start that is right, or nearly, and a long rest.
    let with_ends = [
        ("1.1.1.1", " 1", ""),
        ("1.1.1.1", " x", ""),
        ("1.1.1.1", ",", "1.1.1.2"),
        ("1.1.1.1", " ", "-1.1.1.2"),
        ("1.1.1.1 -", " ", "1.1.1.2"),
        ("1.1.1.1;", "1", ""),
        ("1.1.1.1 # ", "x", "\r1.1.1.1"),
        ("1.1.1.1/", "0", "8"),
        ("1.1.1.1/", "9", ""),
        ("1.1.1.1-1.1.1.", "0", "1"),
        ("", "0", "1.1.1.1"),
        ("", "0", "1.1.1.1/8"),
        ("::", "0", "1.1.1.1"),
        ("1.1.1.", "1", ""),
        ("", "1:", "01.1.1.1"),
        ("", "x ", "1.1.1.1"),
        ("", "x:", "1.1.1.1-1.1.1.2"),
        ("1.1.1.1 ", "\"", "1.1.1.1\""),
        ("fe80::1%", "e", ""),
    ]
    .into_iter()
    .map(move |(start, part, end)| (start, format!("{start}{}{end}", filled(part, size))));
    repeated.chain(with_ends)
}

/// L2 of lines and T2 of texts: what is wrong, or the same again, takes no memory.
#[test]
fn hostile_texts_are_read_in_little_memory() {
    for (shape, text) in shapes(SIZE) {
        let strict = peak_bytes(|| drop(std::hint::black_box(text.parse::<CidrSet>())));
        assert!(strict <= LITTLE, "{shape:?}: {strict} bytes");
        let lenient = peak_bytes(|| drop(std::hint::black_box(CidrSet::from_text_lenient(&text))));
        assert!(lenient <= LITTLE, "{shape:?}: {lenient} bytes");
        let lines = peak_bytes(|| _ = cidr::lines(&text).count());
        assert!(lines <= 2_048, "{shape:?}: {lines} bytes");
        let prefix = peak_bytes(|| drop(std::hint::black_box(cidr::parse_prefix(&text))));
        assert!(prefix <= 2_048, "{shape:?}: {prefix} bytes");
    }
}

/// The same for texts of the size that a feed gone wrong may have. Time is what it should be by a wide
/// margin: a step that is quadratic somewhere takes sixteen times as long, and most likely days.
#[test]
#[ignore = "texts of 100 MB: for optimised code, and minutes even so"]
#[allow(clippy::disallowed_methods, reason = "measures a time")]
fn a_hundred_megabytes_take_no_more_memory_and_linear_time() {
    let read = |text: &str| {
        let start = Instant::now();
        let bytes = peak_bytes(|| drop(std::hint::black_box(text.parse::<CidrSet>())));
        (bytes, start.elapsed())
    };
    for ((shape, text), (_, quarter)) in shapes(100 << 20).zip(shapes(25 << 20)) {
        let ((bytes, all), (_, part)) = (read(&text), read(&quarter));
        assert!(bytes <= LITTLE, "{shape:?}: {bytes} bytes");
        assert!(all <= part * 12 + Duration::from_secs(1), "{shape:?}: {all:?} and {part:?}");
    }
}

/// L2: the lines of a good text take no memory at all.
/// A map holds every line until it is built, also where all of them say the same.
#[test]
fn tables_of_values_take_a_small_multiple_of_their_size() {
    let texts = shapes(SIZE).chain([
        ("one prefix over and over", filled("::1 1\n", SIZE)),
        ("a few prefixes", filled("1.1.1.1 1\n1.1.1.2 2\n", SIZE)),
    ]);
    for (shape, text) in texts {
        let bytes = peak_bytes(|| drop(std::hint::black_box(text.parse::<CidrMap<u8>>())));
        assert!(bytes <= 24 * text.len() + LITTLE, "{shape}: {bytes} for {}", text.len());
    }
}

#[test]
fn good_lines_are_read_without_memory() {
    let text = filled("192.0.2.0/24\tNL\n2001:db8::/32 x # y\n1.2.3.4-1.2.3.9,7\n\n", SIZE);
    let mut prefixes = 0;
    let peak = peak_bytes(|| {
        for line in cidr::lines(&text) {
            prefixes += line.map_or(0, |line| line.prefixes().count());
        }
    });
    assert_eq!(peak, 0);
    assert!(prefixes > SIZE / 60);
}

/// The other end: texts that list as many different addresses as they can. The memory is a multiple of
/// the text, the largest one where hosts of IPv6 have the shortest names, and where each host of IPv4
/// is in a /16 of its own.
#[test]
fn dense_texts_take_a_small_multiple_of_their_size() {
    let v4 = |size: usize| {
        let mut text = String::new();
        // Every second host, so that none merge.
        for n in (0_u32..).step_by(2) {
            if text.len() >= size {
                break;
            }
            let [a, b, c, d] = n.to_be_bytes();
            writeln!(text, "{d}.{c}.{b}.{a}").unwrap();
        }
        text
    };
    let v6 = |size: usize| {
        let mut text = String::new();
        for n in (0_u32..).step_by(2) {
            if text.len() >= size {
                break;
            }
            let (high, low) = (n >> 8 & 0xfff, n & 0xff);
            writeln!(text, "{high:x}::{low:x}").unwrap();
        }
        text
    };
    for (name, text, most) in [
        ("hosts of IPv4", &v4 as &dyn Fn(usize) -> String, 8),
        ("hosts of IPv6", &v6 as &dyn Fn(usize) -> String, 24),
    ] {
        let peak = |size| {
            let text = text(size);
            let mut ranges = 0;
            let bytes = peak_bytes(|| ranges = text.parse::<CidrSet>().unwrap().memory_bytes());
            assert!(ranges > 0);
            (text.len(), bytes)
        };
        // Tables change their shape as they grow, so the sizes in between count as well.
        let sizes = core::iter::successors(Some(1 << 12), |size| Some(size * 2));
        for size in sizes.take_while(|size| *size <= SIZE) {
            let (size, bytes) = peak(size);
            assert!(bytes <= most * size + TABLES, "{name}: {bytes} bytes for a text of {size}");
        }
    }
}
