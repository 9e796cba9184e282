//! A gate with a seed decides the same in every run, in every thread and however deep its stack is: limits by all kinds of keys, shares,
//! bans, a store that is too small, and a defence that goes through everything it has.
//!
//! Not a unit test: there, stores that move their keys to other places do that without chance anyway.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr},
    sync::OnceLock,
    thread,
    time::Duration,
};

use portcullis::{
    Admission, Defence, Gate, GateBuilder, LimitRule, MissingKey, Outcome, Posture, Quota, Request,
    Share, Then, Timestamp,
    detect::Parameters,
    rule::{Action, Ban, Rule, Scheme, Term, build::sample},
};

/// What became of a request: the status and who said it, how long to wait, and what else the verdict shows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    status: u16,
    name: String,
    retry_after: Option<Duration>,
    remaining: Option<u32>,
    matched: Vec<String>,
}

/// All that a gate has said.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    verdicts: Vec<Told>,
    /// As text: a number that is none is not equal to itself.
    events: Vec<String>,
    mitigations: Vec<String>,
}

impl Said {
    fn by_name(&self) -> BTreeMap<&str, usize> {
        let mut names = BTreeMap::new();
        for told in &self.verdicts {
            *names.entry(told.name.as_str()).or_default() += 1;
        }
        names
    }

    /// The same, or the first difference.
    #[track_caller]
    fn assert_same(&self, other: &Self) {
        for (nth, (one, other)) in self.verdicts.iter().zip(&other.verdicts).enumerate() {
            assert_eq!(one, other, "request {nth}");
        }
        assert_eq!(self, other);
    }
}

fn term(text: &str) -> Term {
    Scheme::new().parse_term(text).unwrap()
}

/// Everything that has a store or leaves something to chance, and all of it too small.
fn described(per_client: Quota, clients: usize) -> GateBuilder {
    let when = |text: &str| Scheme::new().parse(text).unwrap();
    let mut parameters = Parameters::default();
    (parameters.cold_seconds, parameters.dwell_seconds) = (60, 5);
    let third = Share::percent(30);
    Gate::builder()
        .clients(clients)
        .newcomers(Quota::per_second(20))
        .bans(64)
        .rule(
            Rule::new("a third", when("path eq \"/beta\"").and(sample(third)))
                .then(Action::Deny { status: 404 }),
        )
        .rule(
            Rule::new("half", when("path eq \"/news\""))
                .share(Share::percent(50))
                .then(Action::Deny { status: 410 }),
        )
        .limit("client", per_client)
        .limit_rule(LimitRule::new("shared", Quota::per_minute(6).burst(2)).share(third))
        .limit_rule(
            LimitRule::new("paths", Quota::per_minute(12).burst(6))
                .by([term("client")])
                .distinct(term("path")),
        )
        .limit_rule(
            LimitRule::new("login", Quota::per_minute(6).burst(4))
                .when(when("path eq \"/login\""))
                .by([term("client")])
                .then(Then::Ban(Ban::new(Duration::from_secs(7)).escalate(2))),
        )
        .limit_rule(
            LimitRule::new("keys", Quota::per_minute(60).burst(4))
                .by([term("header[\"x-key\"]")])
                .missing(MissingKey::Skip)
                .then(Then::Ban(Ban::new(Duration::from_secs(5)))),
        )
        .limit_rule(LimitRule::in_flight("at once", 2).by([term("client")]))
        .limit_rule(LimitRule::in_flight("uploads", 12).when(when("method eq \"POST\"")).by([]))
        .defence(Defence::up_to(Posture::Lockdown).parameters(parameters))
}

fn seeded(seed: u64) -> Gate {
    usual().danger_seed(seed).build().unwrap()
}

fn usual() -> GateBuilder {
    described(Quota::per_minute(60).burst(20), 300)
}

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64)";
const PAGES: [&str; 9] = ["/beta", "/news", "/a", "/b", "/c", "/d", "/", "/", "/"];

/// A stream of requests that is the same for all gates, but for what depends on their answers.
struct Play<'a> {
    gate: &'a Gate,
    random: u64,
    nanos: u64,
    open: VecDeque<(u64, Admission)>,
    verdicts: Vec<Told>,
}

/// Who asks.
#[derive(Clone, Copy)]
enum Crowd {
    /// 400 people, and some who are none.
    Regulars,
    /// 5,000 hosts that ask one page, and those among them.
    Hosts,
    /// Every request from somewhere else, and those among them.
    Strangers,
}

impl<'a> Play<'a> {
    fn new(gate: &'a Gate) -> Self {
        let open = VecDeque::new();
        Self { gate, random: 5, nanos: 1_000_000_000_000, open, verdicts: Vec::new() }
    }

