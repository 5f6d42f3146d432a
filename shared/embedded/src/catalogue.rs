//! The catalogue on one machine: SQLite, and a journal of the same rows.
//!
//! A subscription lost without a word would lose events without a word, so
//! every row is kept twice, checksummed, in two files: `catalogue.db` (with
//! its `-wal`), which is read, and `catalogue.journal`, which is only
//! appended to. Opening checks both, every byte of them. Whichever is damaged
//! is made anew from the other, loudly; if neither proves to be whole,
//! opening refuses and names both.
//!
//! A change is checked and staged in a transaction, appended to the journal
//! and synced, committed (`synchronous = FULL`), answered. Changes that wait
//! while one is made share the next sync.

mod database;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod journal;
mod recovery;
mod writer;

use self::database::DatabaseError;
use self::journal::{Contents, Journal};
use self::recovery::{DatabaseCondition, Plan};
use self::writer::{Request, Writer};
use async_trait::async_trait;
use sluice_catalogue::row::{CatalogueRow, StoredRow};
use sluice_ports::PortError;
use sluice_ports::catalogue::{Catalogue, CatalogueChange, CatalogueError, Changes, Revision};
use sqlx::{Connection, SqliteConnection};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for the one writer.
const REQUESTS_MAX: usize = 1024;

/// Deleted subscriptions remembered at a start. Nobody holds a revision from
/// before the start, so nobody needs them; fewer are not worth a write.
const TOMBSTONES_MAX: usize = 10_000;

/// Why the catalogue could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenCatalogueError {
    /// The system refused a file.
    #[error("catalogue: {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Another process has the catalogue.
    #[error("catalogue: {0} is open in another process")]
    InUse(PathBuf),
    /// A newer version of the program wrote it.
    #[error("catalogue: {path} has schema version {version}, newer than this program")]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its schema's version.
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
    /// SQLite failed for a reason that is not the file's content.
    #[error("catalogue: {path}: {source}")]
    Sql {
        /// Which file.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The embedded [`Catalogue`].
#[derive(Debug, Clone)]
pub struct SqliteCatalogue {
    requests: mpsc::Sender<Request>,
    revision: Arc<AtomicU64>,
}

impl SqliteCatalogue {
    /// Opens the catalogue in `folder`, making it where there is none, and
    /// starts the task that owns it.
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
        self.ask("closing the catalogue", Request::Close { reply }, answer).await?
    }

    async fn ask<T>(
        &self,
        what: &str,
        request: Request,
        answer: oneshot::Receiver<T>,
    ) -> Result<T, PortError> {
        let closed = || PortError::Closed { what: what.to_owned() };
        self.requests.send(request).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())
    }
}

#[async_trait]
impl Catalogue for SqliteCatalogue {
    /// One process: a change is known once its directory was refreshed. This
    /// much is left for that.
    fn propagation(&self) -> Duration {
        Duration::from_millis(10)
    }

    async fn changes(&self, since: Revision) -> Result<Changes, PortError> {
        if since.0 == self.revision.load(Ordering::Acquire) && !self.requests.is_closed() {
            return Ok(Changes { revision: since, ..Changes::default() });
        }
        let (reply, answer) = oneshot::channel();
        self.ask("reading the catalogue's changes", Request::Changes { since, reply }, answer).await?
    }

    async fn change(&self, change: CatalogueChange) -> Result<(), CatalogueError> {
        let (reply, answer) = oneshot::channel();
        self.ask("changing the catalogue", Request::Change { change, reply }, answer).await?
    }
}

/// Opening: look at both copies, decide, mend.
struct Opening {
    database: PathBuf,
    journal: PathBuf,
}

impl Opening {
    fn new(folder: &Path) -> Self {
        Self { database: folder.join("catalogue.db"), journal: folder.join("catalogue.journal") }
    }

