//! Admission: how many bytes of bodies may be in memory, in total and for one customer.
//!
//! A body is charged as it arrives, not as it is announced, so a slow upload
//! holds no more than it has sent.

use parking_lot::Mutex;
use sluice_model::CustomerId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bodies up to this size are charged to the total only: a customer cannot hold
/// much with them, and most requests are that small.
const SMALL: usize = 64 << 10;

/// Why a body has no room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoBodyRoom {
    /// The bodies of all customers fill the total.
    Process,
    /// The customer's bodies fill its share.
    Customer,
}

/// Counts the bytes of bodies in flight.
#[derive(Debug)]
pub(crate) struct Admission {
    bytes: AtomicUsize,
    bytes_max: usize,
    customer_bytes_max: usize,
    /// Bytes of large bodies in flight, by customer.
    customers: Mutex<HashMap<CustomerId, usize, foldhash::fast::RandomState>>,
}

impl Admission {
    pub(crate) fn new(bytes_max: usize, customer_bytes_max: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), bytes_max, customer_bytes_max, customers: Mutex::default() }
    }

    /// A permit that is not good for any bytes yet.
    pub(crate) const fn permit(&self, customer: CustomerId) -> BodyPermit<'_> {
        BodyPermit { admission: self, customer, bytes: 0 }
    }

    /// Bytes in flight.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> Result<(), NoBodyRoom> {
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.bytes_max {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(NoBodyRoom::Process);
        }
        Ok(())
    }

    fn take_for(&self, customer: CustomerId, bytes: usize) -> Result<(), NoBodyRoom> {
        let mut customers = self.customers.lock();
        let held = customers.entry(customer).or_default();
        if *held + bytes > self.customer_bytes_max {
            return Err(NoBodyRoom::Customer);
        }
        *held += bytes;
        Ok(())
    }

    fn give_back_for(&self, customer: CustomerId, bytes: usize) {
        let mut customers = self.customers.lock();
        if let Some(held) = customers.get_mut(&customer) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                customers.remove(&customer);
            }
        }
    }
}

/// Room for one body, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct BodyPermit<'a> {
    admission: &'a Admission,
    customer: CustomerId,
    bytes: usize,
}

impl BodyPermit<'_> {
    /// Makes the permit good for `bytes` in all.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), NoBodyRoom> {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else { return Ok(()) };
        self.admission.take(more)?;
        if bytes > SMALL {
            let charged = if self.bytes > SMALL { self.bytes } else { 0 };
            if let Err(full) = self.admission.take_for(self.customer, bytes - charged) {
                self.admission.bytes.fetch_sub(more, Ordering::Relaxed);
                return Err(full);
            }
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for BodyPermit<'_> {
    fn drop(&mut self) {
        if self.bytes > SMALL {
            self.admission.give_back_for(self.customer, self.bytes);
        }
        if self.bytes > 0 {
            self.admission.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_room_comes_back_and_no_more_is_given(
            steps in prop::collection::vec((0usize..4, 0u64..3, 0usize..200_000), 1..100),
        ) {
            let admission = Admission::new(400_000, 250_000);
            let mut permits: Vec<BodyPermit<'_>> = Vec::new();
            let mut refused = 0;
            for (step, customer, bytes) in steps {
                match (step, permits.len()) {
                    (0, 1..) => drop(permits.swap_remove(bytes % permits.len())),
                    (1, n @ 1..) => refused += u32::from(permits[bytes % n].grow_to(bytes).is_err()),
                    _ => {
                        let mut permit = admission.permit(CustomerId::from_u128(customer.into()));
                        refused += u32::from(permit.grow_to(bytes).is_err());
                        permits.push(permit);
                    }
                }
                prop_assert_eq!(admission.bytes(), permits.iter().map(|permit| permit.bytes).sum::<usize>());
                prop_assert!(admission.bytes() <= 400_000);
                for customer in 0..3u128 {
                    let is_large = |permit: &&BodyPermit<'_>| permit.customer.as_u128() == customer && permit.bytes > SMALL;
                    prop_assert!(permits.iter().filter(is_large).map(|permit| permit.bytes).sum::<usize>() <= 250_000);
                }
            }
            permits.clear();
            prop_assert!(refused <= 100);
            prop_assert_eq!(admission.bytes(), 0);
            prop_assert!(admission.customers.lock().is_empty());
        }
    }
}
