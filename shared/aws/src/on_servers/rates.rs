//! Rates over several processes: the bound, the cost, and the time without Redis.

use super::cable::{Cable, Mode};
use crate::AwsConfig;
use crate::idempotency::RedisIdempotency;
use crate::rates::{LEASE_LIFE, RedisRates};
use crate::redis::Redis;
use sluice_model::CustomerId;
use sluice_model::limiter::Limiter;
use sluice_ports::idempotency::{ClaimOutcome, Placed};
use sluice_ports::rates::{RatedCustomer, Taken};
use sluice_ports::{Idempotency, PortError, Rates};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const RATE: u32 = 2000;

struct TestCustomer {
    id: CustomerId,
    limiter: Limiter,
}

impl TestCustomer {
    fn rated(&self) -> RatedCustomer<'_> {
        RatedCustomer { id: self.id, limiter: &self.limiter }
    }
}

fn customer() -> Arc<TestCustomer> {
    customer_of(RATE)
}

fn customer_of(rate: u32) -> Arc<TestCustomer> {
    let id = CustomerId::new(sluice_model::clock::now_ms());
    Arc::new(TestCustomer { id, limiter: Limiter::new(rate) })
}

async fn process(config: &AwsConfig) -> Arc<RedisRates> {
    let redis = Redis::new(config, Arc::default()).unwrap();
    redis.connected().await;
    Arc::new(RedisRates::new(redis))
}

async fn take(rates: &RedisRates, customer: &TestCustomer, events: u64) -> bool {
    match rates.take(customer.rated(), events) {
        Taken::Yes => true,
        Taken::No(_) => false,
        Taken::Lease => rates.lease(customer.rated(), events).await.is_ok(),
    }
}

/// Asks three processes for more than the whole rate, by several requests at a time. Returns
/// how many events passed, and in how many seconds.
async fn storm(
    processes: &[Arc<RedisRates>],
    customer: &Arc<TestCustomer>,
    sizes: &'static [u64],
) -> (u64, f64) {
    let (passed, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut tasks = tokio::task::JoinSet::new();
    for (n, process) in processes.iter().enumerate().flat_map(|(n, process)| [(n, process), (n + 1, process)])
    {
        let (process, customer, passed) = (Arc::clone(process), Arc::clone(customer), Arc::clone(&passed));
        tasks.spawn(async move {
            for turn in n.. {
                if began.elapsed() > Duration::from_secs(3) {
                    return;
                }
                let events = sizes[turn % sizes.len()];
                if take(&process, &customer, events).await {
                    passed.fetch_add(events, Ordering::Relaxed);
                } else {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
    }
    tasks.join_all().await;
    (passed.load(Ordering::Relaxed), began.elapsed().as_secs_f64())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn three_edges_together_let_through_a_customer_s_rate_and_no_more() {
    let config = super::config();
    let processes = [process(&config).await, process(&config).await, process(&config).await];
    for sizes in [&[1u64][..], &[1, 70, 3, 400]] {
        let customer = customer();
        let before: u64 = processes.iter().map(|process| process.asked()).sum();
        let (passed, seconds) = storm(&processes, &customer, sizes).await;
        let asked = processes.iter().map(|process| process.asked()).sum::<u64>() - before;
        let (rate, burst) = (f64::from(RATE), f64::from(RATE));
        let most = burst + rate * (seconds + LEASE_LIFE.as_secs_f64());
        assert!(passed as f64 <= most, "{passed} of at most {most}");
        assert!(passed as f64 >= burst + rate * seconds / 2.0, "{passed} in {seconds} s");
        assert!(asked * 10 <= passed, "{asked} scripts for {passed} events");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_slow_customer_is_refused_its_next_event_on_every_edge_and_a_large_request_waits_for_the_whole_burst()
 {
    let config = super::config();
    let processes = [process(&config).await, process(&config).await];
    let customer = customer_of(5);
    let mut passed = 0;
    for turn in 0..30 {
        passed += u64::from(take(&processes[turn % 2], &customer, 1).await);
    }
    // A few events may come back while the script runs.
    assert!((5..=7).contains(&passed), "{passed} of a burst of 5");
    assert!(!take(&processes[0], &customer, 100).await, "the bucket is not full");
    tokio::time::sleep(Duration::from_millis(1200) + LEASE_LIFE).await;
    assert!(take(&processes[0], &customer, 100).await, "the bucket is full");
    for process in &processes {
        let Taken::Lease = process.take(customer.rated(), 1) else { continue };
        let wait = process.lease(customer.rated(), 1).await.unwrap_err().retry_after;
        assert!((18..=20).contains(&wait.as_secs()), "a debt of 100 events at 5/s: {wait:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn an_edge_without_redis_keeps_to_its_share_and_refuses_keys() {
    let server = super::variable("REDIS_URL").trim_start_matches("redis://").to_owned();
    let cable = Cable::to(server).await;
    let config = AwsConfig { redis_url: format!("redis://{}", cable.address).into(), ..super::config() };
    let (processes, stop) = ([process(&config).await, process(&config).await], CancellationToken::new());
    for process in &processes {
        let (process, stop) = (Arc::clone(process), stop.clone());
        tokio::spawn(async move { process.run(stop).await });
    }
    let redis = Redis::new(&config, Arc::default()).unwrap();
    redis.connected().await;
    let keys = RedisIdempotency::new(redis, &config);
    let claim = |n: u8| keys.claim(CustomerId::new(1), [n; 16], [n; 16], 0);
    let wait = async {
        while processes[0].processes() < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the processes know of each other");
    // Claimed before Redis goes away, and completed while it is away.
    let (key, taken) = ((CustomerId::new(2), [7; 16]), Placed { runs: Vec::new(), accepted_at_ms: 5 });
    assert_eq!(keys.claim(key.0, key.1, [1; 16], 0).await.unwrap(), ClaimOutcome::Claimed);

    cable.set(Mode::Cut);
    keys.complete(key.0, key.1, taken.clone()).await.unwrap();
    let customer = customer();
    let (passed, seconds) = storm(&processes[..1], &customer, &[5, 1]).await;
    let share = f64::from(RATE) / f64::from(processes[0].processes());
    assert!(passed as f64 <= share + share * seconds + 5.0, "{passed} in {seconds} s");
    assert!(passed as f64 >= share, "unkeyed requests go on");
    assert!(matches!(claim(200).await, Err(PortError::Unavailable { .. })), "keyed ones do not");

    cable.set(Mode::Open);
    let wait = async {
        while !matches!(claim(201).await, Ok(ClaimOutcome::Claimed | ClaimOutcome::InFlight)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it comes back by itself");
    let wait = async {
        while keys.claim(key.0, key.1, [1; 16], 0).await.unwrap() != ClaimOutcome::Completed(taken.clone()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("what was taken meanwhile is known");
    stop.cancel();
}
