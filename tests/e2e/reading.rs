//! Reading: events by id, the inbox, acknowledgements.

use crate::harness::customer::text;
use crate::harness::{Request, TestCustomer, TestEndpoint, TestServer, Traffic};
use serde_json::{Value, json};
use sluice_loadtest::sender::RunConfig;
use std::collections::HashSet;

fn ids(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| text(event, "event_id")).collect()
}

#[test]
fn an_inbox_read_while_events_arrive_has_no_gap_and_no_repeat() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let config = RunConfig {
        keys: vec![customer.key.clone()],
        connections: 4,
        batch: 7,
        rate: Some(3000.0),
        ..RunConfig::new(server.url())
    };
    let traffic = Traffic::start(config, &server.scratch().join("sent"));
    traffic.wait_for_accepted(1);
    let (mut marks, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
    let mut running = Some(traffic);
    let sent = &mut 0;
    loop {
        let from = cursor.as_ref().map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let page = customer.get(&format!("/v1/inbox?limit=61{from}"));
        let events = page["events"].as_array().expect("events");
        assert_eq!(page["total"], events.len());
        marks.extend(events.iter().map(|event| text(&event["payload"], "mark")));
        cursor = page["cursor"].as_str().map(str::to_owned).or(cursor);
        pages += 1;
        if marks.len() > 4000
            && let Some(traffic) = running.take()
        {
            *sent = traffic.finish().whole_run.events_accepted;
        } else if running.is_none() && page["has_more"] == false {
            break;
        }
    }
    assert!(pages > 60, "it was read in {pages} pages");
    assert_eq!(marks.iter().collect::<HashSet<_>>().len(), marks.len(), "no repeat");
    assert_eq!(marks.len() as u64, *sent, "no gap");
}

#[test]
fn an_acknowledged_event_leaves_the_inbox_and_can_be_acknowledged_once() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let sent = customer.send_all(&vec![json!({"payload": 1}); 5]);
    let ack = |id: &str| Request::post(format!("/v1/events/{id}/ack"));
    customer.call(ack(&sent[1]), 200);
    assert_eq!(customer.call(ack(&sent[1]), 409).error_code(), "ALREADY_ACKNOWLEDGED");
    customer.call(Request::new("DELETE", format!("/v1/events/{}/ack", sent[3])), 200);
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    assert_eq!(customer.call(ack(unknown), 404).error_code(), "NOT_FOUND");
    assert_eq!(customer.call(ack("no-id"), 400).error_code(), "INVALID_REQUEST");

    let left = customer.pages("/v1/inbox?limit=2", "events");
    assert_eq!(ids(&left), [&*sent[0], &sent[2], &sent[4]]);
    let acknowledged = customer.pages("/v1/inbox?status=acknowledged&limit=1", "events");
    assert_eq!(ids(&acknowledged), [&*sent[1], &sent[3]]);
    assert!(acknowledged[0]["acknowledged_at"].is_string());

    let body = json!({"event_ids": [sent[0], sent[1], unknown]});
    let results = customer.call(Request::post("/v1/inbox/ack").json(&body), 200).json();
    let text = results.to_string();
    assert!(text.contains(&sent[0]) && text.contains(&sent[1]) && text.contains(unknown), "{text}");
    assert_eq!(ids(&customer.pages("/v1/inbox?limit=10", "events")), [&*sent[2], &sent[4]]);
}

#[test]
fn acknowledgements_and_status_survive_kill_9() {
    let mut server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    customer.subscribe(&endpoint.url());
    let sent = customer.send_all(&vec![json!({"payload": 1}); 3]);
    customer.wait_for_status(&sent[2], "delivered");
    customer.call(Request::post(format!("/v1/events/{}/ack", sent[0])), 200);
    server.kill();
    server.restart();
    assert_eq!(customer.event(&sent[0])["status"], "acknowledged");
    assert_eq!(customer.event(&sent[2])["status"], "delivered");
    customer.call(Request::post(format!("/v1/events/{}/ack", sent[0])), 409);
    assert_eq!(ids(&customer.pages("/v1/inbox?limit=10", "events")), sent[1..]);
}

#[test]
fn the_inbox_filters_by_every_field() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let send = |event_type: &str, source: &str, tags: Value| {
        customer.send(&json!({"event_type": event_type, "source": source, "tags": tags, "payload": {}}))
    };
    let first = send("order.created", "shop", json!(["x", "y"]));
    let second = send("order.paid", "shop", json!(["y"]));
    let third = send("order.created", "web", json!([]));
    let found = |query: &str| ids(&customer.pages(&format!("/v1/inbox?limit=10&{query}"), "events"));
    assert_eq!(found("event_type=order.created"), [&*first, &third]);
    assert_eq!(found("source=shop"), [&*first, &second]);
    assert_eq!(found("tag=y"), [&*first, &second]);
    assert_eq!(found("tag=y&event_type=order.paid"), [&*second]);
    assert_eq!(found("order=desc"), [&*third, &second, &first]);
    for id in [&first, &second, &third] {
        customer.wait_for_status(id, "unmatched");
    }
    assert_eq!((found("status=unmatched").len(), found("status=pending").len()), (3, 0));
    let time = text(&customer.event(&second), "timestamp");
    assert!(found(&format!("start_time={time}")).contains(&third));
    assert!(!found("end_time=2020-01-01T00:00:00Z").contains(&first));
    assert_eq!(found("start_time=2099-01-01T00:00:00Z"), [""; 0]);
}

#[test]
fn an_inbox_that_is_asked_wrongly_says_what_is_wrong() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    customer.send(&json!({"payload": 1}));
    for (query, named) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("cursor=nonsense", "cursor"),
        ("order=up", "order"),
        ("status=lost", "status"),
        ("start_time=yesterday", "start_time"),
        ("limti=3", "limti"),
    ] {
        let answer = customer.call(Request::get(format!("/v1/inbox?{query}")), 400);
        answer.error_code();
        assert!(answer.text().contains(named), "{query}: {}", answer.text());
    }
}

#[test]
fn a_customer_sees_nothing_of_another() {
    let server = TestServer::start();
    let (ours, theirs) = (TestCustomer::new(&server), TestCustomer::new(&server));
    let endpoint = TestEndpoint::healthy();
    let subscription = theirs.subscribe(&endpoint.url());
    let event = theirs.send(&json!({"payload": "secret"}));
    endpoint.wait_for(1);
    for request in [
        Request::get(format!("/v1/events/{event}")),
        Request::post(format!("/v1/events/{event}/ack")),
        Request::get(format!("/v1/subscriptions/{}", subscription.id)),
        Request::new("DELETE", format!("/v1/subscriptions/{}", subscription.id)),
        Request::post(format!("/v1/subscriptions/{}/rotate-secret", subscription.id)),
    ] {
        assert_eq!(ours.call(request, 404).error_code(), "NOT_FOUND");
    }
    assert_eq!(ours.get("/v1/inbox")["events"], json!([]));
    assert!(!ours.get("/v1/subscriptions").to_string().contains(&subscription.id));
    ours.send(&json!({"payload": "ours"}));
    theirs.send(&json!({"payload": "theirs"}));
    let seen = endpoint.wait_for(2);
    assert!(seen.iter().flat_map(|seen| seen.events()).all(|event| event["customer_id"] == *theirs.id));
}
