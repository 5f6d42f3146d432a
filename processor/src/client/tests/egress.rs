//! Client certificates and proxies, by host.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use tempfile::TempDir;

/// Reads a request to the end of its body. Returns its head.
fn read_request(from: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = from.read(&mut chunk).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if bytes.len() >= end + 4 + length.unwrap_or(0) {
            return Some(head);
        }
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Listens on a thread that ends with the test's process.
fn listen(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    address
}

/// A proxy that answers each request itself and reports the requests.
fn proxy() -> (SocketAddr, mpsc::Receiver<String>) {
    let (asked, heads) = mpsc::channel();
    let address = listen(move |mut stream| {
        if let Some(head) = read_request(&mut stream) {
            asked.send(head).ok();
            stream.write_all(OK).ok();
        }
    });
    (address, heads)
}

fn through(proxy: SocketAddr, hosts: &[&str], guard: AddressGuard) -> WebhookClient {
    let route = EgressRoute {
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        proxy: Some(format!("http://{proxy}")),
        ..EgressRoute::default()
    };
    route.validate().unwrap();
    WebhookClient::new(WebhookConfig { routes: vec![route], ..WebhookConfig::default() }, guard).unwrap()
}

#[tokio::test]
async fn webhooks_to_named_hosts_go_through_the_proxy_and_others_do_not() {
    let (address, heads) = proxy();
    let receiver = Receiver::start(|_, _| Reaction::Status(200)).await;
    let guard = AddressGuard::new(GuardPolicy { allow_private: true, ..GuardPolicy::default() });
    let client = through(address, &["localhost", "*.example.invalid"], guard);
    let reply = post(&client, "http://localhost:7/hook?a=b".into()).await;
    assert_eq!(reply.result, status(200), "{reply:?}");
    let head = heads.recv().unwrap();
    assert!(head.starts_with("post http://localhost:7/hook?a=b http/1.1\r\n"), "{head}");
    assert!(head.contains("webhook-signature: v1,"), "{head}");
    assert_eq!(post(&client, receiver.url()).await.result, status(200));
    assert!(heads.try_recv().is_err(), "127.0.0.1 is not named");
}

#[tokio::test]
async fn a_proxy_is_not_asked_for_what_the_guard_refuses() {
    let (address, heads) = proxy();
    let client = through(address, &["localhost", "169.254.169.254"], AddressGuard::default());
    for url in ["http://localhost:7/", "http://169.254.169.254/latest/meta-data/"] {
        let reply = post(&client, url.into()).await;
        let refused = [Fault::ForbiddenAddress, Fault::ForbiddenUrl].map(PostResult::Fault);
        assert!(refused.contains(&reply.result), "{url}: {reply:?}");
    }
    assert!(heads.try_recv().is_err());
}

#[test]
fn a_route_names_its_hosts_and_nothing_like_them() {
    let route = EgressRoute { hosts: vec!["a.b".into(), "*.c.d".into()], ..EgressRoute::default() };
    for (host, has) in
        [("a.b", true), ("x.a.b", false), ("x.c.d", true), ("y.x.c.d", true), ("c.d", false), ("xc.d", false)]
    {
        assert_eq!(route.has(host), has, "{host}");
    }
    let with = |change: &dyn Fn(&mut EgressRoute)| {
        let mut changed = route.clone();
        change(&mut changed);
        changed.validate().map_err(|error| error.problem)
    };
    assert_eq!(with(&|_| ()), Ok(()));
    assert!(with(&|route| route.hosts.clear()).unwrap_err().contains("no hosts"));
    for host in ["*", "a.*.b", "A.b", "http://a", ""] {
        assert!(with(&|route| route.hosts[0] = host.into()).unwrap_err().contains("neither"), "{host}");
    }
    assert!(with(&|route| route.client_cert_file = Some("x".into())).unwrap_err().contains("together"));
    let secret = with(&|route| route.proxy = Some("http://me:hush@p:1".into())).unwrap_err();
    assert!(secret.contains("password") && !secret.contains("hush"), "{secret}");
    assert!(with(&|route| route.proxy = Some("p:1".into())).is_err());
}

/// An authority, a server that asks for its certificates, and the files of a client.
struct MutualTls {
    dir: TempDir,
    server: Arc<rustls::ServerConfig>,
}

impl MutualTls {
    fn new() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let issue = |usage| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            (params.signed_by(&key, &issuer).unwrap(), key)
        };
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
        write("ca.pem", root.pem());
        let (certificate, key) = issue(ExtendedKeyUsagePurpose::ClientAuth);
        write("cert.pem", certificate.pem());
        write("key.pem", key.serialize_pem());
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        let (certificate, key) = issue(ExtendedKeyUsagePurpose::ServerAuth);
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder().with_client_cert_verifier(verifier);
        Self { dir, server: Arc::new(config.with_single_cert(chain, key).unwrap()) }
    }

    /// A server that answers only clients with a certificate.
    fn listen(&self) -> SocketAddr {
        let server = Arc::clone(&self.server);
        listen(move |stream| {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&server)).unwrap(), stream);
            if read_request(&mut stream).is_some() {
                stream.write_all(OK).ok();
                stream.conn.send_close_notify();
                stream.flush().ok();
            }
        })
    }

    fn client(&self, with_certificate: bool) -> Result<WebhookClient, ClientError> {
        let file = |name: &str| self.dir.path().join(name);
        let certificate = with_certificate.then(|| (file("cert.pem"), file("key.pem")));
        let (client_cert_file, client_key_file) = certificate.unzip();
        let route = EgressRoute {
            hosts: vec!["localhost".into()],
            client_cert_file,
            client_key_file,
            ca_file: Some(file("ca.pem")),
            proxy: None,
        };
        let guard = AddressGuard::new(GuardPolicy { allow_private: true, ..GuardPolicy::default() });
        WebhookClient::new(WebhookConfig { routes: vec![route], ..WebhookConfig::default() }, guard)
    }
}

#[tokio::test]
async fn an_endpoint_that_wants_a_certificate_is_shown_the_one_of_its_host() {
    let tls = MutualTls::new();
    let url = format!("https://localhost:{}/hook", tls.listen().port());
    let reply = post(&tls.client(true).unwrap(), url.clone()).await;
    assert_eq!(reply.result, status(200), "{reply:?}");
    let reply = post(&tls.client(false).unwrap(), url).await;
    assert!(matches!(reply.result, PostResult::Fault(Fault::Connect | Fault::Broken)), "{reply:?}");
    std::fs::remove_file(tls.dir.path().join("key.pem")).unwrap();
    let error = tls.client(true).unwrap_err().to_string();
    assert!(error.contains("key.pem") && error.contains("webhook.routes"), "{error}");
}
