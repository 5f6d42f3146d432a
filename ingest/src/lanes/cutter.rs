//! Makes a record of batches and gives them their ids.

use super::batch_builder::BatchBuilder;
use super::placement::Placement;
use foldhash::HashMap;
use sluice_model::ids::BatchIds;
use sluice_model::wire::record::BodyPart;
use sluice_model::{Batch, Lane};
use std::sync::Arc;

/// The batches of one record.
pub(super) struct RecordCut {
    /// The lane, if all batches have the same.
    pub lane: Option<Lane>,
    pub batches: Vec<Arc<Batch>>,
    /// The parts of the batches' bodies, see [`sluice_ports::log::RecordDraft`].
    pub parts: Vec<Vec<BodyPart>>,
    pub placements: Vec<Arc<Placement>>,
    /// The bytes that requests were charged for.
    pub bytes: usize,
}

/// Gives the batches of one append unit their ids, ascending in each lane.
pub(super) struct Cutter {
    ids: HashMap<Lane, BatchIds>,
    recovered_ms: u64,
}

impl Cutter {
    pub(super) fn new(recovered_ms: u64) -> Self {
        Self { ids: HashMap::default(), recovered_ms }
    }

    pub(super) fn cut(&mut self, builders: Vec<BatchBuilder>, now_ms: u64) -> RecordCut {
        let first = builders.first().map(|builder| builder.lane);
        let lane = first.filter(|lane| builders.iter().all(|builder| builder.lane == *lane));
        let bytes = builders.iter().map(|builder| builder.charged).sum();
        let (mut batches, mut parts, mut placements) = (Vec::new(), Vec::new(), Vec::new());
        for builder in builders {
            let lane = builder.lane;
            let ids = self.ids.entry(lane).or_insert_with(|| BatchIds::new(lane, self.recovered_ms));
            let finished = builder.finish(ids.next(now_ms));
            batches.push(Arc::new(finished.batch));
            parts.push(finished.parts);
            placements.push(finished.placement);
        }
        RecordCut { lane, batches, parts, placements, bytes }
    }
}
