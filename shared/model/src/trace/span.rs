//! Spans: the times of traced requests and of traced webhook attempts, for a listener (the
//! binary's exporter, feature `otel`).
//!
//! Only sampled traces have spans; the caller decides by the flag of its header (Trace
//! Context, 3.2.2.5). Without a listener or a sampled trace, the cost is one check of each.

use super::TraceParent;
use crate::ids::random_u128;
use std::sync::OnceLock;

/// The kind of work that a span times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// A request with events.
    Produce,
    /// An attempt of a webhook.
    Webhook,
}

/// A piece of work with its times, as part of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The kind of work.
    pub kind: SpanKind,
    /// The trace, with the span's own id in the place of the parent's: the header to
    /// send to the next service.
    pub own: TraceParent,
    /// The parent span, of the same trace.
    pub parent: TraceParent,
    /// When the work began, in milliseconds since the Unix epoch.
    pub began_ms: u64,
    /// When the work ended, in milliseconds since the Unix epoch.
    pub ended_ms: u64,
    /// The HTTP status, if there is one.
    pub status: Option<u16>,
    /// The number of events in the request or webhook.
    pub events: u64,
}

type SpanListener = Box<dyn Fn(Span) + Send + Sync>;

static LISTENER: OnceLock<SpanListener> = OnceLock::new();

/// Hands every span to `listener`, from now to the process's end. Returns false if the
/// process has a listener already, which stays.
pub fn listen(listener: impl Fn(Span) + Send + Sync + 'static) -> bool {
    LISTENER.set(Box::new(listener)).is_ok()
}

/// Begins a span below `parent`, and returns the trace to continue with. `None` if there is
/// no listener or the trace is not sampled.
#[must_use]
pub fn begin(parent: TraceParent) -> Option<TraceParent> {
    (LISTENER.get().is_some() && parent.is_sampled()).then(|| parent.child(random_u128() as u64))
}

/// Hands an ended span to the listener, if its trace is sampled.
pub fn tell(span: Span) {
    if let Some(listener) = LISTENER.get()
        && span.own.is_sampled()
    {
        listener(span);
    }
}
