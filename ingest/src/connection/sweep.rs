//! All connections of a listener, and the sweep that ends those which stand still.

use super::{BODY_LATE, ClientConnection, ConnectionPhase, DRAIN, HttpProtocol, KILL};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a connection may stay in each state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// From a request's first byte to the end of its head.
    pub head: Duration,
    /// From a request's head to the end of its body.
    pub body: Duration,
    /// Without a request.
    pub idle: Duration,
}

impl Timeouts {
    /// How often to sweep, so that a timeout is late by at most a quarter of the shortest one.
    pub(crate) fn tick(&self) -> Duration {
        (self.head.min(self.body).min(self.idle) / 4)
            .clamp(Duration::from_millis(10), Duration::from_millis(2500))
    }
}

/// The counts that the sweep last saw on a connection, and when each last changed.
#[derive(Debug)]
struct SeenConnection {
    connection: Arc<ClientConnection>,
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
    open: Mutex<OpenConnections>,
    /// Notified when the last connection has gone.
    emptied: Notify,
}

#[derive(Debug, Default)]
struct OpenConnections {
    last_number: u64,
    by_number: HashMap<u64, SeenConnection, foldhash::fast::RandomState>,
}

impl Connections {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, open: Mutex::default(), emptied: Notify::new() }
    }

    /// Whether one more connection is allowed.
    pub(crate) fn has_room(&self) -> bool {
        self.open.lock().by_number.len() < self.max
    }

    /// How many connections are open.
    pub(crate) fn len(&self) -> usize {
        self.open.lock().by_number.len()
    }

    /// Registers a connection until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>, connection: Arc<ClientConnection>) -> Registered {
        let now = Instant::now();
        let seen =
            SeenConnection { connection, turns: 0, turned_at: now, moves: 0, moved_at: now, head_at: None };
        let mut open = self.open.lock();
        open.last_number += 1;
        let number = open.last_number;
        open.by_number.insert(number, seen);
        Registered { connections: Arc::clone(self), number }
    }

    /// Ends the connections that stood still for too long; returns how many.
    pub(crate) fn sweep(&self, timeouts: &Timeouts, now: Instant) -> usize {
        let mut open = self.open.lock();
        let orders = open.by_number.values_mut().filter_map(|seen| {
            let order = seen.look(timeouts, now)?;
            seen.connection.order(order);
            (order == KILL).then_some(())
        });
        orders.count()
    }

    /// Orders every connection to finish its requests and to take no more.
    pub(crate) fn drain(&self) {
        self.open.lock().by_number.values().for_each(|seen| seen.connection.order(DRAIN));
    }

    /// Ends every connection at once; returns how many.
    pub(crate) fn kill(&self) -> usize {
        let open = self.open.lock();
        open.by_number.values().for_each(|seen| seen.connection.order(KILL));
        open.by_number.len()
    }

    /// Returns once no connection is open.
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

impl SeenConnection {
    /// Notes the counts that changed since the last sweep, and decides which order to give.
    fn look(&mut self, timeouts: &Timeouts, now: Instant) -> Option<u8> {
        let connection = &self.connection;
        let (turns, moves) =
            (connection.turns.load(Ordering::Relaxed), connection.moves.load(Ordering::Relaxed));
        if turns != self.turns {
            (self.turns, self.turned_at, self.head_at) = (turns, now, None);
        }
        if moves != self.moves {
            (self.moves, self.moved_at) = (moves, now);
        }
        if connection.protocol() == HttpProtocol::Http2 {
            // Pings end connections of dead peers; the sweep ends those without requests.
            let idle =
                connection.streams.load(Ordering::Relaxed) == 0 && now - self.turned_at >= timeouts.idle;
            return idle.then_some(if now - self.turned_at >= 2 * timeouts.idle { KILL } else { DRAIN });
        }
        let phase = connection.phase.load(Ordering::Relaxed);
        if phase == ConnectionPhase::Body as u8 {
            let late = now - self.turned_at;
            let stuck = late >= timeouts.body + timeouts.body / 2;
            return (late >= timeouts.body).then_some(if stuck { KILL } else { BODY_LATE });
        }
        if phase == ConnectionPhase::Serving as u8 {
            return None;
        }
        let head_late = match (connection.head_begun.load(Ordering::Relaxed), self.head_at) {
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
        // No byte moved: the connection is unused, or its peer does not read the answer.
        let idle = now - self.moved_at.max(self.turned_at) >= timeouts.idle;
        (head_late || idle).then_some(KILL)
    }
}

/// A connection's entry in the register, until this is dropped.
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
    fn ended_after(
        protocol: HttpProtocol,
        seconds: u64,
        act: impl Fn(u64, &Arc<ClientConnection>),
    ) -> Option<u64> {
        let connections = Arc::new(Connections::new(1));
        let connection = Arc::new(ClientConnection::new(None));
        connection.speaks(protocol);
        let _registered = connections.enter(Arc::clone(&connection));
        let start = Instant::now();
        (0..seconds).find(|second| {
            act(*second, &connection);
            connections.sweep(&TIMEOUTS, start + Duration::from_secs(*second)) > 0
        })
    }

    fn received(connection: &ClientConnection) {
        super::super::bump(&connection.moves);
        connection.head_begun.store(true, Ordering::Relaxed);
    }

    #[test]
    fn an_unused_connection_ends_after_the_idle_time() {
        assert_eq!(ended_after(HttpProtocol::Http1, 100, |_, _| ()), Some(75));
    }

    #[test]
    fn a_head_that_trickles_in_ends_after_the_head_time() {
        assert_eq!(ended_after(HttpProtocol::Http1, 100, |_, connection| received(connection)), Some(10));
    }

    #[test]
    fn a_used_connection_goes_on() {
        let used = |_, connection: &Arc<ClientConnection>| {
            received(connection);
            drop(connection.begin());
        };
        assert_eq!(ended_after(HttpProtocol::Http1, 500, used), None);
        assert_eq!(ended_after(HttpProtocol::Http2, 500, used), None);
    }

    #[test]
    fn a_slow_handler_is_left_alone_and_a_slow_body_is_told_first() {
        let serving = |second: u64, connection: &Arc<ClientConnection>| {
            if second == 0 {
                std::mem::forget(connection.begin());
            }
        };
        assert_eq!(ended_after(HttpProtocol::Http1, 500, serving), None);
        let late = std::cell::Cell::new(0);
        let reading = |second: u64, connection: &Arc<ClientConnection>| {
            if second == 0 {
                std::mem::forget(connection.begin());
                connection.enter(ConnectionPhase::Body);
            }
            received(connection);
            if connection.is_body_late() && late.get() == 0 {
                late.set(second);
            }
        };
        assert_eq!(ended_after(HttpProtocol::Http1, 500, reading), Some(45));
        assert_eq!(late.get(), 31);
    }

    #[test]
    fn room_is_given_once() {
        let connections = Arc::new(Connections::new(1));
        let first = connections.enter(Arc::new(ClientConnection::new(None)));
        assert!(!connections.has_room());
        drop(first);
        assert!(connections.has_room());
    }
}
