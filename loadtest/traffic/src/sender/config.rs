//! The settings of a run.

use std::path::PathBuf;
use std::time::Duration;

use super::error::RunError;
use super::keys::KeyChoice;
use crate::event::EventEnvelope;
use crate::profile::{ArrivalSpread, RateProfile};
use crate::request::{BodyEncoding, BodyFormat};
use crate::target::HttpVersion;
use crate::tls::TlsSettings;

/// How requests are put on connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestProtocol {
    /// HTTP/1.1, one request at a time on each connection.
    Http1,
    /// HTTP/2; without TLS by prior knowledge.
    Http2 {
        /// Requests in flight on each connection.
        streams: usize,
    },
}

impl RequestProtocol {
    /// Requests in flight on a connection.
    pub fn streams(self) -> usize {
        match self {
            Self::Http1 => 1,
            Self::Http2 { streams } => streams,
        }
    }

    pub(super) fn version(self) -> HttpVersion {
        match self {
            Self::Http1 => HttpVersion::Http1,
            Self::Http2 { .. } => HttpVersion::Http2,
        }
    }
}

/// Requests for a server that does not take events.
#[derive(Clone, Debug, Default)]
pub struct PlainRequest {
    /// The body, with the fields of a template; `None` for requests without one.
    pub body: Option<String>,
}

/// The requests to send, the target, the rate and the duration.
#[derive(Clone)]
pub struct RunConfig {
    /// `http[s]://host:port`; `/v1/events` is added unless a path is given or `plain`
    /// requests are sent.
    pub url: String,
    /// How servers are trusted, and how this client shows who it is.
    pub tls: TlsSettings,
    /// The method of the requests.
    pub method: String,
    /// Further headers; each replaces a default header of the same name.
    pub headers: Vec<(String, String)>,
    /// Any requests, instead of events.
    pub plain: Option<PlainRequest>,
    /// One API key per customer; empty for a server without keys.
    pub keys: Vec<String>,
    /// How the customer of each request is picked.
    pub key_choice: KeyChoice,
    /// Connections, spread over the threads; each with one request in flight,
    /// or with HTTP/2 as many as it has streams.
    pub connections: usize,
    /// In an open loop, the most connections; they are made while due requests find none
    /// free. Without it their number does not grow.
    pub connections_max: Option<usize>,
    /// How requests are put on connections.
    pub protocol: RequestProtocol,
    /// Threads of the generator.
    pub threads: usize,
    /// Events a request: 1 posts single events.
    pub batch: usize,
    /// How the events of a request are put together.
    pub format: BodyFormat,
    /// How bodies are compressed.
    pub encoding: BodyEncoding,
    /// The JSON object around each payload.
    pub envelope: EventEnvelope,
    /// Events per second, whatever the answers (open loop); without it and
    /// `profile` each connection sends as soon as it is answered (closed loop).
    pub rate: Option<f64>,
    /// An open loop whose rate moves, instead of `rate`.
    pub profile: Option<RateProfile>,
    /// How the requests of an open loop are spread.
    pub arrivals: ArrivalSpread,
    /// How long to measure, after the warm-up; without it until stopped.
    pub duration: Option<Duration>,
    /// How many requests to start at most.
    pub requests_max: Option<u64>,
    /// How long to send before measuring.
    pub warmup: Duration,
    /// How long to wait for a connection and for an answer.
    pub timeout: Duration,
    /// Size of an event's JSON in bytes.
    pub event_bytes: usize,
    /// If given, sizes vary from `event_bytes` to this, with equally many events in each
    /// doubling of the size.
    pub event_bytes_max: Option<usize>,
    /// Templates of payloads ([`PayloadTemplate`](crate::event::PayloadTemplate)), taking turns, instead of
    /// payloads of a size.
    pub templates: Vec<String>,
    /// Event types, taking turns.
    pub event_types: Vec<String>,
    /// Gives each event its stream's name as `ordering_key`.
    pub ordering_key: bool,
    /// Asks for short answers (`Prefer: return=minimal`).
    pub prefer_minimal: bool,
    /// Gives each request an `Idempotency-Key` of its own.
    pub idempotency_keys: bool,
    /// Sends a request without a definite answer again, byte for byte.
    pub retry_unknown: bool,
    /// Share of requests (0 to 1) that are malformed, so that no server may accept them.
    pub bad_share: f64,
    /// Share of acknowledged requests (0 to 1) that are sent once more, byte
    /// for byte; with `idempotency_keys`.
    pub repeat_share: f64,
    /// The file for outcomes, if they are to be verified.
    pub ledger: Option<PathBuf>,
    /// The CSV file for each single result, if they are wanted.
    pub raw: Option<PathBuf>,
    /// A process on this machine, the server's, whose processor time and memory
    /// are measured as well.
    pub watch_pid: Option<u32>,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Identifies this run's events; random unless given.
    pub run: Option<u64>,
}

/// Without its secrets.
impl std::fmt::Debug for RunConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunConfig").field("url", &self.url).finish_non_exhaustive()
    }
}

