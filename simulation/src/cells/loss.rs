//! The losses with a lost region, and the new home of its customers.

use super::Cells;
use super::plan::REGIONS;
use super::region::Region;
use super::run::CellsRun;
use crate::stores::subscription_id;
use sluice_ports::log::Position;
use std::collections::BTreeSet;

/// How far settled times may be wrong, because clocks differ.
const CLOCKS_APART_MS: u64 = 500;

impl CellsRun {
    /// Reports what is lost with a region, and judges it by the region's own figures.
    pub(super) fn tell_loss(&self, region: Region, now_ms: u64) {
        let world = &self.worlds[region.place()];
        let undelivered = world.ledger.lock().undelivered(world);
        let (table, shards, stored) = (world.table.lock(), world.shards.lock(), world.stored.lock());
        let own = table
            .leases
            .values()
            .filter(|row| row.checkpoint != Position::END && shards.shard_of(row).is_some());
        let lag_ms = own.filter_map(|row| Some(now_ms.saturating_sub(row.settled_ms?))).max();
        let (mut lost, mut waited, mut oldest_ms) = (BTreeSet::new(), BTreeSet::new(), 0);
        for (id, n, at_ms) in undelivered {
            let age_ms = now_ms.saturating_sub(at_ms);
            oldest_ms = age_ms.max(oldest_ms);
            lost.insert(id);
            if stored.accounts_for(id, subscription_id(n)) {
                waited.insert(id);
            } else if lag_ms.is_some_and(|lag_ms| age_ms > lag_ms + CLOCKS_APART_MS) {
                let how = format!("{id} is {age_ms} ms old, and the lag is {lag_ms:?} ms");
                self.cells.broken("what a lost region had not settled is no older than its lag", &how);
            }
        }
        let mut judge = self.cells.judge();
        judge.add("events lost with their region", lost.len() as u64);
        judge.add("events lost with their region that waited for a retry", waited.len() as u64);
        judge.add("dead letters lost with their region", stored.letters.len() as u64);
        judge.most("age (ms) of an event lost with its region, at the most", oldest_ms);
        let delivered = world.ledger.lock().accepted_events().count() - lost.len();
        judge.add("events of a lost region that were delivered before", delivered as u64);
    }

    /// An operator makes the other cell the home of a lost one's customers.
    pub(super) fn move_homes(&mut self, from: Region) {
        let to = REGIONS[1 - from.place()];
        if self.cells.is_up(from) || !self.cells.is_up(to) {
            return;
        }
        self.tell_lost_changes(from, to);
        let moved = self.cells.with(to, |catalogue| catalogue.adopt_all_of(from));
        self.declared.insert(from);
        self.cells.judge().add("homes moved", moved as u64);
        if self.lost.contains(&from) {
            self.readers.iter_mut().for_each(|reader| reader.forget(from));
        }
    }

    /// Reports changes that were made at a home and not copied before the home was declared lost.
    fn tell_lost_changes(&self, from: Region, to: Region) {
        let (home, copy) = (self.cells.catalogue(from).lock(), self.cells.catalogue(to).lock());
        let as_of_ms = copy.copy(from).as_of_ms;
        let mut judge = self.cells.judge();
        let mut broken = None;
        for row in home.rows().filter(|row| row.home == from) {
            let copied = copy.row(row.customer, row.key).is_some_and(|known| known.version >= row.version);
            if copied {
                continue;
            }
            judge.count("changes lost with their home");
            let made_ms = judge.changed_ms(from, row);
            judge.most(
                "age (ms) of a change lost with its home, at the most",
                Cells::now_ms().saturating_sub(made_ms),
            );
            if made_ms + CLOCKS_APART_MS < as_of_ms {
                let how = format!("{:?} of {made_ms}, copied as of {as_of_ms}", row.key);
                broken = Some(("only changes since the last copy are lost with a home", how));
            }
        }
        drop(judge);
        self.cells.break_if(broken);
    }
}
