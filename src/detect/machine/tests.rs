//! Every line of the table, and what holds on any way through it.

use core::time::Duration;
use std::vec::Vec;

use proptest::prelude::*;

use super::{Evidence, Learning, Machine, Parameters, Posture, Signs, Turn};
use crate::{test_support::cases, time::Timestamp};

const QUIET: (f64, f64) = (0.0, 0.0);

struct Run {
    machine: Machine,
    parameters: Parameters,
    up_to: Posture,
    is_warm: bool,
    second: u64,
    turns: Vec<(u64, Turn)>,
}

impl Run {
    fn new() -> Self {
        Self {
            machine: Machine::new(),
            parameters: Parameters::default(),
            up_to: Posture::Lockdown,
            is_warm: true,
            second: 0,
            turns: Vec::new(),
        }
    }

    /// In this posture, by evidence.
    fn at(posture: Posture) -> Self {
        let mut run = Self::new();
        match posture {
            Posture::Normal => {}
            Posture::Elevated => run.tick(30.0, 0.0),
            Posture::Overload => run.ticks(2, (10.0, 85.0)),
            Posture::Defend => run.ticks(3, (70.0, 0.0)),
            Posture::Lockdown => run.ticks(14, (70.0, 95.0)),
        }
        assert_eq!(run.machine.posture(), posture);
        run.turns.clear();
        run
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_secs(100_000_u64.wrapping_add(self.second))
    }

    fn signs(&mut self, evidence: Evidence, mitigated: f64) {
        self.second += 1;
        let signs = Signs { evidence, is_warm: self.is_warm, mitigated, covered: 0.0 };
        let now = self.now();
        let turn = self.machine.step(&signs, &self.parameters, self.up_to, now);
        self.turns.extend(turn.map(|turn| (self.second, turn)));
    }

    fn tick(&mut self, attack: f64, load: f64) {
        self.signs(
            Evidence { attack, load, offered: 10.0, usual: 10.0, ..Evidence::default() },
            0.0,
        );
    }

    fn ticks(&mut self, seconds: u64, (attack, load): (f64, f64)) {
        (0..seconds).for_each(|_| self.tick(attack, load));
    }

    /// How many ticks until it changes, at most so many.
    fn until_it_changes(&mut self, most: u64, signs: (f64, f64)) -> (u64, Posture) {
        let was = self.machine.posture();
        for tick in 1..=most {
            self.ticks(1, signs);
            if self.machine.posture() != was {
                return (tick, self.machine.posture());
            }
        }
        (most, was)
    }
}

#[test]
fn elevated_is_entered_by_volume_in_two_of_three_ticks() {
    let mut run = Run::new();
    let mut volume = |volume| {
        run.signs(Evidence { volume, ..Evidence::default() }, 0.0);
        run.machine.posture()
    };
    let ticks = [true, false, false, true, false, true];
    let postures = ticks.map(&mut volume);
    assert_eq!(postures[..5], [Posture::Normal; 5]);
    assert_eq!(postures[5], Posture::Elevated);
}

#[test]
fn elevated_is_entered_by_attack_or_load() {
    for (signs, to) in [
        ((29.9, 59.9), Posture::Normal),
        ((30.0, 0.0), Posture::Elevated),
        ((0.0, 60.0), Posture::Elevated),
        // Overload comes from elevated only.
        ((0.0, 100.0), Posture::Elevated),
    ] {
        let mut run = Run::new();
        run.ticks(1, signs);
        assert_eq!(run.machine.posture(), to, "{signs:?}");
    }
}

#[test]
fn elevated_is_left_after_a_quiet_minute() {
    let mut run = Run::at(Posture::Elevated);
    assert_eq!(run.until_it_changes(200, (14.9, 39.9)), (60, Posture::Normal));
    for signs in [(15.0, 0.0), (0.0, 40.0)] {
        assert_eq!(Run::at(Posture::Elevated).until_it_changes(200, signs).1, Posture::Elevated);
    }
    // One tick begins it anew.
    let mut run = Run::at(Posture::Elevated);
    run.ticks(59, QUIET);
    run.tick(15.0, 0.0);
    assert_eq!(run.until_it_changes(200, QUIET), (60, Posture::Normal));
}

