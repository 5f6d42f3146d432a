//! Content codings: compresses and decompresses gzip and zstd.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// The content coding of a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Coding {
    /// Not coded.
    Identity,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Coding {
    /// The coding that a `Content-Encoding` names; `None` if it is unknown.
    pub fn of(name: Option<&str>) -> Option<Self> {
        match name.map(str::trim).unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The plain bytes; an error if they are more than `bytes_max`.
    pub fn decode(self, coded: Vec<u8>, bytes_max: u64) -> io::Result<Vec<u8>> {
        let read = |source: &mut dyn Read| {
            let mut plain = Vec::new();
            source.take(bytes_max + 1).read_to_end(&mut plain)?;
            let short = plain.len() as u64 <= bytes_max;
            short.then_some(plain).ok_or_else(|| io::Error::other(format!("longer than {bytes_max} bytes")))
        };
        match self {
            Self::Identity => Ok(coded),
            Self::Gzip => read(&mut MultiGzDecoder::new(&coded[..])),
            Self::Zstd => read(&mut zstd::Decoder::new(&coded[..])?),
        }
    }

    /// The coded bytes.
    pub fn encode(self, plain: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Identity => plain,
            Self::Gzip => gzip(&plain),
            Self::Zstd => zstd(&plain),
        }
    }
}

/// Compresses with gzip, at its fastest level.
pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    encoder.write_all(body).expect("writing to a Vec does not fail");
    encoder.finish().expect("writing to a Vec does not fail")
}

/// Compresses with zstd, at its first level.
pub fn zstd(body: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(body, 1).expect("compressing into memory does not fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_within_its_limit() {
        let plain = b"again and again and again".repeat(10);
        for coding in [Coding::Identity, Coding::Gzip, Coding::Zstd] {
            let coded = coding.encode(plain.clone());
            assert_eq!(coding.decode(coded.clone(), 250).expect("decoded"), plain);
            assert!(coding == Coding::Identity || coding.decode(coded, 249).is_err());
        }
        assert_eq!(Coding::of(Some("GZIP")), Some(Coding::Gzip));
        assert_eq!((Coding::of(None), Coding::of(Some("br"))), (Some(Coding::Identity), None));
    }
}
