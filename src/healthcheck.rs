//! `sluice healthcheck`: asks the process on this machine whether it is ready or alive,
//! for containers that have neither a shell nor curl.

mod verdict;

use crate::cli::{CheckedRole, Healthcheck};
use crate::config::Config;
use crate::output::say;
use anyhow::Context;
use reqwest::{Response, Url, redirect};
use std::error::Error as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use verdict::{CheckedState, ListenerVerdict, judge, read};

/// The most bytes of an answer: reasons are a few hundred.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A listener that is asked, and its name in the configuration.
#[derive(Debug, PartialEq, Eq)]
struct AskedListener {
    name: &'static str,
    url: Url,
}

/// Asks the listeners; the error says which process is not ready and why.
pub(crate) fn run(options: &Healthcheck, config: &Config) -> anyhow::Result<()> {
    let state = if options.alive { CheckedState::Alive } else { CheckedState::Ready };
    let listeners = match &options.url {
        Some(url) => vec![AskedListener { name: "--url", url: given_url(url, state)? }],
        None => configured(options.role, state, config)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asked = ask_all(listeners, state, Duration::from_secs(options.timeout));
    let verdicts = runtime.context("start the runtime")?.block_on(asked)?;
    say!("{}", judge(&verdicts, state).map_err(anyhow::Error::msg)?)?;
    Ok(())
}

/// The URL to ask, if the user named the listener.
fn given_url(text: &str, state: CheckedState) -> anyhow::Result<Url> {
    let mut url = Url::parse(text).with_context(|| format!("--url {text}"))?;
    anyhow::ensure!(
        matches!(url.scheme(), "http" | "https") && url.has_host(),
        "--url {text}: expected a URL such as http://127.0.0.1:8081"
    );
    let path = url.path().trim_end_matches('/');
    let probe = state.path();
    if !path.ends_with(probe) {
        url.set_path(&format!("{path}{probe}"));
    }
    Ok(url)
}

/// The listeners at which a process of this configuration may answer.
fn configured(
    role: Option<CheckedRole>,
    state: CheckedState,
    config: &Config,
) -> anyhow::Result<Vec<AskedListener>> {
    let admin_scheme = match config.ingest.tls.files() {
        Some(_) if config.ingest.tls.on_admin => "https",
        _ => "http",
    };
    let ingest = ("ingest.admin_listen", admin_scheme, config.ingest.admin_listen);
    let processor = ("processor_listen", "http", config.processor_listen);
    let candidates = match role {
        Some(CheckedRole::Up | CheckedRole::Ingest) => vec![ingest],
        Some(CheckedRole::Processor) => vec![processor],
        None if cfg!(feature = "aws") => vec![ingest, processor],
        None => vec![ingest],
    };
    // A process that takes any free port cannot be found by its configuration.
    let (known, unknown): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|(_, _, address)| address.port() != 0);
    anyhow::ensure!(
        !known.is_empty(),
        "{} has port 0, so the port is not known: give --url",
        unknown.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(" and ")
    );
    known
        .into_iter()
        .map(|(name, scheme, address)| {
            let text = format!("{scheme}://{}{}", reached(address), state.path());
            Ok(AskedListener { name, url: Url::parse(&text).with_context(|| format!("{name}: {text}"))? })
        })
        .collect()
}

/// The address at which a process on this machine reaches a listener.
const fn reached(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Asks all at the same time, each for at most `within`.
async fn ask_all(
    listeners: Vec<AskedListener>,
    state: CheckedState,
    within: Duration,
) -> anyhow::Result<Vec<ListenerVerdict>> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .timeout(within)
        .tls_danger_accept_invalid_certs(true)
        .build()
        .context("make the HTTP client")?;
    Ok(futures_util::future::join_all(listeners.iter().map(|listener| ask(&client, listener, state))).await)
}

async fn ask(client: &reqwest::Client, listener: &AskedListener, state: CheckedState) -> ListenerVerdict {
    let place = format!("{} {}", listener.name, listener.url);
    let answer = match client.get(listener.url.clone()).send().await {
        Ok(response) => {
            let status = response.status().as_u16();
            bounded_body(response).await.map(|body| read(state, status, &body))
        }
        Err(error) if nobody_listens(&error) => return ListenerVerdict::NobodyListens(place),
        Err(error) => Err(error.without_url().into()),
    };
    match answer {
        Ok(Ok(note)) => ListenerVerdict::Ready(format!("{place}{note}")),
        Ok(Err(reason)) => ListenerVerdict::NotReady(format!("{place}: {reason}")),
        Err(error) => ListenerVerdict::NotReady(format!("{place}: {error:#}")),
    }
}

