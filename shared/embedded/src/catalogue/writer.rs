//! The one task that owns both copies of the catalogue and changes them.

use super::database::{self, DatabaseError};
use super::journal::{AppendedRows, Journal};
use sluice_catalogue::change;
use sluice_catalogue::row::{CatalogueDigest, RowSlot, StoredRow};
use sluice_ports::PortError;
use sluice_ports::catalogue::{CatalogueChange, CatalogueError, Changes, Revision};
use sqlx::{Connection, SqliteConnection};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// How many changes may share one sync of the journal and one commit.
const BATCH_MAX: usize = 256;

/// A request of a caller to the task.
#[derive(Debug)]
pub(super) enum CatalogueRequest {
    Changes { since: Revision, reply: oneshot::Sender<Result<Changes, PortError>> },
    Change { change: Box<CatalogueChange>, reply: oneshot::Sender<Result<(), CatalogueError>> },
    Close { reply: oneshot::Sender<Result<(), PortError>> },
}

type ChangeReply = oneshot::Sender<Result<(), CatalogueError>>;

/// The database, the journal and the digest of their rows.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) connection: SqliteConnection,
    /// `None` while a blocking thread has it, and after a failure that left its
    /// end unknown: it is written anew before the next change.
    pub(super) journal: Option<Journal>,
    pub(super) journal_path: PathBuf,
    pub(super) digest: CatalogueDigest,
    /// The revision of the database. Callers read it, so that idle polls do not
    /// reach the task.
    pub(super) revision: Arc<AtomicU64>,
}

/// Why a batch of changes was not made. Each of its callers is told.
#[derive(Debug, thiserror::Error)]
enum BatchError {
    #[error("catalogue.db: {0}")]
    Database(#[from] DatabaseError),
    #[error("catalogue.journal: {0}")]
    Journal(#[from] std::io::Error),
    #[error("the thread that writes the journal ended")]
    ThreadEnded,
}

impl Writer {
    /// Serves until it is closed or all callers are gone.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<CatalogueRequest>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while requests.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut changes = Vec::new();
            for request in batch.drain(..) {
                match request {
                    CatalogueRequest::Change { change, reply } => changes.push((*change, reply)),
                    CatalogueRequest::Changes { since, reply } => {
                        // Changes that came before this read are made before it.
                        self.change(std::mem::take(&mut changes)).await;
                        answer(reply, self.changes(since).await);
                    }
                    CatalogueRequest::Close { reply } => {
                        self.change(std::mem::take(&mut changes)).await;
                        let closed = database::close(self.connection).await;
                        answer(reply, closed.map_err(|e| PortError::unavailable("closing the catalogue", e)));
                        return;
                    }
                }
            }
            self.change(changes).await;
        }
        if let Err(error) = database::close(self.connection).await {
            tracing::warn!(%error, "catalogue.db was not closed cleanly; its -wal file is read at the next start");
        }
    }

    async fn changes(&mut self, since: Revision) -> Result<Changes, PortError> {
        let what = "reading the catalogue's changes";
        let rows = database::rows_since(&mut self.connection, since.0).await.map_err(|e| port(what, e))?;
        let mut changes =
            Changes { revision: Revision(self.revision.load(Ordering::Acquire)), ..Changes::default() };
        for stored in &rows {
            let damaged = |detail| PortError::Damaged { what: what.to_owned(), detail };
            stored.decode().map_err(damaged)?.add_to(&mut changes);
        }
        Ok(changes)
    }

    /// Makes changes durable together and answers each.
    async fn change(&mut self, changes: Vec<(CatalogueChange, ChangeReply)>) {
        if changes.is_empty() {
            return;
        }
        let (changes, replies): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
        match self.commit(changes).await {
            Ok(outcomes) => {
                replies.into_iter().zip(outcomes).for_each(|(reply, outcome)| answer(reply, outcome));
            }
            Err(error) => {
                tracing::error!(%error, changes = replies.len(), "changes of the catalogue were not made");
                for reply in replies {
                    let error = PortError::unavailable("changing the catalogue", error.to_string());
                    answer(reply, Err(error.into()));
                }
            }
        }
        self.shorten_journal().await;
    }

