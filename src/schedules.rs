//! Random schedules of models that are too large for all of them: under `cfg(shuttle)` only. `tests/models.md` names the
//! commands, and says what was found.
//!
//! A model is a function that makes something, has threads work at it, and asserts what has to be so. What the threads do
//! is drawn by [`Dice`], so that each schedule is of another program. Schedules are drawn by two schedulers in turn: one that
//! chooses anew at each step, and one that lets the most important thread run on but for a few moments (PCT: Burckhardt
//! et al., ASPLOS 2010), which finds what needs a thread to be held up for long.
//!
//! All is made of one seed, which is printed, and a schedule that fails is printed too. A schedule knows the numbers that
//! were drawn, so it is the same program that is repeated.
//!
//! # Bounds
//! Accesses are sequentially consistent here: what weak memory may show, loom's models look for.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "which schedules, and what to repeat"
)]

use core::{cell::Cell, fmt::Debug, time::Duration};
use std::{
    collections::HashSet,
    env, eprintln, format,
    string::String,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    vec::Vec,
};

use shuttle::{
    Config, Runner,
    rand::{Rng, thread_rng},
    scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler},
    thread,
};

use crate::time::Timestamp;

/// So many schedules of each model by each scheduler, unless [`RUNS`] says how many.
const DEFAULT_RUNS: usize = 300;
const RUNS: &str = "PORTCULLIS_SHUTTLE_RUNS";
const SEED: &str = "PORTCULLIS_SHUTTLE_SEED";
const REPLAY: &str = "PORTCULLIS_SHUTTLE_REPLAY";

/// Moments at which the second scheduler lets a less important thread run.
const DEPTHS: [usize; 2] = [3, 6];

/// Runs a model under many schedules, or under the one that is to be repeated.
pub(crate) fn explore(model: impl Fn() + Send + Sync + 'static) {
    explore_times((1, 1), model);
}

/// The same with another number of schedules, by this factor: more for a model that fails sooner or later, fewer for a large one.
pub(crate) fn explore_times((times, of): (usize, usize), model: impl Fn() + Send + Sync + 'static) {
    let name = std::thread::current().name().map(String::from).unwrap_or_default();
    let model = Arc::new(model);
    if let Ok(schedule) = env::var(REPLAY) {
        eprintln!("{name}: one schedule again");
        // It is printed in lines.
        let schedule: String = schedule.split_whitespace().collect();
        run(ReplayScheduler::new_from_encoded(&schedule), &model);
        return;
    }
    let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let asked = number(RUNS).map_or(DEFAULT_RUNS, |runs| usize::try_from(runs).unwrap());
    let runs = asked.saturating_mul(times).div_ceil(of);
    let seed = number(SEED).unwrap_or_else(any_seed);
    eprintln!(
        "{name}: {} schedules of seed {seed}; if one fails, repeat them all with {SEED}={seed} {RUNS}={asked}, \
         or the one with {REPLAY}=<what is printed as failing schedule>",
        runs * (1 + DEPTHS.len()),
    );
    for depth in DEPTHS {
        run(PctScheduler::new_from_seed(seed, depth, runs), &model);
    }
    run(RandomScheduler::new_from_seed(seed, runs), &model);
}

fn run(scheduler: impl Scheduler + 'static, model: &Arc<impl Fn() + Send + Sync + 'static>) {
    let mut config = Config::new();
    // Whole gates are checked on these stacks.
    config.stack_size = 1 << 19;
    config.silence_warnings = true;
    let model = Arc::clone(model);
    Runner::new(scheduler, config).run(move || model());
}

fn any_seed() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(0)
}

/// Chance that belongs to a schedule.
#[derive(Clone, Copy)]
pub(crate) struct Dice;

impl Dice {
    pub(crate) fn below(self, end: u64) -> u64 {
        thread_rng().gen_range(0..end)
    }

    pub(crate) fn units(self, most: u32) -> u32 {
        thread_rng().gen_range(1..=most)
    }

    /// One of these.
    pub(crate) fn of<T: Copy>(self, all: &[T]) -> T {
        all[thread_rng().gen_range(0..all.len())]
    }
}

/// A time that all threads share, and that is no step of a schedule.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(start.as_nanos())))
    }

    /// Moves it on.
    pub(crate) fn pass(&self, by: Duration) -> Timestamp {
        let by = u64::try_from(by.as_nanos()).unwrap();
        Timestamp::from_nanos(self.0.fetch_add(by, Ordering::Relaxed) + by)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.pass(Duration::ZERO)
    }
}

