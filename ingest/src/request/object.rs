//! Bodies that are objects, parsed as the API's description says: an array of an
//! object's fields is refused (derived code would accept it), `null` stands for an
//! absent field, and `24.0` is a whole number (JSON Schema calls it an integer, and
//! some languages have no other numbers).

use crate::error::ApiError;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A value from a body that is an object.
pub(super) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, ApiError> {
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::invalid("body", "must be a JSON object"));
    }
    serde_json::from_slice(json).or_else(|error| {
        let again = if error.is_data() { serde_json::from_slice(&whole_numbers(json)).ok() } else { None };
        again.ok_or_else(|| ApiError::invalid("body", error.to_string()))
    })
}

/// A field that is an object, absent or `null`.
pub(crate) fn only_object<'de, T, D>(field: D) -> Result<T, D::Error>
where
    T: DeserializeOwned + Default,
    D: Deserializer<'de>,
{
    let raw = Box::<RawValue>::deserialize(field)?;
    match raw.get().as_bytes() {
        b"null" => Ok(T::default()),
        [b'{', ..] => serde_json::from_str(raw.get()).map_err(D::Error::custom),
        _ => Err(D::Error::custom("must be an object")),
    }
}

/// A field whose `null` counts as absent.
pub(crate) fn or_default<'de, T, D>(field: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Option::deserialize(field).map(Option::unwrap_or_default)
}

/// The same JSON with `.0` removed from its numbers. No significant digit is lost.
fn whole_numbers(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let (mut in_string, mut escaped, mut at) = (false, false, 0);
    while let Some(byte) = json.get(at) {
        if *byte == b'.' && !in_string {
            let zeros = json[at + 1..].iter().take_while(|byte| **byte == b'0').count();
            let next = json.get(at + 1 + zeros);
            if zeros > 0 && !next.is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'e' | b'E')) {
                at += 1 + zeros;
                continue;
            }
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
        out.push(*byte);
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct InnerObject {
        n: Option<u32>,
    }

    #[derive(Debug, PartialEq, Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct OuterObject {
        n: Option<u16>,
        #[serde(default, deserialize_with = "only_object")]
        inner: InnerObject,
        #[serde(default, deserialize_with = "or_default")]
        flag: bool,
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_fraction_of_zeros() {
        let json = br#"{"n": 24.0, "inner": {"n": 7.000}}"#;
        let parsed: OuterObject = parse(json).unwrap();
        assert_eq!(parsed, OuterObject { n: Some(24), inner: InnerObject { n: Some(7) }, flag: false });
        let same = [r#"{"a":"1.0 \"2.0"}"#, "[1.5, 1.05, 1.0e3, 1.00E-2, -0.10]", r#"["\\", "3.0"]"#];
        for same in same {
            assert_eq!(whole_numbers(same.as_bytes()), same.as_bytes());
        }
        let exact = br#"{"x":123456789012345678901234567890,"y":2.0}"#;
        assert_eq!(whole_numbers(exact), br#"{"x":123456789012345678901234567890,"y":2}"#);
        assert!(parse::<OuterObject>(br#"{"n": 24.5}"#).is_err());
    }

    #[test]
    fn an_array_is_no_object_and_null_is_as_absent() {
        for wrong in [&b"[1,{},true]"[..], br#"{"inner":[1]}"#, br#"{"inner":1}"#, b"", b"1"] {
            assert!(parse::<OuterObject>(wrong).is_err());
        }
        let parsed: OuterObject = parse(br#" {"n":null,"inner":null,"flag":null}"#).unwrap();
        assert_eq!(parsed, OuterObject::default());
    }
}
