//! A payload in the form that schemas judge, with the counts from which its price is computed.
//!
//! Numbers are 64-bit integers if they are written as such and fit, and doubles otherwise.
//! The event itself keeps the digits that were sent. A name that comes twice in an object is
//! refused, since this reader and a receiver might take different ones of its values.

use super::PAYLOAD_DEPTH_MAX;
use super::misfit::Misfit;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Depths from the payload itself to the values inside its innermost array or object.
pub(crate) const DEPTHS: usize = PAYLOAD_DEPTH_MAX + 1;

/// How much of a payload lies at one depth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DepthCount {
    /// Values.
    pub values: u64,
    /// Bytes of strings, and of the names of members of the objects one depth above.
    pub text_bytes: u64,
    /// Bytes of the names of members of the objects at this depth.
    pub name_bytes: u64,
}

/// A payload, parsed.
#[derive(Debug)]
pub struct SchemaPayload {
    pub(crate) value: Value,
    pub(crate) counts: [DepthCount; DEPTHS],
}

struct ReadState {
    counts: [DepthCount; DEPTHS],
    /// The names and numbers from the failed place outwards.
    trail: Vec<String>,
    depth_max: usize,
}

struct PayloadReader<'s> {
    state: &'s mut ReadState,
    depth: usize,
}

impl SchemaPayload {
    /// Reads a schema's JSON by the same rules, however deep it nests.
    pub(crate) fn read_schema(json: &str) -> Result<Value, Misfit> {
        read(json, usize::MAX).map(|payload| payload.value)
    }

    /// Reads a payload's JSON.
    ///
    /// # Errors
    /// If a name comes twice in an object, a number is beyond a double, or the
    /// payload nests deeper than [`PAYLOAD_DEPTH_MAX`].
    pub fn read(json: &str) -> Result<Self, Misfit> {
        read(json, PAYLOAD_DEPTH_MAX)
    }
}

fn read(json: &str, depth_max: usize) -> Result<SchemaPayload, Misfit> {
    let mut state = ReadState { counts: [DepthCount::default(); DEPTHS], trail: Vec::new(), depth_max };
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let reader = PayloadReader { state: &mut state, depth: 0 };
    let read = reader.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map(|value| SchemaPayload { value, counts: state.counts }).map_err(|error| {
        state.trail.reverse();
        let text = error.to_string();
        // The parser's line and column are those in the payload, not in the request.
        let message = text.split(" at line ").next().unwrap_or_default();
        Misfit::on_trail(&state.trail, message)
    })
}

impl ReadState {
    fn count_at(&mut self, depth: usize) -> &mut DepthCount {
        &mut self.counts[depth.min(DEPTHS - 1)]
    }
}

impl PayloadReader<'_> {
    fn count(&mut self, text_bytes: usize) {
        let count = self.state.count_at(self.depth);
        count.values += 1;
        count.text_bytes += text_bytes as u64;
    }

    /// A reader of the values inside.
    fn inner(&mut self) -> Option<PayloadReader<'_>> {
        let depth = self.depth + 1;
        (depth <= self.state.depth_max).then_some(PayloadReader { state: self.state, depth })
    }
}

fn too_deep<E: serde::de::Error>() -> E {
    E::custom(format_args!("the payload nests deeper than {PAYLOAD_DEPTH_MAX} levels"))
}

impl<'de> DeserializeSeed<'de> for PayloadReader<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PayloadReader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(mut self) -> Result<Value, E> {
        self.count(0);
        Ok(Value::Null)
    }

    fn visit_bool<E>(mut self, value: bool) -> Result<Value, E> {
        self.count(0);
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(mut self, value: u64) -> Result<Value, E> {
        self.count(0);
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(mut self, value: i64) -> Result<Value, E> {
        self.count(0);
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(mut self, value: f64) -> Result<Value, E> {
        self.count(0);
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(mut self, value: &str) -> Result<Value, E> {
        self.count(value.len());
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(mut self, value: String) -> Result<Value, E> {
        self.count(value.len());
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        self.count(0);
        let mut list = Vec::new();
        loop {
            let inner = self.inner().ok_or_else(too_deep)?;
            match items.next_element_seed(inner) {
                Ok(Some(item)) => list.push(item),
                Ok(None) => return Ok(Value::Array(list)),
                Err(error) => {
                    self.state.trail.push(list.len().to_string());
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        self.count(0);
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let name_bytes = name.len() as u64;
            self.state.count_at(self.depth).name_bytes += name_bytes;
            if object.contains_key(&name) {
                self.state.trail.push(name);
                return Err(A::Error::custom("the name comes twice in its object"));
            }
            let inner = self.inner().ok_or_else(too_deep)?;
            inner.state.count_at(inner.depth).text_bytes += name_bytes;
            match members.next_value_seed(inner) {
                Ok(value) => drop(object.insert(name, value)),
                Err(error) => {
                    self.state.trail.push(name);
                    return Err(error);
                }
            }
        }
        Ok(Value::Object(object))
    }
}