/// The beginning of an answer's body.
async fn bounded_body(mut response: Response) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.context("read the answer")? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            anyhow::bail!("the answer has more than {ANSWER_BYTES_MAX} bytes: is this Sluice?");
        }
    }
    Ok(body)
}

/// Whether no process listens at the address, as opposed to one that does not answer.
fn nobody_listens(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::ConnectionRefused
        {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(role: Option<CheckedRole>, change: impl FnOnce(&mut Config)) -> anyhow::Result<Vec<String>> {
        let mut config = Config::default();
        change(&mut config);
        Ok(configured(role, CheckedState::Ready, &config)?
            .into_iter()
            .map(|listener| listener.url.to_string())
            .collect())
    }

    #[test]
    fn each_role_is_asked_at_the_listener_of_its_configuration() {
        let (ingest, processor) = ("http://127.0.0.1:8081/readyz", "http://127.0.0.1:8082/readyz");
        assert_eq!(asked(Some(CheckedRole::Up), |_| {}).unwrap(), [ingest]);
        assert_eq!(asked(Some(CheckedRole::Ingest), |_| {}).unwrap(), [ingest]);
        assert_eq!(asked(Some(CheckedRole::Processor), |_| {}).unwrap(), [processor]);
        let all = asked(None, |_| {}).unwrap();
        assert_eq!(all, if cfg!(feature = "aws") { vec![ingest, processor] } else { vec![ingest] });
    }

    #[test]
    fn a_listener_at_all_addresses_is_asked_at_loopback() {
        let url_for = |address: &str| {
            let address = address.parse().unwrap();
            asked(Some(CheckedRole::Processor), |config| config.processor_listen = address).unwrap()
        };
        assert_eq!(url_for("0.0.0.0:9"), ["http://127.0.0.1:9/readyz"]);
        assert_eq!(url_for("[::]:9"), ["http://[::1]:9/readyz"]);
        assert_eq!(url_for("10.1.2.3:9"), ["http://10.1.2.3:9/readyz"]);
    }

    #[test]
    fn an_admin_listener_with_tls_is_asked_over_tls() {
        let tls = |on_admin: bool| {
            asked(Some(CheckedRole::Up), |config| {
                config.ingest.tls.cert_file = Some("cert.pem".into());
                config.ingest.tls.key_file = Some("key.pem".into());
                config.ingest.tls.on_admin = on_admin;
            })
        };
        assert_eq!(tls(true).unwrap(), ["https://127.0.0.1:8081/readyz"]);
        assert_eq!(tls(false).unwrap(), ["http://127.0.0.1:8081/readyz"]);
    }

    #[test]
    fn a_port_that_nobody_knows_is_an_error_that_names_the_field() {
        let any_port = |config: &mut Config| config.ingest.admin_listen.set_port(0);
        let error = asked(Some(CheckedRole::Up), any_port).unwrap_err().to_string();
        assert!(error.contains("ingest.admin_listen") && error.contains("--url"), "{error}");
    }

    #[test]
    fn a_given_url_may_name_the_listener_or_the_probe() {
        for (given, url) in [
            ("http://a:1", "http://a:1/readyz"),
            ("http://a:1/", "http://a:1/readyz"),
            ("https://a/prefix", "https://a/prefix/readyz"),
            ("http://a:1/readyz", "http://a:1/readyz"),
        ] {
            assert_eq!(given_url(given, CheckedState::Ready).unwrap().as_str(), url);
        }
        assert_eq!(given_url("http://a:1/", CheckedState::Alive).unwrap().as_str(), "http://a:1/healthz");
        for wrong in ["127.0.0.1:8081", "ftp://a/", "", "http://"] {
            assert!(
                given_url(wrong, CheckedState::Ready).unwrap_err().to_string().contains("--url"),
                "{wrong}"
            );
        }
    }
}
