//! Random schedules of the limits: more threads and more calls than loom can exhaust. `tests/models.md` says how to run them.

mod bucket;
mod exact;
mod keyed;
mod leased;
mod permits;
mod remote;
mod window;

use crate::{
    limit::reference::{Answer, Bucket},
    quota::Quota,
    schedules::{Dice, Reference},
    time::Timestamp,
};

/// A call of a bucket, and what time it is for the caller.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Check(u32, Timestamp),
    Peek(u32, Timestamp),
    Refund(u32, Timestamp),
    Charge(u32, Timestamp),
    Become(Quota, Timestamp),
}

impl Call {
    /// Any but a change.
    fn any(dice: Dice, most: u32, now: Timestamp) -> Self {
        match dice.below(8) {
            0 => Self::Peek(dice.units(most), now),
            1 => Self::Refund(1, now),
            2 => Self::Charge(dice.units(most), now),
            _ => Self::Check(dice.units(most), now),
        }
    }
}

impl Reference for Bucket {
    type Call = Call;
    type Answer = Option<Answer>;

    fn perform(&mut self, call: &Call) -> Option<Answer> {
        match *call {
            Call::Check(n, now) => Some(self.check_n(n, now)),
            // Nothing stays of what a clone does.
            Call::Peek(n, now) => Some(peeked(self.clone().check_n(n, now))),
            Call::Refund(n, now) => {
                self.refund_n(n, now);
                None
            }
            Call::Charge(n, now) => {
                self.charge_n(n, now);
                None
            }
            Call::Become(quota, now) => {
                self.set_quota(quota, now);
                None
            }
        }
    }

    /// After long idleness the guard is renewed first, which clocks that are behind see.
    fn prepare(&mut self, call: &Call) {
        if let Call::Check(_, now) | Call::Charge(_, now) = *call {
            self.pass(now);
        }
    }
}

/// A question's standing is that of before.
fn peeked(answer: Answer) -> Answer {
    let nothing = core::time::Duration::ZERO;
    Answer { remaining: 0, retry_after: nothing, reset_after: nothing, ..answer }
}

const NOW: Timestamp = Timestamp::from_secs(1_000);
