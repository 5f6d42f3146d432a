//! What a run is to do.

use std::path::PathBuf;
use std::time::Duration;

use super::{KeyChoice, RunError};
use crate::event::Envelope;
use crate::profile::{Arrivals, RateProfile};
use crate::request::{BodyEncoding, BodyFormat};

/// How requests are put on connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.1, one request at a time on each connection.
    Http1,
    /// HTTP/2 without TLS (prior knowledge).
    Http2 {
        /// Requests in flight on each connection.
        streams: usize,
    },
}

impl Protocol {
    /// Requests in flight on a connection.
    pub(crate) fn streams(self) -> usize {
        match self {
            Self::Http1 => 1,
            Self::Http2 { streams } => streams,
        }
    }
}

/// What to send, where, how fast and for how long.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// `http://host:port`, with `/v1/events` understood unless a path is given.
    pub url: String,
    /// One API key per customer; none for a server that asks for none.
    pub keys: Vec<String>,
    /// How the customer of each request is picked.
    pub key_choice: KeyChoice,
    /// Connections, spread over the threads; each with one request in flight,
    /// or with HTTP/2 as many as it has streams.
    pub connections: usize,
    /// How requests are put on connections.
    pub protocol: Protocol,
    /// Threads of the generator.
    pub threads: usize,
    /// Events a request: 1 posts single events.
    pub batch: usize,
    /// How events are put together.
    pub format: BodyFormat,
    /// How bodies are compressed.
    pub encoding: BodyEncoding,
    /// Which JSON object is around each payload.
    pub envelope: Envelope,
    /// Events per second, whatever the answers (open loop); without it and
    /// `profile` each connection sends as soon as it is answered (closed loop).
    pub rate: Option<f64>,
    /// An open loop whose rate moves, instead of `rate`.
    pub profile: Option<RateProfile>,
    /// How the requests of an open loop are spread.
    pub arrivals: Arrivals,
    /// How long to measure, after the warm-up; without it until stopped.
    pub duration: Option<Duration>,
    /// How long to send before measuring.
    pub warmup: Duration,
    /// How long to wait for a connection and for an answer.
    pub timeout: Duration,
    /// Size of an event's JSON in bytes.
    pub event_bytes: usize,
    /// With it sizes differ, from `event_bytes` to this, small ones being as
    /// likely as ones twice as large.
    pub event_bytes_max: Option<usize>,
    /// Templates of payloads ([`PayloadTemplate`](crate::event::PayloadTemplate)), taking turns, instead of
    /// payloads of a size.
    pub templates: Vec<String>,
    /// Event types, taking turns.
    pub event_types: Vec<String>,
    /// Whether each event's `ordering_key` names its stream.
    pub ordering_key: bool,
    /// Whether to ask for short answers (`Prefer: return=minimal`).
    pub prefer_minimal: bool,
    /// Whether each request has an `Idempotency-Key` of its own.
    pub idempotency_keys: bool,
    /// Whether a request without a definite answer is sent again, byte for byte.
    pub retry_unknown: bool,
    /// Share of requests (0 to 1) that no server may take, instead of events.
    pub bad_share: f64,
    /// Share of acknowledged requests (0 to 1) that are sent once more, byte
    /// for byte; with `idempotency_keys`.
    pub repeat_share: f64,
    /// Where outcomes are written, if anywhere.
    pub ledger: Option<PathBuf>,
    /// A process on this machine, the server's, whose processor time and memory
    /// are measured as well.
    pub watch_pid: Option<u32>,
    /// Of the random-looking fields.
    pub seed: u64,
    /// Identifies this run's events; random unless given.
    pub run: Option<u64>,
}

impl RunConfig {
    /// The rate over time of an open loop; none of a closed one.
    pub(crate) fn load(&self) -> Option<RateProfile> {
        self.profile.clone().or_else(|| self.rate.map(RateProfile::constant))
    }

    /// Single 220-byte events on 64 connections, as fast as they are answered,
    /// until stopped.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            keys: Vec::new(),
            key_choice: KeyChoice::Cycle,
            connections: 64,
            protocol: Protocol::Http1,
            threads: 1,
            batch: 1,
            format: BodyFormat::Json,
            encoding: BodyEncoding::None,
            envelope: Envelope::Produced,
            rate: None,
            profile: None,
            arrivals: Arrivals::Even,
            duration: None,
            warmup: Duration::ZERO,
            timeout: Duration::from_secs(10),
            event_bytes: 220,
            event_bytes_max: None,
            templates: Vec::new(),
            event_types: vec!["demo.event".into()],
            ordering_key: false,
            prefer_minimal: false,
            idempotency_keys: false,
            retry_unknown: false,
            bad_share: 0.0,
            repeat_share: 0.0,
            ledger: None,
            watch_pid: None,
            seed: 1,
            run: None,
        }
    }

    /// Whether all of it can be done.
    pub(super) fn check(&self) -> Result<(), RunError> {
        let in_range = |holds: bool, otherwise| if holds { Ok(()) } else { Err(RunError::Config(otherwise)) };
        in_range((1..=65_536).contains(&self.connections), "connections must be 1 to 65536")?;
        in_range((1..=256).contains(&self.threads), "threads must be 1 to 256")?;
        in_range(self.threads <= self.connections, "there must be a connection for each thread")?;
        in_range((1..=100_000).contains(&self.batch), "a batch must be 1 to 100000 events")?;
        in_range(!self.event_types.is_empty(), "there must be an event type")?;
        self.load().and_then(|load| load.fault()).map_or(Ok(()), |fault| Err(RunError::Config(fault)))?;
        in_range((1..=65_536).contains(&self.protocol.streams()), "streams must be 1 to 65536")?;
        let senders = self.connections.saturating_mul(self.protocol.streams());
        in_range(
            senders.saturating_mul(self.keys.len().max(1)) < 1 << 28,
            "connections times streams times keys must be below 2^28",
        )?;
        let share = |share: f64| (0.0..=1.0).contains(&share);
        in_range(share(self.bad_share) && share(self.repeat_share), "shares must be from 0 to 1")?;
        in_range(
            self.repeat_share == 0.0 || self.idempotency_keys,
            "requests are repeated only with idempotency keys: without, they are new events",
        )?;
        in_range(!self.timeout.is_zero(), "the timeout must not be 0")?;
        let sendable = |key: &String| !key.is_empty() && key.bytes().all(|byte| (0x21..0x7f).contains(&byte));
        self.keys.iter().position(|key| !sendable(key)).map_or(Ok(()), |at| Err(RunError::Key(at + 1)))
    }
}