#[test]
fn overload_is_load_without_attack() {
    let mut run = Run::at(Posture::Elevated);
    assert_eq!(run.until_it_changes(1, (39.9, 80.0)), (1, Posture::Overload));
    assert_eq!(Run::at(Posture::Elevated).until_it_changes(9, (39.9, 79.9)).1, Posture::Elevated);
    assert_eq!(Run::at(Posture::Elevated).until_it_changes(1, (40.0, 80.0)).1, Posture::Defend);
    let mut run = Run::at(Posture::Overload);
    assert_eq!(run.until_it_changes(200, (0.0, 59.9)), (30, Posture::Elevated));
    assert_eq!(Run::at(Posture::Overload).until_it_changes(200, (0.0, 60.0)).1, Posture::Overload);
}

#[test]
fn defend_is_entered_by_three_of_five_or_under_load() {
    let mut run = Run::new();
    for (attack, to) in [
        (60.0, Posture::Elevated),
        (0.0, Posture::Elevated),
        (60.0, Posture::Elevated),
        (0.0, Posture::Elevated),
        (60.0, Posture::Defend),
    ] {
        run.tick(attack, 0.0);
        assert_eq!(run.machine.posture(), to);
    }
    for from in [Posture::Normal, Posture::Elevated, Posture::Overload] {
        let mut run = Run::at(from);
        assert_eq!(run.until_it_changes(1, (40.0, 80.0)), (1, Posture::Defend));
    }
    assert_eq!(Run::at(Posture::Overload).until_it_changes(9, (39.9, 95.0)).1, Posture::Overload);
}

#[test]
fn defend_is_left_when_all_three_are_quiet() {
    let leaves = |attack, offered, mitigated| {
        let mut run = Run::at(Posture::Defend);
        let evidence = Evidence { attack, offered, usual: 100.0, ..Evidence::default() };
        for _ in 0..150 {
            run.signs(evidence, mitigated);
        }
        run.turns.first().map(|(_, turn)| turn.to)
    };
    assert_eq!(leaves(29.9, 120.0, 0.009), Some(Posture::Overload));
    assert_eq!(leaves(30.0, 120.0, 0.0), None);
    assert_eq!(leaves(0.0, 150.0, 0.0), None);
    assert_eq!(leaves(0.0, 120.0, 0.01), None);
    let mut run = Run::at(Posture::Defend);
    assert_eq!(run.until_it_changes(200, QUIET), (60, Posture::Overload));
}

/// A morning that came during an attack is no reason to go on for hours.
#[test]
fn what_is_usual_may_drift_while_it_is_frozen() {
    let mut run = Run::at(Posture::Defend);
    for _ in 0..2_400 {
        run.signs(Evidence { offered: 180.0, usual: 100.0, ..Evidence::default() }, 0.0);
    }
    let left = run.turns.first().map(|(second, _)| *second);
    assert!(left.is_some_and(|left| (900..2_400).contains(&left)), "{:?}", run.turns);
}

#[test]
fn lockdown_is_defend_under_load_for_ten_seconds() {
    let mut run = Run::at(Posture::Defend);
    assert_eq!(run.until_it_changes(99, (70.0, 90.0)), (11, Posture::Lockdown));
    assert_eq!(Run::at(Posture::Defend).until_it_changes(99, (70.0, 89.9)).1, Posture::Defend);
    assert_eq!(Run::at(Posture::Overload).until_it_changes(99, (0.0, 100.0)).1, Posture::Overload);
    let mut run = Run::at(Posture::Lockdown);
    assert_eq!(run.until_it_changes(200, (70.0, 59.9)), (30, Posture::Defend));
    assert_eq!(Run::at(Posture::Lockdown).until_it_changes(200, (0.0, 60.0)).1, Posture::Lockdown);
}

