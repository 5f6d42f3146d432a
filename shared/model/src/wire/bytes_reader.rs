//! Reading fixed-width fields from bytes that nobody vouches for.

/// The bytes ended before the field did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ends at byte {at}, {wanted} bytes too early")]
pub struct TooShort {
    at: usize,
    wanted: usize,
}

/// A cursor over bytes; every step is checked.
#[derive(Debug, Clone, Copy)]
pub struct BytesReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BytesReader<'a> {
    /// Reads `bytes` from their start.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes have been read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], TooShort> {
        let short = TooShort { at: self.bytes.len(), wanted: len };
        let end = self.at.checked_add(len).ok_or(short)?;
        let taken = self.bytes.get(self.at..end).ok_or(short)?;
        self.at = end;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], TooShort> {
        self.take(N).map(|bytes| bytes.try_into().expect("take gave N bytes"))
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, TooShort> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self) -> Result<u16, TooShort> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self) -> Result<u32, TooShort> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self) -> Result<u64, TooShort> {
        self.array().map(u64::from_le_bytes)
    }
}
