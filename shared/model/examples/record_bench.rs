//! Encoding a record with LZ4 and at several zstd levels: time and size an event, beside a plain copy.
//!
//! `cargo run --release -p sluice-model --example record_bench`
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its figures")]

use sluice_model::wire::envelope::{EnvelopeParts, stamp, write};
use sluice_model::wire::record::{BlockCodec, RecordDirectory, RecordDraft, RecordEncoder};
use sluice_model::{Batch, CustomerId, EventId, EventMeta, Lane};
use std::sync::Arc;
use std::time::Instant;

fn batch(first: u64, events: u16) -> Batch {
    let customer = CustomerId::new(1_763_722_779_123);
    let id = EventId::new(1_763_722_779_123 + first, Lane::new(3).unwrap(), first, 0).batch();
    let (mut body, mut metas) = (Vec::new(), Vec::new());
    for i in 0..events {
        let n = (first * 1000 + u64::from(i)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let payload = format!(
            r#"{{"seq":{},"order_id":"ord_{n:016x}","amount":{},"currency":"EUR","customer":{{"name":"customer {}","tier":"gold"}},"items":[{{"sku":"SKU-{}","qty":{}}}],"note":"{:x}"}}"#,
            first * 1000 + u64::from(i),
            n % 100_000,
            n % 5000,
            n % 977,
            n % 7,
            n.rotate_left(17)
        );
        if i > 0 {
            body.push(b',');
        }
        let start = body.len();
        write(
            &EnvelopeParts {
                customer: &customer.text(),
                event_type: Some(b"\"order.created\""),
                source: None,
                tags: None,
                metadata: None,
                payload: payload.as_bytes(),
                timestamp: b"2026-11-21T10:59:39.123Z",
            },
            &mut body,
        );
        stamp(&id.event(i).text(), &mut body[start..]);
        metas.push(EventMeta { end: body.len() as u32, kind: 0, ordering: 0 });
    }
    Batch {
        customer,
        id,
        types: vec!["order.created".into()],
        events: metas,
        claims: vec![],
        body: body.into(),
    }
}

fn main() {
    for (name, batches, events) in
        [("4 batches of 900 events", 4u64, 900u16), ("64 batches of 1 event", 64, 1)]
    {
        let draft = RecordDraft {
            lane: None,
            producer: 1,
            sequence: 1,
            batches: (0..batches).map(|i| Arc::new(batch(i, events))).collect(),
            parts: Vec::new(),
        };
        let count = f64::from(events) * batches as f64;
        let raw: usize = draft.batches.iter().map(|b| b.body.len()).sum();
        println!("{name}, {:.0} bytes an event", raw as f64 / count);
        let mut out = Vec::new();
        let rounds = 20_000_000 / raw + 1;
        let started = Instant::now();
        for _ in 0..rounds {
            out.clear();
            draft.batches.iter().for_each(|b| out.extend_from_slice(&b.body));
            std::hint::black_box(&out);
        }
        let copy = started.elapsed().as_secs_f64() / rounds as f64;
        let levels = [-50, -10, -5, -3, -1, 1, 3].map(BlockCodec::Zstd);
        for codec in [BlockCodec::Lz4].into_iter().chain(levels) {
            let mut encoder = RecordEncoder::new(codec).unwrap();
            let started = Instant::now();
            for _ in 0..rounds {
                out.clear();
                encoder.encode(&draft, &mut out);
            }
            let encode = started.elapsed().as_secs_f64() / rounds as f64;
            let started = Instant::now();
            for _ in 0..rounds {
                let directory = RecordDirectory::parse(&out).unwrap();
                assert!(directory.read_all(&out).all(|(_, batch)| batch.is_ok()));
            }
            let decode = started.elapsed().as_secs_f64() / rounds as f64;
            println!(
                "  {:>9}: {:>5.0} ns an event, {:.0} MB/s, {:.1} × a copy; packs {:.1} ×; decode {:.0} ns an event",
                format!("{codec:?}"),
                encode / count * 1e9,
                raw as f64 / encode / 1e6,
                encode / copy,
                raw as f64 / out.len() as f64,
                decode / count * 1e9,
            );
        }
    }
}