#[test]
fn it_comes_down_step_by_step() {
    let mut run = Run::at(Posture::Lockdown);
    run.ticks(300, QUIET);
    let way: Vec<(u64, Posture)> = run.turns.iter().map(|(s, turn)| (*s - 14, turn.to)).collect();
    let steps = [Posture::Defend, Posture::Overload, Posture::Elevated, Posture::Normal];
    assert_eq!(way, [30, 90, 120, 180].into_iter().zip(steps).collect::<Vec<_>>());
}

#[test]
fn what_comes_again_is_left_more_slowly() {
    let mut run = Run::new();
    run.parameters.most_changes = 30;
    for seconds in [60, 120, 240, 480] {
        run.tick(30.0, 0.0);
        assert_eq!(run.until_it_changes(5_000, QUIET), (seconds, Posture::Normal));
    }
    // After more than ten minutes it is as at first.
    run.ticks(601, QUIET);
    run.tick(30.0, 0.0);
    assert_eq!(run.until_it_changes(5_000, QUIET), (60, Posture::Normal));
    // And it has an upper bound.
    run.parameters.slowest_seconds = 100;
    run.tick(30.0, 0.0);
    assert_eq!(run.until_it_changes(5_000, QUIET), (100, Posture::Normal));
}

/// I5.
#[test]
fn too_many_changes_latch_the_higher_posture() {
    let mut run = Run::new();
    run.parameters.again_seconds = 0;
    while !run.turns.iter().any(|(_, turn)| turn.latched) {
        run.ticks(2, (0.0, 85.0));
        run.ticks(30, (20.0, 0.0));
        assert!(run.second < 600, "{:?}", run.turns);
    }
    let latched = run.turns.iter().filter(|(_, turn)| turn.latched).count();
    assert_eq!((latched, run.machine.posture()), (1, Posture::Overload));
    assert!(run.turns.len() <= 7, "{:?}", run.turns);
    let (from, turns) = (run.second, run.turns.len());
    assert_eq!(run.until_it_changes(5_000, QUIET).1, Posture::Elevated);
    assert!(run.second >= from + 560 && run.turns.len() == turns + 1);
}

#[test]
fn what_is_latched_still_rises_and_can_be_released() {
    let mut run = Run::new();
    run.parameters.again_seconds = 0;
    run.parameters.most_changes = 1;
    run.tick(30.0, 0.0);
    run.ticks(100, QUIET);
    assert_eq!(run.machine.posture(), Posture::Elevated);
    run.ticks(3, (70.0, 0.0));
    assert_eq!(run.machine.posture(), Posture::Defend);
    run.machine.release(run.now());
    assert_eq!(run.until_it_changes(999, QUIET), (60, Posture::Overload));
}

#[test]
fn cold_it_goes_no_further_than_load_asks_for() {
    let mut run = Run::new();
    run.is_warm = false;
    run.ticks(60, (100.0, 0.0));
    assert_eq!(run.machine.posture(), Posture::Elevated);
    run.ticks(60, (100.0, 100.0));
    assert_eq!(run.machine.posture(), Posture::Overload);
    run.is_warm = true;
    run.ticks(1, (100.0, 100.0));
    assert_eq!(run.machine.posture(), Posture::Defend);
}

/// I2.
#[test]
fn it_goes_up_to_what_it_may() {
    for up_to in Posture::ALL {
        let mut run = Run::new();
        run.up_to = up_to;
        run.ticks(60, (100.0, 100.0));
        assert_eq!(run.machine.posture(), up_to);
    }
    let mut run = Run::at(Posture::Lockdown);
    run.up_to = Posture::Elevated;
    run.tick(100.0, 100.0);
    assert_eq!(run.machine.posture(), Posture::Elevated);
}

