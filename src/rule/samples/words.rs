//! The few words that expressions and requests are made of, so that they often meet.

use super::super::field::Type;

pub(super) const PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/b",
    "/admin",
    "/wp-login.php",
    "/login",
    "/a/b/c.php",
    "/.env",
    "/.git/config",
    "/A",
    "",
];
/// What is put behind a path of a request to make it odd.
pub(super) const ODD_PATHS: &[&str] = &[
    "/../a",
    "//b",
    "/%2e%2e/admin",
    "%2Fb",
    "%252e",
    "%zz",
    "%00",
    "\\b",
    "%41",
    "/%ff",
    "%u0041",
    "é",
];
pub(super) const WORDS: &[&str] =
    &["a", "1", "admin", "bot", "curl/8.5", "Googlebot", "DE", "", "b", "%41+b"];
pub(super) const HOSTS: &[&str] =
    &["shop.example", "www.shop.example", "example", "", "[2001:db8::1]"];
pub(super) const METHODS: &[&str] = &["GET", "POST", "get", "DELETE", ""];
/// Names of arguments and cookies.
pub(super) const KEYS: &[&str] = &["a", "id", "q", "A", "session", "x\"y"];
pub(super) const HEADERS: &[&str] =
    &["user-agent", "x-a", "Cookie", "X-A", "accept", "referer", "content-type"];
/// Texts that are easy to write or to compare wrongly.
pub(super) const ODD_TEXTS: &[&[u8]] = &[
    b"",
    b"\"",
    b"\\",
    b"\xff\xfe",
    b"a\nb\tc\r",
    b"\0",
    b"\"#",
    b"r\"#\"##",
    "é".as_bytes(),
    b"*",
    b"$x",
    b"\x7f",
];
pub(super) const WILDCARDS: &[&str] = &[
    "/a*",
    "*",
    "*.php",
    "/*/b",
    "*shop*",
    "/a",
    "",
    r"\*",
    r"a\\*",
    "*A*B*",
    "/WP-*",
    "*a*a*a*a*a*a*a*",
];
pub(super) const REGEXES: &[&str] = &[
    "^/a",
    "/a(/b)?$",
    "(?i)bot",
    "^$",
    "[0-9]+",
    "a.*b",
    r"\.php$",
    "admin|login",
    "",
    "^/(a|b)/",
    r"(?-u)\xff",
    "\"",
    "a{2,3}",
];
pub(super) const TAGS: &[&str] = &["scanner", "slow", "x\"y", "never"];
pub(super) const LIMITS: &[&str] = &["per client", "logins"];
pub(super) const LISTS: &[(&str, Type)] =
    &[("blocked", Type::Ip), ("numbers", Type::Int), ("office", Type::Ip), ("words", Type::Bytes)];
pub(super) const OWN_FIELDS: &[(&str, Type)] =
    &[("tenant", Type::Bytes), ("plan", Type::Int), ("vip", Type::Bool), ("origin", Type::Ip)];
