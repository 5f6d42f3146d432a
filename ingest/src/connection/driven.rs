//! Drives hyper's connection and obeys the orders of the sweep and of the drain.

use super::{ClientConnection, DRAIN, KILL};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

/// What hyper's connections of both protocols can do.
pub(crate) trait Drainable: Future<Output = hyper::Result<()>> {
    /// Finishes the requests in flight and takes no more.
    fn drain(self: Pin<&mut Self>);
}

/// A hyper connection that obeys its [`ClientConnection`]'s orders.
pub(crate) struct Driven<C> {
    hyper: Pin<Box<C>>,
    connection: Arc<ClientConnection>,
    /// The waker that the orders wake. A task keeps its waker, so it is stored once.
    registered: Option<Waker>,
    draining: bool,
}

impl<C: Drainable> Driven<C> {
    pub(crate) fn new(hyper: C, connection: Arc<ClientConnection>) -> Self {
        Self { hyper: Box::pin(hyper), connection, registered: None, draining: false }
    }
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum ConnectionEnd {
    /// By itself: it was done, or it broke.
    Itself(hyper::Result<()>),
    /// It was ordered to end.
    Killed,
}

impl<C: Drainable> Future for Driven<C> {
    type Output = ConnectionEnd;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ConnectionEnd> {
        let driven = &mut *self;
        if driven.registered.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            *driven.connection.waker.lock() = Some(cx.waker().clone());
            driven.registered = Some(cx.waker().clone());
        }
        let orders = driven.connection.orders.load(Ordering::Relaxed);
        if orders & KILL != 0 {
            return Poll::Ready(ConnectionEnd::Killed);
        }
        if orders & DRAIN != 0 && !driven.draining {
            driven.draining = true;
            let unused = driven.connection.turns.load(Ordering::Relaxed) == 0;
            if unused && !driven.connection.head_begun.load(Ordering::Relaxed) {
                // Hyper would wait for a first request.
                return Poll::Ready(ConnectionEnd::Killed);
            }
            driven.hyper.as_mut().drain();
        }
        driven.hyper.as_mut().poll(cx).map(ConnectionEnd::Itself)
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
