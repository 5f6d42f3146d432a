//! Counting the requests, records, items and units that a load asks of the services, without
//! faults, with the product's own batching.

use crate::entropy::{self, Now};
use crate::plan::{Conduct, FailureRates, Plan, START_MS, SubscriptionPlan};
use crate::run;
use crate::world::World;
use std::sync::Arc;
use std::time::Duration;

/// The most events of a measurement, and the shortest and longest time of its traffic.
const EVENTS_MAX: u64 = 150_000;
/// When the traffic begins, after leases are taken.
const BEGIN_MS: u64 = 3_000;

/// A load: single events, evenly over customers with one subscription each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) events_per_s: u64,
    pub(crate) customers: u64,
}

impl Load {
    /// `RATE:CUSTOMERS`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once(':')
            .and_then(|(rate, customers)| Some((rate.parse().ok()?, customers.parse().ok()?)));
        match parts {
            Some((events_per_s, customers)) if events_per_s > 0 && customers > 0 => {
                Ok(Self { events_per_s, customers })
            }
            _ => Err("a load is EVENTS_PER_S:CUSTOMERS".into()),
        }
    }

    fn traffic_ms(self) -> u64 {
        (EVENTS_MAX * 1000 / self.events_per_s).clamp(1_000, 20_000)
    }

    fn plan(self) -> Plan {
        let subscription = |customer| SubscriptionPlan {
            customer,
            kind: None,
            conduct: Conduct::Good,
            ordered: false,
            max_events: 100,
            max_wait_ms: 50,
        };
        let until_ms = START_MS + BEGIN_MS + self.traffic_ms();
        // A PutRecords takes some 20 ms, a call of a store some 5.
        let latency = |service| FailureRates {
            latency_ms: if service == 0 { 40 } else { 10 },
            ..FailureRates::default()
        };
        Plan {
            shards: self.events_per_s.div_ceil(4_000) as usize,
            customers: vec![1; self.customers as usize],
            subscriptions: (0..self.customers as usize).map(subscription).collect(),
            ingests: 1,
            processors: 1,
            clients: 0,
            pause_ms: 1,
            events_max: 1,
            traffic_until_ms: until_ms,
            quiet_from_ms: until_ms + 4_000,
            rates: std::array::from_fn(latency),
            actions: Vec::new(),
            unsettled_max: 1_000_000,
            load: Some(self),
        }
    }
}

/// Sends a customer's part of the load, each event in a request of its own.
pub(crate) async fn send(
    world: Arc<World>,
    load: Load,
    customer: u64,
    door: Arc<sluice_ingest::simulation::SimulatedIngest>,
) {
    let each_us = 1_000_000 * load.customers / load.events_per_s;
    let begin = tokio::time::Instant::now()
        + Duration::from_millis(BEGIN_MS)
        + Duration::from_micros(each_us * customer / load.customers);
    for number in 0u64.. {
        tokio::time::sleep_until(begin + Duration::from_micros(each_us * number)).await;
        if world.now_ms() >= world.plan.traffic_until_ms {
            return;
        }
        let (world, door) = (Arc::clone(&world), Arc::clone(&door));
        tokio::spawn(async move {
            let words: Vec<String> = (0..24)
                .map(|_| {
                    format!(
                        "\"word{}\":\"{:x}\"",
                        world.roll("word", customer) % 24,
                        world.roll("value", customer) % 0xffff_ffff
                    )
                })
                .collect();
            let body = format!(
                "{{\"event_type\":\"kind.k0\",\"payload\":{{\"n\":{number},\"of\":[{{{}}}]}}}}",
                words.join("},{")
            );
            match door.produce(crate::stores::customer_id(customer as usize), None, body.as_bytes()).await {
                sluice_ingest::simulation::Answered::Accepted { .. } => {
                    world.ledger.lock().count("events accepted");
                }
                other => world.broken("a load without faults is taken", &format!("{other:?}")),
            }
        });
    }
}

/// Runs a load and prints its counts per million events.
#[expect(clippy::print_stdout, reason = "printing is the command's work")]
pub(crate) fn measure(load: Load) -> bool {
    entropy::seed(1);
    entropy::set(Now::At(START_MS));
    let world = World::with_plan(1, None, load.plan());
    let outcome = run::run_world(&world);
    let events = outcome.counts.get("events accepted").copied().unwrap_or(0);
    println!("{} events at {}/s from {} customers", events, load.events_per_s, load.customers);
    if let Some(broken) = &outcome.broken {
        println!("{broken}");
    }
    let counted = world.tallies();
    let ratio = |a: &str, b: &str| {
        counted.get(a).copied().unwrap_or(0) as f64 / counted.get(b).copied().unwrap_or(1).max(1) as f64
    };
    println!(
        "  {:.2} events a batch, {:.0} bytes an event, compressed {:.2} to 1 in items",
        events as f64 / counted.get("batch items").copied().unwrap_or(1) as f64,
        counted.get("raw bytes").copied().unwrap_or(0) as f64 / events.max(1) as f64,
        ratio("raw bytes", "item bytes")
    );
    for (name, count) in counted.iter().filter(|(name, _)| !name.ends_with("bytes")) {
        println!("  {name:<44} {:>12.0} a million events", *count as f64 / events.max(1) as f64 * 1e6);
    }
    let seconds = load.traffic_ms() as f64 / 1000.0;
    println!("  {seconds:.1} s of traffic; leases and checkpoints count by the second, not by the event");
    outcome.broken.is_none()
}
