//! The web console, as browsers get it from both listeners, and the routes made for it.

use crate::harness::{RawAnswer, RawClient, config, start};
use serde_json::json;
use std::collections::HashSet;
use std::io::Read as _;

fn text_of(answer: &RawAnswer) -> String {
    let mut text = String::new();
    match answer.headers.get("content-encoding").map(String::as_str) {
        Some("gzip") => drop(flate2::read::GzDecoder::new(&*answer.body).read_to_string(&mut text).unwrap()),
        None => text = String::from_utf8(answer.body.clone()).unwrap(),
        other => panic!("{other:?}"),
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_is_served_without_a_key_and_what_it_lacks_is_404() {
    let ingest = start(config()).await;
    for (address, audience) in [(ingest.public, "customers"), (ingest.admin, "operators")] {
        let mut client = RawClient::connect(address).await;
        let moved = client.get("/console").await;
        assert_eq!((moved.status, &*moved.headers["location"]), (308, "console/"));
        let page = client.request_with("GET", "/console/", "accept-encoding: gzip\r\n", "").await;
        assert_eq!((page.status, &*page.headers["cache-control"]), (200, "no-cache"));
        let names: Vec<String> = text_of(&page)
            .split('"')
            .filter(|part| part.ends_with(".js") || part.ends_with(".css") || part.ends_with(".svg"))
            .map(str::to_owned)
            .collect();
        assert_eq!(names.len(), 3, "{names:?}");
        for name in names {
            let path = format!("/console/{name}");
            let packed = client.request_with("GET", &path, "accept-encoding: gzip\r\n", "").await;
            let plain = client.get(&path).await;
            assert_eq!((packed.status, plain.status), (200, 200), "{path}");
            assert!(packed.body.len() * 2 < plain.body.len() || plain.body.len() < 1000, "{path}");
            assert_eq!(text_of(&packed), text_of(&plain), "{path}");
            assert!(packed.headers["cache-control"].contains("immutable"), "{packed:?}");
        }
        for path in ["/console/missing.js", "/console/events", "/console/../admin", "/console/a/b"] {
            let missing = client.get(path).await;
            assert_eq!((missing.status, &*missing.code()), (404, "NOT_FOUND"), "{path}");
        }
        let about = client.get("/console/about.json").await;
        let expected = json!({
            "audience": audience, "version": env!("CARGO_PKG_VERSION"), "environment": "development",
        });
        assert_eq!((about.status, about.json()), (200, expected));
        assert_eq!(client.request("POST", "/console/", "").await.status, 405);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_may_run_nothing_but_its_own_files() {
    let ingest = start(config()).await;
    let page = RawClient::connect(ingest.public).await.get("/console/").await;
    let policy: HashSet<&str> = page.headers["content-security-policy"].split(';').map(str::trim).collect();
    for part in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy:?}");
    }
    assert!(
        !policy.iter().any(|part| part.contains("unsafe") || part.contains("http") || part.contains('*'))
    );
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    let html = text_of(&page);
    let scripts: Vec<&str> = html.split("<script").skip(1).collect();
    assert!(scripts.iter().all(|script| script.split('>').next().unwrap().contains(" src=\"")), "{html}");
    assert!(scripts.iter().all(|script| script.split('>').nth(1).unwrap().starts_with("</script")), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_has_a_file_is_told_so() {
    let ingest = start(config()).await;
    let mut client = RawClient::connect(ingest.public).await;
    let page = client.get("/console/").await;
    let known = format!("if-none-match: {}\r\n", page.headers["etag"]);
    let again = client.request_with("GET", "/console/", &known, "").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let packed = format!("{known}accept-encoding: br\r\n");
    assert_eq!(client.request_with("GET", "/console/", &packed, "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_an_endpoint_is_told_to_its_customer_alone() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let subscription = json!({ "event_selector": { "type": "event_type", "value": "a.b" }, "webhook_url": "http://127.0.0.1:9/" });
    let made = client.request("POST", "/v1/subscriptions", subscription.to_string()).await.json();
    let id = made["workflow_id"].as_str().unwrap();
    let path = format!("/v1/subscriptions/{id}/health");
    // No processor runs here, so the breaker is not known.
    let waiting = |count: u64| {
        json!({
            "workflow_id": id, "backlog_deliveries": count, "backlog_events": count,
            "breaker": null, "breaker_until": null,
        })
    };
    assert_eq!(client.get(&path).await.json(), waiting(0));
    // Resending queues a delivery, and nothing takes it here.
    let event = client.post_event().await.json()["event_id"].as_str().unwrap().to_owned();
    assert_eq!(client.request("POST", &format!("/v1/events/{event}/resend"), "").await.status, 202);
    assert_eq!(client.get(&path).await.json(), waiting(1));
    let other = ingest.admin().await.admin("POST", "/admin/test-customer", "").await.json();
    client.key = other["api_key"].as_str().unwrap().to_owned();
    assert_eq!(client.get(&path).await.status, 404);
}
