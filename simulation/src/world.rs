//! The state that all simulated processes share: time, dice, the network, the services, and the
//! ledger that judges.

use crate::cells::CellSeat;
use crate::dice::{mixed, number_of};
use crate::entropy;
use crate::ledger::Ledger;
use crate::plan::{Action, FailureRates, Plan, SERVICES, START_MS, Service};
use crate::planted::Planted;
use crate::reader::InboxReaders;
use crate::stores::Stored;
use crate::stream::StreamShards;
use crate::table::Table;
use crate::watch::Watch;
use parking_lot::Mutex;
use sluice_ports::{FailureClass, PortError};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How long a caller waits for a lost answer.
const TIMEOUT_MS: u64 = 500;
/// The latest time at which a call without an answer takes effect.
const LATE_MS: u64 = 2_500;

/// A caller: one life of a process.
pub(crate) type Caller = u32;

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The service refused the call: nothing was done.
    Refused,
    /// The outcome is unknown.
    Unclear,
    /// The service does not allow the call: nothing was done.
    Denied,
}

type Effect = Box<dyn FnOnce(&World) + Send>;

/// A time during which one caller, or everybody, cannot reach a service.
#[derive(Debug, Clone, Copy)]
struct UnreachableTime {
    who: Option<Caller>,
    service: Service,
    until_ms: u64,
}

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) plan: Plan,
    pub(crate) planted: Option<Planted>,
    rolls: Mutex<HashMap<(u64, u64), u64>>,
    later: Mutex<BTreeMap<(u64, u64), Effect>>,
    tallies: Mutex<BTreeMap<&'static str, u64>>,
    gaps: Mutex<Vec<UnreachableTime>>,
    /// The time until which each service denies every call.
    denied_until: Mutex<HashMap<Service, u64>>,
    pub(crate) watch: Mutex<Watch>,
    trace: Mutex<Vec<String>>,
    broken: Mutex<Option<String>>,
    /// Which cell it is, if there are several.
    pub(crate) cell: Option<CellSeat>,
    /// When each process last ran.
    alive: Mutex<HashMap<Caller, u64>>,
    pub(crate) shards: Mutex<StreamShards>,
    pub(crate) table: Mutex<Table>,
    pub(crate) stored: Mutex<Stored>,
    pub(crate) readers: Mutex<InboxReaders>,
    pub(crate) ledger: Mutex<Ledger>,
}

impl World {
    pub(crate) fn new(seed: u64, planted: Option<Planted>) -> Arc<Self> {
        Self::with_plan(seed, planted, Plan::from_seed(seed))
    }

    pub(crate) fn with_plan(seed: u64, planted: Option<Planted>, plan: Plan) -> Arc<Self> {
        Self::in_cell(seed, planted, plan, None)
    }

    /// A world that is one cell of several.
    pub(crate) fn in_cell(
        seed: u64,
        planted: Option<Planted>,
        plan: Plan,
        cell: Option<CellSeat>,
    ) -> Arc<Self> {
        Arc::new(Self {
            seed,
            cell,
            planted,
            rolls: Mutex::default(),
            later: Mutex::default(),
            tallies: Mutex::default(),
            gaps: Mutex::default(),
            denied_until: Mutex::default(),
            watch: Mutex::default(),
            trace: Mutex::default(),
            broken: Mutex::default(),
            alive: Mutex::default(),
            shards: Mutex::new(StreamShards::new(plan.shards)),
            table: Mutex::default(),
            stored: Mutex::new(Stored::new(&plan)),
            readers: Mutex::default(),
            ledger: Mutex::new(Ledger::new(&plan)),
            plan,
        })
    }