    /// Makes changes in one transaction: applies the rules, stores the rows and the
    /// digest, appends to the journal, commits.
    async fn commit(
        &mut self,
        changes: Vec<CatalogueChange>,
    ) -> Result<Vec<Result<(), CatalogueError>>, BatchError> {
        if self.journal.is_none() {
            self.rewrite_journal().await?;
            tracing::warn!("catalogue.journal was written anew after a failure");
        }
        let before = self.revision.load(Ordering::Acquire);
        let (mut revision, mut digest) = (before, self.digest);
        let mut transaction =
            self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(DatabaseError::from)?;
        let (mut outcomes, mut rows) = (Vec::with_capacity(changes.len()), Vec::new());
        for change in changes {
            outcomes.push(match stage(&mut transaction, change, revision + 1, &mut digest).await? {
                Ok(staged) => {
                    revision += u64::from(staged.is_some());
                    rows.extend(staged);
                    Ok(())
                }
                Err(refused) => Err(refused),
            });
        }
        if rows.is_empty() {
            transaction.rollback().await.map_err(DatabaseError::from)?;
            return Ok(outcomes);
        }
        database::write_digest(&mut transaction, revision, digest).await?;
        let appended = append(&mut self.journal, rows).await?;
        if let Err(error) = transaction.commit().await {
            trim(&mut self.journal).await;
            return Err(DatabaseError::from(error).into());
        }
        if let Some(journal) = &mut self.journal {
            journal.keep(appended);
        }
        self.digest = digest;
        self.revision.store(revision, Ordering::Release);
        Ok(outcomes)
    }

    /// Rewrites the journal if most of its frames are outdated. A failure costs
    /// nothing but disk space.
    async fn shorten_journal(&mut self) {
        if !self.journal.as_ref().is_some_and(|journal| journal.is_long(self.digest.rows)) {
            return;
        }
        if let Err(error) = self.rewrite_journal().await {
            tracing::error!(%error, "catalogue.journal could not be shortened");
        }
    }

    async fn rewrite_journal(&mut self) -> Result<(), BatchError> {
        let rows = database::rows_since(&mut self.connection, 0).await?;
        let revision = self.revision.load(Ordering::Acquire);
        let (path, old) = (self.journal_path.clone(), self.journal.take());
        // Until the new journal has the name, the old one still counts.
        let (journal, done) = blocking(move || match Journal::rewrite(&path, rows, revision) {
            Ok(fresh) => (Some(fresh), Ok(())),
            Err(error) => (old, Err(error)),
        })
        .await
        .ok_or(BatchError::ThreadEnded)?;
        self.journal = journal;
        Ok(done?)
    }
}

/// Applies one change inside the transaction. The inner error refuses the
/// change alone; the outer one the transaction.
async fn stage(
    connection: &mut SqliteConnection,
    change: CatalogueChange,
    revision: u64,
    digest: &mut CatalogueDigest,
) -> Result<Result<Option<StoredRow>, CatalogueError>, DatabaseError> {
    if let Some(owner) = change::owner(&change)
        && database::row(connection, (RowSlot::Customer, owner.to_bytes())).await?.is_none()
    {
        return Ok(Err(CatalogueError::NotFound));
    }
    let old = database::row(connection, change::row_key(&change)).await?;
    let decoded = old.as_ref().map(StoredRow::decode).transpose().map_err(DatabaseError::Damaged)?;
    let row = match change::apply(change, decoded) {
        Ok(Some(row)) => StoredRow::new(&row, revision),
        Ok(None) => return Ok(Ok(None)),
        Err(refused) => return Ok(Err(refused)),
    };
    if !database::replace_row(connection, old.as_ref(), &row, digest).await? {
        return Ok(Err(CatalogueError::Conflict("another key has the same hash".to_owned())));
    }
    Ok(Ok(Some(row)))
}

/// Appends to the journal on a blocking thread. A failed append is trimmed away.
async fn append(slot: &mut Option<Journal>, rows: Vec<StoredRow>) -> Result<AppendedRows, BatchError> {
    let Some(mut journal) = slot.take() else { return Err(BatchError::ThreadEnded) };
    let (journal, done) = blocking(move || {
        let done = journal.append(&rows);
        (journal, done)
    })
    .await
    .ok_or(BatchError::ThreadEnded)?;
    *slot = Some(journal);
    if done.is_err() {
        trim(slot).await;
    }
    Ok(done?)
}

/// Takes back rows that were appended and not kept. If that fails the journal is
/// given up: it is written anew before the next change, or the next start finds
/// it ahead of the database and decides.
async fn trim(slot: &mut Option<Journal>) {
    let Some(mut journal) = slot.take() else { return };
    match blocking(move || journal.trim().map(|()| journal)).await {
        Some(Ok(journal)) => *slot = Some(journal),
        Some(Err(error)) => {
            tracing::error!(%error, "catalogue.journal keeps a change that was not made; it will be written anew");
        }
        None => {}
    }
}

/// Runs file work on a thread that may block. Returns nothing if the work panicked
/// or the runtime ends.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

fn port(what: &str, error: DatabaseError) -> PortError {
    match error {
        DatabaseError::Damaged(detail) => {
            PortError::Damaged { what: what.to_owned(), detail: format!("catalogue.db: {detail}") }
        }
        other => PortError::unavailable(what, other),
    }
}

/// A caller that has gone away does not need its answer.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    drop(reply.send(value));
}
