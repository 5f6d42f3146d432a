//! The catalogue of a cell: rows of its own customers, and copies of the others' rows. Pure.
//!
//! Each customer has a home, which alone changes its rows, each change under a new revision.
//! Other cells ask a home for its changes since a revision and apply the answer. Answers may
//! come twice, late and in any order.
//!
//! - A row's version is the epoch of its customer's home, then the home's revision. A version
//!   never goes back.
//! - A home that moves gets a new epoch, and all rows of the customer get new revisions in the
//!   new home. So an answer with a new epoch of a customer has all its rows; other rows belong
//!   to a previous home, were never copied to the new one, and are deleted.
//! - An answer to "since 7" is applied only if everything up to 7 is known.
//! - The age of a copy counts from the question that it answers, so no clock of another region
//!   is used.

use super::region::Region;
use sluice_model::{ApiKey, ApiKeyId, Customer, CustomerId, Subscription, SubscriptionId};
use std::collections::{BTreeMap, BTreeSet};

/// The version of a row's state, by which the newer of two states is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowVersion {
    /// How often the customer's home moved.
    pub(crate) epoch: u64,
    /// The revision of that home.
    pub(crate) revision: u64,
}

/// A row of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum RowKey {
    Customer,
    Key(ApiKeyId),
    Subscription(SubscriptionId),
}

/// The content of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RowContent {
    Customer(Customer),
    Key(ApiKey),
    Subscription(Subscription),
    /// The row was deleted, or was at a previous home from which nobody copied it.
    Deleted,
}

/// A row as cells send it to each other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CopiedRow {
    pub(crate) customer: CustomerId,
    pub(crate) key: RowKey,
    pub(crate) home: Region,
    pub(crate) version: RowVersion,
    pub(crate) content: RowContent,
}

/// The answer of a home.
#[derive(Debug, Clone)]
pub(crate) struct CopyAnswer {
    pub(crate) since: u64,
    pub(crate) revision: u64,
    pub(crate) rows: Vec<CopiedRow>,
}

/// How much of a home's rows is copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CopyState {
    pub(crate) revision: u64,
    /// Everything that the home had at this time is copied: the time of the question, on this
    /// cell's clock.
    pub(crate) as_of_ms: u64,
}

/// A cell's database.
#[derive(Debug)]
pub(crate) struct CellCatalogue {
    me: Region,
    /// Raised by every change of any row; the cell's processes poll it.
    revision: u64,
    /// Each row with the cell's own revision.
    rows: BTreeMap<(CustomerId, RowKey), (u64, CopiedRow)>,
    copies: BTreeMap<Region, CopyState>,
}

/// The effect of applying an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct AppliedAnswer {
    /// Rows that are newer now.
    pub(crate) rows: usize,
    /// Rows of a previous home, which were left out.
    pub(crate) of_former_homes: usize,
    /// Rows here that nobody copied before their home moved: their changes are undone.
    pub(crate) undone: usize,
}

impl CellCatalogue {
    /// A database without rows.
    pub(crate) const fn new(me: Region) -> Self {
        Self { me, revision: 0, rows: BTreeMap::new(), copies: BTreeMap::new() }
    }

    /// A customer's home and its epoch.
    pub(crate) fn home(&self, customer: CustomerId) -> Option<(Region, u64)> {
        let (_, row) = self.rows.get(&(customer, RowKey::Customer))?;
        Some((row.home, row.version.epoch))
    }

    /// A row as it is now.
    pub(crate) fn row(&self, customer: CustomerId, key: RowKey) -> Option<&CopiedRow> {
        self.rows.get(&(customer, key)).map(|(_, row)| row)
    }

