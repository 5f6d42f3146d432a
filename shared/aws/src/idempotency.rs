//! Idempotency keys on Redis.
//!
//! ```text
//! key    sluice:idem:<customer>:<key hash>
//! value  P <token> <body hash>              claimed; expires with the lease
//!        C <token> <body hash> <answer>     answered; expires with the day
//! ```
//!
//! Each change is one script, fenced by the claim's token: a request whose lease ran
//! out cannot undo the later claim of another request, or answer for it. The lease
//! outlives the append's deadline, so a claim ends before its request has surely ended
//! only if its ingest process died. Then, or if Redis loses its data, a request that is repeated
//! within the day can be taken twice.
//!
//! If the outcome of a request is unknown, its key is neither completed nor released: it
//! stays claimed until its lease ends, in Redis and in this process.

mod held;

use super::config::AwsConfig;
use super::redis::{Redis, port_error};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use fred::prelude::Error;
use held::{ClaimsInMemory, HeldClaim};
use parking_lot::Mutex;
use sluice_model::CustomerId;
use sluice_model::ids::random_u128;
use sluice_ports::idempotency::{ClaimKey, ClaimOutcome, Idempotency, KeyHash, Placed};
use sluice_ports::{FailureClass, PortError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

const CLAIM: &str = r"
local known = redis.call('GET', KEYS[1])
if known then return known end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false";

const COMPLETE: &str = r"
local known = redis.call('GET', KEYS[1])
if known and string.sub(known, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

const RELEASE: &str = r"
local known = redis.call('GET', KEYS[1])
if known and string.sub(known, 1, #ARGV[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0";

/// Completions that wait for Redis: how many, how often each is tried, and for how long.
const LATE_MAX: usize = 10_000;
const LATE_EVERY: Duration = Duration::from_millis(500);
const LATE_FOR: Duration = Duration::from_secs(600);

/// The distributed idempotency keys.
pub struct RedisIdempotency {
    redis: Redis,
    lease: Duration,
    keep: Duration,
    held: Mutex<ClaimsInMemory>,
    /// Permits for completions that wait until Redis is back.
    late: Arc<Semaphore>,
}

impl RedisIdempotency {
    /// Keys on a connection.
    #[must_use]
    pub fn new(redis: Redis, config: &AwsConfig) -> Self {
        let lease = Duration::from_millis(config.idempotency_lease_ms);
        Self {
            redis,
            lease,
            keep: Duration::from_secs(u64::from(config.idempotency_hours) * 3600),
            held: Mutex::new(ClaimsInMemory::new(lease * 2, config.idempotency_in_flight_max)),
            late: Arc::new(Semaphore::new(LATE_MAX)),
        }
    }

    async fn run<R: fred::types::FromValue>(
        &self,
        script: &str,
        key: &ClaimKey,
        args: Vec<String>,
    ) -> Result<R, Error> {
        self.redis.run(script, name(key), args).await
    }
}

impl RedisIdempotency {
    /// Completes a key once Redis is back: the events are taken, and without the completion
    /// a repeated request would be taken again.
    fn complete_later(&self, key: ClaimKey, args: Vec<String>, error: &Error) -> Result<(), PortError> {
        let Ok(room) = Arc::clone(&self.late).try_acquire_owned() else {
            return Err(port_error("complete an idempotency key", error));
        };
        let redis = self.redis.clone();
        tokio::spawn(async move {
            let until = Instant::now() + LATE_FOR;
            while Instant::now() < until {
                tokio::time::sleep(LATE_EVERY).await;
                if redis.run::<i64>(COMPLETE, name(&key), args.clone()).await.is_ok() {
                    drop(room);
                    return;
                }
            }
            tracing::error!(customer = %key.0, "an idempotency key was not completed");
        });
        Ok(())
    }
}

fn name((customer, key): &ClaimKey) -> String {
    format!("sluice:idem:{customer}:{}", BASE64.encode(key))
}

fn pending(held: &HeldClaim) -> String {
    format!("P {} {}", held.token, BASE64.encode(held.body))
}

fn completed(held: &HeldClaim, placed: &Placed) -> String {
    let answer = postcard::to_stdvec(placed).expect("an answer has no map keys");
    format!("C {} {} {}", held.token, BASE64.encode(held.body), BASE64.encode(answer))
}

/// The outcome that a stored value means for a request with this body; `None` if the value is not
/// a claim.
fn outcome(value: &str, body: KeyHash) -> Option<ClaimOutcome> {
    let mut parts = value.split(' ');
    let (state, _token, known) = (parts.next()?, parts.next()?, parts.next()?);
    if known != BASE64.encode(body) {
        return Some(ClaimOutcome::Mismatch);
    }
    match (state, parts.next()) {
        ("P", None) => Some(ClaimOutcome::InFlight),
        ("C", Some(answer)) => {
            let bytes = BASE64.decode(answer).ok()?;
            postcard::from_bytes(&bytes).ok().map(ClaimOutcome::Completed)
        }
        _ => None,
    }
}

#[async_trait]
impl Idempotency for RedisIdempotency {
    async fn claim(
        &self,
        customer: CustomerId,
        key: KeyHash,
        body: KeyHash,
        _now_ms: u64,
    ) -> Result<ClaimOutcome, PortError> {
        let attempted = "claim an idempotency key";
        let key = (customer, key);
        if self.held.lock().is_full(Instant::now()) {
            return Err(PortError::failed(FailureClass::Busy, attempted, "too many keys are in flight"));
        }
        let held = HeldClaim { token: format!("{:032x}", random_u128()), body };
        let args = vec![pending(&held), self.lease.as_millis().to_string()];
        let known: Option<String> =
            self.run(CLAIM, &key, args).await.map_err(|error| port_error(attempted, &error))?;
        match known {
            None => {
                self.held.lock().insert(key, held, Instant::now());
                Ok(ClaimOutcome::Claimed)
            }
            Some(value) => outcome(&value, body).ok_or_else(|| PortError::Damaged {
                attempted: attempted.into(),
                detail: format!("{} is not a claim", name(&key)),
            }),
        }
    }

    async fn complete(&self, customer: CustomerId, key: KeyHash, placed: Placed) -> Result<(), PortError> {
        let key = (customer, key);
        let Some(held) = self.held.lock().take(&key) else { return Ok(()) };
        let fence = format!("P {} ", held.token);
        let args = vec![fence, completed(&held, &placed), self.keep.as_millis().to_string()];
        match self.run::<i64>(COMPLETE, &key, args.clone()).await {
            Ok(0) => tracing::warn!(%customer, "a request outlived the lease of its idempotency key"),
            Ok(_) => {}
            Err(error) => self.complete_later(key, args, &error)?,
        }
        Ok(())
    }

    async fn release(&self, customer: CustomerId, key: KeyHash) -> Result<(), PortError> {
        let key = (customer, key);
        let Some(held) = self.held.lock().take(&key) else { return Ok(()) };
        let fence = format!("P {} ", held.token);
        let released: Result<i64, Error> = self.run(RELEASE, &key, vec![fence]).await;
        released.map(|_zero| ()).map_err(|error| port_error("release an idempotency key", &error))
    }

    /// Does nothing: the claim's lease ends by itself.
    async fn undecided(&self, customer: CustomerId, key: KeyHash) -> Result<(), PortError> {
        drop(self.held.lock().take(&(customer, key)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::Lane;
    use sluice_ports::sample::Batches;

    #[test]
    fn values_say_what_was_stored() {
        let held = HeldClaim { token: "t".into(), body: [1; 16] };
        let runs = vec![(Batches::new(Lane::new(1).unwrap()).next(3, 1).id, 0, 3)];
        let placed = Placed { runs, accepted_at_ms: 5 };
        assert_eq!(outcome(&pending(&held), [1; 16]), Some(ClaimOutcome::InFlight));
        assert_eq!(outcome(&pending(&held), [2; 16]), Some(ClaimOutcome::Mismatch));
        assert_eq!(outcome(&completed(&held, &placed), [2; 16]), Some(ClaimOutcome::Mismatch));
        assert_eq!(outcome(&completed(&held, &placed), [1; 16]), Some(ClaimOutcome::Completed(placed)));
        assert_eq!(outcome("what", [1; 16]), None);
    }
}
