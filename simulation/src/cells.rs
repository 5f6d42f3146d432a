//! Two cells (`docs/multi-region.md`) in one simulated time. Each is a whole deployment with its
//! own processes and stores, and tells the other little, over a network that is late, loses
//! messages, and is cut.
//!
//! The rules that a product of several regions would take over are pure and have a file each:
//! `region` (ids), `copy` (the catalogue), `inbox` (merged pages).

mod changes;
mod copy;
mod inbox;
mod judge;
mod link;
mod loss;
mod plan;
mod reader;
mod region;
mod run;
mod view;

pub(crate) use run::run;
pub(crate) use view::CellView;

use crate::dice::Dice;
use crate::plan::START_MS;
use crate::planted::Planted;
use crate::stores::{Seat, customer_id, customer_row, key_row, subscription_row};
use crate::world::{NoAnswer, World, sleep_ms, unavailable};
use copy::{CellCatalogue, RowContent, RowKey};
use judge::{Broken, Judge};
use link::Link;
use parking_lot::{Mutex, MutexGuard};
use plan::{CellsPlan, REGIONS};
use region::Region;
use sluice_aws::log::PutRecord;
use sluice_catalogue::directory::Directory;
use sluice_model::{Batch, CustomerId, EventId, Subscription};
use sluice_ports::catalogue::CatalogueError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// How long a copy that was too old may still be refused, by processes that have not heard of the
/// new one.
const FRESH_MS: u64 = 5_000;

/// The state that all cells of a run share: their catalogues, the network between them, and the judge.
pub(crate) struct Cells {
    plan: CellsPlan,
    planted: Option<Planted>,
    catalogues: [Mutex<CellCatalogue>; 2],
    /// Whether each cell's processes are running.
    up: [AtomicBool; 2],
    link: Mutex<Link>,
    /// The cell that each producer sends to.
    producers: Mutex<Vec<Region>>,
    /// How many keys of each customer were ever made.
    keys: Mutex<Vec<u64>>,
    /// When each cell last had an old copy.
    old_ms: [AtomicU64; 2],
    /// Records that the other cell stores as well, if that fault is planted.
    mirrored: Mutex<Vec<(Region, PutRecord)>>,
    dice: Mutex<Dice>,
    judge: Mutex<Judge>,
    broken: Mutex<Option<String>>,
    pub(crate) trace: Mutex<Vec<String>>,
}

impl Cells {
    fn new(seed: u64, planted: Option<Planted>, plan: CellsPlan) -> Self {
        let clients = plan.cells[0].clients;
        let cells = Self {
            planted,
            catalogues: REGIONS.map(|region| Mutex::new(CellCatalogue::new(region))),
            up: [true, true].map(AtomicBool::new),
            link: Mutex::default(),
            producers: Mutex::new((0..clients).map(|number| REGIONS[number % 2]).collect()),
            keys: Mutex::new(vec![1; plan.customers()]),
            old_ms: Default::default(),
            mirrored: Mutex::default(),
            dice: Mutex::new(Dice::new(seed ^ 0x11_4c)),
            judge: Mutex::new(Judge::new(&plan)),
            broken: Mutex::default(),
            trace: Mutex::default(),
            plan,
        };
        cells.fill();
        cells
    }

    /// Makes every second customer's home the other cell; each cell has copied the other's rows.
    fn fill(&self) {
        let plan = &self.plan.cells[0];
        for (n, fan_out) in plan.customers.iter().enumerate() {
            let (mut home, key) = (self.catalogues[n % 2].lock(), key_row(n, 0));
            home.make(customer_row(n, *fan_out));
            let made = home.change(customer_id(n), RowKey::Key(key.id), RowContent::Key(key));
            debug_assert!(made.is_ok(), "its home");
        }
        for (n, subscription) in plan.subscriptions.iter().enumerate().take(self.plan.first_subscriptions) {
            let row = subscription_row(n, subscription, START_MS - 1_000);
            let (key, content) = (RowKey::Subscription(row.id), RowContent::Subscription(row));
            let made = self.catalogues[subscription.customer % 2].lock().change(
                customer_id(subscription.customer),
                key,
                content,
            );
            debug_assert!(made.is_ok(), "its home");
        }
        for (here, there) in [(0, 1), (1, 0)] {
            let answer = self.catalogues[there].lock().answer(0);
            self.with(REGIONS[here], |catalogue| catalogue.apply(REGIONS[there], &answer, START_MS));
        }
    }

