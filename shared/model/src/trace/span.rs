//! Spans: what is told of a traced request and of a traced attempt, where
//! somebody listens (the binary's exporter, feature `otel`).
//!
//! Only what is sampled is told: the caller decides by its flag (Trace
//! Context, 3.2.2.5), and what is not traced costs one look at a flag.

use super::TraceParent;
use crate::ids::random_u128;
use std::sync::OnceLock;

/// What a span is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// A request with events.
    Produce,
    /// An attempt of a webhook.
    Webhook,
}

/// Something that took time, as part of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What it is of.
    pub kind: SpanKind,
    /// Its trace, and its own id as the parent of what follows.
    pub own: TraceParent,
    /// Its parent, of the same trace.
    pub parent: TraceParent,
    /// When it began, in milliseconds since the Unix epoch.
    pub began_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// The HTTP status, where there is one.
    pub status: Option<u16>,
    /// How many events it was about.
    pub events: u64,
}

type Listener = Box<dyn Fn(Span) + Send + Sync>;

static LISTENER: OnceLock<Listener> = OnceLock::new();

/// Has every span told to `listener`, from now to the process's end. Only the
/// first listener of a process hears them.
pub fn listen(listener: impl Fn(Span) + Send + Sync + 'static) -> bool {
    LISTENER.set(Box::new(listener)).is_ok()
}

/// The trace to go on with below a new span, where somebody wants to hear of it.
#[must_use]
pub fn begin(parent: TraceParent) -> Option<TraceParent> {
    (LISTENER.get().is_some() && parent.is_sampled()).then(|| parent.child(random_u128() as u64))
}

/// Tells of a span that ended, where it is sampled.
pub fn tell(span: Span) {
    if let Some(listener) = LISTENER.get()
        && span.own.is_sampled()
    {
        listener(span);
    }
}
