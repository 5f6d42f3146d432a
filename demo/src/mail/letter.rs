//! A mail as the bytes of RFC 5322.

use super::{AddressFault, Mail, MailAddress, MailError};
use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};

/// The sender of mails: a name and an address.
#[derive(Clone, Debug)]
pub struct MailSender {
    name: Option<String>,
    address: MailAddress,
}

impl MailSender {
    /// Reads `Name <address>` or an address.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>').and_then(|inside| inside.split_once('<')) {
            Some((name, address)) => (name.trim(), address),
            None => ("", text),
        };
        if name.chars().any(|letter| letter.is_control() || "<>\"@,;:\\".contains(letter)) || name.len() > 200
        {
            return Err(AddressFault::Malformed);
        }
        let name = (!name.is_empty()).then(|| name.to_owned());
        Ok(Self { name, address: MailAddress::parse(address)? })
    }

    /// As a header has it; the name in ASCII or not.
    pub(super) fn text(&self) -> String {
        match &self.name {
            Some(name) => format!("{name} <{}>", self.address),
            None => self.address.to_string(),
        }
    }

    fn domain(&self) -> &str {
        self.address.as_str().split_once('@').map_or("localhost", |(_, domain)| domain)
    }
}

fn mailbox(name: Option<&String>, address: &MailAddress) -> Result<Mailbox, MailError> {
    let address = address
        .as_str()
        .parse()
        .map_err(|error| MailError::Refused(format!("the address {address}: {error}")))?;
    Ok(Mailbox::new(name.cloned(), address))
}

/// The mail with its headers. Two letters of one mail have the same `Message-ID`.
pub(super) fn letter(mail: &Mail, sender: &MailSender) -> Result<Message, MailError> {
    Message::builder()
        .from(mailbox(sender.name.as_ref(), &sender.address)?)
        .to(mailbox(mail.to_name.as_ref(), &mail.to)?)
        .subject(mail.subject.as_str())
        .message_id(Some(format!("<{}@{}>", mail.key, sender.domain())))
        // Asks for no automatic answer (RFC 3834, section 5).
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .header(ContentType::TEXT_PLAIN)
        .body(mail.text.clone())
        .map_err(|error| MailError::Refused(format!("writing the mail {}: {error}", mail.key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        for (text, shown) in [
            ("Sluice demo <demo@sluice.example>", "Sluice demo <demo@sluice.example>"),
            (" demo@sluice.example ", "demo@sluice.example"),
            ("<demo@sluice.example>", "demo@sluice.example"),
        ] {
            assert_eq!(MailSender::parse(text).unwrap().text(), shown);
        }
        for bad in [
            "",
            "demo",
            "A\r\nBcc: x@y.example <a@b.example>",
            "A, B <a@b.example>",
            "\"A\" <a@b.example>",
            "A <a@b.example> x",
        ] {
            assert!(MailSender::parse(bad).is_err(), "{bad:?}");
        }
    }
}
