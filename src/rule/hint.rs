//! What helps when a name is not known: what it was perhaps meant to be, in words.
//!
//! Names that look alike are found by their [distance](super::suggest). Names that other products and
//! languages have for the same thing look nothing alike, so they are written out here.

use alloc::{format, string::String, vec::Vec};

use super::{
    check::function::FUNCTIONS,
    field::{BUILTINS, FIRST_OF, HEADER_NAMES, POSTURES, SUPPLIED},
    parser::OPERATORS,
    scheme::Scheme,
    suggest::closest,
};

/// What a field is called elsewhere, and here.
const OTHER_FIELDS: &[(&str, &str)] = &[
    ("ip", "ip.src"),
    ("src", "ip.src"),
    ("src_ip", "ip.src"),
    ("source_ip", "ip.src"),
    ("remote_ip", "ip.src"),
    ("remote_addr", "ip.src"),
    ("client_ip", "ip.src"),
    ("client.ip", "ip.src"),
    ("url", "uri"),
    ("http.request.full_uri", "uri"),
    ("request_uri", "uri"),
    ("request.path", "path"),
    ("uri.path", "path"),
    ("uri_path", "path"),
    ("url_path", "path"),
    ("uri.query", "query"),
    ("query_string", "query"),
    ("hostname", "host"),
    ("authority", "host"),
    ("verb", "method"),
    ("user_agent", "ua"),
    ("useragent", "ua"),
    ("user-agent", "ua"),
    ("referrer", "referer"),
    ("ip.geoip.country", "ip.src.country"),
    ("ip.geoip.asnum", "ip.src.asnum"),
    ("as_number", "ip.src.asnum"),
    ("https", "ssl"),
    ("http.response.status", "status"),
    ("status_code", "status"),
    ("latency", "response.latency_ms"),
    ("tags", "tag"),
];

/// What a function is called elsewhere, and here.
const OTHER_FUNCTIONS: &[(&str, &str)] = &[
    ("lowercase", "lower"),
    ("to_lower", "lower"),
    ("tolower", "lower"),
    ("uppercase", "upper"),
    ("to_upper", "upper"),
    ("toupper", "upper"),
    ("length", "len"),
    ("size", "len"),
    ("strlen", "len"),
    ("count", "len"),
    ("substr", "substring"),
    ("slice", "substring"),
    ("urldecode", "url_decode"),
    ("decode_url", "url_decode"),
    ("unescape", "url_decode"),
    ("has", "exists"),
    ("present", "exists"),
    ("rand", "sample"),
    ("network", "cidr"),
    ("mask", "cidr"),
];

/// What an operator is called elsewhere, and here.
const OTHER_OPERATORS: &[(&str, &str)] = &[
    ("is", "eq"),
    ("equal", "eq"),
    ("equals", "eq"),
    ("neq", "ne"),
    ("has", "contains"),
    ("includes", "contains"),
    ("include", "contains"),
    ("like", "wildcard"),
    ("glob", "wildcard"),
    ("regex", "matches"),
    ("regexp", "matches"),
    ("rx", "matches"),
    ("begins_with", "starts_with"),
    ("beginswith", "starts_with"),
    ("prefix", "starts_with"),
    ("suffix", "ends_with"),
    ("gte", "ge"),
    ("lte", "le"),
    ("within", "in"),
    ("isin", "in"),
];

/// For a field that is not known.
pub(super) fn field(name: &str, scheme: &Scheme) -> String {
    // `headers.accept` is how other languages write it.
    let halves = name.rsplit_once('.');
    if let Some((map, key)) = halves {
        if let Some((map, _)) =
            FIRST_OF.iter().find(|(known, _)| *known == map.trim_end_matches('s'))
        {
            return format!("did you mean `{map}[\"{}\"]`?", key.replace('_', "-"));
        }
        if map == "tag" || map == "tags" {
            return format!("did you mean `tag[\"{key}\"]`?");
        }
    }
    let own = scheme.fields.keys().map(|name| &**name);
    let known = names().collect::<Vec<_>>();
    let all = known.iter().flat_map(|(name, aliases)| aliases.iter().chain([name]).copied());
    let Some(meant) = elsewhere(name, OTHER_FIELDS).or_else(|| closest(name, all.chain(own)))
    else {
        return String::from("a field of the service's own has to be declared first");
    };
    let entry = known.iter().find(|(name, aliases)| *name == meant || aliases.contains(&meant));
    match entry {
        Some((name, _)) if *name != meant => format!("did you mean `{meant}`, short for `{name}`?"),
        Some((_, [alias, ..])) => format!("did you mean `{meant}` (alias `{alias}`)?"),
        _ => format!("did you mean `{meant}`?"),
    }
}

