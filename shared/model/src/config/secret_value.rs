//! A secret in the configuration.

use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// A configured secret, or a URL that may contain a password. No log, panic or error shows
/// it: it has no `Display`, and its `Debug` tells only whether it is set. Serialising it
/// shows it, so a printed configuration must mask its field.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretValue(String);

impl Deref for SecretValue {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretValue {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for SecretValue {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl FromStr for SecretValue {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "********" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown_and_is_stored_unchanged() {
        let secret = SecretValue::from("p@ss");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "******** Some(\n    ********,\n)");
        assert_eq!(format!("{:?}", SecretValue::default()), "none");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"p@ss\"");
        assert_eq!(serde_json::from_str::<SecretValue>("\"p@ss\"").unwrap(), secret);
        assert_eq!(&*secret, "p@ss");
    }
}
