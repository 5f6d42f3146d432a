//! The catalogue on Postgres.
//!
//! One table holds the rows, each with the revision of its last change, and another
//! row counts the revisions. A change locks the count first, so changes commit in the
//! order of their revisions: a reader of the changes since a revision never misses an
//! earlier change that commits later. The catalogue changes seldom; reading locks
//! nothing.
//!
//! The rules of a change are in `sluice_catalogue::change`, those of its entry in the
//! audit log in `sluice_catalogue::audit`.

mod audit;
mod errors;
mod login;

use super::config::AwsConfig;
use async_trait::async_trait;
use errors::{is_login_refused, port_error};
use login::PostgresLogin;
use sluice_catalogue::audit as rules;
use sluice_catalogue::change::{self, owner, row_key};
use sluice_catalogue::row::{CatalogueRow, CatalogueRowKey, RowSlot, StoredRow};
use sluice_model::{AuditEntry, AuditId};
use sluice_ports::catalogue::{
    AuditNote, AuditQuery, AuditRetention, Catalogue, CatalogueChange, CatalogueError, ChangeContext,
    Changes, Revision,
};
use sluice_ports::{FailureClass, PortError};
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Acquire as _, PgConnection, Postgres, Row as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long a caller waits for a connection.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(3);
/// How long a call may take, even if the server never answers.
const CALL_WITHIN: Duration = Duration::from_secs(5);
/// How long until every process knows a change: two polls of half a second, and a
/// process' own delay. No snapshot older than a second is used for matching.
const PROPAGATION: Duration = Duration::from_secs(1);

/// The versions of the schema, the oldest first.
fn migrations() -> Migrator {
    let versions = [
        ("rows", include_str!("catalogue/migrations/0001_rows.sql")),
        ("event types", include_str!("catalogue/migrations/0002_event_types.sql")),
        ("audit", include_str!("catalogue/migrations/0003_audit.sql")),
    ];
    let migration = |(version, (name, sql)): (i64, (&'static str, &'static str))| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations((1..).zip(versions).map(migration).collect())
}

/// The distributed [`Catalogue`].
#[derive(Clone)]
pub struct PostgresCatalogue {
    pool: PgPool,
    login: Arc<PostgresLogin>,
    /// Whether the schema was seen to have this program's version or a later one.
    schema_is_new: Arc<AtomicBool>,
}

impl PostgresCatalogue {
    /// Makes a pool, which connects when it is first used.
    ///
    /// # Errors
    /// If the URL is not valid, or a file of the login cannot be read.
    pub fn new(config: &AwsConfig) -> Result<Self, PortError> {
        let (login, options) = PostgresLogin::new(config)?;
        let login = Arc::new(login);
        let current = Arc::clone(&login);
        let pool = PgPoolOptions::new()
            .max_connections(config.postgres_connections_max)
            .acquire_timeout(ACQUIRE_WITHIN)
            .before_acquire(move |_, connection| {
                let is_current = current.is_current(connection.age);
                Box::pin(async move { Ok(is_current) })
            })
            .connect_lazy_with(options);
        Ok(Self { pool, login, schema_is_new: Arc::default() })
    }

    /// A connection. If the server refuses the login, the login is read again, since it
    /// may have been exchanged.
    async fn connection(&self, attempted: &str) -> Result<PoolConnection<Postgres>, PortError> {
        if self.login.is_due()
            && let Err(error) = self.read_login_again().await
        {
            tracing::warn!(%error, "cannot read the login at Postgres again; keeping the previous one");
        }
        let begun = Instant::now();
        let mut acquired = self.pool.acquire().await;
        if acquired.as_ref().err().is_some_and(is_login_refused)
            // Another caller may have read the change.
            && (self.read_login_again().await? || self.login.has_changed_since(begun))
        {
            acquired = self.pool.acquire().await;
        }
        acquired.map_err(|error| port_error(attempted, &error))
    }

    /// Reads the login again. Returns whether it changed.
    async fn read_login_again(&self) -> Result<bool, PortError> {
        let login = Arc::clone(&self.login);
        let read = tokio::task::spawn_blocking(move || login.read_again()).await;
        let read = read.map_err(|error| PortError::unavailable("read the login at Postgres", error))?;
        let Some(options) = read? else { return Ok(false) };
        tracing::info!("the login at Postgres changed; new connections use it");
        self.pool.set_connect_options(options);
        Ok(true)
    }

