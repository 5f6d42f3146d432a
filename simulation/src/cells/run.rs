//! A run of two cells: faults and changes, step by step, until every promise is accounted for.

use super::copy::RowContent;
use super::link::{Letter, LinkMessage};
use super::plan::{CellAction, CellsPlan, HomeChange, REGIONS};
use super::reader::{InboxReader, POLL_MS};
use super::region::Region;
use super::{CellSeat, Cells};
use crate::entropy::{self, Now};
use crate::plan::{PATIENCE_MS, START_MS, STEP_MS};
use crate::planted::Planted;
use crate::process::Role;
use crate::run::{EVERY_202, RunOutcome, SimulatedRun, prepare, told};
use crate::stores::customer_id;
use crate::stream;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// How often a cell asks another for changes, and how often a customer repeats a request.
pub(super) const ASK_MS: u64 = 500;
/// The tasks of a cell that ask at the same time, one in each of its processes.
const COPIERS: u64 = 2;

pub(super) struct CellsRun {
    pub(super) cells: Arc<Cells>,
    pub(super) worlds: [Arc<World>; 2],
    runs: [SimulatedRun; 2],
    pub(super) readers: Vec<InboxReader>,
    actions: VecDeque<(u64, CellAction)>,
    /// The time at which each cell that is away comes back.
    back: Vec<(u64, Region)>,
    /// Cells that are lost for good, and those that an operator declared lost.
    pub(super) lost: BTreeSet<Region>,
    pub(super) declared: BTreeSet<Region>,
    /// Changes that customers request again.
    pub(super) asked_again: VecDeque<(u64, Region, HomeChange)>,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, planted: Option<Planted>) -> RunOutcome {
    prepare(seed);
    let plan = CellsPlan::from_seed(seed);
    let cells = Arc::new(Cells::new(seed, planted, plan.clone()));
    cells.tell(|| format!("{:?}", plan.actions));
    let worlds = REGIONS.map(|region| {
        let seat = CellSeat { region, cells: Arc::clone(&cells) };
        let own = plan.cells[region.place()].clone();
        World::in_cell(seed * 2 + region.place() as u64, planted, own, Some(seat))
    });
    let mut run = CellsRun {
        runs: [0, 1].map(|place| SimulatedRun::new(&worlds[place])),
        readers: (0..plan.customers())
            .map(|customer| InboxReader::new(customer_id(customer), REGIONS[customer % 2]))
            .collect(),
        actions: plan.actions.into(),
        back: Vec::new(),
        lost: BTreeSet::new(),
        declared: BTreeSet::new(),
        asked_again: VecDeque::new(),
        cells: Arc::clone(&cells),
        worlds,
    };
    run.go();
    run.outcome(seed)
}

impl CellsRun {
    fn go(&mut self) {
        self.runs.iter_mut().for_each(SimulatedRun::start_all);
        let mut now_ms = START_MS;
        while self.verdict().is_none() {
            now_ms += STEP_MS;
            self.step(now_ms);
            let Some(left) = self.left(now_ms) else { continue };
            if left.is_empty() {
                let kept = REGIONS.iter().filter(|region| !self.lost.contains(region));
                let worlds = kept.map(|region| &self.worlds[region.place()]);
                worlds.for_each(|world| world.ledger.lock().check_end(world));
                return;
            }
            if now_ms > self.cells.plan.quiet_from_ms() + PATIENCE_MS {
                let promise = format!("{EVERY_202}, and in the inbox");
                self.cells.broken(&promise, &told(&left));
            }
        }
    }

    fn verdict(&self) -> Option<String> {
        let of_worlds = self.worlds.iter().find_map(|world| world.verdict());
        self.cells.broken.lock().clone().or(of_worlds)
    }

    fn outcome(mut self, seed: u64) -> RunOutcome {
        self.runs.iter_mut().for_each(SimulatedRun::stop_all);
        let mut counts: BTreeMap<&'static str, u64> = self.cells.judge().counts.clone();
        for world in &self.worlds {
            for (name, count) in &world.ledger.lock().counts {
                *counts.entry(name).or_default() += count;
            }
        }
        let trace = self.cells.trace.lock().clone();
        RunOutcome::new(seed, self.verdict(), trace, counts)
    }

    fn step(&mut self, now_ms: u64) {
        entropy::set(Now::At(now_ms));
        while let Some((_, action)) = self.actions.pop_front_if(|(due_ms, _)| *due_ms <= now_ms) {
            self.cells.tell(|| format!("{action:?}"));
            self.act(action, now_ms);
        }
        let due: Vec<Region> =
            self.back.iter().filter(|(due_ms, _)| *due_ms <= now_ms).map(|(_, who)| *who).collect();
        self.back.retain(|(due_ms, _)| *due_ms > now_ms);
        due.into_iter().for_each(|region| self.come_back(region));
        while let Some((_, at, change)) = self.asked_again.pop_front_if(|(again, ..)| *again <= now_ms) {
            self.ask_for(at, change, now_ms);
        }
        if now_ms.is_multiple_of(ASK_MS / COPIERS) {
            REGIONS.iter().for_each(|region| self.ask_home(*region, now_ms));
        }
        self.deliver(now_ms);
        if now_ms.is_multiple_of(POLL_MS) {
            self.read();
        }
        for region in REGIONS.into_iter().filter(|region| self.cells.is_up(*region)) {
            self.runs[region.place()].step(now_ms);
        }
        entropy::set(Now::At(now_ms));
        let mirrored = std::mem::take(&mut *self.cells.mirrored.lock());
        for (to, record) in mirrored.into_iter().filter(|(to, _)| self.cells.is_up(*to)) {
            stream::store(&self.worlds[to.place()], &record);
        }
        // Drops the copies that storing the mirrored records made in turn.
        self.cells.mirrored.lock().clear();
    }

