//! What an expression is judged by: one request, seen canonically, and the state of the gate.

#[cfg(any(test, feature = "__reference"))]
use alloc::vec::Vec;
use core::{cell::Cell, net::IpAddr, ops::ControlFlow};

use super::{field::Builtin, list::Lists};
use crate::request::{
    ClientGroup, Given, Request,
    canonical::{Canonical, LONGEST, UriFlags, cut},
};

/// Everything that fields read. Made once for a request, on the stack.
pub(crate) struct Facts<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) canonical: &'a Canonical<'a>,
    /// The client's address, behind proxies; `None` if it is not known.
    pub(crate) client: Option<IpAddr>,
    pub(crate) group: ClientGroup,
    pub(crate) state: State,
    /// `None` before the response.
    pub(crate) answer: Option<Answer>,
    pub(crate) lists: &'a Lists,
    /// The names of the tags, by the bit that each has in `marks`.
    #[cfg_attr(
        not(any(test, feature = "__reference")),
        allow(dead_code, reason = "compiled rules know the bits; the reference looks names up")
    )]
    pub(crate) tag_names: &'a [super::expr::Name],
    pub(crate) marks: Marks,
    /// Where the client stands among all clients, for samples.
    pub(crate) chance: u64,
    pub(crate) counters: &'a dyn Counters,
}

/// What the gate knows of the whole; read once for a request (law S9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) posture: i64,
    pub(crate) load: i64,
    pub(crate) client_known: bool,
}

/// What is known of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) latency_ms: Option<i64>,
    pub(crate) size: Option<i64>,
}

/// What rules leave behind for later ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) score: Cell<i64>,
    /// A bit for each tag.
    pub(crate) tags: Cell<u64>,
}

impl Marks {
    /// The score, and a bit for each tag.
    pub(crate) fn get(&self) -> (i64, u64) {
        (self.score.get(), self.tags.get())
    }

    pub(crate) fn new((score, tags): (i64, u64)) -> Self {
        Self { score: Cell::new(score), tags: Cell::new(tags) }
    }
}

/// Who knows how much of a limit is in use.
pub(crate) trait Counters {
    /// Units of the limit in use by the request's key; 0 if there is no such limit or key.
    fn in_use(&self, limit: &str, facts: &Facts<'_>) -> i64;
}

/// No limits.
pub(crate) struct NoCounters;

impl Counters for NoCounters {
    fn in_use(&self, _: &str, _: &Facts<'_>) -> i64 {
        0
    }
}

impl<'a> Facts<'a> {
    /// The facts of a request that came straight from its peer, outside of a gate.
    pub(crate) fn of(
        request: &'a Request<'a>,
        canonical: &'a Canonical<'a>,
        lists: &'a Lists,
    ) -> Self {
        Self {
            request,
            canonical,
            client: request.peer(),
            group: ClientGroup::default(),
            state: State::default(),
            answer: None,
            lists,
            tag_names: &[],
            marks: Marks::default(),
            chance: 0,
            counters: &NoCounters,
        }
    }

    /// The same request, of which no rule has said anything yet, for other rules.
    pub(crate) fn anew(&self, lists: &'a Lists, tag_names: &'a [super::expr::Name]) -> Self {
        Self { lists, tag_names, marks: Marks::default(), ..*self }
    }

    /// The canonical path.
    pub(crate) fn path(&self) -> &'a [u8] {
        self.canonical.path
    }

