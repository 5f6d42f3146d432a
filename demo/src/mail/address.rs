//! E-mail addresses: the part of RFC 5321 that real addresses have, in ASCII.

use std::fmt;
use thiserror::Error;

/// Longest address (RFC 5321, 4.5.3.1.3, without the angle brackets).
const ADDRESS_BYTES_MAX: usize = 254;
/// Longest part before the `@` (RFC 5321, 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Longest part of a domain between dots (RFC 1035, 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// An address of one person; it has no character with a meaning in a header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MailAddress(String);

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum AddressFault {
    /// The text is empty.
    #[error("is missing: an e-mail address is needed")]
    Missing,
    /// It is longer than an address may be.
    #[error("is longer than 254 characters")]
    TooLong,
    /// It has another form.
    #[error("is not an e-mail address of one person, such as name@example.com")]
    Malformed,
}

impl MailAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// The fault of the text.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        if text.is_empty() {
            return Err(AddressFault::Missing);
        }
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(AddressFault::TooLong);
        }
        let (local, domain) = text.split_once('@').ok_or(AddressFault::Malformed)?;
        if is_local(local) && is_domain(domain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(AddressFault::Malformed)
        }
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A dot-string (RFC 5321, 4.1.2); quoted ones are not taken.
fn is_local(text: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    text.len() <= LOCAL_BYTES_MAX && text.split('.').all(is_atom)
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let inner = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        (1..=LABEL_BYTES_MAX).contains(&bytes.len())
            && bytes.iter().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_addresses_are_taken_and_others_are_not() {
        for good in
            ["a@b.example", "first.last+tag@mail.example.co", "o'hara_x@xn--bcher-kva.example", "1@2.34"]
        {
            assert_eq!(MailAddress::parse(good).map(|one| one.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "nobody",
            "@b.example",
            "a@",
            "a@b",
            "a@b..example",
            "a@.example",
            ".a@b.example",
            "a.@b.example",
            "a@b@c.example",
            "a b@c.example",
            "\"a b\"@c.example",
            "a@[127.0.0.1]",
            "<a@b.example>",
            "Ann <a@b.example>",
            "a@b.example,c@d.example",
            "a@b.example;c@d.example",
            "a@-b.example",
            "a@b-.example",
            "ä@b.example",
            "a@bücher.example",
            "a@b.example\n",
            "a@b.example\r\nBcc: c@d.example",
            "a\0@b.example",
            "a@b.example ",
            "(x)a@b.example",
            "a@b_c.example",
        ] {
            assert_eq!(MailAddress::parse(bad), Err(AddressFault::Malformed), "{bad:?}");
        }
        assert_eq!(MailAddress::parse(""), Err(AddressFault::Missing));
        let long = format!("a@{}.example", "b".repeat(250));
        assert_eq!(MailAddress::parse(&long), Err(AddressFault::TooLong));
        assert_eq!(
            MailAddress::parse(&format!("{}@b.example", "a".repeat(65))),
            Err(AddressFault::Malformed)
        );
    }

    proptest! {
        #[test]
        fn what_is_taken_is_an_address_to_the_library_too(text in "[a-z.@+ \\-<>\"\r\n]{1,40}|[a-z!#.]{1,8}@[a-z0-9.-]{1,20}") {
            if let Ok(address) = MailAddress::parse(&text) {
                prop_assert!(address.as_str().parse::<lettre::Address>().is_ok());
                prop_assert!(!text.contains(['\r', '\n', ' ', '<', '>', ',']));
            }
        }
    }
}
