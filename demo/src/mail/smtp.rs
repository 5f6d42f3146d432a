//! Mails over SMTP (RFC 5321), with TLS from the start or STARTTLS.
//!
//! Each mail has its own connection, since the demo sends few. The server's answer
//! decides: 4xx and no answer mean later, 5xx means never, except if the login was
//! refused, which is not the mail's fault.

use super::config::{SmtpConfig, SmtpSecurity};
use super::letter::{MailSender, letter};
use super::{Mail, MailError, Mailer};
use async_trait::async_trait;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use sluice_model::config::read_secret;
use std::time::Duration;

/// Answers about the login, not about the mail (RFC 4954, section 6).
const LOGIN_ANSWERS: [u16; 4] = [530, 534, 535, 538];

/// Sends mails to an SMTP server.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    sender: MailSender,
    server: String,
    within: Duration,
}

impl SmtpMailer {
    /// Sets the client up; nothing is connected yet.
    ///
    /// # Errors
    /// If a file of the configuration cannot be read.
    pub fn new(config: &SmtpConfig, sender: MailSender) -> Result<Self, MailError> {
        let within = Duration::from_millis(config.timeout_ms);
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(config.port)
            .hello_name(ClientId::Domain("localhost".into()))
            .tls(tls(config)?)
            .timeout(Some(within));
        if let Some(login) = login(config)? {
            builder = builder.credentials(login);
        }
        let server = format!("{}:{}", config.host, config.port);
        Ok(Self { transport: builder.build(), sender, server, within })
    }
}

fn tls(config: &SmtpConfig) -> Result<Tls, MailError> {
    let refused = |what: String| MailError::Refused(format!("TLS of {}: {what}", config.host));
    if config.security == SmtpSecurity::None {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(config.host.clone());
    if let Some(path) = &config.ca_file {
        let pem = std::fs::read(path).map_err(|error| refused(format!("{}: {error}", path.display())))?;
        let certificate =
            Certificate::from_pem(&pem).map_err(|error| refused(format!("{}: {error}", path.display())))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    let parameters = parameters.build_rustls().map_err(|error| refused(error.to_string()))?;
    Ok(match config.security {
        SmtpSecurity::Tls => Tls::Wrapper(parameters),
        SmtpSecurity::Starttls | SmtpSecurity::None => Tls::Required(parameters),
    })
}

fn login(config: &SmtpConfig) -> Result<Option<Credentials>, MailError> {
    let Some(user) = &config.user else { return Ok(None) };
    let password = match &config.password_file {
        Some(path) => read_secret(path).map_err(|error| MailError::Refused(error.to_string()))?,
        None => config.password.as_deref().unwrap_or_default().to_owned(),
    };
    Ok(Some(Credentials::new(user.clone(), password)))
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let letter = letter(mail, &self.sender)?;
        // The library's limit is for each command; this one is for all of them.
        let sent = tokio::time::timeout(self.within * 2, self.transport.send(letter)).await;
        match sent {
            Err(_elapsed) => Err(MailError::later(format!("{} took too long", self.server))),
            Ok(Ok(answer)) => Ok(answer.message().next().unwrap_or("accepted").to_owned()),
            Ok(Err(error)) => Err(self.failed(&error)),
        }
    }

    fn place(&self) -> String {
        format!("SMTP server {}", self.server)
    }
}

impl SmtpMailer {
    fn failed(&self, error: &lettre::transport::smtp::Error) -> MailError {
        let what = format!("{}: {}", self.server, sluice_traffic::chain(error));
        let code = error.status().map(u16::from);
        let is_login = code.is_some_and(|code| LOGIN_ANSWERS.contains(&code));
        if error.is_permanent() && !is_login { MailError::Refused(what) } else { MailError::later(what) }
    }
}

#[cfg(test)]
mod tests;
