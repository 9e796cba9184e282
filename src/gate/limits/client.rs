//! What limits say of a client before it has asked for anything.
//!
//! # Invariants
//! - **I1** for a refusal, a limit is heard only if every request of the client meets it, and is denied by it now;
//! - **I2** nothing is taken.

use super::{Cost, Entry, Limits, Met};
use crate::{gate::plan::Then, limit::heal, rule::Facts, time::Timestamp, verdict::Decision};

impl Limits {
    /// The strictest of the limits that deny all that this client may ask for, if there is one.
    pub(in crate::gate) fn foresee_client(
        &self,
        facts: &Facts<'_>,
        now: Timestamp,
    ) -> Option<(usize, Decision)> {
        let of_client = self.these(self.conditions.always);
        let denials = of_client.filter_map(|(limit, entry)| {
            // What a fleet says is not known before it is asked.
            if entry.fleet.is_some() || !entry.is_of_clients() || !entry.is_in_force(facts) {
                return None;
            }
            let Met::Asks(asked) = self.meet(limit, entry, facts, now) else { return None };
            let bucket = entry.state.bucket(asked.hash, false)?;
            let decision = bucket.look_n(asked.units, now);
            // A client without a place may find one, or has others to judge it.
            if decision.is_admitted() || decision.is_saturated() {
                return None;
            }
            // Who is refused here comes to no check that would do it.
            heal(&bucket, asked.units, decision, now);
            Some((limit, decision))
        });
        denials.reduce(|one, other| if other.1.is_stricter_than(&one.1) { other } else { one })
    }

    /// Where a client stands with each limit that is each client's, whatever it asks for.
    pub(in crate::gate) fn standings_of_client<'a>(
        &'a self,
        facts: &'a Facts<'_>,
        now: Timestamp,
    ) -> impl Iterator<Item = (usize, Decision)> + 'a {
        self.these(self.conditions.always).filter_map(move |(limit, entry)| {
            if entry.fleet.is_some() || !entry.key.is_a_network() || entry.distinct.is_some() {
                return None;
            }
            let Met::Asks(asked) = self.meet(limit, entry, facts, now) else { return None };
            let decision = entry.state.bucket(asked.hash, false)?.look_n(1, now);
            (!decision.is_saturated()).then_some((limit, decision))
        })
    }
}

impl Entry {
    /// Whether it is about who the client is, and about nothing that it asks for. One that bans is about
    /// the request that it bans for.
    fn is_of_clients(&self) -> bool {
        self.key.is_a_network()
            && self.distinct.is_none()
            && matches!(self.cost, Cost::Units(_))
            && matches!(self.then, Then::Throttle)
    }
}
