//! The catalogue of a cell as one of its processes sees it.
//!
//! If the copy of the home's rows is old, the customer counts as suspended: its keys are refused,
//! its webhooks are held, and nothing is lost. The age is judged where the rows are used, by what
//! the process last heard, so for a process that cannot reach its database the copy grows older.

use super::CellSeat;
use super::copy::{CopiedRow, CopyState, RowContent, RowKey};
use super::region::Region;
use parking_lot::Mutex;
use sluice_model::{ApiKey, ApiKeyId, Customer, CustomerId, CustomerStatus, clock};
use sluice_ports::catalogue::{Changes, Revision};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The bits of a revision that count how often the set of old copies changed.
const FLIP_BITS: u32 = 20;

/// The rows that a process knows.
#[derive(Default)]
struct ToldRows {
    /// Homes whose copies are too old.
    old: BTreeSet<Region>,
    flips: u64,
    copies: BTreeMap<Region, CopyState>,
    homes: HashMap<CustomerId, Region>,
    customers: BTreeMap<CustomerId, Customer>,
    keys: HashMap<ApiKeyId, ApiKey>,
}

/// The view of one process.
pub(crate) struct CellView {
    seat: CellSeat,
    told: Mutex<ToldRows>,
}

impl CellView {
    pub(crate) fn new(seat: CellSeat) -> Self {
        Self { seat, told: Mutex::default() }
    }

    /// The changes of the cell's database since a revision, with customers of old copies suspended.
    pub(crate) fn changes(&self, since: Revision) -> Changes {
        let (cells, me) = (&self.seat.cells, self.seat.region);
        let catalogue = cells.catalogue(me).lock();
        let mut told = self.told.lock();
        let (revision, rows) = catalogue.changed_since(since.0 >> FLIP_BITS);
        let homes: BTreeSet<Region> = catalogue.rows().map(|row| row.home).collect();
        told.copies = homes.iter().map(|home| (*home, catalogue.copy(*home))).collect();
        let mut changes = Changes::default();
        for row in rows {
            told.take(row, &mut changes);
        }
        let old: BTreeSet<Region> = homes.into_iter().filter(|home| self.is_old(&told, *home)).collect();
        let flipped: BTreeSet<Region> = old.symmetric_difference(&told.old).copied().collect();
        told.flips += u64::from(!flipped.is_empty());
        told.old = old;
        let anew = told.customers.values().filter(|customer| {
            let home = told.homes.get(&customer.id);
            let known = changes.customers.iter().any(|changed| changed.id == customer.id);
            !known && home.is_some_and(|home| flipped.contains(home))
        });
        changes.customers.extend(anew.cloned().collect::<Vec<_>>());
        for customer in &mut changes.customers {
            if told.homes.get(&customer.id).is_some_and(|home| told.old.contains(home)) {
                customer.status = CustomerStatus::Suspended;
            }
        }
        changes.revision = Revision(revision << FLIP_BITS | told.flips);
        changes
    }

    fn is_old(&self, told: &ToldRows, home: Region) -> bool {
        let as_of_ms = told.copies.get(&home).map_or(0, |copy| copy.as_of_ms);
        let age_ms = clock::now_ms().saturating_sub(as_of_ms);
        home != self.seat.region && age_ms > self.seat.cells.copy_age_max_ms()
    }

    /// Whether a customer's rows are too old for accepting events.
    pub(crate) fn refuses(&self, customer: CustomerId) -> bool {
        let told = self.told.lock();
        told.homes.get(&customer).is_some_and(|home| self.is_old(&told, *home))
    }
}

impl ToldRows {
    fn take(&mut self, row: &CopiedRow, changes: &mut Changes) {
        self.homes.insert(row.customer, row.home);
        match (&row.content, row.key) {
            (RowContent::Customer(customer), _) => {
                self.customers.insert(customer.id, customer.clone());
                changes.customers.push(customer.clone());
            }
            (RowContent::Key(key), _) => {
                self.keys.insert(key.id, key.clone());
                changes.keys.push(key.clone());
            }
            (RowContent::Subscription(subscription), _) => changes.subscriptions.push(subscription.clone()),
            (RowContent::Deleted, RowKey::Subscription(id)) => {
                changes.deleted_subscriptions.push((row.customer, id));
            }
            // A key that its customer's home does not know is not a key.
            (RowContent::Deleted, RowKey::Key(id)) => {
                let known = self.keys.get(&id).cloned();
                changes.keys.extend(known.map(|key| ApiKey { revoked_at_ms: Some(0), ..key }));
            }
            (RowContent::Deleted, RowKey::Customer) => {}
        }
    }
}