    fn below(&mut self, end: u64) -> u64 {
        // A series of numbers without much of a pattern (Knuth's MMIX).
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % end
    }

    /// So many seconds of so many requests a second, each answered after so many milliseconds.
    fn seconds(&mut self, seconds: u64, rate: u64, crowd: Crowd, latency: u64) {
        for _ in 0..seconds * rate {
            self.nanos += 1_000_000_000 / rate;
            self.ask(crowd, latency);
        }
    }

    fn ask(&mut self, crowd: Crowd, latency: u64) {
        let now = Timestamp::from_nanos(self.nanos);
        while self.open.front().is_some_and(|(end, _)| *end <= self.nanos) {
            let (_, admission) = self.open.pop_front().unwrap();
            let status = if self.below(50) == 0 { 404 } else { 200 };
            let outcome = Outcome::status(status).latency(Duration::from_millis(latency));
            self.gate.finish(admission, outcome, now);
        }
        let crowd = if self.below(20) == 0 { Crowd::Regulars } else { crowd };
        match crowd {
            // One of eight that try passwords, several at once.
            Crowd::Regulars if self.below(20) == 0 => {
                let host = 0x0b00_0000 + self.below(8);
                (0..4).for_each(|_| self.send(host, "/login", BROWSER, None, latency));
            }
            Crowd::Regulars => {
                let host = 0x0a00_0000 + self.below(400) * 911;
                let page = usize::try_from(self.below(PAGES.len() as u64)).unwrap();
                let key = format!("key {}", self.below(60));
                self.send(host, PAGES[page], BROWSER, Some(&key), latency);
            }
            Crowd::Hosts => {
                let host = 0xc000_0000 + self.below(5_000) * 7_919;
                self.send(host, "/search?q=lamp", "curl/8.5.0", None, latency);
            }
            Crowd::Strangers => {
                let host = 0x5000_0000 + self.below(1 << 28);
                let page = usize::try_from(self.below(PAGES.len() as u64)).unwrap();
                self.send(host, PAGES[page], BROWSER, None, latency);
            }
        }
    }

    fn send(&mut self, host: u64, target: &str, agent: &str, key: Option<&str>, latency: u64) {
        let now = Timestamp::from_nanos(self.nanos);
        let client = IpAddr::from(Ipv4Addr::from_bits(u32::try_from(host).unwrap()));
        let mut request = Request::new(client)
            .method(if self.below(8) == 0 { "POST" } else { "GET" })
            .host("shop.example")
            .target(target)
            .header("user-agent", agent);
        if let Some(key) = key {
            request = request.header("cookie", "session=1").header("x-key", key);
        }
        let told = match self.gate.check(&request, now).into_result() {
            Ok(admission) => {
                let told = Told {
                    status: 200,
                    name: String::new(),
                    retry_after: None,
                    remaining: admission.standing().map(|standing| standing.remaining()),
                    matched: admission.matched().map(String::from).collect(),
                };
                self.open.push_back((self.nanos + latency * 1_000_000, admission));
                told
            }
            Err(denial) => Told {
                status: denial.status(),
                name: denial.name().into(),
                retry_after: denial.retry_after(),
                remaining: denial.standing().map(|standing| standing.remaining()),
                matched: denial.matched().map(String::from).collect(),
            },
        };
        self.verdicts.push(told);
    }

    fn said(self) -> Said {
        let now = Timestamp::from_nanos(self.nanos);
        let text = |thing: &dyn std::fmt::Debug| format!("{thing:?}");
        Said {
            verdicts: self.verdicts,
            events: self.gate.events().iter().map(|event| text(event)).collect(),
            mitigations: self.gate.defence().mitigations(now).iter().map(|one| text(one)).collect(),
        }
    }
}

/// Some 100,000 requests: peace, an attack, an aftermath with another description, and a flood while the service is overloaded.
/// `each` is told the number of the second, and plays it.
fn play(gate: &Gate, each: impl Fn(u64, &mut dyn FnMut())) -> Said {
    let mut play = Play::new(gate);
    for second in 0..370 {
        each(second, &mut || match second {
            0..240 => play.seconds(1, 50, Crowd::Regulars, 30),
            240..300 => play.seconds(1, 1_000, Crowd::Hosts, 60),
            300..340 => {
                if second == 310 {
                    let now = Timestamp::from_nanos(play.nanos);
                    // What cannot be is not done, and leaves the chance of what comes after it as it was.
                    let wrong = usual().limit("", Quota::per_second(1));
                    assert!(gate.reload_with(wrong, now).is_err());
                    // Its builder has no seed.
                    let other = described(Quota::per_minute(50).burst(25), 200).bans(40);
                    gate.reload_with(other, now).unwrap();
                }
                if second == 330 {
                    let now = Timestamp::from_nanos(play.nanos);
                    // The same store with another quota: its keys move to other places.
                    let other = described(Quota::per_minute(40).burst(25), 200).bans(40);
                    gate.reload_with(other, now).unwrap();
                }
                play.seconds(1, 50, Crowd::Regulars, 30);
            }
            _ => {
                gate.defence().gauge(0.95);
                play.seconds(1, 1_000, Crowd::Strangers, 400);
            }
        });
    }
    play.said()
}

