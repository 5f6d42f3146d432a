//! One client's connection: its state, and the orders it must obey.
//!
//! The hot path sets no timer. A connection counts its progress in plain
//! atomics, and a sweep over all connections, four times in the shortest
//! timeout, ends those whose counts have stood still for too long.

mod driven;
mod io;
mod sweep;

pub(crate) use driven::{ConnectionEnd, Driven};
pub(crate) use io::{CountedSocket, Socket};
pub(crate) use sweep::{Connections, Registered, Timeouts};

use parking_lot::Mutex;
use sluice_catalogue::directory::KeyEntry;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::Waker;

/// The phase of an HTTP/1 connection. On HTTP/2, requests in flight are counted instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ConnectionPhase {
    /// It waits for a request, or has received a part of a request's head.
    Idle,
    /// A request's body is being read.
    Body,
    /// A handler works; handlers have timeouts of their own.
    Serving,
}

/// Which protocol a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpProtocol {
    Http1,
    Http2,
}

/// The state of a client's connection.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    /// The address at the other end: behind a proxy, the proxy's.
    pub(crate) peer: Option<IpAddr>,
    /// Set once the first bytes have told the protocol.
    http2: AtomicBool,
    phase: AtomicU8,
    /// Goes up by one with each change of phase.
    turns: AtomicU32,
    /// Goes up by one with each read or write that moved bytes.
    moves: AtomicU32,
    /// Whether bytes have arrived since the last request began.
    head_begun: AtomicBool,
    /// On HTTP/2: requests in flight.
    streams: AtomicU32,
    orders: AtomicU8,
    /// Wakes the connection's task so that it reads its orders.
    waker: Mutex<Option<Waker>>,
    /// The last header with valid credentials, and the key that it held.
    pub(crate) last_key: Mutex<Option<(Box<[u8]>, Arc<KeyEntry>)>>,
}

/// Order: finish the requests in flight and take no more.
const DRAIN: u8 = 1;
/// Order: the body took too long, so answer 408.
const BODY_LATE: u8 = 2;
/// Order: end at once.
const KILL: u8 = 4;

impl ClientConnection {
    pub(crate) fn new(peer: Option<IpAddr>) -> Self {
        Self {
            peer,
            http2: AtomicBool::new(false),
            phase: AtomicU8::new(ConnectionPhase::Idle as u8),
            turns: AtomicU32::new(0),
            moves: AtomicU32::new(0),
            head_begun: AtomicBool::new(false),
            streams: AtomicU32::new(0),
            orders: AtomicU8::new(0),
            waker: Mutex::new(None),
            last_key: Mutex::new(None),
        }
    }

    pub(crate) fn protocol(&self) -> HttpProtocol {
        if self.http2.load(Ordering::Relaxed) { HttpProtocol::Http2 } else { HttpProtocol::Http1 }
    }

    /// Notes the protocol that the connection speaks.
    pub(crate) fn speaks(&self, protocol: HttpProtocol) {
        self.http2.store(protocol == HttpProtocol::Http2, Ordering::Relaxed);
    }

    /// Notes that a request began; the guard notes its end.
    pub(crate) fn begin(&self) -> RequestInFlight<'_> {
        self.head_begun.store(false, Ordering::Relaxed);
        self.streams.fetch_add(1, Ordering::Relaxed);
        self.enter(ConnectionPhase::Serving);
        RequestInFlight(self)
    }

    /// Notes the phase that the connection enters. On HTTP/1 only the
    /// connection's own task calls this; on HTTP/2 the phase is not used.
    pub(crate) fn enter(&self, phase: ConnectionPhase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        bump(&self.turns);
    }

    /// Notes that an answer goes on after its handler has returned.
    pub(crate) fn open_answer(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that such an answer has ended.
    pub(crate) fn close_answer(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
        bump(&self.turns);
    }

    /// Whether the body that is being read has taken too long.
    pub(crate) fn is_body_late(&self) -> bool {
        self.orders.load(Ordering::Relaxed) & BODY_LATE != 0
    }

    fn order(&self, order: u8) {
        self.orders.fetch_or(order, Ordering::Relaxed);
        if let Some(waker) = &*self.waker.lock() {
            waker.wake_by_ref();
        }
    }
}

/// Adds one to a count that has one writer at a time: a load and a store, no locked bus.
fn bump(count: &AtomicU32) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// A request in flight on a connection, until this is dropped.
pub(crate) struct RequestInFlight<'a>(&'a ClientConnection);

impl Drop for RequestInFlight<'_> {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
        self.0.enter(ConnectionPhase::Idle);
    }
}
