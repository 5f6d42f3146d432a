//! `sluice-loadtest receive`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context;
use clap::Args;

use sluice_loadtest::duration;
use sluice_loadtest::receiver::{Behaviour, BehaviourPhase, Receiver, ReceiverConfig, ReceiverReply};

use super::{output, stop_signal};

/// Receives webhooks: counts events, finds loss, repetition, disorder and
/// damage, checks signatures, and misbehaves if told to.
///
/// Prints `ready http://ADDR` once it listens and the result when it ends, on
/// Ctrl-C or SIGTERM. Meanwhile `GET /stats` answers with the result so far as
/// JSON, `POST /reset` starts anew and `PUT /behaviour` changes how deliveries
/// are answered; every other POST is a delivery.
///
/// Events are recognised by the mark that `run` puts into them. Latency counts
/// from the time at which `run` meant to send, by the same machine's clock.
#[derive(Args)]
pub(super) struct ReceiveArgs {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Threads.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Signing secret (whsec_...); repeatable: one of them must match.
    #[arg(long, value_name = "SECRET", env = "SLUICE_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Vec<String>,
    /// How long each answer waits, in milliseconds; 20..500 for any time between.
    #[arg(long, value_name = "MS", default_value = "0")]
    delay_ms: Delay,
    /// HTTP status of the answers.
    #[arg(long, default_value_t = 200)]
    status: u16,
    /// Share of deliveries (0 to 1) that fail: with --fail-status, or by --hang or --close.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    fail_share: f64,
    /// HTTP status of the deliveries that --fail-share makes fail.
    #[arg(long, value_name = "STATUS", default_value_t = 500)]
    fail_status: u16,
    /// Share of events (0 to 1) that 2xx answers name as failed.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    fail_events_share: f64,
    /// Retry-After of answers that are not 2xx, in seconds.
    #[arg(long, value_name = "S")]
    retry_after: Option<u32>,
    /// Send Retry-After as a date.
    #[arg(long, requires = "retry_after")]
    retry_after_date: bool,
    /// Never answer: all deliveries, or those that --fail-share makes fail.
    #[arg(long, group = "bad")]
    hang: bool,
    /// Close the connection instead of answering: all deliveries, or those
    /// that --fail-share makes fail.
    #[arg(long, group = "bad")]
    close: bool,
    /// Reset the connection (RST) instead of answering, likewise.
    #[arg(long, group = "bad")]
    reset: bool,
    /// Break off in the middle of the answer, likewise.
    #[arg(long, group = "bad")]
    cut: bool,
    /// Behave in repeated phases instead: 10s:200,2s:503,1s:hang,1s:close;
    /// a phase is LENGTH:ANSWER, with ANSWER a status, hang, close, reset or cut.
    /// PUT /pattern changes it: [{"for_ms":1000,"reply":{"status":503}}, ...].
    #[arg(long, value_name = "PHASES", value_delimiter = ',', value_parser = phase)]
    pattern: Vec<BehaviourPhase>,
    /// Write every receipt to this file, for `verify`; an existing ledger is continued.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Print the result as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Without its secrets.
impl std::fmt::Debug for ReceiveArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiveArgs").field("listen", &self.listen).finish_non_exhaustive()
    }
}

impl ReceiveArgs {
    fn behaviour(&self) -> Behaviour {
        let bad = [
            (self.hang, ReceiverReply::Hang),
            (self.close, ReceiverReply::Close),
            (self.reset, ReceiverReply::Reset),
            (self.cut, ReceiverReply::Cut),
        ];
        let bad = bad.into_iter().find_map(|(asked, reply)| asked.then_some(reply));
        let answer = ReceiverReply::Status(self.status);
        let (reply, fail_reply) = if self.fail_share > 0.0 {
            (answer, bad.unwrap_or(ReceiverReply::Status(self.fail_status)))
        } else {
            (bad.unwrap_or(answer), ReceiverReply::Status(self.fail_status))
        };
        Behaviour {
            reply,
            delay_ms: self.delay_ms.low,
            delay_max_ms: self.delay_ms.high,
            fail_share: self.fail_share,
            fail_reply,
            fail_events_share: self.fail_events_share,
            retry_after_s: self.retry_after,
            retry_after_date: self.retry_after_date,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Delay {
    low: u64,
    high: Option<u64>,
}

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().map_err(|_why| format!("{text:?} is not a number of ms"));
        match text.split_once("..") {
            Some((low, high)) => Ok(Self { low: number(low)?, high: Some(number(high)?) }),
            None => Ok(Self { low: number(text)?, high: None }),
        }
    }
}

/// `LENGTH:ANSWER`.
fn phase(text: &str) -> Result<BehaviourPhase, String> {
    let (length, answer) = text.split_once(':').ok_or_else(|| format!("{text:?} is not LENGTH:ANSWER"))?;
    let reply = match answer {
        "hang" => ReceiverReply::Hang,
        "close" => ReceiverReply::Close,
        "reset" => ReceiverReply::Reset,
        "cut" => ReceiverReply::Cut,
        status => match status.parse() {
            Ok(status) => ReceiverReply::Status(status),
            Err(_) => return Err(format!("{answer:?} is no status, hang, close, reset or cut")),
        },
    };
    let for_ms = duration::parse(length)?.as_millis() as u64;
    Ok(BehaviourPhase { for_ms, behaviour: Behaviour { reply, ..Behaviour::default() } })
}

pub(super) fn run(args: &ReceiveArgs) -> anyhow::Result<ExitCode> {
    let config = ReceiverConfig {
        listen: args.listen,
        threads: usize::from(args.threads),
        secrets: args.secret.clone(),
        behaviour: args.behaviour(),
        pattern: args.pattern.clone(),
        ledger: args.ledger.clone(),
        ..ReceiverConfig::default()
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let stats = runtime.block_on(async {
        let stop = stop_signal().context("handling signals")?;
        let receiver = Receiver::start(config)?;
        output::line(&format!("ready {}", receiver.url()))?;
        // The first to end ends the wait; the other is not needed any more.
        tokio::select! {
            () = stop.cancelled() => {}
            () = receiver.ended() => {}
        }
        anyhow::Ok(receiver.stop()?)
    })?;
    output::result(args.json, &stats, &stats.text())?;
    Ok(ExitCode::SUCCESS)
}
