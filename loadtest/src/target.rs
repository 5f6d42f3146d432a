//! Where requests go: an `http://` URL and the address it resolves to.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::Uri;
use thiserror::Error;

/// Why a URL cannot be sent to.
#[derive(Debug, Error)]
pub enum TargetError {
    /// Not `http://host[:port][/path]`.
    #[error("{0:?} is not a URL like http://127.0.0.1:8080")]
    Url(String),
    /// The host has no address.
    #[error("resolving {0}")]
    Resolve(String, #[source] io::Error),
}

/// A server, by address and by the name it is called by.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    authority: String,
    address: SocketAddr,
}

/// A target whose name is not resolved yet.
#[derive(Debug)]
pub(crate) struct Unresolved {
    authority: String,
    host: String,
    port: u16,
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Unresolved, TargetError> {
        let wrong = || TargetError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_why| wrong())?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(wrong)?;
        let after_host = authority.as_str().strip_prefix(authority.host()).ok_or_else(wrong)?;
        if !after_host.is_empty() && authority.port_u16().is_none() {
            return Err(wrong());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(80);
        Ok(Unresolved { authority: authority.as_str().to_owned(), host, port })
    }

    /// The URL's path and query, unless it is only `/`.
    pub(crate) fn path_of(url: &str) -> Option<String> {
        let uri: Uri = url.parse().ok()?;
        let path = uri.path_and_query()?.as_str();
        (path != "/").then(|| path.to_owned())
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Unresolved {
    pub(crate) async fn resolve(self, timeout: Duration) -> Result<Target, TargetError> {
        let failed = |source| TargetError::Resolve(self.host.clone(), source);
        let lookup = tokio::net::lookup_host((self.host.as_str(), self.port));
        let mut found = tokio::time::timeout(timeout, lookup)
            .await
            .map_err(|_elapsed| failed(io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
        let address = found.next().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        Ok(Target { authority: self.authority, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_found() {
        for (url, address) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.0.0.1/x", "127.0.0.1:80"),
            ("http://[::1]:9/", "[::1]:9"),
        ] {
            let target = Target::parse(url).expect("a URL").resolve(Duration::from_secs(5)).await;
            assert_eq!(target.expect("an address").address().to_string(), address);
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for url in ["", "127.0.0.1:80", "https://h", "http://", "http://u:p@h/", "http://h:x"] {
            assert!(matches!(Target::parse(url), Err(TargetError::Url(_))), "{url}");
        }
    }

    #[test]
    fn only_a_real_path_counts() {
        assert_eq!(Target::path_of("http://h:1"), None);
        assert_eq!(Target::path_of("http://h:1/"), None);
        assert_eq!(Target::path_of("http://h:1/events?x=1"), Some("/events?x=1".into()));
    }
}
