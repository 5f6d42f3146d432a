//! The JSON format (CloudEvents JSON Event Format 1.0), one event or a batch.

use super::{Attribute, Data, TranslatedBody, invalid, write};
use crate::decode::{EventError, EventsBodyError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// One event. The outer error means that the body is not JSON.
pub(super) fn one(body: &[u8]) -> Result<Result<Vec<u8>, EventError>, EventsBodyError> {
    let raw: &RawValue = parse(body)?;
    Ok(event(raw))
}

/// An array of events.
pub(super) fn batch(body: &[u8]) -> Result<TranslatedBody, EventsBodyError> {
    let all: Vec<&RawValue> = parse(body)?;
    let mut out = TranslatedBody { body: Vec::with_capacity(body.len() * 5 / 4 + 64), refusals: Vec::new() };
    out.body.push(b'[');
    for (at, raw) in all.into_iter().enumerate() {
        if at > 0 {
            out.body.push(b',');
        }
        match event(raw) {
            Ok(json) => out.body.extend_from_slice(&json),
            Err(error) => {
                out.body.extend_from_slice(b"{}");
                out.refusals.push((at, error));
            }
        }
    }
    out.body.push(b']');
    Ok(out)
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, EventsBodyError> {
    if body.trim_ascii().is_empty() {
        return Err(EventsBodyError::Empty);
    }
    serde_json::from_slice(body)
        .map_err(|error| EventsBodyError::Malformed(format!("the body is not CloudEvents JSON: {error}")))
}

fn event(raw: &RawValue) -> Result<Vec<u8>, EventError> {
    let ObjectMembers(members) = serde_json::from_str(raw.get())
        .map_err(|error| invalid(format!("the event must be a JSON object: {error}")))?;
    let (mut attributes, mut data) = (Vec::with_capacity(members.len()), Data::None);
    for (name, raw) in members {
        let json = raw.get();
        match &*name {
            // A null attribute counts as absent.
            _ if json == "null" && name != "data" => {}
            "data" | "data_base64" if !matches!(data, Data::None) => {
                return Err(invalid("an event has one `data` or one `data_base64`"));
            }
            "data" => data = Data::Json(raw),
            "data_base64" => {
                let text: Cow<'_, str> =
                    serde_json::from_str(json).map_err(|_other| invalid("`data_base64` must be a string"))?;
                STANDARD.decode(&*text).map_err(|error| invalid(format!("`data_base64`: {error}")))?;
                data = Data::Base64(Cow::Borrowed(json));
            }
            _ => attributes.push(Attribute { name, json: Cow::Borrowed(json) }),
        }
    }
    write(&attributes, &data)
}

/// The members of an object in their order, repeated names included.
struct ObjectMembers<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A member's name, borrowed unless it has an escape.
#[derive(Deserialize)]
struct MemberName<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for ObjectMembers<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = ObjectMembers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some((MemberName(name), raw)) =
                    map.next_entry::<MemberName<'de>, &'de RawValue>()?
                {
                    members.push((name, raw));
                }
                Ok(ObjectMembers(members))
            }
        }

        deserializer.deserialize_map(All)
    }
}
