//! What a flood may do to the library's own store, in figures.
//!
//! The unit tests hold a small story to them and the benchmark those of full size, so that a store that
//! became worse under attack does not pass for an ordinary change.
//!
//! To a store, a good client that is new and a key of the flood are alike. There are 28,600 places,
//! and a key holds one for the 100 ms in which its unit comes back and for 1 to 1.5 ms more; so at most
//! 282,000 keys a second find one, whoever they are. Nothing but a coarser limit changes that.

use super::{Attack, Report, Role, World};

/// Whatever the attack is, and whether or not there are coarser limits.
///
/// # Panics
/// If known clients are denied more than one request in a hundred, if the keys of the cycler get more than
/// 1.05 times what they may, or if the abuser does not get its 10 a second.
pub fn always(world: &World, report: &Report) {
    let known = report.denied_percent(Role::Known);
    assert!(known <= 1.0, "{known} % of the known denied: {world:?}");
    // The burst is gone when the flood begins.
    let abuser = report.admitted_per_second(Role::Abuser);
    assert!((9.7..=10.3).contains(&abuser), "{abuser} of the abuser's a second: {world:?}");
    if world.attack == Attack::Cycler {
        let cycler = report.admitted_per_second(Role::Attacker) / world.fair_per_second();
        assert!(cycler <= 1.05, "the cycler gets {cycler} times what is fair: {world:?}");
    }
}

/// Of the store alone.
///
/// # Panics
/// If it is not as [`always`], if a client was admitted more than the exact model would, or if
/// new clients are denied more often than there are fewer places than keys.
pub fn alone(world: &World, report: &Report) {
    always(world, report);
    assert_eq!(report.over_admissions(), 0, "{world:?}");
    let most = match world.attack {
        Attack::Cycler => 10.0,
        Attack::OneShot { per_second: 0..=250_000 } => 14.0,
        Attack::OneShot { per_second: 0..=500_000 } => 49.0,
        Attack::OneShot { .. } => 74.0,
    };
    // A small story has a few hundred of them, so chance has its say.
    let chance = if world.scale > 1 { 4.0 } else { 0.0 };
    let new = report.denied_percent(Role::New);
    assert!(new <= most + chance, "{new} % of the new denied: {world:?}");
}

/// Of the store with coarser limits, where an attack comes from a limited number of networks.
///
/// # Panics
/// If it is not as [`always`], or if more than one new client in a hundred is denied.
pub fn from_networks(world: &World, report: &Report) {
    always(world, report);
    let new = report.denied_percent(Role::New);
    assert!(new <= 1.0, "{new} % of the new denied: {world:?}");
}

/// Of the store alone, where patient keys of the attacker's were there before a flood of a million keys
/// a second.
///
/// # Panics
/// If known clients that came first lose anything to the squatters; or if those that came after them are
/// not between: worse off than that, which is the known price, and better off than newcomers.
pub fn against_squatters(world: &World, report: &Report) {
    let first = world.squatters.is_some_and(|squatters| squatters.first);
    let known = report.denied_percent(Role::Known);
    let lawful = if first { 30.0..=75.0 } else { 0.0..=1.0 };
    assert!(lawful.contains(&known), "{known} % of the known denied: {world:?}");
    assert!(known < report.denied_percent(Role::New), "{world:?}");
    assert_eq!(report.over_admissions(), 0, "{world:?}");
}
