//! The judge and the posture together, on traffic as the 1998 World Cup's was, and on anything at all.

use std::vec::Vec;

use proptest::prelude::*;

use super::{
    Counted, Heat, Judge, Learning, Parameters,
    concentration::tests::heat,
    mix::tests::browsers,
    site::{Attack, Random, Site},
};
use crate::{
    detect::{Dimension, Hot, Latency, Posture},
    test_support::cases,
};

/// A site that knows what is usual; each minute is busier or quieter by chance (0.16, log-normal).
fn known(rate: f64, seed: u64) -> Site {
    let mut site = Site::new(rate, seed);
    for minute in 0..25 {
        noisy_minute(&mut site, f64::from(minute) / 60.0, &Attack::NONE);
    }
    assert!(site.judge.is_warm(&site.parameters));
    site
}

/// With the curve of a day over it.
fn noisy_minute(site: &mut Site, hour: f64, attack: &Attack) {
    let day = 1.0 + 0.5 * (hour / 24.0 * core::f64::consts::TAU).sin();
    let times = day * (0.16 * site.random.normal()).exp();
    site.run(60, times, attack);
}

fn flood(rate: f64) -> Attack {
    Attack { rate, ..Attack::NONE }
}

#[test]
fn steps_are_noticed_within_three_ticks() {
    for (times, most_missed) in [(5.0, 2), (10.0, 0)] {
        let (mut missed, seeds) = (0, 40);
        for seed in 0..seeds {
            let mut site = known(200.0, seed);
            let rests = site.machine.posture() == Posture::Normal;
            site.turns.clear();
            // Nothing but volume: the very mix and sources that are usual.
            site.run(3, times, &Attack::NONE);
            missed += u32::from(rests && site.machine.posture() != Posture::Elevated);
        }
        assert!(missed <= most_missed, "x{times}: {missed} of {seeds}");
    }
}

/// I4: x10 of the usual mix is a suspicion, for however long.
#[test]
fn volume_alone_never_convicts() {
    let mut site = known(200.0, 7);
    for _ in 0..300 {
        let evidence = site.tick(10.0, &Attack::NONE);
        assert!(evidence.attack < 30.0, "{evidence:?}");
    }
    assert_eq!(site.highest(), Posture::Elevated);
}

#[test]
fn ramps_of_flash_crowds_stay_at_most_elevated() {
    for seed in 0..6 {
        let mut site = known(200.0, seed);
        for minute in 0..60_u32 {
            let times = 1.0 + 2.4 * f64::from(minute.min(40)) / 40.0;
            let times = times * (0.16 * site.random.normal()).exp();
            site.run(60, times, &Attack::NONE);
        }
        assert!(site.highest() <= Posture::Elevated, "seed {seed}");
    }
}

/// I4: everybody wants one page, at once.
#[test]
fn a_crowd_on_one_page_stays_below_forty() {
    for seed in 0..4 {
        let mut site = known(200.0, seed);
        for _ in 0..120 {
            let evidence = site.tick(1.0, &Attack { rate: 2_000.0, ..Attack::CROWD });
            assert!(evidence.attack < 40.0, "{evidence:?}");
            assert!(evidence.concentration > 0.8 && evidence.volume, "{evidence:?}");
        }
        assert_eq!(site.highest(), Posture::Elevated);
    }
}

/// A crowd brings new clients, too.
#[test]
fn a_crowd_with_many_new_clients_is_not_convicted_without_load() {
    let mut site = known(200.0, 13);
    for _ in 0..120 {
        let evidence = site.tick(1.0, &Attack { rate: 1_800.0, new: 0.43, ..Attack::CROWD });
        assert!(evidence.new > 0.35 && evidence.attack < 60.0, "{evidence:?}");
    }
    assert_eq!(site.highest(), Posture::Elevated);
}

/// And if the service is slow under it, it is shed, and nobody is accused.
#[test]
fn a_crowd_that_is_too_much_is_overload() {
    let mut site = known(200.0, 3);
    site.latency = 0.3;
    site.run(60, 1.0, &Attack { rate: 1_000.0, ..Attack::CROWD });
    assert_eq!(site.highest(), Posture::Overload);
}

#[test]
fn floods_are_convicted_within_five_ticks() {
    let floods = [
        flood(2_000.0),
        flood(1_000.0),
        Attack { nets: 50, ..flood(2_000.0) },
        // From everywhere, for one page.
        Attack { nets: 5_000, ..flood(2_000.0) },
        // As browsers do it.
        Attack { nets: 5_000, robots: false, ..flood(2_000.0) },
    ];
    for (number, attack) in floods.iter().enumerate() {
        for seed in 0..5 {
            let mut site = known(200.0, seed);
            site.run(5, 1.0, attack);
            assert_eq!(site.machine.posture(), Posture::Defend, "flood {number}, seed {seed}");
        }
    }
}

