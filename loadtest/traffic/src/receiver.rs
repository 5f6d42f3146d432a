//! A webhook endpoint that counts and checks deliveries and, if told to, misbehaves.
//!
//! So as not to be the bottleneck of a measurement, it searches bodies for marks
//! instead of parsing them, and locks its state once a delivery.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ledger::{LedgerError, LedgerKind, LedgerWriter};

mod behaviour;
mod conduct;
mod connection;
mod judge;
mod kept;
mod request;
mod signature;
mod stats;
mod tracker;

pub use behaviour::{Behaviour, BehaviourPhase, ReceiverReply};
pub use kept::{KeepLimits, KeptDeliveries, KeptDelivery, SignatureVerdict};
pub use signature::{SecretError, SignatureError, SignedHeaders, Verifier};
pub use stats::{ReceiverStats, RunStats};

use conduct::ReceiverConduct;
use tracker::Tracker;

/// How often the ledger is written.
const LEDGER_PERIOD: Duration = Duration::from_millis(200);
/// The shortest time between two looks of a waiter at the figures.
const WAIT_PERIOD: Duration = Duration::from_millis(2);

/// Where to listen and what to check.
#[derive(Clone)]
pub struct ReceiverConfig {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Threads; one receives some millions of events a second.
    pub threads: usize,
    /// Secrets (`whsec_…`), one of which must have signed each delivery; without
    /// secrets, signatures are not checked.
    pub secrets: Vec<String>,
    /// How deliveries are answered, until it is changed.
    pub behaviour: Behaviour,
    /// Behaviours that follow one another in a cycle, instead of `behaviour`.
    pub pattern: Vec<BehaviourPhase>,
    /// The file for receipts, if they are to be verified.
    pub ledger: Option<PathBuf>,
    /// Longest body, in bytes; more is answered 413.
    pub body_bytes_max: usize,
    /// Most connections at a time; more wait to be accepted.
    pub connections_max: usize,
    /// How many of the last deliveries are kept for inspection.
    pub keep: KeepLimits,
}

/// Without its secrets.
impl std::fmt::Debug for ReceiverConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiverConfig").field("listen", &self.listen).finish_non_exhaustive()
    }
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            threads: 1,
            secrets: Vec::new(),
            behaviour: Behaviour::default(),
            pattern: Vec::new(),
            ledger: None,
            body_bytes_max: 64 * 1024 * 1024,
            connections_max: 4096,
            keep: KeepLimits::default(),
        }
    }
}

