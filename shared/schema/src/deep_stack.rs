//! Work that recurses as deep as a schema nests, on a thread with the stack for it.

/// Enough for the deepest schema that can be configured, in a build without
/// optimisations too. Pages that are not touched take no memory.
const STACK_BYTES: usize = 64 << 20;

/// Runs the work on a thread of its own and waits for it. `None` if there is no
/// thread to be had, or the work panicked.
pub(crate) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("schema".into()).stack_size(STACK_BYTES);
        builder.spawn_scoped(scope, work).ok()?.join().ok()
    })
}
