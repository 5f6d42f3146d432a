//! Templates: texts with fields that are filled in; payloads are JSON objects.
//!
//! | field | becomes | drawn |
//! |---|---|---|
//! | `{{text:N}}` | N letters, digits, `-`, `_` | for each event |
//! | `{{digits:N}}` | a number of N digits, no leading zero | for each event |
//! | `{{hex:N}}` | N hexadecimal digits | for each event |
//! | `{{uuid}}` | a random UUID (version 4) | for each event |
//! | `{{sequence}}` | the event's number in its stream, 12 hexadecimal digits | for each event |
//! | `{{stream}}` | the stream, 8 hexadecimal digits | for each event |
//! | `{{sent_ms}}` | when the event was meant to be sent, Unix time in ms, 13 digits | for each event |
//! | `{{pick:a\|b\|c}}` | one of the alternatives | for each variant |
//! | `{{int:LOW..HIGH}}` | a whole number, both ends included | for each variant |
//!
//! Events are patched in place, so fields that are drawn for each event have a fixed
//! width. The other fields are drawn when a template is read; a run reads it several
//! times, and the resulting variants take turns.

use thiserror::Error;

use crate::hex;
use crate::mark::PREFIX;
use crate::random::SeededRandom;

/// A payload without its mark, and the places where it varies.
#[derive(Clone, Debug)]
pub struct PayloadTemplate {
    /// The object without its braces.
    members: Vec<u8>,
    fields: Vec<TemplateField>,
}

/// Why a text is not a template.
#[derive(Debug, Error, Eq, PartialEq)]
pub enum TemplateError {
    /// A field is unknown.
    #[error(
        "{0:?} is no template field: text:N, digits:N, hex:N, uuid, sequence, stream, sent_ms, pick:a|b, int:1..9"
    )]
    Field(String),
    /// A `{{` has no `}}`.
    #[error("a template field is not closed with }}}}")]
    Unclosed,
    /// With its fields filled in, the template is not JSON.
    #[error("with its fields filled in the template is not JSON: {0}")]
    Json(String),
    /// The template is not a JSON object, or has a mark already.
    #[error("a payload template must be a JSON object, without a member \"mark\"")]
    Object,
}

/// Most bytes of a field.
const WIDTH_MAX: usize = 1 << 20;

#[derive(Clone, Copy, Debug)]
pub(super) struct TemplateField {
    at: usize,
    bytes: usize,
    fill: Fill,
}

#[derive(Clone, Copy, Debug)]
enum Fill {
    Text,
    Digits,
    Hex,
    Uuid,
    Sequence,
    Stream,
    SentMs,
}

/// The facts about an event that fields may show.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventStamp {
    pub(super) stream: u32,
    pub(super) sequence: u64,
    pub(super) sent_ns: u64,
}

/// A field as it is written.
enum ParsedField {
    Varying(Fill, usize),
    Drawn(String),
}

/// A text with fields that are filled in.
#[derive(Clone, Debug, Default)]
pub struct BodyTemplate {
    bytes: Vec<u8>,
    fields: Vec<TemplateField>,
}

impl BodyTemplate {
    /// Reads a template, drawing one variant of it.
    pub fn parse(text: &str, random: &mut SeededRandom) -> Result<Self, TemplateError> {
        let (mut bytes, mut fields) = (Vec::with_capacity(text.len()), Vec::new());
        let mut rest = text;
        while let Some((before, from)) = rest.split_once("{{") {
            let (name, after) = from.split_once("}}").ok_or(TemplateError::Unclosed)?;
            bytes.extend_from_slice(before.as_bytes());
            match parse_field(name.trim(), random) {
                Some(ParsedField::Drawn(drawn)) => bytes.extend_from_slice(drawn.as_bytes()),
                Some(ParsedField::Varying(fill, width)) => {
                    fields.push(TemplateField { at: bytes.len(), bytes: width, fill });
                    bytes.resize(bytes.len() + width, b'1');
                }
                None => return Err(TemplateError::Field(name.to_owned())),
            }
            rest = after;
        }
        bytes.extend_from_slice(rest.as_bytes());
        let mut template = Self { bytes, fields };
        let mut example = template.bytes.clone();
        template.fill(&mut example, 0, 0, 1_700_000_000_000_000_000, random);
        template.bytes = example;
        Ok(template)
    }

