//! `sluice-loadtest run`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use sluice_loadtest::event::Envelope;
use sluice_loadtest::request::{BodyEncoding, BodyFormat};
use sluice_loadtest::sender::{self, KeyChoice, RunConfig};

use super::{duration, output, stop_signal};

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
pub(super) struct RunArgs {
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
    /// Connections, each with one request in flight.
    #[arg(long, value_name = "N", default_value_t = 64)]
    connections: usize,
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
    /// Events per second (open loop); without it, as fast as answered.
    #[arg(long, value_name = "EVENTS_PER_S")]
    rate: Option<f64>,
    /// How long to measure, after the warm-up (ms, s, m, h).
    #[arg(long, default_value = "10s", value_parser = duration::parse)]
    duration: Duration,
    /// How long to send before measuring (ms, s, m, h).
    #[arg(long, default_value = "2s", value_parser = duration::parse)]
    warmup: Duration,
    /// Limit on connecting and on each answer (ms, s, m, h).
    #[arg(long, default_value = "10s", value_parser = duration::parse)]
    timeout: Duration,
    /// Size of an event's JSON in bytes; at least about 206.
    #[arg(long, value_name = "BYTES", default_value_t = 220)]
    event_bytes: usize,
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
    /// Write every request's outcome to this file, for `verify`.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Measure processor time and memory of this process (the server's) as well.
    #[arg(long, value_name = "PID")]
    watch_pid: Option<u32>,
    /// Of the random-looking fields.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the result as one line of JSON.
    #[arg(long)]
    json: bool,
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
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EnvelopeArg {
    Produced,
    Delivered,
}

impl RunArgs {
    fn config(&self) -> anyhow::Result<RunConfig> {
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
        };
        Ok(RunConfig {
            keys,
            key_choice,
            connections: self.connections,
            threads: self.threads,
            batch: self.batch,
            format,
            encoding,
            envelope,
            rate: self.rate,
            duration: Some(self.duration),
            warmup: self.warmup,
            timeout: self.timeout,
            event_bytes: self.event_bytes,
            event_types: self.event_type.clone(),
            ordering_key: self.ordering_key,
            prefer_minimal: self.prefer_minimal,
            idempotency_keys: self.idempotency_keys,
            retry_unknown: self.retry_unknown,
            ledger: self.ledger.clone(),
            watch_pid: self.watch_pid,
            seed: self.seed,
            ..RunConfig::new(&self.url)
        })
    }
}

fn read_keys(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let keys: Vec<_> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if keys.is_empty() {
        bail!("{} has no keys", file.display());
    }
    Ok(keys)
}

pub(super) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let config = args.config()?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let report = runtime.block_on(async {
        let stop = stop_signal().context("handling signals")?;
        sender::run(config, Arc::default(), stop).await.context("sending")
    })?;
    output::result(args.json, &report, &report.text())?;
    Ok(ExitCode::SUCCESS)
}
