//! What the program is asked to do.

use std::{
    ffi::OsString,
    io,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use lexopt::{Arg, Parser};
use portcullis::{
    CidrSet, Gate, GateBuilder,
    ipnet::IpNet,
    rule::{List, NumberSet, Scheme, TextSet, Type},
};

use super::curl::{self, Curl};

pub(super) const HELP: &str = "\
Every mistake of a gate's configuration at once, and why a request would be refused.

    check [options] FILE...                      `-` is the standard input
    check [options] FILE --explain CURL...       arguments as curl has them, or one line `curl ...`
    check --explain-code P0601                   what a code means, and how to mend it

Options for files:
    --deny-warnings          exit code 1 if there are warnings
    --json                   for programs: files, diagnostics with file, line and column, and
                             with --explain the explanation (before --explain, as curl has a --json)
    --field NAME=TYPE        a field of the program's own: bytes, int, bool or ip
    --list NAME=TYPE         a list that the program fills, which is no warning: addresses, text
                             or number

Options for the request, before or after --explain:
    --from ADDRESS           the peer; 203.0.113.9 unless it is said
    --times N                the request so many times
    --every TIME             and so long from one to the next: 100ms unless it is said
    --status CODE            what the service answers; 200 unless it is said
    --value NAME=VALUE       what the service knows of the request: tenant=acme, ip.src.country=DE

Of curl there is all that changes the request: -X -H -A -e -b -d -F -T -G -I -u -r --json
--data-raw --data-binary --data-urlencode --http1.1 --http2 --compressed. What does not, such as -s
and -o FILE, is passed over, and nothing is sent. The path stays as it is written, as with
--path-as-is.

Exit codes: 0 fine, 1 warnings that are denied, 2 mistakes, 64 wrong arguments, 74 not written.
";

/// What is wrong with the arguments; or with where the report goes.
#[derive(Debug, thiserror::Error)]
pub(super) enum Usage {
    #[error("{0}")]
    Wrong(String),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl From<lexopt::Error> for Usage {
    fn from(error: lexopt::Error) -> Self {
        Self::Wrong(error.to_string())
    }
}

pub(super) struct Options {
    pub(super) task: Task,
    pub(super) program: Program,
    pub(super) json: bool,
}

pub(super) enum Task {
    Help,
    ExplainCode(String),
    Check { files: Vec<String>, deny_warnings: bool },
    Explain { file: String, asked: Box<Asked> },
}

/// The names that only the program knows.
#[derive(Default)]
pub(super) struct Program {
    fields: Vec<(String, Type)>,
    lists: Vec<(String, Type)>,
}

/// A request, and how often it comes.
pub(super) struct Asked {
    pub(super) curl: Curl,
    pub(super) peer: Peer,
}

/// What is known of a request that curl does not say.
pub(super) struct Peer {
    pub(super) from: IpAddr,
    /// Nobody has said the address.
    pub(super) is_assumed: bool,
    pub(super) times: u32,
    pub(super) every: Duration,
    /// What the service answers, if that was said.
    pub(super) status: Option<u16>,
    pub(super) values: Vec<(String, Value)>,
}

/// The value of a field, of the type that the field has.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Int(i64),
    Text(String),
    Ip(IpAddr),
}

/// An address that is nobody's (RFC 5737).
const SOMEBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
/// More requests would only be slow, and every 100 ms these are more than a day.
const MOST_TIMES: u32 = 1_000_000;

const OWN: &[&str] = &[
    "deny-warnings",
    "json",
    "field",
    "list",
    "explain",
    "explain-code",
    "help",
    "from",
    "times",
    "every",
    "status",
    "value",
];

impl Options {
    pub(super) fn read(args: impl Iterator<Item = OsString>) -> Result<Self, Usage> {
        let mut parser = Parser::from_args(args);
        let mut files = Vec::new();
        let (mut deny_warnings, mut json) = (false, false);
        let mut program = Program::default();
        let mut peer = Words::default();
        let mut curl: Option<Vec<String>> = None;
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Value(file) => files.push(text(file)?),
                Arg::Short('h') | Arg::Long("help") => return Ok(Self::only(Task::Help)),
                Arg::Long("explain-code") => {
                    return Ok(Self::only(Task::ExplainCode(text(parser.value()?)?)));
                }
                Arg::Long("deny-warnings") => deny_warnings = true,
                Arg::Long("json") => json = true,
                Arg::Long("field") => program.field(&text(parser.value()?)?)?,
                Arg::Long("list") => program.list(&text(parser.value()?)?)?,
                Arg::Long("explain") => {
                    curl = Some(parser.raw_args()?.map(text).collect::<Result<_, _>>()?);
                }
                Arg::Long(name) if Words::KNOWN.contains(&name) => {
                    let name = name.to_owned();
                    peer.take(&name, text(parser.value()?)?);
                }
                Arg::Long(name) => return Err(unknown(&format!("--{name}"), OWN)),
                Arg::Short(letter) => return Err(unknown(&format!("-{letter}"), OWN)),
            }
        }
        let Some(curl) = curl else {
            if files.is_empty() {
                return Err(Usage::Wrong("no file is named".to_owned()));
            }
            if !peer.0.is_empty() {
                let which = peer.0.iter().map(|(name, _)| format!("--{name}"));
                let which = which.collect::<Vec<_>>().join(" and ");
                return Err(Usage::Wrong(format!("{which} goes with --explain")));
            }
            return Ok(Self { task: Task::Check { files, deny_warnings }, program, json });
        };
        let [file] = <[String; 1]>::try_from(files).map_err(|files| {
            let found = files.len();
            Usage::Wrong(format!(
                "--explain is about one file, which is named before it, not {found}"
            ))
        })?;
        let curl = curl::read(curl, &mut peer)?;
        let asked = Box::new(Asked { curl, peer: peer.settle(&program)? });
        Ok(Self { task: Task::Explain { file, asked }, program, json })
    }

    fn only(task: Task) -> Self {
        Self { task, program: Program::default(), json: false }
    }
}