    async fn open(&self) -> Result<Writer, OpenCatalogueError> {
        let (contents, condition) = journal::load(&self.journal).map_err(|e| self.io(&self.journal, e))?;
        let (found, connection) = self.look_at_database().await?;
        let plan = recovery::plan(&found, &condition, contents.revision, contents.digest);
        let kept = plan == Plan::Keep;
        let (mut connection, journal) = match plan {
            Plan::Refuse { database, journal } => return Err(self.both_damaged(database, journal)),
            Plan::Keep => (self.ready(connection).await?, Some(self.open_journal(&contents)?)),
            Plan::Fresh => (self.ready(connection).await?, None),
            Plan::RewriteJournal(finding) => {
                self.report(&self.journal, finding.as_deref(), "made anew from the database");
                (self.ready(connection).await?, None)
            }
            Plan::ApplyJournal(finding) => {
                self.report(&self.database, Some(&finding), "brought up to the journal");
                let mut connection = self.ready(connection).await?;
                self.apply(&mut connection, &contents).await?;
                (connection, Some(self.open_journal(&contents)?))
            }
            Plan::RebuildDatabase(finding) => {
                self.report(&self.database, Some(&finding), "put aside and made anew from the journal");
                drop(connection);
                self.put_aside().map_err(|e| self.io(&self.database, e))?;
                let mut connection = self.ready(None).await?;
                self.apply(&mut connection, &contents).await?;
                (connection, Some(self.open_journal(&contents)?))
            }
        };
        let dropped = self.drop_tombstones(&mut connection, &contents).await.map_err(|e| self.sql(e))?;
        let (revision, digest) = match found {
            DatabaseCondition::Intact { revision, digest } if kept && !dropped => (revision, digest),
            _ => database::verify(&mut connection).await.map_err(|e| self.sql(e))?,
        };
        let journal = match journal {
            Some(journal) if !dropped && !journal.is_long(digest.rows) => journal,
            _ => {
                let rows = database::rows_since(&mut connection, 0).await.map_err(|e| self.sql(e))?;
                Journal::rewrite(&self.journal, rows, revision).map_err(|e| self.io(&self.journal, e))?
            }
        };
        let revision = Arc::new(AtomicU64::new(revision));
        Ok(Writer { connection, journal: Some(journal), digest, revision })
    }

