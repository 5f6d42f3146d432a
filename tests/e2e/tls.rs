//! TLS at the public listener, with real clients, and certificates that are exchanged.

use crate::harness::server::binary;
use crate::harness::{Request, ServerConfig, TestServer, directory, ports, wait_for, wait_until};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use reqwest::Version;
use reqwest::tls::TlsInfo;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// An authority that clients trust, and the files of a server it vouches for.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        // Reqwest comes without a provider; another test may have installed it.
        rustls::crypto::ring::default_provider().install_default().ok();
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "An authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a root").pem();
        let authority = Self { issuer: Issuer::new(params, key), pem, dir: directory() };
        authority.issue();
        std::fs::write(authority.file("ca.pem"), &authority.pem).unwrap();
        authority
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a new certificate to the server's files; returns its DER.
    fn issue(&self) -> Vec<u8> {
        let key = KeyPair::generate().expect("a key");
        let names = ["localhost".to_owned(), ports::reserved_address().ip().to_string()];
        let params = CertificateParams::new(names).expect("parameters");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        replace(&self.file("key.pem"), &key.serialize_pem());
        replace(&self.file("cert.pem"), &certificate.pem());
        certificate.der().to_vec()
    }

    fn server(&self) -> TestServer {
        ServerConfig::default()
            .env("SLUICE_INGEST__TLS__CERT_FILE", self.file("cert.pem").display())
            .env("SLUICE_INGEST__TLS__KEY_FILE", self.file("key.pem").display())
            .env("SLUICE_INGEST__TLS__RELOAD_CHECK_MS", 20)
            .env("SLUICE_INGEST__TLS__HANDSHAKE_TIMEOUT_MS", 500)
            .start()
    }

    fn client(&self) -> reqwest::ClientBuilder {
        let root = reqwest::Certificate::from_pem(self.pem.as_bytes()).expect("a root");
        reqwest::Client::builder().no_proxy().tls_certs_only([root]).tls_info(true)
    }
}

/// Replaces a file as careful tools do: writes beside it, then renames.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

fn https(server: &TestServer, path: &str) -> String {
    format!("https://{}{path}", server.public())
}

/// A key of a new customer; the admin listener speaks plain HTTP.
fn key(server: &TestServer) -> String {
    let customer = server.admin_call(Request::post("/admin/customers").json(&json!({"name": "Acme"})), 201);
    let path = format!("/admin/customers/{}/keys", customer["customer_id"].as_str().unwrap());
    server.admin_call(Request::post(path).json(&json!({})), 201)["api_key"].as_str().unwrap().to_owned()
}

/// The value of one series, 0 if it does not exist.
fn metric(server: &TestServer, series: &str) -> f64 {
    let text = Request::get("/metrics").expect(server.admin(), 200).text();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    value.unwrap_or(0.0)
}

