//! Windows answer every sequence of operations as their models do, and never let too much pass.
//!
//! Three windows of the same limit and length are asked the same: in sub-windows, as one of many keys
//! in too few places, and the exact log. The first and the last must equal their models whatever the
//! clock does. While it goes forward, nothing that has passed any of the three may be more than the
//! limit within a window.

#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use portcullis::{
    KeyedWindow, SlidingWindow, Timestamp, WindowLog,
    limit::reference::{
        Answer,
        window::{Log, Parts, Passed},
    },
};

#[derive(Arbitrary, Debug)]
struct Story {
    limit: Limit,
    /// Nanoseconds beyond the least that the limit needs.
    spare: Spare,
    parts: u8,
    start: u64,
    steps: Vec<(Move, Operation)>,
}

#[derive(Arbitrary, Debug)]
enum Limit {
    Small(u8),
    Any(u32),
}

#[derive(Arbitrary, Debug)]
enum Spare {
    Nanos(u8),
    Millis(u16),
    Any(u64),
}

#[derive(Arbitrary, Debug)]
enum Move {
    Stay,
    /// As far as the last denial said to wait, or so much short of it.
    Wait {
        short_of: u8,
    },
    Nanos(u16),
    Millis(u16),
    /// So many sub-windows on, to a beginning, or so many nanoseconds before it.
    Slots {
        on: u8,
        before: u8,
    },
    Forward(u64),
    Back(u16),
    BackMillis(u16),
    To(u64),
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Check(u8),
    CheckMany(u32),
    Peek(u32),
    /// Of what was taken now, or by the last check.
    Refund(u32),
    RefundLast(u8),
}

impl Story {
    /// The limit, the length and the number of sub-windows.
    fn window(&self) -> (u32, Duration, u32) {
        let limit = match self.limit {
            Limit::Small(limit) => u32::from(limit % 8),
            Limit::Any(limit) => limit,
        };
        let spare = match self.spare {
            Spare::Nanos(nanos) => u64::from(nanos),
            Spare::Millis(millis) => u64::from(millis) * 1_000_000,
            Spare::Any(nanos) => nanos % 3_000_000_000_000_000_000,
        };
        let parts = u32::from(self.parts % 8) + 1;
        let least = 32 * u64::from(limit.max(1)) * u64::from(parts);
        (limit, Duration::from_nanos(least.saturating_add(spare)), parts)
    }
}

impl Move {
    fn apply(&self, now: Timestamp, wait: Duration, slot: u64) -> Timestamp {
        let nanos = |nanos: u64| Duration::from_nanos(nanos);
        match *self {
            Self::Stay => now,
            Self::Wait { short_of } => {
                now.saturating_add(wait).saturating_sub(nanos(short_of.into()).min(wait))
            }
            Self::Nanos(by) => now.saturating_add(nanos(by.into())),
            Self::Millis(by) => now.saturating_add(Duration::from_millis(by.into())),
            Self::Slots { on, before } => {
                let slots = (now.as_nanos() / slot).saturating_add(u64::from(on % 16));
                let begin = Timestamp::from_nanos(slots.saturating_mul(slot));
                begin.saturating_sub(nanos(u64::from(before % 3)))
            }
            Self::Forward(by) => now.saturating_add(nanos(by)),
            Self::Back(by) => now.saturating_sub(nanos(by.into())),
            Self::BackMillis(by) => now.saturating_sub(Duration::from_millis(by.into())),
            Self::To(nanos) => Timestamp::from_nanos(nanos),
        }
    }
}

fuzz_target!(|story: Story| {
    let (limit, length, parts) = story.window();
    let Ok(window) = SlidingWindow::new(limit, length, parts) else { return };
    let mut model = Parts::new(limit, length, parts);
    let keyed: KeyedWindow<u8> = KeyedWindow::new(limit, length, parts, 2).unwrap();
    let mut log = WindowLog::new(limit, length).ok().map(|log| (log, Log::new(limit, length)));
    let slot = (length.as_nanos() as u64).div_ceil(parts.into());

    let mut now = Timestamp::from_nanos(story.start);
    let (mut latest, mut last, mut wait) = (now, now, Duration::ZERO);
    // What passed each of them, and each of five keys, until the clock first steps back.
    let mut forward = true;
    let (mut passed, mut passed_log) = (Passed::default(), Passed::default());
    let mut passed_keys = [(); 5].map(|()| Passed::default());

    for (step, operation) in &story.steps {
        now = step.apply(now, wait, slot);
        forward &= now >= latest;
        latest = latest.max(now);
        let n = match *operation {
            Operation::Check(n) => u32::from(n % 8),
            Operation::CheckMany(n) => n,
            Operation::Peek(n) => {
                assert_eq!(Answer::from(window.peek_n(n, now)), model.peek_n(n, now));
                if let Some((log, model)) = &log {
                    assert_eq!(Answer::from(log.peek_n(n, now)), model.peek_n(n, now));
                }
                continue;
            }
            Operation::Refund(_) | Operation::RefundLast(_) => {
                let (n, taken_at) = match *operation {
                    Operation::RefundLast(n) => (u32::from(n), last),
                    Operation::Refund(n) => (n, now),
                    _ => return,
                };
                window.refund_n(n, taken_at);
                model.refund_n(n, taken_at);
                if let Some((log, model)) = &mut log {
                    log.refund_n(n, taken_at);
                    model.refund_n(n, taken_at);
                }
                // What was given back counts as passed, and may pass again.
                (passed, passed_log) = (Passed::default(), Passed::default());
                continue;
            }
        };
        last = now;
        let given = Answer::from(window.check_n(n, now));
        assert_eq!(given, model.check_n(n, now), "{n} at {now:?}");
        assert_eq!(given.admitted, given.retry_after.is_zero());
        wait = if given.retry_after == Duration::MAX { Duration::ZERO } else { given.retry_after };

        let key = (n % 5) as u8;
        let kept = keyed.check_n(&key, n, now);
        assert!(keyed.len() <= 2);
        let exact = log.as_mut().map(|(log, model)| {
            let given = Answer::from(log.check_n(n, now));
            assert_eq!(given, model.check_n(n, now), "{n} at {now:?}");
            given.admitted
        });
        if forward {
            let closed = length;
            let half_open = length - Duration::from_nanos(1);
            for (passed, admitted, length) in [
                (&mut passed, given.admitted, closed),
                (&mut passed_log, exact == Some(true), half_open),
                (&mut passed_keys[usize::from(key)], kept.is_admitted(), closed),
            ] {
                if admitted {
                    passed.note(n, now);
                    assert!(passed.most_within(length) <= u64::from(limit), "{n} at {now:?}");
                }
            }
        }
    }
});
