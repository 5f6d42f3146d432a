//! Reading events: batches from the log's segments, facts and acknowledgements from the
//! state store. All reads block on the disk.

use crate::checkpoints::EmbeddedCheckpoints;
use crate::clock::EngineClock;
use crate::keys;
use crate::kv::KvView;
use crate::log::EmbeddedLog;
use crate::log::known::log_error;
use foldhash::HashMap;
use sluice_model::{Batch, BatchId, CustomerId, Fact, SubscriptionId};
use sluice_ports::PortError;
use sluice_ports::event_store::{Direction, LanePage, LaneScan, StoredBatch};
use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Reads events.
pub(super) struct EventReader {
    pub(super) log: Arc<EmbeddedLog>,
    pub(super) view: KvView,
    pub(super) checkpoints: Arc<EmbeddedCheckpoints>,
    pub(super) clock: EngineClock,
    /// How long events can be read.
    pub(super) keep_ms: u64,
}

/// A batch and the place of its record.
pub(super) struct LocatedBatch {
    pub(super) batch: Batch,
    lsn: u64,
}

fn disk_error(error: io::Error) -> PortError {
    log_error("read events", error)
}

impl EventReader {
    /// The earliest id time of an event that can be read.
    fn kept_from_ms(&self) -> u64 {
        self.clock.now_ms().saturating_sub(self.keep_ms)
    }

    /// Whether a batch is young enough to be read.
    pub(super) fn is_kept(&self, batch: BatchId) -> bool {
        batch.ms() >= self.kept_from_ms()
    }

    /// Gives `each` the wanted batches of a customer's scan, in log order or the
    /// reverse, and a description of the damage for each that cannot be read.
    fn walk(
        &self,
        scan: &LaneScan,
        wanted: impl Fn(BatchId) -> bool,
        mut each: impl FnMut(Result<LocatedBatch, String>) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let shard = self.log.shard_of(scan.lane);
        let descending = scan.direction == Direction::Descending;
        shard.index.frames(scan.customer, scan.from_ms, scan.until_ms, descending, |rows| {
            for row in rows {
                let mut found = shard.frame_batches(row.lsn, scan.customer, &wanted)?;
                if descending {
                    found.reverse();
                }
                for batch in found {
                    if each(batch.map(|batch| LocatedBatch { batch, lsn: row.lsn })).is_break() {
                        return Ok(false);
                    }
                }
            }
            Ok(true)
        })
    }

    pub(super) fn find(&self, customer: CustomerId, id: BatchId) -> Result<Option<LocatedBatch>, PortError> {
        let scan = LaneScan {
            customer,
            lane: id.lane(),
            after: None,
            from_ms: id.ms(),
            until_ms: id.ms() + 1,
            direction: Direction::Ascending,
            max_batches: 1,
        };
        let (mut found, mut damage) = (None, None);
        let each = |batch: Result<LocatedBatch, String>| match batch {
            Ok(located) => {
                found = Some(located);
                ControlFlow::Break(())
            }
            // The damaged batch may be another batch of the same millisecond.
            Err(detail) => {
                damage.get_or_insert(detail);
                ControlFlow::Continue(())
            }
        };
        self.walk(&scan, |batch| batch == id, each).map_err(disk_error)?;
        match (found, damage) {
            (None, Some(detail)) => {
                Err(PortError::Damaged { attempted: format!("read batch {}", id.first()), detail })
            }
            (found, _) => Ok(found),
        }
    }

    pub(super) fn with_facts(&self, located: LocatedBatch) -> Result<StoredBatch, PortError> {
        let LocatedBatch { batch, lsn } = located;
        let view = &self.view;
        let prefix = keys::facts(batch.customer, batch.id);
        let mut facts = Vec::new();
        view.scan(&prefix, &[], |key, value| {
            if let Some(subscription) = keys::id_at(key, prefix.len()) {
                let fact: Fact = keys::decode("read a fact", value)?;
                facts.push((SubscriptionId::from_bytes(subscription), fact));
            }
            Ok(true)
        })?;
        let acknowledged = decode_acks(view.get(&keys::ack(batch.customer, batch.id))?)?;
        let shard = self.log.shard_of(batch.lane());
        let settled = self.checkpoints.of_shard(&shard.id);
        let passed = lsn < settled.lsn();
        Ok(StoredBatch { place: batch.id, batch: Arc::new(batch), facts, acknowledged, passed })
    }

    pub(super) fn scan(&self, scan: &LaneScan) -> Result<LanePage, PortError> {
        let mut bounded = LaneScan { from_ms: scan.from_ms.max(self.kept_from_ms()), ..*scan };
        if let Some(after) = scan.after {
            match scan.direction {
                Direction::Ascending => bounded.from_ms = bounded.from_ms.max(after.ms()),
                Direction::Descending => bounded.until_ms = scan.until_ms.min(after.ms() + 1),
            }
        }
        let wanted = |batch: BatchId| {
            let beyond = match (scan.after, scan.direction) {
                (None, _) => true,
                (Some(after), Direction::Ascending) => batch >= after.batch(),
                (Some(after), Direction::Descending) => batch <= after.batch(),
            };
            beyond && batch.lane() == scan.lane && (bounded.from_ms..bounded.until_ms).contains(&batch.ms())
        };
        let mut page = LanePage { batches: Vec::new(), exhausted: true };
        let mut failed = None;
        let each = |located: Result<LocatedBatch, String>| {
            let located = match located {
                Ok(located) => located,
                // A damaged batch must not hide those behind it.
                Err(detail) => {
                    tracing::error!(customer = %scan.customer, detail, "a batch cannot be read");
                    return ControlFlow::Continue(());
                }
            };
            if is_passed(scan, &located.batch) {
                return ControlFlow::Continue(());
            }
            if page.batches.len() >= scan.max_batches {
                page.exhausted = false;
                return ControlFlow::Break(());
            }
            match self.with_facts(located) {
                Ok(stored) => {
                    page.batches.push(stored);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        self.walk(&bounded, wanted, each).map_err(disk_error)?;
        failed.map_or(Ok(page), Err)
    }

    /// The numbers of events of those batches that belong to the customer.
    pub(super) fn lengths(
        &self,
        customer: CustomerId,
        batches: &BTreeSet<BatchId>,
    ) -> Result<HashMap<BatchId, u16>, PortError> {
        let mut lengths = HashMap::default();
        for id in batches.iter().filter(|id| self.is_kept(**id)) {
            lengths.extend(self.find(customer, *id)?.map(|located| (*id, located.batch.len())));
        }
        Ok(lengths)
    }
}

/// Whether a scan begins behind all events of the batch.
fn is_passed(scan: &LaneScan, batch: &Batch) -> bool {
    scan.after.filter(|after| after.batch() == batch.id).is_some_and(|after| match scan.direction {
        Direction::Ascending => after.index() + 1 >= batch.len(),
        Direction::Descending => after.index() == 0,
    })
}

pub(super) fn decode_acks(value: Option<impl AsRef<[u8]>>) -> Result<Vec<(u16, u64)>, PortError> {
    value.map_or_else(|| Ok(Vec::new()), |value| keys::decode("read acknowledgements", value.as_ref()))
}
