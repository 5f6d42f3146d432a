//! The task that keeps a directory up to date.

use super::Directory;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// The most callers that wait for the next poll; further ones wait for a place.
pub(super) const REQUESTS_MAX: usize = 1024;

/// Polls the catalogue for a [`Directory`].
pub struct Refresher {
    directory: Arc<Directory>,
    requests: mpsc::Receiver<oneshot::Sender<Result<(), String>>>,
}

impl Refresher {
    pub(super) const fn new(
        directory: Arc<Directory>,
        requests: mpsc::Receiver<oneshot::Sender<Result<(), String>>>,
    ) -> Self {
        Self { directory, requests }
    }

    /// Polls at every interval, and at once for a caller of
    /// [`Directory::refresh`], until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(self.directory.settings.poll);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut waiting = Vec::new();
        let mut failing = false;
        loop {
            // Each branch is cancel safe; a poll that has begun is finished.
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
                _ = self.requests.recv_many(&mut waiting, REQUESTS_MAX) => {}
            }
            // Callers that come later wait for the next poll.
            while let Ok(more) = self.requests.try_recv() {
                waiting.push(more);
            }
            let polled = self.directory.poll().await.map_err(|error| error.to_string());
            match &polled {
                Err(error) if !failing => {
                    tracing::error!(%error, "the catalogue cannot be read; changes stay unknown meanwhile");
                }
                Ok(()) if failing => tracing::info!("the catalogue can be read again"),
                _ => {}
            }
            failing = polled.is_err();
            for reply in waiting.drain(..) {
                // A caller that has gone away does not need its answer.
                drop(reply.send(polled.clone()));
            }
        }
    }
}
