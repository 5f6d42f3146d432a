//! One event as a producer sends it, and its checks.

use super::EventError;
use super::own_key;
use super::payload;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use sluice_model::ids::ID_TEXT_LEN;
use sluice_model::trace::TraceParent;
use sluice_model::wire::envelope::EnvelopeParts;
use sluice_ports::idempotency::KeyHash;
use sluice_selector::PRODUCT_TYPES;
use std::borrow::Cow;
use std::fmt;

/// The most bytes of `event_type` and of `source`, as in CloudEvents.
pub(crate) const NAME_BYTES_MAX: usize = 2048;
/// The most bytes of `ordering_key`, a tag, and of each text in `metadata`.
pub(crate) const TEXT_BYTES_MAX: usize = 256;
/// The most tags of an event.
pub(crate) const TAGS_MAX: usize = 64;

/// An event's fields, unchecked.
#[derive(Debug, Default)]
pub(super) struct Incoming<'a> {
    event_type: Option<&'a RawValue>,
    payload: Option<&'a RawValue>,
    source: Option<&'a RawValue>,
    tags: Option<&'a RawValue>,
    ordering_key: Option<&'a RawValue>,
    metadata: Option<&'a RawValue>,
}

/// The names of an event's fields.
#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum EventField {
    EventType,
    Payload,
    Source,
    Tags,
    OrderingKey,
    Metadata,
}

/// In the order of [`EventField`].
const NAMES: [&str; 6] = ["event_type", "payload", "source", "tags", "ordering_key", "metadata"];

/// Reads an event from an object. Derived code would also accept an array of the
/// fields' values.
struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = Incoming<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Incoming<'de>, A::Error> {
        let (mut event, mut seen) = (Incoming::default(), 0_u8);
        while let Some(name) = fields.next_key::<EventField>()? {
            let bit = 1 << name as u8;
            if seen & bit != 0 {
                return Err(A::Error::duplicate_field(NAMES[name as usize]));
            }
            seen |= bit;
            let raw: &'de RawValue = fields.next_value()?;
            let some = (raw.get() != "null").then_some(raw);
            match name {
                EventField::EventType => event.event_type = some,
                // `null` is a payload.
                EventField::Payload => event.payload = Some(raw),
                EventField::Source => event.source = some,
                EventField::Tags => event.tags = some,
                EventField::OrderingKey => event.ordering_key = some,
                EventField::Metadata => event.metadata = some,
            }
        }
        Ok(event)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Incoming<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventVisitor)
    }
}

/// `{"events":[…]}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsObject<'a> {
    #[serde(borrow)]
    pub events: &'a RawValue,
}

#[derive(Debug, Deserialize)]
struct KnownMetadata<'a> {
    #[serde(borrow)]
    correlation_id: Option<Cow<'a, str>>,
    priority: Option<Priority>,
    #[serde(borrow)]
    idempotency_key: Option<Cow<'a, str>>,
    /// Whether the field is present.
    #[serde(default, deserialize_with = "is_present")]
    traceparent: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Priority {
    Low,
    Normal,
    High,
}

/// An event that passed every check.
#[derive(Debug)]
pub(super) struct CheckedEvent<'a> {
    /// Its type, or "".
    pub kind: Cow<'a, str>,
    /// The hash of its ordering key, or 0 without one.
    pub ordering: u64,
    event_type: Option<&'a RawValue>,
    source: Option<&'a RawValue>,
    tags: Option<&'a RawValue>,
    metadata: Option<&'a RawValue>,
    /// Whether its metadata holds a trace of its own.
    has_trace: bool,
    /// The hashes of its own idempotency key and of its fields.
    pub own_key: Option<(KeyHash, KeyHash)>,
    payload: &'a RawValue,
}

/// Notes that a field is present, whatever its value.
fn is_present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

fn invalid(message: impl Into<String>) -> EventError {
    EventError::invalid(message)
}

impl<'a> Incoming<'a> {
    /// Checks every field.
    pub(super) fn check(self, event_bytes_max: usize) -> Result<CheckedEvent<'a>, EventError> {
        let payload = self.payload.ok_or_else(|| invalid("`payload` is missing"))?;
        let fields = [self.event_type, self.source, self.tags, self.ordering_key, self.metadata];
        let bytes = payload.get().len() + fields.iter().flatten().map(|raw| raw.get().len()).sum::<usize>();
        if bytes > event_bytes_max {
            return Err(EventError::too_large(bytes, event_bytes_max));
        }
        payload::check_depth("payload", payload.get()).map_err(invalid)?;
        for (name, raw) in [("payload", Some(payload)), ("metadata", self.metadata)] {
            if let Some(raw) = raw {
                payload::check_unicode(name, raw.get()).map_err(invalid)?;
            }
        }
        if let Some(source) = self.source {
            text("source", source, NAME_BYTES_MAX)?;
        }
        if let Some(tags) = self.tags {
            check_tags(tags)?;
        }
        if let Some(metadata) = self.metadata {
            payload::check_depth("metadata", metadata.get()).map_err(invalid)?;
        }
        let metadata = self.metadata.map(check_metadata).transpose()?.unwrap_or_default();
        let own_key = metadata.idempotency_key.map(|key| {
            let [event_type, source, tags, ordering_key, metadata] = fields;
            let fields = [event_type, self.payload, source, tags, ordering_key, metadata];
            (own_key::hash(key.as_bytes()), own_key::hash_fields(fields))
        });
        let ordering = match self.ordering_key {
            Some(key) => ordering_hash(&text("ordering_key", key, TEXT_BYTES_MAX)?),
            None => 0,
        };
        let event_type = self.event_type.or_else(|| payload::event_type(payload.get()));
        let kind = match event_type {
            Some(kind) => text("event_type", kind, NAME_BYTES_MAX)?,
            None => Cow::Borrowed(""),
        };
        if kind.starts_with(PRODUCT_TYPES) {
            let problem = "such events are Sluice's own";
            return Err(invalid(format!("`event_type` cannot begin with `{PRODUCT_TYPES}`: {problem}")));
        }
        Ok(CheckedEvent {
            kind,
            ordering,
            event_type,
            source: self.source,
            tags: self.tags,
            metadata: self.metadata,
            has_trace: metadata.has_trace,
            own_key,
            payload,
        })
    }
}

