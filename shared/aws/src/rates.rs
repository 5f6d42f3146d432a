//! Rate limits over several ingest processes, on Redis.
//!
//! The rate of a customer is one GCRA state in Redis, with the rule of [`Limiter`]: a
//! bucket of one second's rate; a request that is larger than the bucket passes when the
//! bucket is full, and is paid for afterwards. An ingest process takes parts of the rate
//! in advance: one script leases the events that a request needs and [`LEASE`] of the
//! rate more, so that the next requests need no script. Leased events that are not used
//! within [`LEASE_LIFE`] are lost to the customer. So in any window all processes
//! together let through at most one burst (or one larger request) and the rate for the
//! window and one more `LEASE_LIFE`.
//!
//! ```text
//! sluice:rate:<customer>  when the leased events are paid for, in µs of Redis' clock
//! sluice:edges            sorted set: ingest processes, by their last beat, in ms
//! ```
//!
//! While Redis is away, a process enforces its share: the rate divided by the last known
//! number of processes.

use super::redis::Redis;
use async_trait::async_trait;
use foldhash::HashMap;
use parking_lot::{Mutex, RwLock};
use sluice_model::CustomerId;
use sluice_model::ids::random_u128;
use sluice_model::limiter::{Denied, Limiter, Quota};
use sluice_ports::rates::{RatedCustomer, Rates, Taken};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How much of the rate is leased beyond the need of a request.
const LEASE: Duration = Duration::from_millis(100);
/// How long a lease is valid.
pub(super) const LEASE_LIFE: Duration = Duration::from_secs(1);
/// The least time before Redis is asked again after it gave less than was wanted, so that
/// a customer at its limit does not cost a script for each event.
const ASK_GAP: Duration = Duration::from_millis(50);
/// How often an ingest process beats, and how long after its last beat it still counts.
const BEAT: Duration = Duration::from_secs(1);
const GONE_MS: u64 = 5000;
/// How long Redis is not asked after a failure.
const AWAY: Duration = Duration::from_millis(500);
/// The most customers whose state is kept; beyond it those without leased events are forgotten.
const CUSTOMERS_MAX: usize = 100_000;

/// Arguments: µs an event (a decimal), the bucket in µs, events needed, events wanted,
/// events that the asking process still holds. Answers how many events are given; if
/// none, how many µs to wait for the needed ones. Events that the process holds count as
/// not taken when the bucket must be full.
const LEASE_SCRIPT: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local cost, depth = tonumber(ARGV[1]), tonumber(ARGV[2])
local needed, wanted, held = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local paid = tonumber(redis.call('GET', KEYS[1]) or 0)
if paid < now then paid = now end
local given
if (needed + held) * cost > depth + 1 then
  local debt = paid - held * cost - now
  if debt > 1 then
    return {0, math.ceil(debt)}
  end
  given = needed
else
  local room = math.floor((now + depth - paid) / cost + 0.000001)
  if room < needed then
    return {0, math.ceil(paid + needed * cost - now - depth)}
  end
  given = math.min(room, wanted)
end
paid = paid + given * cost
redis.call('SET', KEYS[1], string.format('%.3f', paid), 'PX', math.ceil((paid - now) / 1000) + 1000)
return {given, 0}";

const BEAT_SCRIPT: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
return redis.call('ZCARD', KEYS[1])";

/// The part of a customer's rate that this ingest process has leased.
#[derive(Debug, Default)]
struct RateLease {
    events: u64,
    good_until: Option<Instant>,
    /// Redis will not give this many events, or more, before this time.
    refused: Option<(u64, Instant)>,
}

#[derive(Debug)]
struct CustomerRate {
    lease: Mutex<RateLease>,
    /// Held by the one request that asks Redis; the others wait and use what its script brought.
    asking: tokio::sync::Mutex<()>,
    /// The ingest process's share while Redis is away.
    share: Limiter,
}

/// The rate limits of a deployment with several ingest processes.
pub struct RedisRates {
    redis: Redis,
    started: Instant,
    away_until: Mutex<Option<Instant>>,
    processes: AtomicU32,
    /// How many scripts were run to lease events.
    asked: AtomicU64,
    customers: RwLock<HashMap<CustomerId, Arc<CustomerRate>>>,
}

