//! Finding facts, acknowledgements and dead letters of events that the log no
//! longer holds.

use crate::keys;
use crate::kv::KvView;
use sluice_model::{BatchId, CustomerId, DeadLetter};
use sluice_ports::PortError;

/// The most rows that one step of the search reads.
const ROWS_MAX: usize = 10_000;

/// The smallest id time that each shard of the log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Horizon(pub Vec<u64>);

impl Horizon {
    fn is_gone(&self, batch: BatchId) -> bool {
        batch.ms() < self.0[usize::from(batch.lane().number()) % self.0.len()]
    }
}

/// Keys of deleted events, from the key `from` on, and the key at which the next step
/// begins if there may be more.
pub(super) fn expired(
    view: &KvView,
    horizon: &Horizon,
    mut from: Vec<u8>,
) -> Result<(Vec<Vec<u8>>, Option<Vec<u8>>), PortError> {
    let (mut expired, mut rows) = (Vec::new(), 0);
    let above_all = horizon.0.iter().max().copied().unwrap_or(0);
    for kind in [keys::ACK, keys::DEAD_LETTER, keys::FACT] {
        while from.first().is_none_or(|first| *first <= kind) {
            let mut go_on = None;
            view.scan(&[kind], &from, |key, value| {
                rows += 1;
                if rows > ROWS_MAX {
                    go_on = Some(key.to_vec());
                    return Ok(false);
                }
                let (Some(customer), Some(id)) = (keys::id_at(key, 1), keys::id_at(key, 17)) else {
                    return Ok(true);
                };
                let batch = BatchId::from_bytes(id);
                let gone = if kind == keys::DEAD_LETTER {
                    // The key has the time when the dead letter was made, not that of the events.
                    let letter: DeadLetter = keys::decode("read a dead letter", value)?;
                    letter.delivery.events.iter().any(|event| horizon.is_gone(event.batch))
                } else if batch.ms() < above_all {
                    horizon.is_gone(batch)
                } else {
                    // Keys sort by time, so the customer's other keys are younger.
                    let next = u128::from_be_bytes(customer).checked_add(1).map(CustomerId::from_u128);
                    go_on = next.map(|next| keys::of_customer(kind, next));
                    return Ok(false);
                };
                if gone {
                    expired.push(key.to_vec());
                }
                Ok(true)
            })?;
            match go_on {
                Some(next) if rows > ROWS_MAX => return Ok((expired, Some(next))),
                Some(next) => from = next,
                None => break,
            }
        }
    }
    Ok((expired, None))
}