    fn now_ms() -> u64 {
        crate::entropy::true_ms()
    }

    fn roll(&self) -> u64 {
        self.dice.lock().next()
    }

    pub(crate) fn catalogue(&self, region: Region) -> &Mutex<CellCatalogue> {
        &self.catalogues[region.place()]
    }

    pub(crate) const fn copy_age_max_ms(&self) -> u64 {
        match self.planted {
            Some(Planted::AgelessCopy) => u64::MAX / 2,
            _ => self.plan.copy_age_max_ms,
        }
    }

    fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock()
    }

    fn tell(&self, line: impl FnOnce() -> String) {
        let now = Self::now_ms().saturating_sub(START_MS);
        self.trace.lock().push(format!("{:>3}.{:03} {}", now / 1000, now % 1000, line()));
    }

    /// Notes a broken promise. The first one ends the run.
    fn broken(&self, promise: &str, how: &str) {
        self.tell(|| format!("BROKEN {promise}: {how}"));
        self.broken.lock().get_or_insert_with(|| format!("{promise}: {how}"));
    }

    fn break_if(&self, broken: Option<Broken>) {
        if let Some((promise, how)) = broken {
            self.broken(promise, &how);
        }
    }

    /// Changes a cell's database, and judges it afterwards.
    fn with<R>(&self, region: Region, change: impl FnOnce(&mut CellCatalogue) -> R) -> R {
        let mut catalogue = self.catalogue(region).lock();
        let changed = change(&mut catalogue);
        let broken = self.judge().look(region, &catalogue, Self::now_ms());
        drop(catalogue);
        self.break_if(broken);
        changed
    }

    fn is_up(&self, region: Region) -> bool {
        self.up[region.place()].load(Relaxed)
    }

    /// Whether a cell reaches another now.
    fn reaches(&self, from: Region, to: Region) -> bool {
        from == to || (self.is_up(from) && self.is_up(to) && !self.link.lock().is_cut(Self::now_ms()))
    }

    /// Whether the next message between cells is lost.
    fn loses(&self) -> bool {
        let is_quiet = Self::now_ms() >= self.plan.quiet_from_ms();
        !is_quiet && self.roll() % 1000 < self.plan.lost
    }

    /// A customer's home, according to its latest epoch.
    fn true_home(&self, customer: CustomerId) -> Option<Region> {
        let homes = REGIONS.iter().filter_map(|region| self.catalogue(*region).lock().home(customer));
        homes.max_by_key(|(_, epoch)| *epoch).map(|(home, _)| home)
    }

    /// The age of a cell's copy of a customer's rows; 0 if the cell takes itself for the home.
    fn age_ms(&self, region: Region, customer: CustomerId) -> u64 {
        let catalogue = self.catalogue(region).lock();
        catalogue.home(customer).map_or(0, |(home, _)| catalogue.age_ms(home, Self::now_ms()))
    }
}

/// A world's place among the cells.
#[derive(Clone)]
pub(crate) struct CellSeat {
    pub(crate) region: Region,
    pub(crate) cells: Arc<Cells>,
}

