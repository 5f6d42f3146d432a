mod delivery;
mod egress;
mod http2;
mod raw;

use super::*;
use crate::attempt::Job;
use crate::body;
use crate::guard::GuardPolicy;
use crate::testing::{Reaction, Receiver, batch, batch_id, subscription};
use sluice_model::subscription::DeliveryShape;
use sluice_model::{CustomerId, DeliveryId, EventRef, EventSet};

/// Only 127.0.0.1 is allowed: 127.0.0.2 stands for an address that a redirect must not reach.
fn client(config: WebhookConfig) -> WebhookClient {
    let allow_networks = vec!["127.0.0.1/32".parse().unwrap()];
    let guard = AddressGuard::new(GuardPolicy { allow_private: false, allow_networks });
    WebhookClient::new(config, guard).unwrap()
}

fn target(url: String) -> Arc<Target> {
    let mut subscription = subscription(1);
    subscription.webhook_url = url;
    Arc::new(Target::new(Arc::new(subscription)))
}

/// A webhook of three events, each with `padding` additional bytes.
fn webhook_with(target: &Arc<Target>, padding: usize) -> Prepared {
    let id = batch_id(1, 1);
    let padding = "x".repeat(padding);
    let envelope = |n: u16| format!(r#"{{"event_id":"{}","n":{n},"payload":"{padding}"}}"#, id.event(n));
    let events: Vec<_> = (0..3).map(|n| ("", envelope(n))).collect();
    let batch = batch(CustomerId::from_u128(1), id, &events);
    let chunks = body::chunks([(&batch, &EventSet::range(0, 3))].into_iter());
    let events = Arc::new([EventRef { batch: id, events: EventSet::range(0, 3) }]);
    let (delivery, target) = (DeliveryId::from_u128(7), Arc::clone(target));
    Prepared::sign(
        &Job {
            delivery,
            number: 2,
            target,
            events,
            chunks,
            shape: DeliveryShape::Plain,
            first_envelope: None,
        },
        1_614_265_330_000,
    )
    .unwrap()
}

fn webhook(target: &Arc<Target>) -> Prepared {
    webhook_with(target, 0)
}

async fn post(client: &WebhookClient, url: String) -> Reply {
    let target = target(url);
    client.post(&target, webhook(&target)).await
}

fn status(code: u16) -> PostResult {
    PostResult::Answered { code, retry_after: None }
}

#[tokio::test]
async fn a_webhook_is_what_the_contract_says() {
    let receiver = Receiver::start(|_, _| Reaction::Status(204)).await;
    let client = client(WebhookConfig::default());
    let reply = post(&client, receiver.url()).await;
    assert_eq!((reply.result, reply.error), (status(204), None));
    let [got] = &receiver.received()[..] else { panic!("one webhook") };
    assert_eq!(got.numbers(), [0, 1, 2]);
    let id = DeliveryId::from_u128(7).to_string();
    for (name, value) in [
        ("content-type", "application/json"),
        ("accept-encoding", "identity"),
        ("content-length", &got.body.len().to_string()),
        ("user-agent", concat!("Sluice/", env!("CARGO_PKG_VERSION"))),
        ("webhook-id", &id),
        ("webhook-timestamp", "1614265330"),
        ("sluice-subscription-id", &subscription(1).id.to_string()),
        ("sluice-attempt", "2"),
        ("sluice-event-count", "3"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    let target = target(receiver.url());
    let signature =
        target.signer().unwrap().sign(&id, 1_614_265_330, std::slice::from_ref(&got.body), 0).unwrap();
    assert_eq!(got.header("webhook-signature"), signature);
}

#[tokio::test]
async fn failed_events_and_an_excerpt_are_read_from_the_answer() {
    let [one, two] = [0, 2].map(|n| batch_id(1, 1).event(n));
    let body = format!(r#"{{"failed":["{one}",{{"event_id":"{two}"}}]}}"#);
    let answer = body.clone();
    let receiver = Receiver::start(move |_, _| {
        Reaction::Answer(200, "content-type", "application/json".into(), answer.clone())
    })
    .await;
    let client = client(WebhookConfig { excerpt_bytes_max: 10, ..WebhookConfig::default() });
    let reply = post(&client, receiver.url()).await;
    assert_eq!(reply.failed, [one, two]);
    assert_eq!(reply.excerpt, body[..10]);
}

#[tokio::test]
async fn a_list_of_failed_events_counts_only_with_a_2xx_and_only_in_its_shape() {
    let id = batch_id(1, 1).event(0);
    let unreadable = PostResult::Unreadable { code: 200, retry_after: None };
    for (body, code, expected) in [
        (format!(r#"{{"failed":["{id}"]}}"#), 500, status(500)),
        (r#"{"failed":7}"#.into(), 500, status(500)),
        (r#"{"failed":7}"#.into(), 200, unreadable),
        (r#"{"failed":["not an id"]}"#.into(), 200, unreadable),
        ("[".into(), 200, status(200)),
        ("ok".into(), 200, status(200)),
    ] {
        let receiver =
            Receiver::start(move |_, _| Reaction::Answer(code, "x", "y".into(), body.clone())).await;
        let reply = post(&client(WebhookConfig::default()), receiver.url()).await;
        assert_eq!((reply.result, reply.failed), (expected, vec![]));
        assert_eq!(reply.error.is_some(), expected == unreadable);
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let receiver =
        Receiver::start(|_, _| Reaction::Answer(200, "x", "y".into(), "z".repeat(5_000_000))).await;
    let reply = post(&client(WebhookConfig::default()), receiver.url()).await;
    assert_eq!((reply.result, reply.excerpt.len()), (status(200), 1024));
}

#[tokio::test]
async fn retry_after_is_read() {
    let receiver =
        Receiver::start(|_, _| Reaction::Answer(503, "retry-after", "7".into(), String::new())).await;
    let reply = post(&client(WebhookConfig::default()), receiver.url()).await;
    assert_eq!(reply.result, PostResult::Answered { code: 503, retry_after: Some(RetryAfter::Seconds(7)) });
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_left_after_the_timeout() {
    let receiver = Receiver::start(|_, _| Reaction::Hang).await;
    let config = WebhookConfig { timeout_ms: 100, ..WebhookConfig::default() };
    let reply = post(&client(config), receiver.url()).await;
    assert_eq!(reply.result, PostResult::Fault(Fault::Timeout));
}

#[tokio::test]
async fn a_broken_connection_and_a_closed_port_are_told_apart() {
    let receiver = Receiver::start(|_, _| Reaction::Drop).await;
    let client = client(WebhookConfig::default());
    assert_eq!(post(&client, receiver.url()).await.result, PostResult::Fault(Fault::Broken));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let reply = post(&client, format!("http://{closed}/")).await;
    assert_eq!(reply.result, PostResult::Fault(Fault::Connect));
    assert!(!reply.error.unwrap().contains("http://"), "an error does not repeat the URL");
}

#[tokio::test]
async fn only_307_and_308_are_followed_and_only_three_times() {
    for (code, expected) in [
        (307, PostResult::Fault(Fault::Redirect)),
        (308, PostResult::Fault(Fault::Redirect)),
        (301, status(301)),
        (302, status(302)),
        (303, status(303)),
    ] {
        let receiver =
            Receiver::start(move |_, _| Reaction::Answer(code, "location", "/again".into(), String::new()))
                .await;
        let reply = post(&client(WebhookConfig::default()), receiver.url()).await;
        assert_eq!(reply.result, expected);
        let posts = if matches!(code, 307 | 308) { 4 } else { 1 };
        assert_eq!(receiver.received().len(), posts);
    }
}

#[tokio::test]
async fn a_redirect_carries_the_same_webhook() {
    let receiver = Receiver::start(|webhook, _| match &*webhook.path {
        "/hook" => Reaction::Answer(308, "location", "/there".into(), String::new()),
        _ => Reaction::Status(200),
    })
    .await;
    let reply = post(&client(WebhookConfig::default()), receiver.url()).await;
    assert_eq!(reply.result, status(200));
    let [first, second] = &receiver.received()[..] else { panic!("two webhooks") };
    assert_eq!((&first.body, first.header("webhook-id")), (&second.body, second.header("webhook-id")));
    assert_eq!(second.path, "/there");
}

#[tokio::test]
async fn every_hop_and_every_name_passes_the_guard() {
    let hidden = Receiver::start(|_, _| Reaction::Status(200)).await;
    let port = hidden.address.port();
    for (location, expected) in [
        (format!("http://127.0.0.2:{port}/"), Fault::ForbiddenUrl),
        (format!("http://[::ffff:127.0.0.2]:{port}/"), Fault::ForbiddenUrl),
        (format!("http://0x7f000002:{port}/"), Fault::ForbiddenUrl),
        ("file:///etc/passwd".into(), Fault::ForbiddenUrl),
        ("http://[".into(), Fault::Redirect),
    ] {
        let to = location.clone();
        let receiver =
            Receiver::start(move |_, _| Reaction::Answer(307, "location", to.clone(), String::new())).await;
        let reply = post(&client(WebhookConfig::default()), receiver.url()).await;
        assert_eq!(reply.result, PostResult::Fault(expected), "{location}");
    }
    // A name is checked by the addresses that it resolves to when it is dialled.
    let guarded = WebhookClient::new(WebhookConfig::default(), AddressGuard::default()).unwrap();
    let reply = post(&guarded, format!("http://localhost:{port}/")).await;
    assert_eq!(reply.result, PostResult::Fault(Fault::ForbiddenAddress), "{:?}", reply.error);
    assert_eq!(hidden.received().len(), 0);
}

#[tokio::test]
async fn a_url_that_is_none_is_not_sent_to() {
    let client = client(WebhookConfig::default());
    for url in ["", "nowhere", "ftp://127.0.0.1/", "http://"] {
        assert_eq!(post(&client, url.into()).await.result, PostResult::Fault(Fault::ForbiddenUrl), "{url}");
    }
}
