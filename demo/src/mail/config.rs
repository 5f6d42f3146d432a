//! Where the demo's mails go: the section `demo.mail` of the configuration.

use super::MailSender;
use serde::{Deserialize, Serialize};
use sluice_model::config::{ConfigError, SecretValue, within};
use std::net::IpAddr;
use std::path::PathBuf;

/// How mails are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailVia {
    /// Into files.
    #[default]
    Folder,
    /// To an SMTP server.
    Smtp,
    /// Through Resend's HTTP API.
    Resend,
}

/// How mails are sent, and from whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// `folder`, `smtp` or `resend`.
    pub via: MailVia,
    /// The sender: an address, or `Name <address>`.
    pub from: String,
    /// The folder of `.eml` files; by default `mail` in the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Most files in the folder; the oldest go first.
    pub folder_files_max: usize,
    /// Most mails that `/demo/inbox` remembers. A repeat of a forgotten mail is not noticed.
    pub inbox_max: usize,
    /// The SMTP server.
    pub smtp: SmtpConfig,
    /// Resend.
    pub resend: ResendConfig,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            via: MailVia::Folder,
            from: "Sluice demo <demo@sluice.example>".into(),
            folder: None,
            folder_files_max: 1000,
            inbox_max: 1000,
            smtp: SmtpConfig::default(),
            resend: ResendConfig::default(),
        }
    }
}

/// How a connection to an SMTP server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpSecurity {
    /// STARTTLS, which the server must offer (port 587).
    #[default]
    Starttls,
    /// TLS from the start (port 465).
    Tls,
    /// None, for a server on this machine.
    None,
}

/// An SMTP server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpConfig {
    /// Its name, which its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `starttls`, `tls` or `none`.
    pub security: SmtpSecurity,
    /// A further certificate authority (PEM) to trust.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The login, if it asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The login's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretValue>,
    /// A file that holds the password instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// How long each command may take, in milliseconds; a mail may take twice as long.
    pub timeout_ms: u64,
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 587,
            security: SmtpSecurity::Starttls,
            ca_file: None,
            user: None,
            password: None,
            password_file: None,
            timeout_ms: 10_000,
        }
    }
}

/// Resend's HTTP API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResendConfig {
    /// Its address.
    pub url: String,
    /// The API key (`re_…`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretValue>,
    /// A file that holds the key instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// How long each try may take, in milliseconds.
    pub timeout_ms: u64,
    /// Tries of one mail after 429, 5xx or no answer, before the webhook fails and Sluice retries.
    pub tries: u32,
}

impl Default for ResendConfig {
    fn default() -> Self {
        Self {
            url: "https://api.resend.com".into(),
            api_key: None,
            api_key_file: None,
            timeout_ms: 8000,
            tries: 3,
        }
    }
}

impl MailConfig {
    /// Checks that the values make sense together.
    ///
    /// # Errors
    /// The first value that does not, by its path below `demo`.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let wrong =
            |field: &'static str, problem: &str| Err(ConfigError { field, problem: problem.to_owned() });
        if let Err(fault) = MailSender::parse(&self.from) {
            return wrong("mail.from", &format!("{} {fault}", self.from));
        }
        within([
            ("mail.folder_files_max", self.folder_files_max as i128, 1, 1_000_000),
            ("mail.inbox_max", self.inbox_max as i128, 1, 100_000),
            ("mail.smtp.timeout_ms", self.smtp.timeout_ms.into(), 100, 12_000),
            ("mail.resend.timeout_ms", self.resend.timeout_ms.into(), 100, 12_000),
            ("mail.resend.tries", self.resend.tries.into(), 1, 5),
        ])?;
        match self.via {
            MailVia::Folder => Ok(()),
            MailVia::Smtp => self.smtp.validate(),
            MailVia::Resend => self.resend.validate(),
        }
    }
}

impl SmtpConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        let wrong =
            |field: &'static str, problem: &str| Err(ConfigError { field, problem: problem.to_owned() });
        if self.host.is_empty()
            || !self.host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
        {
            return wrong("mail.smtp.host", "the name or the address of the SMTP server is needed");
        }
        if self.port == 0 {
            return wrong("mail.smtp.port", "0 is no port");
        }
        let has_password = self.password.is_some() || self.password_file.is_some();
        if self.user.is_some() != has_password {
            return wrong("mail.smtp.user", "a user and a password (or password_file) go together");
        }
        let is_here =
            self.host == "localhost" || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if self.security == SmtpSecurity::None && !is_here {
            return wrong(
                "mail.smtp.security",
                "none is for a server on this machine: mails and the password would be read on the way",
            );
        }
        Ok(())
    }
}

impl ResendConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        let wrong =
            |field: &'static str, problem: &str| Err(ConfigError { field, problem: problem.to_owned() });
        let url: Option<http::Uri> = self.url.parse().ok();
        let scheme = url.as_ref().and_then(http::Uri::scheme_str).unwrap_or_default();
        let host = url.as_ref().and_then(http::Uri::host).unwrap_or_default();
        let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if !(scheme == "https" || scheme == "http" && is_here) {
            return wrong("mail.resend.url", "an https URL is needed");
        }
        if self.api_key.is_none() && self.api_key_file.is_none() {
            return wrong("mail.resend.api_key", "the API key is needed, or api_key_file");
        }
        Ok(())
    }
}

/// The demo's part of the configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DemoConfig {
    /// How mails are sent, and from whom.
    pub mail: MailConfig,
}

impl DemoConfig {
    /// Checks that the values make sense together.
    ///
    /// # Errors
    /// The first value that does not, by its path below `demo`.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.mail.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(change: impl FnOnce(&mut MailConfig)) -> Option<&'static str> {
        let mut config = MailConfig::default();
        change(&mut config);
        config.validate().err().map(|error| error.field)
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        assert_eq!(field(|_| {}), None);
        assert_eq!(field(|mail| mail.from = "nobody".into()), Some("mail.from"));
        assert_eq!(field(|mail| mail.from = "A\nB <a@b.example>".into()), Some("mail.from"));
        assert_eq!(field(|mail| mail.folder_files_max = 0), Some("mail.folder_files_max"));
        let smtp = |change: fn(&mut SmtpConfig)| {
            field(|mail| {
                mail.via = MailVia::Smtp;
                mail.smtp.host = "mail.example".into();
                change(&mut mail.smtp);
            })
        };
        assert_eq!(smtp(|_| {}), None);
        assert_eq!(smtp(|smtp| smtp.host = String::new()), Some("mail.smtp.host"));
        assert_eq!(smtp(|smtp| smtp.user = Some("me".into())), Some("mail.smtp.user"));
        assert_eq!(smtp(|smtp| smtp.security = SmtpSecurity::None), Some("mail.smtp.security"));
        assert_eq!(smtp(|smtp| smtp.timeout_ms = 20_000), Some("mail.smtp.timeout_ms"));
        let resend = |change: fn(&mut ResendConfig)| {
            field(|mail| {
                mail.via = MailVia::Resend;
                mail.resend.api_key = Some("re_1".into());
                change(&mut mail.resend);
            })
        };
        assert_eq!(resend(|_| {}), None);
        assert_eq!(resend(|resend| resend.url = "http://127.0.0.1:9".into()), None);
        assert_eq!(resend(|resend| resend.url = "http://api.resend.com".into()), Some("mail.resend.url"));
        assert_eq!(resend(|resend| resend.api_key = None), Some("mail.resend.api_key"));
    }
}