    /// What the database is; a connection to it where it is whole.
    async fn look_at_database(
        &self,
    ) -> Result<(DatabaseCondition, Option<SqliteConnection>), OpenCatalogueError> {
        match std::fs::metadata(&self.database) {
            Ok(meta) if meta.len() > 0 => {}
            Ok(_) => return Ok((DatabaseCondition::Absent, None)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Ok((DatabaseCondition::Absent, None));
            }
            Err(e) => return Err(self.io(&self.database, e)),
        }
        // What the system itself refuses is no damage.
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.database)
            .map_err(|e| self.io(&self.database, e))?;
        let looked = match database::connect(&self.database).await {
            Ok(mut connection) => database::verify(&mut connection).await.map(|found| (found, connection)),
            Err(e) => Err(e),
        };
        match looked {
            Ok(((revision, digest), connection)) => {
                Ok((DatabaseCondition::Intact { revision, digest }, Some(connection)))
            }
            Err(DatabaseError::Damaged(finding)) => Ok((DatabaseCondition::Damaged(finding), None)),
            Err(other) => Err(self.sql(other)),
        }
    }

    /// The connection, or one to a new database.
    async fn ready(
        &self,
        connection: Option<SqliteConnection>,
    ) -> Result<SqliteConnection, OpenCatalogueError> {
        if let Some(connection) = connection {
            return Ok(connection);
        }
        // A -wal file without its database belongs to one that is gone.
        self.put_aside().map_err(|e| self.io(&self.database, e))?;
        journal::private(OpenOptions::new().write(true).create(true))
            .open(&self.database)
            .and_then(|_| journal::sync_dir_of(&self.database))
            .map_err(|e| self.io(&self.database, e))?;
        database::connect(&self.database).await.map_err(|e| self.sql(e))
    }

    /// Renames the database's files; an earlier set put aside is replaced.
    fn put_aside(&self) -> std::io::Result<()> {
        for suffix in ["", "-wal", "-shm"] {
            let from = with_suffix(&self.database, suffix);
            match std::fs::metadata(&from) {
                Ok(meta) if meta.len() == 0 => std::fs::remove_file(&from)?,
                Ok(_) => std::fs::rename(&from, with_suffix(&from, ".damaged"))?,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        journal::sync_dir_of(&self.database)
    }

    /// Brings the database up to the journal in one transaction.
    async fn apply(
        &self,
        connection: &mut SqliteConnection,
        contents: &Contents,
    ) -> Result<(), OpenCatalogueError> {
        let whole = apply_rows(connection, contents).await.map_err(|e| self.sql(e))?;
        if whole {
            return Ok(());
        }
        let finding = format!("its rows and the journal's do not add up at revision {}", contents.revision);
        Err(self.both_damaged(finding, "its rows and the database's do not add up".to_owned()))
    }

    /// Forgets deleted subscriptions for good, under a revision of its own,
    /// so that a crash before the journal follows finds the database ahead.
    async fn drop_tombstones(
        &self,
        connection: &mut SqliteConnection,
        contents: &Contents,
    ) -> Result<bool, DatabaseError> {
        let tombstone =
            |row: &&StoredRow| matches!(row.decode(), Ok(CatalogueRow::DeletedSubscription { .. }));
        let tombstones: Vec<_> = contents.rows.values().filter(tombstone).collect();
        if tombstones.len() <= TOMBSTONES_MAX {
            return Ok(false);
        }
        let (revision, mut digest) = database::verify(connection).await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for row in tombstones {
            if let Some(stored) = database::row(&mut transaction, row.key()).await? {
                database::remove_row(&mut transaction, row.key()).await?;
                digest.remove(&stored);
            }
        }
        database::write_digest(&mut transaction, revision + 1, digest).await?;
        transaction.commit().await?;
        Ok(true)
    }

    fn open_journal(&self, contents: &Contents) -> Result<Journal, OpenCatalogueError> {
        Journal::open(&self.journal, contents).map_err(|e| self.io(&self.journal, e))
    }

    fn report(&self, path: &Path, finding: Option<&str>, done: &str) {
        if let Some(finding) = finding {
            tracing::error!(file = %path.display(), finding, "catalogue: damaged file {done}");
        }
    }

    fn io(&self, path: &Path, source: std::io::Error) -> OpenCatalogueError {
        OpenCatalogueError::Io { path: path.to_owned(), source }
    }

    fn sql(&self, error: DatabaseError) -> OpenCatalogueError {
        let path = self.database.clone();
        match error {
            DatabaseError::InUse => OpenCatalogueError::InUse(path),
            DatabaseError::Newer(version) => OpenCatalogueError::Newer { path, version },
            other => OpenCatalogueError::Sql { path, source: Box::new(other) },
        }
    }

    fn both_damaged(&self, database_finding: String, journal_finding: String) -> OpenCatalogueError {
        OpenCatalogueError::BothDamaged {
            database: self.database.clone(),
            database_finding,
            journal: self.journal.clone(),
            journal_finding,
        }
    }
}

/// Puts the journal's newer rows into the database; `false`, and nothing
/// done, where the result is not what the journal adds up to.
async fn apply_rows(connection: &mut SqliteConnection, contents: &Contents) -> Result<bool, DatabaseError> {
    let (at, mut digest) = database::verify(connection).await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut newer: Vec<_> = contents.rows.values().filter(|row| row.revision > at).collect();
    newer.sort_unstable_by_key(|row| row.revision);
    for row in newer {
        if let Some(old) = database::row(&mut transaction, row.key()).await? {
            digest.remove(&old);
        }
        digest.add(row);
        if !database::put_row(&mut transaction, row).await? {
            return Ok(false);
        }
    }
    if digest != contents.digest {
        return Ok(false);
    }
    database::write_digest(&mut transaction, contents.revision, digest).await?;
    transaction.commit().await?;
    Ok(true)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
