//! Several limits for one request.

use std::vec::Vec;

use loom::{sync::Arc, thread};

use super::{NOW, explore};
use crate::{
    limit::{Limit, Member, TokenBucket, check_all},
    quota::Quota,
};

/// I1 and I2 of groups: two requests for the same two limits, in the same order and in the opposite one. Who is admitted has taken
/// from both; who is denied from none, once it is told so.
#[test]
fn loom_group_takes_from_all_or_from_none() {
    for (bursts, turned) in [([1, 1], false), ([1, 1], true), ([1, 2], true), ([2, 1], false)] {
        explore(move || {
            let buckets = Arc::new(bursts.map(|n| TokenBucket::new(Quota::per_hour(1).burst(n))));
            let threads: Vec<_> = [false, turned]
                .into_iter()
                .map(|turned| {
                    let buckets = Arc::clone(&buckets);
                    thread::spawn(move || {
                        let order = if turned { [1, 0] } else { [0, 1] };
                        let members = order.map(|at| Member::new(&buckets[at] as &dyn Limit, 1));
                        u32::from(check_all(&members, NOW).is_admitted())
                    })
                })
                .collect();
            let admitted: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            assert!(admitted <= 1);
            // In the opposite orders each may see what the other gives back a moment later.
            assert!(turned || admitted == 1);
            for (bucket, burst) in buckets.iter().zip(bursts) {
                let left = bucket.peek_n(0, NOW).standing().remaining();
                assert_eq!(left + admitted, burst);
            }
        });
    }
}
