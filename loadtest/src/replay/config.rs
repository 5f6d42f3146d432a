//! The settings of a replay.

use std::path::PathBuf;
use std::time::Duration;

use super::error::ReplayError;
use crate::tls::TlsSettings;

/// Which recordings to play, against which server, how fast.
#[derive(Clone)]
pub struct ReplayConfig {
    /// `http[s]://host:port`; the paths are those of the recording.
    pub url: String,
    /// How servers are trusted, and how this client shows who it is.
    pub tls: TlsSettings,
    /// Headers of every request, in place of recorded ones of these names.
    pub headers: Vec<(String, String)>,
    /// Recordings, merged by their times.
    pub files: Vec<PathBuf>,
    /// API keys, given to customers in the order in which they appear, starting
    /// again from the first if there are more customers; without keys, recorded
    /// credentials are sent.
    pub keys: Vec<String>,
    /// A multiple of the recorded speed; as fast as answered without one.
    pub speed: Option<f64>,
    /// How often to play the recordings.
    pub passes: u64,
    /// Skips the recording up to this time from its start.
    pub from: Duration,
    /// Stops at this time from the start of the recording.
    pub to: Option<Duration>,
    /// Longest recorded silence that is waited for. A time that is further than this
    /// from both its neighbours is ignored.
    pub gap_max: Duration,
    /// Plays these customers only; all, if there are none.
    pub customers: Vec<String>,
    /// Sends bodies and idempotency keys as recorded. Without it, ids and times
    /// become those of this run and payloads get marks, so that receipt can be
    /// verified.
    pub keep: bool,
    /// Most connections, each with one request in flight; they are made as
    /// requests find none free.
    pub connections: usize,
    /// Most requests that may be due and wait for a connection or for their
    /// customer's previous request; further ones wait in the file.
    pub waiting_max: usize,
    /// Most bytes of the bodies of these requests.
    pub waiting_bytes_max: usize,
    /// Limit on connecting and on each answer.
    pub timeout: Duration,
    /// Sends a request again until it has a definite answer.
    pub retry_unknown: bool,
    /// The file for outcomes, if they are to be verified; not with `keep`.
    pub ledger: Option<PathBuf>,
}

/// Without its secrets.
impl std::fmt::Debug for ReplayConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplayConfig").field("url", &self.url).finish_non_exhaustive()
    }
}

impl ReplayConfig {
    /// Plays `files` once, as fast as answered, with marks.
    pub fn new(url: impl Into<String>, files: Vec<PathBuf>) -> Self {
        Self {
            url: url.into(),
            tls: TlsSettings::default(),
            headers: Vec::new(),
            files,
            keys: Vec::new(),
            speed: None,
            passes: 1,
            from: Duration::ZERO,
            to: None,
            gap_max: Duration::from_secs(60),
            customers: Vec::new(),
            keep: false,
            connections: 256,
            waiting_max: 65_536,
            waiting_bytes_max: 256 << 20,
            timeout: Duration::from_secs(10),
            retry_unknown: false,
            ledger: None,
        }
    }
}

/// Finds settings that are out of range or do not fit together.
pub(super) fn check(config: &ReplayConfig) -> Result<(), ReplayError> {
    let rules = [
        ((1..=65_536).contains(&config.connections), "connections must be 1 to 65536"),
        (
            config.speed.is_none_or(|speed| speed.is_finite() && (1e-6..=1e6).contains(&speed)),
            "the speed must be 0.000001 to 1000000 times the recorded",
        ),
        (!config.files.is_empty(), "there must be a recording"),
        (
            !(config.keep && config.ledger.is_some()),
            "events that are sent as recorded cannot be told apart: there is no ledger of them",
        ),
        (!config.timeout.is_zero(), "the timeout must be above 0"),
        (config.passes > 0, "a recording must be played at least once"),
        (!config.gap_max.is_zero(), "the longest silence must be above 0"),
        (config.waiting_max > 0 && config.waiting_bytes_max > 0, "some requests must be allowed to wait"),
        (config.to.is_none_or(|to| to > config.from), "the end must be after the start"),
    ];
    rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(ReplayError::Config(rule)))
}
