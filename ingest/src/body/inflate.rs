//! Decompression that stops at a limit and leaves large bodies to blocking threads.

use super::{no_room, too_large};
use crate::admission::BodyPermit;
use crate::error::ApiError;
use bytes::{Buf, Bytes};
use http::StatusCode;
use std::io::Read;

/// Bytes that are decompressed at once; the rest goes to a blocking thread.
const INLINE: usize = 256 << 10;

/// The largest window that a zstd frame may ask for: 8 MiB, the most that RFC 8878 recommends.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentCoding {
    Gzip,
    Zstd,
}

type Inflater = Box<dyn Read + Send>;

/// Decompresses `raw`, charging the permit step by step.
pub(super) async fn inflate(
    encoding: ContentCoding,
    raw: Bytes,
    bytes_max: usize,
    permit: &mut BodyPermit<'_>,
) -> Result<Bytes, ApiError> {
    let held = raw.len();
    let mut reader = reader(encoding, raw).map_err(|e| malformed(encoding, &e))?;
    let mut out = Vec::new();
    let mut step = INLINE.min(bytes_max);
    permit.grow_to(held + step).map_err(no_room)?;
    let mut done = read_up_to(&mut reader, &mut out, step);
    while !done.map_err(|e| malformed(encoding, &e))? {
        if step == bytes_max {
            return Err(too_large(bytes_max));
        }
        step = step.saturating_mul(4).min(bytes_max);
        permit.grow_to(held + step).map_err(no_room)?;
        let work = move || {
            let done = read_up_to(&mut reader, &mut out, step);
            (reader, out, done)
        };
        let worked = tokio::task::spawn_blocking(work).await;
        let Ok(worked) = worked else { return Err(ApiError::overloaded("the server is shutting down")) };
        (reader, out, done) = worked;
    }
    Ok(out.into())
}

fn reader(encoding: ContentCoding, raw: Bytes) -> std::io::Result<Inflater> {
    Ok(match encoding {
        ContentCoding::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(raw.reader())),
        ContentCoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(raw.reader())?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    })
}

/// Reads until `out` has `len` bytes. Returns true if the body ended by then.
fn read_up_to(reader: &mut Inflater, out: &mut Vec<u8>, len: usize) -> std::io::Result<bool> {
    // One byte more than allowed tells a longer body from one that just fits.
    let room = (len + 1 - out.len()) as u64;
    reader.by_ref().take(room).read_to_end(out)?;
    Ok(out.len() <= len)
}

/// The decompressed length of the bytes in each coding, if they are valid in it
/// and fit.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn inflated_lens(raw: &[u8], bytes_max: usize) -> [Option<usize>; 2] {
    [ContentCoding::Gzip, ContentCoding::Zstd].map(|encoding| {
        let mut reader = reader(encoding, Bytes::copy_from_slice(raw)).ok()?;
        let mut out = Vec::new();
        let fits = read_up_to(&mut reader, &mut out, bytes_max).ok()?;
        fits.then_some(out.len())
    })
}

fn malformed(encoding: ContentCoding, error: &std::io::Error) -> ApiError {
    let name = match encoding {
        ContentCoding::Gzip => "gzip",
        ContentCoding::Zstd => "zstd",
    };
    let text = format!("Content-Encoding says {name}, but the body cannot be decompressed: {error}");
    ApiError::new(StatusCode::BAD_REQUEST, "INVALID_ENCODING", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::Admission;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use sluice_model::CustomerId;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    fn zstd(bytes: &[u8]) -> Bytes {
        zstd::encode_all(bytes, 1).unwrap().into()
    }

    async fn out(encoding: ContentCoding, raw: Bytes, max: usize) -> Result<Bytes, ApiError> {
        let admission = Admission::new(64 << 20, 64 << 20);
        let mut permit = admission.permit(CustomerId::from_u128(1));
        inflate(encoding, raw, max, &mut permit).await
    }

    #[tokio::test]
    async fn what_fits_comes_out_and_one_byte_more_is_refused() {
        for len in [0, 1, 1000, INLINE, INLINE + 1, 4 * INLINE + 7] {
            let bytes: Vec<u8> = (0..len).map(|n| (n * n % 251) as u8).collect();
            for (encoding, raw) in [(ContentCoding::Gzip, gzip(&bytes)), (ContentCoding::Zstd, zstd(&bytes))]
            {
                assert_eq!(out(encoding, raw.clone(), len).await.unwrap(), bytes);
                if len > 0 {
                    let refused = out(encoding, raw, len - 1).await.unwrap_err();
                    assert_eq!(refused.code(), "BODY_TOO_LARGE", "{len}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_bomb_is_stopped_at_the_limit_and_its_bytes_are_charged() {
        let zeros = vec![0; 32 << 20];
        for (encoding, raw) in [(ContentCoding::Gzip, gzip(&zeros)), (ContentCoding::Zstd, zstd(&zeros))] {
            assert_eq!(out(encoding, raw.clone(), 1 << 20).await.unwrap_err().code(), "BODY_TOO_LARGE");
            let admission = Admission::new(1 << 20, 1 << 20);
            let mut permit = admission.permit(CustomerId::from_u128(1));
            let refused = inflate(encoding, raw, 16 << 20, &mut permit).await.unwrap_err();
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        }
    }

    #[tokio::test]
    async fn what_is_not_compressed_or_cut_is_refused() {
        for encoding in [ContentCoding::Gzip, ContentCoding::Zstd] {
            for raw in [&b"{}"[..], b"\x1f\x8b", b"\x28\xb5\x2f\xfd"] {
                let refused = out(encoding, Bytes::from_static(raw), 1000).await.unwrap_err();
                assert_eq!(refused.code(), "INVALID_ENCODING");
            }
        }
        let whole = gzip(&[7; 5000]);
        let cut = whole.slice(..whole.len() - 3);
        assert_eq!(out(ContentCoding::Gzip, cut, 10_000).await.unwrap_err().code(), "INVALID_ENCODING");
        let whole = zstd(&[7; 5000]);
        let cut = whole.slice(..whole.len() - 3);
        assert_eq!(out(ContentCoding::Zstd, cut, 10_000).await.unwrap_err().code(), "INVALID_ENCODING");
    }

    #[tokio::test]
    async fn members_that_follow_each_other_are_all_read() {
        let two = [gzip(b"one,"), gzip(b"two")].concat();
        assert_eq!(out(ContentCoding::Gzip, two.into(), 100).await.unwrap(), "one,two");
        let two = [zstd(b"one,"), zstd(b"two")].concat();
        assert_eq!(out(ContentCoding::Zstd, two.into(), 100).await.unwrap(), "one,two");
    }
}