/// Half as many as usual on top: no volume, but another mix.
#[test]
fn slow_floods_reach_elevated() {
    let floods = [
        flood(100.0),
        Attack { nets: 5_000, ..flood(100.0) },
        Attack { nets: 5_000, one_path: false, ..flood(100.0) },
        Attack { nets: 50, new: 0.1, ..flood(100.0) },
    ];
    for (number, attack) in floods.iter().enumerate() {
        let mut site = known(200.0, 11);
        let evidence = site.run(10, 1.0, attack);
        assert!(!evidence.volume);
        assert!(site.machine.posture() >= Posture::Elevated, "{number}: {evidence:?}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "hours of a site's traffic")]
fn pulses_do_not_swing_the_posture() {
    for attack in [flood(2_000.0), flood(1_000.0), Attack { rate: 3_000.0, ..Attack::CROWD }] {
        let mut site = known(200.0, 5);
        site.turns.clear();
        for _ in 0..30 {
            site.run(20, 1.0, &attack);
            site.run(40, 1.0, &Attack::NONE);
        }
        let times: Vec<u64> = site.turns.iter().map(|(second, _)| *second).collect();
        for from in &times {
            let within = times.iter().filter(|time| (*from..from + 600).contains(*time)).count();
            assert!(within <= 6, "{:?}", site.turns);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "hours of a site's traffic")]
fn quiet_hours_stay_quiet() {
    for rate in [5.0, 50.0, 500.0] {
        for seed in 0..20 {
            let mut site = Site::new(rate, seed);
            site.run(3_600, 1.0, &Attack::NONE);
            assert_eq!(site.highest(), Posture::Normal, "{rate} a second, seed {seed}");
        }
    }
}

/// The wave of a day with its noise: few false alarms, and none is a conviction.
#[test]
#[cfg_attr(miri, ignore = "hours of a site's traffic")]
fn a_day_of_noise_convicts_nobody() {
    let mut site = Site::new(100.0, 21);
    for minute in 0..360 {
        noisy_minute(&mut site, f64::from(minute) / 15.0, &Attack::NONE);
    }
    let alarms = site.turns.iter().filter(|(_, turn)| turn.from == Posture::Normal).count();
    assert!(alarms <= 2, "{:?}", site.turns);
    assert!(site.highest() <= Posture::Elevated);
}

/// After an attack the posture comes back to normal by itself.
#[test]
fn it_ends() {
    let mut site = known(200.0, 9);
    site.run(60, 1.0, &flood(2_000.0));
    assert_eq!(site.machine.posture(), Posture::Defend);
    let usual = site.judge.usual();
    assert!((100.0..300.0).contains(&usual), "the attack is not learned: {usual}");
    site.run(300, 1.0, &Attack::NONE);
    assert_eq!(site.machine.posture(), Posture::Normal);
}

/// What begins with its process is not an attack for hours.
#[test]
fn a_cold_start_learns_in_any_posture() {
    let mut site = Site::new(300.0, 1);
    site.run(90, 1.0 / 300.0, &Attack::NONE);
    site.run(120, 1.0, &Attack::NONE);
    assert_eq!(site.highest(), Posture::Elevated);
    site.run(600, 1.0, &Attack::NONE);
    assert_eq!(site.machine.posture(), Posture::Normal);
    assert!(site.judge.is_warm(&site.parameters) && site.judge.usual() > 150.0);
}

#[test]
fn an_hour_without_requests_is_one_step() {
    let mut site = known(200.0, 2);
    let gap = Counted { seconds: 3_600.0, offered: 1, sampled: 1, ..Counted::default() };
    let evidence = site.judge.judge(&gap, &Heat::default(), Learning::Usual, &site.parameters);
    assert!(evidence.attack < 1.0 && evidence.load < 1.0, "{evidence:?}");
    site.run(60, 1.0, &Attack::NONE);
    assert_eq!(site.highest(), Posture::Normal);
}

/// Rates are compared, not counts; and nothing is nothing.
#[test]
#[cfg_attr(miri, ignore = "hours of a site's traffic")]
fn ticks_of_any_length_are_judged_alike() {
    for rate in [5.0, 200.0] {
        let (mut judge, parameters, mut random) = (Judge::new(), Parameters::default(), Random(17));
        let mut tick = |random: &mut Random, rate: f64, learning| {
            let seconds = 0.5 + 4.0 * random.unit() * random.unit();
            let counted = browsers(random.poisson(rate * seconds));
            let counted = Counted { seconds, ..counted };
            judge.judge(&counted, &Heat::default(), learning, &parameters)
        };
        for _ in 0..3_000 {
            let evidence = tick(&mut random, rate, Learning::Usual);
            assert!(!evidence.volume && evidence.attack < 15.0, "{evidence:?}");
        }
        for _ in 0..20 {
            assert!(tick(&mut random, rate * 20.0, Learning::Frozen).volume);
        }
        for _ in 0..7_200 {
            let evidence = tick(&mut random, 0.0, Learning::Usual);
            assert!(!evidence.volume && evidence.attack < 15.0, "{evidence:?}");
        }
        assert!(!tick(&mut random, 1.0, Learning::Usual).volume);
    }
}

#[test]
fn frozen_is_frozen_and_slower_is_slower() {
    let site = known(200.0, 4);
    let learned = |learning| {
        let mut judge = site.judge.clone();
        for _ in 0..120 {
            judge.judge(&browsers(300), &Heat::default(), learning, &site.parameters);
        }
        (judge.usual() - site.judge.usual()).abs()
    };
    assert_eq!(learned(Learning::Frozen), 0.0);
    assert!(learned(Learning::Slower(0.1)) < 0.5 * learned(Learning::Usual));
}

#[cfg(feature = "serde")]
#[test]
fn what_is_usual_survives_a_restart() {
    let site = known(200.0, 4);
    let text = serde_json::to_string(&site.judge).unwrap();
    let read: Judge = serde_json::from_str(&text).unwrap();
    assert!(read.is_sane() && read.is_warm(&site.parameters));
    assert!((read.usual() - site.judge.usual()).abs() < 1e-9);
    let odd: Judge = serde_json::from_str(&text.replacen("\"mean\":", "\"mean\":-", 1)).unwrap();
    assert!(!odd.is_sane());
}

fn any_counted() -> impl Strategy<Value = Counted> {
    let number = || prop_oneof![Just(0), 0..1_000_u64, any::<u64>()];
    let counts = prop::collection::vec(number(), 21);
    let floats = prop::collection::vec(prop_oneof![any::<f64>(), 0.0..100.0_f64], 6);
    (counts, floats, any::<Option<u64>>()).prop_map(|(n, f, in_flight_limit)| Counted {
        seconds: f[0],
        offered: n[0],
        sampled: n[1],
        methods: [n[2], n[3], n[4]],
        without_agent: n[5],
        without_referer: n[6],
        with_cookie: n[7],
        with_query: n[8],
        http_1_0: n[9],
        unknown: n[10],
        verified: n[11],
        entropy: f[1],
        clients: f[2],
        answered: [n[12], n[13], n[14], n[15], n[16]],
        admitted: n[0],
        mitigated: n[17],
        shed: n[18],
        in_flight: n[19],
        in_flight_limit,
        latency: Latency { requests: n[20], median: f[3], p90: f[4] },
        gauge: f[5],
        ..Counted::default()
    })
}

fn any_heat() -> impl Strategy<Value = Heat> {
    let number = || prop_oneof![any::<f64>(), 0.0..1_000.0_f64];
    let hot = (0..Dimension::COUNT, any::<u64>(), number(), number());
    let hot = hot.prop_map(|(dimension, key, count, usual)| Hot {
        dimension: Dimension::ALL[dimension],
        key,
        count,
        usual,
        over: 0.0,
    });
    (prop::collection::vec(hot, 0..20), number(), number())
        .prop_map(|(hot, total, usual_total)| Heat { hot, total, usual_total })
}

proptest! {
    #![proptest_config(cases(128))]

    /// I1: whatever is counted, at whatever moment of learning.
    #[test]
    fn evidence_is_within_its_ranges(
        quiet in 0..200_u64,
        ticks in prop::collection::vec((any_counted(), any_heat(), 0..4_u8), 1..30),
    ) {
        let (mut judge, parameters) = (Judge::new(), Parameters::default());
        for n in 0..quiet {
            let usual = heat(Dimension::Path, &[(30.0, 30.0)], 100.0, 100.0);
            judge.judge(&browsers(n), &usual, Learning::Usual, &parameters);
        }
        for (counted, heat, learning) in ticks {
            let learning = match learning {
                0 => Learning::Frozen,
                1 => Learning::Slower(0.1),
                _ => Learning::Usual,
            };
            let evidence = judge.judge(&counted, &heat, learning, &parameters);
            prop_assert!((0.0..=100.0).contains(&evidence.attack), "{evidence:?}");
            prop_assert!((0.0..=100.0).contains(&evidence.load), "{evidence:?}");
            prop_assert!((0.0..=36.0).contains(&evidence.mix), "{evidence:?}");
            for share in [evidence.concentration, evidence.new, evidence.usual_new] {
                prop_assert!((0.0..=1.0).contains(&share), "{evidence:?}");
            }
            for number in [evidence.offered, evidence.usual, evidence.clients] {
                prop_assert!(number.is_finite() && number >= 0.0, "{evidence:?}");
            }
            prop_assert!(evidence.z.is_finite(), "{evidence:?}");
            prop_assert!(judge.is_sane(), "{judge:?}");
        }
    }
}
