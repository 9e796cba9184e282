//! Learning in peace, and playing a scenario after it.

use std::sync::Arc;

use super::{
    ask::{Nanos, SECOND},
    attack::Attack,
    gatekeeper::{Keeper, Saved},
    measure::{Phase, Record, Results},
    people::Crowd,
    scenario::{Scenario, Trouble},
    world::{Slowness, World},
};

/// What people ask for, all together, in requests a second. The service can do two and a half times that.
pub(crate) const RATE: f64 = 60.0;
/// How long a gate learns what is usual: more than it needs before it does anything on its own.
const LEARNING: Nanos = 750 * SECOND;

/// A world and a gate that have come to know each other in peace.
pub(crate) struct Learned {
    seed: u64,
    world: World,
    /// What the gate has learned; `None` where the library is built without snapshots.
    saved: Option<Saved>,
}

/// One scenario that was played.
pub(crate) struct Run {
    pub(crate) scenario: &'static Scenario,
    pub(crate) seed: u64,
    pub(crate) record: Record,
    pub(crate) results: Results,
    /// The gate's own report, as Markdown.
    pub(crate) incident: Option<String>,
}

impl Learned {
    pub(crate) fn new(seed: u64) -> Result<Self, String> {
        let (world, keeper) = learn(seed)?;
        let saved = keeper.save(LEARNING);
        Ok(Self { seed, world, saved })
    }

    /// Plays a scenario. Others can be played after it: each begins at the end of learning.
    pub(crate) fn play(&self, scenario: &'static Scenario) -> Result<Run, String> {
        let (mut world, mut keeper) = match &self.saved {
            Some(saved) => (self.world.clone(), Keeper::restored(saved, LEARNING)?),
            // Once more, with the same people.
            None => learn(self.seed)?,
        };
        let at = |second: u64| LEARNING + second * SECOND;
        prepare(&mut world, scenario);
        world.record = Record::from(LEARNING);
        if let Some(second) = scenario.restart() {
            world.run(&keeper, at(second));
            if let Some(saved) = keeper.save(at(second)) {
                world.record.told.extend(keeper.told());
                keeper = Keeper::restored(&saved, at(second))?;
            }
        }
        world.run(&keeper, at(scenario.end));
        let when = Phase { from: scenario.from as usize, until: scenario.until as usize };
        let results = Results::of(&world.record, when);
        let incident = keeper.incident();
        Ok(Run { scenario, seed: self.seed, record: world.record, results, incident })
    }
}

fn learn(seed: u64) -> Result<(World, Keeper), String> {
    let (mut world, keeper) = (World::new(seed, RATE), Keeper::new()?);
    world.run(&keeper, LEARNING);
    Ok((world, keeper))
}

fn prepare(world: &mut World, scenario: &Scenario) {
    let from = LEARNING + scenario.from * SECOND;
    let until = LEARNING + scenario.until * SECOND;
    match scenario.trouble {
        Trouble::Attack(kind, speed) | Trouble::Restart(kind, speed, _) => {
            let (site, random) = (Arc::clone(&world.site), world.fork());
            world.attack(Attack::new(kind, speed, (from, until), site, random));
        }
        Trouble::Crowd(times) => {
            let until = LEARNING + (scenario.until + 300) * SECOND;
            let peak = LEARNING + scenario.until * SECOND;
            world.people.crowd = Some(Crowd { from, peak, until, times });
        }
        Trouble::Slow(times) => world.slow(Slowness { from, until, times }),
    }
}
