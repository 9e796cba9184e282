//! loom models of bans: `RUSTFLAGS="--cfg loom" cargo test -p portcullis --release --lib loom_bans`.

use core::time::Duration;

use ahash::RandomState;
use ipnet::IpNet;
use loom::{sync::Arc, thread};

use super::bans::{Bans, Subject};
use crate::{
    rule::{Ban, Name},
    time::Timestamp,
};

/// Runs `model` for every schedule of up to this many preemptions.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const MINUTE: Duration = Duration::from_secs(60);

/// One table, of one word: the same in every run.
fn bans(most: usize) -> Arc<Bans> {
    Arc::new(Bans::new(most, RandomState::with_seeds(1, 2, 3, 4)))
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn is_banned(bans: &Bans, text: &str, now: Timestamp) -> bool {
    bans.check(text.parse().unwrap(), now).is_some()
}

/// I1: a ban is seen by whoever comes after it, while another one is lifted, which makes the filter anew.
#[test]
fn loom_bans_a_ban_holds_while_another_is_lifted() {
    explore(2, || {
        let bans = bans(4);
        bans.add(net("198.51.100.0/24"), MINUTE, &Name::from("a"), NOW);
        let [banning, lifting, asking] = [(); 3].map(|()| Arc::clone(&bans));
        let banner = thread::spawn(move || {
            let subject = Subject::Net(net("192.0.2.7/32"));
            banning.ban(subject, Ban::new(MINUTE), &Name::from("b"), NOW);
            assert!(is_banned(&banning, "192.0.2.7", NOW));
        });
        let lifter = thread::spawn(move || {
            assert!(lifting.remove(net("198.51.100.0/24"), NOW));
            assert!(!is_banned(&lifting, "198.51.100.7", NOW));
        });
        let asker = thread::spawn(move || is_banned(&asking, "203.0.113.9", NOW));
        banner.join().unwrap();
        lifter.join().unwrap();
        assert!(!asker.join().unwrap(), "nobody has banned it");
        assert!(is_banned(&bans, "192.0.2.7", NOW) && !is_banned(&bans, "198.51.100.7", NOW));
        assert_eq!((bans.count(NOW), bans.list(NOW).len()), (1, 1));
    });
}

/// I1 and I2, and I1 of lengths: two bans of different lengths and room for one. What is left is found, and what was displaced
/// is counted.
#[test]
fn loom_bans_of_two_one_displaces_the_other() {
    explore(3, || {
        let bans = bans(1);
        let nets = ["10.0.0.0/8", "192.0.2.7/32"];
        let threads = nets.map(|text| {
            let bans = Arc::clone(&bans);
            thread::spawn(move || bans.add(net(text), MINUTE, &Name::from("a"), NOW))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let left = bans.list(NOW);
        assert_eq!((left.len(), bans.times_displaced()), (1, 1));
        let is_left = |text| left[0].net() == Some(net(text));
        assert_eq!(is_banned(&bans, "10.1.2.3", NOW), is_left(nets[0]));
        assert_eq!(is_banned(&bans, "192.0.2.7", NOW), is_left(nets[1]));
    });
}

/// I1: look-ups in vain make the filter anew, while a ban is added to it.
#[test]
fn loom_bans_a_filter_made_anew_forgets_no_ban() {
    explore(3, || {
        let bans = bans(4);
        bans.add(net("198.51.100.7/32"), Duration::from_secs(1), &Name::from("a"), NOW);
        let later = NOW.saturating_add(MINUTE);
        // One more in vain, and the filter is made anew.
        (0..16).for_each(|_| assert!(!is_banned(&bans, "198.51.100.7", later)));
        let [banning, asking] = [(); 2].map(|()| Arc::clone(&bans));
        let banner = thread::spawn(move || {
            banning.add(net("192.0.2.7/32"), MINUTE, &Name::from("b"), later);
            assert!(is_banned(&banning, "192.0.2.7", later));
        });
        let asker = thread::spawn(move || {
            assert!(!is_banned(&asking, "198.51.100.7", later));
            assert!(!is_banned(&asking, "198.51.100.7", later));
        });
        banner.join().unwrap();
        asker.join().unwrap();
        assert!(is_banned(&bans, "192.0.2.7", later));
    });
}
