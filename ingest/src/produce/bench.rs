//! The cost of accepting events without HTTP: run by hand, prints figures.
//!
//! `cargo test --release -p sluice-ingest bench -- --ignored --nocapture`

use crate::appenders::Appenders;
use crate::decode::{BodyForm, EnvelopeContext, EventLimits, decode};
use crate::lanes::{LaneBuffers, LaneLimits};
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
            let decoded = decode(&body, BodyForm::Json, context(&id), LIMITS, &[]).unwrap();
            assert_eq!(decoded.accepted() as u64, events);
        }
        let ns = started.elapsed().as_nanos() as u64 / (rounds * events);
        println!("{events} events: decode {ns} ns an event of {} bytes", body.len() as u64 / events);
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
                            decode(&body, BodyForm::Json, context(&id.text()), LIMITS, &[]).unwrap();
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
