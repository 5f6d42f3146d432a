//! Work that may recurse deeply, on a thread whose stack is large enough.

/// Enough for a parser that recurses at each byte of the longest string, in a
/// build without optimisations too. Pages that are not touched take no memory.
const STACK_BYTES: usize = 128 << 20;

/// Runs the work on a thread of its own and waits for it. `None` if there is no
/// thread to be had, or the work panicked.
pub(crate) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("template".into()).stack_size(STACK_BYTES);
        builder.spawn_scoped(scope, work).ok()?.join().ok()
    })
}
