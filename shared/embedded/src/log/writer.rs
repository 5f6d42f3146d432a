//! The thread that appends records to one shard of the log.
//!
//! An append hands its record to the thread through a bounded channel and waits
//! for a oneshot, so no caller's thread blocks. The thread encodes the record,
//! writes and syncs it, and publishes it to the readers before it answers. It is
//! a runtime of one thread: a task that was spawned there appends record after
//! record without a change of thread, so the disk does not wait for it.

use super::tail::Tail;
use crate::log_index::LogIndex;
use crate::segment_prepare::PreparerStatus;
use crate::segment_writer::{SegmentWriter, WriteError};
use parking_lot::Mutex;
use sluice_model::wire::record::RecordEncoder;
use sluice_ports::log::{AppendError, IdTimes, LogRecord, Position, RecordDraft};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

/// Records that wait for the thread. The port's callers have one append of a
/// shard in flight, so a second record hardly ever waits.
const REQUESTS_MAX: usize = 1;
/// When a caller may try a refused append again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A record to append, and the caller that waits for its outcome.
struct AppendRequest {
    record: RecordDraft,
    outcome: oneshot::Sender<Result<(), AppendError>>,
}

/// State of the thread that callers may read at any time.
#[derive(Default)]
struct WriterState {
    /// The last append found no segment to write to.
    blocked: AtomicBool,
    /// The log may or may not hold a record whose write failed.
    undecided: AtomicBool,
}

/// A handle to the thread.
pub(super) struct LogWriter {
    /// `None` after the log was closed.
    requests: Mutex<Option<mpsc::Sender<AppendRequest>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    runtime: Handle,
    state: Arc<WriterState>,
    preparer: PreparerStatus,
}

/// Where the thread publishes appended records.
pub(super) struct LogReaders {
    pub(super) index: Arc<LogIndex>,
    pub(super) tail: Arc<Mutex<Tail>>,
    /// The position at which the durable log ends.
    pub(super) end: watch::Sender<u64>,
}

impl LogWriter {
    /// Starts the thread of shard `number`.
    pub(super) fn start(
        number: u16,
        writer: SegmentWriter,
        encoder: RecordEncoder,
        readers: LogReaders,
    ) -> io::Result<Self> {
        let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
        let (state, preparer) = (Arc::new(WriterState::default()), writer.status());
        let thread = LogThread { writer, encoder, readers, state: state.clone() };
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new()
            .name(format!("sluice-log-{number}"))
            .spawn(move || runtime.block_on(thread.run(receiver)))?;
        let (requests, thread) = (Mutex::new(Some(requests)), Mutex::new(Some(thread)));
        Ok(Self { requests, thread, runtime: handle, state, preparer })
    }

    /// The runtime of the thread. Its tasks end when the log is closed.
    pub(super) const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Appends a record and waits until it is durable. If the call is dropped, the record
    /// may or may not be appended.
    pub(super) async fn append(&self, record: RecordDraft) -> Result<(), AppendError> {
        let closed = || not_taken("the log is closed");
        let requests = self.requests.lock().clone().ok_or_else(closed)?;
        let (outcome, appended) = oneshot::channel();
        requests.send(AppendRequest { record, outcome }).await.map_err(|_ended| closed())?;
        appended.await.unwrap_or_else(|_ended| {
            Err(AppendError::Unknown { detail: "the log's thread ended during the append".into() })
        })
    }

    /// Whether an append would find room now.
    pub(super) fn accepting(&self) -> Result<(), AppendError> {
        if !self.state.blocked.load(Ordering::Acquire) {
            return Ok(());
        }
        match self.preparer.failing() {
            Some(detail) => Err(not_taken(&detail)),
            None => {
                self.state.blocked.store(false, Ordering::Release);
                Ok(())
            }
        }
    }

    /// Whether the log may or may not hold a record whose write failed. The next
    /// append that succeeds decides that it does not.
    pub(super) fn is_undecided(&self) -> bool {
        self.state.undecided.load(Ordering::Acquire)
    }

    /// Ends the thread after the appends that were handed to it. Blocks.
    pub(super) fn close(&self) {
        self.requests.lock().take();
        let thread = self.thread.lock().take();
        // A task of the thread may hold the log's last handle: it ends by itself then.
        let other = thread.filter(|thread| thread.thread().id() != std::thread::current().id());
        if other.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("a thread of the log ended in a panic");
        }
    }
}

impl Drop for LogWriter {
    /// Waits for the thread: it must not write once another log owns the directory.
    fn drop(&mut self) {
        self.close();
    }
}

/// What the thread owns.
struct LogThread {
    writer: SegmentWriter,
    encoder: RecordEncoder,
    readers: LogReaders,
    state: Arc<WriterState>,
}

impl LogThread {
    /// Blocks the thread for each append: its other tasks wait for appends, too.
    async fn run(mut self, mut requests: mpsc::Receiver<AppendRequest>) {
        while let Some(AppendRequest { record, outcome }) = requests.recv().await {
            let appended = self.append(record);
            // A caller that has gone away does not need the outcome.
            let _gone = outcome.send(appended);
        }
    }

    fn append(&mut self, record: RecordDraft) -> Result<(), AppendError> {
        let encoder = &mut self.encoder;
        let appended = self.writer.append(|out| encoder.encode(&record, out));
        self.state.undecided.store(self.writer.is_undecided(), Ordering::Release);
        self.state.blocked.store(matches!(appended, Err(WriteError::NotTaken(_))), Ordering::Release);
        let appended = appended.map_err(|error| {
            tracing::error!(%error, "a record was not appended to the log");
            match error {
                WriteError::NotTaken(error) => not_taken(&error.to_string()),
                WriteError::Unknown(error) => AppendError::Unknown { detail: error.to_string().into() },
            }
        })?;
        let LogReaders { index, tail, end } = &self.readers;
        index.push(appended.base, appended.lsn, &record.batches);
        let record = LogRecord {
            position: Position::from_lsn(appended.next),
            producer: record.producer,
            sequence: record.sequence,
            batches: record.batches,
            id_times: IdTimes::ALL,
        };
        tail.lock().push(appended.next, record);
        end.send_replace(appended.next);
        Ok(())
    }
}

fn not_taken(detail: &str) -> AppendError {
    AppendError::NotTaken { detail: detail.into(), retry_after: RETRY_AFTER }
}
