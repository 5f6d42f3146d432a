//! Changes of the catalogue that customers request at any cell.

use super::copy::{RowContent, RowKey};
use super::plan::{HomeChange, REGIONS};
use super::region::Region;
use super::run::{ASK_MS, CellsRun};
use crate::stores::{customer_id, key_row, subscription_id, subscription_row};
use sluice_model::{CustomerId, SubscriptionId};

impl CellsRun {
    /// A customer requests a change at a cell, which forwards it to the customer's home.
    pub(super) fn ask_for(&mut self, at: Region, change: HomeChange, now_ms: u64) {
        let at = if self.cells.is_up(at) { at } else { REGIONS[1 - at.place()] };
        let subscriptions = &self.cells.plan.cells[0].subscriptions;
        let customer = match change {
            HomeChange::Subscribe { n } | HomeChange::Note { n } | HomeChange::Unsubscribe { n } => {
                subscriptions[n].customer
            }
            HomeChange::AddKey { customer } | HomeChange::RevokeKeys { customer } => customer,
        };
        let home = self.cells.catalogue(at).lock().home(customer_id(customer)).map(|(home, _)| home);
        let reached = home.filter(|home| self.cells.reaches(at, *home));
        if reached.is_some_and(|home| self.change(home, customer, change, now_ms)) {
            return self.cells.judge().count("changes of the catalogue");
        }
        if now_ms > self.cells.plan.quiet_from_ms() {
            return self.cells.judge().count("changes that were given up");
        }
        self.cells.judge().count("changes refused while a home is away");
        self.asked_again.push_back((now_ms + ASK_MS, at, change));
    }

    /// Makes a change, if the cell takes itself for the customer's home.
    fn change(&self, home: Region, customer: usize, change: HomeChange, now_ms: u64) -> bool {
        let id = customer_id(customer);
        let is_home = self.cells.catalogue(home).lock().home(id).is_some_and(|(region, _)| region == home);
        if !is_home {
            return false;
        }
        let is_true = self.cells.true_home(id) == Some(home);
        if !is_true {
            self.cells.judge().count("changes at a home that was moved away from");
        }
        match change {
            HomeChange::Subscribe { n } => {
                let plan = &self.cells.plan.cells[0].subscriptions[n];
                let row = subscription_row(n, plan, now_ms + 1_000);
                self.put(home, id, RowKey::Subscription(row.id), RowContent::Subscription(row));
            }
            HomeChange::Note { n } => self.note(home, id, subscription_id(n), now_ms),
            HomeChange::Unsubscribe { n } => {
                let key = RowKey::Subscription(subscription_id(n));
                if self.cells.catalogue(home).lock().row(id, key).is_some() {
                    self.put(home, id, key, RowContent::Deleted);
                    if is_true {
                        self.cells.judge().deleted(n, now_ms);
                    }
                }
            }
            HomeChange::AddKey { .. } => {
                let mut keys = self.cells.keys.lock();
                let key = key_row(customer, keys[customer]);
                keys[customer] += 1;
                drop(keys);
                self.put(home, id, RowKey::Key(key.id), RowContent::Key(key));
            }
            HomeChange::RevokeKeys { .. } => self.revoke(home, id, now_ms),
        }
        true
    }

    fn put(&self, home: Region, customer: CustomerId, key: RowKey, content: RowContent) {
        self.cells.tell(|| format!("{key:?} of {customer} changes at {home:?}"));
        if self.cells.with(home, |catalogue| catalogue.change(customer, key, content)).is_err() {
            self.cells.broken("a home takes changes", &format!("{home:?}"));
        }
    }

    /// Changes a subscription's note, if the subscription exists.
    fn note(&self, home: Region, customer: CustomerId, id: SubscriptionId, now_ms: u64) {
        let key = RowKey::Subscription(id);
        let known = self.cells.catalogue(home).lock().row(customer, key).map(|row| row.content.clone());
        if let Some(RowContent::Subscription(mut subscription)) = known {
            subscription.version += 1;
            subscription.description = Some(format!("noted at {now_ms}"));
            self.put(home, customer, key, RowContent::Subscription(subscription));
        }
    }

    /// Revokes all keys of a customer but the newest.
    fn revoke(&self, home: Region, customer: CustomerId, now_ms: u64) {
        let catalogue = self.cells.catalogue(home).lock();
        let keys = catalogue.rows().filter(|row| row.customer == customer);
        let keys = keys.filter_map(|row| match &row.content {
            RowContent::Key(key) if key.revoked_at_ms.is_none() => Some(key.clone()),
            _ => None,
        });
        let mut keys: Vec<_> = keys.collect();
        drop(catalogue);
        keys.pop();
        for mut key in keys {
            key.revoked_at_ms = Some(now_ms);
            self.put(home, customer, RowKey::Key(key.id), RowContent::Key(key));
        }
    }
}