    pub(crate) fn given(&self, name: &str) -> Option<Given<'a>> {
        self.request.get_field(name)
    }

    pub(crate) fn bytes(&self, field: Builtin) -> Option<&'a [u8]> {
        let target = self.request.get_target();
        Some(match field {
            Builtin::Method => cut(self.request.get_method().as_bytes()),
            Builtin::Host => self.canonical.host,
            Builtin::Path => self.canonical.path,
            Builtin::Query => self.canonical.query?,
            Builtin::RawHost => cut(self.request.get_host().as_bytes()),
            Builtin::RawPath => self.canonical.raw_path,
            Builtin::RawUri => cut(target.as_bytes()),
            _ => return None,
        })
    }

    /// The canonical path and the query, which do not lie side by side: `(path, query)`.
    pub(crate) fn uri(&self) -> (&'a [u8], Option<&'a [u8]>) {
        (self.canonical.path, self.canonical.query)
    }

    pub(crate) fn bool(&self, field: Builtin) -> Option<bool> {
        let flags = self.canonical.flags;
        Some(match field {
            Builtin::DotSegments => flags.has(UriFlags::DOT_SEGMENTS),
            Builtin::EncodedSlash => flags.has(UriFlags::ENCODED_SLASH),
            Builtin::DoubleEncoded => flags.has(UriFlags::DOUBLE_ENCODED),
            Builtin::BadPercent => flags.has(UriFlags::BAD_PERCENT),
            Builtin::Nul => flags.has(UriFlags::NUL),
            Builtin::Backslash => flags.has(UriFlags::BACKSLASH),
            Builtin::DoubleSlash => flags.has(UriFlags::DOUBLE_SLASH),
            Builtin::NonUtf8 => flags.has(UriFlags::NON_UTF8),
            // Only who asks pays for a look at all values.
            Builtin::Oversize => self.canonical.oversize || self.request.has_value_over(LONGEST),
            Builtin::ClientKnown => self.state.client_known,
            _ => return None,
        })
    }

    pub(crate) fn int(&self, field: Builtin) -> Option<i64> {
        match field {
            Builtin::Posture => Some(self.state.posture),
            Builtin::Load => Some(self.state.load),
            Builtin::Score => Some(self.marks.score.get()),
            Builtin::Status => self.answer.map(|answer| i64::from(answer.status)),
            Builtin::LatencyMs => self.answer?.latency_ms,
            Builtin::ResponseSize => self.answer?.size,
            _ => None,
        }
    }

    pub(crate) fn ip(&self, field: Builtin) -> Option<IpAddr> {
        match field {
            Builtin::IpSrc => self.client,
            Builtin::Client => self.client.map(|ip| self.group.network_of(ip)),
            _ => None,
        }
    }

    /// Whether an earlier rule has set this tag.
    #[cfg(any(test, feature = "__reference"))]
    pub(crate) fn has_tag(&self, name: &str) -> bool {
        let bit = self.tag_names.iter().position(|tag| **tag == *name);
        let bit = bit.and_then(|bit| u32::try_from(bit).ok());
        bit.and_then(|bit| self.marks.tags.get().checked_shr(bit)).is_some_and(|tags| tags & 1 == 1)
    }

    /// Visits the elements of an array field, each [cut]; names of headers as they came.
    pub(crate) fn each(&self, field: Builtin, mut visit: impl FnMut(&'a [u8]) -> ControlFlow<()>) {
        match field {
            Builtin::HeaderNames => {
                self.request.each_header(|name, _| visit(cut(name.as_bytes())));
            }
            Builtin::HeaderValues => self.request.each_header(|_, value| visit(cut(value))),
            Builtin::ArgNames => self.each_arg(|name, _| visit(name)),
            Builtin::ArgValues => self.each_arg(|_, value| visit(value)),
            _ => {}
        }
    }

    /// Visits the elements under a key of a map, each [cut].
    pub(crate) fn each_of(
        &self,
        map: Builtin,
        key: &str,
        mut visit: impl FnMut(&'a [u8]) -> ControlFlow<()>,
    ) {
        match map {
            Builtin::Headers => self.request.each_header(|name, value| {
                if name.eq_ignore_ascii_case(key) {
                    visit(cut(value))
                } else {
                    ControlFlow::Continue(())
                }
            }),
            Builtin::Args => self.each_arg(|name, value| {
                if name == key.as_bytes() { visit(value) } else { ControlFlow::Continue(()) }
            }),
            Builtin::Cookies => self.each_cookie(|name, value| {
                if name == key.as_bytes() { visit(value) } else { ControlFlow::Continue(()) }
            }),
            _ => {}
        }
    }

    /// Visits the arguments of the query as they came, not decoded.
    fn each_arg(&self, mut visit: impl FnMut(&'a [u8], &'a [u8]) -> ControlFlow<()>) {
        let Some(query) = self.canonical.query else { return };
        for pair in query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = halves.next().unwrap_or_default();
            if visit(name, halves.next().unwrap_or_default()).is_break() {
                return;
            }
        }
    }

    /// Visits the cookies of all cookie lines, without blanks around names and values.
    fn each_cookie(&self, mut visit: impl FnMut(&'a [u8], &'a [u8]) -> ControlFlow<()>) {
        self.request.each_header(|name, line| {
            if !name.eq_ignore_ascii_case("cookie") {
                return ControlFlow::Continue(());
            }
            for pair in cut(line).split(|byte| *byte == b';') {
                let mut halves = pair.splitn(2, |byte| *byte == b'=');
                let name = halves.next().unwrap_or_default().trim_ascii();
                if let Some(value) = halves.next() {
                    visit(name, value.trim_ascii())?;
                }
            }
            ControlFlow::Continue(())
        });
    }

    /// The same, gathered.
    #[cfg(any(test, feature = "__reference"))]
    pub(crate) fn gathered(&self, field: Builtin, key: Option<&str>) -> Vec<&'a [u8]> {
        let mut found = Vec::new();
        let mut push = |value| {
            found.push(value);
            ControlFlow::Continue(())
        };
        match key {
            Some(key) => self.each_of(field, key, &mut push),
            None => self.each(field, &mut push),
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::{Answer, Builtin, Facts, IpAddr, LONGEST, State};
    use crate::{
        request::{Request, canonical::Canonical},
        rule::{Lists, expr::Name},
    };

    /// Whatever rules see cut, and nothing else, is oversize.
    #[test]
    fn any_value_that_is_seen_cut_is_oversize() {
        let (exact, longer) = ("a".repeat(LONGEST), "a".repeat(LONGEST + 1));
        let plain = || Request::new(None).method("GET").host("h").target("/?q").header("a", "b");
        let oversize = |request: Request<'_>| {
            let lists = Lists::default();
            Canonical::with(&request, |canonical| {
                Facts::of(&request, canonical, &lists).bool(Builtin::Oversize)
            })
        };
        for (text, is_over) in [(&exact, false), (&longer, true)] {
            let text = text.as_str();
            for request in [
                plain().method(text),
                plain().host(text),
                plain().target(text),
                plain().header("user-agent", text),
                plain().header(text, ""),
                plain().field("tenant", text),
            ] {
                assert_eq!(oversize(request), Some(is_over));
            }
        }
        assert_eq!(oversize(plain()), Some(false));
    }

    #[test]
    fn raw_fields_are_what_came() {
        let lists = Lists::default();
        let request = Request::new(None).host("H:80").target("http://T:1/a/../%62?c#d");
        Canonical::with(&request, |canonical| {
            let facts = Facts::of(&request, canonical, &lists);
            for (field, expected) in [
                (Builtin::RawHost, "H:80"),
                (Builtin::RawPath, "/a/../%62"),
                (Builtin::RawUri, "http://T:1/a/../%62?c#d"),
                (Builtin::Host, "t"),
                (Builtin::Path, "/b"),
                (Builtin::Query, "c"),
            ] {
                assert_eq!(facts.bytes(field), Some(expected.as_bytes()), "{field:?}");
            }
        });
    }

    /// Cookies of all lines, each cut at its first equals sign; arguments as they came.
    #[test]
    fn cookies_and_arguments_are_taken_apart() {
        let lists = Lists::default();
        let request = Request::new(None)
            .target("/?a=1&b&&a=2=3&=4&c=%41+&")
            .header("Cookie", "a=1; b = 2 ;c;; a=x=y; =5")
            .header("X", "a=no; cookie=no")
            .header("cookie", "a=last");
        Canonical::with(&request, |canonical| {
            let facts = Facts::of(&request, canonical, &lists);
            let found = |field, key| {
                let values = facts.gathered(field, key).into_iter();
                values.map(|value| core::str::from_utf8(value).unwrap()).collect::<Vec<_>>()
            };
            for (field, key, expected) in [
                (Builtin::Cookies, "a", &["1", "x=y", "last"][..]),
                (Builtin::Cookies, "b", &["2"]),
                (Builtin::Cookies, "c", &[]),
                (Builtin::Cookies, "", &["5"]),
                (Builtin::Cookies, "A", &[]),
                (Builtin::Args, "a", &["1", "2=3"]),
                (Builtin::Args, "b", &[""]),
                (Builtin::Args, "", &["4"]),
                (Builtin::Args, "c", &["%41+"]),
                (Builtin::Args, "A", &[]),
                (Builtin::Headers, "x", &["a=no; cookie=no"]),
                (Builtin::Headers, "cookie", &["a=1; b = 2 ;c;; a=x=y; =5", "a=last"]),
                (Builtin::Headers, "y", &[]),
                (Builtin::Tag, "a", &[]),
            ] {
                assert_eq!(found(field, Some(key)), expected, "{field:?} {key}");
            }
            for (field, expected) in [
                (Builtin::ArgNames, &["a", "b", "a", "", "c"][..]),
                (Builtin::ArgValues, &["1", "", "2=3", "4", "%41+"]),
                (Builtin::HeaderNames, &["Cookie", "X", "cookie"]),
                (
                    Builtin::HeaderValues,
                    &["a=1; b = 2 ;c;; a=x=y; =5", "a=no; cookie=no", "a=last"],
                ),
                (Builtin::Path, &[]),
            ] {
                assert_eq!(found(field, None), expected, "{field:?}");
            }
        });
    }

    /// Each number has its own field, and what only a response has is missing before it.
    #[test]
    fn numbers_are_those_that_rules_ask_for() {
        let (lists, request) = (Lists::default(), Request::new(None));
        Canonical::with(&request, |canonical| {
            let mut facts = Facts::of(&request, canonical, &lists);
            facts.state = State { posture: 3, load: 50, client_known: true };
            facts.marks.score.set(-7);
            for field in [Builtin::Status, Builtin::LatencyMs, Builtin::ResponseSize, Builtin::Path]
            {
                assert_eq!(facts.int(field), None, "{field:?}");
            }
            facts.answer = Some(Answer { status: 404, latency_ms: Some(12), size: Some(34) });
            for (field, expected) in [
                (Builtin::Posture, Some(3)),
                (Builtin::Load, Some(50)),
                (Builtin::Score, Some(-7)),
                (Builtin::Status, Some(404)),
                (Builtin::LatencyMs, Some(12)),
                (Builtin::ResponseSize, Some(34)),
                (Builtin::ClientKnown, None),
            ] {
                assert_eq!(facts.int(field), expected, "{field:?}");
            }
            assert_eq!(facts.counters.in_use("no limit", &facts), 0);
            assert_eq!(facts.bool(Builtin::ClientKnown), Some(true));
            assert_eq!(facts.bool(Builtin::Posture), None);
            assert_eq!(facts.bytes(Builtin::Posture), None);
            assert_eq!((facts.ip(Builtin::IpSrc), facts.ip(Builtin::Client)), (None, None));
            let fresh = facts.anew(&lists, &[]);
            assert_eq!((fresh.int(Builtin::Score), fresh.int(Builtin::Load)), (Some(0), Some(50)));
        });
    }

    #[test]
    fn an_address_is_seen_by_itself_and_by_its_network() {
        let lists = Lists::default();
        for addresses in [["10.1.2.3", "10.1.2.3"], ["2001:db8::1:2:3:4:5", "2001:db8::1:0:0:0:0"]]
        {
            let [peer, client]: [IpAddr; 2] = addresses.map(|ip| ip.parse().unwrap());
            let request = Request::new(Some(peer));
            Canonical::with(&request, |canonical| {
                let facts = Facts::of(&request, canonical, &lists);
                assert_eq!(facts.ip(Builtin::IpSrc), Some(peer));
                assert_eq!(facts.ip(Builtin::Client), Some(client));
                assert_eq!(facts.ip(Builtin::Path), None);
            });
        }
    }

    /// Other rules have lists and tags of their own, and no tag is set.
    #[test]
    fn what_begins_anew_has_the_names_of_other_rules() {
        let request = Request::new(None).target("/a");
        let (lists, others, tags) = (Lists::new(), Lists::new(), ["a", "b"].map(Name::from));
        Canonical::with(&request, |canonical| {
            let mut facts = Facts::of(&request, canonical, &lists);
            facts.tag_names = &tags[..1];
            facts.marks.tags.set(1);
            let anew = facts.anew(&others, &tags[1..]);
            assert!(core::ptr::eq(anew.lists, &others));
            assert!(facts.has_tag("a") && !anew.has_tag("b"));
            anew.marks.tags.set(1);
            assert!(anew.has_tag("b") && !anew.has_tag("a"));
        });
    }
}
