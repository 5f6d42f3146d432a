//! The contract suite of [`Checkpoints`].
#![expect(clippy::unwrap_used, reason = "a failed check is a panic")]

use super::Checkpoints;
use crate::log::{Position, ShardId};
use sluice_model::ids::random_u128;

/// Runs every check. Shards that no lease names must be allowed.
///
/// # Panics
/// If the adapter breaks the contract.
pub async fn all(checkpoints: &dyn Checkpoints) {
    let [one, two] = [0, 1].map(|n| ShardId(format!("shard-{n}-{:x}", random_u128()).into()));
    assert_eq!(checkpoints.load(&one).await.unwrap(), Position::START);
    checkpoints.store(&one, Position::from_lsn(40)).await.unwrap();
    checkpoints.store(&one, Position::from_lsn(90)).await.unwrap();
    assert_eq!(checkpoints.load(&one).await.unwrap(), Position::from_lsn(90));
    assert_eq!(checkpoints.load(&two).await.unwrap(), Position::START);
}
