//! Checks a webhook's URL when a subscription is made or changed.
//!
//! The processor guards the addresses that it dials. The checks here refuse a URL that
//! can never work at once, so that its author learns of it.

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
        "http" => {
            return Err(refuse(
                "must begin with https://; http:// needs the setting ingest.allow_private_webhooks",
            ));
        }
        _ => return Err(refuse("must begin with https:// or http://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("must not carry a user or a password"));
    }
    if url.fragment().is_some() {
        return Err(refuse("must not have a fragment"));
    }
    if url.port() == Some(0) {
        return Err(refuse("has port 0"));
    }
    // The parser would take the host of `https:///x` from the path.
    let after_scheme = text.trim_ascii().split_once(':').map_or("", |(_, rest)| rest);
    if !after_scheme.starts_with("//") || after_scheme[2..].starts_with(['/', '\\', '?', '#']) {
        return Err(refuse("names no host"));
    }
    let private = match url.host() {
        None => return Err(refuse("names no host")),
        Some(Host::Domain(name)) if !is_host_name(name) => {
            return Err(refuse("has a host that is no host name"));
        }
        Some(Host::Domain(name)) => is_local_name(name),
        Some(Host::Ipv4(address)) => is_private(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_private(IpAddr::V6(address)),
    };
    if private && !allow_private {
        return Err(refuse(
            "leads to a private address, which needs the setting ingest.allow_private_webhooks",
        ));
    }
    Ok(url.into())
}

/// Whether a name can be looked up: labels of 1 to 63 letters, digits, `-` and
/// `_`, and 253 bytes in all (RFC 1035, 2.3.4; RFC 1123, 2.1; `_` is used in practice).
fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(is_label)
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
        for good in [
            "https://example.com/hook?a=b",
            "https://203.0.112.7:8443/",
            "https://[2600::1]/x",
            "https://a_b.example.com./",
            "https://xn--bcher-kva.example/",
            &format!("https://{}.example/", "a".repeat(63)),
        ] {
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
            "https:///hook",
            "https:example.com/hook",
            "https:/example.com/hook",
            "https:\\\\example.com/hook",
            "https://?x",
            "https://example.com:0/hook",
            "https://a..example/hook",
            "https://.example.com/hook",
            "https://-a.example/hook",
            "https://*.example.com/hook",
            "https://a b.example/",
            &format!("https://{}.example/hook", "a".repeat(64)),
            &format!("https://{}example/hook", "a.".repeat(130)),
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
