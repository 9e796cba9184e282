//! What happens when: cycles of peace, flood and rest, and in them everything that can be done to a gate at work.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use portcullis::{
    CidrSet, Gate, GateSnapshot, Posture, SystemClock, cidr::CidrEdit, ipnet::IpNet,
    metrics::MetricsPublisher,
};
use tokio::{runtime::Handle, task::JoinHandle, time::sleep};

use crate::{
    Fault,
    dice::Dice,
    journal::Journal,
    memory,
    service::{self, Service},
    store::{Harm, Store},
    talk::Clients,
    texts,
};

/// Prefixes of the large list.
const PREFIXES: u32 = 100_000;
const ON_THE_FEED: &str = "203.0.113.20/32";
const ON_THE_EDITED: &str = "203.0.113.21/32";
const BANNED: &str = "203.0.113.22/32";
/// Rest, at the end of each cycle.
const REST: Duration = Duration::from_secs(6);

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) reloads: u64,
    pub(crate) refused_reloads: u64,
    pub(crate) swaps: u64,
    pub(crate) edits: u64,
    pub(crate) bans: u64,
    pub(crate) snapshots: u64,
    pub(crate) forced: u64,
    pub(crate) kills: u64,
    pub(crate) pauses: u64,
    pub(crate) forgotten: u64,
    pub(crate) floods: u64,
    pub(crate) published: u64,
}

/// What the service holds while nobody asks it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtRest {
    pub(crate) seconds: f64,
    pub(crate) heap: u64,
    pub(crate) files: u64,
    pub(crate) tasks: u64,
    pub(crate) threads: u64,
    /// Requests and reloads until then.
    pub(crate) requests: u64,
    pub(crate) reloads: u64,
}

/// What the gate has refused, by the name of what has: a reload takes names away, and with them their counts.
#[derive(Default)]
pub(crate) struct Refused {
    sums: BTreeMap<String, u64>,
    last: BTreeMap<String, u64>,
}

impl Refused {
    fn look(&mut self, gate: &Gate) {
        let stats = gate.stats();
        let rules = stats.rules().iter().filter(|rule| rule.denied() > 0);
        let now: BTreeMap<_, _> =
            rules.map(|rule| (rule.name().to_owned(), rule.denied())).collect();
        for (name, count) in &now {
            let before = self.last.get(name).filter(|before| *before <= count).unwrap_or(&0);
            // Some have a number behind their name, which is another one in each text.
            let name = name.trim_end_matches(|end: char| end.is_ascii_digit()).trim_end();
            *self.sums.entry(name.to_owned()).or_default() += count - before;
        }
        self.last = now;
    }

    /// The largest first.
    pub(crate) fn sorted(mut self, gate: &Gate) -> Vec<(String, u64)> {
        self.look(gate);
        let mut sorted: Vec<_> = self.sums.into_iter().collect();
        sorted.sort_by_key(|(_, count)| Reverse(*count));
        sorted
    }
}

pub(crate) struct Director {
    pub(crate) service: Service,
    pub(crate) clients: Arc<Clients>,
    pub(crate) store: Option<Arc<Store>>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) is_flooded: Arc<AtomicBool>,
    pub(crate) done: Done,
    pub(crate) at_rest: Vec<AtRest>,
    pub(crate) refused: Refused,
    dice: Dice,
    fault: Option<Fault>,
    is_on_feed: bool,
    is_edited: bool,
    is_banned: bool,
    recorder: PrometheusRecorder,
    publisher: MetricsPublisher,
}

/// What can be done, each with about how many milliseconds are between two of it.
const ACTS: [(Act, u64); 7] = [
    (Act::Swap, 4_000),
    (Act::Edit, 1_500),
    (Act::Reload, 1_500),
    (Act::Ban, 5_000),
    (Act::Snapshot, 9_000),
    (Act::Force, 13_000),
    (Act::Publish, 3_000),
];

#[derive(Clone, Copy)]
enum Act {
    Swap,
    Edit,
    Reload,
    Ban,
    Snapshot,
    Force,
    Publish,
}

