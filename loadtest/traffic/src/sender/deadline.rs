//! A time limit on each of many short operations.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// Costs one timer for each length of the limit, since the timer is only moved when it
/// fires.
#[derive(Debug)]
pub(crate) struct Deadline {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, timer: None }
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Runs `work`; `None` if it has not ended `limit` after `started`.
    pub(crate) async fn run<F: Future>(&mut self, started: Instant, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        let ends = started + self.limit;
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        poll_fn(|context| {
            if let Poll::Ready(output) = work.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            while timer.as_mut().poll(context).is_ready() {
                if Instant::now() >= ends {
                    return Poll::Ready(None);
                }
                timer.as_mut().reset(ends.into());
            }
            Poll::Pending
        })
        .await
    }
}
