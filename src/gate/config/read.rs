//! From the text of a file to a plan, with every mistake told.
//!
//! The text is read into a tree of values with their places, which is walked key by key. A mistake is told
//! where it stands, and reading goes on with the next key. Names are gathered before the conditions that
//! use them are read, so their order in the file does not matter.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    defence, fleet, limits, lists, rules,
    section::{Keys, Report, Section, Value},
    text::Text,
};
use crate::{
    cidr::{CidrSet, parse_prefix},
    gate::{MissingPeer, Mode, plan::Plan},
    limit::OnSaturation,
    quota::Quota,
    request::{ClientGroup, ClientIp, ForwardedBy, Trust, client_ip},
    rule::{Code, Diagnostic, Expr, Name, Phase, RuleMode, Scheme, Term, Type, closest, is_taken},
};

/// The keys of the whole file.
pub(super) const FILE: Keys = Keys {
    what: "the configuration",
    known: &[
        "mode",
        "exempt",
        "allow",
        "deny",
        "client",
        "clients",
        "newcomers",
        "bans",
        "missing_peer",
        "on_saturation",
        "fields",
        "lists",
        "groups",
        "rule",
        "limit",
        "fleet",
        "defence",
    ],
    aliases: &[("defense", "defence")],
};

pub(super) const CLIENT: Keys =
    Keys { what: "`[client]`", known: &["trust", "header", "group"], aliases: &[] };

pub(super) const GROUP: Keys = Keys { what: "`group`", known: &["v4", "v6"], aliases: &[] };

pub(super) const MODES: &[(&str, RuleMode)] =
    &[("enforce", RuleMode::Enforce), ("shadow", RuleMode::Shadow), ("off", RuleMode::Off)];

/// Where the parts of a plan stand in the file.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The rules of the file, in its order.
    pub(super) rules: Vec<Place>,
    pub(super) limits: Vec<Place>,
    pub(super) clients: Option<Range<usize>>,
    /// How many keys of a fleet are remembered.
    pub(super) fleet_keys: Option<Range<usize>>,
    /// What is said of the defence: the key, what it is for a reader, and where it stands; the first is the
    /// whole table, without a key.
    pub(super) defence: Vec<(&'static str, String, Range<usize>)>,
}

/// Where a rule or a limit stands.
#[derive(Debug)]
pub(super) struct Place {
    /// `rule "login-flood"`.
    pub(super) name: String,
    /// What is looked at: of a rule, its condition; of a limit, its quota.
    pub(super) span: Range<usize>,
}

/// The state of reading a file.
pub(super) struct Reader<'a> {
    pub(super) report: Report<'a>,
    pub(super) scheme: Scheme,
    pub(super) plan: Plan,
    pub(super) places: Places,
    /// The names of rules and limits so far, and where each is given.
    pub(super) taken: BTreeMap<Name, Range<usize>>,
}

/// Reads a file on top of what the program has described.
pub(super) fn read<'a>(file: &'a str, root: &'a Spanned<DeTable<'a>>, base: Plan) -> Reader<'a> {
    let mut scheme = base.scheme.clone();
    for (name, list) in base.lists.iter() {
        scheme = scheme.list(name, list.holds());
    }
    for limit in &base.limits {
        scheme = scheme.limit(&limit.name);
    }
    let rules = base.rules.iter().map(|rule| &rule.name);
    let names = rules.chain(base.limits.iter().map(|limit| &limit.name));
    let taken = names.map(|name| (Name::clone(name), 0..0)).collect();
    let mut reader =
        Reader { report: Report::new(file), scheme, plan: base, places: Places::default(), taken };
    let section = Section::new(&mut reader.report, root.get_ref(), root.span(), "", &FILE);
    reader.file(&section);
    reader
}

impl<'a> Reader<'a> {
    fn file(&mut self, file: &Section<'a>) {
        self.settings(file);
        for key in ["rule", "limit"] {
            if let Some(value) = file.get(key).filter(|value| !value.is_array()) {
                value.wrong(&mut self.report, &format!("an array of tables, each after [[{key}]]"));
            }
        }
        if let Some(client) = file.get("client") {
            self.client(&client);
        }
        self.fields(file);
        self.groups(file);
        for name in limits::names(file) {
            self.scheme.limits.push(name);
        }
        lists::read(self, file);
        rules::read(self, file);
        limits::read(self, file);
        if let Some(value) = file.get("fleet") {
            fleet::read(self, &value);
        }
        if let Some(value) = file.get("defence") {
            defence::read(self, &value);
        }
        self.plan.scheme = self.scheme.clone();
    }