/// For a function that is not known.
pub(super) fn function(name: &str) -> String {
    if OPERATORS.iter().any(|(known, _)| *known == name) {
        return format!("`{name}` is an operator and stands between: path {name} \"…\"");
    }
    let known = FUNCTIONS.iter().map(|(name, ..)| *name).chain(["any", "all"]);
    match elsewhere(name, OTHER_FUNCTIONS).or_else(|| closest(name, known.clone())) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("functions are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// For an operator that is not known.
pub(super) fn operator(word: &str) -> String {
    let letters = |word: &&str| word.starts_with(|first: char| first.is_ascii_alphabetic());
    let known = OPERATORS.iter().map(|(word, _)| *word).filter(letters);
    match elsewhere(word, OTHER_OPERATORS)
        .or_else(|| closest(word, known.clone().chain(["and", "or", "xor"])))
    {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("operators are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// For a word where a comparison goes on and should not: a join that is written otherwise, or none.
pub(super) fn join(word: &str) -> String {
    match closest(word, ["and", "or", "xor"]) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => String::from("comparisons are joined with `and` or `or`"),
    }
}

/// For a call with too few or too many arguments.
pub(super) fn call(name: &str) -> Option<&'static str> {
    const CALLS: &[(&str, &str)] = &[
        ("cidr", "as in cidr(ip.src, 24, 64)"),
        ("cidr6", "as in cidr6(ip.src, 64)"),
        ("starts_with", "as in starts_with(path, \"/a\")"),
        ("ends_with", "as in ends_with(path, \".php\")"),
        ("url_decode", "as in url_decode(query) or url_decode(query, \"r\")"),
        ("substring", "as in substring(path, 0, 4)"),
        ("sample", "as in sample(0.1)"),
        ("counter", "as in counter(\"logins\")"),
    ];
    CALLS.iter().find(|(known, _)| *known == name).map(|(_, call)| *call)
}

/// For a list that is not known.
pub(super) fn list(name: &str, scheme: &Scheme) -> String {
    let known = scheme.lists.keys();
    declared("lists", name, known.map(|name| &**name), |name| format!("`${name}`"))
}

/// For a limit that is not known.
pub(super) fn limit(name: &str, scheme: &Scheme) -> String {
    let known = scheme.limits.iter();
    declared("limits", name, known.map(|name| &**name), |name| format!("{name:?}"))
}

/// For a word where a value of `posture` should be.
pub(super) fn posture(word: &str) -> String {
    let known = POSTURES.iter().map(|(name, _)| *name);
    let all = known.clone().collect::<Vec<_>>().join(", ");
    match closest(word, known) {
        Some(meant) => format!("did you mean `{meant}`? postures are {all}"),
        None => format!("postures are {all}"),
    }
}

/// For a word where a text should be.
pub(super) fn text(word: &str, scheme: &Scheme) -> String {
    let field = names().any(|(name, aliases)| name == word || aliases.contains(&word));
    if field || scheme.fields.contains_key(word) {
        return String::from("a value is compared with a literal, not with another value");
    }
    format!("texts are in double quotes: \"{word}\"")
}

fn names() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let builtins = BUILTINS.iter().map(|entry| (entry.name, entry.aliases));
    let supplied = SUPPLIED.iter().map(|(name, aliases, ..)| (*name, *aliases));
    let headers = HEADER_NAMES.iter().map(|(name, aliases, _)| (*name, *aliases));
    let maps = FIRST_OF.iter().map(|(name, _)| (*name, &[] as &[&str]));
    builtins.chain(supplied).chain(headers).chain(maps)
}

fn elsewhere(word: &str, table: &[(&str, &'static str)]) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    table.iter().find(|(other, _)| *other == word).map(|(_, here)| *here)
}

fn declared<'a>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    written: impl Fn(&str) -> String,
) -> String {
    /// So many are named.
    const MOST: usize = 10;
    let Some(_) = known.clone().next() else { return format!("no {what} are declared") };
    let meant = closest(name, known.clone());
    let guess =
        meant.map_or_else(String::new, |meant| format!("did you mean {}? ", written(meant)));
    let shown: Vec<String> = known.clone().take(MOST).map(written).collect();
    let more = if known.count() > MOST { ", …" } else { "" };
    format!("{guess}declared {what}: {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is suggested must be there.
    #[test]
    fn names_from_elsewhere_lead_to_names_that_are_known() {
        let scheme = Scheme::new();
        for (other, here) in OTHER_FIELDS {
            assert!(
                names().any(|(name, aliases)| name == *here || aliases.contains(here)),
                "{here}"
            );
            assert!(
                !names().any(|(name, aliases)| name == *other || aliases.contains(other)),
                "{other}"
            );
            let found = field(other, &scheme);
            assert!(found.starts_with("did you mean `"), "{other}: {found}");
        }
        for (other, here) in OTHER_FUNCTIONS {
            assert!(FUNCTIONS.iter().any(|(name, ..)| name == here), "{here}");
            assert_eq!(function(other), format!("did you mean `{here}`?"));
        }
        for (other, here) in OTHER_OPERATORS {
            assert!(OPERATORS.iter().any(|(name, _)| name == here), "{here}");
            assert_eq!(operator(other), format!("did you mean `{here}`?"));
        }
    }

    #[test]
    fn fields_are_suggested_with_their_other_name() {
        let scheme = Scheme::new().field("tenant", crate::rule::Type::Bytes);
        for (name, help) in [
            ("http.request.uri.pth", "did you mean `http.request.uri.path` (alias `path`)?"),
            ("pth", "did you mean `path`, short for `http.request.uri.path`?"),
            ("tennant", "did you mean `tenant`?"),
            ("user_agent", "did you mean `ua`, short for `http.user_agent`?"),
            ("headers.x_forwarded_for", "did you mean `header[\"x-forwarded-for\"]`?"),
            ("http.hots", "did you mean `http.host` (alias `host`)?"),
            ("tag.bot", "did you mean `tag[\"bot\"]`?"),
            ("plan", "a field of the service's own has to be declared first"),
        ] {
            assert_eq!(field(name, &scheme), help, "{name}");
        }
    }

    #[test]
    fn what_is_declared_is_named_up_to_ten() {
        let with = |lists: usize| {
            (0..lists).fold(Scheme::new(), |scheme, at| {
                let name = format!("list{at:02}");
                scheme.list(&name, crate::rule::Type::Ip).limit(&name)
            })
        };
        assert_eq!(list("x", &with(0)), "no lists are declared");
        assert_eq!(limit("x", &with(0)), "no limits are declared");
        assert_eq!(list("x", &with(2)), "declared lists: `$list00`, `$list01`");
        assert_eq!(
            limit("list1", &with(2)),
            "did you mean \"list01\"? declared limits: \"list00\", \"list01\""
        );
        for (declared, end) in
            [(10, "`$list08`, `$list09`"), (11, "`$list08`, `$list09`, …"), (99, "`$list09`, …")]
        {
            let told = list("x", &with(declared));
            assert!(told.ends_with(end), "{told}");
        }
    }

    #[test]
    fn words_in_the_wrong_place_are_explained() {
        let scheme = Scheme::new().field("tenant", crate::rule::Type::Bytes);
        for word in ["host", "http.host", "ua", "http.user_agent", "country", "header", "tenant"] {
            let told = "a value is compared with a literal, not with another value";
            assert_eq!(text(word, &scheme), told, "{word}");
        }
        assert_eq!(text("GET", &scheme), "texts are in double quotes: \"GET\"");
        let postures = "postures are normal, elevated, overload, defend, lockdown";
        assert_eq!(posture("x"), postures);
        assert_eq!(posture("lokdown"), format!("did you mean `lockdown`? {postures}"));
        assert_eq!(join("an"), "did you mean `and`?");
        assert_eq!(join("plus"), "comparisons are joined with `and` or `or`");
        assert_eq!(function("eq"), "`eq` is an operator and stands between: path eq \"…\"");
        assert_eq!(function("lowr"), "did you mean `lower`?");
        let told = function("q");
        assert!(told.starts_with("functions are cidr, ") && told.ends_with(", any, all"), "{told}");
        let told = operator("q");
        assert!(told.starts_with("operators are eq, ") && !told.contains('='), "{told}");
        assert_eq!(operator("annd"), "did you mean `and`?");
        assert_eq!(call("lower"), None);
    }

    #[test]
    fn names_after_a_point_are_keys_of_a_map() {
        for (name, help) in [
            ("header.accept", "did you mean `header[\"accept\"]`?"),
            ("args.id", "did you mean `arg[\"id\"]`?"),
            ("cookies.id", "did you mean `cookie[\"id\"]`?"),
            ("tags.bot", "did you mean `tag[\"bot\"]`?"),
        ] {
            assert_eq!(field(name, &Scheme::new()), help, "{name}");
        }
    }
}
