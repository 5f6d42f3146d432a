//! Matching a page of history without delaying other tasks: an expensive selector may take
//! milliseconds for each of a hundred thousand events.

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long events are matched before other tasks get the thread.
const SLICE: Duration = Duration::from_millis(2);

/// How long one page may be matched before it ends early.
const PAGE: Duration = Duration::from_millis(200);

/// The time that one page has taken.
pub(super) struct Pace {
    began: Instant,
    slice_began: Instant,
}

/// Whether a page continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageTurn {
    GoesOn,
    Ends,
}

impl Pace {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { began: now, slice_began: now }
    }

    /// Lets other tasks run if it is time to. Called after each event.
    pub(super) async fn pass(&mut self) -> PageTurn {
        let now = Instant::now();
        if now.duration_since(self.slice_began) >= SLICE {
            if now.duration_since(self.began) >= PAGE {
                return PageTurn::Ends;
            }
            let_others_run().await;
            self.slice_began = Instant::now();
        }
        PageTurn::GoesOn
    }
}

/// Lets other tasks run once.
async fn let_others_run() {
    let mut given = false;
    poll_fn(|context| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
