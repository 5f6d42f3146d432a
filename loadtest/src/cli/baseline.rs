//! `sluice-loadtest baseline`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use sluice_loadtest::baseline;
use sluice_loadtest::baseline::disk::DiskThread;
use sluice_loadtest::baseline::durable::DurableWork;

use super::{output, stop_signal};

/// Serves as the yardstick: a bare hyper HTTP/1.1 server that reads each
/// request and answers 202 with a small fixed JSON body; with `--durable`, it
/// first does the least work that makes the events durable.
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
    /// Answers once the request's events are on the disk: walks the JSON once, writes envelopes,
    /// compresses them with LZ4, and appends them by one thread, bypassing the page cache. It checks
    /// nothing, keeps no index and delivers nothing: the limit of a durable server.
    #[arg(long)]
    durable: bool,
    /// Folder for the file of `--durable`; the file has no name and is removed at the end.
    #[arg(long, value_name = "DIR", default_value = ".", requires = "durable")]
    data_dir: PathBuf,
    /// Size of that file, in MiB; writes start again at its beginning when it is full.
    #[arg(long, value_name = "MIB", default_value_t = 1024, requires = "durable", value_parser = clap::value_parser!(u32).range(16..=65536))]
    file_mib: u32,
}

pub(super) fn run(args: &BaselineArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(usize::from(args.threads))
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let disk =
        match args.durable {
            true => Some(DiskThread::start(&args.data_dir, u64::from(args.file_mib) << 20).with_context(
                || format!("making a file of {} MiB in {}", args.file_mib, args.data_dir.display()),
            )?),
            false => None,
        };
    if disk.as_ref().is_some_and(|disk| !disk.is_direct()) {
        output::tell("the file system has no direct writes; each write goes through the page cache");
    }
    runtime.block_on(async {
        let work = disk.as_ref().map(DurableWork::new);
        let stop = stop_signal().context("handling signals")?;
        let listener =
            baseline::bind(args.listen).await.with_context(|| format!("listening on {}", args.listen))?;
        let address = listener.local_addr().context("reading the address listened on")?;
        output::line(&format!("ready http://{address}"))?;
        // On the runtime's workers: the thread that waits here is not one of them.
        tokio::spawn(baseline::serve(listener, work, stop)).await.context("serving")?;
        anyhow::Ok(())
    })?;
    drop(runtime); // drops every writer to the disk too
    if let Some(disk) = disk {
        disk.join().context("writing to the disk")?;
    }
    Ok(ExitCode::SUCCESS)
}
