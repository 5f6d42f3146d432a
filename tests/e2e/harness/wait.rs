//! Bounded waits that ask a server until it answers as expected.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_COUNTED_MAX: Duration = Duration::from_millis(500);
/// The longest wait, far longer than anything takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Asks until there is an answer; panics with `what` after a minute.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    match try_for(LIMIT, &mut ask) {
        Some(answer) => answer,
        None => panic!("waited {LIMIT:?} in vain for {what}"),
    }
}

/// Asks until the condition holds; panics with `what` after a minute.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}

/// Asks until there is an answer or the time is over. If a pause took far longer than
/// asked for, only a part of it counts: the machine stood still, and the server with it.
pub(crate) fn try_for<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let mut waited = Duration::ZERO;
    loop {
        let asked = Instant::now();
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if waited >= limit {
            return None;
        }
        waited += asked.elapsed();
        let paused = Instant::now();
        std::thread::sleep(PAUSE);
        waited += paused.elapsed().min(PAUSE_COUNTED_MAX);
    }
}
