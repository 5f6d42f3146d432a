//! A field of a request that changes something.

use serde::{Deserialize, Deserializer};

/// The change that a request makes to an optional field. Mark such a field with
/// `#[serde(default)]`.
#[derive(Debug, Clone, Default)]
pub(crate) enum FieldChange<T> {
    /// The request does not have the field.
    #[default]
    Keep,
    /// The field is `null`.
    Remove,
    /// The field has a value.
    Set(T),
}

impl<T> FieldChange<T> {
    /// The field's value after the change.
    pub(crate) fn onto(self, old: Option<T>) -> Option<T> {
        match self {
            Self::Keep => old,
            Self::Remove => None,
            Self::Set(new) => Some(new),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for FieldChange<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Remove, Self::Set))
    }
}
