//! The contract suite of [`Idempotency`]. Each adapter's tests call [`all`].
#![expect(clippy::unwrap_used, reason = "a failed check is a panic")]

use super::{ClaimOutcome, Idempotency, KeyHash, Placed};
use crate::sample::Batches;
use sluice_model::clock;
use sluice_model::ids::random_u128;
use sluice_model::{CustomerId, Lane};

const BODY: KeyHash = [1; 16];
const OTHER_BODY: KeyHash = [2; 16];

/// Runs every check.
pub async fn all(keys: &dyn Idempotency) {
    a_key_is_claimed_once(keys).await;
    a_completed_key_gives_the_first_answer(keys).await;
    a_released_key_can_be_claimed(keys).await;
    customers_have_keys_of_their_own(keys).await;
}

fn new_key() -> (CustomerId, KeyHash) {
    (CustomerId::new(clock::now_ms()), random_u128().to_be_bytes())
}

async fn claim(
    keys: &dyn Idempotency,
    (customer, key): (CustomerId, KeyHash),
    body: KeyHash,
) -> ClaimOutcome {
    keys.claim(customer, key, body, clock::now_ms()).await.unwrap()
}

fn placed() -> Placed {
    let mut batches = Batches::new(Lane::new(2).unwrap());
    let runs = vec![(batches.next(3, 1).id, 0, 3), (batches.next(9, 1).id, 4, 2)];
    Placed { runs, accepted_at_ms: clock::now_ms() }
}

async fn a_key_is_claimed_once(keys: &dyn Idempotency) {
    let key = new_key();
    let outcomes = futures_util::future::join_all((0..20).map(|_| claim(keys, key, BODY))).await;
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    assert_eq!((count(ClaimOutcome::Claimed), count(ClaimOutcome::InFlight)), (1, 19));
    assert_eq!(claim(keys, key, OTHER_BODY).await, ClaimOutcome::Mismatch);
    keys.release(key.0, key.1).await.unwrap();
}

async fn a_completed_key_gives_the_first_answer(keys: &dyn Idempotency) {
    let (key, placed) = (new_key(), placed());
    assert_eq!(claim(keys, key, BODY).await, ClaimOutcome::Claimed);
    keys.complete(key.0, key.1, placed.clone()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(claim(keys, key, BODY).await, ClaimOutcome::Completed(placed.clone()));
        assert_eq!(claim(keys, key, OTHER_BODY).await, ClaimOutcome::Mismatch);
    }
}

async fn a_released_key_can_be_claimed(keys: &dyn Idempotency) {
    let key = new_key();
    assert_eq!(claim(keys, key, BODY).await, ClaimOutcome::Claimed);
    keys.release(key.0, key.1).await.unwrap();
    assert_eq!(claim(keys, key, OTHER_BODY).await, ClaimOutcome::Claimed);
    keys.release(key.0, key.1).await.unwrap();
}

async fn customers_have_keys_of_their_own(keys: &dyn Idempotency) {
    let (one, other) = (new_key(), new_key());
    let same = (other.0, one.1);
    assert_eq!(claim(keys, one, BODY).await, ClaimOutcome::Claimed);
    assert_eq!(claim(keys, same, OTHER_BODY).await, ClaimOutcome::Claimed);
    keys.release(one.0, one.1).await.unwrap();
    assert_eq!(claim(keys, same, OTHER_BODY).await, ClaimOutcome::InFlight);
    keys.release(same.0, same.1).await.unwrap();
}
