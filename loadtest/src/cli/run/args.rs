//! The arguments of `run`.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use sluice_loadtest::duration;
use sluice_loadtest::event::Envelope;
use sluice_loadtest::metric::Threshold;
use sluice_loadtest::profile::{Arrivals, RateProfile};
use sluice_loadtest::request::{BodyEncoding, BodyFormat};
use sluice_loadtest::sender::{KeyChoice, Protocol, RunConfig};
use sluice_loadtest::watch::WatchConfig;

use super::live_view::Progress;

/// How long to measure if nothing says so.
const DURATION: Duration = Duration::from_secs(10);

/// Sends generated events and measures the answers.
///
/// With --rate it is an open loop: requests are due at fixed times, whatever
/// the answers, and latency counts from those times, so that a stall shows in
/// every request it delayed. Without, it is a closed loop: each connection
/// sends its next request when the last is answered.
///
/// Each event carries a mark (run, stream, sequence number, time due in ns,
/// checksum) by which `receive` and `verify` find loss, repetition, disorder
/// and damage. A stream is what one connection sends for one customer: within
/// it an event is sent after the 202 of the one before.
///
/// A server that is down is waited for; requests without a definite answer
/// (5xx, lost connection, timeout) count as unknown.
#[derive(Args, Debug)]
pub(in crate::cli) struct RunArgs {
    /// Where to send: http://HOST:PORT, to which /v1/events is added, or with a path of its own.
    #[arg(long)]
    url: String,
    /// API key, sent as `Authorization: Bearer KEY`.
    #[arg(long, env = "SLUICE_API_KEY", hide_env_values = true)]
    key: Option<String>,
    /// File with one API key a line, one per customer, instead of --key.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    keys_file: Option<PathBuf>,
    /// How the customer of each request is picked.
    #[arg(long, value_enum, default_value_t = KeyPick::Cycle)]
    key_pick: KeyPick,
    /// Exponent for `--key-pick zipf`.
    #[arg(long, default_value_t = 1.0)]
    zipf_exponent: f64,
    /// Connections, each with one request in flight (or --streams).
    #[arg(long, value_name = "N", default_value_t = 64)]
    connections: usize,
    /// HTTP/2 without TLS, by prior knowledge.
    #[arg(long)]
    http2: bool,
    /// With --http2: requests in flight on each connection.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "http2")]
    streams: usize,
    /// Threads of the generator.
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Events a request; 1 sends the form for a single event.
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch: usize,
    /// How events are put together in a body.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Content-Encoding of the bodies.
    #[arg(long, value_enum, default_value_t = Encoding::None)]
    encoding: Encoding,
    /// Object around the payload: as produced, or as delivered to a webhook
    /// (to drive a receiver; always a JSON array, sent to / by default).
    #[arg(long, value_enum, default_value_t = EnvelopeArg::Produced)]
    envelope: EnvelopeArg,
    /// Events per second (open loop); without it, as fast as answered. Stages
    /// are separated by commas: 5000 (from then on), 5000/10s (for 10 s),
    /// 1000..50000/30s (a ramp).
    #[arg(long, value_name = "RATE")]
    rate: Option<RateProfile>,
    /// Bursts above a constant --rate: 10x/1s/10s is ten times the rate in the
    /// last second of every ten.
    #[arg(long, value_name = "FACTORx/LENGTH/PERIOD", requires = "rate")]
    burst: Option<Burst>,
    /// How the requests of an open loop are spread.
    #[arg(long, value_enum, default_value_t = ArrivalsArg::Even)]
    arrivals: ArrivalsArg,
    /// How long to measure, after the warm-up (ms, s, m, h) [default: to the
    /// end of --rate's stages, or 10s].
    #[arg(long, value_parser = duration::parse)]
    duration: Option<Duration>,
    /// How long to send before measuring (ms, s, m, h).
    #[arg(long, default_value = "2s", value_parser = duration::parse)]
    warmup: Duration,
    /// Limit on connecting and on each answer (ms, s, m, h).
    #[arg(long, default_value = "10s", value_parser = duration::parse)]
    timeout: Duration,
    /// Size of an event's JSON in bytes, at least about 206; 200..4000 for
    /// sizes between, small ones being as likely as ones twice as large.
    #[arg(long, value_name = "BYTES", default_value = "220")]
    event_bytes: Sizes,
    /// File with payloads to send instead: a JSON object, or one a line, with
    /// fields filled in: {{text:N}} {{digits:N}} {{hex:N}} {{uuid}} {{sequence}}
    /// {{stream}} {{sent_ms}} {{pick:a|b|c}} {{int:LOW..HIGH}}.
    #[arg(long, value_name = "FILE", conflicts_with = "event_bytes")]
    template: Option<PathBuf>,
    /// Event type; several, separated by commas, take turns.
    #[arg(long, value_name = "TYPES", default_value = "demo.event", value_delimiter = ',')]
    event_type: Vec<String>,
    /// Give each event its stream's name as ordering_key.
    #[arg(long)]
    ordering_key: bool,
    /// Ask for short answers (`Prefer: return=minimal`).
    #[arg(long)]
    prefer_minimal: bool,
    /// Give each request an Idempotency-Key of its own.
    #[arg(long)]
    idempotency_keys: bool,
    /// Send a request whose outcome is unknown again, byte for byte, until it is known.
    #[arg(long)]
    retry_unknown: bool,
    /// Send bad requests instead of this share (0 to 1); they must be refused.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    bad_share: f64,
    /// Send this share (0 to 1) of the acknowledged requests once more, with
    /// their Idempotency-Key; they must get the first answer again.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, requires = "idempotency_keys")]
    repeat_share: f64,
    /// Write every request's outcome to this file, for `verify`.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Measure processor time and memory of this process (the server's) as well.
    #[arg(long, value_name = "PID")]
    watch_pid: Option<u32>,
    /// Of all that is drawn: fields, customers, sizes, arrivals, bad requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Fail (exit status 1) unless this holds, as in p99<10ms, error_rate<=0.1%,
    /// events_per_s>=100k, or any number of --json by its path; repeatable.
    #[arg(long, value_name = "LIMIT")]
    pub(super) threshold: Vec<Threshold>,
    /// Scrape the server's own metrics once a second, for the result [default:
    /// /metrics at --url, if the flag stands alone].
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    scrape: Option<String>,
    /// A receiver of this tool, http://HOST:PORT, to which the webhooks go: its
    /// figures go into the result, and how far it is behind is shown.
    #[arg(long, value_name = "URL")]
    pub(super) receiver: Option<String>,
    /// Write the result to this file, as its name ends: .json, .html (a page)
    /// or .prom (Prometheus); repeatable.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Vec<PathBuf>,
    /// How progress is shown, on stderr.
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub(super) progress: Progress,
    /// Print the result as one line of JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KeyPick {
    /// In turn, each connection starting with another.
    Cycle,
    /// Each as likely as any other.
    Uniform,
    /// The nth with a likelihood of 1/n^exponent.
    Zipf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// An object, or an array of them with --batch above 1.
    Json,
    /// An object a line.
    Ndjson,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Encoding {
    None,
    Gzip,
    Zstd,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ArrivalsArg {
    /// At equal distances.
    Even,
    /// Independently of one another (Poisson), as those of many users are.
    Poisson,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EnvelopeArg {
    Produced,
    Delivered,
}

impl RunArgs {
    pub(super) fn config(&self) -> anyhow::Result<RunConfig> {
        let keys = match (&self.keys_file, &self.key) {
            (Some(file), _) => read_keys(file)?,
            (None, key) => key.iter().cloned().collect(),
        };
        let (envelope, format) = match (self.envelope, self.format) {
            (EnvelopeArg::Produced, Format::Json) => (Envelope::Produced, BodyFormat::Json),
            (EnvelopeArg::Produced, Format::Ndjson) => (Envelope::Produced, BodyFormat::NdJson),
            (EnvelopeArg::Delivered, Format::Json) => (Envelope::Delivered, BodyFormat::JsonArray),
            (EnvelopeArg::Delivered, Format::Ndjson) => bail!("webhooks are never NDJSON"),
        };
        let key_choice = match self.key_pick {
            KeyPick::Cycle => KeyChoice::Cycle,
            KeyPick::Uniform => KeyChoice::Uniform,
            KeyPick::Zipf => KeyChoice::Zipf { exponent: self.zipf_exponent },
        };
        let encoding = match self.encoding {
            Encoding::None => BodyEncoding::None,
            Encoding::Gzip => BodyEncoding::Gzip,
            Encoding::Zstd => BodyEncoding::Zstd,
        };
        let profile = self.profile()?;
        let stages = profile.as_ref().and_then(RateProfile::length);
        let rest = stages.map(|stages| stages.saturating_sub(self.warmup));
        let protocol = match self.http2 {
            true => Protocol::Http2 { streams: self.streams },
            false => Protocol::Http1,
        };
        Ok(RunConfig {
            keys,
            key_choice,
            connections: self.connections,
            protocol,
            threads: self.threads,
            batch: self.batch,
            format,
            encoding,
            envelope,
            profile,
            arrivals: match self.arrivals {
                ArrivalsArg::Even => Arrivals::Even,
                ArrivalsArg::Poisson => Arrivals::Poisson,
            },
            duration: Some(self.duration.or(rest).unwrap_or(DURATION)),
            warmup: self.warmup,
            timeout: self.timeout,
            event_bytes: self.event_bytes.low,
            event_bytes_max: self.event_bytes.high,
            templates: self.template.as_deref().map_or(Ok(Vec::new()), read_templates)?,
            event_types: self.event_type.clone(),
            ordering_key: self.ordering_key,
            prefer_minimal: self.prefer_minimal,
            idempotency_keys: self.idempotency_keys,
            retry_unknown: self.retry_unknown,
            bad_share: self.bad_share,
            repeat_share: self.repeat_share,
            ledger: self.ledger.clone(),
            watch_pid: self.watch_pid,
            seed: self.seed,
            ..RunConfig::new(&self.url)
        })
    }

    fn profile(&self) -> anyhow::Result<Option<RateProfile>> {
        let Some(burst) = &self.burst else { return Ok(self.rate.clone()) };
        let rate = self.rate.as_ref().and_then(RateProfile::constant_rate);
        let rate = rate.context("--burst needs a constant --rate")?;
        Ok(Some(RateProfile::burst(rate, burst.factor, burst.length, burst.period)?))
    }

    /// What to look at beside the run.
    pub(super) fn watch(&self) -> WatchConfig {
        let scrape = self.scrape.as_ref().map(|url| match url.as_str() {
            "" => match self.url.split_once("://") {
                Some((scheme, rest)) => {
                    format!("{scheme}://{}/metrics", rest.split('/').next().unwrap_or(rest))
                }
                None => self.url.clone(),
            },
            url => url.to_owned(),
        });
        WatchConfig { scrape, receiver: self.receiver.clone(), period: Duration::from_secs(1) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    low: usize,
    high: Option<usize>,
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().map_err(|_why| format!("{text:?} is not a number of bytes"));
        match text.split_once("..") {
            Some((low, high)) => Ok(Self { low: number(low)?, high: Some(number(high)?) }),
            None => Ok(Self { low: number(text)?, high: None }),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    factor: f64,
    length: Duration,
    period: Duration,
}

impl FromStr for Burst {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split('/').collect();
        let [factor, length, period] = parts[..] else {
            return Err(format!("{text:?} is not FACTORx/LENGTH/PERIOD, as in 10x/1s/10s"));
        };
        let factor = factor.strip_suffix('x').and_then(|factor| factor.parse().ok());
        Ok(Self {
            factor: factor.ok_or_else(|| format!("{text:?} does not start with a factor, as in 10x"))?,
            length: duration::parse(length)?,
            period: duration::parse(period)?,
        })
    }
}

/// One template, or one a line.
fn read_templates(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.iter().all(|line| line.starts_with('{') && line.ends_with('}')) && !lines.is_empty() {
        return Ok(lines.into_iter().map(str::to_owned).collect());
    }
    Ok(vec![text])
}

pub(in crate::cli) fn read_keys(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let keys: Vec<_> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if keys.is_empty() {
        bail!("{} has no keys", file.display());
    }
    Ok(keys)
}
