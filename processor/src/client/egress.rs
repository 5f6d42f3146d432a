//! Special routes to endpoints: a client certificate, an authority of one's own, or a proxy, for
//! hosts that the operator names.
//!
//! The address guard also holds for a proxied endpoint: its name is resolved and checked before
//! the proxy is asked. The proxy resolves the name again, and may find another address (DNS
//! rebinding), so it must itself refuse forbidden addresses. The proxy's own address is the
//! operator's choice and is not checked.

use super::{ClientError, builder};
use crate::config::WebhookConfig;
use crate::guard::{AddressGuard, Forbidden};
use crate::resolver::GuardedResolver;
use reqwest::dns::Resolve as _;
use serde::{Deserialize, Serialize};
use sluice_model::config::ConfigError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use url::{Host, Url};

/// A route of webhooks to some hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EgressRoute {
    /// The hosts: names, addresses, or `*.` and the end of names. The first route with a
    /// matching host is used.
    pub hosts: Vec<String>,
    /// The certificate for the endpoint, with its chain, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert_file: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key_file: Option<PathBuf>,
    /// Authorities that are trusted in addition to the machine's, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The HTTP proxy that webhooks go through, as `http://host:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

const FIELD: &str = "webhook.routes";

impl EgressRoute {
    /// Checks the values; files are read when the client is made.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let wrong = |problem: String| Err(ConfigError { field: FIELD, problem });
        let is_name = |name: &str| {
            !name.is_empty() && !name.contains(['*', '/', ' ', '@']) && !name.chars().any(char::is_uppercase)
        };
        if self.hosts.is_empty() {
            return wrong("a route has no hosts".to_owned());
        }
        for host in &self.hosts {
            if !is_name(host.strip_prefix("*.").unwrap_or(host)) {
                return wrong(format!(
                    "`{host}` is neither a host in lower case nor `*.` and the end of one"
                ));
            }
        }
        if self.client_cert_file.is_some() != self.client_key_file.is_some() {
            return wrong("client_cert_file and client_key_file go together".to_owned());
        }
        let Some(proxy) = &self.proxy else { return Ok(()) };
        match Url::parse(proxy) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                wrong("a proxy's URL cannot hold a name and a password".to_owned())
            }
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
            Ok(_) | Err(_) => wrong(format!("`{proxy}` is not `http://host:port`")),
        }
    }

    pub(super) fn has(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| match pattern.strip_prefix('*') {
            // `.example.com`: a name that ends so and has something before it.
            Some(end) => host.len() > end.len() && host.ends_with(end),
            None => pattern == host,
        })
    }
}

/// The routes of a client, each with connections of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct EgressRoutes(Arc<[(EgressRoute, reqwest::Client)]>);

impl EgressRoutes {
    /// Reads the files and makes the clients.
    pub(super) fn new(config: &WebhookConfig, guard: &AddressGuard) -> Result<Self, ClientError> {
        let made = config.routes.iter().map(|route| Ok((route.clone(), client(route, config, guard)?)));
        Ok(Self(made.collect::<Result<Vec<_>, ClientError>>()?.into()))
    }

    /// The special route of a URL, if it has one.
    pub(super) fn to(&self, url: &Url) -> Option<&(EgressRoute, reqwest::Client)> {
        if self.0.is_empty() {
            return None;
        }
        let host = match url.host()? {
            Host::Domain(name) => name.trim_end_matches('.').to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        self.0.iter().find(|(route, _)| route.has(&host))
    }
}

fn client(
    route: &EgressRoute,
    config: &WebhookConfig,
    guard: &AddressGuard,
) -> Result<reqwest::Client, ClientError> {
    let mut client = builder(config);
    if let (Some(cert), Some(key)) = (&route.client_cert_file, &route.client_key_file) {
        let pem = [read(cert)?, b"\n".to_vec(), read(key)?].concat();
        client = client.identity(parsed(cert, reqwest::Identity::from_pem(&pem))?);
    }
    if let Some(file) = &route.ca_file {
        client = client.tls_certs_merge(parsed(file, reqwest::Certificate::from_pem_bundle(&read(file)?))?);
    }
    Ok(match &route.proxy {
        Some(proxy) => client.proxy(reqwest::Proxy::all(proxy.as_str())?),
        None => client.dns_resolver(Arc::new(GuardedResolver::new(guard.clone()))),
    }
    .build()?)
}

fn read(path: &Path) -> Result<Vec<u8>, ClientError> {
    std::fs::read(path).map_err(|source| ClientError::File { path: path.to_owned(), source })
}

fn parsed<T>(path: &Path, parsed: reqwest::Result<T>) -> Result<T, ClientError> {
    parsed.map_err(|error| ClientError::File { path: path.to_owned(), source: std::io::Error::other(error) })
}

/// Judges the addresses of a host that a proxy is to reach. `Err(None)`: the name is not known.
pub(super) async fn judge(resolver: &GuardedResolver, url: &Url) -> Result<(), Option<Forbidden>> {
    // An address was judged with the URL.
    let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
    let name = name.parse().map_err(|_other| None)?;
    match resolver.resolve(name).await {
        Ok(_allowed) => Ok(()),
        Err(error) => Err(error.downcast::<Forbidden>().ok().map(|forbidden| *forbidden)),
    }
}
