//! Secrets in the environment, taken as text: a password of digits is no number.

use super::secrets::TEXTS;
use figment::providers::Env;
use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

/// One secret of the environment.
pub(super) struct SecretText {
    field: &'static str,
    value: String,
}

/// The secrets that the environment gives.
pub(super) fn of(environment: &Env) -> Vec<SecretText> {
    let mut given = Vec::new();
    for (name, value) in environment.iter() {
        let field = TEXTS.into_iter().find(|field| name.as_str().eq_ignore_ascii_case(field));
        given.extend(field.map(|field| SecretText { field, value }));
    }
    given
}

impl Provider for SecretText {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment variable")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let value = Value::from(self.value.clone());
        let dict = figment::util::nest(self.field, value).into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}
