//! The open streams of this process: how many there may be, and how a new event wakes them.

use parking_lot::Mutex;
use sluice_model::CustomerId;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Why one more stream is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoStreamRoom {
    /// The process has as many as it may have.
    Process,
    /// The customer has as many as it may have.
    Customer,
}

/// The open streams.
#[derive(Debug)]
pub(crate) struct Streams {
    max: usize,
    customer_max: usize,
    open: AtomicUsize,
    customers: Mutex<HashMap<CustomerId, CustomerStreams, foldhash::fast::RandomState>>,
}

#[derive(Debug, Default)]
struct CustomerStreams {
    open: usize,
    news: Arc<Notify>,
}

impl Streams {
    pub(crate) fn new(max: usize, customer_max: usize) -> Self {
        Self { max, customer_max, open: AtomicUsize::new(0), customers: Mutex::default() }
    }

    /// How many streams are open.
    pub(crate) fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How many streams one customer may open.
    pub(crate) const fn customer_max(&self) -> usize {
        self.customer_max
    }

    /// Tells a customer's streams of new events. While no stream is open this is one load.
    pub(crate) fn wake(&self, customer: CustomerId) {
        if self.len() > 0
            && let Some(streams) = self.customers.lock().get(&customer)
        {
            streams.news.notify_waiters();
        }
    }

    /// Counts a stream as open until its place is dropped.
    pub(crate) fn enter(self: &Arc<Self>, customer: CustomerId) -> Result<StreamPlace, NoStreamRoom> {
        let mut customers = self.customers.lock();
        if self.len() >= self.max {
            return Err(NoStreamRoom::Process);
        }
        let streams = customers.entry(customer).or_default();
        if streams.open >= self.customer_max {
            return Err(NoStreamRoom::Customer);
        }
        streams.open += 1;
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(StreamPlace { streams: Arc::clone(self), customer, news: Arc::clone(&streams.news) })
    }
}

/// One stream's place among the open ones.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    streams: Arc<Streams>,
    customer: CustomerId,
    /// Notified of the customer's new events.
    pub(crate) news: Arc<Notify>,
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut customers = self.streams.customers.lock();
        self.streams.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(streams) = customers.get_mut(&self.customer) {
            streams.open -= 1;
            if streams.open == 0 {
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
        assert_eq!(streams.enter(one).unwrap_err(), NoStreamRoom::Customer);
        let other = streams.enter(two).unwrap();
        assert_eq!(streams.enter(two).unwrap_err(), NoStreamRoom::Process);
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
