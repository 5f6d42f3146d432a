//! The e-mail port: the type of a mail, and the contract of an adapter that sends it.
//!
//! Adapters: [`folder`] (files, the default), [`smtp`] and [`resend`]. Each passes
//! the suite in `contract`.

mod address;
pub mod config;
#[cfg(test)]
mod contract;
mod folder;
mod letter;
mod resend;
mod smtp;

pub use address::{AddressFault, MailAddress};
pub use config::{MailConfig, MailVia, ResendConfig, SmtpConfig, SmtpSecurity};
pub use folder::MailFolder;
pub use letter::MailSender;
pub use resend::ResendMailer;
pub use smtp::SmtpMailer;

use async_trait::async_trait;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

const SUBJECT_CHARS_MAX: usize = 250;
const NAME_CHARS_MAX: usize = 100;
const TEXT_BYTES_MAX: usize = 256 << 10;
const KEY_BYTES_MAX: usize = 64;

/// A mail that may be sent: no text in it can become a header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mail {
    key: String,
    to: MailAddress,
    to_name: Option<String>,
    subject: String,
    text: String,
}

/// Why a text cannot be a part of a mail.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum MailFault {
    /// A line break would begin another header.
    #[error("the {0} has a line break or another control character")]
    ControlCharacter(&'static str),
    /// It is longer than that part of a mail may be.
    #[error("the {0} is too long")]
    TooLong(&'static str),
    /// A key names a file and goes into a header.
    #[error("the key of a mail has 1 to 64 letters, digits and dashes")]
    Key,
}

impl Mail {
    /// A mail with a key. A mail that is sent again with the same key is the same mail.
    ///
    /// # Errors
    /// The part that is not allowed.
    pub fn new(
        key: &str,
        to: MailAddress,
        to_name: Option<String>,
        subject: String,
        text: String,
    ) -> Result<Self, MailFault> {
        let named = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(named) {
            return Err(MailFault::Key);
        }
        let name = to_name.as_deref().unwrap_or_default();
        for (what, text, chars_max) in
            [("subject", subject.as_str(), SUBJECT_CHARS_MAX), ("name", name, NAME_CHARS_MAX)]
        {
            if text.chars().any(char::is_control) {
                return Err(MailFault::ControlCharacter(what));
            }
            if text.chars().count() > chars_max {
                return Err(MailFault::TooLong(what));
            }
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(MailFault::TooLong("text"));
        }
        Ok(Self { key: key.to_owned(), to, to_name, subject, text })
    }

    /// The key that identifies the mail.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its recipient.
    pub fn to(&self) -> &MailAddress {
        &self.to
    }

    /// Its subject.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Why a mail was not sent.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum MailError {
    /// It may be sent again, after `after` if that is known: the server is busy, away,
    /// or refuses the login for now.
    #[error("{what}")]
    Later {
        /// The attempted call, and its failure.
        what: String,
        /// How long to wait.
        after: Option<Duration>,
    },
    /// It can never be sent as it is.
    #[error("{0}")]
    Refused(String),
}

impl MailError {
    pub(crate) fn later(what: impl Into<String>) -> Self {
        Self::Later { what: what.into(), after: None }
    }
}

/// Sends mails.
///
/// - `Ok` means that the mail is on disk, or accepted by the server. The text is the
///   other side's name for the mail.
/// - A mail sent again with the same key arrives once if the other side can tell
///   (a folder, Resend for a day); over SMTP it has the same `Message-ID`.
/// - Text arrives unchanged, except for the form of line ends and blanks before them.
/// - A call ends within the adapter's own time limit. A call that is cancelled may
///   have sent the mail.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends one mail.
    ///
    /// # Errors
    /// The error says whether the mail may be sent again.
    async fn send(&self, mail: &Mail) -> Result<String, MailError>;

    /// Where mails go, for people.
    fn place(&self) -> String;
}

/// Opens the adapter that the configuration names; files go below `data_dir` unless it names a folder.
///
/// # Errors
/// If it cannot be set up.
pub fn open(config: &MailConfig, data_dir: &Path) -> Result<Arc<dyn Mailer>, MailError> {
    let sender = MailSender::parse(&config.from).map_err(|fault| MailError::Refused(fault.to_string()))?;
    Ok(match config.via {
        MailVia::Folder => {
            let folder = config.folder.clone().unwrap_or_else(|| data_dir.join("mail"));
            Arc::new(MailFolder::open(&folder, config.folder_files_max, sender)?)
        }
        MailVia::Smtp => Arc::new(SmtpMailer::new(&config.smtp, sender)?),
        MailVia::Resend => Arc::new(ResendMailer::new(&config.resend, &sender)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(key: &str, subject: &str, name: &str) -> Result<Mail, MailFault> {
        let to = MailAddress::parse("ann@example.com").unwrap();
        Mail::new(key, to, Some(name.to_owned()), subject.to_owned(), "text".to_owned())
    }

    #[test]
    fn nothing_in_a_mail_can_become_a_header() {
        for odd in ["a\r\nBcc: x@y.example", "a\nb", "a\rb", "a\0b", "a\u{85}b", "a\u{1b}[31m"] {
            assert_eq!(mail("k", odd, "Ann").unwrap_err(), MailFault::ControlCharacter("subject"), "{odd:?}");
            assert_eq!(mail("k", "s", odd).unwrap_err(), MailFault::ControlCharacter("name"), "{odd:?}");
            assert_eq!(mail(odd, "s", "Ann").unwrap_err(), MailFault::Key, "{odd:?}");
        }
        assert_eq!(mail("../k", "s", "Ann").unwrap_err(), MailFault::Key);
        assert_eq!(mail("", "s", "Ann").unwrap_err(), MailFault::Key);
        assert_eq!(mail("k", &"x".repeat(251), "Ann").unwrap_err(), MailFault::TooLong("subject"));
        assert!(mail("0192-ab", "Überfällig: \u{201c}Rechnung\u{201d}", "Åsa").is_ok());
    }
}
