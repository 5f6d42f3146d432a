//! `catalogue.db`: the SQLite copy of the catalogue, checked row by row.

use futures_util::TryStreamExt;
use sluice_catalogue::row::{CatalogueDigest, CatalogueRowKey, RowSlot, StoredRow};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row as _, SqlSafeStr as _, SqliteConnection};
use std::path::Path;
use std::time::Duration;

/// The versions of the schema, the oldest first.
fn migrations() -> Migrator {
    let versions = [
        ("catalogue", include_str!("../../migrations/sqlite/0001_catalogue.sql")),
        ("event types", include_str!("../../migrations/sqlite/0002_event_types.sql")),
        ("audit", include_str!("../../migrations/sqlite/0003_audit.sql")),
    ];
    let migration = |(version, (name, sql)): (i64, (&'static str, &'static str))| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations((1..).zip(versions).map(migration).collect())
}

/// Why a call on the database failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum DatabaseError {
    /// The file is damaged.
    #[error("{0}")]
    Damaged(String),
    /// Another process has the file open.
    #[error("another process has it open")]
    InUse,
    /// A newer version of the program wrote the file.
    #[error("schema version {0} is newer than this program")]
    Newer(i64),
    /// The system failed or refused the call: a full disk, missing permissions.
    #[error(transparent)]
    Sql(sqlx::Error),
}

// SQLite's result codes (sqlite.org/rescode.html) that tell nothing about the file's
// content, and so must not lead to a new file.
const BUSY: i64 = 5;
const LOCKED: i64 = 6;
const NOT_CONTENT: [i64; 6] = [3, 4, 7, 9, 10, 13]; // PERM ABORT NOMEM INTERRUPT IOERR FULL
const IOERR_SHORT_READ: i64 = 522;
const CONSTRAINT_UNIQUE: i64 = 2067;

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        let code = match &error {
            sqlx::Error::Database(inner) => inner.code().and_then(|code| code.parse::<i64>().ok()),
            sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => return Self::Sql(error),
            _ => None,
        };
        match code {
            Some(IOERR_SHORT_READ) | None => Self::Damaged(error.to_string()),
            Some(code) if matches!(code & 0xff, BUSY | LOCKED) => Self::InUse,
            Some(code) if NOT_CONTENT.contains(&(code & 0xff)) => Self::Sql(error),
            Some(_) => Self::Damaged(error.to_string()),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for DatabaseError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError as E;
        match error {
            E::Execute(error) | E::ExecuteMigration(error, _) => error.into(),
            E::VersionMissing(version) => Self::Newer(version),
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// The database as the version before event types made it, empty.
#[cfg(test)]
pub(super) async fn connect_without_event_types(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await.expect("a new database");
    let first = migrations().iter().take(1).cloned().collect();
    Migrator::with_migrations(first).run(&mut connection).await.expect("the first version");
    connection
}

/// Opens the file with one exclusive connection: no second process, no
/// shared-memory file. The file must exist; an empty one gets the schema.
pub(super) async fn connect(path: &Path) -> Result<SqliteConnection, DatabaseError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .locking_mode(SqliteLockingMode::Exclusive)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(1))
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    migrations().run(&mut connection).await?;
    Ok(connection)
}

/// Checks every page, index and row. Returns the revision and the digest.
pub(super) async fn verify(
    connection: &mut SqliteConnection,
) -> Result<(u64, CatalogueDigest), DatabaseError> {
    let findings: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check(3)").fetch_all(&mut *connection).await?;
    if findings != ["ok"] {
        return Err(DatabaseError::Damaged(findings.join("; ")));
    }
    let mut found = CatalogueDigest::default();
    let mut rows = sqlx::query("SELECT slot, id, revision, body, crc FROM rows").fetch(&mut *connection);
    while let Some(row) = rows.try_next().await? {
        found.add(&read_row(&row)?);
    }
    drop(rows);
    let (revision, digest) = read_digest(connection).await?;
    if found != digest {
        let text = format!("its {} rows do not add up to the {} it should have", found.rows, digest.rows);
        return Err(DatabaseError::Damaged(text));
    }
    Ok((revision, digest))
}

async fn read_digest(connection: &mut SqliteConnection) -> Result<(u64, CatalogueDigest), DatabaseError> {
    let query = "SELECT revision, rows, sum, crc FROM digest";
    let Some(row) = sqlx::query(query).fetch_optional(&mut *connection).await? else {
        // The database is new. `verify` finds rows without a digest.
        return Ok((0, CatalogueDigest::default()));
    };
    let revision = row.try_get::<i64, _>(0)? as u64;
    let digest =
        CatalogueDigest { rows: row.try_get::<i64, _>(1)? as u64, sum: row.try_get::<i64, _>(2)? as u64 };
    if i64::from(digest.crc(revision)) != row.try_get::<i64, _>(3)? {
        return Err(DatabaseError::Damaged("its digest is damaged".to_owned()));
    }
    Ok((revision, digest))
}

/// Stores the revision and the digest of the rows.
pub(super) async fn write_digest(
    connection: &mut SqliteConnection,
    revision: u64,
    digest: CatalogueDigest,
) -> Result<(), DatabaseError> {
    sqlx::query(
        "INSERT INTO digest (only, revision, rows, sum, crc) VALUES (1, ?, ?, ?, ?)
         ON CONFLICT (only) DO UPDATE SET revision = excluded.revision, rows = excluded.rows,
             sum = excluded.sum, crc = excluded.crc",
    )
    .bind(revision as i64)
    .bind(digest.rows as i64)
    .bind(digest.sum as i64)
    .bind(i64::from(digest.crc(revision)))
    .execute(connection)
    .await?;
    Ok(())
}

