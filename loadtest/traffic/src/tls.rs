//! TLS as a client: the authorities to trust, and the certificate to show.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::target::HttpVersion;
use crate::wire::ServerStream;

/// How servers are trusted, and how this client shows who it is.
#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    /// PEM file with certificate authorities, instead of the system's.
    pub authorities: Option<PathBuf>,
    /// PEM files with this client's certificate chain and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// How the server's certificate is checked.
    pub check: CertificateCheck,
}

/// How a server's certificate is checked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CertificateCheck {
    /// It must be valid, for this name, and signed by a trusted authority.
    #[default]
    Full,
    /// Any certificate is accepted, for tests against your own servers.
    None,
}

/// Why TLS cannot be set up.
#[derive(Debug, Error)]
pub enum ClientTlsError {
    /// A PEM file cannot be read or does not hold the expected PEM.
    #[error("reading certificates or a key from {}: {reason}", path.display())]
    Pem {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system has no certificate authorities.
    #[error("this system has no certificate authorities: give a file with them, or skip the check")]
    NoAuthorities,
    /// The host cannot be the name in a certificate.
    #[error("{0:?} is not a name that a certificate can have")]
    Name(String),
    /// The certificate and key do not fit, or the provider refuses.
    #[error("setting up TLS")]
    Rustls(#[from] rustls::Error),
}

/// Makes TLS connections to one server.
#[derive(Clone)]
pub(crate) struct TlsClient {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TlsClient").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TlsClient {
    pub(crate) fn new(
        settings: &TlsSettings,
        host: &str,
        version: HttpVersion,
    ) -> Result<Self, ClientTlsError> {
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_why| ClientTlsError::Name(host.to_owned()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match settings.check {
            CertificateCheck::Full => builder.with_root_certificates(roots(settings)?),
            CertificateCheck::None => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            }
        };
        let mut config = match &settings.identity {
            Some((chain, key)) => {
                let private = PrivateKeyDer::from_pem_file(key).map_err(|error| pem(key, &error))?;
                builder.with_client_auth_cert(certificates(chain)?, private)?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = match version {
            HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
            HttpVersion::Http2 => vec![b"h2".to_vec()],
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    pub(crate) async fn handshake(&self, stream: TcpStream) -> io::Result<ServerStream> {
        let encrypted = self.connector.connect(self.name.clone(), stream).await?;
        Ok(ServerStream::Tls(Box::new(encrypted)))
    }
}

fn roots(settings: &TlsSettings) -> Result<RootCertStore, ClientTlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = &settings.authorities {
        for certificate in certificates(file)? {
            roots.add(certificate)?;
        }
        return Ok(roots);
    }
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(ClientTlsError::NoAuthorities) } else { Ok(roots) }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, ClientTlsError> {
    let read = CertificateDer::pem_file_iter(file).map_err(|error| pem(file, &error))?;
    let all: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| pem(file, &error))?;
    match all.is_empty() {
        true => Err(ClientTlsError::Pem { path: file.to_owned(), reason: "it has no certificates".into() }),
        false => Ok(all),
    }
}

fn pem(path: &Path, error: &rustls::pki_types::pem::Error) -> ClientTlsError {
    ClientTlsError::Pem { path: path.to_owned(), reason: error.to_string() }
}

/// Takes any certificate; the handshake's signatures are still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