/// Why a receiver cannot start or end well.
#[derive(Debug, Error)]
pub enum ReceiverError {
    /// The address cannot be listened on.
    #[error("listening on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// A secret is malformed.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A behaviour is out of range.
    #[error("{0}")]
    Behaviour(&'static str),
    /// The ledger cannot be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The thread or its runtime cannot be started.
    #[error("starting the receiver's thread")]
    Thread(#[source] io::Error),
    /// The receiver's thread failed: a defect of this program.
    #[error("the receiver failed; its panic is on stderr")]
    Panicked,
    /// The awaited figures were not reached in time.
    #[error("after {0:?} the receiver has not seen what was waited for: {1:?}")]
    WaitedInVain(Duration, Box<ReceiverStats>),
}

/// Starts receivers.
#[derive(Debug)]
pub struct Receiver;

/// A running receiver; it stops when this is dropped.
#[derive(Debug)]
pub struct ReceiverHandle {
    address: SocketAddr,
    shared: Arc<ReceiverShared>,
    thread: Option<JoinHandle<()>>,
}

/// The state that all connections share.
#[derive(Debug)]
struct ReceiverShared {
    tracker: Mutex<Tracker>,
    conduct: Mutex<ReceiverConduct>,
    verifier: Verifier,
    ledger: Option<Mutex<LedgerWriter>>,
    ledger_failure: Mutex<Option<LedgerError>>,
    kept: Arc<KeptDeliveries>,
    body_bytes_max: usize,
    /// Told of every delivery.
    changed: Notify,
    stop: CancellationToken,
}

impl Receiver {
    /// Listens, then serves on threads of its own, whatever runtime the caller
    /// has. Returns once connections are accepted.
    pub fn start(config: ReceiverConfig) -> Result<ReceiverHandle, ReceiverError> {
        let ReceiverConfig { listen, threads, secrets, behaviour, pattern, ledger, .. } = config;
        let conduct = ReceiverConduct::new(behaviour, pattern).map_err(ReceiverError::Behaviour)?;
        let ledger = match ledger {
            Some(path) => Some(Mutex::new(LedgerWriter::open(&path, LedgerKind::Received)?)),
            None => None,
        };
        let shared = Arc::new(ReceiverShared {
            tracker: Mutex::new(Tracker::new(ledger.is_some())),
            conduct: Mutex::new(conduct),
            verifier: Verifier::new(&secrets)?,
            ledger,
            ledger_failure: Mutex::new(None),
            kept: Arc::new(KeptDeliveries::new(config.keep)),
            body_bytes_max: config.body_bytes_max,
            changed: Notify::new(),
            stop: CancellationToken::new(),
        });
        let failed = |source| ReceiverError::Listen(listen, source);
        let listener = std::net::TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = runtime(threads).map_err(ReceiverError::Thread)?;
        let serving = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("receiver".into());
        let serve = move || runtime.block_on(serve(listener, serving, config.connections_max));
        let thread = thread.spawn(serve).map_err(ReceiverError::Thread)?;
        Ok(ReceiverHandle { address, shared, thread: Some(thread) })
    }
}

impl ReceiverHandle {
    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://ADDRESS`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The figures so far.
    pub fn stats(&self) -> ReceiverStats {
        self.shared.tracker.lock().stats()
    }

    /// Forgets everything but the behaviour; the ledger is continued.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Changes how deliveries are answered from now on.
    pub fn set_behaviour(&self, behaviour: Behaviour) -> Result<(), ReceiverError> {
        self.shared.behave(behaviour, Vec::new()).map_err(ReceiverError::Behaviour)
    }

    /// Answers deliveries by a cycle of phases from now on.
    pub fn set_pattern(&self, phases: Vec<BehaviourPhase>) -> Result<(), ReceiverError> {
        self.shared.behave(Behaviour::default(), phases).map_err(ReceiverError::Behaviour)
    }

    /// The last deliveries, as many as the configuration keeps, including refused ones.
    pub fn kept(&self) -> &Arc<KeptDeliveries> {
        &self.shared.kept
    }

    /// How deliveries are answered now.
    pub fn behaviour(&self) -> Behaviour {
        self.shared.conduct.lock().now()
    }

    /// Waits until `reached` holds for the figures, and returns them; the error has the
    /// figures at the end of the wait. Cancel safe.
    pub async fn wait_until(
        &self,
        timeout: Duration,
        reached: impl Fn(&ReceiverStats) -> bool,
    ) -> Result<ReceiverStats, ReceiverError> {
        let wait = async {
            loop {
                let changed = self.shared.changed.notified();
                let stats = self.stats();
                if reached(&stats) {
                    return stats;
                }
                changed.await;
                // Many deliveries may come at once: look at their sum.
                tokio::time::sleep(WAIT_PERIOD).await;
            }
        };
        let waited = tokio::time::timeout(timeout, wait).await;
        waited.map_err(|_elapsed| ReceiverError::WaitedInVain(timeout, Box::new(self.stats())))
    }

    /// Waits until the receiver ends by itself, because it cannot write its ledger;
    /// [`stop`](Self::stop) says why. Cancel safe.
    pub async fn ended(&self) {
        self.shared.stop.cancelled().await;
    }

    /// Stops listening, closes the connections, writes the ledger's rest and
    /// gives the final figures. Blocks for a moment.
    pub fn stop(mut self) -> Result<ReceiverStats, ReceiverError> {
        self.shared.stop.cancel();
        let ended = self.thread.take().map_or(Ok(()), JoinHandle::join);
        ended.map_err(|_panic| ReceiverError::Panicked)?;
        match self.shared.ledger_failure.lock().take() {
            Some(failure) => Err(failure.into()),
            None => Ok(self.stats()),
        }
    }
}

impl Drop for ReceiverHandle {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl ReceiverShared {
    fn reset(&self) {
        self.write_entries();
        *self.tracker.lock() = Tracker::new(self.ledger.is_some());
    }

    fn behave(&self, behaviour: Behaviour, phases: Vec<BehaviourPhase>) -> Result<(), &'static str> {
        *self.conduct.lock() = ReceiverConduct::new(behaviour, phases)?;
        Ok(())
    }

    fn write_entries(&self) {
        let Some(ledger) = &self.ledger else { return };
        // Locked first: entries must reach the file in the order of receipt.
        let mut ledger = ledger.lock();
        let entries = self.tracker.lock().take_entries();
        if let Err(error) = ledger.append(&entries) {
            // A ledger with holes proves nothing, so the receiver ends; `stop` says why.
            self.ledger_failure.lock().get_or_insert(error);
            self.stop.cancel();
        }
    }
}

fn runtime(threads: usize) -> io::Result<tokio::runtime::Runtime> {
    let mut builder = match threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(threads.max(1)).thread_name("receiver").enable_all().build()
}

async fn serve(listener: std::net::TcpListener, shared: Arc<ReceiverShared>, connections_max: usize) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        // Fails only without a reactor, which the runtime has.
        Err(_impossible) => return,
    };
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(connections_max.clamp(1, Semaphore::MAX_PERMITS)));
    let mut write = tokio::time::interval(LEDGER_PERIOD);
    let mut number = 0;
    loop {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        // Cancelling loses nothing: the permit is given back, and `accept` and the
        // interval are cancel safe.
        let (place, accepted) = tokio::select! {
            () = shared.stop.cancelled() => break,
            _ = write.tick() => {
                shared.write_entries();
                continue;
            }
            accepted = accept => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection::serve(stream, Arc::clone(&shared), number);
                let stop = shared.stop.clone();
                connections.spawn(async move {
                    // A stop closes connections with whatever is in flight on them.
                    stop.run_until_cancelled(connection).await;
                    drop(place);
                });
                number += 1;
            }
            // Usually file descriptors have run out: some connections must end first.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    connections.close();
    connections.wait().await;
    shared.write_entries();
}

#[cfg(test)]
mod tests;
