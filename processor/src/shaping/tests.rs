use super::*;
use crate::testing::store::Memory;
use crate::testing::{delivery, subscription};
use sluice_model::subscription::{WebhookBody, WebhookShape};

fn target(body: WebhookBody, template: Option<&str>) -> Arc<Target> {
    let mut subscription = subscription(1);
    subscription.shape = WebhookShape { body, template: template.map(str::to_owned) };
    Arc::new(Target::new(Arc::new(subscription)))
}

fn job(target: &Arc<Target>, shape: DeliveryShape, events: u16, chunks: &[&'static str]) -> Job {
    let chunks = chunks.iter().map(|chunk| Bytes::from(*chunk)).collect();
    Job { shape, ..Job::new(&delivery(1, events), Arc::clone(target), chunks) }
}

fn desk(rows: &Arc<Memory>) -> ShapingDesk {
    let limits =
        ShapeLimits { body_bytes_max: 4096, in_flight_bytes_max: 32 << 10, ..ShapeLimits::default() };
    ShapingDesk::new(limits, Arc::clone(rows) as Arc<dyn Rows>, |_| {})
}

fn text(job: &Job) -> String {
    String::from_utf8(job.chunks.concat()).unwrap()
}

#[tokio::test]
async fn a_plain_body_stays_the_very_bytes() {
    let target = target(WebhookBody::Array, None);
    let mut job = job(&target, target.delivery_shape(), 2, &["[", "{\"a\":1},{\"a\":2}", "]"]);
    let before = Arc::clone(&job.chunks);
    desk(&Arc::default()).shape(&mut job).await.unwrap();
    assert!(Arc::ptr_eq(&before, &job.chunks) && job.first_envelope.is_none());
}

#[tokio::test]
async fn a_single_body_is_the_event_without_its_brackets_and_without_a_copy() {
    let target = target(WebhookBody::Single, None);
    let desk = desk(&Arc::default());
    let mut long = job(&target, target.delivery_shape(), 1, &["[", "{\"a\":1}", "]"]);
    let envelope = long.chunks[1].as_ptr();
    desk.shape(&mut long).await.unwrap();
    assert_eq!((text(&long), long.chunks[0].as_ptr()), ("{\"a\":1}".into(), envelope));
    let mut short = job(&target, target.delivery_shape(), 1, &["[{\"a\":1}]"]);
    desk.shape(&mut short).await.unwrap();
    assert_eq!(text(&short), "{\"a\":1}");
    let mut two = job(&target, target.delivery_shape(), 2, &["[1,2]"]);
    assert!(desk.shape(&mut two).await.unwrap_err().message.contains("cannot hold 2"));
}

#[tokio::test]
async fn a_delivery_keeps_the_shape_of_an_earlier_version_also_in_another_process() {
    let rows: Arc<Memory> = Arc::default();
    let before = target(WebhookBody::Array, Some(r#"["v1","{{ a }}"]"#));
    let after = target(WebhookBody::Array, Some(r#""v2""#));
    let kept = before.shape().unwrap();
    let row = kept.row(1_000_000).unwrap();
    rows.write(vec![sluice_ports::rows::RowChange::Put(row.clone())]).await.unwrap();
    kept.is_durable(&row);
    assert_eq!(kept.row(2_000_000), None, "it is written once");
    let mut job = job(&after, before.delivery_shape(), 2, &["[{\"a\":1},{\"a\":2}]"]);
    let desk = desk(&rows);
    desk.shape(&mut job).await.unwrap();
    assert_eq!(text(&job), r#"[["v1",1],["v1",2]]"#);
    assert!(desk.known(&after, before.delivery_shape()).is_some(), "it is remembered");

    let lost = DeliveryShape::Pinned(ShapeId::from_bytes([9; 16]));
    let mut job = super::tests::job(&after, lost, 1, &["[{\"a\":1}]"]);
    assert!(desk.shape(&mut job).await.unwrap_err().message.contains("not kept"));
}

#[tokio::test]
async fn a_failed_template_gives_its_room_back_and_bodies_in_flight_hold_theirs() {
    let rows: Arc<Memory> = Arc::default();
    let (failing, good) = (
        target(WebhookBody::Single, Some(r#""{{ absent.x }}""#)),
        target(WebhookBody::Single, Some(r#""{{ a }}""#)),
    );
    let desk = desk(&rows);
    for _ in 0..100 {
        let mut failing = job(&failing, failing.delivery_shape(), 1, &["[{\"a\":1}]"]);
        desk.shape(&mut failing).await.unwrap_err();
    }
    assert_eq!(desk.room.available_permits(), 32);
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut good = job(&good, good.delivery_shape(), 1, &["[{\"a\":1}]"]);
        held.push(desk.shape(&mut good).await.unwrap());
    }
    assert_eq!(desk.room.available_permits(), 28, "a small body holds a KiB");
    drop(held);
    assert_eq!(desk.room.available_permits(), 32);
}
