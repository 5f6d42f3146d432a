use super::super::contract::{self, ArrivedMail, read_letter, sample};
use super::*;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const USER: &str = "me";
const PASSWORD: &str = "pass word";

/// One mail as a server received it.
#[derive(Clone, Debug, Default)]
struct TakenMail {
    from: String,
    to: String,
    letter: Vec<u8>,
    user: Option<String>,
    encrypted: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Protection {
    None,
    Starttls,
    Tls,
}

/// A server that speaks the part of SMTP that a real client uses.
struct SmtpServer {
    port: u16,
    taken: Arc<Mutex<Vec<TakenMail>>>,
    ca_file: PathBuf,
    _directory: tempfile::TempDir,
}

struct SmtpSession {
    taken: Arc<Mutex<Vec<TakenMail>>>,
    acceptor: TlsAcceptor,
    protection: Protection,
    wants_login: bool,
}

impl SmtpServer {
    async fn start(protection: Protection, wants_login: bool) -> Self {
        // The provider may have been installed by another test.
        rustls::crypto::ring::default_provider().install_default().ok();
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let ca_file = directory.path().join("ca.pem");
        std::fs::write(&ca_file, made.cert.pem()).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let (acceptor, kept) = (TlsAcceptor::from(Arc::new(config)), taken.clone());
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let session =
                    SmtpSession { taken: kept.clone(), acceptor: acceptor.clone(), protection, wants_login };
                tokio::spawn(session.run(stream));
            }
        });
        Self { port, taken, ca_file, _directory: directory }
    }

    fn mailer(&self, security: SmtpSecurity, change: impl FnOnce(&mut SmtpConfig)) -> SmtpMailer {
        let mut config = SmtpConfig {
            host: "localhost".into(),
            port: self.port,
            security,
            ca_file: Some(self.ca_file.clone()),
            timeout_ms: 2000,
            ..SmtpConfig::default()
        };
        change(&mut config);
        SmtpMailer::new(&config, MailSender::parse("Démo <demo@sluice.example>").unwrap()).unwrap()
    }

    fn arrived(&self) -> Vec<ArrivedMail> {
        self.taken.lock().iter().map(|taken| read_letter(&taken.letter)).collect()
    }
}

impl SmtpSession {
    async fn run(self, stream: tokio::net::TcpStream) {
        if self.protection == Protection::Tls {
            if let Ok(stream) = self.acceptor.accept(stream).await {
                self.talk(&mut BufReader::new(stream), true, true).await;
            }
            return;
        }
        let mut stream = BufReader::new(stream);
        if self.talk(&mut stream, false, true).await
            && let Ok(stream) = self.acceptor.accept(stream.into_inner()).await
        {
            self.talk(&mut BufReader::new(stream), true, false).await;
        }
    }

    /// Returns true if the client asked for TLS.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        encrypted: bool,
        greets: bool,
    ) -> bool {
        let mut mail = TakenMail { encrypted, ..TakenMail::default() };
        if greets {
            say(stream, "220 test ESMTP").await;
        }
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return false;
            }
            let line = line.trim_end().to_owned();
            let upper = line.to_ascii_uppercase();
            if upper.starts_with("EHLO") {
                let starttls = if self.protection == Protection::Starttls && !encrypted {
                    "250-STARTTLS\r\n"
                } else {
                    ""
                };
                let auth = if self.wants_login && encrypted { "250-AUTH PLAIN LOGIN\r\n" } else { "" };
                say(stream, &format!("250-test\r\n{starttls}{auth}250 8BITMIME")).await;
            } else if upper == "STARTTLS" {
                say(stream, "220 go on").await;
                return true;
            } else if let Some(coded) = line.strip_prefix("AUTH PLAIN ") {
                use base64::Engine;
                let plain = base64::engine::general_purpose::STANDARD.decode(coded).unwrap();
                let right = plain == format!("\0{USER}\0{PASSWORD}").as_bytes();
                mail.user = right.then(|| USER.to_owned());
                say(stream, if right { "235 welcome" } else { "535 5.7.8 wrong password" }).await;
            } else if upper.starts_with("MAIL FROM:") {
                mail.from = line[10..].to_owned();
                let may = !self.wants_login || mail.user.is_some();
                say(stream, if may { "250 ok" } else { "530 5.7.0 log in first" }).await;
            } else if upper.starts_with("RCPT TO:") {
                mail.to = line[8..].to_owned();
                let answer = match line.as_str() {
                    to if to.contains("nobody@") => "550 5.1.1 no such user",
                    to if to.contains("full@") => "452 4.2.2 mailbox full",
                    _ => "250 ok",
                };
                say(stream, answer).await;
            } else if upper == "DATA" {
                say(stream, "354 go on").await;
                mail.letter = read_data(stream).await;
                self.taken.lock().push(mail.clone());
                say(stream, "250 2.0.0 queued as 7").await;
            } else if upper == "QUIT" {
                say(stream, "221 bye").await;
                return false;
            } else {
                say(stream, "250 ok").await;
            }
        }
    }
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) {
    // It does not matter if the client is gone.
    stream.write_all(format!("{text}\r\n").as_bytes()).await.ok();
    stream.flush().await.ok();
}

