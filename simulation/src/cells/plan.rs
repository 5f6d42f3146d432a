//! The plan of a run of two cells, which follows from the seed.

use super::region::Region;
use crate::dice::Dice;
use crate::plan::{self, Action, Plan, START_MS, Service};

/// The regions of a run.
pub(super) const REGIONS: [Region; 2] =
    [Region::new(0).expect("a region"), Region::new(1).expect("a region")];

/// A change of the catalogue that a customer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HomeChange {
    /// Makes a subscription that did not exist before.
    Subscribe { n: usize },
    /// Changes a subscription's note, which changes nothing else.
    Note { n: usize },
    /// Deletes a subscription.
    Unsubscribe { n: usize },
    /// Makes one more key.
    AddKey { customer: usize },
    /// Revokes all keys but the newest.
    RevokeKeys { customer: usize },
}

/// An event in the run of the cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellAction {
    /// The cells cannot reach each other; both run.
    CutOff { for_ms: u64 },
    /// A cell is away: none of its processes runs, and its stores are kept.
    Away { region: Region, for_ms: u64 },
    /// A cell is lost for good, with its stores.
    Lose { region: Region },
    /// An operator declares a cell lost: another one becomes the home of its customers.
    Move { from: Region },
    /// A producer goes to a cell.
    Producer { number: usize, to: Region },
    /// A customer asks a cell for a change.
    Change { at: Region, change: HomeChange },
}

/// A run of two cells.
#[derive(Debug, Clone)]
pub(crate) struct CellsPlan {
    /// The faults of each cell's processes and services.
    pub(super) cells: [Plan; 2],
    /// How many of the subscriptions exist from the beginning.
    pub(super) first_subscriptions: usize,
    /// A copy older than this no longer counts.
    pub(super) copy_age_max_ms: u64,
    /// The longest that a message between cells usually takes.
    pub(super) latency_ms: u64,
    /// Messages between cells that are lost, per thousand.
    pub(super) lost: u64,
    pub(super) actions: Vec<(u64, CellAction)>,
}

impl CellsPlan {
    pub(super) fn from_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0xce11_5eed);
        let mut base = Plan::from_seed(dice.next());
        base.customers = (0..dice.within(2, 5)).map(|_| dice.within(1, 4) as u16).collect();
        base.traffic_until_ms = START_MS + dice.within(8_000, 14_000);
        base.quiet_from_ms = base.traffic_until_ms + 4_000;
        base.clients = dice.within(1, 4) as usize;
        base.pause_ms = dice.within(100, 400);
        base.unsettled_max = 2_000;
        let quiet_from_ms = base.quiet_from_ms;
        let of_customers =
            |rounds: usize| (0..rounds * base.customers.len()).map(|n| n % base.customers.len());
        let all: Vec<usize> = of_customers(2).collect();
        base.subscriptions =
            all.iter().map(|customer| plan::subscription(&mut dice, *customer, quiet_from_ms)).collect();
        let first_subscriptions = base.customers.len() + dice.within(0, base.customers.len() as u64) as usize;
        let cells = REGIONS.map(|_| {
            let mut cell = base.clone();
            cell.shards = dice.within(1, 3) as usize;
            cell.ingests = dice.within(1, 3) as usize;
            cell.processors = dice.within(1, 3) as usize;
            let level = dice.within(0, 3);
            cell.rates = std::array::from_fn(|_| plan::rates(&mut dice, level));
            let last = base.traffic_until_ms - START_MS;
            let count = dice.within(0, 4);
            let mut actions: Vec<_> = (0..count)
                .map(|_| (START_MS + dice.within(500, last), plan::action(&mut dice)))
                .filter(|(_, action)| may_befall_a_cell(*action))
                .collect();
            actions.sort_by_key(|(at_ms, _)| *at_ms);
            cell.actions = actions;
            cell
        });
        let actions = actions(&mut dice, &base, first_subscriptions);
        Self {
            cells,
            first_subscriptions,
            copy_age_max_ms: 2_500,
            latency_ms: dice.within(10, 300),
            lost: dice.within(0, 60),
            actions,
        }
    }

    pub(super) const fn quiet_from_ms(&self) -> u64 {
        self.cells[0].quiet_from_ms
    }

    pub(super) fn customers(&self) -> usize {
        self.cells[0].customers.len()
    }
}

