//! The arguments of `run`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use sluice_loadtest::duration;
use sluice_loadtest::event::EventEnvelope;
use sluice_loadtest::metric::Threshold;
use sluice_loadtest::profile::{ArrivalSpread, RateProfile};
use sluice_loadtest::request::{BodyEncoding, BodyFormat};
use sluice_loadtest::sender::{KeyChoice, PlainRequest, RequestProtocol, RunConfig};
use sluice_loadtest::watch::WatchConfig;

use super::live_view::Progress;
use super::parse::{Burst, Sizes, read_body, read_keys, read_templates};
use crate::cli::connect::{TlsArgs, header};

/// How long to measure by default.
const DURATION: Duration = Duration::from_secs(10);
/// How long to send before measuring, by default.
const WARMUP: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 64;
/// How many connections an open loop may make by default.
const CONNECTIONS_MAX: usize = 1024;
/// Methods whose requests have no body unless one is given.
const BODILESS: [&str; 5] = ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"];

/// Sends generated events, or any HTTP requests, and measures the answers.
///
/// With --rate it is an open loop: requests are due at fixed times, whatever
/// the answers, and latency counts from those times, so that a stall shows in
/// every request it delayed. Without --rate it is a closed loop: each connection
/// sends its next request when the last is answered.
///
/// Each event carries a mark (run, stream, sequence number, time due in ns,
/// checksum) by which `receive` and `verify` find loss, repetition, disorder
/// and damage. A stream is the events that one connection sends for one
/// customer: each is sent after the 202 of the event before it.
///
/// If the server is down, the run waits for it as long as for an answer
/// (--timeout). Latencies are of requests that were acknowledged and of those
/// without an answer, which count at least as long as they waited; refusals and
/// failures are listed by status. Events of requests without a definite answer
/// (5xx, lost connection, timeout) count as unknown.
///
/// Exit status 1 if no request of the measured time was acknowledged, or if a
/// --threshold does not hold, has nothing to judge, or the run was interrupted.
#[derive(Args, Debug)]
pub(in crate::cli) struct RunArgs {
    /// Where to send: http[s]://HOST:PORT, to which /v1/events is added for
    /// events, or with a path of its own.
    #[arg(long)]
    url: String,
    #[command(flatten)]
    tls: TlsArgs,
    /// Method of the requests. GET, HEAD, DELETE, OPTIONS and TRACE send no
    /// events but plain requests, without a body unless --body gives one.
    #[arg(long, default_value = "POST")]
    method: String,
    /// Header of every request; replaces a default header of the same name; repeatable.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// Body to send instead of events, or @FILE with it; the fields of
    /// --template are filled in.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["template", "event_bytes", "batch", "ledger"])]
    body: Option<String>,
    /// API key, sent as `Authorization: Bearer KEY`.
    #[arg(long, env = "SLUICE_API_KEY", hide_env_values = true)]
    key: Option<String>,
    /// File with one API key a line, one per customer, instead of --key.
    #[arg(long, value_name = "FILE")]
    keys_file: Option<PathBuf>,
    /// How the customer of each request is picked.
    #[arg(long, value_enum, default_value_t = KeyPick::Cycle)]
    key_pick: KeyPick,
    /// Exponent for `--key-pick zipf`.
    #[arg(long, default_value_t = 1.0)]
    zipf_exponent: f64,
    /// Connections, each with one request in flight (or --streams) [default:
    /// 64; with --rate up to 1024, made while requests find none free].
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// With --rate: the most connections, made while requests find none free
    /// [default: --connections if that is given].
    #[arg(long, value_name = "N")]
    connections_max: Option<usize>,
    /// Use HTTP/2; without TLS by prior knowledge.
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
    #[arg(long, value_enum, default_value_t = FormatArg::Json)]
    format: FormatArg,
    /// Content-Encoding of the bodies.
    #[arg(long, value_enum, default_value_t = EncodingArg::None)]
    encoding: EncodingArg,
    /// Object around the payload: as produced, or as delivered to a webhook
    /// (to drive a receiver; always a JSON array, sent to / by default).
    #[arg(long, value_enum, default_value_t = EnvelopeArg::Produced)]
    envelope: EnvelopeArg,
    /// Events per second (open loop); without it, as fast as answered. Stages
    /// are separated by commas: 5000/10s (for 10 s), 1000..50000/30s (a ramp),
    /// 5000 (to the end).
    #[arg(long, value_name = "RATE")]
    pub(in crate::cli) rate: Option<RateProfile>,
    /// Bursts above a constant --rate: 10x/1s/10s is ten times the rate in the
    /// last second of every ten.
    #[arg(long, value_name = "FACTORx/LENGTH/PERIOD", requires = "rate")]
    burst: Option<Burst>,
    /// How the requests of an open loop are spread.
    #[arg(long, value_enum, default_value_t = ArrivalsArg::Even)]
    arrivals: ArrivalsArg,
    /// How long to measure, after the warm-up (ms, s, m, h) [default: to the
    /// end of --rate's stages, or until --requests are sent, or 10s].
    #[arg(long, value_parser = duration::parse)]
    duration: Option<Duration>,
    /// How many requests to send, warm-up included.
    #[arg(short = 'n', long, value_name = "N")]
    requests: Option<u64>,
    /// How long to send before measuring (ms, s, m, h) [default: 2s, or 0s with
    /// --requests].
    #[arg(long, value_parser = duration::parse)]
    warmup: Option<Duration>,
    /// Limit on connecting and on each answer (ms, s, m, h).
    #[arg(long, default_value = "10s", value_parser = duration::parse)]
    timeout: Duration,
    /// Size of an event's JSON in bytes, at least about 206; 200..4000 for
    /// different sizes, with equally many events in each doubling of the size.
    #[arg(long, value_name = "BYTES", default_value = "220")]
    event_bytes: Sizes,
    /// File with payloads to send instead: a JSON object, or one a line, with
    /// fields filled in: {{text:N}} {{digits:N}} {{hex:N}} {{uuid}} {{sequence}}
    /// {{stream}} {{sent_ms}} {{pick:a|b|c}} {{int:LOW..HIGH}}.
    #[arg(long, value_name = "FILE", conflicts_with = "event_bytes")]
    template: Option<PathBuf>,
    /// Event types, separated by commas, which take turns.
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
    pub(super) ledger: Option<PathBuf>,
    /// Write each single result to this CSV file: times, status, outcome.
    #[arg(long, value_name = "FILE")]
    pub(super) raw: Option<PathBuf>,
    /// Measure processor time and memory of this process (the server's) as well.
    #[arg(long, value_name = "PID")]
    pub(super) watch_pid: Option<u32>,
    /// Seed of all random choices: fields, customers, sizes, arrivals, bad requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Fail (exit status 1) unless this holds, as in p99<10ms, error_rate<=0.1%,
    /// events_per_s>=100k, or any number of --json by its path; repeatable.
    #[arg(long, value_name = "LIMIT")]
    pub(in crate::cli) threshold: Vec<Threshold>,
    /// Stop as soon as a --threshold does not hold, once this much time was
    /// measured. Lower limits on counts are judged only at the end.
    #[arg(long, value_name = "AFTER", num_args = 0..=1, default_missing_value = "2s",
        value_parser = duration::parse, requires = "threshold")]
    pub(super) fail_fast: Option<Duration>,
    /// Scrape the server's own metrics once a second, for the result [default:
    /// /metrics at --url, if the flag stands alone].
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    scrape: Option<String>,
    /// URL of the `sluice-loadtest receive` that gets the webhooks: its figures
    /// go into the result, and its backlog is shown.
    #[arg(long, value_name = "URL")]
    pub(super) receiver: Option<String>,
    /// Write the result to this file, in the form of its ending: .json, .html (a
    /// page) or .prom (Prometheus); repeatable.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Vec<PathBuf>,
    /// How progress is shown, on stderr.
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub(super) progress: Progress,
    /// Print the result as one line of JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KeyPick {
    /// Customers take turns; each connection starts with another one.
    Cycle,
    /// All customers are equally likely.
    Uniform,
    /// The nth customer has a likelihood of 1/n^exponent.
    Zipf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    /// An object, or an array of them with --batch above 1.
    Json,
    /// An object a line.
    Ndjson,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EncodingArg {
    None,
    Gzip,
    Zstd,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ArrivalsArg {
    /// At equal intervals.
    Even,
    /// Independently of one another (a Poisson process), as from many users.
    Poisson,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EnvelopeArg {
    Produced,
    Delivered,
}

impl RunArgs {
    pub(in crate::cli) fn config(&self) -> anyhow::Result<RunConfig> {
        let profile = self.profile()?;
        let warmup = self.warmup.unwrap_or(if self.requests.is_some() { Duration::ZERO } else { WARMUP });
        let connections = self.connections.unwrap_or(CONNECTIONS);
        let usual_max = (self.connections.is_none() && profile.is_some()).then_some(CONNECTIONS_MAX);
        Ok(RunConfig {
            tls: self.tls.settings(),
            method: self.method.clone(),
            headers: self.header.clone(),
            plain: self.plain()?,
            keys: self.keys()?,
            key_choice: match self.key_pick {
                KeyPick::Cycle => KeyChoice::Cycle,
                KeyPick::Uniform => KeyChoice::Uniform,
                KeyPick::Zipf => KeyChoice::Zipf { exponent: self.zipf_exponent },
            },
            connections,
            connections_max: self.connections_max.or(usual_max),
            protocol: match self.http2 {
                true => RequestProtocol::Http2 { streams: self.streams },
                false => RequestProtocol::Http1,
            },
            threads: self.threads,
            batch: self.batch,
            format: self.body_format()?,
            encoding: match self.encoding {
                EncodingArg::None => BodyEncoding::None,
                EncodingArg::Gzip => BodyEncoding::Gzip,
                EncodingArg::Zstd => BodyEncoding::Zstd,
            },
            envelope: match self.envelope {
                EnvelopeArg::Produced => EventEnvelope::Produced,
                EnvelopeArg::Delivered => EventEnvelope::Delivered,
            },
            duration: self.measured_time(profile.as_ref(), warmup)?,
            profile,
            arrivals: match self.arrivals {
                ArrivalsArg::Even => ArrivalSpread::Even,
                ArrivalsArg::Poisson => ArrivalSpread::Poisson,
            },
            requests_max: self.requests,
            warmup,
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
            raw: self.raw.clone(),
            watch_pid: self.watch_pid,
            seed: self.seed,
            ..RunConfig::new(&self.url)
        })
    }

    /// The configuration of a run at a constant rate.
    pub(in crate::cli) fn config_at(&self, events_per_s: f64) -> anyhow::Result<RunConfig> {
        let config = self.config()?;
        let usual_max = self.connections.is_none().then_some(CONNECTIONS_MAX);
        Ok(RunConfig {
            profile: Some(RateProfile::constant(events_per_s)),
            connections_max: self.connections_max.or(usual_max),
            ..config
        })
    }

    /// Returns true if single results are to be written.
    pub(in crate::cli) fn raw_file(&self) -> bool {
        self.raw.is_some()
    }

    fn keys(&self) -> anyhow::Result<Vec<String>> {
        match (&self.keys_file, &self.key) {
            (Some(file), _) => read_keys(file),
            (None, key) => Ok(key.iter().cloned().collect()),
        }
    }

    fn plain(&self) -> anyhow::Result<Option<PlainRequest>> {
        let body = self.body.as_deref().map(read_body).transpose()?;
        let plain = body.is_some() || BODILESS.contains(&self.method.as_str());
        Ok(plain.then_some(PlainRequest { body }))
    }

    fn body_format(&self) -> anyhow::Result<BodyFormat> {
        match (self.envelope, self.format) {
            (EnvelopeArg::Produced, FormatArg::Json) => Ok(BodyFormat::Json),
            (EnvelopeArg::Produced, FormatArg::Ndjson) => Ok(BodyFormat::NdJson),
            (EnvelopeArg::Delivered, FormatArg::Json) => Ok(BodyFormat::JsonArray),
            (EnvelopeArg::Delivered, FormatArg::Ndjson) => bail!("webhooks are never NDJSON"),
        }
    }

    /// How long to measure; `None` for as long as --requests take.
    fn measured_time(
        &self,
        profile: Option<&RateProfile>,
        warmup: Duration,
    ) -> anyhow::Result<Option<Duration>> {
        if self.duration.is_some() {
            return Ok(self.duration);
        }
        match profile.and_then(RateProfile::length) {
            Some(stages) if stages <= warmup => bail!(
                "the warm-up of {warmup:?} is as long as the stages of --rate ({stages:?}): nothing would be measured"
            ),
            Some(stages) => Ok(Some(stages - warmup)),
            None if self.requests.is_some() => Ok(None),
            None => Ok(Some(DURATION)),
        }
    }

    fn profile(&self) -> anyhow::Result<Option<RateProfile>> {
        let Some(burst) = &self.burst else { return Ok(self.rate.clone()) };
        let rate = self.rate.as_ref().and_then(RateProfile::constant_rate);
        let rate = rate.context("--burst needs a constant --rate")?;
        Ok(Some(RateProfile::burst(rate, burst.factor, burst.length, burst.period)?))
    }

    /// Which servers to ask for their figures during the run.
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
        let (tls, receiver) = (self.tls.settings(), self.receiver.clone());
        WatchConfig { tls, scrape, receiver, period: Duration::from_secs(1) }
    }
}
