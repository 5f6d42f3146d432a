//! The tasks that append the lane buffers' records, one for each append unit.

use crate::lanes::{self, Lanes};
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The running appenders.
pub(crate) struct Appenders {
    running: JoinSet<()>,
    /// Stops them when this is dropped, too: a runtime does not end before its threads.
    stop: DropGuard,
}

impl Appenders {
    /// Starts one for each append unit.
    pub(crate) fn start(lanes: &Arc<Lanes>) -> Self {
        let (mut running, stop) = (JoinSet::new(), CancellationToken::new());
        for unit in 0..lanes.units() {
            let (lanes, stopped) = (Arc::clone(lanes), stop.clone());
            let (answers, to_tell) = lanes::answers();
            // Cancelled only between records, or where nobody waits for the one in flight.
            running.spawn(async move {
                stopped.run_until_cancelled(lanes.run_unit(unit, answers)).await;
            });
            // Ends with the one above, after its last answer.
            running.spawn(lanes::tell(to_tell));
        }
        Self { running, stop: stop.drop_guard() }
    }

    /// Stops them; call it when no request waits any more.
    pub(crate) async fn stop(self) {
        let Self { mut running, stop } = self;
        drop(stop);
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "an appender failed");
            }
        }
    }
}
