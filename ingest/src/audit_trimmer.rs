//! Deletes entries of the audit log beyond the retention: at intervals, and soon after
//! this process made many entries.

use crate::config::{AuditConfig, ms};
use sluice_catalogue::directory::Directory;
use sluice_model::AuditId;
use sluice_model::clock::now_ms;
use sluice_ports::catalogue::AuditRetention;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the task checks whether to trim.
const TICK: Duration = Duration::from_secs(1);

/// Entries of this process after which it trims before the interval is over. So each
/// process may exceed the limit by this many for a moment.
const ENTRIES_MAX: u64 = 5000;

/// The most entries that one call deletes.
const STEP: u64 = 10_000;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// Trims until told to stop.
pub(crate) async fn run(directory: Arc<Directory>, config: AuditConfig, stop: CancellationToken) {
    let every = ms(config.check_ms);
    let mut ticks = tokio::time::interval(TICK.min(every));
    let (mut due, mut counted) = (Instant::now(), 0);
    // Cancel safe: a tick that is cut short has done nothing.
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let entries = directory.audited_changes();
        if Instant::now() < due && entries < counted + ENTRIES_MAX {
            continue;
        }
        (due, counted) = (Instant::now() + every, entries);
        if stop.run_until_cancelled(trim(&directory, config)).await.is_none() {
            return;
        }
    }
}

async fn trim(directory: &Directory, config: AuditConfig) {
    let keep_ms = u64::from(config.keep_days) * DAY_MS;
    let from = AuditId::at_ms(now_ms().saturating_sub(keep_ms));
    let retention = AuditRetention { from, rows_max: config.rows_max, step: STEP };
    let mut deleted = 0;
    loop {
        match directory.catalogue().trim_audit(retention).await {
            Ok(0) => break,
            Ok(some) => deleted += some,
            Err(error) => {
                tracing::warn!(%error, "old entries of the audit log were not deleted; tried again later");
                break;
            }
        }
    }
    if deleted > 0 {
        tracing::info!(deleted, "old entries of the audit log were deleted");
    }
}