    /// The text, its fields filled in once.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Fills in the fields of `text`, a copy of [`bytes`](Self::bytes).
    pub(crate) fn fill(
        &self,
        text: &mut [u8],
        stream: u32,
        sequence: u64,
        sent_ns: u64,
        random: &mut SeededRandom,
    ) {
        let stamp = EventStamp { stream, sequence, sent_ns };
        self.fields.iter().for_each(|field| field.fill(text, stamp, random));
    }
}

impl PayloadTemplate {
    /// Reads a template, drawing one variant of it.
    pub(crate) fn parse(text: &str, random: &mut SeededRandom) -> Result<Self, TemplateError> {
        let BodyTemplate { bytes, fields } = BodyTemplate::parse(text.trim(), random)?;
        check(&bytes)?;
        // Trimmed, so it starts and ends with the object's braces.
        let inner = bytes.get(1..bytes.len().saturating_sub(1)).unwrap_or_default();
        let members = if inner.trim_ascii().is_empty() { Vec::new() } else { inner.to_vec() };
        Ok(Self { members, fields: fields.iter().filter_map(|field| field.moved_back(1)).collect() })
    }

    pub(super) fn members(&self) -> &[u8] {
        &self.members
    }

    /// The places of these fields count from the start of [`members`](Self::members).
    pub(super) fn fields(&self) -> impl Iterator<Item = &TemplateField> {
        self.fields.iter()
    }
}

fn check(bytes: &[u8]) -> Result<(), TemplateError> {
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|error| TemplateError::Json(error.to_string()))?;
    let marked = memchr::memmem::find(bytes, PREFIX).is_some();
    match value.as_object() {
        Some(members) if !members.contains_key("mark") && !marked => Ok(()),
        _ => Err(TemplateError::Object),
    }
}

fn parse_field(name: &str, random: &mut SeededRandom) -> Option<ParsedField> {
    let (kind, argument) = name.split_once(':').unwrap_or((name, ""));
    let width = || argument.parse().ok().filter(|width| (1..=WIDTH_MAX).contains(width));
    Some(match kind {
        "text" => ParsedField::Varying(Fill::Text, width()?),
        "digits" => ParsedField::Varying(Fill::Digits, width()?),
        "hex" => ParsedField::Varying(Fill::Hex, width()?),
        "uuid" if argument.is_empty() => ParsedField::Varying(Fill::Uuid, 36),
        "sequence" if argument.is_empty() => ParsedField::Varying(Fill::Sequence, 12),
        "stream" if argument.is_empty() => ParsedField::Varying(Fill::Stream, 8),
        "sent_ms" if argument.is_empty() => ParsedField::Varying(Fill::SentMs, 13),
        "pick" => {
            let alternatives: Vec<_> = argument.split('|').collect();
            let nth = random.below(alternatives.len() as u64) as usize;
            ParsedField::Drawn((*alternatives.get(nth)?).to_owned())
        }
        "int" => {
            let (low, high) = argument.split_once("..")?;
            let (low, high): (i64, i64) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
            let numbers = u64::try_from(high.checked_sub(low)?).ok()?.checked_add(1)?;
            ParsedField::Drawn((low + random.below(numbers) as i64).to_string())
        }
        _ => return None,
    })
}

impl TemplateField {
    pub(super) fn moved_by(&self, bytes: usize) -> Self {
        Self { at: self.at + bytes, ..*self }
    }

    fn moved_back(&self, bytes: usize) -> Option<Self> {
        Some(Self { at: self.at.checked_sub(bytes)?, ..*self })
    }

    /// Writes this field of `event`.
    pub(super) fn fill(&self, event: &mut [u8], stamp: EventStamp, random: &mut SeededRandom) {
        let room = &mut event[self.at..self.at + self.bytes];
        match self.fill {
            Fill::Text => random.fill_text(room),
            Fill::Digits => write_digits(room, random),
            Fill::Hex => write_hex(room, random),
            Fill::Uuid => write_uuid(room, random),
            Fill::Sequence => room.copy_from_slice(&hex::encode_16(stamp.sequence)[4..]),
            Fill::Stream => room.copy_from_slice(&hex::encode_8(stamp.stream)),
            Fill::SentMs => write_decimal(room, stamp.sent_ns / 1_000_000),
        }
    }
}

