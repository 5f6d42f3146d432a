//! The target of requests: an `http://` or `https://` URL, and connections to the
//! addresses of its host.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use http::Uri;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::tls::{ClientTlsError, TlsClient, TlsSettings};
use crate::wire::ServerStream;

/// An address is looked up again for a new connection once it is this old.
const LOOKUP_AGE_MAX: Duration = Duration::from_secs(5);
/// How long one address may take to connect before the next is tried beside it
/// (RFC 8305, section 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Why a URL cannot be sent to.
#[derive(Debug, Error)]
pub enum TargetError {
    /// Not `http[s]://host[:port][/path]`.
    #[error("{0:?} is not a URL like http://127.0.0.1:8080")]
    Url(String),
    /// The host has no address.
    #[error("resolving {0}")]
    Resolve(String, #[source] io::Error),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] ClientTlsError),
}

/// The version of HTTP that a connection is made for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HttpVersion {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: agreed upon by TLS, or by prior knowledge without it.
    Http2,
}

/// A server: its name and its addresses.
#[derive(Debug)]
pub struct SendTarget {
    url: TargetUrl,
    tls: Option<TlsClient>,
    lookup: Mutex<TargetLookup>,
}

/// The parts of a URL.
#[derive(Clone, Debug)]
pub struct TargetUrl {
    encrypted: bool,
    authority: String,
    host: String,
    port: u16,
    path: Option<String>,
}

#[derive(Clone, Debug)]
struct TargetLookup {
    addresses: Vec<SocketAddr>,
    at: Instant,
}

impl TargetUrl {
    /// Takes a URL apart.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_why| wrong())?;
        let (encrypted, usual_port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        let after_host = authority.as_str().strip_prefix(authority.host()).ok_or_else(wrong)?;
        if !after_host.is_empty() && authority.port_u16().is_none() {
            return Err(wrong());
        }
        let path = uri.path_and_query().map(|path| path.as_str().to_owned());
        Ok(Self {
            encrypted,
            authority: authority.as_str().to_owned(),
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(usual_port),
            path: path.filter(|path| path != "/"),
        })
    }

    /// The path and query, unless it is only `/`.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    async fn look_up(&self) -> io::Result<Vec<SocketAddr>> {
        let found: Vec<_> = tokio::net::lookup_host((self.host.as_str(), self.port)).await?.collect();
        if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
    }

    /// Returns true if the host is an address, which needs no look-up.
    fn is_literal(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }
}

impl SendTarget {
    /// Looks the host up and prepares TLS where the URL asks for it.
    pub async fn resolve(
        url: &str,
        tls: &TlsSettings,
        version: HttpVersion,
        timeout: Duration,
    ) -> Result<Self, TargetError> {
        let url = TargetUrl::parse(url)?;
        let tls = match url.encrypted {
            true => Some(TlsClient::new(tls, &url.host, version)?),
            false => None,
        };
        let looked_up = tokio::time::timeout(timeout, url.look_up()).await;
        let addresses = looked_up
            .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| TargetError::Resolve(url.host.clone(), error))?;
        let lookup = Mutex::new(TargetLookup { addresses, at: Instant::now() });
        Ok(Self { url, tls, lookup })
    }

    /// `host[:port]`, as the URL has it.
    pub fn authority(&self) -> &str {
        &self.url.authority
    }

    /// The URL's path and query, unless it is only `/`.
    pub fn path(&self) -> Option<&str> {
        self.url.path()
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.url.encrypted { "https" } else { "http" }
    }

    /// Connects to one of the addresses: `nth` spreads connections over them,
    /// and an address that refuses or is slow gives way to the next.
    pub async fn connect(&self, nth: usize) -> io::Result<ServerStream> {
        let stream = dial(&spread(&self.addresses().await, nth)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            Some(tls) => tls.handshake(stream).await,
            None => Ok(ServerStream::Plain(stream)),
        }
    }

    /// The host's addresses. A name is looked up again at intervals, since its addresses
    /// may change; if that fails, the known addresses are used.
    async fn addresses(&self) -> Vec<SocketAddr> {
        let known = self.lookup.lock().clone();
        if self.url.is_literal() || known.at.elapsed() < LOOKUP_AGE_MAX {
            return known.addresses;
        }
        // Other connections use the known addresses while this one looks.
        self.lookup.lock().at = Instant::now();
        match self.url.look_up().await {
            Ok(addresses) => {
                self.lookup.lock().addresses.clone_from(&addresses);
                addresses
            }
            Err(_) => known.addresses,
        }
    }
}

