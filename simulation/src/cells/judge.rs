//! The judge of the promises of cells together: which cell delivers an event, where and since
//! when rows count, and what is lost with a region.

use super::copy::{CellCatalogue, CopiedRow, RowContent, RowKey, RowVersion};
use super::plan::{CellsPlan, REGIONS};
use super::region::Region;
use crate::plan::START_MS;
use crate::stores::{customer_id, subscription_id};
use sluice_model::{ApiKeyId, CustomerId, EventId};
use std::collections::{BTreeMap, HashMap};

/// How soon a process knows its cell's database, even if its polls fail.
const KNOWN_WITHIN_MS: u64 = 5_000;
/// How old a change can be and still be unknown to a matching process: snapshots are at most a
/// second old, and clocks differ.
const MATCHED_WITHIN_MS: u64 = 1_500;

/// The largest difference between two clocks of a cell.
const CLOCKS_APART_MS: u64 = 500;

/// A broken promise, with details.
pub(super) type Broken = (&'static str, String);

/// The history of a subscription in the database of one cell.
#[derive(Debug, Clone, Copy, Default)]
struct SubscriptionLife {
    /// Since when it has existed without a break.
    since_ms: Option<u64>,
    /// Since when it no longer exists.
    ended_ms: Option<u64>,
    effective_ms: u64,
}

/// The history of a key in the database of one cell.
#[derive(Debug, Clone, Copy)]
struct KeyLife {
    since_ms: u64,
    revoked_ms: Option<u64>,
}

pub(crate) struct Judge {
    copy_age_max_ms: u64,
    /// The cell whose stream first stored each event.
    owners: HashMap<EventId, Region>,
    /// The customer of each subscription.
    customers: Vec<usize>,
    lives: Vec<[SubscriptionLife; 2]>,
    keys: [HashMap<ApiKeyId, KeyLife>; 2],
    /// The version of each row, and since when the cell has it.
    versions: [HashMap<(CustomerId, RowKey), (RowVersion, u64)>; 2],
    /// When each subscription was deleted at its customer's home.
    deleted_ms: HashMap<usize, u64>,
    /// When an endpoint first answered 410.
    gone_ms: HashMap<usize, u64>,
    pub(super) counts: BTreeMap<&'static str, u64>,
}

impl Judge {
    pub(super) fn new(plan: &CellsPlan) -> Self {
        Self {
            copy_age_max_ms: plan.copy_age_max_ms,
            owners: HashMap::new(),
            customers: plan.cells[0].subscriptions.iter().map(|plan| plan.customer).collect(),
            lives: vec![Default::default(); plan.cells[0].subscriptions.len()],
            keys: Default::default(),
            versions: Default::default(),
            deleted_ms: HashMap::new(),
            gone_ms: HashMap::new(),
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn count(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    pub(super) fn add(&mut self, name: &'static str, count: u64) {
        *self.counts.entry(name).or_default() += count;
    }

    /// Keeps the largest of the measured values, not their sum.
    pub(super) fn most(&mut self, name: &'static str, measured: u64) {
        let known = self.counts.entry(name).or_default();
        *known = measured.max(*known);
    }

    /// Notes that a cell's stream stored an event.
    pub(crate) fn stored(&mut self, region: Region, id: EventId) {
        self.owners.entry(id).or_insert(region);
    }

    /// Notes that an endpoint answered 410 to one of the cells: the subscription ends in all.
    pub(crate) fn gone(&mut self, n: usize, now_ms: u64) {
        self.gone_ms.entry(n).or_insert(now_ms);
    }

    pub(crate) fn gone_ms(&self, n: usize) -> Option<u64> {
        self.gone_ms.get(&n).copied()
    }

    /// Notes that a customer's home deleted a subscription.
    pub(super) fn deleted(&mut self, n: usize, now_ms: u64) {
        self.deleted_ms.insert(n, now_ms);
    }

    /// Judges a cell's database after it changed.
    pub(super) fn look(&mut self, region: Region, catalogue: &CellCatalogue, now_ms: u64) -> Option<Broken> {
        let place = region.place();
        for row in catalogue.rows() {
            let seen = self.versions[place].entry((row.customer, row.key)).or_insert((row.version, now_ms));
            let known = seen.0;
            if known != row.version {
                *seen = (row.version, now_ms);
            }
            if known > row.version {
                let how = format!("{region:?}: {:?} from {known:?} to {:?}", row.key, row.version);
                return Some(("a copy never goes back", how));
            }
            if let (RowKey::Key(id), content) = (row.key, &row.content) {
                let revoked = !matches!(content, RowContent::Key(key) if key.revoked_at_ms.is_none());
                let new = KeyLife { since_ms: now_ms, revoked_ms: None };
                let life = self.keys[place].entry(id).or_insert(new);
                life.revoked_ms = revoked.then_some(life.revoked_ms.unwrap_or(now_ms));
            }
        }
        for (n, lives) in self.lives.iter_mut().enumerate() {
            let customer = customer_id(self.customers[n]);
            let row = catalogue.row(customer, RowKey::Subscription(subscription_id(n)));
            let life = &mut lives[place];
            match row.map(|row| &row.content) {
                Some(RowContent::Subscription(subscription)) => {
                    let begins = if now_ms <= START_MS { 0 } else { now_ms };
                    life.since_ms.get_or_insert(begins);
                    (life.ended_ms, life.effective_ms) = (None, subscription.effective_at_ms);
                }
                _ if life.since_ms.take().is_some() => life.ended_ms = Some(now_ms),
                _ => {}
            }
        }
        None
    }

    /// When a row in a cell's database got its current version.
    pub(super) fn changed_ms(&self, region: Region, row: &CopiedRow) -> u64 {
        self.versions[region.place()].get(&(row.customer, row.key)).map_or(0, |(_, ms)| *ms)
    }

    /// Whether a cell owes an event to a subscription that wants its type.
    pub(crate) fn owes(&self, region: Region, n: usize, stored_ms: u64, id: EventId) -> bool {
        let life = self.lives[n][region.place()];
        let counts = life.since_ms.is_some_and(|since_ms| stored_ms >= since_ms + MATCHED_WITHIN_MS);
        // The cell's own clocks decide whether an event is before or after `effective_at`.
        counts && id.ms() >= life.effective_ms + CLOCKS_APART_MS
    }

    /// Judges that a cell sends events to a subscription. `age_ms` is the age of its copy from the
    /// customer's home; 0 at the home itself.
    pub(super) fn posts(
        &mut self,
        region: Region,
        n: usize,
        ids: &mut dyn Iterator<Item = EventId>,
        age_ms: u64,
        now_ms: u64,
    ) -> Option<Broken> {
        for id in ids {
            let owner = self.owners.get(&id);
            if owner != Some(&region) {
                let how = format!("{region:?} sends {id}, which {owner:?} accepted");
                return Some(("the cell that accepted an event delivers it, and no other", how));
            }
        }
        let late_ms = self.copy_age_max_ms + KNOWN_WITHIN_MS;
        if age_ms > late_ms {
            let how = format!("{region:?} sends to {n} by a copy that is {age_ms} ms old");
            return Some(("a copy that is too old delivers nothing", how));
        }
        if let Some(ended_ms) =
            self.lives[n][region.place()].ended_ms.filter(|ms| now_ms > ms + KNOWN_WITHIN_MS)
        {
            let how = format!("{region:?} sends to {n}, which its database has no more since {ended_ms}");
            return Some(("a deleted subscription gets nothing", how));
        }
        let deleted = self.deleted_ms.get(&n).copied().filter(|_| age_ms > 0);
        if let Some(deleted_ms) = deleted {
            self.count("webhooks of a copy to a subscription that its home deleted");
            if now_ms > deleted_ms + late_ms {
                let how = format!("{region:?} sends to {n}, which was deleted at {deleted_ms}");
                return Some(("what is deleted at the home stops counting by the copy's age", how));
            }
        }
        None
    }

    /// Judges that a cell takes events with a key, and with a copy of that age.
    pub(super) fn admits(&self, region: Region, key: ApiKeyId, age_ms: u64, now_ms: u64) -> Option<Broken> {
        if age_ms > self.copy_age_max_ms + CLOCKS_APART_MS {
            let how = format!("{region:?} by a copy that is {age_ms} ms old");
            return Some(("a copy that is too old accepts nothing", how));
        }
        let revoked_ms = |place: usize| self.keys[place].get(&key)?.revoked_ms;
        if let Some(ms) = revoked_ms(region.place()).filter(|ms| now_ms > ms + KNOWN_WITHIN_MS) {
            return Some(("a revoked key is refused", format!("{region:?}, revoked at {ms}")));
        }
        // A home that came back and has not heard of its move knows no changes of the other.
        let elsewhere =
            REGIONS.iter().filter(|_| age_ms > 0).filter_map(|home| revoked_ms(home.place())).min();
        let ms = elsewhere.filter(|ms| now_ms > ms + self.copy_age_max_ms + CLOCKS_APART_MS)?;
        let how = format!("{region:?} takes a key that was revoked at {ms}");
        Some(("a revoked key stops counting by the copy's age", how))
    }

    /// Judges that a cell refused all keys of a customer, of which this one is valid.
    pub(super) fn refuses(&self, region: Region, key: ApiKeyId, now_ms: u64) -> Option<Broken> {
        let life = self.keys[region.place()].get(&key)?;
        let since_ms = life.since_ms + KNOWN_WITHIN_MS;
        let is_valid = life.revoked_ms.is_none() && now_ms > since_ms;
        is_valid.then(|| {
            ("a key that has arrived in a cell counts there", format!("{region:?}, key of {since_ms}"))
        })
    }
}
