//! The reader of fixed-width fields, the only place where stored bytes become integers. The
//! formats of the disk and the log are little-endian; keys that must sort as their numbers
//! do are big-endian (`…_be`).

/// The bytes ended before a field did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ends at byte {length}, inside a field of {wanted} bytes")]
pub struct TooShort {
    length: usize,
    wanted: usize,
}

/// Reads fields from bytes that may be damaged: no length is trusted, and
/// nothing panics.
#[derive(Debug, Clone, Copy)]
pub struct BytesReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BytesReader<'a> {
    /// Reads `bytes` from their start.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// How many bytes have been read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// The bytes that have not been read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// If fewer are left; then none is read. The same holds for all methods below.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], TooShort> {
        let short = TooShort { length: self.bytes.len(), wanted: length };
        let end = self.position.checked_add(length).ok_or(short)?;
        let taken = self.bytes.get(self.position..end).ok_or(short)?;
        self.position = end;
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

    /// Two bytes, big-endian.
    pub fn u16_be(&mut self) -> Result<u16, TooShort> {
        self.array().map(u16::from_be_bytes)
    }

    /// Eight bytes, big-endian.
    pub fn u64_be(&mut self) -> Result<u64, TooShort> {
        self.array().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_order_and_none_past_the_end() {
        let mut reader = BytesReader::new(&[1, 2, 0, 0, 3, 4, 0, 0, 0, 9]);
        assert_eq!((reader.u8(), reader.u16(), reader.u16_be()), (Ok(1), Ok(2), Ok(3)));
        assert_eq!(reader.u64(), Err(TooShort { length: 10, wanted: 8 }));
        assert_eq!((reader.position(), reader.rest()), (5, &[4, 0, 0, 0, 9][..]));
        assert_eq!((reader.u32(), reader.array()), (Ok(4), Ok([9])));
        assert_eq!(
            (reader.u8(), reader.take(usize::MAX)),
            (Err(TooShort { length: 10, wanted: 1 }), Err(TooShort { length: 10, wanted: usize::MAX }))
        );
        assert_eq!(BytesReader::new(&7_u64.to_be_bytes()).u64_be(), Ok(7));
        assert_eq!(BytesReader::new(&7_u64.to_le_bytes()).u64(), Ok(7));
    }
}