/// The order in which a connection tries addresses: those of the first one's
/// family, starting with the `nth`, then the others.
fn spread(addresses: &[SocketAddr], nth: usize) -> Vec<SocketAddr> {
    let preferred = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, other): (Vec<_>, Vec<_>) =
        addresses.iter().copied().partition(|address| address.is_ipv6() == preferred);
    let turn = nth % first.len().max(1);
    first.rotate_left(turn);
    first.extend(other);
    first
}

/// Connects to the first address that answers.
async fn dial(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    if let [only] = addresses {
        return TcpStream::connect(only).await;
    }
    let (mut attempts, mut waiting) = (JoinSet::new(), addresses.iter().copied());
    let mut failure = io::ErrorKind::NotFound.into();
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(TcpStream::connect(address));
        } else if attempts.is_empty() {
            return Err(failure);
        }
        // Cancelling the wait loses nothing; attempts go on in their tasks.
        tokio::select! {
            Some(attempt) = attempts.join_next() => match attempt.map_err(io::Error::other).flatten() {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            },
            () = tokio::time::sleep(NEXT_ADDRESS_AFTER), if waiting.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn resolved(url: &str) -> SendTarget {
        let tls = TlsSettings::default();
        SendTarget::resolve(url, &tls, HttpVersion::Http1, Duration::from_secs(5)).await.expect("an address")
    }

    #[tokio::test]
    async fn addresses_are_found() {
        for (url, address) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.0.0.1/x", "127.0.0.1:80"),
            ("http://[::1]:9/", "[::1]:9"),
            ("https://127.0.0.1", "127.0.0.1:443"),
        ] {
            let found = resolved(url).await.addresses().await;
            assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [address]);
        }
    }

    #[tokio::test]
    async fn a_dead_first_address_gives_way_to_the_next() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let alive = listener.local_addr().expect("an address");
        let refused = SocketAddr::from(([127, 0, 0, 1], 1));
        // Reserved for documentation (RFC 5737): nothing answers there.
        let silent = SocketAddr::from(([192, 0, 2, 1], 80));
        for dead in [refused, silent] {
            let stream = dial(&[dead, alive]).await.expect("connected");
            assert_eq!(stream.peer_addr().expect("a peer"), alive);
        }
        assert!(dial(&[refused, refused]).await.is_err());
    }

    #[tokio::test]
    async fn a_name_with_several_addresses_is_reached_whichever_listens() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let target = resolved(&format!("http://localhost:{port}")).await;
        let both =
            [SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port)), SocketAddr::from(([127, 0, 0, 1], port))];
        target.lookup.lock().addresses = both.to_vec();
        for nth in 0..4 {
            target.connect(nth).await.expect("connected");
        }
    }

    #[test]
    fn connections_take_turns_with_the_addresses_of_one_family() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let all = [address("[::1]:1"), address("1.1.1.1:1"), address("[::2]:1")];
        assert_eq!(spread(&all, 0), [all[0], all[2], all[1]]);
        assert_eq!(spread(&all, 3), [all[2], all[0], all[1]]);
    }

    #[test]
    fn other_urls_are_refused() {
        for url in ["", "127.0.0.1:80", "ftp://h", "http://", "http://u:p@h/", "http://h:x"] {
            assert!(matches!(TargetUrl::parse(url), Err(TargetError::Url(_))), "{url}");
        }
    }

    #[test]
    fn only_a_real_path_counts() {
        let path = |url: &str| TargetUrl::parse(url).expect("a URL").path().map(str::to_owned);
        assert_eq!(path("http://h:1"), None);
        assert_eq!(path("http://h:1/"), None);
        assert_eq!(path("http://h:1/events?x=1"), Some("/events?x=1".into()));
    }
}