#[test]
fn an_operator_is_obeyed_for_a_while() {
    let mut run = Run::new();
    run.up_to = Posture::Elevated;
    let until = run.now().saturating_add(Duration::from_secs(100));
    let turn = run.machine.force(Posture::Lockdown, until, run.now());
    assert_eq!((turn.from, turn.to), (Posture::Normal, Posture::Lockdown));
    assert!(run.machine.is_forced() && run.machine.automatic() == Posture::Normal);
    run.ticks(99, (30.0, 0.0));
    assert_eq!((run.machine.posture(), run.turns.len()), (Posture::Lockdown, 0));
    run.tick(30.0, 0.0);
    assert_eq!((run.machine.posture(), run.turns.len()), (Posture::Elevated, 1));

    let until = run.now().saturating_add(Duration::from_secs(100));
    run.machine.force(Posture::Normal, until, run.now());
    assert_eq!(run.machine.learning(run.now(), &run.parameters), Learning::Frozen);
    let turn = run.machine.release(run.now());
    assert_eq!(turn.map(|turn| turn.to), Some(Posture::Elevated));
    assert_eq!(run.machine.release(run.now()), None);
}

/// I6.
#[test]
fn learning_freezes_and_thaws() {
    let mut run = Run::new();
    let learning = |run: &Run| run.machine.learning(run.now(), &run.parameters);
    assert_eq!(learning(&run), Learning::Usual);
    run.tick(30.0, 0.0);
    assert_eq!(learning(&run), Learning::Frozen);
    run.ticks(3, (70.0, 0.0));
    run.ticks(21_596, (30.0, 0.0));
    assert_eq!(learning(&run), Learning::Frozen);
    run.tick(30.0, 0.0);
    assert_eq!(learning(&run), Learning::Slower(0.1));
    run.ticks(400, QUIET);
    assert_eq!(learning(&run), Learning::Usual);
}

/// I7: the gap was quiet, but down it goes by one step.
#[test]
fn a_gap_is_one_step() {
    let mut run = Run::at(Posture::Defend);
    run.second += 36_000;
    run.tick(0.0, 0.0);
    assert_eq!(run.machine.posture(), Posture::Overload);
    run.second -= 1_000;
    run.ticks(20, QUIET);
    assert_eq!(run.machine.posture(), Posture::Overload);
    let resumed = Machine::resumed(Posture::Defend, run.now());
    assert_eq!(resumed.learning(run.now(), &run.parameters), Learning::Frozen);
}

/// I7: what was quiet for half of its time needs the other half.
#[test]
fn a_clock_set_back_changes_no_time_that_has_passed_or_is_left() {
    const AN_HOUR: Duration = Duration::from_secs(3_600);
    let back = |run: &mut Run| {
        run.machine.set_back(AN_HOUR);
        run.second = run.second.wrapping_sub(3_600);
    };
    // `now` is at 100,000 s, so that an hour earlier is a time.
    let run_at = |posture| {
        let mut run = Run::at(posture);
        run.ticks(30, if posture == Posture::Lockdown { (70.0, 95.0) } else { QUIET });
        run
    };
    for (posture, left) in [(Posture::Elevated, 30), (Posture::Defend, 30)] {
        let mut run = run_at(posture);
        back(&mut run);
        assert_eq!(run.until_it_changes(4_000, QUIET), (left, posture.lower()), "{posture}");
    }
    let mut run = run_at(Posture::Lockdown);
    back(&mut run);
    assert_eq!(run.until_it_changes(4_000, QUIET), (30, Posture::Defend));
    // Ten seconds of load, of which six are over.
    let mut run = Run::at(Posture::Defend);
    run.ticks(6, (70.0, 95.0));
    back(&mut run);
    assert_eq!(run.until_it_changes(99, (70.0, 95.0)), (5, Posture::Lockdown));

    // What comes again is left more slowly, and what was left long ago is not again.
    for (gap, slower) in [(500, 120), (700, 60)] {
        let mut run = Run::new();
        run.parameters.most_changes = 30;
        run.tick(30.0, 0.0);
        run.ticks(60, QUIET);
        run.ticks(gap, QUIET);
        back(&mut run);
        run.tick(30.0, 0.0);
        assert_eq!(run.until_it_changes(4_000, QUIET), (slower, Posture::Normal), "{gap}");
    }

    // Ten minutes of being latched, and six hours of being frozen.
    let mut run = Run::new();
    (run.parameters.most_changes, run.parameters.again_seconds) = (1, 0);
    run.tick(30.0, 0.0);
    run.ticks(300, QUIET);
    back(&mut run);
    let (seconds, to) = run.until_it_changes(4_000, QUIET);
    assert_eq!(to, Posture::Normal);
    assert!((350..=420).contains(&seconds), "{seconds}");
    let mut run = Run::at(Posture::Elevated);
    run.ticks(21_000, (30.0, 0.0));
    back(&mut run);
    run.ticks(500, (30.0, 0.0));
    assert_eq!(run.machine.learning(run.now(), &run.parameters), Learning::Frozen);
    run.ticks(200, (30.0, 0.0));
    assert_eq!(run.machine.learning(run.now(), &run.parameters), Learning::Slower(0.1));

    // An operator's word holds for as long as he said.
    let mut run = Run::new();
    let until = run.now().saturating_add(Duration::from_secs(100));
    run.machine.force(Posture::Lockdown, until, run.now());
    run.ticks(40, QUIET);
    back(&mut run);
    assert_eq!(run.until_it_changes(4_000, QUIET), (60, Posture::Normal));
}