#[tokio::test]
async fn clients_of_both_protocols_send_events_over_tls() {
    let authority = Authority::new();
    let mut server = authority.server();
    let key = key(&server);
    let clients =
        [(authority.client(), Version::HTTP_2), (authority.client().http1_only(), Version::HTTP_11)];
    for (builder, version) in clients {
        let client = builder.build().unwrap();
        for n in 0..3 {
            let request = client.post(https(&server, "/v1/events")).bearer_auth(&key);
            let request = request.header("content-type", "application/json");
            let body = json!({"payload": {"n": n, "filler": "x".repeat(100_000)}}).to_string();
            let answer = request.body(body).send().await.expect("an answer");
            assert_eq!((answer.status().as_u16(), answer.version()), (202, version));
        }
    }
    let inbox = authority.client().build().unwrap();
    let inbox = inbox.get(https(&server, "/v1/inbox")).bearer_auth(&key).send().await.unwrap();
    assert!(inbox.text().await.unwrap().contains(r#""total":6"#));
    // A client that does not trust the authority refuses the server.
    let stranger = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(stranger.get(https(&server, "/health")).send().await.is_err());
    server.terminate();
}

#[test]
fn the_command_line_talks_tls_with_a_ca_file() {
    let authority = Authority::new();
    let server = authority.server();
    let send = |more: &[&str]| {
        let mut command = binary();
        command.args(["events", "send", "--payload", "1", "--url", &https(&server, "")]);
        command.args(more).env("SLUICE_API_KEY", key(&server)).output().unwrap()
    };
    let ca = authority.file("ca.pem");
    assert_eq!(send(&["--ca-file", ca.to_str().unwrap()]).status.code(), Some(0));
    assert_eq!(send(&[]).status.code(), Some(1));
}

async fn certificate_of(authority: &Authority, server: &TestServer) -> Vec<u8> {
    let client = authority.client().build().unwrap();
    let answer = client.get(https(server, "/healthz")).send().await.expect("an answer");
    let info = answer.extensions().get::<TlsInfo>().expect("what was seen of TLS");
    info.peer_certificate().expect("a certificate").to_vec()
}

#[tokio::test]
async fn a_certificate_is_exchanged_while_connections_go_on() {
    let authority = Authority::new();
    let server = authority.server();
    let open = authority.client().build().unwrap();
    assert!(open.get(https(&server, "/healthz")).send().await.unwrap().status().is_success());
    let new = authority.issue();
    wait_until("the new certificate to be read", || {
        metric(&server, r#"sluice_tls_reloads_total{outcome="ok"}"#) > 0.0
    });
    assert_eq!(certificate_of(&authority, &server).await, new);
    assert!(open.get(https(&server, "/healthz")).send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn a_bad_certificate_leaves_the_old_one_in_use_and_is_told() {
    let authority = Authority::new();
    let server = authority.server();
    let good = certificate_of(&authority, &server).await;
    let failed = |server: &TestServer| metric(server, r#"sluice_tls_reloads_total{outcome="failed"}"#);
    // A key that is not the certificate's.
    let other = KeyPair::generate().unwrap().serialize_pem();
    replace(&authority.file("key.pem"), &other);
    wait_until("the wrong key to be refused", || failed(&server) > 0.0);
    assert_eq!(certificate_of(&authority, &server).await, good);
    let log =
        wait_for("the refusal in the log", || Some(server.log()).filter(|log| log.contains("is refused")));
    assert!(log.contains("ERROR") && log.contains("key.pem"), "{log}");
    assert!(!log.contains(&other[30..60]), "the key is in the log");

    // SIGHUP tries again at once, and says so again.
    let before = failed(&server);
    server.hang_up();
    wait_until("SIGHUP to be heard", || failed(&server) > before);
    let next = authority.issue();
    server.hang_up();
    wait_until("the next certificate", || metric(&server, r#"sluice_tls_reloads_total{outcome="ok"}"#) > 0.0);
    assert_eq!(certificate_of(&authority, &server).await, next);
}

#[test]
fn who_does_not_shake_hands_is_let_go() {
    let authority = Authority::new();
    let server = authority.server();
    let outcome =
        |name: &str| metric(&server, &format!(r#"sluice_tls_handshakes_total{{outcome="{name}"}}"#));
    let mut plain = TcpStream::connect(server.public()).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).ok();
    assert!(!answer.starts_with(b"HTTP"), "plain HTTP was answered");
    wait_until("the failure to be counted", || outcome("failed") == 1.0);

    let mut silent = TcpStream::connect(server.public()).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // The beginning of a ClientHello that never ends.
    silent.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    assert_eq!(silent.read(&mut [0; 64]).ok(), Some(0), "a handshake without end was kept");
    wait_until("the late one to be counted", || outcome("timed_out") == 1.0);
}

#[test]
fn a_server_does_not_start_with_a_certificate_that_it_cannot_use() {
    let authority = Authority::new();
    std::fs::write(authority.file("cert.pem"), "not a certificate").unwrap();
    let failure = ServerConfig::default()
        .env("SLUICE_INGEST__TLS__CERT_FILE", authority.file("cert.pem").display())
        .env("SLUICE_INGEST__TLS__KEY_FILE", authority.file("key.pem").display())
        .try_start()
        .unwrap_err();
    assert_eq!(failure.status.and_then(|status| status.code()), Some(1));
    assert!(failure.log.contains("cert.pem"), "{}", failure.log);
}

/// Another TLS stack than ours: curl and OpenSSL, if they are installed.
#[test]
fn curl_talks_http2_over_tls() {
    let authority = Authority::new();
    let server = authority.server();
    let customer = key(&server);
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--http2", "--write-out", " %{http_version} %{http_code}"])
        .args(["--cacert", authority.file("ca.pem").to_str().unwrap()])
        .args(["--header", &format!("x-api-key: {customer}"), "--json", r#"{"payload":1}"#])
        .arg(https(&server, "/v1/events"))
        .output();
    let Ok(output) = output else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.ends_with(" 2 202"), "{text} {}", String::from_utf8_lossy(&output.stderr));
}
