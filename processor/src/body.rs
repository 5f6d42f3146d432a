//! A webhook's body: a JSON array of envelopes, never re-serialised.
//!
//! ```text
//! [ <envelopes of a run, as they lie in their batch> , <of the next run> … ]
//! ```
//!
//! Long runs are sent from the batch's own bytes. Short runs are copied together, because a
//! chunk costs a slot of a `writev`, which is more than copying a few kilobytes.

use crate::slice::run_weight;
use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use sluice_model::{Batch, EventSet};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Runs shorter than this are copied.
const COPY_BELOW: usize = 4096;

/// Builds the chunks of a body.
pub fn chunks<'a>(slices: impl Iterator<Item = (&'a Batch, &'a EventSet)>) -> Arc<[Bytes]> {
    let mut chunks = Vec::new();
    let mut small = BytesMut::from(&b"["[..]);
    let mut first = true;
    for (batch, events) in slices {
        for &run in events.runs() {
            if !std::mem::take(&mut first) {
                small.put_u8(b',');
            }
            let envelopes = batch.envelopes(run);
            if run_weight(batch, run) < COPY_BELOW {
                small.put_slice(&envelopes);
            } else {
                chunks.push(small.split().freeze());
                chunks.push(envelopes);
            }
        }
    }
    small.put_u8(b']');
    chunks.push(small.freeze());
    chunks.retain(|chunk| !chunk.is_empty());
    chunks.into()
}

/// How many bytes of a body [`chunks`] copies rather than sends from the batches.
pub fn copied_bytes<'a>(slices: impl Iterator<Item = (&'a Batch, &'a EventSet)>) -> usize {
    let weights = slices.flat_map(|(batch, events)| events.runs().iter().map(|run| run_weight(batch, *run)));
    weights.filter(|weight| *weight < COPY_BELOW).sum()
}

/// A body of chunks. Its length is known, so `Content-Length` is sent.
#[derive(Debug)]
pub struct ChunkBody {
    chunks: Arc<[Bytes]>,
    next: usize,
    left: u64,
}

impl ChunkBody {
    /// A body of these chunks.
    #[must_use]
    pub fn new(chunks: Arc<[Bytes]>) -> Self {
        let left = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self { chunks, next: 0, left }
    }
}

impl Body for ChunkBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.chunks.get(self.next).cloned();
        if let Some(chunk) = &chunk {
            self.next += 1;
            self.left -= chunk.len() as u64;
        }
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::batch_of_sizes;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_body_is_the_envelopes_between_brackets(
            given in prop::collection::vec(prop::collection::vec((prop_oneof![2usize..60, 3000usize..6000], any::<bool>()), 1..12), 1..5)
        ) {
            let slices: Vec<_> = given.iter().map(|events| {
                let sizes: Vec<_> = events.iter().map(|(size, _)| *size).collect();
                let set: EventSet = (0..events.len() as u16).filter(|i| events[usize::from(*i)].1).collect();
                (batch_of_sizes(&sizes), set)
            }).collect();
            let envelopes: Vec<_> = slices.iter()
                .flat_map(|(batch, set)| set.iter().map(|i| String::from_utf8(batch.envelope(i).to_vec()).unwrap()))
                .collect();
            let chunks = chunks(slices.iter().map(|(batch, set)| (batch, set)));
            let expected = format!("[{}]", envelopes.join(","));
            prop_assert_eq!(ChunkBody::new(Arc::clone(&chunks)).size_hint().exact(), Some(expected.len() as u64));
            prop_assert_eq!(chunks.concat(), expected.into_bytes());
        }
    }

    #[test]
    fn a_long_run_is_not_copied() {
        let batch = batch_of_sizes(&[5000, 5000]);
        let all = EventSet::range(0, 2);
        let chunks = chunks([(&batch, &all)].into_iter());
        assert_eq!(chunks[1].as_ptr(), batch.body.as_ptr());
        assert_eq!(copied_bytes([(&batch, &all)].into_iter()), 0);
        let short = batch_of_sizes(&[10, 5000, 20]);
        let outer: EventSet = [0, 2].into_iter().collect();
        assert_eq!(copied_bytes([(&short, &outer)].into_iter()), 32, "with their commas");
    }
}
