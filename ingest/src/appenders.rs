//! The tasks that append the lane buffers' records, one for each append unit.

use crate::lanes::{self, LaneBuffers};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The running appenders.
pub(crate) struct Appenders {
    running: JoinSet<()>,
    /// Stops the tasks when this is dropped, too: a runtime does not end before its threads.
    stop: DropGuard,
}

impl Appenders {
    /// Starts an appender for each append unit, and the clock of the requests that wait for them.
    pub(crate) fn start(lanes: &Arc<LaneBuffers>) -> Self {
        let (mut running, stop) = (JoinSet::new(), CancellationToken::new());
        for unit in 0..lanes.units() {
            let (lanes, stopped) = (Arc::clone(lanes), stop.clone());
            let (outcomes, to_tell) = lanes::outcomes();
            // Cancelled only between records, or when nobody waits for the record in flight.
            let runtime = lanes.append_runtime(unit).unwrap_or_else(Handle::current);
            let appender = async move {
                stopped.run_until_cancelled(lanes.run_unit(unit, outcomes)).await;
            };
            running.spawn_on(appender, &runtime);
            // Ends after the appender's last outcome.
            running.spawn(lanes::tell(to_tell));
        }
        let (lanes, stopped) = (Arc::clone(lanes), stop.clone());
        running.spawn(async move {
            while stopped.run_until_cancelled(tokio::time::sleep(lanes::LOOK_EVERY)).await.is_some() {
                lanes.wake_waiting();
            }
        });
        Self { running, stop: stop.drop_guard() }
    }

    /// Stops the appenders. Call this once no request waits.
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
