//! The one task that owns both copies of the catalogue and changes them.

use super::audit;
use super::database::{self, DatabaseError};
use super::journal::{AppendedRows, Journal, StagedRow};
use sluice_catalogue::row::{CatalogueDigest, CatalogueRow, RowSlot, StoredRow};
use sluice_catalogue::{audit as rules, change};
use sluice_model::clock::now_ms;
use sluice_model::{AuditEntry, AuditId};
use sluice_ports::PortError;
use sluice_ports::catalogue::{
    AuditNote, AuditQuery, AuditRetention, CatalogueChange, CatalogueError, ChangeContext, Changes, Revision,
};
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
    Change { change: Box<WantedChange>, reply: ChangeReply },
    Audit { query: AuditQuery, reply: oneshot::Sender<Result<Vec<AuditEntry>, PortError>> },
    Trim { retention: AuditRetention, reply: oneshot::Sender<Result<u64, PortError>> },
    Close { reply: oneshot::Sender<Result<(), PortError>> },
}

/// A change of the rows, or of the audit log alone.
#[derive(Debug)]
pub(super) enum WantedChange {
    Row(CatalogueChange, ChangeContext),
    Note(AuditNote),
}

/// Tells how a change ended, with the id of the entry that it left, if any.
type ChangeReply = oneshot::Sender<ChangeOutcome>;
type ChangeOutcome = Result<Option<AuditId>, CatalogueError>;