    /// Brings the schema up to date. Returns whether it was out of date.
    ///
    /// # Errors
    /// If the database cannot be reached, or has another schema of that name.
    pub async fn migrate(&self) -> Result<bool, PortError> {
        let attempted = "migrate the catalogue";
        let port = |error: sqlx::Error| port_error(attempted, &error);
        let mut connection = self.connection(attempted).await?;
        let known: Option<String> = sqlx::query("SELECT to_regclass('_sqlx_migrations')::text")
            .fetch_one(&mut *connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(port)?;
        let mut before = 0i64;
        if known.is_some() {
            let counted = sqlx::query("SELECT count(*) FROM _sqlx_migrations WHERE success");
            before =
                counted.fetch_one(&mut *connection).await.and_then(|row| row.try_get(0)).map_err(port)?;
        }
        migrations()
            .run(&mut *connection)
            .await
            .map_err(|error| errors::migration_error(attempted, error))?;
        Ok((before as usize) < migrations().iter().count())
    }

    /// Makes a schema of another name with the first `versions` migrations only.
    #[cfg(test)]
    pub(crate) async fn make_old(&self, schema: &str, versions: usize) {
        let mut connection = self.pool.acquire().await.expect("a connection");
        let make = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
        sqlx::raw_sql(make).execute(&mut *connection).await.expect("a new schema");
        let old = migrations().iter().take(versions).cloned().collect();
        Migrator::with_migrations(old).run(&mut *connection).await.expect("the old schema");
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn change_now(
        &self,
        change: CatalogueChange,
        context: &ChangeContext,
    ) -> Result<(), CatalogueError> {
        let port = |error: sqlx::Error| port_error("change the catalogue", &error);
        let mut connection = self.connection("change the catalogue").await?;
        let mut transaction = connection.begin().await.map_err(port)?;
        let changed = make(&mut transaction, change, context).await?;
        if changed {
            transaction.commit().await.map_err(port)?;
        } else {
            transaction.rollback().await.map_err(port)?;
        }
        Ok(())
    }

    async fn note_now(&self, note: AuditNote) -> Result<AuditId, CatalogueError> {
        let port = |error: sqlx::Error| port_error("write the audit log", &error);
        let mut connection = self.connection("write the audit log").await?;
        let mut transaction = connection.begin().await.map_err(port)?;
        lock(&mut transaction).await?;
        let id = audit::put_note(&mut transaction, note).await?;
        transaction.commit().await.map_err(port)?;
        Ok(id)
    }

    /// Refuses a schema that is older than this program and could not take its changes.
    /// Asked until the schema was seen to be current.
    async fn check_schema(&self, connection: &mut PgConnection) -> Result<(), PortError> {
        if !self.schema_is_new.load(Ordering::Relaxed) {
            audit::check_schema(connection).await?;
            self.schema_is_new.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Locks the revision, so the transaction is the only one that makes changes.
async fn lock(connection: &mut PgConnection) -> Result<i64, PortError> {
    sqlx::query("SELECT revision FROM catalogue_revision FOR UPDATE")
        .fetch_one(connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| port_error("change the catalogue", &error))
}

/// Ends a call that takes too long.
async fn within<T, E: From<PortError>>(
    attempted: &str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(CALL_WITHIN, call).await.unwrap_or_else(|_elapsed| Err(silent(attempted).into()))
}

fn silent(attempted: &str) -> PortError {
    PortError::failed(FailureClass::Ambiguous, attempted, format!("no answer within {CALL_WITHIN:?}"))
}

/// Makes a change inside a transaction. Returns whether anything changed.
async fn make(
    connection: &mut PgConnection,
    change: CatalogueChange,
    context: &ChangeContext,
) -> Result<bool, CatalogueError> {
    let port = |error: sqlx::Error| port_error("change the catalogue", &error);
    let revision = lock(connection).await?;
    if let Some(owner) = owner(&change)
        && row(connection, (RowSlot::Customer, owner.to_bytes())).await?.is_none()
    {
        return Err(CatalogueError::NotFound);
    }
    let old = row(connection, row_key(&change)).await?;
    let Some(new) = change::apply(change, old.clone())? else { return Ok(false) };
    let draft = rules::draft(old.as_ref(), &new, context);
    let stored = StoredRow::new(&new, revision as u64 + 1);
    put(connection, &stored, &new).await?;
    sqlx::query("UPDATE catalogue_revision SET revision = $1")
        .bind(stored.revision as i64)
        .execute(&mut *connection)
        .await
        .map_err(port)?;
    if let Some(draft) = draft {
        let id = audit::next_id(connection).await?;
        audit::put(connection, &rules::made(id, draft, &context.origin)).await?;
    }
    Ok(true)
}

async fn row(connection: &mut PgConnection, key: CatalogueRowKey) -> Result<Option<CatalogueRow>, PortError> {
    let attempted = "read the catalogue";
    let found =
        sqlx::query("SELECT slot, id, revision, body FROM catalogue_rows WHERE slot = $1 AND id = $2")
            .bind(key.0.as_str())
            .bind(&key.1[..])
            .fetch_optional(connection)
            .await
            .map_err(|error| port_error(attempted, &error))?;
    found.map(|row| decode(&row)).transpose()
}

fn decode(row: &sqlx::postgres::PgRow) -> Result<CatalogueRow, PortError> {
    let attempted = "read the catalogue";
    let read = || -> Result<_, sqlx::Error> {
        Ok((
            row.try_get::<&str, _>(0)?,
            row.try_get::<&[u8], _>(1)?,
            row.try_get::<i64, _>(2)?,
            row.try_get(3)?,
        ))
    };
    let (slot, id, revision, body) = read().map_err(|error| port_error(attempted, &error))?;
    let damaged = |detail: String| PortError::Damaged { attempted: attempted.to_owned(), detail };
    let slot = RowSlot::parse(slot).ok_or_else(|| damaged(format!("there is no slot `{slot}`")))?;
    let id = id.try_into().map_err(|_other| damaged("an id is not 16 bytes long".into()))?;
    StoredRow { slot, id, revision: revision as u64, body }.decode().map_err(damaged)
}

async fn put(
    connection: &mut PgConnection,
    stored: &StoredRow,
    row: &CatalogueRow,
) -> Result<(), CatalogueError> {
    let hash = match row {
        CatalogueRow::Key(key) => Some(&key.hash[..]),
        _ => None,
    };
    let put = sqlx::query(
        "INSERT INTO catalogue_rows (slot, id, revision, body, key_hash) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (slot, id) DO UPDATE SET revision = $3, body = $4, key_hash = $5",
    )
    .bind(stored.slot.as_str())
    .bind(&stored.id[..])
    .bind(stored.revision as i64)
    .bind(&stored.body)
    .bind(hash)
    .execute(connection)
    .await;
    match put {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(CatalogueError::Conflict("another key has the same hash".to_owned()))
        }
        Err(error) => Err(port_error("change the catalogue", &error).into()),
    }
}

#[async_trait]
impl Catalogue for PostgresCatalogue {
    fn propagation(&self) -> Duration {
        PROPAGATION
    }

    async fn changes(&self, since: Revision) -> Result<Changes, PortError> {
        let attempted = "read the catalogue's changes";
        let found = async {
            let mut connection = self.connection(attempted).await?;
            self.check_schema(&mut connection).await?;
            // One statement reads one snapshot; each change leaves a row with its revision.
            let found = sqlx::query(
                "SELECT slot, id, revision, body FROM catalogue_rows WHERE revision > $1 ORDER BY revision",
            )
            .bind(since.0 as i64)
            .fetch_all(&mut *connection);
            found.await.map_err(|error| port_error(attempted, &error))
        };
        let found = within(attempted, found).await?;
        let mut changes = Changes { revision: since, ..Changes::default() };
        for row in &found {
            let revision: i64 = row.try_get(2).map_err(|error| port_error("read the catalogue", &error))?;
            changes.revision = changes.revision.max(Revision(revision as u64));
            decode(row)?.add_to(&mut changes);
        }
        Ok(changes)
    }

    async fn change(&self, change: CatalogueChange, context: ChangeContext) -> Result<(), CatalogueError> {
        // If this future is dropped, the change may or may not be made.
        within("change the catalogue", self.change_now(change, &context)).await
    }

    async fn note(&self, note: AuditNote) -> Result<AuditId, CatalogueError> {
        within("write the audit log", self.note_now(note)).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, PortError> {
        let attempted = "read the audit log";
        let read = async {
            let mut connection = self.connection(attempted).await?;
            audit::read(&mut connection, &query).await
        };
        within(attempted, read).await
    }

    async fn trim_audit(&self, retention: AuditRetention) -> Result<u64, PortError> {
        let attempted = "trim the audit log";
        let trimmed = async {
            let port = |error: sqlx::Error| port_error(attempted, &error);
            let mut connection = self.connection(attempted).await?;
            let mut transaction = connection.begin().await.map_err(port)?;
            if !audit::may_trim(&mut transaction).await? {
                return Ok(0);
            }
            let removed = audit::remove_old(&mut transaction, &retention).await?;
            transaction.commit().await.map_err(port)?;
            Ok(removed)
        };
        within(attempted, trimmed).await
    }
}
