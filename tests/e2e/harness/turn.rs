//! A lock so that tests which keep the machine busy run one at a time.

use parking_lot::{Mutex, MutexGuard};

static HEAVY: Mutex<()> = Mutex::new(());

/// Waits until no other heavy test runs. A test that uses much processor time holds the
/// guard until its end.
pub(crate) fn heavy() -> MutexGuard<'static, ()> {
    HEAVY.lock()
}
