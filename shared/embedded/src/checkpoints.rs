//! Checkpoints on one machine: a value in the state store for each shard, and a
//! copy in memory, which the event store reads.

use crate::keys;
use crate::kv::{Kv, KvView, StagedChanges};
use crate::log::EmbeddedLog;
use async_trait::async_trait;
use foldhash::HashMap;
use parking_lot::Mutex;
use sluice_ports::log::{Position, ShardId};
use sluice_ports::{Checkpoints, PortError};
use std::sync::Arc;

/// The checkpoints of all shards. One process works all shards, so no owner is fenced off.
pub struct EmbeddedCheckpoints {
    kv: Arc<Kv>,
    known: Arc<Mutex<HashMap<ShardId, Position>>>,
}

impl EmbeddedCheckpoints {
    /// Loads the checkpoints of all shards. Blocks.
    pub(crate) fn open(log: &EmbeddedLog, kv: Arc<Kv>) -> Result<Self, PortError> {
        let mut known = HashMap::default();
        for shard in log.all_shards() {
            known.insert(shard.id.clone(), read_checkpoint(kv.view(), &shard.id)?);
        }
        Ok(Self { kv, known: Arc::new(Mutex::new(known)) })
    }

    /// The checkpoint of a shard.
    pub(crate) fn of_shard(&self, shard: &ShardId) -> Position {
        self.known.lock().get(shard).copied().unwrap_or(Position::START)
    }
}

/// The checkpoint of a shard as it is stored.
pub(crate) fn read_checkpoint(view: &KvView, shard: &ShardId) -> Result<Position, PortError> {
    match view.get(&keys::checkpoint(shard))? {
        Some(value) => keys::decode("read a checkpoint", &value),
        None => Ok(Position::START),
    }
}

#[async_trait]
impl Checkpoints for EmbeddedCheckpoints {
    async fn store(&self, shard: &ShardId, position: Position) -> Result<(), PortError> {
        let (key, known, shard) = (keys::checkpoint(shard), Arc::clone(&self.known), shard.clone());
        let stage = move |staged: &mut StagedChanges<'_>| {
            staged.put(key, keys::encode(&position));
            Ok(())
        };
        let stored = move |(): &()| {
            known.lock().insert(shard, position);
        };
        self.kv.update_then(stage, stored).await
    }

    async fn load(&self, shard: &ShardId) -> Result<Position, PortError> {
        Ok(self.of_shard(shard))
    }
}
