//! A body whose bytes another task makes.

use crate::connection::ClientConnection;
use bytes::Bytes;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Chunks that may wait until the socket has room.
const CHUNKS_WAITING: usize = 1;

/// The reading end of a streamed body. Dropping it stops the task that writes.
#[derive(Debug)]
pub(crate) struct StreamedBody {
    chunks: mpsc::Receiver<Bytes>,
    _writer: JoinSet<()>,
    _open: OpenAnswer,
}

impl StreamedBody {
    /// Starts the task that writes the body. The connection counts as in use
    /// until the body is dropped.
    pub(crate) fn start<F>(
        connection: &Arc<ClientConnection>,
        write: impl FnOnce(mpsc::Sender<Bytes>) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
        let mut writer = JoinSet::new();
        writer.spawn(write(sender));
        Self { chunks, _writer: writer, _open: OpenAnswer::new(connection) }
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.chunks.poll_recv(cx)
    }
}

/// Tells the sweep over connections that an answer is still being written.
#[derive(Debug)]
struct OpenAnswer(Arc<ClientConnection>);

impl OpenAnswer {
    fn new(connection: &Arc<ClientConnection>) -> Self {
        connection.open_answer();
        Self(Arc::clone(connection))
    }
}

impl Drop for OpenAnswer {
    fn drop(&mut self) {
        self.0.close_answer();
    }
}
