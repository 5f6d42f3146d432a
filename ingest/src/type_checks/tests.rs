use super::*;
use crate::decode::{BodyForm, Decoded, EnvelopeContext, EventLimits, decode};
use crate::testing::declaring;

const QTY: &str =
    r#"{"type":"object","required":["qty"],"properties":{"qty":{"type":"integer","minimum":1}}}"#;

fn decoded<'a>(body: &'a str, checks: &TypeChecks) -> Decoded<'a> {
    decoded_at(CheckPlace::Desk, body, checks)
}

fn decoded_at<'a>(place: CheckPlace, body: &'a str, checks: &TypeChecks) -> Decoded<'a> {
    let limits = EventLimits { event_bytes_max: 100_000, request_events_max: 10_000 };
    let context = EnvelopeContext {
        customer: &[b'c'; 36],
        timestamp: b"2026-11-21T10:59:39.123Z",
        fan_out: 1,
        lane: 0,
        trace: None,
    };
    decode(body.as_bytes(), BodyForm::Json, context, limits, &[], Some((checks, place))).unwrap()
}

fn counts(fit: u64, refused: u64, unfit: u64, unchecked: u64) -> CheckCounts {
    CheckCounts { fit, refused, unfit, unchecked }
}

#[tokio::test]
async fn an_event_that_does_not_fit_is_refused_alone_and_only_where_its_type_is_enforced() {
    let entry = declaring(&[("order.created", QTY, true), ("order.seen", QTY, false)]).await;
    let checks = TypeChecks::of(&entry, CheckLimits::default()).unwrap();
    let body = r#"[
        {"event_type":"order.created","payload":{"qty":1}},
        {"event_type":"order.created","payload":{"qty":0}},
        {"payload":{"event_type":"order.created","qty":"2"}},
        {"event_type":"order.seen","payload":{"qty":0}},
        {"event_type":"order.paid","payload":{"qty":0}},
        {"event_type":"order.created","payload":{"qty":1,"qty":2}},
        {"payload":7}]"#;
    let decoded = decoded(body, &checks);
    assert_eq!(decoded.accepted(), 4);
    assert_eq!(decoded.checked, counts(1, 3, 1, 0));
    let refused: Vec<usize> = decoded.rejected.iter().map(|(index, _)| *index).collect();
    assert_eq!(refused, [1, 2, 5]);
    let told = |nth: usize| serde_json::to_value(decoded.rejected[nth].1.misfits.as_deref()).unwrap();
    assert_eq!(told(0)["event_type"], "order.created");
    assert_eq!(told(0)["errors"][0]["pointer"], "/qty");
    assert_eq!(told(2)["errors"][0]["message"], "the name comes twice in its object");
    assert_eq!(decoded.rejected[0].1.code, "INVALID_EVENT");
}

#[tokio::test]
async fn a_customer_without_types_is_not_checked_at_all() {
    let entry = declaring(&[]).await;
    assert!(TypeChecks::of(&entry, CheckLimits::default()).is_none());
}

#[tokio::test]
async fn the_work_of_an_event_and_of_a_request_is_bounded() {
    let list = r#"{"items":{"type":"integer"}}"#;
    let entry = declaring(&[("list", list, true), ("loose", list, false)]).await;
    let limits = CheckLimits { event_checks_max: 1000, request_checks_max: 1500, misfits_max: 10 };
    let checks = TypeChecks::of(&entry, limits).unwrap();
    let event = |kind: &str, items: usize| {
        format!(r#"{{"event_type":"{kind}","payload":[{}0]}}"#, "0,".repeat(items - 1))
    };
    let one = decoded(&event("list", 2000), &checks).rejected.swap_remove(0).1;
    assert_eq!((one.code, one.retry_after_s), ("INVALID_EVENT", None));
    assert!(one.message.contains("checks") && one.message.contains("the limit is 1000"), "{}", one.message);
    let loose = event("loose", 2000);
    let loose = decoded(&loose, &checks);
    assert_eq!((loose.accepted(), loose.checked), (1, counts(0, 0, 0, 1)));
    let body = format!("[{}]", vec![event("list", 200); 5].join(","));
    let many = decoded(&body, &checks);
    assert!(many.accepted() > 0 && many.accepted() < 5, "{}", many.accepted());
    let last = &many.rejected.last().unwrap().1;
    assert_eq!((last.code, last.retry_after_s), ("CHECKS_USED_UP", Some(1)));
}

#[tokio::test]
async fn many_bad_events_of_a_request_tell_less_each() {
    let entry = declaring(&[("t", r#"{"additionalProperties":{"type":"string"}}"#, true)]).await;
    let checks = TypeChecks::of(&entry, CheckLimits::default()).unwrap();
    let event =
        r#"{"event_type":"t","payload":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1}}"#;
    let body = format!("[{}]", vec![event; 200].join(","));
    let decoded = decoded(&body, &checks);
    let told = |nth: usize| decoded.rejected[nth].1.misfits.as_ref().unwrap().errors.len();
    assert_eq!((told(0), told(99), told(100), told(199)), (10, 10, 1, 1));
}

#[tokio::test]
async fn a_stored_schema_that_cannot_be_used_refuses_only_where_it_is_enforced() {
    let entry = declaring(&[("a", r#"{"type":7}"#, true), ("b", r#"{"type":7}"#, false)]).await;
    let checks = TypeChecks::of(&entry, CheckLimits::default()).unwrap();
    let decoded = decoded(r#"[{"event_type":"a","payload":1},{"event_type":"b","payload":1}]"#, &checks);
    assert_eq!(decoded.checked, counts(0, 1, 0, 1));
    assert!(decoded.rejected[0].1.message.contains("declare it again"));
}

#[tokio::test]
async fn much_work_is_left_to_the_desk() {
    let entry = declaring(&[("list", r#"{"items":{"type":"integer"}}"#, true)]).await;
    let checks = TypeChecks::of(&entry, CheckLimits::default()).unwrap();
    let small = r#"{"event_type":"list","payload":[1]}"#;
    let inline = |body| decoded_at(CheckPlace::Inline, body, &checks);
    assert!(inline(small).is_too_much, "a schema is compiled at the desk");
    assert!(!decoded(small, &checks).is_too_much);
    assert_eq!((inline(small).is_too_much, inline(small).checked), (false, counts(1, 0, 0, 0)));
    let items = format!(r#"{{"event_type":"list","payload":[{}0]}}"#, "0,".repeat(9000));
    let many = format!("[{}]", vec![items; 12].join(","));
    let checks = TypeChecks::of(&entry, CheckLimits::default()).unwrap();
    assert!(decoded_at(CheckPlace::Inline, &many, &checks).is_too_much);
    assert_eq!(decoded(&many, &checks).checked, counts(12, 0, 0, 0));
}
