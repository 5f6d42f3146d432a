//! https:// targets: authorities, client certificates, both versions of HTTP.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::fake::{ACCEPTED, FakeServer, read_request};
use crate::process::output;

/// An authority, and files with certificates that it signed.
struct TestAuthority {
    directory: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl TestAuthority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { directory, issuer }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().expect("text").to_owned()
    }

    /// Writes a certificate and its key; returns both paths.
    fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).expect("parameters");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let (chain, private) = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        std::fs::write(&chain, certificate.pem()).expect("written");
        std::fs::write(&private, key.serialize_pem()).expect("written");
        (chain.into(), private.into())
    }

    /// A server with a certificate of this authority, which may ask clients for one too.
    fn server(&self, asks_clients: bool) -> FakeServer {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).expect("parameters");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = match asks_clients {
            true => {
                let mut roots = RootCertStore::empty();
                roots.add(self.issuer.der().clone()).expect("an authority");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
            false => builder.with_no_client_auth(),
        };
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config =
            builder.with_single_cert(vec![certificate.der().clone()], private).expect("a certificate");
        let config = Arc::new(config);
        let plain = FakeServer::start(move |_, stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut encrypted = StreamOwned::new(connection, stream);
            while read_request(&mut encrypted).is_some() {
                if encrypted.write_all(ACCEPTED).is_err() {
                    return;
                }
            }
        });
        FakeServer { url: plain.url.replace("http://", "https://") }
    }
}

fn run(url: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let common = [
        "run",
        "--url",
        url,
        "--progress",
        "none",
        "--json",
        "-n",
        "20",
        "--connections",
        "2",
        "--timeout",
        "1s",
        "--threshold",
        "error_rate==0",
    ];
    let output = output(&[&common[..], arguments].concat());
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn a_server_is_trusted_by_its_authority_only() {
    let (authority, other) = (TestAuthority::new(), TestAuthority::new());
    let server = authority.server(false);
    let (status, result) = run(&server.url, &["--cacert", &authority.path("ca.pem")]);
    assert_eq!(
        (status, result["measured"]["requests_acknowledged"].as_u64()),
        (Some(0), Some(20)),
        "{result}"
    );
    assert_eq!(result["whole_run"]["connects"], 2, "connections are kept: {result}");
    assert_eq!(run(&server.url, &["--insecure"]).0, Some(0));
    let (status, result) = run(&server.url, &["--cacert", &other.path("ca.pem")]);
    assert_eq!(status, Some(1), "{result}");
    let failure = result["first_failure"].as_str().unwrap_or_default();
    assert!(failure.contains("certificate"), "{result}");
    assert_eq!(run(&server.url, &["--cacert", "/nonexistent"]).0, Some(1));
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_it() {
    let authority = TestAuthority::new();
    let server = authority.server(true);
    let (chain, key) = authority.sign("client");
    let ca = authority.path("ca.pem");
    let shown = ["--cacert", &ca, "--cert", text(&chain), "--cert-key", text(&key)];
    let (status, result) = run(&server.url, &shown);
    assert_eq!(status, Some(0), "{result}");
    let (status, result) = run(&server.url, &["--cacert", &ca]);
    assert_eq!(status, Some(1), "{result}");
}
