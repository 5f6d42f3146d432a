//! All connections of a listener, and the sweep that ends those that stand still.

use super::{BODY_LATE, Connection, DRAIN, KILL, Phase, Protocol};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a connection may be what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    pub head: Duration,
    pub body: Duration,
    pub idle: Duration,
}

impl Timeouts {
    /// How often to look: a timeout is late by at most a quarter of the shortest.
    pub(crate) fn tick(&self) -> Duration {
        (self.head.min(self.body).min(self.idle) / 4)
            .clamp(Duration::from_millis(10), Duration::from_millis(2500))
    }
}

/// What the sweep saw of a connection, and since when.
#[derive(Debug)]
struct Seen {
    connection: Arc<Connection>,
    turns: u32,
    turned_at: Instant,
    moves: u32,
    moved_at: Instant,
    head_at: Option<Instant>,
}

/// The connections of a listener.
#[derive(Debug)]
pub(crate) struct Connections {
    max: usize,
    open: Mutex<Open>,
    /// Told when the last one has gone.
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    by_number: HashMap<u64, Seen, foldhash::fast::RandomState>,
}

impl Connections {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, open: Mutex::default(), emptied: Notify::new() }
    }

    /// Whether there is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        self.open.lock().by_number.len() < self.max
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.open.lock().by_number.len()
    }

    /// Takes a connection in until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>, connection: Arc<Connection>) -> Registered {
        let now = Instant::now();
        let seen = Seen { connection, turns: 0, turned_at: now, moves: 0, moved_at: now, head_at: None };
        let mut open = self.open.lock();
        open.last += 1;
        let number = open.last;
        open.by_number.insert(number, seen);
        Registered { connections: Arc::clone(self), number }
    }

    /// Ends what stood still for too long; says how many connections that were.
    pub(crate) fn sweep(&self, timeouts: &Timeouts, now: Instant) -> usize {
        let mut open = self.open.lock();
        let orders = open.by_number.values_mut().filter_map(|seen| {
            let order = seen.look(timeouts, now)?;
            seen.connection.order(order);
            (order == KILL).then_some(())
        });
        orders.count()
    }

    /// Tells all to finish.
    pub(crate) fn drain(&self) {
        self.open.lock().by_number.values().for_each(|seen| seen.connection.order(DRAIN));
    }

    /// Ends all at once; says how many.
    pub(crate) fn kill(&self) -> usize {
        let open = self.open.lock();
        open.by_number.values().for_each(|seen| seen.connection.order(KILL));
        open.by_number.len()
    }

    /// Returns once there are none.
    pub(crate) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Seen {
    /// Notes what moved since the last look and decides what to order.
    fn look(&mut self, timeouts: &Timeouts, now: Instant) -> Option<u8> {
        let of = &self.connection;
        let (turns, moves) = (of.turns.load(Ordering::Relaxed), of.moves.load(Ordering::Relaxed));
        if turns != self.turns {
            (self.turns, self.turned_at, self.head_at) = (turns, now, None);
        }
        if moves != self.moves {
            (self.moves, self.moved_at) = (moves, now);
        }
        if of.protocol() == Protocol::Http2 {
            // Pings end dead peers; here only those end that ask for nothing.
            let idle = of.streams.load(Ordering::Relaxed) == 0 && now - self.turned_at >= timeouts.idle;
            return idle.then_some(if now - self.turned_at >= 2 * timeouts.idle { KILL } else { DRAIN });
        }
        let phase = of.phase.load(Ordering::Relaxed);
        if phase == Phase::Body as u8 {
            let late = now - self.turned_at;
            let stuck = late >= timeouts.body + timeouts.body / 2;
            return (late >= timeouts.body).then_some(if stuck { KILL } else { BODY_LATE });
        }
        if phase == Phase::Serving as u8 {
            return None;
        }
        let head_late = match (of.head_begun.load(Ordering::Relaxed), self.head_at) {
            (true, None) => {
                self.head_at = Some(now);
                false
            }
            (true, Some(at)) => now - at >= timeouts.head,
            (false, _) => {
                self.head_at = None;
                false
            }
        };
        // Nothing read and nothing written: unused, or its peer does not read the answer.
        let idle = now - self.moved_at.max(self.turned_at) >= timeouts.idle;
        (head_late || idle).then_some(KILL)
    }
}

/// A connection's place among the others.
#[derive(Debug)]
pub(crate) struct Registered {
    connections: Arc<Connections>,
    number: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.by_number.remove(&self.number);
        if open.by_number.is_empty() {
            self.connections.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        head: Duration::from_secs(10),
        body: Duration::from_secs(30),
        idle: Duration::from_secs(75),
    };

    /// A connection, swept every second for `seconds` while `act` plays the peer.
    fn ended_after(protocol: Protocol, seconds: u64, act: impl Fn(u64, &Arc<Connection>)) -> Option<u64> {
        let connections = Arc::new(Connections::new(1));
        let connection = Arc::new(Connection::new());
        connection.speaks(protocol);
        let _registered = connections.enter(Arc::clone(&connection));
        let start = Instant::now();
        (0..seconds).find(|second| {
            act(*second, &connection);
            connections.sweep(&TIMEOUTS, start + Duration::from_secs(*second)) > 0
        })
    }

    fn received(connection: &Connection) {
        super::super::bump(&connection.moves);
        connection.head_begun.store(true, Ordering::Relaxed);
    }

    #[test]
    fn an_unused_connection_ends_after_the_idle_time() {
        assert_eq!(ended_after(Protocol::Http1, 100, |_, _| ()), Some(75));
    }

    #[test]
    fn a_head_that_trickles_in_ends_after_the_head_time() {
        assert_eq!(ended_after(Protocol::Http1, 100, |_, connection| received(connection)), Some(10));
    }

    #[test]
    fn a_used_connection_goes_on() {
        let used = |_, connection: &Arc<Connection>| {
            received(connection);
            drop(connection.begin());
        };
        assert_eq!(ended_after(Protocol::Http1, 500, used), None);
        assert_eq!(ended_after(Protocol::Http2, 500, used), None);
    }

    #[test]
    fn a_slow_handler_is_left_alone_and_a_slow_body_is_told_first() {
        let serving = |second: u64, connection: &Arc<Connection>| {
            if second == 0 {
                std::mem::forget(connection.begin());
            }
        };
        assert_eq!(ended_after(Protocol::Http1, 500, serving), None);
        let late = std::cell::Cell::new(0);
        let reading = |second: u64, connection: &Arc<Connection>| {
            if second == 0 {
                std::mem::forget(connection.begin());
                connection.enter(Phase::Body);
            }
            received(connection);
            if connection.is_body_late() && late.get() == 0 {
                late.set(second);
            }
        };
        assert_eq!(ended_after(Protocol::Http1, 500, reading), Some(45));
        assert_eq!(late.get(), 31);
    }

    #[test]
    fn room_is_given_once() {
        let connections = Arc::new(Connections::new(1));
        let first = connections.enter(Arc::new(Connection::new()));
        assert!(!connections.has_room());
        drop(first);
        assert!(connections.has_room());
    }
}