fn plainly(_: u64, second: &mut dyn FnMut()) {
    second();
}

/// What the gate with the seed 7 says.
fn seven() -> &'static Said {
    static SAID: OnceLock<Said> = OnceLock::new();
    SAID.get_or_init(|| play(&seeded(7), plainly))
}

#[test]
fn the_stream_meets_everything() {
    let said = seven();
    assert!(said.verdicts.len() > 100_000, "{}", said.verdicts.len());
    let names = said.by_name();
    for name in [
        "a third",
        "half",
        "shared",
        "paths",
        "login",
        "keys",
        "at once",
        "bans",
        "too many clients",
        "unknown clients",
        "shedding",
    ] {
        assert!(names.contains_key(name), "{name}: {names:?}");
    }
    assert!(names.keys().any(|name| name.starts_with("auto-")), "{names:?}");
    for kind in ["Posture {", "Found {", "Throttled {", "Denied {", "Held {", "to: Lockdown"] {
        assert!(said.events.iter().any(|event| event.contains(kind)), "{kind}: {:?}", said.events);
    }
}

#[test]
fn the_same_seed_says_the_same() {
    seven().assert_same(&play(&seeded(7), plainly));
}

/// Threads have stacks in different places, and checks come from different depths.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test, whose threads need large stacks")]
fn where_the_stack_is_does_not_matter() {
    fn at_depth(megabytes: u32, what: &mut dyn FnMut()) {
        let room = std::hint::black_box([0_u8; 1 << 20]);
        match megabytes.checked_sub(1) {
            Some(less) => at_depth(less, what),
            None => what(),
        }
        std::hint::black_box(&room);
    }
    let run =
        || play(&seeded(7), |second, what| at_depth(u32::try_from(second * 5 % 13).unwrap(), what));
    let threads = [0, 1].map(|_| thread::Builder::new().stack_size(64 << 20).spawn(run).unwrap());
    for said in threads.map(|thread| thread.join().unwrap()) {
        seven().assert_same(&said);
    }
}

#[test]
fn another_seed_says_something_else() {
    let other = play(&seeded(8), plainly);
    assert_ne!(seven().verdicts, other.verdicts);
    assert_ne!(seven().events, other.events);
}

/// Whom of those who have asked for the page a share takes in, two gates agree on by chance alone: for n people with a probability
/// of (0.3² + 0.7²)^n, which is 10^-24 for a hundred.
#[test]
fn without_a_seed_no_two_gates_agree() {
    let brief = |gate: &Gate| {
        let mut play = Play::new(gate);
        play.seconds(100, 50, Crowd::Regulars, 30);
        play.said()
    };
    let [one, other] = [0, 1].map(|_| brief(&usual().build().unwrap()));
    let shared = |said: &Said| -> Vec<bool> {
        said.verdicts.iter().map(|told| told.name == "a third").collect()
    };
    let [one_third, other_third] = [shared(&one), shared(&other)];
    for third in [&one_third, &other_third] {
        assert!(third.contains(&true), "nobody was taken in, so this compares nothing");
    }
    assert!(one_third != other_third, "both gates take in the same people");
    assert!(one != other, "both gates say the same");
}

/// A text comes on top of what the program has said, the seed included: when the gate is built and when it is reloaded.
#[cfg(feature = "config")]
#[test]
fn a_gate_from_a_text_has_the_seed_of_its_program() {
    let text = |burst: u32| {
        format!(
            "clients = 40\n[[limit]]\nname = \"some\"\nquota = \"30/min burst {burst}\"\n\
             enforce_share = 0.4\n"
        )
    };
    let said = |seed| {
        let gate = usual().danger_seed(seed).build_toml(&text(2)).unwrap();
        let mut play = Play::new(&gate);
        play.seconds(40, 50, Crowd::Regulars, 30);
        // Other places: other stores.
        let other = text(3).replace("clients = 40", "clients = 50");
        gate.reload(&other, Timestamp::from_nanos(play.nanos)).unwrap();
        play.seconds(40, 50, Crowd::Regulars, 30);
        play.said()
    };
    said(3).assert_same(&said(3));
    assert_ne!(said(3), said(4));
}
