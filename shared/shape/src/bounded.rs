//! A buffer that refuses to grow beyond a limit.

use std::io;

/// Writes to the end of a buffer, up to a limit of bytes.
pub(crate) struct BoundedBuffer<'a> {
    out: &'a mut Vec<u8>,
    room: usize,
    is_full: bool,
}

impl<'a> BoundedBuffer<'a> {
    pub(crate) const fn new(out: &'a mut Vec<u8>, room: usize) -> Self {
        Self { out, room, is_full: false }
    }

    /// True if a write was refused.
    pub(crate) const fn is_full(&self) -> bool {
        self.is_full
    }
}

impl io::Write for BoundedBuffer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.room {
            self.is_full = true;
            return Err(io::Error::other("too long"));
        }
        self.room -= bytes.len();
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