impl RunConfig {
    /// The rate over time of an open loop; `None` for a closed loop.
    pub(crate) fn load(&self) -> Option<RateProfile> {
        self.profile.clone().or_else(|| self.rate.map(RateProfile::constant))
    }

    /// Single 220-byte events on 64 connections, as fast as they are answered,
    /// until stopped.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            tls: TlsSettings::default(),
            method: "POST".into(),
            headers: Vec::new(),
            plain: None,
            keys: Vec::new(),
            key_choice: KeyChoice::Cycle,
            connections: 64,
            connections_max: None,
            protocol: RequestProtocol::Http1,
            threads: 1,
            batch: 1,
            format: BodyFormat::Json,
            encoding: BodyEncoding::None,
            envelope: EventEnvelope::Produced,
            rate: None,
            profile: None,
            arrivals: ArrivalSpread::Even,
            duration: None,
            requests_max: None,
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
            raw: None,
            watch_pid: None,
            seed: 1,
            run: None,
        }
    }

    /// Finds settings that are out of range or do not fit together.
    pub(super) fn check(&self) -> Result<(), RunError> {
        let rules = [
            ((1..=65_536).contains(&self.connections), "connections must be 1 to 65536"),
            (
                self.connections_max.is_none_or(|max| (self.connections..=65_536).contains(&max)),
                "the most connections must be from the number to start with to 65536",
            ),
            ((1..=256).contains(&self.threads), "threads must be 1 to 256"),
            (self.threads <= self.connections, "there must be a connection for each thread"),
            ((1..=100_000).contains(&self.batch), "a batch must be 1 to 100000 events"),
            (!self.event_types.is_empty(), "there must be an event type"),
            ((1..=65_536).contains(&self.protocol.streams()), "streams must be 1 to 65536"),
            (self.senders_max() < 1 << 28, "connections times streams times keys must be below 2^28"),
            (!self.timeout.is_zero(), "the timeout must be above 0"),
            (
                self.duration.is_none_or(|duration| !duration.is_zero()),
                "the time to measure must be above 0: nothing would be measured",
            ),
            (self.requests_max != Some(0), "the number of requests must be above 0"),
        ];
        first_broken(&rules)?;
        self.load().and_then(|load| load.fault()).map_or(Ok(()), |fault| Err(RunError::Config(fault)))?;
        self.check_shares()?;
        self.check_texts()
    }

    fn senders_max(&self) -> usize {
        let connections = self.connections_max.unwrap_or(self.connections);
        connections.saturating_mul(self.protocol.streams()).saturating_mul(self.keys.len().max(1))
    }

    fn check_shares(&self) -> Result<(), RunError> {
        let share = |share: f64| (0.0..=1.0).contains(&share);
        let repeats = self.repeat_share == 0.0 || self.idempotency_keys;
        let events = self.plain.is_none();
        first_broken(&[
            (share(self.bad_share) && share(self.repeat_share), "shares must be from 0 to 1"),
            (repeats, "requests are repeated only with idempotency keys: without, they are new events"),
            (events || self.bad_share == 0.0, "plain requests cannot be made malformed"),
            (events || self.ledger.is_none(), "plain requests have no events: there is no ledger of them"),
        ])
    }

    fn check_texts(&self) -> Result<(), RunError> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_token = |text: &str| !text.is_empty() && text.bytes().all(token);
        first_broken(&[(is_token(&self.method), "the method is not one")])?;
        let text = |byte: u8| byte == b'\t' || (0x20..0x7f).contains(&byte);
        let framing = ["content-length", "transfer-encoding", "connection"];
        let sendable = |(name, value): &&(String, String)| {
            is_token(name)
                && value.bytes().all(text)
                && !framing.contains(&name.to_ascii_lowercase().as_str())
        };
        if let Some((name, _)) = self.headers.iter().find(|header| !sendable(header)) {
            return Err(RunError::Header(name.clone()));
        }
        let visible = |key: &String| !key.is_empty() && key.bytes().all(|byte| (0x21..0x7f).contains(&byte));
        self.keys.iter().position(|key| !visible(key)).map_or(Ok(()), |index| Err(RunError::Key(index + 1)))
    }
}

fn first_broken(rules: &[(bool, &'static str)]) -> Result<(), RunError> {
    rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(RunError::Config(rule)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_done_or_measured_is_refused() {
        let good = || RunConfig::new("http://h");
        assert!(good().check().is_ok());
        for bad in [
            RunConfig { duration: Some(Duration::ZERO), ..good() },
            RunConfig { requests_max: Some(0), ..good() },
            RunConfig { connections_max: Some(2), ..good() },
            RunConfig { method: "GET /".into(), ..good() },
            RunConfig { headers: vec![("A b".into(), "c".into())], ..good() },
            RunConfig { headers: vec![("A".into(), "b\r\nC: d".into())], ..good() },
            RunConfig { headers: vec![("Content-Length".into(), "1".into())], ..good() },
            RunConfig { plain: Some(PlainRequest::default()), ledger: Some("l".into()), ..good() },
            RunConfig { keys: vec!["a b".into()], ..good() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
