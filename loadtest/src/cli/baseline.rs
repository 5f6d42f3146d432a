//! `sluice-loadtest baseline`.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use sluice_loadtest::baseline;

use super::{output, stop_signal};

/// Serves as the yardstick: a bare hyper HTTP/1.1 server that reads each
/// request and answers 202 with a small fixed JSON body.
///
/// Prints `ready http://ADDR` once it listens; ends on Ctrl-C or SIGTERM.
#[derive(Args, Debug)]
pub(super) struct BaselineArgs {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Worker threads.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
}

pub(super) fn run(args: &BaselineArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(usize::from(args.threads))
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(async {
        let stop = stop_signal().context("handling signals")?;
        let listener =
            baseline::bind(args.listen).await.with_context(|| format!("listening on {}", args.listen))?;
        let address = listener.local_addr().context("reading the address listened on")?;
        output::line(&format!("ready http://{address}"))?;
        // On the runtime's workers: the thread that waits here is not one of them.
        tokio::spawn(baseline::serve(listener, stop)).await.context("serving")?;
        Ok(ExitCode::SUCCESS)
    })
}