impl CellSeat {
    /// The prefix of the cell's lines in the trace.
    pub(crate) const fn name(&self) -> &'static str {
        if self.region.place() == 0 { "A " } else { "B " }
    }

    /// Notes that the cell's stream stored a record.
    pub(crate) fn stored(&self, record: &PutRecord, batches: &[Arc<Batch>]) {
        let mut judge = self.cells.judge();
        for batch in batches {
            (0..batch.len()).for_each(|index| judge.stored(self.region, batch.event_id(index)));
        }
        drop(judge);
        if self.cells.planted == Some(Planted::BothDeliver) && self.cells.roll().is_multiple_of(8) {
            let other = REGIONS[1 - self.region.place()];
            self.cells.mirrored.lock().push((other, record.clone()));
        }
    }

    /// Whether the cell ever held webhooks because its copy was too old.
    pub(crate) fn had_an_old_copy(&self) -> bool {
        self.cells.old_ms[self.region.place()].load(Relaxed) > 0
    }

    /// Whether the cell owes an event to a subscription that wants its type.
    pub(crate) fn owes(&self, n: usize, stored_ms: u64, id: EventId) -> bool {
        self.cells.judge().owes(self.region, n, stored_ms, id)
    }

    pub(crate) fn gone(&self, n: usize, now_ms: u64) {
        self.cells.judge().gone(n, now_ms);
    }

    pub(crate) fn gone_ms(&self, n: usize) -> Option<u64> {
        self.cells.judge().gone_ms(n)
    }

    /// Notes that the cell sends events to a subscription.
    pub(crate) fn posts(&self, n: usize, ids: &[(EventId, CustomerId)]) {
        let Some((_, customer)) = ids.first() else { return };
        let age_ms = self.cells.age_ms(self.region, *customer);
        let mut events = ids.iter().map(|(id, _)| *id);
        let broken = self.cells.judge().posts(self.region, n, &mut events, age_ms, Cells::now_ms());
        self.cells.break_if(broken);
    }

    /// Changes a subscription for a process: its cell forwards the change to the customer's home.
    pub(crate) async fn put_subscription(
        &self,
        seat: &Seat,
        new: Subscription,
    ) -> Result<(), CatalogueError> {
        const WHAT: &str = "put a subscription";
        let cells = Arc::clone(&self.cells);
        let (me, customer) = (self.region, new.customer);
        let home = cells.catalogue(me).lock().home(customer);
        let Some((home, _)) = home else { return Err(CatalogueError::NotFound) };
        let away = |why| CatalogueError::Port(unavailable(WHAT, why));
        if home != me {
            sleep_ms(1 + cells.roll() % cells.plan.latency_ms).await;
            if cells.loses() || !cells.reaches(me, home) {
                sleep_ms(500).await;
                return Err(away(NoAnswer::Unclear));
            }
        }
        let effect = move |world: &World| {
            world.tell(|| format!("subscription {} is {:?}", new.id, new.status));
            cells.with(home, |catalogue| {
                let key = RowKey::Subscription(new.id);
                let known = catalogue.row(customer, key).map(|row| &row.content);
                let is_next = matches!(known, Some(RowContent::Subscription(known)) if known.version + 1 == new.version);
                is_next && catalogue.change(customer, key, RowContent::Subscription(new)).is_ok()
            })
        };
        let made = seat.ask(crate::plan::Service::Catalogue, WHAT, effect).await?;
        if home != me && (self.cells.loses() || !self.cells.reaches(me, home)) {
            return Err(away(NoAnswer::Unclear));
        }
        if made { Ok(()) } else { Err(CatalogueError::Conflict("another version".into())) }
    }
}

/// The door of an ingest process in a cell: which producers it lets in, and which keys it takes.
pub(crate) struct CellDoor {
    seat: CellSeat,
    directory: Arc<Directory>,
    view: Arc<CellView>,
}

impl CellDoor {
    /// The door of an ingest process, if its world is a cell.
    pub(crate) fn new(
        world: &World,
        directory: &Arc<Directory>,
        view: Option<Arc<CellView>>,
    ) -> Option<Self> {
        let (seat, view) = (world.cell.clone()?, view?);
        Some(Self { seat, directory: Arc::clone(directory), view })
    }

    /// Whether a producer sends to this cell and has a key that the cell takes.
    pub(crate) fn lets_in(&self, number: usize, customer: usize) -> bool {
        let (cells, me) = (&self.seat.cells, self.seat.region);
        let wanted = cells.producers.lock()[number];
        if wanted != me && cells.is_up(wanted) {
            return false;
        }
        let (id, now_ms) = (customer_id(customer), Cells::now_ms());
        let made = cells.keys.lock()[customer];
        let mut keys = (0..made).rev().map(|n| key_row(customer, n));
        let taken = keys.find(|key| {
            let known = self.directory.key(&key.hash);
            known.is_some_and(|known| known.is_valid() && known.customer().is_active())
        });
        let age_ms = cells.age_ms(me, id);
        let mut judge = cells.judge();
        if self.view.refuses(id) {
            judge.count("requests refused because a copy is too old");
            return false;
        }
        let broken = match &taken {
            Some(key) => judge.admits(me, key.id, age_ms, now_ms),
            None => {
                judge.count("requests refused for their key");
                let is_fresh = now_ms > cells.old_ms[me.place()].load(Relaxed) + FRESH_MS;
                let mut keys = (0..made).filter(|_| is_fresh).map(|n| key_row(customer, n).id);
                keys.find_map(|key| judge.refuses(me, key, now_ms))
            }
        };
        drop(judge);
        cells.break_if(broken);
        taken.is_some()
    }
}
