//! Marked traffic in the background, and receivers that keep ledgers.

use sluice_loadtest::receiver::{Behaviour, Receiver, ReceiverConfig, ReceiverHandle, ReceiverStats};
use sluice_loadtest::sender::{self, LiveCounters, LiveRun, RunConfig, RunReport};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio_util::sync::CancellationToken;

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A running sender; it stops when this is dropped.
pub(crate) struct Traffic {
    live: Arc<LiveRun>,
    stop: CancellationToken,
    thread: Option<JoinHandle<RunReport>>,
    ledger: PathBuf,
}

impl Traffic {
    /// Sends as configured, and keeps its ledger at `ledger`.
    pub(crate) fn start(config: RunConfig, ledger: &Path) -> Self {
        let live = Arc::new(LiveRun::default());
        let stop = CancellationToken::new();
        let config = RunConfig { ledger: Some(ledger.to_owned()), ..config };
        let (shown, stopped) = (live.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let run = sender::run(config, shown, stopped);
            runtime.expect("a runtime").block_on(run).expect("the sender ends well")
        });
        Self { live, stop, thread: Some(thread), ledger: ledger.to_owned() }
    }

    pub(crate) fn counters(&self) -> LiveCounters {
        self.live.counters()
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.counters().events_accepted
    }

    pub(crate) fn ledger(&self) -> &Path {
        &self.ledger
    }

    /// Waits until this many more events are answered 202.
    #[track_caller]
    pub(crate) fn wait_for_accepted(&self, more: u64) {
        let enough = self.accepted() + more;
        super::wait_until(&format!("{more} more events to be accepted"), || self.accepted() >= enough);
    }

    /// Stops sending and waits for the answers that are due.
    #[track_caller]
    pub(crate) fn finish(mut self) -> RunReport {
        self.stop.cancel();
        let thread = self.thread.take().expect("it runs until it is finished");
        thread.join().expect("the sender's thread")
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A receiver that keeps a ledger.
pub(crate) fn receiver(ledger: &Path, secrets: &[&str]) -> ReceiverHandle {
    receiver_at(ANY_PORT, ledger, secrets, Behaviour::default())
}

/// A receiver with this behaviour.
pub(crate) fn receiver_as(ledger: &Path, behaviour: Behaviour) -> ReceiverHandle {
    receiver_at(ANY_PORT, ledger, &[], behaviour)
}

/// A receiver at a given address.
pub(crate) fn receiver_at(
    listen: SocketAddr,
    ledger: &Path,
    secrets: &[&str],
    behaviour: Behaviour,
) -> ReceiverHandle {
    Receiver::start(ReceiverConfig {
        listen,
        secrets: secrets.iter().map(|&secret| secret.to_owned()).collect(),
        behaviour,
        ledger: Some(ledger.to_owned()),
        ..ReceiverConfig::default()
    })
    .expect("start a receiver")
}

/// Waits until the condition holds for the receiver's figures.
#[track_caller]
pub(crate) fn wait_received(
    receiver: &ReceiverHandle,
    what: &str,
    reached: impl Fn(&ReceiverStats) -> bool,
) -> ReceiverStats {
    super::wait_for(what, || Some(receiver.stats()).filter(|stats| reached(stats)))
}