/// Has so many threads do the same with their numbers; what they have made of it.
pub(crate) fn together<T: Send + 'static>(
    threads: usize,
    act: impl Fn(usize) -> T + Send + Sync + 'static,
) -> Vec<T> {
    let act = Arc::new(act);
    let threads: Vec<_> = (0..threads)
        .map(|number| {
            let act = Arc::clone(&act);
            thread::spawn(move || act(number))
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

std::thread_local! {
    static BROKEN: Cell<bool> = const { Cell::new(false) };
}

/// Has each exchange of a word be two steps while this is there: a model must fail then.
#[must_use]
pub(crate) fn break_exchanges() -> impl Drop {
    struct Mends;

    impl Drop for Mends {
        fn drop(&mut self) {
            BROKEN.set(false);
        }
    }

    BROKEN.set(true);
    Mends
}

pub(crate) fn exchanges_are_broken() -> bool {
    BROKEN.get()
}

/// A call, what was answered, and when it began and ended.
#[derive(Clone, Debug)]
pub(crate) struct Done<C, A> {
    call: C,
    answer: A,
    began: u64,
    ended: u64,
}

std::thread_local! {
    // Threads of a model are all on one real thread, and this is no step of a schedule.
    static MOMENT: Cell<u64> = const { Cell::new(0) };
}

fn moment() -> u64 {
    MOMENT.set(MOMENT.get() + 1);
    MOMENT.get()
}

/// Makes a call, and keeps when.
pub(crate) fn done<C: Clone, A>(call: C, perform: impl FnOnce(C) -> A) -> Done<C, A> {
    let began = moment();
    let answer = perform(call.clone());
    Done { call, answer, began, ended: moment() }
}

/// What explains answers: a reference, which calls are made of one after the other.
pub(crate) trait Reference: Clone {
    type Call;
    type Answer: PartialEq;

    /// Makes a call.
    fn perform(&mut self, call: &Self::Call) -> Self::Answer;

    /// What a call may do at moments of their own before it is made, once or several times, as long as it changes something.
    fn prepare(&mut self, _: &Self::Call) {}
}

/// Asserts that there is an order of the calls, one after the other, in which a reference answers as the threads were
/// answered, and `is_end` holds of it afterwards. A call that had ended before another one began comes before it.
pub(crate) fn assert_explained<M>(
    model: &M,
    told: &[Vec<Done<M::Call, M::Answer>>],
    is_end: impl Fn(&M) -> bool,
) where
    M: Reference<Call: Debug, Answer: Debug> + Debug,
{
    let mut search = Search {
        told,
        next: std::vec![0; told.len()],
        in_vain: HashSet::new(),
        furthest: (0, String::new()),
        is_end,
    };
    let is_explained = search.explains(model);
    let show = |thread: &Vec<_>| format!("\n{thread:?}");
    assert!(
        is_explained,
        "no order of these calls explains the answers, or what is left: {}\nthe furthest comes to {}",
        told.iter().map(show).collect::<String>(),
        search.furthest.1,
    );
}

struct Search<'a, M: Reference, F> {
    told: &'a [Vec<Done<M::Call, M::Answer>>],
    /// Which call of each thread comes next.
    next: Vec<usize>,
    /// From where there was no way.
    in_vain: HashSet<(Vec<usize>, String)>,
    furthest: (usize, String),
    is_end: F,
}

impl<M, F> Search<'_, M, F>
where
    M: Reference<Call: Debug, Answer: Debug> + Debug,
    F: Fn(&M) -> bool,
{
    fn explains(&mut self, model: &M) -> bool {
        let heads = || self.told.iter().zip(&self.next).map(|(told, at)| told.get(*at));
        // Nothing comes before what has ended first.
        let Some(first_end) = heads().flatten().map(|done| done.ended).min() else {
            return (self.is_end)(model);
        };
        let may_be_next: Vec<usize> = heads()
            .enumerate()
            .filter(|(_, head)| head.is_some_and(|head| head.began < first_end))
            .map(|(thread, _)| thread)
            .collect();
        let so_far = self.next.iter().sum();
        if so_far > self.furthest.0 {
            let heads: Vec<_> = heads().flatten().map(|done| (&done.call, &done.answer)).collect();
            self.furthest = (so_far, format!("{model:?}\nand then {heads:?}"));
        }
        let here = (self.next.clone(), format!("{model:?}"));
        if self.in_vain.contains(&here) {
            return false;
        }
        let is_explained = may_be_next.into_iter().any(|thread| self.goes_on(model, thread));
        if !is_explained {
            self.in_vain.insert(here);
        }
        is_explained
    }

    /// Whether all is explained if this thread's call comes next, or is prepared.
    fn goes_on(&mut self, model: &M, thread: usize) -> bool {
        let at = self.next[thread];
        let head = &self.told[thread][at];
        let mut then = model.clone();
        if then.perform(&head.call) == head.answer {
            self.next[thread] = at + 1;
            if self.explains(&then) {
                return true;
            }
            self.next[thread] = at;
        }
        let mut then = model.clone();
        then.prepare(&head.call);
        format!("{then:?}") != format!("{model:?}") && self.explains(&then)
    }
}