proptest! {
    #![proptest_config(cases(256))]

    /// I1 to I5.
    #[test]
    fn every_way_keeps_the_rules(
        up_to in 0..5_u8,
        is_warm in any::<bool>(),
        most_changes in 2..9_u32,
        parts in prop::collection::vec((1..80_u64, 0..4_u8, 0.0..100.0_f64, 0.0..100.0_f64), 1..60),
    ) {
        let mut run = Run::new();
        (run.up_to, run.is_warm) = (Posture::of_number(up_to), is_warm);
        run.parameters.most_changes = most_changes;
        let (mut entered, mut latched): (u64, Option<u64>) = (0, None);
        for (seconds, kind, attack, load) in parts {
            for _ in 0..seconds {
                let before = run.machine.posture();
                let turns = run.turns.len();
                let (attack, load) = match kind {
                    0 => QUIET,
                    1 => (attack, 0.0),
                    2 => (0.0, load),
                    _ => (attack, load),
                };
                run.tick(attack, load);
                let after = run.machine.posture();
                prop_assert!(after <= run.up_to);
                prop_assert_eq!(run.turns.len() > turns && run.turns[turns].1.from != run.turns[turns].1.to, before != after);
                if before == after && run.turns.len() == turns {
                    continue;
                }
                let turn = run.turns[turns].1;
                prop_assert_eq!((turn.from, turn.to), (before, after));
                if after < before {
                    prop_assert_eq!(after, before.lower());
                    prop_assert!(run.second - entered >= 15);
                    prop_assert!(latched.is_none_or(|latched| run.second >= latched + 600));
                }
                if after == Posture::Lockdown && after > before {
                    prop_assert!(before == Posture::Defend && load >= 90.0);
                }
                if after == Posture::Overload && after > before {
                    let can_defend = is_warm && run.up_to >= Posture::Defend;
                    prop_assert!(before == Posture::Elevated && load >= 80.0);
                    prop_assert!(attack < 40.0 || !can_defend);
                }
                if after > Posture::Overload {
                    prop_assert!(is_warm);
                }
                if before != after {
                    entered = run.second;
                }
                if turn.latched {
                    latched = Some(run.second);
                }
            }
        }
        let changes = run.turns.iter().filter(|(_, turn)| turn.from != turn.to);
        let changes: Vec<u64> = changes.map(|(second, _)| *second).collect();
        for from in &changes {
            let within = changes.iter().filter(|at| (*from..from + 600).contains(*at)).count();
            // What is latched may still rise, to the top.
            prop_assert!(within <= most_changes as usize + 4);
        }
    }
}
