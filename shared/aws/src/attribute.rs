//! Writing and reading DynamoDB's attribute values.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

/// An item of a table.
pub(super) type Item = HashMap<String, AttributeValue>;

/// A string.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number.
pub(super) fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Bytes.
pub(super) fn bytes(value: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// The string of an attribute, if the item has it.
pub(super) fn text_in<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// The number of an attribute, if the item has it and it fits.
pub(super) fn number_in<T: FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// The bytes of an attribute, if the item has it.
pub(super) fn bytes_in<'a>(item: &'a Item, name: &str) -> Option<&'a [u8]> {
    item.get(name)?.as_b().ok().map(AsRef::as_ref)
}

/// The strings of a set attribute; none if the item lacks it.
pub(super) fn texts_in<'a>(item: &'a Item, name: &str) -> impl Iterator<Item = &'a str> {
    item.get(name).and_then(|value| value.as_ss().ok()).into_iter().flatten().map(String::as_str)
}
