//! The audit log in Postgres: a table of its own, written in the transaction of the
//! change. That transaction holds the lock on the revision, so ids ascend in the order
//! of the commits. Times come from the database, one clock for all processes.

use super::errors::port_error;
use sluice_catalogue::audit;
use sluice_model::{AuditEntry, AuditId};
use sluice_ports::catalogue::{AuditNote, AuditQuery, AuditRetention, CatalogueError};
use sluice_ports::{FailureClass, PortError};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

const READING: &str = "read the audit log";
const WRITING: &str = "write the audit log";

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn reading(error: sqlx::Error) -> PortError {
    port_error(READING, &error)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn writing(error: sqlx::Error) -> PortError {
    port_error(WRITING, &error)
}

fn damaged(detail: String) -> PortError {
    PortError::Damaged { attempted: READING.to_owned(), detail }
}

/// The next id after the last entry's. The caller holds the lock on the revision.
pub(super) async fn next_id(connection: &mut PgConnection) -> Result<AuditId, PortError> {
    let row = sqlx::query(
        "SELECT (SELECT id FROM catalogue_audit ORDER BY id DESC LIMIT 1), \
         (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    )
    .fetch_one(connection)
    .await
    .map_err(writing)?;
    let last: Option<&[u8]> = row.try_get(0).map_err(writing)?;
    let now_ms: i64 = row.try_get(1).map_err(writing)?;
    let last = last.map(id).transpose()?;
    Ok(AuditId::behind(last, u64::try_from(now_ms).unwrap_or_default()))
}

/// Stores an entry, or replaces it.
pub(super) async fn put(connection: &mut PgConnection, entry: &AuditEntry) -> Result<(), PortError> {
    let body = serde_json::to_string(entry).expect("an entry has string keys only");
    let put = sqlx::query(
        "INSERT INTO catalogue_audit (id, customer, actor, body) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (id) DO UPDATE SET body = $4",
    )
    .bind(&entry.id.to_bytes()[..])
    .bind(entry.customer.map(|customer| customer.to_bytes().to_vec()))
    .bind(entry.actor.kind())
    .bind(body);
    put.execute(connection).await.map_err(writing)?;
    Ok(())
}

/// Stores a note. The caller holds the lock on the revision.
pub(super) async fn put_note(
    connection: &mut PgConnection,
    note: AuditNote,
) -> Result<AuditId, CatalogueError> {
    let old = match &note {
        AuditNote::Begin(..) => None,
        AuditNote::End { id, .. } => {
            let found = sqlx::query("SELECT body FROM catalogue_audit WHERE id = $1")
                .bind(&id.to_bytes()[..])
                .fetch_optional(&mut *connection)
                .await
                .map_err(reading)?;
            found.map(|row| entry(&row)).transpose()?
        }
    };
    let next = next_id(connection).await?;
    let entry = audit::noted(note, || next, old)?;
    put(connection, &entry).await?;
    Ok(entry.id)
}

/// The entries that a query asks for.
pub(super) async fn read(
    connection: &mut PgConnection,
    query: &AuditQuery,
) -> Result<Vec<AuditEntry>, PortError> {
    let text = match (query.customer.is_some(), query.newest_first) {
        (false, false) => "SELECT body FROM catalogue_audit WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3",
        (false, true) => {
            "SELECT body FROM catalogue_audit WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT $3"
        }
        (true, false) => {
            "SELECT body FROM catalogue_audit WHERE id >= $1 AND id < $2 AND customer = $4 \
             ORDER BY id LIMIT $3"
        }
        (true, true) => {
            "SELECT body FROM catalogue_audit WHERE id >= $1 AND id < $2 AND customer = $4 \
             ORDER BY id DESC LIMIT $3"
        }
    };
    let mut wanted = sqlx::query(text)
        .bind(query.from.to_bytes().to_vec())
        .bind(query.until.to_bytes().to_vec())
        .bind(i64::try_from(query.limit).unwrap_or(i64::MAX));
    if let Some(customer) = query.customer {
        wanted = wanted.bind(customer.to_bytes().to_vec());
    }
    let rows = wanted.fetch_all(connection).await.map_err(reading)?;
    rows.iter().map(entry).collect()
}

/// Takes the right to trim until the end of this transaction. Returns false if another process has it.
pub(super) async fn may_trim(connection: &mut PgConnection) -> Result<bool, PortError> {
    sqlx::query("SELECT pg_try_advisory_xact_lock(hashtext('sluice: trim catalogue_audit'))")
        .fetch_one(connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(writing)
}

/// Deletes entries that are no longer kept, up to a step of them. Returns how many.
pub(super) async fn remove_old(
    connection: &mut PgConnection,
    retention: &AuditRetention,
) -> Result<u64, PortError> {
    let step = i64::try_from(retention.step).unwrap_or(i64::MAX);
    let old = sqlx::query(
        "DELETE FROM catalogue_audit WHERE id IN \
         (SELECT id FROM catalogue_audit WHERE id < $1 ORDER BY id LIMIT $2)",
    )
    .bind(retention.from.to_bytes().to_vec())
    .bind(step);
    let removed = old.execute(&mut *connection).await.map_err(writing)?.rows_affected();
    let count = sqlx::query("SELECT count(*) FROM catalogue_audit").fetch_one(&mut *connection).await;
    let kept: i64 = count.and_then(|row| row.try_get(0)).map_err(reading)?;
    let over = kept.saturating_sub(i64::try_from(retention.rows_max).unwrap_or(i64::MAX));
    let over = over.min(step - i64::try_from(removed).unwrap_or(step));
    if over <= 0 {
        return Ok(removed);
    }
    // The oldest entries of the customer and kind of actor with the most entries, at most
    // half of them, so that the next ones get their turn.
    let flood = sqlx::query(
        "WITH most AS (SELECT customer, actor, count(*) AS entries FROM catalogue_audit \
             GROUP BY customer, actor ORDER BY entries DESC LIMIT 1) \
         DELETE FROM catalogue_audit WHERE id IN (SELECT entry.id FROM catalogue_audit AS entry, most \
             WHERE entry.customer IS NOT DISTINCT FROM most.customer AND entry.actor = most.actor \
             ORDER BY entry.id LIMIT (SELECT least($1, entries / 2 + 1) FROM most))",
    )
    .bind(over);
    Ok(removed + flood.execute(connection).await.map_err(writing)?.rows_affected())
}

/// Fails if the schema is older than this program.
pub(super) async fn check_schema(connection: &mut PgConnection) -> Result<(), PortError> {
    let known = sqlx::query("SELECT to_regclass('catalogue_audit')::text").fetch_one(connection).await;
    let known: Option<String> = known.and_then(|row| row.try_get(0)).map_err(reading)?;
    if known.is_some() {
        return Ok(());
    }
    let words = "the catalogue's schema is missing or older than this program: run `sluice provision`";
    Err(PortError::failed(FailureClass::Denied, "read the catalogue in Postgres", words.to_owned()))
}

fn entry(row: &PgRow) -> Result<AuditEntry, PortError> {
    let body: &str = row.try_get("body").map_err(reading)?;
    serde_json::from_str(body).map_err(|error| damaged(error.to_string()))
}

fn id(bytes: &[u8]) -> Result<AuditId, PortError> {
    let bytes = bytes.try_into().map_err(|_other| damaged("an id is not 16 bytes long".to_owned()))?;
    Ok(AuditId::from_bytes(bytes))
}
