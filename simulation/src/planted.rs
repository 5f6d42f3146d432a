//! Faults planted on purpose, one a run: the simulation must find each.
//! They wrap ports and rules; the product's code has no switch for them.

use crate::world::Caller;
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sluice_aws::log::{Failure, From, Got, PutAnswer, PutRecord, ShardInfo, Stream};
use sluice_model::Lane;
use sluice_model::wire::record::{RecordDirectory, RecordEncoder};
use sluice_ports::log::{AppendError, LogPage, Position, RecordDraft, ShardId};
use sluice_ports::{Log, PortError};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Planted {
    /// Facts, dead letters and queued deliveries are acknowledged before they
    /// are stored: the checkpoint passes them.
    EarlyCheckpoint,
    /// A process does not leave its shards before its leases expire.
    NoFence,
    /// A record is acknowledged, stored by a retry later, behind the next one.
    ReorderedRetry,
    /// A webhook counts as taken and is sent by a retry later, behind the next one.
    HeldAttempt,
    /// Requests are answered 202 before their records have sequence numbers.
    EarlyAnswer,
    /// What is sent again is not what was sent before.
    OtherBytes,
}

/// How long a process believes in its leases, in milliseconds.
pub(crate) fn lease_ms(planted: Option<Planted>, who: Caller, lease_ms: u64) -> u64 {
    if planted == Some(Planted::NoFence) && who.is_multiple_of(2) { lease_ms * 20 } else { lease_ms }
}

/// A log whose appends are answered at once.
pub(crate) struct EarlyAnswer(pub(crate) Arc<dyn Log>);

#[async_trait]
impl Log for EarlyAnswer {
    fn append_units(&self) -> usize {
        self.0.append_units()
    }
    fn append_unit(&self, lane: Lane) -> usize {
        self.0.append_unit(lane)
    }
    async fn append(&self, unit: usize, record: RecordDraft) -> Result<(), AppendError> {
        let log = Arc::clone(&self.0);
        tokio::spawn(async move { log.append(unit, record).await });
        Ok(())
    }
    fn accepting(&self) -> Result<(), AppendError> {
        self.0.accepting()
    }
    fn recovered_ms(&self) -> u64 {
        self.0.recovered_ms()
    }
    async fn shards(&self) -> Result<Vec<ShardId>, PortError> {
        self.0.shards().await
    }
    async fn lanes(&self, shard: &ShardId) -> Result<Vec<Lane>, PortError> {
        self.0.lanes(shard).await
    }
    async fn read(
        &self,
        shard: &ShardId,
        after: Position,
        max: usize,
        wait: Duration,
    ) -> Result<LogPage, PortError> {
        self.0.read(shard, after, max, wait).await
    }
}

/// A stream to which a record is sent without its last batch when it is sent again.
pub(crate) struct OtherBytes<S> {
    pub(crate) stream: S,
    pub(crate) sent: Mutex<HashMap<u16, Bytes>>,
}

fn shortened(bytes: &Bytes) -> Option<Bytes> {
    let directory = RecordDirectory::parse(bytes).ok()?;
    let mut batches: Vec<_> =
        directory.read_all(bytes).filter_map(|(_, batch)| batch.ok()).map(Arc::new).collect();
    let lane = batches.first().map(|batch| batch.lane());
    batches.pop();
    let draft = RecordDraft { lane, producer: directory.producer, sequence: directory.sequence, batches };
    let mut out = Vec::new();
    RecordEncoder::new(1).ok()?.encode(&draft, &mut out);
    Some(out.into())
}

#[async_trait]
impl<S: Stream> Stream for OtherBytes<S> {
    async fn shards(&self) -> Result<Vec<ShardInfo>, PortError> {
        self.stream.shards().await
    }
    async fn put(&self, mut records: Vec<PutRecord>) -> Result<Vec<PutAnswer>, (Failure, String)> {
        for record in &mut records {
            let before = self.sent.lock().insert(record.lane, record.bytes.clone());
            if before.is_some_and(|before| before == record.bytes)
                && let Some(other) = shortened(&record.bytes)
            {
                record.bytes = other;
            }
        }
        self.stream.put(records).await
    }
    async fn iterator(&self, shard: &ShardId, from: From) -> Result<String, PortError> {
        self.stream.iterator(shard, from).await
    }
    async fn get(&self, shard: &ShardId, iterator: String, limit: i32) -> Result<Got, PortError> {
        self.stream.get(shard, iterator, limit).await
    }
}