impl Director {
    pub(crate) fn new(
        service: Service,
        clients: Clients,
        store: Option<Store>,
        journal: &Arc<Journal>,
        seed: u64,
        fault: Option<Fault>,
        cycles: usize,
    ) -> Self {
        Self {
            publisher: MetricsPublisher::new(&service.gate),
            recorder: PrometheusBuilder::new().build_recorder(),
            service,
            clients: Arc::new(clients),
            store: store.map(Arc::new),
            journal: Arc::clone(journal),
            is_flooded: Arc::default(),
            done: Done::default(),
            // What this notes is not to grow while it measures.
            at_rest: Vec::with_capacity(cycles + 2),
            refused: Refused::default(),
            dice: Dice::new(seed),
            fault,
            is_on_feed: false,
            is_edited: false,
            is_banned: false,
        }
    }

    /// From rest to rest, until then. Of three the last is without a flood.
    pub(crate) async fn cycle(&mut self, number: u64, until: Instant) {
        let begun = Instant::now();
        let length = until.saturating_duration_since(begun);
        self.clients.tell("rest 0").await;
        let end = length.saturating_sub(REST);
        let share = |percent: u32| end * percent / 100;
        let flood = if number % 3 == 2 { share(1_000)..share(1_000) } else { share(25)..share(75) };
        let harm_at = share(10 + self.dice.below(70) as u32);
        let mut harming = None;
        let mut due = ACTS.map(|(act, every)| (act, every, self.dice.below(every)));
        while begun.elapsed() < end {
            let now = begun.elapsed();
            if harming.is_none() && now >= harm_at {
                harming = Some(self.harm(number));
            }
            let floods = flood.contains(&now);
            if floods != self.is_flooded.load(Ordering::Relaxed) {
                self.flood(floods).await;
            }
            for (act, every, due) in &mut due {
                if now.as_millis() >= u128::from(*due) {
                    *due += *every / 2 + self.dice.below(*every);
                    self.act(*act).await;
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
        self.flood(false).await;
        if let Some(harming) = harming {
            harming.await.expect("the store comes back");
        }
        self.rest().await;
    }

    async fn flood(&mut self, on: bool) {
        if on != self.is_flooded.swap(on, Ordering::Relaxed) {
            self.done.floods += u64::from(on);
            self.journal.note(if on { "the flood begins" } else { "the flood ends" });
            self.clients.tell(&format!("phase 1 {}", u8::from(on))).await;
        }
    }

    /// What is done to the store of the fleet, beside all else.
    fn harm(&mut self, number: u64) -> JoinHandle<()> {
        let Some(store) = self.store.clone() else { return tokio::spawn(async {}) };
        let time = 300 + self.dice.below(2_500);
        let harm = match number % 4 {
            0 => Harm::Kill(time),
            1 => Harm::Pause(time),
            2 => Harm::ForgetScript,
            _ => Harm::ForgetData,
        };
        match harm {
            Harm::Kill(_) => self.done.kills += 1,
            Harm::Pause(_) => self.done.pauses += 1,
            _ => self.done.forgotten += 1,
        }
        let (clients, journal) = (Arc::clone(&self.clients), Arc::clone(&self.journal));
        let gate = self.service.gate.clone();
        tokio::spawn(async move {
            clients.tell("fleet broken").await;
            clients.tell("phase 3 1").await;
            journal.note(&format!("the store: {harm:?}"));
            store.suffer(harm).await;
            journal.note("the store answers");
            // A lease from before lasts a second.
            sleep(Duration::from_millis(1_200)).await;
            let begun = Instant::now();
            while gate.fleet().is_some_and(|fleet| fleet.stats().is_open()) {
                if begun.elapsed() > Duration::from_secs(20) {
                    journal.wrong("the store answers, and is not asked for 20 s");
                    break;
                }
                sleep(Duration::from_millis(50)).await;
            }
            clients.tell("phase 3 0").await;
            clients.tell("fleet whole").await;
        })
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Swap => self.swap(!self.is_on_feed).await,
            Act::Edit => self.edit(!self.is_edited).await,
            Act::Reload => {
                let (text, is_good) = texts::any(&mut self.dice, self.fault == Some(Fault::Mutant));
                self.reload(&text, is_good).await;
            }
            Act::Ban => self.ban(!self.is_banned).await,
            Act::Snapshot => self.snapshot(),
            Act::Force => self.force(),
            Act::Publish => {
                let publisher = &mut self.publisher;
                metrics::with_local_recorder(&self.recorder, || {
                    publisher.publish(SystemClock::now())
                });
                let told = self.recorder.handle().render();
                if !told.contains("portcullis") {
                    self.journal.wrong("a recorder has no numbers of the gate");
                }
                self.done.published += 1;
            }
        }
    }

    async fn watch(&self, who: u8, state: &str) {
        self.clients.tell(&format!("watch {who} {state}")).await;
    }

    /// The large list in the place of the small one, or the other way.
    async fn swap(&mut self, on: bool) {
        if on == self.is_on_feed {
            return;
        }
        self.clients.tell("phase 2 1").await;
        self.watch(0, "changing").await;
        let listed = on && self.fault != Some(Fault::Unlisted);
        let set = feed(if on { PREFIXES } else { 10 }, listed, &mut self.dice);
        self.journal.note(&format!("the list has {} prefixes", if on { PREFIXES } else { 10 }));
        if let Err(error) = self.service.gate.lists().replace("feed", set) {
            self.journal.wrong(&format!("a list is not replaced: {error}"));
        }
        self.watch(0, if on { "listed" } else { "free" }).await;
        self.clients.tell("phase 2 0").await;
        self.is_on_feed = on;
        self.done.swaps += 1;
    }

    async fn edit(&mut self, on: bool) {
        if on == self.is_edited {
            return;
        }
        self.watch(1, "changing").await;
        let net: IpNet = ON_THE_EDITED.parse().expect("a prefix");
        let mut edits: Vec<CidrEdit<()>> = (0..5).map(|_| random_edit(&mut self.dice)).collect();
        edits.push(if on { CidrEdit::Insert(net, ()) } else { CidrEdit::Remove(net) });
        self.journal.note(&format!("edited: {} {net}", if on { "with" } else { "without" }));
        if let Err(error) = self.service.gate.lists().edit("blocked", edits) {
            self.journal.wrong(&format!("a list is not edited: {error}"));
        }
        self.watch(1, if on { "listed" } else { "free" }).await;
        self.is_edited = on;
        self.done.edits += 1;
    }

    async fn ban(&mut self, on: bool) {
        if on == self.is_banned {
            return;
        }
        self.watch(2, "changing").await;
        let (gate, net): (_, IpNet) = (&self.service.gate, BANNED.parse().expect("a prefix"));
        if on {
            gate.bans().add(net, Duration::from_secs(600), "by hand", SystemClock::now());
        } else if !gate.bans().remove(net, SystemClock::now()) {
            self.journal.wrong("a ban of ten minutes is not there any more");
        }
        self.journal.note(if on { "banned by hand" } else { "the ban by hand is taken back" });
        self.watch(2, if on { "listed" } else { "free" }).await;
        self.is_banned = on;
        self.done.bans += u64::from(on);
    }

    async fn reload(&mut self, text: &str, is_good: bool) {
        self.clients.tell("phase 2 1").await;
        self.refused.look(&self.service.gate);
        let gate = &self.service.gate;
        let before = format!("{:?}{:?}", gate.policies(), gate.lists().names());
        let reloaded = gate.reload(text, SystemClock::now());
        let after = format!("{:?}{:?}", gate.policies(), gate.lists().names());
        self.journal.note(&format!(
            "a text of {} bytes, {}",
            text.len(),
            if is_good { "good" } else { "with mistakes" }
        ));
        if reloaded.is_ok() != is_good {
            self.journal.wrong(&format!("of a text: {reloaded:?}"));
        }
        if !is_good && before != after {
            self.journal.wrong("a text with mistakes has changed something");
        }
        match is_good {
            true => self.done.reloads += 1,
            false => self.done.refused_reloads += 1,
        }
        if self.fault == Some(Fault::LeakReloads) {
            std::mem::forget(vec![1_u8; 1_024]);
        }
        self.clients.tell("phase 2 0").await;
    }

    /// Into another gate, through a text.
    fn snapshot(&mut self) {
        let now = SystemClock::now();
        let saved = self.service.gate.snapshot(now);
        let text = serde_json::to_string(&saved).expect("a text");
        let other = service::gate();
        let restored = serde_json::from_str::<GateSnapshot>(&text)
            .map_err(|error| error.to_string())
            .and_then(|saved| other.restore(&saved, now).map_err(|error| error.to_string()));
        let bans = other.bans().list(now).len();
        self.journal.note(&format!("a snapshot of {} bytes with {bans} bans", text.len()));
        if restored.is_err() || bans != saved.bans() {
            self.journal.wrong(&format!("of {} bans {bans} came back: {restored:?}", saved.bans()));
        }
        self.done.snapshots += 1;
    }

    /// For a moment, whatever is seen.
    fn force(&mut self) {
        let (defence, now) = (self.service.gate.defence(), SystemClock::now());
        let posture =
            [Posture::Defend, Posture::Lockdown, Posture::Overload][self.dice.below(3) as usize];
        self.journal.note(&format!("forced to {posture}"));
        defence.force(posture, Duration::from_millis(1_500), now);
        self.done.forced += 1;
    }

    /// Nobody asks, nothing is unusual in lists and texts: what is held now is what is held.
    pub(crate) async fn rest(&mut self) {
        self.clients.tell("rest 1").await;
        self.swap(false).await;
        self.edit(false).await;
        self.ban(false).await;
        self.reload(&texts::usual(), true).await;
        // A recorder keeps whatever it was told once, and names of rules come and go here.
        self.recorder = PrometheusBuilder::new().build_recorder();
        self.publisher = MetricsPublisher::new(&self.service.gate);
        let gate = &self.service.gate;
        gate.defence().release(SystemClock::now());
        gate.lists().replace("blocked", CidrSet::new()).expect("a list that is there");
        drop(gate.events());
        // Whoever looks at the page stays.
        let tasks = || Handle::current().metrics().num_alive_tasks() as u64;
        let usual = self.at_rest.first().map(|first| (first.tasks, first.files));
        let begun = Instant::now();
        sleep(Duration::from_millis(800)).await;
        while self.service.connections.open() > 1
            || usual.is_some_and(|usual| usual != (tasks(), memory::files()))
        {
            if begun.elapsed() > Duration::from_secs(6) {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        let sent = self.clients.counts()[0];
        self.at_rest.push(AtRest {
            seconds: self.journal.seconds(),
            heap: memory::heap(),
            files: memory::files(),
            tasks: tasks(),
            threads: memory::threads(),
            requests: sent,
            reloads: self.done.reloads + self.done.refused_reloads,
        });
        self.journal.note("rest");
    }
}

fn random_edit(dice: &mut Dice) -> CidrEdit<()> {
    let net = format!("100.64.{}.{}/32", dice.below(16), dice.below(256));
    let net: IpNet = net.parse().expect("a prefix");
    if dice.one_in(2) { CidrEdit::Insert(net, ()) } else { CidrEdit::Remove(net) }
}

/// As somebody publishes it: a text of so many prefixes, none of which has anybody in it who is regular.
fn feed(prefixes: u32, listed: bool, dice: &mut Dice) -> CidrSet {
    let start = dice.below(1_000) as u32;
    let mut text = String::with_capacity(prefixes as usize * 19);
    for number in 0..prefixes {
        // Every other /28 from 60.0.0.0 on, so that none of them touches another.
        let net = std::net::Ipv4Addr::from_bits(0x3C00_0000 + (start + number) * 32);
        let _ = writeln!(text, "{net}/28");
    }
    if listed {
        text.push_str(ON_THE_FEED);
    }
    text.parse().expect("a list")
}
