//! Writing lines to standard output, each interval and once at the end.

use super::{EmfLines, RoleFacts};
use sluice_model::clock;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// How long the last line may take to be written.
const LAST_WITHIN: Duration = Duration::from_secs(1);

/// A line, and the channel that tells when it is written.
struct OutputLine {
    text: String,
    done: oneshot::Sender<()>,
}

/// Writes a role's lines.
pub struct EmfOutput<Render, Facts> {
    /// Makes the lines.
    pub lines: EmfLines,
    /// The time from one line to the next.
    pub interval: Duration,
    /// Gives the text of `/metrics`.
    pub render: Render,
    /// Gives the facts about the role.
    pub facts: Facts,
}

impl<Render: Fn() -> String, Facts: Fn() -> RoleFacts> EmfOutput<Render, Facts> {
    /// Writes a line each interval until told to stop, and then a last one, so that the newest
    /// counts are not lost.
    ///
    /// A reader of the output that stands still delays nothing: while a line is not written the
    /// next one is not made, and a later line counts for both.
    pub async fn run(mut self, stop: CancellationToken) {
        let (sender, receiver) = sync_channel(1);
        let busy = Arc::new(AtomicBool::new(false));
        let working = Arc::clone(&busy);
        // Nobody waits for this thread: a full pipe may block it for good.
        let spawned =
            std::thread::Builder::new().name("emf".into()).spawn(move || write_all(&receiver, &working));
        if let Err(error) = spawned {
            tracing::error!(%error, "cannot start the thread of telemetry.emf: no lines are written");
            return;
        }
        let mut ticks = tokio::time::interval(self.interval);
        // The first tick is due at once, before there is anything to tell.
        ticks.tick().await;
        // Cancel safe: a wait.
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.write_next(&sender, &busy);
        }
        let written = self.write_next(&sender, &busy);
        let in_time = match written {
            Some(written) => tokio::time::timeout(LAST_WITHIN, written).await.is_ok(),
            None => false,
        };
        if !in_time {
            tracing::warn!("nobody reads standard output: the last line of telemetry.emf is lost");
        }
    }

    /// Makes the next line and gives it to the thread, if the thread is free.
    fn write_next(
        &mut self,
        sender: &SyncSender<OutputLine>,
        busy: &AtomicBool,
    ) -> Option<oneshot::Receiver<()>> {
        if busy.swap(true, Ordering::AcqRel) {
            return None;
        }
        let text = self.lines.next(&(self.render)(), (self.facts)(), clock::now_ms());
        let (done, written) = oneshot::channel();
        sender.try_send(OutputLine { text, done }).ok().map(|()| written)
    }
}

/// Writes lines until the channel is closed.
fn write_all(lines: &Receiver<OutputLine>, busy: &AtomicBool) {
    while let Ok(OutputLine { mut text, done }) = lines.recv() {
        text.push('\n');
        let mut output = std::io::stdout().lock();
        // One write: lines of two roles do not mix.
        if let Err(error) = output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
            tracing::warn!(%error, "a line of telemetry.emf could not be written");
        }
        drop(output);
        busy.store(false, Ordering::Release);
        // The waiting task may be gone.
        done.send(()).ok();
    }
}