/// Rows that readers of the catalogue know and that changed after `since`, by revision.
pub(super) async fn changed_since(
    connection: &mut SqliteConnection,
    since: u64,
) -> Result<Vec<StoredRow>, DatabaseError> {
    let rows = sqlx::query(
        "SELECT slot, id, revision, body, crc FROM rows WHERE revision > ? AND slot <> 'audit'
         ORDER BY revision",
    )
    .bind(since as i64)
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_row).collect()
}

/// All rows that changed after `since`, by revision.
pub(super) async fn rows_since(
    connection: &mut SqliteConnection,
    since: u64,
) -> Result<Vec<StoredRow>, DatabaseError> {
    let rows =
        sqlx::query("SELECT slot, id, revision, body, crc FROM rows WHERE revision > ? ORDER BY revision")
            .bind(since as i64)
            .fetch_all(connection)
            .await?;
    rows.iter().map(read_row).collect()
}

/// The row with a key.
pub(super) async fn row(
    connection: &mut SqliteConnection,
    (slot, id): CatalogueRowKey,
) -> Result<Option<StoredRow>, DatabaseError> {
    let row = sqlx::query("SELECT slot, id, revision, body, crc FROM rows WHERE slot = ? AND id = ?")
        .bind(slot.as_str())
        .bind(&id[..])
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read_row).transpose()
}

/// Stores a row, replacing the one with its key. Returns false if another row has
/// the same value in a column that must be unique.
async fn put_row(connection: &mut SqliteConnection, row: &StoredRow) -> Result<bool, DatabaseError> {
    let done = sqlx::query(
        "INSERT INTO rows (slot, id, revision, body, crc) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (slot, id) DO UPDATE SET revision = excluded.revision, body = excluded.body,
             crc = excluded.crc",
    )
    .bind(row.slot.as_str())
    .bind(&row.id[..])
    .bind(row.revision as i64)
    .bind(&row.body)
    .bind(i64::from(row.crc()))
    .execute(connection)
    .await;
    match done {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some(&CONSTRAINT_UNIQUE.to_string()) => {
            Ok(false)
        }
        Err(e) => Err(e.into()),
    }
}

/// Stores a row in the place of the old one, and counts it in the digest. Returns
/// false if another row has the same value in a column that must be unique.
pub(super) async fn replace_row(
    connection: &mut SqliteConnection,
    old: Option<&StoredRow>,
    row: &StoredRow,
    digest: &mut CatalogueDigest,
) -> Result<bool, DatabaseError> {
    if !put_row(connection, row).await? {
        return Ok(false);
    }
    if let Some(old) = old {
        digest.remove(old);
    }
    digest.add(row);
    Ok(true)
}

/// Removes a row for good.
pub(super) async fn remove_row(
    connection: &mut SqliteConnection,
    (slot, id): CatalogueRowKey,
) -> Result<(), DatabaseError> {
    sqlx::query("DELETE FROM rows WHERE slot = ? AND id = ?")
        .bind(slot.as_str())
        .bind(&id[..])
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) fn read_row(row: &SqliteRow) -> Result<StoredRow, DatabaseError> {
    let slot: &str = row.try_get(0)?;
    let id: &[u8] = row.try_get(1)?;
    let damaged = |detail: String| DatabaseError::Damaged(detail);
    let stored = StoredRow {
        slot: RowSlot::parse(slot).ok_or_else(|| damaged(format!("a row of unknown slot {slot:?}")))?,
        id: id.try_into().map_err(|_| damaged(format!("a row's id has {} bytes", id.len())))?,
        revision: row.try_get::<i64, _>(2)? as u64,
        body: row.try_get(3)?,
    };
    let crc: i64 = row.try_get(4)?;
    if i64::from(stored.crc()) == crc { Ok(stored) } else { Err(damaged(format!("{stored}: bad checksum"))) }
}

/// Moves the content of the -wal file to the database and closes the connection.
pub(super) async fn close(connection: SqliteConnection) -> Result<(), DatabaseError> {
    connection.close().await.map_err(DatabaseError::from)
}

/// Turns a database into one of the version before the audit log.
#[cfg(test)]
pub(super) async fn undo_audit(path: &Path) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.expect("the database opens");
    let undo = "CREATE TABLE old (
             slot     TEXT    NOT NULL CHECK (slot IN ('customer', 'key', 'subscription', 'event_type')),
             id       BLOB    NOT NULL CHECK (length(id) = 16),
             revision INTEGER NOT NULL,
             body     TEXT    NOT NULL,
             crc      INTEGER NOT NULL,
             PRIMARY KEY (slot, id)
         ) STRICT, WITHOUT ROWID;
         INSERT INTO old SELECT slot, id, revision, body, crc FROM rows;
         DROP TABLE rows;
         ALTER TABLE old RENAME TO rows;
         CREATE UNIQUE INDEX rows_by_revision ON rows (revision);
         CREATE UNIQUE INDEX key_hash ON rows (body ->> '$.row.hash') WHERE slot = 'key';
         DELETE FROM _sqlx_migrations WHERE version > 2;";
    sqlx::raw_sql(undo).execute(&mut connection).await.expect("the schema of before");
    connection.close().await.expect("closed");
}
