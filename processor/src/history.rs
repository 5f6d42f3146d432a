//! The task that writes attempts to the history, at most a few times a second.

use crate::context::Context;
use sluice_history::attempts::AttemptHistory;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const INTERVAL: Duration = Duration::from_secs(1);

/// The most subscriptions whose attempts are in one write.
const SUBSCRIPTIONS_MAX: usize = 256;

/// Writes until told to stop, and once more then. Attempts that cannot be written are dropped: the
/// history is for people, and deliveries do not wait for it.
pub(crate) async fn keep(context: Arc<Context>, history: Arc<AttemptHistory>, shutdown: CancellationToken) {
    // Cutting the wait short loses nothing.
    while shutdown.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
        save(&context, &history).await;
    }
    save(&context, &history).await;
}

async fn save(context: &Context, history: &AttemptHistory) {
    let unsaved = context.endpoints.take_unsaved(SUBSCRIPTIONS_MAX);
    if let Err(error) = history.add(unsaved).await {
        context.store_failed(&error);
    }
}
