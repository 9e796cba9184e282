//! Many addresses at once: the families gathered apart, asked together, told in their places.

use core::net::IpAddr;

use super::addr::Number;

/// So many addresses are gathered at a time: enough for the loads of a table to overlap, and little
/// enough to stay in the nearest cache.
pub(super) const BLOCK: usize = 64;

/// Asks the table of each family for the addresses of it, and puts what was `said` of each address at
/// its place in `found`. Of two slices that differ in length, the rest of the longer one is left alone.
#[inline]
pub(super) fn ask<A: Copy + Default, F>(
    addrs: &[IpAddr],
    found: &mut [F],
    v4: impl Fn(&[u32], &mut [A]),
    v6: impl Fn(&[u128], &mut [A]),
    said: impl Fn(A) -> F,
) {
    let (mut of_v4, mut of_v6) = (Gathered::<u32>::new(), Gathered::<u128>::new());
    for (addrs, found) in addrs.chunks(BLOCK).zip(found.chunks_mut(BLOCK)) {
        (of_v4.len, of_v6.len) = (0, 0);
        for (place, addr) in (0_u8..).zip(addrs.iter().take(found.len())) {
            match Number::from(*addr) {
                Number::V4(addr) => of_v4.push(addr, place),
                Number::V6(addr) => of_v6.push(addr, place),
            }
        }
        of_v4.tell(found, &v4, &said);
        of_v6.tell(found, &v6, &said);
    }
}

/// The addresses of one family in a block, and the places that they have in it.
struct Gathered<B> {
    addrs: [B; BLOCK],
    places: [u8; BLOCK],
    len: usize,
}

impl<B: Copy + Default> Gathered<B> {
    fn new() -> Self {
        Self { addrs: [B::default(); BLOCK], places: [0; BLOCK], len: 0 }
    }

    #[inline]
    #[allow(clippy::indexing_slicing, reason = "cut to the length of the arrays, without a branch")]
    fn push(&mut self, addr: B, place: u8) {
        self.addrs[self.len % BLOCK] = addr;
        self.places[self.len % BLOCK] = place;
        self.len = self.len.wrapping_add(1);
    }

    #[inline]
    fn tell<A: Copy + Default, F>(
        &self,
        found: &mut [F],
        table: impl Fn(&[B], &mut [A]),
        said: impl Fn(A) -> F,
    ) {
        let addrs = self.addrs.get(..self.len).unwrap_or_default();
        if addrs.is_empty() {
            return;
        }
        let mut answers = [A::default(); BLOCK];
        table(addrs, &mut answers);
        if addrs.len() == found.len() {
            // All of the block is of this family, and in its place.
            found.iter_mut().zip(answers).for_each(|(found, answer)| *found = said(answer));
            return;
        }
        for (place, answer) in self.places.iter().zip(answers).take(self.len) {
            if let Some(found) = found.get_mut(usize::from(*place)) {
                *found = said(answer);
            }
        }
    }
}
