//! Checks a webhook's URL when a subscription is made or changed.
//!
//! The processor guards the addresses that it dials. The checks here refuse at
//! once a URL that can never work, so that its author is told.

use crate::error::ApiError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

const LEN_MAX: usize = 2048;

/// Checks a webhook's URL and returns it as it will be used.
pub(crate) fn check(text: &str, allow_private: bool) -> Result<String, ApiError> {
    let refuse = |reason: &'static str| ApiError::invalid("webhook_url", reason);
    if text.len() > LEN_MAX {
        return Err(refuse("is longer than 2048 bytes"));
    }
    let url = Url::parse(text).map_err(|e| ApiError::invalid("webhook_url", format!("is not a URL: {e}")))?;
    if url.as_str().len() > LEN_MAX {
        return Err(refuse("is longer than 2048 bytes with its characters escaped"));
    }
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        "http" => return Err(refuse("must begin with https://")),
        _ => return Err(refuse("must begin with https:// or http://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("must not carry a user or a password"));
    }
    if url.fragment().is_some() {
        return Err(refuse("must not have a fragment"));
    }
    let private = match url.host() {
        None => return Err(refuse("names no host")),
        Some(Host::Domain(name)) => is_local_name(name),
        Some(Host::Ipv4(address)) => is_private(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_private(IpAddr::V6(address)),
    };
    if private && !allow_private {
        return Err(refuse("leads to a private address"));
    }
    Ok(url.into())
}

fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost"
        || name.ends_with(".localhost")
        || name.ends_with(".internal")
        || name.ends_with(".local")
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // Shared address space, RFC 6598.
        || (a == 100 && (64..128).contains(&b))
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_mistakes_are_refused_and_good_urls_taken() {
        for good in ["https://example.com/hook?a=b", "https://203.0.112.7:8443/", "https://[2600::1]/x"] {
            assert_eq!(check(good, false).unwrap(), good);
        }
        for bad in [
            "example.com",
            "/hook",
            "http://example.com/",
            "ftp://example.com/",
            "https://u:p@example.com/",
            "https://example.com/#x",
            "https://127.0.0.1/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://localhost/",
            "https://a.localhost./",
            "https://100.64.0.1/",
            "https://[fe80::1]/",
            "https://metadata.google.internal/",
            "https://0.0.0.0/",
            "data:text/plain,x",
            "https://",
        ] {
            assert!(check(bad, false).is_err(), "{bad}");
        }
        assert!(check(&format!("https://example.com/{}", "a".repeat(LEN_MAX)), false).is_err());
    }

    #[test]
    fn a_url_s_length_counts_as_it_is_kept() {
        // Two bytes in UTF-8, six in a URL.
        let text = |count| format!("https://example.com/{}", "ü".repeat(count));
        assert!(check(&text(338), false).is_ok_and(|url| url.len() == LEN_MAX), "{}", text(338).len());
        assert!(check(&text(339), false).is_err());
    }

    #[test]
    fn private_addresses_and_http_are_taken_where_they_are_allowed() {
        for good in ["http://127.0.0.1:9000/hook", "http://localhost:1/", "https://10.0.0.1/"] {
            assert_eq!(check(good, true).unwrap(), good);
        }
        assert!(check("http://u:p@127.0.0.1/", true).is_err());
    }
}
