//! TLS on a listener: handshakes with a timeout, and a certificate that can be
//! exchanged while connections stay open.

mod certificate;

use crate::config::{TlsConfig, ms};
use crate::connection::HttpProtocol;
use certificate::{Certificate, CertificateError};
use metrics::{Counter, counter};
use rustls::ServerConfig;
use rustls::crypto::ring;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Why a listener cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate or its key cannot be used.
    #[error("ingest.tls: {0}")]
    Certificate(#[from] CertificateError),
    /// The TLS library refuses the configuration.
    #[error("ingest.tls: {0}")]
    Rustls(#[from] rustls::Error),
    /// The process cannot listen for SIGHUP.
    #[error("listen for SIGHUP: {0}")]
    Signal(#[source] std::io::Error),
}

/// TLS, shared by the listeners.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
    handshake_within: Duration,
    look_every: Duration,
    metrics: TlsMetrics,
}

struct TlsMetrics {
    ok: Counter,
    failed: Counter,
    timed_out: Counter,
    reloaded: Counter,
    reload_failed: Counter,
}

impl TlsMetrics {
    fn new() -> Self {
        let handshakes = |outcome| counter!("sluice_tls_handshakes_total", "outcome" => outcome);
        let reloads = |outcome| counter!("sluice_tls_reloads_total", "outcome" => outcome);
        Self {
            ok: handshakes("ok"),
            failed: handshakes("failed"),
            timed_out: handshakes("timed_out"),
            reloaded: reloads("ok"),
            reload_failed: reloads("failed"),
        }
    }
}

impl Tls {
    /// Reads the configured certificate, if one is configured.
    pub(crate) fn load(config: &TlsConfig) -> Result<Option<Arc<Self>>, TlsError> {
        let Some((cert_file, key_file)) = config.files() else { return Ok(None) };
        let certificate = Arc::new(Certificate::load(PathBuf::from(cert_file), PathBuf::from(key_file))?);
        let provider = Arc::new(ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as _);
        server.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        server.ticketer = ring::Ticketer::new()?;
        Ok(Some(Arc::new(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            certificate,
            handshake_within: ms(config.handshake_timeout_ms),
            look_every: ms(config.reload_check_ms),
            metrics: TlsMetrics::new(),
        })))
    }

    /// Shakes hands with a client; returns `None` if that fails or takes too long.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> Option<(Box<TlsStream<TcpStream>>, HttpProtocol)> {
        // Boxed: a handshake's state is large and short-lived.
        let handshake = Box::pin(self.acceptor.accept(stream));
        match tokio::time::timeout(self.handshake_within, handshake).await {
            Ok(Ok(stream)) => {
                self.metrics.ok.increment(1);
                let http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
                Some((Box::new(stream), if http2 { HttpProtocol::Http2 } else { HttpProtocol::Http1 }))
            }
            Ok(Err(error)) => {
                self.metrics.failed.increment(1);
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
            Err(_late) => {
                self.metrics.timed_out.increment(1);
                None
            }
        }
    }

    /// Reads the certificate again when its files change and on SIGHUP, until told
    /// to stop. If the new certificate is bad, the one in use stays.
    pub(crate) async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => {
                tracing::error!(error = %TlsError::Signal(error), "certificates cannot be exchanged");
                return;
            }
        };
        let mut ticks = tokio::time::interval(self.look_every);
        loop {
            // Cancel safe: all three are waits.
            let on_request = tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => false,
                _ = hangup.recv() => true,
            };
            let certificate = Arc::clone(&self.certificate);
            // Files may lie on a slow mount.
            let exchanged = tokio::task::spawn_blocking(move || certificate.look(on_request)).await;
            match exchanged {
                Ok(Ok(true)) => {
                    self.metrics.reloaded.increment(1);
                    tracing::info!("a new TLS certificate is in use");
                }
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    self.metrics.reload_failed.increment(1);
                    tracing::error!(%error, "the new TLS certificate is refused; the old one stays in use");
                }
                Err(error) => tracing::error!(%error, "the task that reads the TLS certificate failed"),
            }
        }
    }
}
