//! Measures how well records of real events compress, for the estimates of `sluice cost`.
//!
//! The events are GitHub's webhooks as collected by npm's `@octokit/webhooks-examples`,
//! whole and cut to about 1 KB (their first fields), in batches of several sizes, each batch
//! in a record of its own:
//!
//! `cargo run --release -p sluice-model --example compression -- .../@octokit/webhooks-examples/api.github.com/index.json`
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement prints its figures")]

use serde_json::{Map, Value};
use sluice_model::wire::envelope::{EnvelopeParts, stamp, write};
use sluice_model::wire::record::{BlockCodec, RecordDraft, RecordEncoder};
use sluice_model::{Batch, CustomerId, EventId, EventMeta, Lane};
use std::sync::Arc;

/// The zstd level of the distributed log.
const LEVEL: i32 = 1;
/// Raw bytes of a cut event, its envelope included.
const CUT_BYTES: usize = 1024;
/// The bytes of an envelope without its payload.
const ENVELOPE_BYTES: usize = 260;

/// The examples with their types.
fn examples(path: &str) -> Vec<(String, Value)> {
    let kinds: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let of_kind = |kind: &Value| {
        let name = format!("\"github.{}\"", kind["name"].as_str().unwrap());
        kind["examples"].as_array().unwrap().iter().map(|one| (name.clone(), one.clone())).collect::<Vec<_>>()
    };
    kinds.iter().flat_map(of_kind).collect()
}

/// The first fields of a value, as deep as they go, within `room` bytes.
fn cut(value: &Value, room: usize) -> Value {
    let Value::Object(fields) = value else { return value.clone() };
    let (mut kept, mut used) = (Map::new(), 2);
    for (name, field) in fields {
        let left = room.saturating_sub(used + name.len() + 4);
        let field = if field.to_string().len() <= left { field.clone() } else { cut(field, left) };
        let bytes = field.to_string().len() + name.len() + 4;
        if used + bytes > room {
            break;
        }
        used += bytes;
        kept.insert(name.clone(), field);
    }
    Value::Object(kept)
}

fn batch(events: &[&(String, Value)], number: u64) -> Batch {
    let customer = CustomerId::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
    let id = EventId::new(1_763_722_779_123, Lane::new(3).unwrap(), number, 0).batch();
    let (mut body, mut metas, mut types) = (Vec::new(), Vec::new(), Vec::<Box<str>>::new());
    for (index, (kind, payload)) in events.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        let (start, text) = (body.len(), payload.to_string());
        let parts = EnvelopeParts {
            customer: &customer.text(),
            event_type: Some(kind.as_bytes()),
            source: Some(b"\"github\""),
            tags: None,
            metadata: None,
            payload: text.as_bytes(),
            timestamp: b"2026-11-21T10:59:39.123Z",
        };
        write(&parts, &mut body);
        stamp(&id.event(index as u16).text(), &mut body[start..]);
        let name = kind.trim_matches('"');
        let place = types.iter().position(|known| **known == *name).unwrap_or_else(|| {
            types.push(name.into());
            types.len() - 1
        });
        metas.push(EventMeta { end: body.len() as u32, kind: place as u16, ordering: 0 });
    }
    Batch { customer, id, types, events: metas, claims: Vec::new(), body: body.into() }
}

fn main() {
    let path = std::env::args().nth(1).expect("the path of the examples' index.json");
    let whole = examples(&path);
    let cut: Vec<_> = whole
        .iter()
        .map(|(kind, payload)| (kind.clone(), cut(payload, CUT_BYTES - ENVELOPE_BYTES)))
        .collect();
    println!("{} events", whole.len());
    let mut encoder = RecordEncoder::new(BlockCodec::Zstd(LEVEL)).unwrap();
    for (name, events) in [("whole", &whole), ("cut", &cut)] {
        for size in [1usize, 2, 5, 10, 25, 50, 100] {
            let (mut raw, mut packed, mut out) = (0, 0, Vec::new());
            // A stride that is no divisor mixes the types, as traffic does.
            let order: Vec<_> = (0..events.len()).map(|index| &events[index * 101 % events.len()]).collect();
            for (number, chunk) in order.chunks(size).filter(|chunk| chunk.len() == size).enumerate() {
                let batch = batch(chunk, number as u64);
                raw += batch.body.len();
                let lane = Some(batch.lane());
                let draft = RecordDraft {
                    lane,
                    producer: 1,
                    sequence: 1,
                    batches: vec![Arc::new(batch)],
                    parts: Vec::new(),
                };
                out.clear();
                encoder.encode(&draft, &mut out);
                packed += out.len();
            }
            let count = events.len() / size * size;
            println!(
                "{name:>5}, {:>5} bytes an event, {size:>3} a batch: {:>5.2} to 1",
                raw / count,
                raw as f64 / packed as f64
            );
        }
    }
}