impl Program {
    /// What the program has described before it reads a file: with its lists empty, as they are before it has
    /// filled them.
    pub(super) fn builder(&self) -> GateBuilder {
        self.with_lists(|holds| match holds {
            Type::Int => NumberSet::default().into(),
            Type::Bytes => TextSet::default().into(),
            _ => CidrSet::new().into(),
        })
    }

    /// The same with something in its lists, so that nobody is warned of empty ones.
    pub(super) fn filled(&self) -> GateBuilder {
        self.with_lists(|holds| match holds {
            Type::Int => NumberSet::from_iter([i64::MIN]).into(),
            Type::Bytes => TextSet::from_iter([b"\0"]).into(),
            _ => CidrSet::from_iter([IpNet::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED))]).into(),
        })
    }

    fn with_lists(&self, list: impl Fn(Type) -> List) -> GateBuilder {
        let fields = self.fields.iter();
        let scheme = fields.fold(Scheme::new(), |scheme, (name, holds)| scheme.field(name, *holds));
        let builder = Gate::builder().scheme(scheme);
        self.lists.iter().fold(builder, |builder, (name, holds)| builder.list(name, list(*holds)))
    }

    fn field(&mut self, text: &str) -> Result<(), Usage> {
        let types: &[(&str, Type)] = &[
            ("bytes", Type::Bytes),
            ("text", Type::Bytes),
            ("int", Type::Int),
            ("number", Type::Int),
            ("bool", Type::Bool),
            ("ip", Type::Ip),
            ("address", Type::Ip),
        ];
        self.fields.push(declared("field", text, types)?);
        Ok(())
    }

    fn list(&mut self, text: &str) -> Result<(), Usage> {
        let types: &[(&str, Type)] = &[
            ("addresses", Type::Ip),
            ("ip", Type::Ip),
            ("text", Type::Bytes),
            ("bytes", Type::Bytes),
            ("number", Type::Int),
            ("int", Type::Int),
        ];
        self.lists.push(declared("list", text, types)?);
        Ok(())
    }
}

/// A name and its type, as in `tenant=bytes`.
fn declared(what: &str, text: &str, types: &[(&str, Type)]) -> Result<(String, Type), Usage> {
    let names = || types.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let Some((name, holds)) = text.split_once('=') else {
        return Err(Usage::Wrong(format!("--{what} is NAME=TYPE, with a type of {}", names())));
    };
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
    let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if !name.starts_with(starts) || !name.chars().all(goes_on) {
        return Err(Usage::Wrong(format!(
            "--{what} {name:?}: a name is letters, digits, `_` and `.`, and begins with a letter"
        )));
    }
    match types.iter().find(|(known, _)| *known == holds) {
        Some((_, holds)) => Ok((name.to_owned(), *holds)),
        None => Err(Usage::Wrong(format!("--{what} {name}: {holds:?} is none of {}", names()))),
    }
}

/// Options of the request that curl does not have, as they were written.
#[derive(Default)]
pub(super) struct Words(Vec<(String, String)>);

impl Words {
    pub(super) const KNOWN: &[&str] = &["from", "times", "every", "status", "value"];

    pub(super) fn take(&mut self, name: &str, value: String) {
        self.0.push((name.to_owned(), value));
    }