/// Decimal digits that do not start with 0.
fn write_digits(digits: &mut [u8], random: &mut SeededRandom) {
    for chunk in digits.chunks_mut(9) {
        write_decimal(chunk, random.below(10_u64.pow(chunk.len() as u32)));
    }
    if let Some(first @ b'0') = digits.first_mut() {
        *first = b'1' + random.below(9) as u8;
    }
}

fn write_decimal(digits: &mut [u8], number: u64) {
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

fn write_hex(digits: &mut [u8], random: &mut SeededRandom) {
    for chunk in digits.chunks_mut(16) {
        chunk.copy_from_slice(&hex::encode_16(random.next_u64())[..chunk.len()]);
    }
}

fn write_uuid(room: &mut [u8], random: &mut SeededRandom) {
    let (high, low) = (hex::encode_16(random.next_u64()), hex::encode_16(random.next_u64()));
    let parts: [&[u8]; 5] = [&high[..8], &high[8..12], &high[12..], &low[..4], &low[4..]];
    let mut position = 0;
    for part in parts {
        if position > 0 {
            room[position] = b'-';
            position += 1;
        }
        room[position..position + part.len()].copy_from_slice(part);
        position += part.len();
    }
    // RFC 9562: version 4, variant 10.
    room[14] = b'4';
    room[19] = b"89ab"[random.below(4) as usize];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, seed: u64) -> serde_json::Value {
        let mut random = SeededRandom::new(seed);
        let template = PayloadTemplate::parse(text, &mut random).expect("a template");
        let mut members = template.members().to_vec();
        let stamp = EventStamp { stream: 5, sequence: 77, sent_ns: 1_760_000_000_123_000_000 };
        template.fields().for_each(|field| field.fill(&mut members, stamp, &mut random));
        let text = format!("{{{}}}", String::from_utf8(members).expect("text"));
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn every_field_is_filled_in() {
        let text = r#"{"t":"{{text:20}}","d":{{digits:12}},"h":"{{ hex:20 }}","u":"{{uuid}}",
            "n":"{{sequence}}","s":"{{stream}}","ms":{{sent_ms}},"p":"{{pick:eur|usd}}","i":{{int:-3..3}},
            "o":{"in":{"er":1} } }"#;
        for seed in 0..50 {
            let value = filled(text, seed);
            assert_eq!(value["t"].as_str().map(str::len), Some(20));
            assert!((100_000_000_000..1_000_000_000_000).contains(&value["d"].as_u64().expect("a number")));
            assert_eq!(value["h"].as_str().map(str::len), Some(20));
            let uuid = value["u"].as_str().expect("text");
            assert_eq!((uuid.len(), &uuid[14..15], &uuid[8..9]), (36, "4", "-"));
            assert_eq!((&value["n"], &value["s"]), (&"00000000004d".into(), &"00000005".into()));
            assert_eq!(value["ms"], 1_760_000_000_123_u64);
            assert!(["eur", "usd"].contains(&value["p"].as_str().expect("text")));
            assert!((-3..=3).contains(&value["i"].as_i64().expect("a number")));
        }
        assert_ne!(filled(text, 1)["u"], filled(text, 2)["u"]);
    }

    #[test]
    fn bad_templates_are_refused_with_the_reason() {
        let refused =
            |text: &str| PayloadTemplate::parse(text, &mut SeededRandom::new(1)).map(|_| ()).unwrap_err();
        assert_eq!(refused(r#"{"a":{{nonsense}}}"#), TemplateError::Field("nonsense".into()));
        assert_eq!(refused(r#"{"a":"{{text:0}}"}"#), TemplateError::Field("text:0".into()));
        assert_eq!(refused(r#"{"a":"{{text:3}"}"#), TemplateError::Unclosed);
        assert!(matches!(refused(r#"{"a":{{text:3}}}"#), TemplateError::Json(_)));
        for text in ["[1]", r#"{"mark":1}"#, r#"{"a":"!slt1."}"#] {
            assert_eq!(refused(text), TemplateError::Object);
        }
    }
}