    fn act(&mut self, action: CellAction, now_ms: u64) {
        let quiet_ms = self.cells.plan.quiet_from_ms();
        match action {
            CellAction::CutOff { for_ms } => {
                self.cells.link.lock().cut((now_ms + for_ms).min(quiet_ms));
                self.cells.judge().count("partitions");
            }
            CellAction::Away { region, for_ms } => {
                self.go_down(region);
                self.back.push(((now_ms + for_ms).min(quiet_ms), region));
                self.cells.judge().count("regions away");
            }
            CellAction::Lose { region } => {
                self.tell_loss(region, now_ms);
                self.go_down(region);
                self.lost.insert(region);
                self.cells.judge().count("regions lost");
            }
            CellAction::Move { from } => self.move_homes(from),
            CellAction::Producer { number, to } => self.cells.producers.lock()[number] = to,
            CellAction::Change { at, change } => self.ask_for(at, change, now_ms),
        }
    }

    fn go_down(&mut self, region: Region) {
        self.runs[region.place()].stop_all();
        self.cells.up[region.place()].store(false, Relaxed);
    }

    fn come_back(&mut self, region: Region) {
        self.cells.tell(|| format!("{region:?} is back"));
        self.cells.up[region.place()].store(true, Relaxed);
        self.declared.remove(&region);
        self.runs[region.place()].start_all();
    }

    /// Lets one of a cell's copiers ask the other cell for changes.
    fn ask_home(&self, region: Region, now_ms: u64) {
        let catalogue = self.cells.catalogue(region).lock();
        let to = REGIONS[1 - region.place()];
        let old = catalogue.age_ms(to, now_ms) + ASK_MS * 2 > self.cells.plan.copy_age_max_ms;
        if old && catalogue.rows().any(|row| row.home == to) {
            self.cells.old_ms[region.place()].store(now_ms, Relaxed);
        }
        if self.cells.is_up(region) && self.runs[region.place()].has(Role::Ingest) {
            let since = catalogue.copy(to).revision;
            self.send(
                Letter { from: region, to, asked_ms: now_ms, message: LinkMessage::Ask { since } },
                now_ms,
            );
        }
    }

    fn send(&self, letter: Letter, now_ms: u64) {
        if !self.cells.loses() {
            let (latency_ms, roll) = (self.cells.plan.latency_ms, self.cells.roll());
            self.cells.link.lock().send(letter, now_ms, latency_ms, roll);
        }
    }

    /// Delivers letters that have arrived.
    fn deliver(&self, now_ms: u64) {
        loop {
            let arrived = self.cells.link.lock().arrived(now_ms);
            let Some(Letter { from, to, asked_ms, message }) = arrived else { return };
            if !self.cells.is_up(to) {
                continue;
            }
            match message {
                LinkMessage::Ask { since } => {
                    let answer = self.cells.catalogue(to).lock().answer(since);
                    let message = LinkMessage::Answer(answer);
                    self.send(Letter { from: to, to: from, asked_ms, message }, now_ms);
                }
                LinkMessage::Answer(answer) => {
                    let applied = self.cells.with(to, |catalogue| {
                        if self.cells.planted == Some(Planted::OlderRows) {
                            answer.rows.iter().for_each(|row| catalogue.put(row.clone()));
                        }
                        catalogue.apply(from, &answer, asked_ms)
                    });
                    let mut judge = self.cells.judge();
                    judge.add("rows copied", applied.rows as u64);
                    judge.add("rows of a former home, left out", applied.of_former_homes as u64);
                    judge.add("changes undone because their home had moved", applied.undone as u64);
                }
            }
        }
    }

    fn read(&mut self) {
        let regions: Vec<Region> =
            REGIONS.into_iter().filter(|region| !self.declared.contains(region)).collect();
        for reader in &mut self.readers {
            reader.poll(&self.cells, &self.worlds, &regions);
        }
    }

    /// What the run still waits for; `None` between two looks.
    fn left(&self, now_ms: u64) -> Option<Vec<String>> {
        let kept: Vec<Region> = REGIONS.into_iter().filter(|region| !self.lost.contains(region)).collect();
        if kept.iter().any(|region| !self.cells.is_up(*region)) || !self.actions.is_empty() {
            return None;
        }
        let mut left = Vec::new();
        for region in &kept {
            left.extend(self.runs[region.place()].left(now_ms)?);
        }
        if left.is_empty() {
            for (reader, region) in
                self.readers.iter().flat_map(|reader| kept.iter().map(move |region| (reader, *region)))
            {
                left.extend(reader.left(&self.worlds[region.place()], region));
            }
            if kept.len() == REGIONS.len() {
                left.extend(self.copies_that_differ());
            }
        }
        Some(left)
    }

    /// Customers whose rows differ between the cells.
    fn copies_that_differ(&self) -> Vec<String> {
        let [one, two] = REGIONS.map(|region| self.cells.catalogue(region).lock());
        let rows = |catalogue: &super::CellCatalogue| {
            let lasting = catalogue.rows().filter(|row| row.content != RowContent::Deleted);
            lasting.map(|row| ((row.customer, row.key), row.clone())).collect::<BTreeMap<_, _>>()
        };
        let (one, two) = (rows(&one), rows(&two));
        let keys: BTreeSet<_> = one.keys().chain(two.keys()).collect();
        let differs = keys.into_iter().filter(|key| one.get(key) != two.get(key));
        differs.map(|(customer, key)| format!("the copies of {key:?} of {customer} differ")).collect()
    }
}
