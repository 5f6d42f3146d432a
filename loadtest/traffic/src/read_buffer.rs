//! A buffer of bytes that were read from a connection and are not used yet, in one reused allocation.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// A window over an allocation that is zeroed once and grows only when a
/// message needs it.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl ReadBuffer {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity], start: 0, end: 0 }
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Forgets the first `count` unread bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.clear();
        }
    }

    /// Forgets all unread bytes after the first `count`.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.end = self.end.min(self.start + count);
    }

    /// Forgets everything and keeps a copy of `bytes` instead.
    pub(crate) fn replace(&mut self, bytes: &[u8]) {
        self.clear();
        self.reserve(bytes.len());
        self.bytes[..bytes.len()].copy_from_slice(bytes);
        self.end = bytes.len();
    }

    pub(crate) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Makes room for a message of `message_bytes` from the first unread byte.
    pub(crate) fn reserve(&mut self, message_bytes: usize) {
        if self.start + message_bytes <= self.bytes.len() {
            return;
        }
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if message_bytes > self.bytes.len() {
            self.bytes.resize(message_bytes.next_power_of_two(), 0);
        }
    }

    /// Reads once; returns how many bytes came, 0 at the end of the stream. The
    /// caller has reserved room for more than is unread. Cancel safe.
    pub(crate) async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        debug_assert!(self.end < self.bytes.len(), "room is reserved");
        let count = stream.read(&mut self.bytes[self.end..]).await?;
        self.end += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn unread_bytes_survive_growth_and_compaction() {
        let mut input = &b"abcdefghij"[..];
        let mut buffer = ReadBuffer::new(4);
        assert_eq!(buffer.fill(&mut input).await.expect("a read"), 4);
        buffer.consume(3);
        buffer.reserve(4);
        assert_eq!(buffer.unread(), b"d");
        buffer.fill(&mut input).await.expect("a read");
        assert_eq!(buffer.unread(), b"defg");
        buffer.reserve(7);
        buffer.fill(&mut input).await.expect("a read");
        assert_eq!(buffer.unread(), b"defghij");
        buffer.consume(7);
        assert!(buffer.unread().is_empty());
    }
}
