//! Giving up leases that could not be renewed, before other processes may take them.

use super::held::{Held, Lease};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Watches all leases until told to stop.
pub(super) async fn fence(held: Arc<Held>, lease: Duration, stop: CancellationToken) {
    // Other processes wait for the whole lease, by clocks that run a little differently.
    let give_up = lease * 3 / 4;
    let look = (lease / 40).max(Duration::from_millis(10));
    while stop.run_until_cancelled(tokio::time::sleep(look)).await.is_some() {
        for held_lease in held.all() {
            fence_one(&held_lease, give_up);
        }
    }
}

fn fence_one(lease: &Lease, give_up: Duration) {
    if lease.age() >= give_up && !lease.lost.is_cancelled() {
        tracing::error!(shard = %lease.shard, "the lease could not be renewed in time; the shard is left at once");
        lease.lost.cancel();
    }
}
