use std::{collections::VecDeque, sync::Arc, thread, vec::Vec};

use proptest::prelude::*;

use super::{Place, Recent, Ticket};
use crate::{
    detect::{
        Dimension, Seen, Words,
        sketch::streams::{self, Random},
    },
    sync::Mutex,
    test_support::{cases, rounds},
    time::Timestamp,
};

/// A request that says its number in several places.
fn request(number: u64) -> (Seen, Words) {
    streams::request(number, Timestamp::from_millis(number))
}

fn held(recent: &Recent, since: u64) -> Vec<Seen> {
    let mut into = Vec::with_capacity(Recent::MOST);
    recent.copy_into(&mut into, Timestamp::from_millis(since));
    into
}

proptest! {
    #![proptest_config(cases(128))]

    /// The ring is the end of the list of all requests; I1 and I2.
    #[test]
    fn the_ring_is_the_end_of_the_list(
        places in 1_usize..9,
        steps in prop::collection::vec((0_u8..10, any::<u64>()), 0..60),
    ) {
        let recent = Recent::new(places);
        let mut list: VecDeque<(Ticket, Seen)> = VecDeque::new();
        let mut all: Vec<Ticket> = Vec::new();
        for (number, (step, random)) in (1_u64..).zip(steps) {
            if step < 6 {
                let (seen, words) = request(number);
                let ticket = recent.put(seen, words).unwrap();
                prop_assert!(all.last().is_none_or(|last| *last < ticket));
                all.push(ticket);
                list.push_back((ticket, seen));
                if list.len() > places {
                    list.pop_front();
                }
            } else if step < 9 && !all.is_empty() {
                let ticket = all[(random % all.len() as u64) as usize];
                recent.mark_good(ticket);
                for (of, seen) in &mut list {
                    seen.good |= *of == ticket;
                }
            }
            let expected: Vec<Seen> = list.iter().map(|(_, seen)| *seen).collect();
            prop_assert_eq!(held(&recent, 0), expected.clone());
            let since = random % (number + 1);
            let later: Vec<Seen> =
                expected.into_iter().filter(|seen| seen.at >= Timestamp::from_millis(since)).collect();
            prop_assert_eq!(held(&recent, since), later);
            for (_, seen) in &list {
                let key = seen.keys.get(Dimension::Path);
                prop_assert_eq!(recent.words_of(Dimension::Path, key).is_some(), true);
            }
        }
    }
}

#[test]
fn words_are_those_of_the_newest_request_with_the_key() {
    let recent = Recent::new(4);
    assert_eq!(recent.words_of(Dimension::Agent, 1), None);
    for number in 1..=6 {
        let (mut seen, words) = request(number);
        seen.keys.set(Dimension::Agent, number % 2 + 1);
        assert!(recent.put(seen, words).is_some());
    }
    assert_eq!(recent.words_of(Dimension::Agent, 1), Some(request(6).1));
    assert_eq!(recent.words_of(Dimension::Agent, 2), Some(request(5).1));
    let key = |number| request(number).0.keys.get(Dimension::Path);
    assert_eq!(recent.words_of(Dimension::Path, key(3)), Some(request(3).1));
    assert_eq!(recent.words_of(Dimension::Path, key(2)), None);
    assert_eq!(recent.words_of(Dimension::First, 0), None);
}

#[test]
fn a_copy_takes_the_room_that_there_is() {
    let recent = Recent::new(usize::MAX);
    for number in 0..2_000 {
        let (seen, words) = request(number);
        assert!(recent.put(seen, words).is_some());
    }
    assert_eq!(held(&recent, 0).len(), Recent::MOST);
    let mut small = Vec::with_capacity(10);
    recent.copy_into(&mut small, Timestamp::ZERO);
    assert!(small.len() == small.capacity() && small.capacity() < 20);
    assert!(recent.memory_bytes() <= 521 << 10, "{}", recent.memory_bytes());
    assert!(size_of::<Mutex<Place>>() <= 520, "{}", size_of::<Mutex<Place>>());
    assert_eq!(size_of::<Option<Ticket>>(), 8);
}

/// I3: a place that is taken is left out by everybody.
#[test]
fn nothing_waits_for_a_place() {
    let recent = Recent::new(2);
    let put = |number| {
        let (seen, words) = request(number);
        recent.put(seen, words)
    };
    let (one, two) = (put(1).unwrap(), put(2).unwrap());
    let guard = recent.place(one.0.get()).unwrap().lock();
    assert_eq!(put(3), None);
    recent.mark_good(one);
    recent.mark_good(two);
    assert_eq!(held(&recent, 0).len(), 1);
    assert!(recent.words_of(Dimension::Path, request(1).0.keys.get(Dimension::Path)).is_none());
    drop(guard);
    let good: Vec<bool> = held(&recent, 0).iter().map(|seen| seen.good).collect();
    assert_eq!(good, [true, false]);
}

/// I1: who was stopped for a round does not put an old request in the place of a newer one.
#[test]
fn who_comes_too_late_is_dropped() {
    let recent = Recent::new(1);
    let (seen, words) = request(7);
    recent.places[0].lock().ticket = 9;
    assert_eq!(recent.put(seen, words), None);
}

/// Requests are whole, whoever writes at the same time, and marks do not go astray.
#[test]
fn requests_of_many_threads_are_whole() {
    let recent = Arc::new(Recent::new(16));
    let threads = (0..4_u64).map(|thread| {
        let recent = Arc::clone(&recent);
        #[allow(clippy::disallowed_methods, reason = "a test of threads")]
        thread::spawn(move || {
            let mut random = Random(thread);
            for n in 0..rounds(5_000, 12) {
                // Even numbers are good.
                let number = 2 * (n * 4 + thread) + random.below(2);
                let (seen, words) = request(number);
                let ticket = recent.put(seen, words);
                if let Some(ticket) = ticket.filter(|_| number % 2 == 0) {
                    recent.mark_good(ticket);
                }
            }
        })
    });
    let threads: Vec<_> = threads.collect();
    for _ in 0..rounds(500, 3) {
        for seen in held(&recent, 0) {
            let number = seen.at.as_nanos() / 1_000_000;
            assert_eq!(Seen { good: false, ..seen }, request(number).0);
            assert!(!seen.good || number % 2 == 0);
            let words = recent.words_of(Dimension::Path, seen.keys.get(Dimension::Path));
            assert!(words.is_none_or(|words| words == request(number).1));
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