async fn read_data<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Vec<u8> {
    let mut letter = Vec::new();
    loop {
        let mut line = Vec::new();
        stream.read_until(b'\n', &mut line).await.unwrap();
        if line == b".\r\n" {
            return letter;
        }
        letter.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

#[tokio::test]
async fn a_server_keeps_the_contract_plain_with_starttls_and_with_tls() {
    for (protection, security) in [
        (Protection::None, SmtpSecurity::None),
        (Protection::Starttls, SmtpSecurity::Starttls),
        (Protection::Tls, SmtpSecurity::Tls),
    ] {
        let server = SmtpServer::start(protection, false).await;
        contract::suite(&server.mailer(security, |_| {}), || server.arrived()).await;
        let taken = server.taken.lock();
        assert!(taken.iter().all(|mail| mail.encrypted == (protection != Protection::None)));
        assert!(
            taken[0].from.starts_with("<demo@sluice.example>")
                && taken[0].to.starts_with("<ann@example.com>")
        );
    }
}

#[tokio::test]
async fn a_login_goes_over_tls_and_a_wrong_one_is_tried_later() {
    let server = SmtpServer::start(Protection::Starttls, true).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let right = server.mailer(SmtpSecurity::Starttls, |smtp| {
        (smtp.user, smtp.password_file) = (Some(USER.into()), Some(file.clone()));
    });
    assert_eq!(right.send(&sample("k")).await.unwrap(), "2.0.0 queued as 7");
    assert_eq!(server.taken.lock()[0].user.as_deref(), Some(USER));
    let wrong = server.mailer(SmtpSecurity::Starttls, |smtp| {
        (smtp.user, smtp.password) = (Some(USER.into()), Some("wrong".into()));
    });
    let error = wrong.send(&sample("k")).await.unwrap_err();
    assert!(matches!(&error, MailError::Later { what, .. } if what.contains("wrong password")), "{error:?}");
    let none = server.mailer(SmtpSecurity::Starttls, |_| {});
    let error = none.send(&sample("k")).await.unwrap_err();
    assert!(matches!(&error, MailError::Later { what, .. } if what.contains("log in first")), "{error:?}");
    assert_eq!(server.taken.lock().len(), 1);
}

#[tokio::test]
async fn the_servers_answer_says_whether_a_mail_may_be_sent_again() {
    let server = SmtpServer::start(Protection::None, false).await;
    let mailer = server.mailer(SmtpSecurity::None, |_| {});
    let to = |address: &str| {
        let to = super::super::MailAddress::parse(address).unwrap();
        Mail::new("k", to, None, "s".into(), "t".into()).unwrap()
    };
    let gone = mailer.send(&to("nobody@example.com")).await.unwrap_err();
    assert!(matches!(&gone, MailError::Refused(what) if what.contains("no such user")), "{gone:?}");
    let full = mailer.send(&to("full@example.com")).await.unwrap_err();
    assert!(matches!(&full, MailError::Later { what, .. } if what.contains("mailbox full")), "{full:?}");
}

#[tokio::test]
async fn a_server_that_is_away_silent_or_not_to_be_trusted_is_tried_later() {
    let server = SmtpServer::start(Protection::Starttls, false).await;
    // Its certificate is from no authority that the system knows.
    let distrusted = server.mailer(SmtpSecurity::Starttls, |smtp| smtp.ca_file = None);
    let error = distrusted.send(&sample("k")).await.unwrap_err();
    assert!(matches!(error, MailError::Later { .. }), "{error:?}");
    // It does not offer STARTTLS, so nothing is sent in the clear.
    let plain = SmtpServer::start(Protection::None, false).await;
    let error = plain.mailer(SmtpSecurity::Starttls, |_| {}).send(&sample("k")).await.unwrap_err();
    assert!(matches!(error, MailError::Later { .. }), "{error:?}");
    assert!(plain.taken.lock().is_empty());
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let mailer = server.mailer(SmtpSecurity::None, |smtp| (smtp.port, smtp.timeout_ms) = (port, 200));
    let error = mailer.send(&sample("k")).await.unwrap_err();
    assert!(matches!(error, MailError::Later { .. }), "{error:?}");
    drop(silent);
    let error = mailer.send(&sample("k")).await.unwrap_err();
    assert!(matches!(error, MailError::Later { .. }), "{error:?}");
    assert!(server.taken.lock().is_empty());
}
