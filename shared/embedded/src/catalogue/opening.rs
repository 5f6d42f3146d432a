//! Opening the catalogue: checking both copies, deciding how to recover, and recovering.

use super::OpenCatalogueError;
use super::database::{self, DatabaseError};
use super::journal::{self, Journal, JournalContents};
use super::recovery::{self, DatabaseCondition, RecoveryPlan};
use super::writer::Writer;
use crate::durable_file;
use sluice_catalogue::row::StoredRow;
use sqlx::{Connection, SqliteConnection};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// How many rows of deleted subscriptions and event types a start keeps. They tell readers
/// of an older revision about the deletion, and no reader is older than the start. Fewer
/// rows are not worth a write.
const TOMBSTONES_MAX: usize = 10_000;

/// The two copies that are opened.
pub(super) struct Opening {
    database: PathBuf,
    journal: PathBuf,
}

impl Opening {
    pub(super) fn new(folder: &Path) -> Self {
        Self { database: folder.join("catalogue.db"), journal: folder.join("catalogue.journal") }
    }

    pub(super) async fn open(&self) -> Result<Writer, OpenCatalogueError> {
        let (contents, condition) = journal::load(&self.journal).map_err(|e| self.io(&self.journal, e))?;
        let (found, connection) = self.look_at_database().await?;
        let plan = recovery::plan(&found, &condition, contents.revision, contents.digest);
        let kept = plan == RecoveryPlan::Keep;
        let (mut connection, journal) = match plan {
            RecoveryPlan::Refuse { database, journal } => return Err(self.both_damaged(database, journal)),
            RecoveryPlan::Keep => (self.ready(connection).await?, Some(self.open_journal(&contents)?)),
            RecoveryPlan::Fresh => (self.ready(connection).await?, None),
            RecoveryPlan::RewriteJournal(finding) => {
                self.report(&self.journal, finding.as_deref(), "made anew from the database");
                (self.ready(connection).await?, None)
            }
            RecoveryPlan::ApplyJournal(finding) => {
                self.report(&self.database, Some(&finding), "brought up to the journal");
                let mut connection = self.ready(connection).await?;
                self.apply(&mut connection, &contents).await?;
                (connection, Some(self.open_journal(&contents)?))
            }
            RecoveryPlan::RebuildDatabase(finding) => {
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
        let journal_path = self.journal.clone();
        Ok(Writer { connection, journal: Some(journal), journal_path, digest, revision })
    }

    /// The condition of the database, with a connection to it if it is whole.
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
        // A file that the system refuses to open is not damaged.
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

    /// Returns the connection, or makes a new database and connects to it.
    async fn ready(
        &self,
        connection: Option<SqliteConnection>,
    ) -> Result<SqliteConnection, OpenCatalogueError> {
        if let Some(connection) = connection {
            return Ok(connection);
        }
        // A -wal file without a database belongs to a database that no longer exists.
        self.put_aside().map_err(|e| self.io(&self.database, e))?;
        durable_file::private(OpenOptions::new().write(true).create(true))
            .open(&self.database)
            .and_then(|_| durable_file::sync_parent(&self.database))
            .map_err(|e| self.io(&self.database, e))?;
        database::connect(&self.database).await.map_err(|e| self.sql(e))
    }

    /// Renames the database's files to `….damaged`, replacing earlier ones of that name.
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
        durable_file::sync_parent(&self.database)
    }

    /// Brings the database up to the journal in one transaction.
    async fn apply(
        &self,
        connection: &mut SqliteConnection,
        contents: &JournalContents,
    ) -> Result<(), OpenCatalogueError> {
        let whole = apply_rows(connection, contents).await.map_err(|e| self.sql(e))?;
        if whole {
            return Ok(());
        }
        let finding = format!("its rows and the journal's do not add up at revision {}", contents.revision);
        Err(self.both_damaged(finding, "its rows and the database's do not add up".to_owned()))
    }

    /// Removes the rows of deleted subscriptions and event types, under a revision of its
    /// own. If a crash comes before the journal is rewritten, the next start finds the
    /// database ahead.
    async fn drop_tombstones(
        &self,
        connection: &mut SqliteConnection,
        contents: &JournalContents,
    ) -> Result<bool, DatabaseError> {
        let tombstone = |row: &&StoredRow| row.decode().is_ok_and(|row| row.is_tombstone());
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

    fn open_journal(&self, contents: &JournalContents) -> Result<Journal, OpenCatalogueError> {
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

/// Puts the journal's newer rows into the database. If the result does not add up
/// to the journal's digest, nothing is changed and false is returned.
async fn apply_rows(
    connection: &mut SqliteConnection,
    contents: &JournalContents,
) -> Result<bool, DatabaseError> {
    let (database_revision, mut digest) = database::verify(connection).await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut newer: Vec<_> = contents.rows.values().filter(|row| row.revision > database_revision).collect();
    newer.sort_unstable_by_key(|row| row.revision);
    for row in newer {
        let old = database::row(&mut transaction, row.key()).await?;
        if !database::replace_row(&mut transaction, old.as_ref(), row, &mut digest).await? {
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
