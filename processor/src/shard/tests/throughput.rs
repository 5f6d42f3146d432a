//! Measures how fast one shard delivers on this machine, with a receiver beside it:
//! `cargo test --release -p sluice-processor throughput -- --ignored --nocapture`.

use crate::testing::rig::{quick, to};
use crate::testing::{Rig, batch, batch_id};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sluice_model::clock::now_ms;
use sluice_model::{Batch, CustomerId};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Takes webhooks and counts their events and bytes, as cheaply as hyper can.
async fn sink() -> (String, Arc<AtomicU64>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let events = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&events);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let counted = Arc::clone(&counted);
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let counted = Arc::clone(&counted);
                async move {
                    let events = request.headers()["sluice-event-count"].to_str().unwrap().parse::<u64>();
                    let mut body = request.into_body();
                    while body.frame().await.is_some() {}
                    counted.fetch_add(events.unwrap(), Ordering::Relaxed);
                    Ok::<_, Infallible>(http::Response::new(Empty::<Bytes>::new()))
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (url, events)
}

fn batch_of(n: u64, events: u64) -> Arc<Batch> {
    let id = batch_id(now_ms(), n);
    let filler = "x".repeat(120);
    let envelopes: Vec<_> = (0..events)
        .map(|index| {
            let event = id.event(index as u16);
            ("a.b", format!(r#"{{"event_id":"{event}","payload":{{"n":{index},"text":"{filler}"}},"n":1}}"#))
        })
        .collect();
    Arc::new(batch(CustomerId::from_u128(1), id, &envelopes))
}

/// Measures the events a second of one shard: batches of `events`, webhooks of up to `max_events`.
async fn measure(batches: u64, events: u64, max_events: u32, subscriptions: u128) {
    let (url, received) = sink().await;
    let subscriptions = (0..subscriptions).map(|n| {
        let mut subscription = to(url.clone(), n, max_events);
        subscription.batch.max_wait_ms = 50;
        subscription.batch.max_bytes = 1 << 20;
        subscription
    });
    let mut config = quick();
    config.shard.commit_linger_ms = 20;
    config.shard.checkpoint_interval_ms = 500;
    let subscriptions: Vec<_> = subscriptions.collect();
    let expected = batches * events * subscriptions.len() as u64;
    let label =
        format!("batches of {events}, webhooks of {max_events}, {} subscriptions", subscriptions.len());
    let mut rig = Rig::new(config, subscriptions).await;
    for n in (0..batches).step_by(4) {
        rig.memory.append((n..n + 4).map(|n| batch_of(n, events)).collect());
    }
    let began = std::time::Instant::now();
    rig.start();
    while received.load(Ordering::Relaxed) < expected {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if began.elapsed() > Duration::from_secs(10) {
            println!(
                "queued {} done {} facts {}",
                rig.memory.queued().len(),
                rig.memory.done().len(),
                rig.memory.facts().len()
            );
            println!("{:?}", rig.processor().status());
            panic!();
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{} came", received.load(Ordering::Relaxed));
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("handed {} facts {}", rig.memory.done().len(), rig.memory.facts().len());
    println!("{label}: {:.0} events/s in {seconds:.2} s", expected as f64 / seconds);
    rig.settled().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a test"]
async fn throughput() {
    measure(20, 100, 100, 1000).await;
}
