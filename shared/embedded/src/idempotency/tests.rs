//! Keys whose requests end in unusual ways.

use super::pending::{Begun, PendingClaims};
use super::*;
use crate::tests::harness::{append, lane, open, settings};
use crate::{EmbeddedEngine, EngineSettings};
use sluice_model::clock::now_ms;
use sluice_model::ids::random_u128;
use sluice_ports::sample::Batches;
use std::fs;

const BODY: KeyHash = [1; 16];
const OTHER_BODY: KeyHash = [2; 16];

fn key() -> (CustomerId, KeyHash) {
    (CustomerId::new(now_ms()), random_u128().to_be_bytes())
}

fn placed(accepted_at_ms: u64) -> Placed {
    Placed { runs: vec![(Batches::new(lane(2)).next(3, 1).id, 0, 3)], accepted_at_ms }
}

async fn claim(keys: &EmbeddedIdempotency, (customer, key): ClaimKey) -> Result<ClaimOutcome, PortError> {
    keys.claim(customer, key, BODY, now_ms()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undecided_key_is_held_until_the_log_has_decided() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    append(&*engine.log, vec![Batches::new(lane(0)).next(1, 10)]).await.unwrap();
    let (keys, key) = (&engine.idempotency, key());
    assert_eq!(claim(keys, key).await.unwrap(), ClaimOutcome::Claimed);
    // The append fails, and no segment can be made that would decide the outcome.
    let shard = dir.path().join("log/shard-0");
    fs::remove_dir_all(&shard).unwrap();
    let failed = append(&*engine.log, vec![Batches::new(lane(0)).next(1, 10)]).await;
    assert!(matches!(failed, Err(sluice_ports::log::AppendError::Unknown { .. })), "{failed:?}");
    keys.undecided(key.0, key.1).await.unwrap();
    keys.tidy().await.unwrap();
    assert_eq!(claim(keys, key).await.unwrap(), ClaimOutcome::InFlight);
    // The next successful append decides the outcome.
    fs::create_dir(&shard).unwrap();
    while append(&*engine.log, vec![Batches::new(lane(0)).next(1, 10)]).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    keys.tidy().await.unwrap();
    assert_eq!(claim(keys, key).await.unwrap(), ClaimOutcome::Claimed);
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_left_behind_by_failed_appends_do_not_refuse_others_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let settings = EngineSettings { idempotency_pending_max: 3, ..settings() };
    let engine = EmbeddedEngine::open(dir.path(), settings).await.unwrap();
    let keys = &engine.idempotency;
    for _ in 0..10 {
        for key in [key(), key(), key()] {
            assert_eq!(claim(keys, key).await.unwrap(), ClaimOutcome::Claimed);
            keys.undecided(key.0, key.1).await.unwrap();
        }
        assert!(claim(keys, key()).await.is_err(), "as many as are allowed are in flight");
        keys.tidy().await.unwrap();
    }
    engine.close().await;
}

#[test]
fn a_claim_that_nobody_waits_for_gives_the_key_back() {
    // The only thread that reads the state store is busy when the key is claimed.
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build();
    runtime.unwrap().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path()).await;
        let (keys, key) = (&engine.idempotency, key());
        let (free, freed) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || freed.recv());
        let polled = futures_util::poll!(Box::pin(claim(keys, key)));
        assert!(polled.is_pending(), "the state store is asked on another thread");
        free.send(()).unwrap();
        busy.await.unwrap().unwrap();
        assert_eq!(claim(keys, key).await.unwrap(), ClaimOutcome::Claimed);
        engine.close().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_key_is_not_read_though_it_is_stored_still() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    let (keys, key) = (&engine.idempotency, key());
    let accepted_ms = now_ms() - settings().idempotency_keep.as_millis() as u64 - 1;
    assert_eq!(claim(keys, key).await.unwrap(), ClaimOutcome::Claimed);
    keys.complete(key.0, key.1, placed(accepted_ms)).await.unwrap();
    let stored_key = keys::idempotency(key.0, &key.1);
    while engine.kv.view().get(&stored_key).unwrap().is_none() || keys.pending.lock().oldest().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(claim(keys, key).await.unwrap(), ClaimOutcome::Claimed);
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_key_answers_after_it_left_memory() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    let (keys, key, placed) = (&engine.idempotency, key(), placed(now_ms()));
    assert_eq!(claim(keys, key).await.unwrap(), ClaimOutcome::Claimed);
    keys.complete(key.0, key.1, placed.clone()).await.unwrap();
    while keys.pending.lock().oldest().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(claim(keys, key).await.unwrap(), ClaimOutcome::Completed(placed));
    assert_eq!(keys.claim(key.0, key.1, OTHER_BODY, now_ms()).await.unwrap(), ClaimOutcome::Mismatch);
    assert!(keys.pending.lock().oldest().is_none(), "a look-up leaves nothing behind");
    engine.close().await;
}

#[test]
fn a_request_is_compared_with_what_has_the_key_and_never_with_a_look_up() {
    let (mut pending, key, now) = (PendingClaims::new(1), key(), Instant::now());
    assert_eq!(pending.begin(key, BODY, now), Begun::LookUp);
    assert_eq!(pending.begin(key, OTHER_BODY, now), Begun::Known(ClaimOutcome::InFlight));
    assert_eq!(pending.begin(self::key(), BODY, now), Begun::Full);
    pending.claim(key, BODY);
    assert_eq!(pending.begin(key, BODY, now), Begun::Known(ClaimOutcome::InFlight));
    assert_eq!(pending.begin(key, OTHER_BODY, now), Begun::Known(ClaimOutcome::Mismatch));
    pending.undecided(key);
    assert_eq!(pending.begin(key, BODY, now), Begun::Known(ClaimOutcome::InFlight));
    assert_eq!(pending.all_undecided(), [key]);
    let placed = placed(5);
    assert!(pending.place(key, placed.clone()).is_some());
    assert!(pending.all_undecided().is_empty());
    assert_eq!(pending.begin(key, BODY, now), Begun::Known(ClaimOutcome::Completed(placed)));
    assert_eq!(pending.placed_before(now + Duration::from_secs(1), 9).len(), 1);
    assert_eq!(pending.placed_before(now, 9).len(), 0);
    pending.remove(key);
    assert_eq!(pending.begin(key, BODY, now), Begun::LookUp);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_does_not_read_again_what_the_start_before_read() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let engine = open(dir.path()).await;
        for shard in engine.log.all_shards() {
            let recovered = recovery::read_progress(engine.kv.view(), &shard.id).unwrap();
            assert_eq!(recovered, shard.segments.end(), "{} was recovered whole", shard.id);
        }
        for number in 0..4 {
            append(&*engine.log, vec![Batches::new(lane(number)).next(1, 10)]).await.unwrap();
        }
        // The engine dies before keys are tidied.
        engine.close().await;
    }
}
