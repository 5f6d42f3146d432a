//! The drain.

use crate::harness::{config, start};
use futures_util::FutureExt;
use std::time::Duration;
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_finishes_requests_in_flight_and_takes_no_more() {
    let ingest = start(config()).await;
    let mut idle = ingest.client().await;
    assert_eq!(idle.post_event().await.status, 202);
    let mut unused = ingest.client().await;
    let mut busy = ingest.client().await;
    busy.send(busy.head("POST", "/v1/events", "content-length: 38\r\n")).await;
    busy.send(r#"{"event_type":"a.b","#).await;
    let mut operator = ingest.admin().await;
    assert_eq!(operator.get("/readyz").await.status, 200);
    tokio::time::sleep(Duration::from_millis(50)).await;

    ingest.stop.cancel();
    assert!(idle.ends_within(Duration::from_secs(1)).await);
    assert!(unused.ends_within(Duration::from_secs(1)).await);
    assert!(TcpStream::connect(ingest.public).await.is_err());
    let ready = operator.get("/readyz").await;
    assert_eq!((ready.status, &*ready.code()), (503, "NOT_READY"));

    busy.send(r#""payload":{"n":1}}"#).await;
    let answer = busy.answer().await.unwrap();
    assert_eq!((answer.status, answer.headers["connection"].as_str()), (202, "close"));
    let ended = tokio::time::timeout(Duration::from_secs(2), ingest.task).await;
    ended.expect("the ingest ends once its last request has").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_at_its_deadline_whoever_hangs_on() {
    let mut config = config();
    config.http.drain_ms = 300;
    let ingest = start(config).await;
    let mut busy = ingest.client().await;
    busy.send(busy.head("POST", "/v1/events", "content-length: 38\r\n")).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    ingest.stop.cancel();
    tokio::time::timeout(Duration::from_secs(3), ingest.task).await.expect("it ends").unwrap();
    assert!(busy.ends_within(Duration::from_secs(1)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_told_before_anything_runs() {
    use sluice_ingest::IngestConfig;
    let ingest = start(config()).await;
    let taken = IngestConfig { listen: ingest.public, ..config() };
    let again = std::panic::AssertUnwindSafe(start(taken)).catch_unwind().await;
    let refused = again.err().expect("bind fails");
    let text = refused.downcast_ref::<String>().unwrap();
    assert!(text.contains("listen") && text.contains(&ingest.public.to_string()), "{text}");
}