impl RedisRates {
    /// The rates, with nothing leased yet.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self {
            redis,
            started: Instant::now(),
            away_until: Mutex::new(None),
            processes: AtomicU32::new(1),
            asked: AtomicU64::new(0),
            customers: RwLock::default(),
        }
    }

    /// Beats for this ingest process and learns the number of ingest processes, until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let me = format!("{:016x}", random_u128() as u64);
        let mut ticks = tokio::time::interval(BEAT);
        // Cancel safe: a wait.
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let args = vec![me.clone(), GONE_MS.to_string()];
            // After a failure the last number is the best guess.
            if let Ok(processes) = self.redis.run::<u32>(BEAT_SCRIPT, "sluice:edges".into(), args).await {
                self.processes.store(processes.max(1), Ordering::Relaxed);
            }
        }
    }

    fn customer(&self, id: CustomerId) -> Arc<CustomerRate> {
        if let Some(known) = self.customers.read().get(&id) {
            return Arc::clone(known);
        }
        let mut customers = self.customers.write();
        if customers.len() >= CUSTOMERS_MAX {
            let now = Instant::now();
            customers.retain(|_, state| state.lease.lock().good_until.is_some_and(|until| until > now));
        }
        let new = || CustomerRate {
            lease: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            share: Limiter::new(1),
        };
        Arc::clone(customers.entry(id).or_insert_with(|| Arc::new(new())))
    }

    /// How many scripts were run so far to lease events.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// The number of ingest processes, as far as this one knows.
    #[must_use]
    pub fn processes(&self) -> u32 {
        self.processes.load(Ordering::Relaxed)
    }

    fn is_away(&self) -> bool {
        self.away_until.lock().is_some_and(|until| Instant::now() < until)
    }

    /// Takes events from this ingest process's share, while Redis is away.
    fn take_share(&self, state: &CustomerRate, entry: RatedCustomer<'_>, events: u64) -> Result<(), Denied> {
        let whole = entry.limiter.quota(0);
        let processes = u64::from(self.processes());
        let now_ns = self.started.elapsed().as_nanos() as u64;
        state.share.change((whole.rate / processes).max(1) as u32, now_ns);
        state.share.take(events, now_ns)
    }

    /// Asks Redis for the events that a request needs, and some more.
    async fn ask(&self, state: &CustomerRate, entry: RatedCustomer<'_>, events: u64) -> Result<(), Denied> {
        let Quota { rate, burst, .. } = entry.limiter.quota(0);
        let cost = 1_000_000.0 / rate as f64;
        let more = rate * LEASE.as_millis() as u64 / 1000;
        let asked = Instant::now();
        // The events at hand go to this request, and the missing ones are asked for.
        let at_hand = state.lease.lock().empty(asked).min(events);
        let needed = events - at_hand;
        let args = vec![
            format!("{cost:.6}"),
            format!("{:.3}", cost * burst as f64),
            needed.to_string(),
            (needed + more).to_string(),
            at_hand.to_string(),
        ];
        self.asked.fetch_add(1, Ordering::Relaxed);
        let key = format!("sluice:rate:{}", entry.id);
        let given: Vec<u64> = match self.redis.run(LEASE_SCRIPT, key, args).await {
            Ok(given) => given,
            Err(error) => {
                tracing::debug!(%error, "no answer from Redis; enforcing this ingest process's share of the rate");
                *self.away_until.lock() = Some(Instant::now() + AWAY);
                state.lease.lock().events += at_hand;
                return self.take_share(state, entry, events);
            }
        };
        let (given, wait_us) = (given.first().copied().unwrap_or(0), given.get(1).copied().unwrap_or(0));
        let mut lease = state.lease.lock();
        if given >= needed {
            let good_until = Some(asked + LEASE_LIFE);
            let refused = (given < needed + more).then_some((1, asked + ASK_GAP));
            *lease = RateLease { events: lease.events + given - needed, good_until, refused };
            return Ok(());
        }
        lease.events += at_hand;
        let retry_after = Duration::from_micros(wait_us).max(ASK_GAP);
        lease.refused = Some((events, asked + retry_after));
        Err(Denied { retry_after })
    }
}

impl RateLease {
    /// Drops the events if their time is over.
    fn expire(&mut self, now: Instant) {
        if self.good_until.is_none_or(|until| until <= now) {
            self.events = 0;
        }
    }

    /// Takes all events at hand.
    fn empty(&mut self, now: Instant) -> u64 {
        self.expire(now);
        std::mem::take(&mut self.events)
    }

    /// Takes events if enough are at hand.
    fn take(&mut self, events: u64, now: Instant) -> Taken {
        self.expire(now);
        if self.events >= events {
            self.events -= events;
            return Taken::Yes;
        }
        match self.refused {
            Some((refused, until)) if events >= refused && now < until => {
                Taken::No(Denied { retry_after: until - now })
            }
            _ => Taken::Lease,
        }
    }
}

#[async_trait]
impl Rates for RedisRates {
    fn take(&self, customer: RatedCustomer<'_>, events: u64) -> Taken {
        let state = self.customer(customer.id);
        let taken = state.lease.lock().take(events, Instant::now());
        if taken == Taken::Lease && self.is_away() {
            return self.take_share(&state, customer, events).map_or_else(Taken::No, |()| Taken::Yes);
        }
        taken
    }

    async fn lease(&self, customer: RatedCustomer<'_>, events: u64) -> Result<(), Denied> {
        let state = self.customer(customer.id);
        let _asking = state.asking.lock().await;
        // The previous request that asked may have brought enough events, or a refusal.
        match self.take(customer, events) {
            Taken::Yes => Ok(()),
            Taken::No(denied) => Err(denied),
            Taken::Lease => self.ask(&state, customer, events).await,
        }
    }

    fn give_back(&self, customer: RatedCustomer<'_>, events: u64) {
        let state = self.customer(customer.id);
        let mut lease = state.lease.lock();
        if lease.good_until.is_some_and(|until| until > Instant::now()) {
            lease.events += events;
        }
    }

    fn quota(&self, customer: RatedCustomer<'_>) -> Quota {
        let state = self.customer(customer.id);
        let lease = state.lease.lock();
        let now = Instant::now();
        let at_hand = lease.good_until.is_some_and(|until| until > now);
        let reset = lease.refused.map_or(Duration::ZERO, |(_, until)| until.saturating_duration_since(now));
        Quota { remaining: if at_hand { lease.events } else { 0 }, reset, ..customer.limiter.quota(0) }
    }
}
