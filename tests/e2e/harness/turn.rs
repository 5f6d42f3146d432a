//! Turns: tests that keep the machine busy run one at a time.

use parking_lot::{Mutex, MutexGuard};

static HEAVY: Mutex<()> = Mutex::new(());

/// Waits for the turn of a test that uses more than a little processor time;
/// it lasts until the guard is dropped.
pub(crate) fn heavy() -> MutexGuard<'static, ()> {
    HEAVY.lock()
}
