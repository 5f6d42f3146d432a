//! A quiet customer beside one whose endpoints do not answer.

use crate::testing::rig::{quick, to};
use crate::testing::{Reaction, Rig, WebhookReceiver, customer};
use sluice_model::{Customer, CustomerId, Subscription};
use std::time::{Duration, Instant};

const NEIGHBOUR: CustomerId = CustomerId::from_u128(2);

/// A shard that holds at most 1,000 unsettled events, with `slow` subscriptions
/// of customer 1 to an endpoint that hangs, and one of a neighbour.
async fn beside_hanging(slow: u128, hung: &WebhookReceiver, well: &WebhookReceiver) -> Rig {
    let mut config = quick();
    config.shard.unsettled_events_max = 1000;
    let mut subscriptions: Vec<_> = (1..=slow).map(|n| to(hung.url(), n, 10)).collect();
    subscriptions.push(Subscription { customer: NEIGHBOUR, ..to(well.url(), 1000, 10) });
    let mut rig = Rig::new(config, subscriptions).await;
    rig.memory.set_customer(Customer { id: NEIGHBOUR, ..customer() });
    rig.directory.refresh().await.unwrap();
    rig.start();
    rig
}

/// How long the neighbour waits for its webhook behind `batches` of customer 1.
async fn neighbour_waits(rig: &mut Rig, batches: usize, well: &WebhookReceiver) -> Duration {
    for _ in 0..batches {
        rig.append(10);
    }
    rig.append_for(NEIGHBOUR, 5);
    let began = Instant::now();
    well.until(1).await;
    println!("the neighbour waited {:?}", began.elapsed());
    began.elapsed()
}

#[tokio::test]
async fn many_endpoints_that_hang_do_not_stop_the_shard_for_a_neighbour() {
    let hung = WebhookReceiver::start(|_, _| Reaction::Hang).await;
    let well = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut rig = beside_hanging(50, &hung, &well).await;
    let waited = neighbour_waits(&mut rig, 10, &well).await;
    assert!(waited < Duration::from_secs(5), "{waited:?}, where the age cap is 10 s");
}

#[tokio::test]
async fn one_endpoint_that_hangs_and_fills_the_shard_does_not_stop_it() {
    let hung = WebhookReceiver::start(|_, _| Reaction::Hang).await;
    let well = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut rig = beside_hanging(1, &hung, &well).await;
    let waited = neighbour_waits(&mut rig, 300, &well).await;
    assert!(waited < Duration::from_secs(5), "{waited:?}, where the age cap is 10 s");
}
