//! `sluice-loadtest record`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use sluice_loadtest::record::{RecordConfig, record};

use super::connect::TlsArgs;
use super::{output, stop_signal};

/// Passes requests on to a server (HTTP/1.1) and records them, for `replay`.
///
/// Prints `ready http://ADDR` once it listens; ends on Ctrl-C or SIGTERM.
/// Answers are passed on as they come. Credentials and cookies are never
/// written; customers are told apart by a hash of their credentials.
#[derive(Args, Debug)]
pub(super) struct RecordArgs {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The server: http[s]://HOST:PORT.
    #[arg(long, value_name = "URL")]
    upstream: String,
    #[command(flatten)]
    tls: TlsArgs,
    /// The recording; compressed if its name ends in .gz or .zst. An existing file
    /// is replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Leave out this header as well; repeatable.
    #[arg(long, value_name = "NAME")]
    redact_header: Vec<String>,
    /// Replace this member of events, as payload.card.number; repeatable.
    /// Requests whose body is not understood are then not recorded.
    #[arg(long, value_name = "PATH")]
    redact_field: Vec<String>,
    /// Print the result as one line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &RecordArgs) -> anyhow::Result<ExitCode> {
    let config = RecordConfig {
        upstream: args.upstream.clone(),
        tls: args.tls.settings(),
        file: args.out.clone(),
        redact_headers: args.redact_header.clone(),
        redact_fields: args.redact_field.clone(),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    let stats = runtime.block_on(async {
        let stop = stop_signal().context("handling signals")?;
        let listener = tokio::net::TcpListener::bind(args.listen).await;
        let listener = listener.with_context(|| format!("listening on {}", args.listen))?;
        let address = listener.local_addr().context("reading the address listened on")?;
        output::line(&format!("ready http://{address}"))?;
        record(listener, config, stop).await.context("recording")
    })?;
    let text = format!(
        "{} requests recorded; {} passed on and not recorded, {} not answered by the server",
        stats.recorded, stats.unrecorded, stats.failed
    );
    output::result(args.json, &stats, &text)?;
    Ok(ExitCode::SUCCESS)
}
