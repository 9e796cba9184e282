//! The service behind the gate: workers, a queue in front of them that holds only so many, and no idea of
//! who still waits for an answer.
//!
//! A request that is taken is worked off even when its client has hung up, as in most services. When a
//! request comes, it is known at once when it will be done: nothing overtakes.

use std::collections::VecDeque;

use super::{
    ask::{Nanos, Work, nanos},
    random::Random,
};

/// How many requests are worked on at a time.
pub(crate) const WORKERS: usize = 4;
/// How many wait for a worker; any more are answered with 503.
pub(crate) const QUEUE: usize = 64;
/// What a client waits before it hangs up.
pub(crate) const PATIENCE: Nanos = super::ask::SECOND;

#[derive(Clone, Debug)]
pub(crate) struct Service {
    random: Random,
    /// When each worker is free.
    free_at: [Nanos; WORKERS],
    /// When those that wait will start, soonest first.
    starts: VecDeque<Nanos>,
    /// Work takes so many times as long as usual.
    pub(crate) slowness: f64,
}

impl Service {
    pub(crate) fn new(random: Random) -> Self {
        Self { random, free_at: [0; WORKERS], starts: VecDeque::new(), slowness: 1.0 }
    }

    /// When this will be done; `None` if the queue is full.
    pub(crate) fn take(&mut self, work: Work, now: Nanos) -> Option<Nanos> {
        while self.starts.front().is_some_and(|start| *start <= now) {
            self.starts.pop_front();
        }
        if self.starts.len() >= QUEUE {
            return None;
        }
        let (worker, free_at) = (0..).zip(self.free_at).min_by_key(|(_, free_at)| *free_at)?;
        let start = free_at.max(now);
        if start > now {
            self.starts.push_back(start);
        }
        let done = start + nanos(self.seconds(work));
        self.free_at[worker] = done;
        Some(done)
    }

    /// Half of it is always there, and the rest varies.
    fn seconds(&mut self, work: Work) -> f64 {
        let mean = mean_seconds(work);
        self.slowness * (0.5 * mean + self.random.wait(0.5 * mean))
    }
}

pub(crate) const fn mean_seconds(work: Work) -> f64 {
    match work {
        Work::Search => 0.080,
        Work::Page | Work::Login => 0.060,
        Work::Redirect => 0.030,
        Work::NotFound => 0.015,
        Work::Asset => 0.010,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::ask::{SECOND, Work, seconds},
        QUEUE, Random, Service, WORKERS, mean_seconds,
    };

    #[test]
    fn an_idle_service_takes_as_long_as_the_work() {
        let mut service = Service::new(Random::new(1));
        let took: f64 = (1..=5_000)
            .map(|at| seconds(service.take(Work::Page, at * SECOND).unwrap() - at * SECOND))
            .sum();
        assert!((took / 5_000.0 - mean_seconds(Work::Page)).abs() < 0.002, "{took}");
    }

    #[test]
    fn a_full_queue_takes_no_more_until_work_is_done() {
        let mut service = Service::new(Random::new(1));
        let taken = (0..1_000).filter_map(|_| service.take(Work::Page, 0)).count();
        assert_eq!(taken, WORKERS + QUEUE);
        assert!(service.take(Work::Page, SECOND).is_some());
    }

    #[test]
    fn what_waits_is_served_in_its_order() {
        let mut service = Service::new(Random::new(1));
        let _ = (0..WORKERS + QUEUE).filter_map(|_| service.take(Work::Page, 0)).count();
        assert!(service.starts.iter().zip(service.starts.iter().skip(1)).all(|(a, b)| a <= b));
    }

    #[test]
    fn a_slow_service_takes_longer() {
        let mut service = Service::new(Random::new(1));
        service.slowness = 10.0;
        let took: f64 = (1..=500)
            .map(|at| seconds(service.take(Work::Asset, at * SECOND).unwrap() - at * SECOND))
            .sum();
        assert!(took / 500.0 > 0.08, "{took}");
    }
}
