//! Each customer's share of the worker: pure.
//!
//! An attempt may take as long as the webhook's timeout, and keeps its place meanwhile. So no
//! customer gets more than its share, even if nobody else needs the rest now: the next customer
//! finds room at once.

use foldhash::HashMap;
use sluice_model::CustomerId;

/// The limits of the worker, for all customers together and for each.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShareLimits {
    /// Deliveries that are taken and not ended.
    pub(super) taken_max: usize,
    /// Bytes of webhooks in flight.
    pub(super) bytes_max: usize,
    /// The most of both that one customer may use, in percent.
    pub(super) customer_percent: usize,
}

/// The part of the worker that one customer uses.
#[derive(Debug, Default)]
struct CustomerShare {
    /// Deliveries that are taken and not ended, including those in flight.
    taken: usize,
    in_flight: usize,
    bytes: usize,
}

/// The shares of all customers.
#[derive(Debug)]
pub(super) struct Shares {
    limits: ShareLimits,
    customers: HashMap<CustomerId, CustomerShare>,
    /// Deliveries that are taken, counting of each customer no more than its share.
    counted: usize,
}

impl Shares {
    pub(super) fn new(limits: ShareLimits) -> Self {
        Self { limits, customers: HashMap::default(), counted: 0 }
    }

    fn customer_taken_max(&self) -> usize {
        (self.limits.taken_max * self.limits.customer_percent / 100).max(1)
    }

    fn customer_bytes_max(&self) -> usize {
        self.limits.bytes_max * self.limits.customer_percent / 100
    }

    /// How many deliveries may be taken now. Deliveries that a take gave a customer beyond its
    /// share take no room from others. They are at most those of one take, since after it the
    /// customer is [`full`](Self::full).
    pub(super) const fn room(&self) -> usize {
        self.limits.taken_max.saturating_sub(self.counted)
    }

    /// The customers that have their share or more: none of their deliveries is taken.
    pub(super) fn full(&self) -> impl Iterator<Item = CustomerId> {
        let max = self.customer_taken_max();
        self.customers.iter().filter(move |(_, share)| share.taken >= max).map(|(id, _)| *id)
    }

    /// Notes a taken delivery.
    pub(super) fn took(&mut self, customer: CustomerId) {
        let max = self.customer_taken_max();
        let share = self.customers.entry(customer).or_default();
        share.taken += 1;
        self.counted += usize::from(share.taken <= max);
    }

    /// Whether the customer's share allows sending a webhook of `bytes` bytes now.
    pub(super) fn may_start(&self, customer: CustomerId, bytes: usize) -> bool {
        let Some(share) = self.customers.get(&customer) else { return true };
        let has_room = share.bytes + bytes <= self.customer_bytes_max();
        share.in_flight == 0 || (share.in_flight < self.customer_taken_max() && has_room)
    }

    /// Notes that a taken delivery is in flight.
    pub(super) fn started(&mut self, customer: CustomerId, bytes: usize) {
        let share = self.customers.entry(customer).or_default();
        share.in_flight += 1;
        share.bytes += bytes;
    }

    /// Notes that an attempt ended, and its delivery with it.
    pub(super) fn ended(&mut self, customer: CustomerId, bytes: usize) {
        if let Some(share) = self.customers.get_mut(&customer) {
            share.in_flight -= 1;
            share.bytes -= bytes;
        }
        self.left(customer);
    }

    /// Notes that a taken delivery ended without an attempt.
    pub(super) fn left(&mut self, customer: CustomerId) {
        let max = self.customer_taken_max();
        let Some(share) = self.customers.get_mut(&customer) else { return };
        self.counted -= usize::from(share.taken <= max);
        share.taken -= 1;
        if share.taken == 0 {
            self.customers.remove(&customer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: ShareLimits = ShareLimits { taken_max: 40, bytes_max: 1000, customer_percent: 25 };
    const ONE: CustomerId = CustomerId::from_u128(1);

    #[test]
    fn a_customer_has_its_share_and_leaves_the_rest() {
        let mut shares = Shares::new(LIMITS);
        (0..40).for_each(|_| shares.took(ONE));
        assert_eq!((shares.room(), shares.full().collect::<Vec<_>>()), (30, vec![ONE]));
        (0..10).for_each(|_| shares.started(ONE, 20));
        assert!(!shares.may_start(ONE, 20), "ten of forty are a quarter");
        (0..9).for_each(|_| shares.ended(ONE, 20));
        assert!(shares.may_start(ONE, 200) && !shares.may_start(ONE, 231));
    }

    #[test]
    fn a_webhook_larger_than_the_share_goes_alone() {
        let mut shares = Shares::new(LIMITS);
        shares.took(ONE);
        assert!(shares.may_start(ONE, 5000));
        shares.started(ONE, 5000);
        assert!(!shares.may_start(ONE, 1));
    }

    proptest! {
        #[test]
        fn the_room_is_what_no_customer_has_within_its_share(
            steps in prop::collection::vec((1u128..5, any::<bool>()), 0..200)
        ) {
            let mut shares = Shares::new(LIMITS);
            let mut taken = [0usize; 5];
            for (n, takes) in steps {
                let count = &mut taken[n as usize];
                if takes {
                    shares.took(CustomerId::from_u128(n));
                    *count += 1;
                } else if *count > 0 {
                    shares.left(CustomerId::from_u128(n));
                    *count -= 1;
                }
                let counted: usize = taken.iter().map(|count| (*count).min(10)).sum();
                prop_assert_eq!(shares.room(), 40usize.saturating_sub(counted));
                prop_assert_eq!(shares.full().count(), taken.iter().filter(|count| **count >= 10).count());
            }
        }
    }
}