/// Whether a fault inside one cell disturbs nothing that is judged here: how soon a process
/// hears of its cell's catalogue, and which events are promised.
const fn may_befall_a_cell(action: Action) -> bool {
    match action {
        Action::PauseProcessor { .. } | Action::PauseIngest { .. } => false,
        Action::ReplaceStream | Action::Operate(_) => false,
        Action::Outage { service, .. } | Action::Deny { service, .. } | Action::Cut { service, .. } => {
            !matches!(service, Service::Catalogue)
        }
        _ => true,
    }
}

fn actions(dice: &mut Dice, base: &Plan, first_subscriptions: usize) -> Vec<(u64, CellAction)> {
    let last = base.traffic_until_ms;
    let (half, region) = ((START_MS + last) / 2, REGIONS[dice.within(0, 2) as usize]);
    let early = dice.within(START_MS + 1_500, half);
    let mut actions = Vec::new();
    let cut = |dice: &mut Dice, at_ms: u64| (at_ms, CellAction::CutOff { for_ms: dice.within(500, 12_000) });
    match dice.within(0, 10) {
        0..3 => {
            actions.push(cut(dice, early));
            let late = dice.within(half, last);
            actions.push(cut(dice, late));
        }
        3..6 => {
            let for_ms = dice.within(1_000, 9_000);
            actions.push((early, CellAction::Away { region, for_ms }));
            // An operator may declare a cell lost that comes back.
            if dice.often(500) {
                let at_ms = early + dice.within(200, for_ms);
                actions.push((at_ms, CellAction::Move { from: region }));
            }
            if dice.often(400) {
                let at_ms = early + for_ms + dice.within(0, 300);
                actions.push(cut(dice, at_ms));
            }
        }
        6..9 => {
            let at_ms = dice.within(half, last);
            if dice.often(400) {
                let before_ms = at_ms - dice.within(100, 3_000);
                actions.push((before_ms, CellAction::CutOff { for_ms: 4_000 }));
            }
            actions.push((at_ms, CellAction::Lose { region }));
            // Not before the cell's processes would have noticed, and after everything else.
            let moved_ms = at_ms + dice.within(300, 5_000);
            actions.push((moved_ms.min(base.quiet_from_ms - 500), CellAction::Move { from: region }));
        }
        _ => {}
    }
    for _ in 0..dice.within(2, 6) {
        let number = dice.within(0, base.clients as u64) as usize;
        let to = REGIONS[dice.within(0, 2) as usize];
        actions.push((dice.within(START_MS + 500, last), CellAction::Producer { number, to }));
    }
    for n in first_subscriptions..base.subscriptions.len() {
        let (at, at_ms) = (REGIONS[dice.within(0, 2) as usize], dice.within(START_MS + 500, last - 2_000));
        actions.push((at_ms, CellAction::Change { at, change: HomeChange::Subscribe { n } }));
    }
    for _ in 0..dice.within(2, 7) {
        let at = REGIONS[dice.within(0, 2) as usize];
        let n = dice.within(0, base.subscriptions.len() as u64) as usize;
        let customer = dice.within(0, base.customers.len() as u64) as usize;
        let change = match dice.within(0, 4) {
            0 => HomeChange::Unsubscribe { n },
            1 | 2 => HomeChange::AddKey { customer },
            _ => HomeChange::RevokeKeys { customer },
        };
        actions.push((dice.within(START_MS + 500, last), CellAction::Change { at, change }));
    }
    for _ in 0..dice.within(5, 20) {
        let at = REGIONS[dice.within(0, 2) as usize];
        let n = dice.within(0, base.subscriptions.len() as u64) as usize;
        let change = HomeChange::Note { n };
        actions.push((dice.within(START_MS + 500, last), CellAction::Change { at, change }));
    }
    actions.sort_by_key(|(at_ms, _)| *at_ms);
    actions
}