    fn settings(&mut self, file: &Section<'a>) {
        const GATE_MODES: &[(&str, Mode)] =
            &[("enforce", Mode::Enforce), ("observe", Mode::Observe), ("off", Mode::Off)];
        const MISSING: &[(&str, MissingPeer)] = &[
            ("skip", MissingPeer::Skip),
            ("shared", MissingPeer::Shared),
            ("deny", MissingPeer::Deny),
        ];
        const SATURATION: &[(&str, OnSaturation)] =
            &[("deny", OnSaturation::Deny), ("allow", OnSaturation::Allow)];
        let report = &mut self.report;
        if let Some(mode) = file.get("mode").and_then(|it| it.word(report, GATE_MODES)) {
            self.plan.mode = mode;
        }
        if let Some(missing) = file.get("missing_peer").and_then(|it| it.word(report, MISSING)) {
            self.plan.missing_peer = missing;
        }
        if let Some(full) = file.get("on_saturation").and_then(|it| it.word(report, SATURATION)) {
            self.plan.on_saturation = full;
        }
        if let Some(value) = file.get("clients") {
            self.places.clients = Some(value.span());
            let clients = value.number(report, 0..=i64::MAX);
            self.plan.clients = clients.and_then(|it| usize::try_from(it).ok());
        }
        if let Some(bans) = file.get("bans").and_then(|it| it.number(report, 1..=MOST_BANS)) {
            self.plan.bans = usize::try_from(bans).ok();
        }
        if let Some(budget) = file.get("newcomers").and_then(|it| quota(report, &it)) {
            self.plan.newcomers = Some(budget);
        }
        for key in ["exempt", "allow", "deny"] {
            let Some(set) = file.get(key).and_then(|it| addresses(report, &it)) else { continue };
            match key {
                "exempt" => self.plan.exempt = set,
                "allow" => self.plan.allow = set,
                _ => self.plan.deny = set,
            }
        }
    }

    fn client(&mut self, value: &Value<'a>) {
        let report = &mut self.report;
        let Some(client) = Section::of(report, value, &CLIENT) else { return };
        let header = client.get("header").and_then(|value| header(report, &value));
        let trust = client.get("trust").map(|value| trust(report, &value));
        if trust.is_none() && client.get("header").is_some() {
            let help = "say which proxies write it, as in trust = [\"10.0.0.0/8\"]";
            client.missing(report, "trust", help);
        }
        let (trust, header) = (trust.unwrap_or_default(), header.unwrap_or_default());
        if let (Trust::Hops(_), ForwardedBy::Single(_)) = (&trust, &header) {
            let span = client.get("header").map_or(client.span.clone(), |value| value.span());
            let message = "this header has a single address, on which no proxies can be counted";
            let diagnostic = Diagnostic::new(Code::Conflict, span, message)
                .with_help("trust the addresses of the proxies, as in trust = [\"10.0.0.0/8\"]");
            report.push(&client.place_of("header"), diagnostic);
        }
        self.plan.client = ClientIp::new(trust, header);
        if let Some(value) = client.get("group") {
            if let Some(group) = Section::of(report, &value, &GROUP) {
                let mut bits = |key, most, unless| {
                    let bits = group.get(key).and_then(|it| it.number(report, 0..=most));
                    bits.and_then(|it| u8::try_from(it).ok()).unwrap_or(unless)
                };
                let ClientGroup { v4, v6 } = self.plan.group;
                self.plan.group = ClientGroup { v4: bits("v4", 32, v4), v6: bits("v6", 128, v6) };
            }
        }
    }

    fn fields(&mut self, file: &Section<'a>) {
        const TYPES: &[(&str, Type)] =
            &[("bytes", Type::Bytes), ("int", Type::Int), ("bool", Type::Bool), ("ip", Type::Ip)];
        let report = &mut self.report;
        for (key, value) in entries(report, file, "fields", "a table of fields and their types") {
            let holds = value.word(report, TYPES).unwrap_or(Type::Bytes);
            if is_taken(&key) {
                let message = format!("every request has a field `{key}`; use another name");
                let diagnostic = Diagnostic::new(Code::Duplicate, value.span(), message);
                report.push(&value.place, diagnostic);
            }
            self.scheme.fields.insert(Name::from(&*key), holds);
        }
    }

    fn groups(&mut self, file: &Section<'a>) {
        let report = &mut self.report;
        for (key, value) in entries(report, file, "groups", "a table of groups and their modes") {
            // Rules of a group with a wrong mode are not wrong for that.
            let mode = value.word(report, MODES).unwrap_or_default();
            self.plan.groups.push((Name::from(&*key), mode));
        }
    }

    /// A group that is there.
    pub(super) fn group(&mut self, value: &Value<'a>) -> Option<Name> {
        let text = value.text(&mut self.report, "the name of a group")?;
        self.known_group(&text, text.value)
    }

    /// A group that is there, named in a text.
    pub(super) fn known_group(&mut self, text: &Text<'a>, name: &str) -> Option<Name> {
        let mut groups = self.plan.groups.iter().map(|(group, _)| group);
        if let Some(known) = groups.find(|group| ***group == *name) {
            return Some(Name::clone(known));
        }
        let message = format!("group `{}` is not defined", crate::error::snippet(name));
        let near = closest(name, self.plan.groups.iter().map(|(group, _)| &**group));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("define it: [groups] {} = \"enforce\"", crate::error::snippet(name)),
        };
        let diagnostic = Diagnostic::new(Code::UnknownGroup, text.span(), message).with_help(help);
        self.report.push(&text.place, diagnostic);
        None
    }

    /// The condition that a text says.
    pub(super) fn expr(&mut self, text: &Text<'a>, phase: Phase) -> Option<Expr> {
        self.scheme.parse_in(text.value, phase).map_err(|it| self.report.push_in(text, it)).ok()
    }

    /// The value that a text says.
    pub(super) fn term(&mut self, text: &Text<'a>, phase: Phase) -> Option<Term> {
        let found = self.scheme.parse_term_in(text.value, phase);
        found.map_err(|it| self.report.push_in(text, it)).ok()
    }
}

