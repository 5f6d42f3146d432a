//! Entries of the audit log in `catalogue.db`: rows of the slot `audit`, in the order of
//! their ids.

use super::database::{self, DatabaseError, read_row};
use sluice_catalogue::row::{CatalogueDigest, CatalogueRow, RowSlot, StoredRow};
use sluice_model::{AuditEntry, AuditId};
use sluice_ports::catalogue::{AuditQuery, AuditRetention};
use sqlx::{Row as _, SqliteConnection};

/// The next id after the last entry's.
pub(super) async fn next_id(
    connection: &mut SqliteConnection,
    now_ms: u64,
) -> Result<AuditId, DatabaseError> {
    let last = sqlx::query("SELECT id FROM rows WHERE slot = 'audit' ORDER BY id DESC LIMIT 1")
        .fetch_optional(connection)
        .await?;
    let last = last.map(|row| id(row.try_get(0)?)).transpose()?;
    Ok(AuditId::behind(last, now_ms))
}

/// The entries that a query asks for.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    query: &AuditQuery,
) -> Result<Vec<AuditEntry>, DatabaseError> {
    let text = match (query.customer.is_some(), query.newest_first) {
        (false, false) => {
            "SELECT slot, id, revision, body, crc FROM rows
             WHERE slot = 'audit' AND id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3"
        }
        (false, true) => {
            "SELECT slot, id, revision, body, crc FROM rows
             WHERE slot = 'audit' AND id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
        }
        (true, false) => {
            "SELECT slot, id, revision, body, crc FROM rows
             WHERE slot = 'audit' AND id >= ?1 AND id < ?2 AND body ->> '$.row.customer' = ?4
             ORDER BY id LIMIT ?3"
        }
        (true, true) => {
            "SELECT slot, id, revision, body, crc FROM rows
             WHERE slot = 'audit' AND id >= ?1 AND id < ?2 AND body ->> '$.row.customer' = ?4
             ORDER BY id DESC LIMIT ?3"
        }
    };
    let mut wanted = sqlx::query(text)
        .bind(query.from.to_bytes().to_vec())
        .bind(query.until.to_bytes().to_vec())
        .bind(i64::try_from(query.limit).unwrap_or(i64::MAX));
    if let Some(customer) = query.customer {
        wanted = wanted.bind(customer.to_string());
    }
    let rows = wanted.fetch_all(connection).await?;
    rows.iter().map(|row| entry(&read_row(row)?)).collect()
}

/// The entry that a row holds.
pub(super) fn entry(row: &StoredRow) -> Result<AuditEntry, DatabaseError> {
    match row.decode().map_err(DatabaseError::Damaged)? {
        CatalogueRow::Audit(entry) => Ok(*entry),
        _ => Err(DatabaseError::Damaged(format!("{row}: it is no entry of the audit log"))),
    }
}

/// Removes entries that are no longer kept, up to a step of them. Returns how many.
pub(super) async fn remove_old(
    connection: &mut SqliteConnection,
    retention: &AuditRetention,
    digest: &mut CatalogueDigest,
) -> Result<u64, DatabaseError> {
    let mut gone = ids_before(connection, retention.from, retention.step).await?;
    let left = retention.step.saturating_sub(gone.len() as u64);
    let kept = count(connection).await?.saturating_sub(gone.len() as u64);
    let over = kept.saturating_sub(retention.rows_max).min(left);
    if over > 0 {
        gone.extend(ids_of_the_most(connection, retention.from, over).await?);
    }
    for id in &gone {
        let key = (RowSlot::Audit, id.to_bytes());
        if let Some(row) = database::row(connection, key).await? {
            database::remove_row(connection, key).await?;
            digest.remove(&row);
        }
    }
    Ok(gone.len() as u64)
}

async fn count(connection: &mut SqliteConnection) -> Result<u64, DatabaseError> {
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM rows WHERE slot = 'audit'").fetch_one(connection).await?;
    Ok(count as u64)
}

async fn ids_before(
    connection: &mut SqliteConnection,
    before: AuditId,
    limit: u64,
) -> Result<Vec<AuditId>, DatabaseError> {
    let rows = sqlx::query("SELECT id FROM rows WHERE slot = 'audit' AND id < ? ORDER BY id LIMIT ?")
        .bind(before.to_bytes().to_vec())
        .bind(limit as i64)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| id(row.try_get(0)?)).collect()
}

/// The oldest entries of the customer and kind of actor with the most entries, at most
/// half of them, so that the next ones get their turn.
async fn ids_of_the_most(
    connection: &mut SqliteConnection,
    from: AuditId,
    over: u64,
) -> Result<Vec<AuditId>, DatabaseError> {
    let most = sqlx::query(
        "SELECT body ->> '$.row.customer', body ->> '$.row.actor.kind', count(*) AS entries FROM rows
         WHERE slot = 'audit' AND id >= ? GROUP BY 1, 2 ORDER BY entries DESC LIMIT 1",
    )
    .bind(from.to_bytes().to_vec())
    .fetch_optional(&mut *connection)
    .await?;
    let Some(most) = most else { return Ok(Vec::new()) };
    let (customer, kind) = (most.try_get::<Option<String>, _>(0)?, most.try_get::<String, _>(1)?);
    let entries: i64 = most.try_get(2)?;
    let rows = sqlx::query(
        "SELECT id FROM rows WHERE slot = 'audit' AND id >= ? AND body ->> '$.row.customer' IS ?
         AND body ->> '$.row.actor.kind' = ? ORDER BY id LIMIT ?",
    )
    .bind(from.to_bytes().to_vec())
    .bind(customer)
    .bind(kind)
    .bind((over as i64).min(entries / 2 + 1))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| id(row.try_get(0)?)).collect()
}

fn id(bytes: &[u8]) -> Result<AuditId, DatabaseError> {
    let bytes =
        bytes.try_into().map_err(|_| DatabaseError::Damaged("an audit id is not 16 bytes".to_owned()))?;
    Ok(AuditId::from_bytes(bytes))
}
