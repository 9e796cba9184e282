//! How many connections there can be: of each client, and in all.
//!
//! # Invariants
//! - **I1** places in use are those of connections that are open: whatever becomes of one, its place is given
//!   back when it is dropped;
//! - **I2** who is refused for one bound has taken nothing from the other;
//! - **I3** memory is taken when a bound is set, and does not grow.

use crate::{
    limit::{KeyedPermits, OnSaturation, Permit, Permits},
    request::Client,
};

/// The bounds of a listener.
#[derive(Debug, Default)]
pub(super) struct Places {
    most: Option<u32>,
    most_per_client: Option<u32>,
    all: Option<Permits>,
    each: Option<KeyedPermits>,
}

/// What a connection has taken, until it is dropped.
#[derive(Debug, Default)]
#[expect(dead_code, reason = "what counts is that they are dropped")]
pub(super) struct Place {
    in_all: Option<Permit>,
    of_client: Option<Permit>,
}

/// There is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    InAll,
    ForClient,
}

/// For so many clients at a time places are counted, where nothing bounds their number, or a larger one.
const MOST_CLIENTS: u32 = 1 << 16;

impl Places {
    pub(super) fn in_all(self, most: u32) -> Self {
        Self::new(Some(most), self.most_per_client)
    }

    pub(super) fn per_client(self, most: u32) -> Self {
        Self::new(self.most, Some(most))
    }

    fn new(most: Option<u32>, most_per_client: Option<u32>) -> Self {
        // Where there are no more connections there are no more clients.
        let clients = most.unwrap_or(MOST_CLIENTS).min(MOST_CLIENTS);
        let clients = usize::try_from(clients).unwrap_or(usize::MAX);
        let each = |most| KeyedPermits::new(most, clients).on_saturation(OnSaturation::Allow);
        Self { most, most_per_client, all: most.map(Permits::new), each: most_per_client.map(each) }
    }

    /// A place for a connection of this client.
    pub(super) fn take(&self, client: &Client) -> Result<Place, Full> {
        let place = self.take_in_all()?;
        match &self.each {
            // What was taken before is given back where there is none (I2).
            Some(each) => {
                let of_client = each.try_acquire(client).ok_or(Full::ForClient)?;
                Ok(Place { of_client: Some(of_client), ..place })
            }
            None => Ok(place),
        }
    }

    /// A place for a connection that is nobody's.
    pub(super) fn take_in_all(&self) -> Result<Place, Full> {
        match &self.all {
            Some(all) => match all.try_acquire() {
                Some(permit) => Ok(Place { in_all: Some(permit), of_client: None }),
                None => Err(Full::InAll),
            },
            None => Ok(Place::default()),
        }
    }

    /// One for a connection that is let in whether there is a place or not.
    pub(super) fn take_if_free(&self) -> Place {
        self.take_in_all().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::{Full, Place, Places};
    use crate::request::Client;

    fn result(taken: &Result<Place, Full>) -> Result<(), Full> {
        taken.as_ref().map(drop).map_err(|full| *full)
    }

    #[test]
    fn bounds_hold_in_any_order_of_being_set() {
        let one_way = Places::default().in_all(3).per_client(2);
        let other_way = Places::default().per_client(2).in_all(3);
        for places in [one_way, other_way] {
            let clients = [1, 1, 1, 2, 2, 3].map(Client::V4);
            let taken: Vec<_> = clients.iter().map(|client| places.take(client)).collect();
            let results: Vec<_> = taken.iter().map(result).collect();
            let (client, all) = (Err(Full::ForClient), Err(Full::InAll));
            assert_eq!(results, [Ok(()), Ok(()), client, Ok(()), all, all]);
            drop(taken);
            assert!(places.take(&Client::V4(3)).is_ok());
            assert_eq!(places.all.as_ref().unwrap().in_use(), 0);
            assert!(places.each.as_ref().unwrap().is_empty());
        }
    }

    #[test]
    fn without_a_bound_nobody_is_counted() {
        let places = Places::default();
        let taken: Vec<_> = (0..1_000).map(|_| places.take(&Client::V4(1))).collect();
        assert!(taken.iter().all(Result::is_ok));
    }

    #[test]
    fn who_is_let_in_anyway_takes_a_place_if_there_is_one() {
        let places = Places::default().in_all(2).per_client(1);
        let spared = [(); 3].map(|()| places.take_if_free());
        assert_eq!(result(&places.take(&Client::V4(1))), Err(Full::InAll));
        drop(spared);
        assert!(places.take(&Client::V4(1)).is_ok());
    }

    /// I3: a bound beyond all reason takes no memory beyond reason.
    #[test]
    fn the_largest_bounds_can_be_had() {
        let places = Places::default().in_all(u32::MAX).per_client(u32::MAX);
        assert!(places.each.as_ref().unwrap().memory_bytes() < 8 << 20);
        assert!(places.take(&Client::V4(1)).is_ok());
        let none = Places::default().in_all(0).per_client(0);
        assert_eq!(result(&none.take(&Client::V4(1))), Err(Full::InAll));
        let none = Places::default().per_client(0);
        assert_eq!(result(&none.take(&Client::V4(1))), Err(Full::ForClient));
    }
}