impl CheckedEvent<'_> {
    /// The payload's JSON.
    pub(super) fn payload(&self) -> &str {
        self.payload.get()
    }

    /// The metadata with the request's trace, if the event has none of its own.
    pub(super) fn traced_metadata(&self, trace: &TraceParent) -> Option<Vec<u8>> {
        if self.has_trace {
            return None;
        }
        let rest = self.metadata.map_or("}", |raw| raw.get().strip_prefix('{').unwrap_or("}"));
        let comma = if rest.trim_ascii_start().starts_with('}') { "" } else { "," };
        Some(format!("{{\"traceparent\":\"{}\"{comma}{rest}", trace.as_str()).into_bytes())
    }

    /// The parts of the event's envelope.
    pub(super) fn envelope<'b>(
        &'b self,
        customer: &'b [u8; ID_TEXT_LEN],
        timestamp: &'b [u8],
    ) -> EnvelopeParts<'b> {
        let bytes = |raw: Option<&'b RawValue>| raw.map(|raw| raw.get().as_bytes());
        EnvelopeParts {
            customer,
            event_type: bytes(self.event_type),
            source: bytes(self.source),
            tags: bytes(self.tags),
            metadata: bytes(self.metadata),
            payload: self.payload.get().as_bytes(),
            timestamp,
        }
    }
}

/// A text field: not empty, not too long, without control characters.
fn text<'a>(field: &str, raw: &'a RawValue, bytes_max: usize) -> Result<Cow<'a, str>, EventError> {
    let json = raw.get();
    let text = match json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        // Without an escape the text is the bytes between the quotes.
        Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
        _ => serde_json::from_str(json)
            .map(Cow::<str>::Owned)
            .map_err(|_other| invalid(format!("`{field}` must be a string")))?,
    };
    if text.is_empty() || text.len() > bytes_max {
        return Err(invalid(format!("`{field}` has {} bytes; it must have 1 to {bytes_max}", text.len())));
    }
    if text.chars().any(char::is_control) {
        return Err(invalid(format!("`{field}` has control characters")));
    }
    Ok(text)
}

fn check_tags(raw: &RawValue) -> Result<(), EventError> {
    let tags: Vec<Cow<'_, str>> =
        serde_json::from_str(raw.get()).map_err(|_other| invalid("`tags` must be an array of strings"))?;
    if tags.len() > TAGS_MAX {
        return Err(invalid(format!("`tags` has {} entries; the limit is {TAGS_MAX}", tags.len())));
    }
    if tags.iter().any(|tag| tag.is_empty() || tag.len() > TEXT_BYTES_MAX) {
        return Err(invalid(format!("each of `tags` must have 1 to {TEXT_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// The fields of the metadata that Sluice itself uses.
#[derive(Debug, Default)]
struct OwnMetadata<'a> {
    has_trace: bool,
    idempotency_key: Option<Cow<'a, str>>,
}

fn check_metadata(raw: &RawValue) -> Result<OwnMetadata<'_>, EventError> {
    if !raw.get().starts_with('{') {
        return Err(invalid("`metadata` must be an object"));
    }
    let metadata: KnownMetadata<'_> = serde_json::from_str(raw.get()).map_err(|error| {
        invalid(format!(
            "`metadata` must be an object whose `correlation_id` and `idempotency_key` are strings and whose `priority` is low, normal or high: {error}"
        ))
    })?;
    let _checked: Option<Priority> = metadata.priority;
    for (field, text) in
        [("correlation_id", &metadata.correlation_id), ("idempotency_key", &metadata.idempotency_key)]
    {
        if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > TEXT_BYTES_MAX) {
            return Err(invalid(format!("`metadata.{field}` must have 1 to {TEXT_BYTES_MAX} bytes")));
        }
    }
    let KnownMetadata { traceparent: has_trace, idempotency_key, .. } = metadata;
    Ok(OwnMetadata { has_trace, idempotency_key })
}

/// FNV-1a with a final mix: the same in every version and process, and never 0.
pub(super) fn ordering_hash(key: &str) -> u64 {
    let fnv = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (fnv ^ fnv >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).max(1)
}
