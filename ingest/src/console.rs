//! Serves the console's files, which the binary carries compressed: in the coding that
//! the client takes, with how long it may keep them and what the page may do.
//!
//! `console/build.mjs` makes them from `console/src`. Every file but the page is
//! named by its content, so it may be kept for ever.

use crate::reply::{ApiReply, bytes_of_type, not_modified};
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use std::io::Read;

/// The page itself. It names the other files.
pub(crate) const PAGE: &str = "index.html";

/// A file of the console.
struct ConsoleFile {
    name: &'static str,
    /// The beginning of the SHA-256 of its content.
    hash: &'static str,
    kind: FileKind,
    gzip: &'static [u8],
    brotli: &'static [u8],
}

static FILES: &[ConsoleFile] = &include!("../../console/built/files.rs");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Html,
    Script,
    Style,
    Icon,
}

impl FileKind {
    const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Script => "text/javascript; charset=utf-8",
            Self::Style => "text/css; charset=utf-8",
            Self::Icon => "image/svg+xml",
        })
    }

    const fn cache_control(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Html => "no-cache",
            Self::Script | Self::Style | Self::Icon => "public, max-age=31536000, immutable",
        })
    }
}

/// Nothing inline, nothing from elsewhere, no markup made from text, no framing.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'",
);

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// A coding of an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileCoding {
    Brotli,
    Gzip,
    Identity,
}

/// The file of this name, for a request with these headers; nothing if there is none.
pub(crate) fn answer(name: &str, headers: &HeaderMap) -> Option<ApiReply> {
    let file = FILES.iter().find(|file| file.name == name)?;
    let coding = coding_for(headers);
    let tag = match coding {
        FileCoding::Brotli => format!("\"{}-br\"", file.hash),
        FileCoding::Gzip => format!("\"{}-gz\"", file.hash),
        FileCoding::Identity => format!("\"{}\"", file.hash),
    };
    let is_known = headers.get_all(IF_NONE_MATCH).iter().any(|known| names_tag(known, &tag));
    let mut reply = if is_known {
        not_modified()
    } else {
        bytes_of_type(StatusCode::OK, body(file, coding), file.kind.content_type())
    };
    let headers = reply.headers_mut();
    match coding {
        _ if is_known => {}
        FileCoding::Brotli => drop(headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"))),
        FileCoding::Gzip => drop(headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"))),
        FileCoding::Identity => {}
    }
    headers.insert(ETAG, HeaderValue::try_from(tag).expect("hexadecimal digits in quotes"));
    headers.insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    headers.insert(CACHE_CONTROL, file.kind.cache_control());
    protect(headers);
    Some(reply)
}

/// Headers that every answer of the console has.
pub(crate) fn protect(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        PERMISSIONS_POLICY,
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    );
}

fn body(file: &ConsoleFile, coding: FileCoding) -> Bytes {
    match coding {
        FileCoding::Brotli => Bytes::from_static(file.brotli),
        FileCoding::Gzip => Bytes::from_static(file.gzip),
        FileCoding::Identity => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(file.gzip)
                .read_to_end(&mut plain)
                .expect("the build wrote whole gzip files");
            plain.into()
        }
    }
}

/// Whether `If-None-Match` names the tag (RFC 9110, 13.1.2: compared weakly).
fn names_tag(value: &HeaderValue, tag: &str) -> bool {
    let tags = value.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.into_iter().any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// The smallest coding that the client takes. Without `Accept-Encoding` it may be
/// a program that decodes nothing.
fn coding_for(headers: &HeaderMap) -> FileCoding {
    let accepts = |coding: &str| {
        let texts = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let mut named = texts.flat_map(|text| text.split(',')).filter_map(|item| {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            name.trim().eq_ignore_ascii_case(coding).then(|| !is_zero(parameters))
        });
        named.next_back().unwrap_or(false)
    };
    if accepts("br") {
        FileCoding::Brotli
    } else if accepts("gzip") {
        FileCoding::Gzip
    } else {
        FileCoding::Identity
    }
}

/// Whether the parameters say that a coding is not wanted: `q=0`, `q=0.000`.
fn is_zero(parameters: &str) -> bool {
    let quality = parameters.trim().strip_prefix("q=").or_else(|| parameters.trim().strip_prefix("Q="));
    quality.is_some_and(|quality| quality.trim().parse() == Ok(0.0_f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(encodings: &[&'static str]) -> HeaderMap {
        encodings.iter().map(|text| (ACCEPT_ENCODING, HeaderValue::from_static(text))).collect()
    }

    #[test]
    fn a_client_gets_the_smallest_coding_that_it_takes() {
        for (accepted, coding) in [
            (&["gzip, deflate, br, zstd"][..], FileCoding::Brotli),
            (&["gzip, deflate"], FileCoding::Gzip),
            (&["deflate", "GZIP;q=0.5"], FileCoding::Gzip),
            (&["br;q=0, gzip;q=1.0"], FileCoding::Gzip),
            (&["br; q=0.000, gzip;q=0"], FileCoding::Identity),
            (&["identity"], FileCoding::Identity),
            (&[], FileCoding::Identity),
        ] {
            assert_eq!(coding_for(&asking(accepted)), coding, "{accepted:?}");
        }
    }

    #[test]
    fn the_codings_of_a_file_hold_the_same_and_the_page_names_files_that_exist() {
        let page = FILES.iter().find(|file| file.name == PAGE).unwrap();
        let text = String::from_utf8(body(page, FileCoding::Identity).into()).unwrap();
        let named: Vec<&str> =
            text.split('"').filter(|part| part.contains("-") && part.contains('.')).collect();
        for file in FILES.iter().filter(|file| file.name != PAGE) {
            assert!(named.contains(&file.name), "{} is not used", file.name);
            assert!(file.name.contains(file.hash), "{} is not named by its content", file.name);
        }
        assert_eq!(named.iter().filter(|name| answer(name, &HeaderMap::new()).is_none()).count(), 0);
        assert!(!text.contains("<style") && !text.contains("style=") && !text.contains("javascript:"));
    }

    #[test]
    fn the_page_is_asked_for_again_and_the_others_are_kept() {
        for file in FILES {
            let reply = answer(file.name, &asking(&["br"])).unwrap();
            let kept = reply.headers()[CACHE_CONTROL].to_str().unwrap().contains("immutable");
            assert_eq!(kept, file.name != PAGE);
            let mut again = asking(&["br"]);
            again.insert(IF_NONE_MATCH, reply.headers()[ETAG].clone());
            let second = answer(file.name, &again).unwrap();
            assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
            again.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
            assert_eq!(answer(file.name, &again).unwrap().status(), StatusCode::OK, "another coding");
        }
    }

    #[test]
    fn everything_together_is_small_over_the_wire() {
        let sum: usize = FILES.iter().map(|file| file.gzip.len()).sum();
        assert!(sum <= 80 << 10, "{sum} bytes");
    }
}