    /// All rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &CopiedRow> {
        self.rows.values().map(|(_, row)| row)
    }

    /// The rows that changed after a revision of this cell, and the revision after them.
    pub(crate) fn changed_since(&self, since: u64) -> (u64, Vec<&CopiedRow>) {
        let changed = self.rows.values().filter(|(revision, _)| *revision > since);
        (self.revision, changed.map(|(_, row)| row).collect())
    }

    /// Stores a row unchanged, replacing an earlier one.
    pub(super) fn put(&mut self, row: CopiedRow) {
        self.revision += 1;
        self.rows.insert((row.customer, row.key), (self.revision, row));
    }

    /// Makes a customer whose home is here.
    pub(crate) fn make(&mut self, customer: Customer) {
        let version = RowVersion { epoch: 1, revision: self.revision + 1 };
        let (id, home) = (customer.id, self.me);
        let content = RowContent::Customer(customer);
        self.put(CopiedRow { customer: id, key: RowKey::Customer, home, version, content });
    }

    /// Changes a row of a customer whose home is here; else returns its home.
    pub(crate) fn change(
        &mut self,
        customer: CustomerId,
        key: RowKey,
        content: RowContent,
    ) -> Result<(), Option<Region>> {
        match self.home(customer) {
            Some((home, epoch)) if home == self.me => {
                let version = RowVersion { epoch, revision: self.revision + 1 };
                self.put(CopiedRow { customer, key, home, version, content });
                Ok(())
            }
            home => Err(home.map(|(region, _)| region)),
        }
    }

    /// Makes this cell the home of all customers of another, lost cell. All their rows get a new
    /// epoch and revisions of this cell.
    pub(crate) fn adopt_all_of(&mut self, lost: Region) -> usize {
        let rows = self.rows().filter(|row| row.home == lost).cloned().collect::<Vec<_>>();
        let homes = rows.iter().filter(|row| row.key == RowKey::Customer).count();
        for row in rows {
            let Some((_, epoch)) = self.home(row.customer) else { continue };
            // The customer's own row comes first, so `epoch` is the new epoch for the other rows.
            let epoch = if row.key == RowKey::Customer { epoch + 1 } else { epoch };
            let version = RowVersion { epoch, revision: self.revision + 1 };
            self.put(CopiedRow { home: self.me, version, ..row });
        }
        homes
    }

    /// Answers another cell: the rows of this home that changed since a revision.
    pub(crate) fn answer(&self, since: u64) -> CopyAnswer {
        let own = self.rows().filter(|row| row.home == self.me && row.version.revision > since);
        CopyAnswer { since, revision: self.revision, rows: own.cloned().collect() }
    }

    /// How much of a home is copied.
    pub(crate) fn copy(&self, home: Region) -> CopyState {
        self.copies.get(&home).copied().unwrap_or_default()
    }

    /// Applies a home's answer to the question asked at `asked_ms`.
    pub(crate) fn apply(&mut self, from: Region, answer: &CopyAnswer, asked_ms: u64) -> AppliedAnswer {
        let mut applied = AppliedAnswer::default();
        let known = self.copy(from);
        if answer.since > known.revision {
            return applied;
        }
        let epochs: BTreeMap<CustomerId, u64> =
            answer.rows.iter().map(|row| (row.customer, row.version.epoch)).collect();
        let moved: BTreeSet<CustomerId> = epochs
            .into_iter()
            .filter(|(customer, epoch)| self.home(*customer).is_some_and(|(_, known)| *epoch > known))
            .map(|(customer, _)| customer)
            .collect();
        for row in &answer.rows {
            let epoch = self.home(row.customer).map_or(0, |(_, epoch)| epoch);
            if row.version.epoch < epoch {
                applied.of_former_homes += 1;
                continue;
            }
            let newer = self.row(row.customer, row.key).is_none_or(|known| row.version > known.version);
            if newer {
                self.put(row.clone());
                applied.rows += 1;
            }
        }
        for customer in moved {
            applied.undone += self.drop_former(customer);
        }
        let revision = known.revision.max(answer.revision);
        self.copies.insert(from, CopyState { revision, as_of_ms: known.as_of_ms.max(asked_ms) });
        applied
    }

    /// Deletes the rows of a customer that are not at its present home.
    fn drop_former(&mut self, customer: CustomerId) -> usize {
        let Some((home, epoch)) = self.home(customer) else { return 0 };
        let former = self.rows().filter(|row| row.customer == customer && row.version.epoch < epoch);
        let former: Vec<CopiedRow> = former.cloned().collect();
        for row in &former {
            let version = RowVersion { epoch, ..row.version };
            let content = RowContent::Deleted;
            self.put(CopiedRow { home, version, content, ..row.clone() });
        }
        former.len()
    }

    /// The age of the copy of a customer's rows; 0 if its home is here.
    pub(crate) fn age_ms(&self, home: Region, now_ms: u64) -> u64 {
        if home == self.me { 0 } else { now_ms.saturating_sub(self.copy(home).as_of_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;
    use crate::plan::START_MS;
    use crate::stores::{customer_id, customer_row, key_row};

    const HERE: Region = Region::new(0).expect("a region");
    const THERE: Region = Region::new(1).expect("a region");

    fn key(n: u64) -> (RowKey, RowContent) {
        let row = key_row(0, n);
        (RowKey::Key(row.id), RowContent::Key(row))
    }

    /// Two cells: the customer's home, and a cell with the copy.
    fn cells() -> (CellCatalogue, CellCatalogue) {
        let (mut here, mut there) = (CellCatalogue::new(HERE), CellCatalogue::new(THERE));
        here.make(customer_row(0, 1));
        there.apply(HERE, &here.answer(0), START_MS);
        (here, there)
    }

    fn contents(cell: &CellCatalogue) -> Vec<(RowKey, RowContent)> {
        let lasting = cell.rows().filter(|row| row.content != RowContent::Deleted);
        lasting.map(|row| (row.key, row.content.clone())).collect()
    }

    #[test]
    fn answers_in_any_order_and_number_lead_to_the_home_s_rows_and_no_version_goes_back() {
        for seed in 0..200 {
            let mut dice = Dice::new(seed);
            let (mut here, mut there) = cells();
            let mut answers = Vec::new();
            for _ in 0..20 {
                let (row, mut content) = key(dice.within(0, 4));
                if let (RowContent::Key(key), true) = (&mut content, dice.often(300)) {
                    key.revoked_at_ms = Some(START_MS);
                }
                here.change(customer_id(0), row, content).expect("its home");
                answers.push(here.answer(dice.within(0, 1 + there.copy(HERE).revision)));
                let place = dice.within(0, answers.len() as u64) as usize;
                let before: Vec<_> = there.rows().cloned().collect();
                there.apply(HERE, &answers[place], START_MS);
                for row in before {
                    let now = there.row(row.customer, row.key).expect("no row goes");
                    assert!(now.version >= row.version, "seed {seed}");
                }
            }
            there.apply(HERE, &here.answer(there.copy(HERE).revision), START_MS);
            assert_eq!(contents(&here), contents(&there), "seed {seed}");
        }
    }

    #[test]
    fn an_answer_that_begins_beyond_the_copy_is_not_applied() {
        let (mut here, mut there) = cells();
        for n in 0..2 {
            let (row, content) = key(n);
            here.change(customer_id(0), row, content).expect("its home");
        }
        let before = there.copy(HERE);
        let late = here.answer(before.revision + 1);
        assert_eq!(there.apply(HERE, &late, START_MS + 9), AppliedAnswer::default());
        assert_eq!(there.copy(HERE), before);
    }

    #[test]
    fn a_home_that_comes_back_after_a_move_changes_nothing_and_gives_up_what_nobody_copied() {
        let (mut here, mut there) = cells();
        let (copied, content) = key(1);
        here.change(customer_id(0), copied, content.clone()).expect("its home");
        there.apply(HERE, &here.answer(0), START_MS);
        let (alone, lost) = key(2);
        here.change(customer_id(0), alone, lost).expect("its home");
        assert_eq!(there.adopt_all_of(HERE), 1);
        // The home comes back, and is asked before it hears of the move.
        let stale = there.apply(HERE, &here.answer(0), START_MS + 1);
        assert_eq!(stale, AppliedAnswer { of_former_homes: 3, ..AppliedAnswer::default() });
        let heard = here.apply(THERE, &there.answer(0), START_MS + 2);
        assert_eq!(heard, AppliedAnswer { rows: 2, undone: 1, ..AppliedAnswer::default() });
        assert_eq!(contents(&here), contents(&there));
        assert_eq!(here.home(customer_id(0)), Some((THERE, 2)));
        assert_eq!(here.change(customer_id(0), copied, content), Err(Some(THERE)));
    }

    #[test]
    fn a_copy_is_as_old_as_its_question_and_one_s_own_rows_are_new() {
        let (here, there) = cells();
        assert_eq!(there.age_ms(HERE, START_MS + 70), 70);
        assert_eq!(here.age_ms(HERE, START_MS + 70), 0);
    }
}
