//! Running work that recurses as deep as a schema nests, on a thread with a large stack.

/// Enough for the deepest schema that can be configured, also in a build without
/// optimisations. Untouched pages take no memory.
const STACK_BYTES: usize = 64 << 20;

/// Runs the work on a thread of its own and waits for it. `None` if the thread cannot be
/// started or the work panics.
pub(crate) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("schema".into()).stack_size(STACK_BYTES);
        builder.spawn_scoped(scope, work).ok()?.join().ok()
    })
}