/// The database, the journal and the digest of their rows.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) connection: SqliteConnection,
    /// `None` while a blocking thread has it, and after a failure with an unknown outcome:
    /// then it is written anew before the next change.
    pub(super) journal: Option<Journal>,
    pub(super) journal_path: PathBuf,
    pub(super) digest: CatalogueDigest,
    /// The revision of the database. Callers read it, so idle polls do not reach the
    /// task.
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
    /// Serves requests until it is closed or all callers are gone.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<CatalogueRequest>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while requests.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut changes = Vec::new();
            for request in batch.drain(..) {
                match request {
                    CatalogueRequest::Change { change, reply } => changes.push((*change, reply)),
                    CatalogueRequest::Changes { since, reply } => {
                        // Changes that arrived before this read are made before it.
                        self.change(std::mem::take(&mut changes)).await;
                        answer(reply, self.changes(since).await);
                    }
                    CatalogueRequest::Audit { query, reply } => {
                        self.change(std::mem::take(&mut changes)).await;
                        let entries = audit::read(&mut self.connection, &query).await;
                        answer(reply, entries.map_err(|error| port("reading the audit log", error)));
                    }
                    CatalogueRequest::Trim { retention, reply } => {
                        self.change(std::mem::take(&mut changes)).await;
                        let trimmed = self.trim(&retention).await;
                        let attempted = "trimming the audit log";
                        answer(
                            reply,
                            trimmed.map_err(|error| PortError::unavailable(attempted, error.to_string())),
                        );
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
        let attempted = "reading the catalogue's changes";
        let rows =
            database::changed_since(&mut self.connection, since.0).await.map_err(|e| port(attempted, e))?;
        let mut changes =
            Changes { revision: Revision(self.revision.load(Ordering::Acquire)), ..Changes::default() };
        for stored in &rows {
            let damaged = |detail| PortError::Damaged { attempted: attempted.to_owned(), detail };
            stored.decode().map_err(damaged)?.add_to(&mut changes);
        }
        Ok(changes)
    }

    /// Makes changes durable together and answers each.
    async fn change(&mut self, changes: Vec<(WantedChange, ChangeReply)>) {
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
    async fn commit(&mut self, changes: Vec<WantedChange>) -> Result<Vec<ChangeOutcome>, BatchError> {
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
            let mut staging = Staging { connection: &mut transaction, revision, digest };
            let mut staged = Vec::new();
            let outcome = staging.stage(change, &mut staged).await?;
            if outcome.is_ok() {
                (revision, digest) = (staging.revision, staging.digest);
                rows.append(&mut staged);
            }
            outcomes.push(outcome);
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

    /// Removes entries of the audit log that are no longer kept, under a revision of its own,
    /// and writes the journal anew without them, so no frame tells of a removed row. If a
    /// crash comes between the two, the next start finds the database ahead.
    async fn trim(&mut self, retention: &AuditRetention) -> Result<u64, BatchError> {
        let (revision, mut digest) = (self.revision.load(Ordering::Acquire) + 1, self.digest);
        let mut transaction =
            self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(DatabaseError::from)?;
        let removed = audit::remove_old(&mut transaction, retention, &mut digest).await?;
        if removed == 0 {
            transaction.rollback().await.map_err(DatabaseError::from)?;
            return Ok(0);
        }
        database::write_digest(&mut transaction, revision, digest).await?;
        transaction.commit().await.map_err(DatabaseError::from)?;
        self.digest = digest;
        self.revision.store(revision, Ordering::Release);
        if let Err(error) = self.rewrite_journal().await {
            // The old journal lacks this revision, so no change may be appended to it.
            self.journal = None;
            return Err(error);
        }
        Ok(removed)
    }

    /// Rewrites the journal if most of its frames are outdated. A failure costs only disk
    /// space.
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
        // The old journal counts until the new one has its name.
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

/// A transaction, and the revision and the digest after it.
struct Staging<'c> {
    connection: &'c mut SqliteConnection,
    revision: u64,
    digest: CatalogueDigest,
}

impl Staging<'_> {
    /// Applies one change inside the transaction and adds the rows that it wrote. The
    /// inner error refuses the change alone, before it wrote a row; the outer one
    /// refuses the transaction.
    async fn stage(
        &mut self,
        change: WantedChange,
        staged: &mut Vec<StagedRow>,
    ) -> Result<ChangeOutcome, DatabaseError> {
        match change {
            WantedChange::Row(change, context) => self.stage_row(change, &context, staged).await,
            WantedChange::Note(note) => self.stage_note(note, staged).await,
        }
    }

    async fn stage_row(
        &mut self,
        change: CatalogueChange,
        context: &ChangeContext,
        staged: &mut Vec<StagedRow>,
    ) -> Result<ChangeOutcome, DatabaseError> {
        if let Some(owner) = change::owner(&change)
            && database::row(self.connection, (RowSlot::Customer, owner.to_bytes())).await?.is_none()
        {
            return Ok(Err(CatalogueError::NotFound));
        }
        let old = database::row(self.connection, change::row_key(&change)).await?;
        let decoded = old.as_ref().map(StoredRow::decode).transpose().map_err(DatabaseError::Damaged)?;
        let new = match change::apply(change, decoded.clone()) {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(Ok(None)),
            Err(refused) => return Ok(Err(refused)),
        };
        let draft = rules::draft(decoded.as_ref(), &new, context);
        if !self.put(old.as_ref(), &new, draft.is_some(), staged).await? {
            return Ok(Err(CatalogueError::Conflict("another key has the same hash".to_owned())));
        }
        let Some(draft) = draft else { return Ok(Ok(None)) };
        let id = audit::next_id(self.connection, now_ms()).await?;
        let entry = rules::made(id, draft, &context.origin);
        self.put(None, &CatalogueRow::Audit(Box::new(entry)), false, staged).await?;
        Ok(Ok(Some(id)))
    }

    async fn stage_note(
        &mut self,
        note: AuditNote,
        staged: &mut Vec<StagedRow>,
    ) -> Result<ChangeOutcome, DatabaseError> {
        let old = match &note {
            AuditNote::Begin(..) => None,
            AuditNote::End { id, .. } => {
                database::row(self.connection, (RowSlot::Audit, id.to_bytes())).await?
            }
        };
        let before = old.as_ref().map(audit::entry).transpose()?;
        let next = audit::next_id(self.connection, now_ms()).await?;
        let entry = match rules::noted(note, || next, before) {
            Ok(entry) => entry,
            Err(refused) => return Ok(Err(refused)),
        };
        let id = entry.id;
        self.put(old.as_ref(), &CatalogueRow::Audit(Box::new(entry)), false, staged).await?;
        Ok(Ok(Some(id)))
    }

    /// Stores a row at the next revision. With `with_next`, it and the next row are one
    /// change. Returns false if another row has the same value in a column that must be
    /// unique.
    async fn put(
        &mut self,
        old: Option<&StoredRow>,
        row: &CatalogueRow,
        with_next: bool,
        staged: &mut Vec<StagedRow>,
    ) -> Result<bool, DatabaseError> {
        let row = StoredRow::new(row, self.revision + 1);
        if !database::replace_row(self.connection, old, &row, &mut self.digest).await? {
            return Ok(false);
        }
        self.revision += 1;
        staged.push(StagedRow { row, with_next });
        Ok(true)
    }
}

/// Appends to the journal on a blocking thread. A failed append is trimmed away.
async fn append(slot: &mut Option<Journal>, rows: Vec<StagedRow>) -> Result<AppendedRows, BatchError> {
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

/// Removes rows that were appended and not kept. If that fails the journal is given up:
/// it is written anew before the next change, or the next start finds it ahead of the
/// database and decides.
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

/// Runs file work on a thread that may block. Returns `None` if the work panicked or the
/// runtime is ending.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

fn port(attempted: &str, error: DatabaseError) -> PortError {
    match error {
        DatabaseError::Damaged(detail) => {
            PortError::Damaged { attempted: attempted.to_owned(), detail: format!("catalogue.db: {detail}") }
        }
        other => PortError::unavailable(attempted, other),
    }
}

/// A caller that has gone away does not need its answer.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    drop(reply.send(value));
}
