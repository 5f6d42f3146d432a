//! Reads chunked bodies (RFC 9112, section 7.1) as their bytes arrive.

use thiserror::Error;

/// A decoder of one chunked body.
#[derive(Debug, Default)]
pub(crate) struct ChunkedBody {
    state: ChunkState,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum ChunkState {
    #[default]
    Size,
    Data(usize),
    DataEnd,
    Trailer,
    Done,
}

/// Why a chunked body cannot be read.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub(crate) enum ChunkError {
    #[error("a chunk's size is not a hexadecimal number")]
    Size,
    #[error("a chunk does not end with a line end")]
    End,
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
}

/// Longest line with a chunk's size or a trailer, in bytes.
const LINE_BYTES_MAX: usize = 4096;

impl ChunkedBody {
    /// Returns true once the last chunk and its trailers are read.
    pub(crate) fn is_done(&self) -> bool {
        self.state == ChunkState::Done
    }

    /// Reads as much of `input` as it can and gives the body's bytes to
    /// `data`. Returns how many bytes of `input` are used up.
    pub(crate) fn take(
        &mut self,
        input: &[u8],
        mut data: impl FnMut(&[u8]) -> Result<(), ChunkError>,
    ) -> Result<usize, ChunkError> {
        let mut used = 0;
        while self.state != ChunkState::Done {
            let rest = &input[used..];
            used += match self.state {
                ChunkState::Data(missing) => {
                    let count = missing.min(rest.len());
                    if count == 0 {
                        break;
                    }
                    data(&rest[..count])?;
                    self.state = if count == missing {
                        ChunkState::DataEnd
                    } else {
                        ChunkState::Data(missing - count)
                    };
                    count
                }
                _ => match memchr::memchr(b'\n', rest) {
                    Some(end) => {
                        let line = &rest[..end];
                        self.line(line.strip_suffix(b"\r").unwrap_or(line))?;
                        end + 1
                    }
                    None if rest.len() > LINE_BYTES_MAX => return Err(ChunkError::Size),
                    None => break,
                },
            };
        }
        Ok(used)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        self.state = match self.state {
            ChunkState::Size => match chunk_size(line)? {
                0 => ChunkState::Trailer,
                size => ChunkState::Data(size),
            },
            ChunkState::DataEnd if line.is_empty() => ChunkState::Size,
            ChunkState::DataEnd => return Err(ChunkError::End),
            ChunkState::Trailer if line.is_empty() => ChunkState::Done,
            other => other,
        };
        Ok(())
    }
}

/// The size in a chunk's first line; an extension after it is ignored.
fn chunk_size(line: &[u8]) -> Result<usize, ChunkError> {
    let end = memchr::memchr(b';', line).unwrap_or(line.len());
    let digits = std::str::from_utf8(line[..end].trim_ascii()).map_err(|_why| ChunkError::Size)?;
    if digits.starts_with('+') {
        return Err(ChunkError::Size);
    }
    usize::from_str_radix(digits, 16).map_err(|_why| ChunkError::Size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bad_chunks_are_refused() {
        for (input, error) in [
            (b"x\r\n".as_slice(), ChunkError::Size),
            (b"+1\r\na\r\n", ChunkError::Size),
            (b"1\r\nab\r\n", ChunkError::End),
            (b"ff\r\n0123456789", ChunkError::TooLong(9)),
        ] {
            let limited = |data: &[u8]| if data.len() > 9 { Err(ChunkError::TooLong(9)) } else { Ok(()) };
            assert_eq!(ChunkedBody::default().take(input, limited), Err(error));
        }
    }

    proptest! {
        #[test]
        fn a_chunked_body_is_put_together_however_it_comes(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..5),
            step in 1_usize..30,
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x};ext=1\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\nTrailer: x\r\n\r\nNEXT");
            let (mut chunked, mut body, mut start, mut end) = (ChunkedBody::default(), Vec::new(), 0, 0);
            while !chunked.is_done() {
                end = (end + step).min(wire.len());
                let keep = |data: &[u8]| { body.extend_from_slice(data); Ok(()) };
                start += chunked.take(&wire[start..end], keep).expect("valid");
            }
            prop_assert_eq!(body, chunks.concat());
            prop_assert_eq!(&wire[start..], b"NEXT");
        }
    }
}
