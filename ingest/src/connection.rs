//! One connection: what it is doing, and how long it may.
//!
//! Timeouts cost the hot path no timer. A connection counts what happens on
//! it in plain atomics; a sweep over all connections, a few times in the
//! shortest timeout, looks for counts that stood still.

mod io;
mod refusal;
mod sweep;

pub(crate) use io::{Io, Stream};
pub(crate) use refusal::{Told, last_answer};
pub(crate) use sweep::{Connections, Registered, Timeouts};

use parking_lot::Mutex;
use refusal::Refusal;
use sluice_catalogue::directory::KeyEntry;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

/// What an HTTP/1 connection is doing. HTTP/2 has a count of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// It waits for a request, or has part of a head.
    Idle,
    /// A request's body is being read.
    Body,
    /// A handler works; it has timeouts of its own.
    Serving,
}

/// Which protocol a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// What the server knows of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Known once the first bytes came.
    http2: AtomicBool,
    phase: AtomicU8,
    /// One up with each change of phase.
    turns: AtomicU32,
    /// One up with each read or write that moved bytes.
    moves: AtomicU32,
    /// Whether bytes came since the last request began.
    head_begun: AtomicBool,
    /// HTTP/2: requests in flight.
    streams: AtomicU32,
    orders: AtomicU8,
    /// Wakes the connection's task to read its orders.
    waker: Mutex<Option<Waker>>,
    /// The last header that opened the door, and the key it was.
    pub(crate) last_key: Mutex<Option<(Box<[u8]>, Arc<KeyEntry>)>>,
    /// What was said to a request that was none.
    pub(crate) refusal: Refusal,
}

/// Finish what is in flight, take no more.
const DRAIN: u8 = 1;
/// The body took too long: the request ends with 408.
const BODY_LATE: u8 = 2;
/// End at once.
const KILL: u8 = 4;

impl Connection {
    pub(crate) fn new() -> Self {
        Self {
            http2: AtomicBool::new(false),
            phase: AtomicU8::new(Phase::Idle as u8),
            turns: AtomicU32::new(0),
            moves: AtomicU32::new(0),
            head_begun: AtomicBool::new(false),
            streams: AtomicU32::new(0),
            orders: AtomicU8::new(0),
            waker: Mutex::new(None),
            last_key: Mutex::new(None),
            refusal: Refusal::default(),
        }
    }

    pub(crate) fn protocol(&self) -> Protocol {
        if self.http2.load(Ordering::Relaxed) { Protocol::Http2 } else { Protocol::Http1 }
    }

    pub(crate) fn speaks(&self, protocol: Protocol) {
        self.http2.store(protocol == Protocol::Http2, Ordering::Relaxed);
    }

    /// A request began.
    pub(crate) fn begin(&self) -> InFlight<'_> {
        self.head_begun.store(false, Ordering::Relaxed);
        self.streams.fetch_add(1, Ordering::Relaxed);
        self.enter(Phase::Serving);
        InFlight(self)
    }

    /// Says what the connection does now. Only its own task calls it (HTTP/1),
    /// or it tells nothing (HTTP/2).
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        bump(&self.turns);
    }

    /// An answer goes on after its handler's end.
    pub(crate) fn open_answer(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    /// It has ended.
    pub(crate) fn close_answer(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
        bump(&self.turns);
    }

    /// Whether the body being read has taken too long.
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

/// A count with one writer at a time: a load and a store, no locked bus.
fn bump(count: &AtomicU32) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// A request in flight on a connection.
pub(crate) struct InFlight<'a>(&'a Connection);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
        self.0.enter(Phase::Idle);
    }
}

/// What hyper's connections of both protocols can do.
pub(crate) trait Drainable: Future<Output = hyper::Result<()>> {
    /// Finish what is in flight, take no more.
    fn drain(self: Pin<&mut Self>);
}

/// Drives a connection and obeys what the sweep and the drain order.
pub(crate) struct Driven<C> {
    hyper: Pin<Box<C>>,
    connection: Arc<Connection>,
    /// A task's waker stays the same, so it is registered once.
    registered: Option<Waker>,
    draining: bool,
}

impl<C: Drainable> Driven<C> {
    pub(crate) fn new(hyper: C, connection: Arc<Connection>) -> Self {
        Self { hyper: Box::pin(hyper), connection, registered: None, draining: false }
    }
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// By itself: done, or broken.
    Itself(hyper::Result<()>),
    /// It was made to.
    Killed,
}

impl<C: Drainable> Future for Driven<C> {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = &mut *self;
        if this.registered.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            *this.connection.waker.lock() = Some(cx.waker().clone());
            this.registered = Some(cx.waker().clone());
        }
        let orders = this.connection.orders.load(Ordering::Relaxed);
        if orders & KILL != 0 {
            return Poll::Ready(Ended::Killed);
        }
        if orders & DRAIN != 0 && !this.draining {
            this.draining = true;
            let unused = this.connection.turns.load(Ordering::Relaxed) == 0;
            if unused && !this.connection.head_begun.load(Ordering::Relaxed) {
                // Hyper would wait for its first request.
                return Poll::Ready(Ended::Killed);
            }
            this.hyper.as_mut().drain();
        }
        this.hyper.as_mut().poll(cx).map(Ended::Itself)
    }
}

impl<I, S> Drainable for hyper::server::conn::http1::Connection<I, S>
where
    Self: Future<Output = hyper::Result<()>>,
    S: hyper::service::HttpService<hyper::body::Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S::ResBody: http_body::Body + 'static,
    <S::ResBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, E> Drainable for hyper::server::conn::http2::Connection<I, S, E>
where
    Self: Future<Output = hyper::Result<()>>,
    S: hyper::service::HttpService<hyper::body::Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S::ResBody: http_body::Body + 'static,
    <S::ResBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, S::ResBody>,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
