//! The catalogue on one machine: SQLite, and a journal of the same rows.
//!
//! A lost subscription would lose its events silently. So every row is kept twice, with
//! checksums, in two files: `catalogue.db` (with its `-wal`), which is read, and
//! `catalogue.journal`, which is only appended to. Opening checks every byte of both. A
//! damaged file is made anew from the other, and an error is logged. If neither proves
//! to be whole, opening fails and names both.
//!
//! A change is checked and staged in a transaction, appended to the journal and synced,
//! committed (`synchronous = FULL`) and then answered. Changes that arrive in the
//! meantime share the next sync.

mod audit;
mod database;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod journal;
mod opening;
mod recovery;
mod writer;

use async_trait::async_trait;
use opening::Opening;
use sluice_model::{AuditEntry, AuditId};
use sluice_ports::PortError;
use sluice_ports::catalogue::{
    AuditNote, AuditQuery, AuditRetention, Catalogue, CatalogueChange, CatalogueError, ChangeContext,
    Changes, Revision,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use writer::{CatalogueRequest, WantedChange};

/// How many requests may wait for the writer.
const REQUESTS_MAX: usize = 1024;

/// Why the catalogue could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenCatalogueError {
    /// The system refused access to a file.
    #[error("catalogue: {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Another process has the catalogue open.
    #[error("catalogue: {0} is open in another process")]
    InUse(PathBuf),
    /// A newer version of the program wrote the catalogue.
    #[error("catalogue: {path} has schema version {version}, newer than this program")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its schema.
        version: i64,
    },
    /// Neither copy proves to be whole.
    #[error(
        "catalogue: both copies are damaged: {database}: {database_finding}; {journal}: {journal_finding}. \
         Restore one of the two from a backup"
    )]
    BothDamaged {
        /// The SQLite file.
        database: PathBuf,
        /// What is wrong with it.
        database_finding: String,
        /// The journal.
        journal: PathBuf,
        /// What is wrong with it.
        journal_finding: String,
    },
    /// SQLite failed for another reason than the file's content.
    #[error("catalogue: {path}: {source}")]
    Sql {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The embedded [`Catalogue`].
#[derive(Debug, Clone)]
pub struct SqliteCatalogue {
    requests: mpsc::Sender<CatalogueRequest>,
    revision: Arc<AtomicU64>,
}

impl SqliteCatalogue {
    /// Opens the catalogue in `folder`, or makes it if there is none, and starts the task
    /// that owns it.
    ///
    /// # Errors
    /// If a file cannot be used, or neither copy is whole.
    pub async fn open(folder: &Path) -> Result<Self, OpenCatalogueError> {
        let writer = Opening::new(folder).open().await?;
        let revision = Arc::clone(&writer.revision);
        let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
        tokio::spawn(writer.run(receiver));
        Ok(Self { requests, revision })
    }

    /// Ends the task once all earlier requests are answered.
    ///
    /// # Errors
    /// If the database could not be closed cleanly; its next opening recovers.
    pub async fn close(&self) -> Result<(), PortError> {
        let (reply, answer) = oneshot::channel();
        self.ask("closing the catalogue", CatalogueRequest::Close { reply }, answer).await?
    }

    async fn want(&self, change: WantedChange) -> Result<Option<AuditId>, CatalogueError> {
        let (reply, answer) = oneshot::channel();
        let request = CatalogueRequest::Change { change: Box::new(change), reply };
        self.ask("changing the catalogue", request, answer).await?
    }

    async fn ask<T>(
        &self,
        attempted: &str,
        request: CatalogueRequest,
        answer: oneshot::Receiver<T>,
    ) -> Result<T, PortError> {
        let closed = || PortError::Closed { attempted: attempted.to_owned() };
        self.requests.send(request).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())
    }
}

#[async_trait]
impl Catalogue for SqliteCatalogue {
    /// The time in which this process refreshes its directory after a change.
    fn propagation(&self) -> Duration {
        Duration::from_millis(10)
    }

    async fn changes(&self, since: Revision) -> Result<Changes, PortError> {
        if since.0 == self.revision.load(Ordering::Acquire) && !self.requests.is_closed() {
            return Ok(Changes { revision: since, ..Changes::default() });
        }
        let (reply, answer) = oneshot::channel();
        self.ask("reading the catalogue's changes", CatalogueRequest::Changes { since, reply }, answer)
            .await?
    }

    async fn change(&self, change: CatalogueChange, context: ChangeContext) -> Result<(), CatalogueError> {
        self.want(WantedChange::Row(change, context)).await.map(|_id| ())
    }

    async fn note(&self, note: AuditNote) -> Result<AuditId, CatalogueError> {
        let id = self.want(WantedChange::Note(note)).await?;
        Ok(id.expect("a note has an entry"))
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, PortError> {
        let (reply, answer) = oneshot::channel();
        self.ask("reading the audit log", CatalogueRequest::Audit { query, reply }, answer).await?
    }

    async fn trim_audit(&self, retention: AuditRetention) -> Result<u64, PortError> {
        let (reply, answer) = oneshot::channel();
        self.ask("trimming the audit log", CatalogueRequest::Trim { retention, reply }, answer).await?
    }
}

#[cfg(test)]
mod tests;