    /// What they say; of several the last counts.
    fn settle(self, program: &Program) -> Result<Peer, Usage> {
        let mut peer = Peer {
            from: SOMEBODY,
            is_assumed: true,
            times: 1,
            every: Duration::from_millis(100),
            status: None,
            values: Vec::new(),
        };
        for (name, value) in self.0 {
            let wrong = |what: &str| Usage::Wrong(format!("--{name} {value:?}: {what}"));
            match name.as_str() {
                "from" => {
                    let from = value.parse().map_err(|_| wrong("an address, as in 192.0.2.1"))?;
                    (peer.from, peer.is_assumed) = (from, false);
                }
                "times" => {
                    let times = value.parse().ok().filter(|n| (1..=MOST_TIMES).contains(n));
                    peer.times = times.ok_or_else(|| wrong("a number from 1 to 1000000"))?;
                }
                "every" => {
                    peer.every = duration(&value).ok_or_else(|| wrong("a time, as in 100ms"))?;
                }
                "status" => {
                    let status = value.parse().ok().filter(|n| (100..=599).contains(n));
                    peer.status = Some(status.ok_or_else(|| wrong("a status from 100 to 599"))?);
                }
                _ => {
                    let (field, value) =
                        value.split_once('=').ok_or_else(|| wrong("NAME=VALUE"))?;
                    peer.values.push(typed(field, value, program).map_err(|what| wrong(&what))?);
                }
            }
        }
        Ok(peer)
    }
}

/// A value of the type that the field has.
fn typed(field: &str, value: &str, program: &Program) -> Result<(String, Value), String> {
    // Those that only a service can know have these types, wherever it is not a text.
    let of_requests: &[(&str, &str, Type)] = &[
        ("ip.src.asnum", "asn", Type::Int),
        ("ip.src.country", "country", Type::Bytes),
        ("http.request.route", "route", Type::Bytes),
        ("http.request.body.size", "body.size", Type::Int),
        ("ssl", "tls", Type::Bool),
        ("tls.ja3", "tls.ja3", Type::Bytes),
        ("tls.ja4", "tls.ja4", Type::Bytes),
        ("client.verified", "client.verified", Type::Bool),
        ("challenge.passed", "challenge.passed", Type::Bool),
    ];
    let known = of_requests.iter().find(|(name, alias, _)| *name == field || *alias == field);
    let own = program.fields.iter().find(|(name, _)| name == field);
    let (name, holds) = match (known, own) {
        (Some((name, _, holds)), _) => (*name, *holds),
        (None, Some((name, holds))) => (name.as_str(), *holds),
        // Declared in the file, under [fields]: what it looks like is what it is.
        (None, None) => return Ok((field.to_owned(), guessed(value))),
    };
    let wrong = |what: &str| format!("the field {name} holds {what}");
    let value = match holds {
        Type::Int => Value::Int(value.parse().map_err(|_| wrong("a whole number"))?),
        Type::Bool => Value::Bool(value.parse().map_err(|_| wrong("true or false"))?),
        Type::Ip => Value::Ip(value.parse().map_err(|_| wrong("an address"))?),
        _ => Value::Text(value.to_owned()),
    };
    Ok((name.to_owned(), value))
}

fn guessed(value: &str) -> Value {
    if let Ok(number) = value.parse() {
        Value::Int(number)
    } else if let Ok(yes) = value.parse() {
        Value::Bool(yes)
    } else if let Ok(ip) = value.parse() {
        Value::Ip(ip)
    } else {
        Value::Text(value.to_owned())
    }
}

/// A whole number and a unit; or 0.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let nanos: u64 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" if number == 0 => 1,
        _ => return None,
    };
    // A million of them have to fit what timestamps can say.
    let most = Duration::from_secs(86_400);
    Some(Duration::from_nanos(number.checked_mul(nanos)?)).filter(|it| *it <= most)
}

fn text(arg: OsString) -> Result<String, Usage> {
    let said = |arg: OsString| Usage::Wrong(format!("{arg:?} is no text in UTF-8"));
    arg.into_string().map_err(said)
}

/// An option that nobody knows, and which one may have been meant.
pub(super) fn unknown(option: &str, known: &[&str]) -> Usage {
    let meant = option.trim_start_matches('-');
    // Two letters are half of a short name, unless they have but changed places.
    let letters = |name: &str| {
        let mut letters: Vec<char> = name.chars().collect();
        letters.sort_unstable();
        letters
    };
    let most = |name: &str| match meant.chars().count() {
        ..=2 => 0,
        3..=5 if letters(name) != letters(meant) => 1,
        _ => 2,
    };
    let near = known.iter().map(|name| (distance(meant, name), *name));
    let near = near.filter(|(far, name)| *far <= most(name)).min();
    let help = near.map_or_else(String::new, |(_, name)| format!("; did you mean --{name}?"));
    Usage::Wrong(format!("unknown option {option}{help}"))
}

/// How many letters are to be changed, added or removed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut corner = at;
        let mut left = at + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, known) in row.iter_mut().skip(1).zip(&other) {
            let changed = corner + usize::from(letter != *known);
            corner = *cell;
            left = changed.min(corner + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, duration};
    use std::time::Duration;

    #[test]
    fn distances_are_those_of_letters() {
        for (one, other, far) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("tiems", "times", 2),
            ("form", "from", 2),
            ("value", "values", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one, other), far, "{one} {other}");
            assert_eq!(distance(other, one), far, "{one} {other}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, millis) in [("0", 0), ("100ms", 100), ("2s", 2_000), ("24h", 86_400_000)] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "ms", "-1s", "1.5s", "1d", "25h", "99999999999999999999s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
