//! The streams that are open: how many there may be, and what wakes them.

use parking_lot::Mutex;
use sluice_model::CustomerId;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// There is no room for one more stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// On this edge.
    Edge,
    /// Of the customer's.
    Customer,
}

/// The open streams of an edge.
#[derive(Debug)]
pub(crate) struct Streams {
    max: usize,
    customer_max: usize,
    open: AtomicUsize,
    customers: Mutex<HashMap<CustomerId, OfCustomer, foldhash::fast::RandomState>>,
}

#[derive(Debug, Default)]
struct OfCustomer {
    open: usize,
    news: Arc<Notify>,
}

impl Streams {
    pub(crate) fn new(max: usize, customer_max: usize) -> Self {
        Self { max, customer_max, open: AtomicUsize::new(0), customers: Mutex::default() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Says that a customer has new events. Without any stream it costs one load.
    pub(crate) fn wake(&self, customer: CustomerId) {
        if self.len() > 0
            && let Some(of) = self.customers.lock().get(&customer)
        {
            of.news.notify_waiters();
        }
    }

    /// Takes a stream in until its place is dropped.
    pub(crate) fn enter(self: &Arc<Self>, customer: CustomerId) -> Result<Place, NoRoom> {
        let mut customers = self.customers.lock();
        if self.len() >= self.max {
            return Err(NoRoom::Edge);
        }
        let of = customers.entry(customer).or_default();
        if of.open >= self.customer_max {
            return Err(NoRoom::Customer);
        }
        of.open += 1;
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(Place { streams: Arc::clone(self), customer, news: Arc::clone(&of.news) })
    }
}

/// One stream's place among the others.
#[derive(Debug)]
pub(crate) struct Place {
    streams: Arc<Streams>,
    customer: CustomerId,
    /// Told of new events.
    pub(crate) news: Arc<Notify>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut customers = self.streams.customers.lock();
        self.streams.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(of) = customers.get_mut(&self.customer) {
            of.open -= 1;
            if of.open == 0 {
                customers.remove(&self.customer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_capped_and_come_back() {
        let streams = Arc::new(Streams::new(3, 2));
        let [one, two] = [1, 2].map(CustomerId::from_u128);
        let held: Vec<_> = (0..2).map(|_| streams.enter(one).unwrap()).collect();
        assert_eq!(streams.enter(one).unwrap_err(), NoRoom::Customer);
        let other = streams.enter(two).unwrap();
        assert_eq!(streams.enter(two).unwrap_err(), NoRoom::Edge);
        drop(held);
        assert_eq!(streams.len(), 1);
        assert!(streams.enter(one).is_ok());
        drop(other);
        assert_eq!((streams.len(), streams.customers.lock().len()), (0, 0));
    }

    #[tokio::test]
    async fn news_reach_the_streams_of_their_customer() {
        let streams = Arc::new(Streams::new(3, 2));
        let place = streams.enter(CustomerId::from_u128(1)).unwrap();
        let mut told = std::pin::pin!(place.news.notified());
        told.as_mut().enable();
        streams.wake(CustomerId::from_u128(2));
        assert!(futures_util::poll!(told.as_mut()).is_pending());
        streams.wake(CustomerId::from_u128(1));
        told.await;
    }
}
