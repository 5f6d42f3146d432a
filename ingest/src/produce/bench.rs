//! The cost of accepting events without HTTP: run by hand, prints figures.
//!
//! `cargo test --release -p sluice-ingest bench -- --ignored --nocapture`

use crate::appenders::Appenders;
use crate::decode::{BodyForm, EnvelopeContext, EventLimits, decode};
use crate::lanes::{LaneBuffers, LaneLimits};
use crate::testing::declaring;
use crate::type_checks::{CheckLimits, CheckPlace, TypeChecks};
use sluice_embedded::{EmbeddedLog, EngineConfig};
use sluice_model::{CustomerId, Lane};
use std::sync::Arc;
use std::time::Instant;

const LIMITS: EventLimits = EventLimits { event_bytes_max: 262_144, request_events_max: 10_000 };

fn event(n: u64) -> String {
    let x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        r#"{{"event_type":"order.created","payload":{{"seq":{n},"order_id":"ord_{x:016x}","amount":{},"currency":"EUR","customer":{{"name":"customer {}","tier":"gold"}},"items":[{{"sku":"SKU-{}","qty":{}}}],"note":"{:x}"}}}}"#,
        x % 100_000,
        x % 5000,
        x % 977,
        x % 7,
        x.rotate_left(17)
    )
}

fn body(events: u64) -> Vec<u8> {
    match events {
        1 => event(1).into_bytes(),
        n => format!("[{}]", (0..n).map(event).collect::<Vec<_>>().join(",")).into_bytes(),
    }
}

fn context(id: &[u8; 36]) -> EnvelopeContext<'_> {
    EnvelopeContext { customer: id, timestamp: b"2026-11-21T10:59:39.123Z", fan_out: 1, lane: 0, trace: None }
}

#[test]
#[ignore = "a benchmark"]
fn bench_decode() {
    let id = CustomerId::new(1).text();
    for events in [1u64, 100, 1000] {
        let body = body(events);
        let rounds = 400_000 / events;
        let started = Instant::now();
        for _ in 0..rounds {
            let decoded = decode(&body, BodyForm::Json, context(&id), LIMITS, &[], None).unwrap();
            assert_eq!(decoded.accepted() as u64, events);
        }
        let ns = started.elapsed().as_nanos() as u64 / (rounds * events);
        println!("{events} events: decode {ns} ns an event of {} bytes", body.len() as u64 / events);
    }
}

/// A schema of ordinary size over the events of this benchmark: ten properties with
/// their types and limits, two objects and a list.
const ORDER: &str = r##"{
    "type": "object",
    "required": ["seq", "order_id", "amount", "currency"],
    "properties": {
        "seq": {"type": "integer", "minimum": 0},
        "order_id": {"type": "string", "pattern": "^ord_[0-9a-f]{16}$"},
        "amount": {"type": "integer", "minimum": 0, "maximum": 100000},
        "currency": {"enum": ["EUR", "USD", "GBP"]},
        "customer": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "maxLength": 100}, "tier": {"enum": ["gold", "silver"]}
        }},
        "items": {"type": "array", "maxItems": 100, "items": {"$ref": "#/$defs/item"}},
        "note": {"type": "string"}
    },
    "additionalProperties": false,
    "$defs": {"item": {"type": "object", "properties": {
        "sku": {"type": "string"}, "qty": {"type": "integer", "minimum": 0}
    }}}
}"##;

/// The cost of declared types when events are decoded, in one run: without types,
/// with a type of another name, with a type that is not enforced, and with one that is.
#[tokio::test]
#[ignore = "a benchmark"]
async fn bench_types() {
    let id = CustomerId::new(1).text();
    let declared = [
        ("no types", vec![]),
        ("another type", vec![("order.paid", ORDER, true)]),
        ("not enforced", vec![("order.created", ORDER, false)]),
        ("enforced", vec![("order.created", ORDER, true)]),
    ];
    let mut checks = Vec::new();
    for (name, types) in &declared {
        checks.push((name, TypeChecks::of(&*declaring(types).await, CheckLimits::default())));
    }
    for events in [1u64, 100, 1000] {
        let body = body(events);
        let mut best = vec![f64::MAX; checks.len()];
        // In turns, so that the machine's slow moments fall on all of them.
        for _ in 0..9 {
            for (best, (_, checks)) in best.iter_mut().zip(&checks) {
                let rounds = 20_000 / events;
                // Schemas are compiled before anything is timed.
                let types = checks.as_ref().map(|checks| (checks, CheckPlace::Desk));
                let form = BodyForm::Json;
                let _compiled = decode(&body, form, context(&id), LIMITS, &[], types).unwrap();
                let started = Instant::now();
                for _ in 0..rounds {
                    let decoded = decode(&body, form, context(&id), LIMITS, &[], types).unwrap();
                    assert_eq!(decoded.accepted() as u64, events);
                }
                *best = best.min(started.elapsed().as_nanos() as f64 / (rounds * events) as f64);
            }
        }
        for (ns, (name, _)) in best.iter().zip(&checks) {
            let (rate, ratio) = (1e9 / ns, best[0] / ns);
            println!(
                "{events} events: {name}: {ns:.0} ns an event, {rate:.0} events/s, {ratio:.2} of no types"
            );
        }
    }
}

#[test]
#[ignore = "a benchmark"]
fn bench_take() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for (events, tasks) in [(1u64, 64u64), (1, 512), (100, 16), (1000, 8), (1000, 16)] {
        let dir = tempfile::tempdir_in(".").unwrap();
        let settings = EngineConfig::default().settings();
        let log = Arc::new(EmbeddedLog::open(dir.path(), 1, &settings.log, &[]).unwrap());
        let limits =
            LaneLimits { bytes_max: 256 << 20, customer_bytes_max: 128 << 20, record_bytes_max: 4 << 20 };
        let lanes = Arc::new(LaneBuffers::new(log, limits));
        let total = if events == 1 { 400_000 } else { 8_000_000 };
        runtime.block_on(async {
            let appenders = Appenders::start(&lanes);
            let started = Instant::now();
            let mut set = tokio::task::JoinSet::new();
            for _ in 0..tasks {
                let lanes = lanes.clone();
                set.spawn(async move {
                    let body = body(events);
                    let id = CustomerId::from_u128(7);
                    for _ in 0..total / events / tasks {
                        let decoded =
                            decode(&body, BodyForm::Json, context(&id.text()), LIMITS, &[], None).unwrap();
                        let chunks =
                            decoded.chunks.into_iter().map(|(n, chunk)| (Lane::new(n).unwrap(), chunk));
                        let placed = lanes.push(id, chunks.collect(), &[]).unwrap();
                        for run in &placed.runs {
                            run.outcome().await;
                        }
                    }
                });
            }
            set.join_all().await;
            let rate = total as f64 / started.elapsed().as_secs_f64();
            println!("{events} events a request, {tasks} at a time: {rate:.0} events/s durable");
            appenders.stop().await;
        });
    }
}
