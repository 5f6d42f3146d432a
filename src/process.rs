//! The parts of every process: a runtime, one TLS provider, a signal to stop, and
//! background tasks that end with the process.

use crate::config::Config;
use anyhow::Context;
use std::future::Future;
use std::io::{IsTerminal as _, stdin};
use std::sync::Once;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Runs a command's future on a runtime of the configured size.
#[cfg(feature = "aws")]
pub(crate) fn block_on(
    config: &Config,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    block_on_at(0, config, work)
}

/// Runs the future of a process with both roles. Requests run on this runtime, the processor
/// on one of its own, which goes first where the cores do not suffice: if events come in
/// faster than they go out, they are read from the disk again, and each costs more.
pub(crate) fn block_on_both_roles(
    config: &Config,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    block_on_at(config.ingest_nice, config, work)
}

fn block_on_at(
    nice: u8,
    config: &Config,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    sluice_telemetry::start_logs(&config.telemetry).context("start logs")?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.threads > 0 {
        runtime.worker_threads(config.threads);
    }
    if nice > 0 {
        // The value is absolute: a thread starts with that of the thread which starts it.
        let own = rustix::process::getpriority_process(None).context("read the process's niceness")?;
        let nice = (own + i32::from(nice)).min(NICE_MAX);
        runtime.on_thread_start(move || stand_back(nice));
    }
    runtime.enable_all().build().context("start the runtime")?.block_on(work)
}

/// The lowest priority that Linux knows.
pub(crate) const NICE_MAX: i32 = 19;

/// Gives the calling thread a lower priority than the process's other threads have.
fn stand_back(nice: i32) {
    static WARNED: Once = Once::new();
    // On Linux `None` is the thread, not its process.
    if let Err(error) = rustix::process::setpriority_process(None, nice) {
        WARNED.call_once(|| tracing::warn!(nice, %error, "threads that serve requests keep their priority"));
    }
}

/// A runtime of its own for one role of a process that has several. On a shared
/// runtime, tasks that never wait keep the others from their turns; between runtimes
/// the kernel shares the cores fairly.
#[derive(Debug)]
pub(crate) struct RoleRuntime(Option<tokio::runtime::Runtime>);

impl RoleRuntime {
    /// Starts `threads` threads; 0 for one for every two cores.
    pub(crate) fn start(name: &str, threads: usize) -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = if threads > 0 { threads } else { (cores / 2).max(1) };
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(threads).thread_name(name).enable_all();
        Ok(Self(Some(runtime.build().with_context(|| format!("start the runtime of the {name}"))?)))
    }

    /// Where the role's tasks are spawned.
    pub(crate) fn handle(&self) -> &tokio::runtime::Handle {
        self.0.as_ref().expect("it is there until it is dropped").handle()
    }
}

impl Drop for RoleRuntime {
    fn drop(&mut self) {
        // A runtime that waits for its tasks must not be dropped by a task.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Names the TLS provider. rustls panics if several are linked and none is named.
pub(crate) fn install_tls_provider() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_installed| anyhow::anyhow!("a TLS provider is already installed"))
}

/// A token that SIGTERM or SIGINT cancels. From then on the process has as long
/// to end as the configuration says.
pub(crate) fn stop_signal(config: &Config) -> anyhow::Result<CancellationToken> {
    keep_through_hang_up()?;
    let drain = Duration::from_millis(config.drain_ms);
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        // Cancel safe: both are waits.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancelled.cancel();
        end_within(drain);
    });
    Ok(token)
}

/// SIGHUP asks a service to read its files again, so it must not end a service that
/// has no such files. Closing a terminal still ends a process that runs in it.
fn keep_through_hang_up() -> anyhow::Result<()> {
    if !stdin().is_terminal() {
        // Listening once replaces the signal's default action for good.
        drop(signal(SignalKind::hangup()).context("listen for SIGHUP")?);
    }
    Ok(())
}

/// Ends the process after `drain` if it has not ended by itself. A thread does this,
/// since no task can hold up a thread.
fn end_within(drain: Duration) {
    let watchdog = std::thread::Builder::new().name("drain".into()).spawn(move || {
        std::thread::sleep(drain);
        tracing::error!(
            drain_ms = drain.as_millis() as u64,
            "the drain took too long; what is under way is cut off"
        );
        std::process::exit(1);
    });
    if let Err(error) = watchdog {
        tracing::warn!(%error, "no thread watches the drain");
    }
}

/// Background tasks that serve the roles of a process until the roles have ended.
#[derive(Debug, Default)]
pub(crate) struct Background {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Background {
    /// Runs a task, which must end when its token is cancelled.
    pub(crate) fn spawn<F>(&mut self, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.push(tokio::spawn(task(self.stop.clone())));
    }

    /// Ends all tasks and waits for them.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        for task in self.tasks {
            task.await.context("a background task")?;
        }
        Ok(())
    }
}
