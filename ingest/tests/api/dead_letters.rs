//! Dead letters: counted, and chosen by reason and id.

use crate::api::dead_letter;
use crate::harness::{config, start};
use crate::more::subscribe;
use serde_json::json;
use sluice_model::DeadLetterReason;
use sluice_ports::EventStore;

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_counted_and_chosen_by_reason_and_id() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let one = subscribe(&mut client, json!({ "type": "event_type", "value": "*" }), "/a").await;
    let two = subscribe(&mut client, json!({ "type": "event_type", "value": "*" }), "/b").await;
    let event = client.post_event().await.json()["event_id"].as_str().unwrap().to_owned();
    let mut letters = Vec::new();
    for (n, subscription) in [(1, &one), (2, &one), (3, &two), (4, &two), (5, &two)] {
        let mut letter = dead_letter(&ingest, subscription, &event, n);
        letter.reason = if n % 2 == 0 { DeadLetterReason::Refused } else { DeadLetterReason::Exhausted };
        letters.push(letter);
    }
    let ids: Vec<String> = letters.iter().map(|letter| letter.id.to_string()).collect();
    ingest.engine.events.put_dead_letters(letters).await.unwrap();
    let counts = client.get("/v1/dead-letters/summary").await.json();
    assert_eq!(
        (&counts["dead_letters"], &counts["events"], &counts["complete"]),
        (&json!(5), &json!(5), &json!(true))
    );
    assert_eq!(
        counts["by_reason"],
        json!([
            { "reason": "exhausted", "dead_letters": 3, "events": 3 },
            { "reason": "refused", "dead_letters": 2, "events": 2 },
        ])
    );
    let of_two =
        client.get(&format!("/v1/dead-letters/summary?workflow_id={two}&reason=exhausted")).await.json();
    assert_eq!(of_two["by_workflow"], json!([{ "workflow_id": two, "dead_letters": 2, "events": 2 }]));

    // Pages of a reason, which skip the others.
    let (mut found, mut path) = (Vec::new(), "/v1/dead-letters?reason=exhausted&limit=2".to_owned());
    loop {
        let page = client.get(&path).await.json();
        let page_ids = page["dead_letters"].as_array().unwrap().iter();
        found.extend(page_ids.map(|letter| letter["dead_letter_id"].as_str().unwrap().to_owned()));
        if page["has_more"] == json!(false) {
            break;
        }
        path =
            format!("/v1/dead-letters?reason=exhausted&limit=2&cursor={}", page["cursor"].as_str().unwrap());
    }
    assert_eq!(found, [ids[0].clone(), ids[2].clone(), ids[4].clone()]);

    let named = json!({ "dead_letter_ids": [ids[1], ids[2], ids[2], two] }).to_string();
    let redriven = client.request("POST", "/v1/dead-letters/redrive", named).await.json();
    assert_eq!((&redriven["redriven"], &redriven["has_more"]), (&json!(2), &json!(false)));
    let by_reason = json!({ "reason": "refused" }).to_string();
    assert_eq!(client.request("POST", "/v1/dead-letters/redrive", by_reason).await.json()["redriven"], 1);
    let deleted = client.request("DELETE", "/v1/dead-letters?reason=exhausted", "").await.json();
    assert_eq!(deleted, json!({ "deleted": 2, "has_more": false }));
    assert_eq!(client.get("/v1/dead-letters/summary").await.json()["dead_letters"], 0);
    let refused = client.request("POST", "/v1/dead-letters/redrive", r#"{"dead_letter_ids":[]}"#).await;
    assert_eq!(refused.json()["error"]["details"]["field"], "dead_letter_ids");
}

#[tokio::test(flavor = "multi_thread")]
async fn redrives_at_the_same_time_deliver_each_dead_letter_once() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let subscription = subscribe(&mut client, json!({ "type": "event_type", "value": "*" }), "/a").await;
    let event = client.post_event().await.json()["event_id"].as_str().unwrap().to_owned();
    let letters = (0..600).map(|n| dead_letter(&ingest, &subscription, &event, n)).collect();
    ingest.engine.events.put_dead_letters(letters).await.unwrap();
    let mut redrives = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let mut client = ingest.client().await;
        redrives.spawn(async move {
            client.request("POST", "/v1/dead-letters/redrive", "{}").await.json()["redriven"]
                .as_u64()
                .unwrap()
        });
    }
    assert_eq!(redrives.join_all().await.iter().sum::<u64>(), 600);
}