/// Far more than anyone needs; each takes some memory from the start.
const MOST_BANS: i64 = 1 << 24;

/// The names and values of a table that may have any names.
pub(super) fn entries<'a>(
    report: &mut Report<'a>,
    file: &Section<'a>,
    key: &str,
    expected: &str,
) -> Vec<(String, Value<'a>)> {
    let Some(value) = file.get(key) else { return Vec::new() };
    let DeValue::Table(table) = value.get() else {
        value.wrong(report, expected);
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, entry) in table {
        let text = name.get_ref().to_string();
        let place = format!("{key}, {}", crate::error::snippet(&text));
        let fit = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if text.is_empty() || !text.chars().all(fit) {
            let message = "a name has ASCII letters, digits, `_`, `-` and `.` only";
            report.push(&place, Diagnostic::new(Code::BadValue, name.span(), message));
        }
        found.push((text, Value::new(entry, place)));
    }
    found
}

/// The tables of an array of tables, with the place of each; a table alone, which is told by itself, is read as well.
pub(super) fn tables<'a>(file: &Section<'a>, key: &str) -> Vec<Value<'a>> {
    let of_tables =
        |value: &Value<'a>| matches!(value.get(), DeValue::Array(_) | DeValue::Table(_));
    let Some(value) = file.get(key).filter(of_tables) else { return Vec::new() };
    let mut items = value.items();
    for (number, item) in (1_usize..).zip(&mut items) {
        item.place = match item.name() {
            Some(name) => format!("{key} \"{}\"", crate::error::snippet(name)),
            None => format!("{key} {number}"),
        };
    }
    items
}

/// The addresses that a value lists.
pub(super) fn addresses<'a>(report: &mut Report<'a>, value: &Value<'a>) -> Option<CidrSet> {
    nets(report, value, |_| None)
}

/// The addresses that a value lists; some may have names.
fn nets<'a>(
    report: &mut Report<'a>,
    value: &Value<'a>,
    named: impl Fn(&str) -> Option<&'static [&'static str]>,
) -> Option<CidrSet> {
    let mut prefixes = Vec::new();
    let mut whole = true;
    for item in value.items() {
        let Some(text) = item.text(report, "an address or a prefix, as in \"192.0.2.0/24\"") else {
            whole = false;
            continue;
        };
        if let Some(nets) = named(text.value) {
            prefixes.extend(nets.iter().filter_map(|net| parse_prefix(net).ok()));
            continue;
        }
        match parse_prefix(text.value) {
            Ok(prefix) => prefixes.push(prefix),
            Err(error) => {
                whole = false;
                let span = text.span_of_column(error.column());
                report.push(
                    &item.place,
                    Diagnostic::new(Code::BadValue, span, error.kind().to_string()),
                );
            }
        }
    }
    whole.then(|| prefixes.into_iter().collect())
}

/// The quota that a value says.
pub(super) fn quota<'a>(report: &mut Report<'a>, value: &Value<'a>) -> Option<Quota> {
    let text = value.text(report, "a quota, as in \"100/min burst 20\"")?;
    match text.value.parse::<Quota>() {
        Ok(quota) => Some(quota),
        Err(error) => {
            let span = text.span_of_column(error.column());
            let diagnostic = Diagnostic::new(Code::BadValue, span, error.problem().to_string())
                .with_help("as in \"100/min burst 20\"");
            report.push(&value.place, diagnostic);
            None
        }
    }
}

fn trust<'a>(report: &mut Report<'a>, value: &Value<'a>) -> Trust {
    match value.get() {
        DeValue::Integer(_) => {
            let hops = value.number(report, 0..=i64::from(u8::MAX));
            match hops.and_then(|it| u8::try_from(it).ok()) {
                Some(hops) if hops > 0 => Trust::Hops(hops),
                _ => Trust::None,
            }
        }
        DeValue::Array(_) | DeValue::String(_) => nets(report, value, client_ip::alias)
            .filter(|set| !set.is_empty())
            .map_or(Trust::None, Trust::Nets),
        _ => {
            value
                .wrong(report, "the addresses of proxies, as in [\"10.0.0.0/8\"], or their number");
            Trust::None
        }
    }
}

fn header<'a>(report: &mut Report<'a>, value: &Value<'a>) -> Option<ForwardedBy> {
    let text = value.text(report, "the name of a header")?;
    if is_header_name(text.value) {
        return Some(ForwardedBy::header(text.value));
    }
    value.refuse(report, "this is not the name of a header");
    None
}

/// RFC 9110: a token.
fn is_header_name(name: &str) -> bool {
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(fit)
}