    /// Simulated milliseconds since the Unix epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        entropy::true_ms()
    }

    /// The next number of a named die. Each die is independent, so the rolls of one part of the world
    /// do not change those of another.
    pub(crate) fn roll(&self, die: &str, number: u64) -> u64 {
        let key = (number_of(die), number);
        let mut rolls = self.rolls.lock();
        let count = rolls.entry(key).or_default();
        *count += 1;
        mixed(
            mixed(self.seed.wrapping_mul(0x9e37_79b9) ^ key.0)
                ^ mixed(key.1)
                ^ count.wrapping_mul(0xd1b5_4a32),
        )
    }

    /// Whether faults are over.
    pub(crate) fn is_quiet(&self) -> bool {
        self.now_ms() >= self.plan.quiet_from_ms
    }

    pub(crate) fn rates(&self, service: Service) -> FailureRates {
        let rates = self.plan.rates[SERVICES.iter().position(|known| *known == service).unwrap_or(0)];
        if self.is_quiet() {
            FailureRates { latency_ms: rates.latency_ms, ..FailureRates::default() }
        } else {
            rates
        }
    }

    /// Counts requests, units or bytes that were asked of a service.
    pub(crate) fn tally(&self, counted: &'static str, count: usize) {
        *self.tallies.lock().entry(counted).or_default() += count as u64;
    }

    pub(crate) fn tallies(&self) -> BTreeMap<&'static str, u64> {
        self.tallies.lock().clone()
    }

    /// Writes a line into the run's trace, except when a load is measured.
    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        if self.plan.load.is_some() {
            return;
        }
        let now = self.now_ms().saturating_sub(START_MS);
        let cell = self.cell.as_ref().map_or("", CellSeat::name);
        let line = format!("{:>3}.{:03} {cell}{}", now / 1000, now % 1000, line());
        match &self.cell {
            Some(cell) => cell.cells.trace.lock().push(line),
            None => self.trace.lock().push(line),
        }
    }

    /// Notes a broken promise. The first one ends the run.
    pub(crate) fn broken(&self, promise: &str, how: &str) {
        self.tell(|| format!("BROKEN {promise}: {how}"));
        self.broken.lock().get_or_insert_with(|| format!("{promise}: {how}"));
    }

    pub(crate) fn verdict(&self) -> Option<String> {
        self.broken.lock().clone()
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.trace.lock().clone()
    }

    pub(crate) fn ran(&self, who: Caller) {
        self.alive.lock().insert(who, self.now_ms());
    }

    pub(crate) fn died(&self, who: Caller) {
        self.alive.lock().remove(&who);
    }

    /// Whether a process has run within this time.
    pub(crate) fn lives(&self, who: Caller, within_ms: u64) -> bool {
        self.alive.lock().get(&who).is_some_and(|ran_ms| ran_ms + within_ms >= self.now_ms())
    }

    pub(crate) fn cut(&self, who: Option<Caller>, action: Action) {
        let (Action::Outage { service, for_ms } | Action::Cut { service, for_ms, .. }) = action else {
            return;
        };
        let until_ms = (self.now_ms() + for_ms).min(self.plan.quiet_from_ms);
        self.gaps.lock().push(UnreachableTime { who, service, until_ms });
    }

    /// Makes a service deny every call for a while.
    pub(crate) fn deny(&self, service: Service, for_ms: u64) {
        let until_ms = (self.now_ms() + for_ms).min(self.plan.quiet_from_ms);
        self.denied_until.lock().insert(service, until_ms);
    }

    pub(crate) fn denies(&self, service: Service) -> bool {
        self.denied_until.lock().get(&service).is_some_and(|until_ms| self.now_ms() < *until_ms)
    }

    fn reaches(&self, who: Caller, service: Service) -> bool {
        let now = self.now_ms();
        let mut gaps = self.gaps.lock();
        gaps.retain(|gap| gap.until_ms > now);
        !gaps.iter().any(|gap| gap.service == service && gap.who.is_none_or(|cut| cut == who))
    }

    /// Lets everything take effect that is due by now.
    pub(crate) fn catch_up(&self) {
        loop {
            let due = {
                let mut later = self.later.lock();
                let first = later.first_key_value().map(|((due_ms, _), _)| *due_ms);
                if first.is_none_or(|due_ms| due_ms > self.now_ms()) {
                    return;
                }
                later.pop_first()
            };
            if let Some((_, effect)) = due {
                effect(self);
            }
        }
    }

    /// Whether an effect is still due.
    pub(crate) fn is_pending(&self) -> bool {
        !self.later.lock().is_empty()
    }

    /// Lets an effect happen after a while.
    pub(crate) fn later(&self, in_ms: u64, effect: Effect) {
        let mut later = self.later.lock();
        let number = later.len() as u64 + self.roll("order", 0) % 1_000_000 * 1_000;
        later.insert((self.now_ms() + in_ms, number), effect);
    }

    /// Calls a service: the call takes time, may be refused, and may have no answer. With
    /// `may_be_late`, a call without an answer may still be done later.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        who: Caller,
        service: Service,
        may_be_late: bool,
        effect: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let answer = self.call_service(who, service, may_be_late, effect).await;
        self.watch.lock().ended(self, who, service, answer.as_ref().err().copied());
        answer
    }

    async fn call_service<T: Send + 'static>(
        &self,
        who: Caller,
        service: Service,
        may_be_late: bool,
        effect: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let rates = self.rates(service);
        let roll = self.roll("call", u64::from(who) << 8 | service as u64);
        let (dice, pick) = (roll % 1000, roll >> 32);
        sleep_ms((roll >> 16) % (rates.latency_ms / 2 + 1)).await;
        if !self.reaches(who, service) {
            sleep_ms(TIMEOUT_MS).await;
            return Err(if pick.is_multiple_of(2) { NoAnswer::Unclear } else { NoAnswer::Refused });
        }
        if self.denies(service) {
            return Err(NoAnswer::Denied);
        }
        if dice < rates.refused {
            return Err(NoAnswer::Refused);
        }
        if dice < rates.refused + rates.unclear {
            match pick % 3 {
                0 => drop(effect(self)),
                1 if may_be_late => {
                    self.later(pick / 3 % LATE_MS, Box::new(move |world| drop(effect(world))));
                }
                _ => {}
            }
            sleep_ms(if pick.is_multiple_of(5) { 1 } else { TIMEOUT_MS }).await;
            return Err(NoAnswer::Unclear);
        }
        let answer = effect(self);
        sleep_ms(1 + (roll >> 24) % (rates.latency_ms / 2 + 1)).await;
        Ok(answer)
    }

    /// [`Self::call`] of a store, whose callers know only one kind of failure.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        who: Caller,
        service: Service,
        attempted: &str,
        effect: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, PortError> {
        self.call(who, service, false, effect).await.map_err(|why| unavailable(attempted, why))
    }
}

impl NoAnswer {
    /// The failure class that an adapter would give it.
    pub(crate) const fn class(self) -> FailureClass {
        match self {
            Self::Refused => FailureClass::Busy,
            Self::Unclear => FailureClass::Ambiguous,
            Self::Denied => FailureClass::Denied,
        }
    }
}

/// The error of a port whose call failed.
pub(crate) fn unavailable(attempted: &str, why: NoAnswer) -> PortError {
    PortError::Unavailable {
        attempted: attempted.into(),
        class: why.class(),
        retry_after: Duration::from_millis(50),
        source: "simulated".into(),
    }
}

pub(crate) async fn sleep_ms(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
