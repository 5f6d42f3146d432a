//! A whole processor with answers that do not tell plainly which events were taken.

use crate::testing::rig::{quick, to};
use crate::testing::{Reaction, Receiver, Rig};
use sluice_model::{DeadLetterReason, EventSet, SubscriptionId};

const ONE: SubscriptionId = SubscriptionId::from_u128(1);

/// The first answer of the endpoint is this one, all others are plain.
async fn first_answer(status: u16, header: (&'static str, &'static str), body: &str) -> Receiver {
    let body = body.to_owned();
    Receiver::start(move |_, before| match before {
        0 => Reaction::Answer(status, header.0, header.1.into(), body.clone()),
        _ => Reaction::Status(200),
    })
    .await
}

#[tokio::test]
async fn all_events_are_retried_where_the_list_of_failed_ones_cannot_be_read() {
    for (body, header) in [
        (r#"{"failed":["not an id"]}"#, ("x-plain", "1")),
        (r#"{"failed":null}"#, ("x-plain", "1")),
        (r#"{"failed":["#, ("x-plain", "1")),
        ("{}", ("content-encoding", "br")),
    ] {
        let receiver = first_answer(200, header, body).await;
        let mut rig = Rig::started(quick(), vec![to(receiver.url(), 1, 10)]).await;
        let batch = rig.append(3);
        rig.took(batch, 1, &EventSet::range(0, 3)).await;
        let [first, second] = &receiver.received()[..] else { panic!("{body}: two webhooks") };
        assert_eq!((first.numbers(), second.numbers()), (vec![0, 1, 2], vec![0, 1, 2]), "{body}");
        assert_eq!(first.header("webhook-id"), second.header("webhook-id"), "{body}");
        rig.stop().await;
        let attempts = rig.attempts(ONE).await;
        let failed = attempts.last().unwrap();
        assert_eq!(failed.status, Some(200));
        assert!(!failed.is_taken());
        assert!(failed.error.as_ref().unwrap().starts_with("the answer"), "{:?}", failed.error);
    }
}

#[tokio::test]
async fn what_is_never_read_ends_as_a_dead_letter_that_says_why() {
    let receiver =
        Receiver::start(|_, _| Reaction::Answer(200, "x", "y".into(), r#"{"failed":7}"#.into())).await;
    let mut subscription = to(receiver.url(), 1, 10);
    subscription.retry.max_retries = 1;
    let mut rig = Rig::started(quick(), vec![subscription]).await;
    rig.append(3);
    rig.memory.until(|memory| !memory.dead_letters().is_empty()).await;
    let letters = rig.memory.dead_letters();
    assert_eq!((letters.len(), letters[0].reason), (1, DeadLetterReason::Exhausted));
    let last = &letters[0].delivery.last;
    assert_eq!(
        (last.status, last.error.as_deref()),
        (Some(200), Some("the answer's `failed` is not a list"))
    );
}

#[tokio::test]
async fn a_status_that_is_retried_with_retry_after_is_not_final() {
    for status in [413, 425, 502] {
        let receiver = first_answer(status, ("retry-after", "0"), "").await;
        let mut rig = Rig::started(quick(), vec![to(receiver.url(), 1, 10)]).await;
        let batch = rig.append(3);
        rig.took(batch, 1, &EventSet::range(0, 3)).await;
        assert!(rig.memory.dead_letters().is_empty(), "{status}");
    }
}
