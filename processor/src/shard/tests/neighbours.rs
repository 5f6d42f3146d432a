//! A quiet customer beside a customer whose endpoints do not answer.

use crate::config::ProcessorConfig;
use crate::testing::rig::{quick, to};
use crate::testing::{Reaction, Rig, WebhookReceiver, customer};
use sluice_model::{Customer, CustomerId, Subscription};
use std::time::{Duration, Instant};

const NEIGHBOUR: CustomerId = CustomerId::from_u128(2);

/// A shard that holds at most 1,000 unsettled events, with `slow` subscriptions of customer 1 to an
/// endpoint that hangs, and one subscription of a neighbour.
async fn beside_hanging(slow: u128, hung: &WebhookReceiver, well: &WebhookReceiver) -> Rig {
    let mut config = quick();
    config.shard.unsettled_events_max = 1000;
    with_hanging(config, slow, hung, well).await
}

async fn with_hanging(
    config: ProcessorConfig,
    slow: u128,
    hung: &WebhookReceiver,
    well: &WebhookReceiver,
) -> Rig {
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

#[tokio::test]
async fn the_bodies_of_one_customers_webhooks_in_flight_take_their_share_of_memory() {
    let hung = WebhookReceiver::start(|_, _| Reaction::Hang).await;
    let well = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut config = quick();
    // A quarter of the memory is some twenty webhooks of ten events.
    config.shard.copied_bytes_max = 64 * 1024;
    (config.shard.overtake_after_ms, config.shard.age_cap_ms) = (500, 2000);
    let mut rig = with_hanging(config, 100, &hung, &well).await;
    let waited = neighbour_waits(&mut rig, 5, &well).await;
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    let in_flight: usize = hung.received().iter().map(|webhook| webhook.body.len()).sum();
    assert!((8_000..20_000).contains(&in_flight), "{in_flight} bytes in flight");
    // Events that find no room in time wait in the queue.
    rig.settled().await;
}

/// How long the largest body takes to sign, on one thread.
#[test]
#[ignore = "a measurement, not a test"]
fn signing_the_largest_body() {
    let secrets = crate::testing::subscription(1).secrets;
    let signer = crate::sign::Signer::new(&secrets).unwrap();
    let body = [bytes::Bytes::from(vec![b'x'; 8 << 20])];
    for _ in 0..5 {
        let began = Instant::now();
        signer.sign("id", 1, &body, 0).unwrap();
        println!("8 MiB signed in {:?}", began.elapsed());
    }
}
