//! The places of a request's events, and which of them belong to which idempotency key.

use super::placement::PlacedRun;
use sluice_model::Claim;
use sluice_ports::idempotency::KeyHash;
use std::sync::Arc;

/// The events of one idempotency key.
#[derive(Debug)]
pub(crate) struct ClaimedEvents {
    /// The hash of the key.
    pub key: KeyHash,
    /// The hash of the content under the key: the request's body, or the event's fields.
    pub body: KeyHash,
    /// The chunk of each event and its place in it, in the request's order.
    pub places: Vec<(usize, usize)>,
}

/// The places of a request's events.
#[derive(Debug, Default)]
pub(crate) struct PlacedEvents {
    /// All of them, chunk by chunk.
    pub runs: Vec<PlacedRun>,
    /// Those of each key, in the request's order.
    pub keyed: Vec<Vec<PlacedRun>>,
    /// Where in `runs` each chunk begins.
    chunks: Vec<usize>,
}

impl PlacedEvents {
    /// The runs that follow are those of the next chunk.
    pub(super) fn begin_chunk(&mut self) {
        self.chunks.push(self.runs.len());
    }

    /// Marks the events of each key in their batches.
    pub(super) fn claim(&mut self, keys: &[ClaimedEvents]) {
        if keys.is_empty() {
            return;
        }
        let chunks: Vec<Vec<(usize, &PlacedRun)>> = (0..self.chunks.len()).map(|n| self.chunk(n)).collect();
        let mut keyed = Vec::with_capacity(keys.len());
        for ClaimedEvents { key, body, places } in keys {
            let runs = runs_of(places, &chunks);
            let parts = runs.len() as u16;
            for (part, run) in runs.iter().enumerate() {
                let (first, count) = (run.first, run.count);
                run.claim(Claim { key: *key, body: *body, first, count, part: part as u16, parts });
            }
            keyed.push(runs);
        }
        self.keyed = keyed;
    }

    /// The runs of a chunk, each with the place of its first event in the chunk.
    fn chunk(&self, number: usize) -> Vec<(usize, &PlacedRun)> {
        let end = self.chunks.get(number + 1).copied().unwrap_or(self.runs.len());
        let (mut place, mut with_places) = (0, Vec::new());
        for run in &self.runs[self.chunks[number]..end] {
            with_places.push((place, run));
            place += usize::from(run.count);
        }
        with_places
    }
}

/// The runs of events at these places. Events that follow each other in a batch
/// are one run.
fn runs_of(places: &[(usize, usize)], chunks: &[Vec<(usize, &PlacedRun)>]) -> Vec<PlacedRun> {
    let mut runs: Vec<PlacedRun> = Vec::new();
    for (chunk, place) in places {
        let chunk = &chunks[*chunk];
        let (begins, run) = &chunk[chunk.partition_point(|(begins, _)| begins <= place) - 1];
        let index = run.first + (place - begins) as u16;
        match runs.last_mut() {
            Some(last)
                if Arc::ptr_eq(&last.placement, &run.placement) && last.first + last.count == index =>
            {
                last.count += 1;
            }
            _ => runs.push(PlacedRun { placement: Arc::clone(&run.placement), first: index, count: 1 }),
        }
    }
    runs
}
