//! Requests that are due and wait for a connection, each customer's in order.
//!
//! A customer has one request in flight at most, so its requests keep their
//! order, and a customer whose requests are slow occupies one connection only.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use tokio::sync::Notify;

use super::reader::Planned;

/// A request that may be sent.
#[derive(Debug)]
pub(super) struct DueRequest {
    /// When it was due; `None` if it is due when it is sent.
    pub(super) due: Option<Instant>,
    pub(super) planned: Planned,
}

/// The limits of the queues.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaitingLimits {
    pub(super) requests: usize,
    pub(super) bytes: usize,
}

/// The queues, shared by those who fill them and those who send.
#[derive(Debug)]
pub(super) struct WaitingRequests {
    limits: WaitingLimits,
    queues: RefCell<CustomerQueues>,
    /// Players without a request.
    idle: Cell<usize>,
    /// Told when a request may be taken, or there will be no more.
    work: Notify,
    /// Told when a request was taken.
    room: Notify,
}

#[derive(Debug, Default)]
struct CustomerQueues {
    customers: HashMap<u32, CustomerQueue>,
    /// Customers with a waiting request and none in flight.
    ready: VecDeque<u32>,
    requests: usize,
    bytes: usize,
    closed: bool,
}

#[derive(Debug, Default)]
struct CustomerQueue {
    waiting: VecDeque<DueRequest>,
    in_flight: bool,
}

impl WaitingRequests {
    pub(super) fn new(limits: WaitingLimits) -> Self {
        Self {
            limits,
            queues: RefCell::default(),
            idle: Cell::new(0),
            work: Notify::new(),
            room: Notify::new(),
        }
    }

    /// Adds a request. Returns true if no idle player is left for it.
    pub(super) fn push(&self, request: DueRequest) -> bool {
        let mut queues = self.queues.borrow_mut();
        queues.requests += 1;
        queues.bytes += request.planned.request.body.len();
        let customer = request.planned.customer_number;
        let queue = queues.customers.entry(customer).or_default();
        queue.waiting.push_back(request);
        if !queue.in_flight && queue.waiting.len() == 1 {
            queues.ready.push_back(customer);
            self.work.notify_one();
        }
        queues.ready.len() > self.idle.get()
    }

    pub(super) fn is_full(&self) -> bool {
        let queues = self.queues.borrow();
        queues.requests >= self.limits.requests || queues.bytes >= self.limits.bytes
    }

    /// Waits until there is room for more. Cancel safe.
    pub(super) async fn room(&self) {
        while self.is_full() {
            self.room.notified().await;
        }
    }

    /// Waits for a request that may be sent; `None` once there will be no
    /// more. Its customer's next request waits until [`finished`](Self::finished).
    pub(super) async fn take(&self) -> Option<DueRequest> {
        loop {
            if let Some(request) = self.queues.borrow_mut().take() {
                self.room.notify_one();
                return Some(request);
            }
            if self.queues.borrow().closed {
                return None;
            }
            self.idle.set(self.idle.get() + 1);
            self.work.notified().await;
            self.idle.set(self.idle.get() - 1);
        }
    }

    /// Lets the customer's next request be taken.
    pub(super) fn finished(&self, customer: u32) {
        let mut queues = self.queues.borrow_mut();
        let Some(queue) = queues.customers.get_mut(&customer) else { return };
        queue.in_flight = false;
        if queue.waiting.is_empty() {
            queues.customers.remove(&customer);
        } else {
            queues.ready.push_back(customer);
            self.work.notify_one();
        }
        if queues.closed {
            self.work.notify_waiters();
        }
    }

    /// Notes that no more requests will be added.
    pub(super) fn close(&self) {
        self.queues.borrow_mut().closed = true;
        self.work.notify_waiters();
    }

    /// Removes all waiting requests and returns them.
    pub(super) fn drain(&self) -> Vec<DueRequest> {
        let mut queues = self.queues.borrow_mut();
        queues.ready.clear();
        (queues.requests, queues.bytes) = (0, 0);
        let drained = queues.customers.values_mut().flat_map(|queue| queue.waiting.drain(..)).collect();
        self.room.notify_one();
        drained
    }
}

impl CustomerQueues {
    fn take(&mut self) -> Option<DueRequest> {
        let customer = self.ready.pop_front()?;
        let queue = self.customers.get_mut(&customer)?;
        let request = queue.waiting.pop_front()?;
        queue.in_flight = true;
        self.requests -= 1;
        self.bytes -= request.planned.request.body.len();
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Recorded;

    fn request(customer_number: u32, nth: u8) -> DueRequest {
        let mut request = Recorded::parse(b"{}").expect("a request");
        request.body = vec![nth; 10];
        DueRequest { due: None, planned: Planned { request, offset: None, customer_number, pass: 0 } }
    }

    #[tokio::test]
    async fn a_customer_has_one_request_in_flight_and_its_order() {
        let waiting = WaitingRequests::new(WaitingLimits { requests: 10, bytes: 1000 });
        for (customer, nth) in [(1, 0), (1, 1), (2, 0)] {
            assert!(waiting.push(request(customer, nth)), "nobody waits for requests");
        }
        let mut taken = Vec::new();
        for _ in 0..2 {
            taken.push(waiting.take().await.expect("a request"));
        }
        let customers: Vec<_> = taken.iter().map(|request| request.planned.customer_number).collect();
        assert_eq!(customers, [1, 2], "the second of customer 1 waits for its first");
        waiting.close();
        waiting.finished(2);
        waiting.finished(1);
        let last = waiting.take().await.expect("a request");
        assert_eq!((last.planned.customer_number, last.planned.request.body[0]), (1, 1));
        assert!(waiting.take().await.is_none());
    }

    #[tokio::test]
    async fn requests_and_bytes_are_bounded() {
        let waiting = WaitingRequests::new(WaitingLimits { requests: 3, bytes: 20 });
        waiting.push(request(1, 0));
        assert!(!waiting.is_full());
        waiting.push(request(1, 1));
        assert!(waiting.is_full(), "20 bytes");
        waiting.take().await.expect("a request");
        waiting.room().await;
        assert_eq!(waiting.drain().len(), 1);
    }
}
