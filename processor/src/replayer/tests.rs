use crate::testing::{RecordingStores, batch, batch_id};
use sluice_history::replay::{HistoryWindow, read_page};
use sluice_model::CustomerId;
use sluice_selector::{MatchScratch, Selector};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ONE: CustomerId = CustomerId::from_u128(1);

/// An event for which the selector below spends its whole budget.
fn expensive_event() -> String {
    let members: Vec<_> = (0..1000).map(|n| format!(r#"{{"y":{{"z":[{n},{n}]}}}}"#)).collect();
    format!(r#"{{"payload":{{"a":[{}]}}}}"#, members.join(","))
}

#[tokio::test]
async fn a_replay_with_an_expensive_selector_lets_other_tasks_run() {
    const EVENTS: u64 = 60;
    let stores = RecordingStores::default();
    let envelopes = vec![("a.b", expensive_event()); EVENTS as usize];
    let id = batch_id(1000, 1);
    stores.append(vec![Arc::new(batch(ONE, id, &envelopes))]);
    let selector = r#"{"type":"jsonpath","expression":"$..[?@..[?@.x == 1]]"}"#;
    let selector = Selector::parse(selector).unwrap();

    let ticks = tokio::spawn(async {
        let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            longest = longest.max(last.elapsed());
            last = Instant::now();
            LONGEST.store(longest.as_millis() as u64, std::sync::atomic::Ordering::Relaxed);
        }
    });
    tokio::task::yield_now().await;
    let (began, mut after, mut scanned, mut pages) = (Instant::now(), None, 0, 0);
    loop {
        let window = HistoryWindow { customer: ONE, lane: id.lane(), after, start_ms: 0, end_ms: u64::MAX };
        let page = read_page(&*stores.0, window, &selector, &mut MatchScratch::default()).await.unwrap();
        (scanned, pages, after) = (scanned + page.scanned, pages + 1, page.after);
        if page.exhausted {
            break;
        }
    }
    let (all, longest) = (began.elapsed(), LONGEST.load(std::sync::atomic::Ordering::Relaxed));
    ticks.abort();
    println!("{scanned} events in {pages} pages and {all:?}; others waited {longest} ms at the longest");
    assert_eq!(scanned, EVENTS, "each event once");
    assert!(longest > 0, "the other task did not run before the replay was done");
}

static LONGEST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
