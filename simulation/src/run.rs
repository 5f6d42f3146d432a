//! One run: steps of simulated time, in each of which every process has its turn, until every
//! promise is accounted for.

use crate::dice::{mixed, number_of};
use crate::entropy::{self, Now};
use crate::ingest::BYTES_MAX;
use crate::plan::{Action, PATIENCE_MS, START_MS, STEP_MS};
use crate::planted::Planted;
use crate::process::{Role, SimProcess};
use crate::world::World;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The first panic of any task.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// The most processors that run at the same time.
const PROCESSORS_MAX: usize = 4;

/// The result of a run.
pub(crate) struct RunOutcome {
    /// The promise that was broken, if one was.
    pub(crate) broken: Option<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// A number that follows from the whole trace.
    pub(crate) digest: u64,
}

pub(crate) struct SimulatedRun {
    world: Arc<World>,
    processes: Vec<SimProcess>,
    /// The time at which a process comes back, and its role.
    back: Vec<(u64, Role)>,
    actions: VecDeque<(u64, Action)>,
    next: u32,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, planted: Option<Planted>) -> RunOutcome {
    prepare(seed);
    run_world(&World::new(seed, planted))
}

/// Sets the thread's time and dice, and turns a panic into a broken promise.
#[expect(clippy::print_stderr, reason = "a panic is told at once, should the run itself be what panics")]
pub(crate) fn prepare(seed: u64) {
    entropy::seed(seed);
    entropy::set(Now::At(START_MS));
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        eprintln!("{text}");
        PANIC.lock().get_or_insert(text);
    }));
}

/// Runs a world to its end. The thread's time and dice must be set.
pub(crate) fn run_world(world: &Arc<World>) -> RunOutcome {
    let mut run = SimulatedRun::new(world);
    run.start_all();
    let mut now_ms = START_MS;
    while world.verdict().is_none() {
        now_ms += STEP_MS;
        run.step(now_ms);
        let left = run.left(now_ms);
        if left.as_ref().is_some_and(Vec::is_empty) {
            world.ledger.lock().check_end(world);
            break;
        }
        if let Some(left) = left.filter(|_| now_ms > world.plan.quiet_from_ms + PATIENCE_MS) {
            world.broken(EVERY_202, &told(&left));
        }
    }
    run.stop_all();
    RunOutcome::new(world.seed, world.verdict(), world.trace(), world.ledger.lock().counts.clone())
}

/// The promise that a run waits for.
pub(crate) const EVERY_202: &str = "every 202 ends in a 2xx or a dead letter";

/// A few of the remaining things.
pub(crate) fn told(left: &[String]) -> String {
    format!("{} left: {}", left.len(), left.iter().take(6).cloned().collect::<Vec<_>>().join("; "))
}

impl RunOutcome {
    pub(crate) fn new(
        seed: u64,
        broken: Option<String>,
        trace: Vec<String>,
        counts: BTreeMap<&'static str, u64>,
    ) -> Self {
        let digest = trace.iter().fold(seed, |sum, line| mixed(sum ^ number_of(line)));
        Self { broken, trace, counts, digest }
    }
}

impl SimulatedRun {
    fn start(&mut self, role: Role) {
        self.processes.push(SimProcess::start(&self.world, self.next, role));
        self.next += 1;
    }

    /// A run without processes yet.
    pub(crate) fn new(world: &Arc<World>) -> Self {
        world.tell(|| format!("{:?}", world.plan));
        let actions = world.plan.actions.clone().into();
        Self { world: Arc::clone(world), processes: Vec::new(), back: Vec::new(), actions, next: 0 }
    }

    pub(crate) fn start_all(&mut self) {
        (0..self.world.plan.processors).for_each(|_| self.start(Role::Processor));
        (0..self.world.plan.ingests).for_each(|_| self.start(Role::Ingest));
    }

    /// Kills all processes; none comes back by itself.
    pub(crate) fn stop_all(&mut self) {
        let world = Arc::clone(&self.world);
        self.back.clear();
        self.processes.drain(..).for_each(|process| process.kill(&world));
    }

    /// Whether a process of that role is running.
    pub(crate) fn has(&self, role: Role) -> bool {
        self.processes.iter().any(|process| process.role == role)
    }

    /// Simulates everything up to a time.
    pub(crate) fn step(&mut self, now_ms: u64) {
        let world = Arc::clone(&self.world);
        entropy::set(Now::At(now_ms));
        world.catch_up();
        while let Some((_, action)) = self.actions.pop_front_if(|(due_ms, _)| *due_ms <= now_ms) {
            self.act(action, now_ms);
        }
        self.revive(now_ms);
        self.processes.iter_mut().for_each(|process| process.run(&world, now_ms));
        self.check();
    }

    /// What the run still waits for; `None` between two looks.
    pub(crate) fn left(&self, now_ms: u64) -> Option<Vec<String>> {
        let world = &self.world;
        let is_looked_at = now_ms > world.plan.quiet_from_ms && now_ms.is_multiple_of(100);
        (is_looked_at && !world.is_pending()).then(|| world.ledger.lock().outstanding(world))
    }

    /// A living process of a role, chosen by `which`.
    fn nth(&self, role: Role, which: usize) -> Option<usize> {
        let alike: Vec<usize> =
            (0..self.processes.len()).filter(|index| self.processes[*index].role == role).collect();
        (!alike.is_empty()).then(|| alike[which % alike.len()])
    }

    fn act(&mut self, action: Action, now_ms: u64) {
        let world = Arc::clone(&self.world);
        world.tell(|| format!("{action:?}"));
        let role = match action {
            Action::KillIngest { .. } | Action::PauseIngest { .. } => Role::Ingest,
            Action::SetClockBack { role, .. } => role,
            _ => Role::Processor,
        };
        match action {
            Action::KillProcessor { which, back_ms } | Action::KillIngest { which, back_ms } => {
                let Some(index) = self.nth(role, which) else { return };
                self.processes.remove(index).kill(&world);
                self.back.push((now_ms + back_ms, role));
                world.ledger.lock().count("kills");
            }
            Action::StopProcessor { which, back_ms } => {
                let Some(index) = self.nth(role, which) else { return };
                self.processes[index].inside.stop.cancel();
                self.back.push((now_ms + back_ms, role));
                world.ledger.lock().count("stops");
            }
            Action::PauseProcessor { which, for_ms } | Action::PauseIngest { which, for_ms } => {
                let Some(index) = self.nth(role, which) else { return };
                self.processes[index].asleep_until_ms = (now_ms + for_ms).min(world.plan.quiet_from_ms);
                world.ledger.lock().count("pauses");
            }
            Action::SetClockBack { which, by_ms, .. } => {
                let Some(index) = self.nth(role, which) else { return };
                self.processes[index].set_clock_back(by_ms);
                world.ledger.lock().count("clocks set back");
            }
            Action::AddProcessor => {
                let count = self.processes.iter().filter(|process| process.role == role).count();
                if count < PROCESSORS_MAX {
                    self.start(role);
                }
            }
            Action::Split { which } | Action::Merge { which } => {
                let mut shards = world.shards.lock();
                let split = matches!(action, Action::Split { .. });
                let told = if split { shards.split(which) } else { shards.merge(which) };
                drop(shards);
                if let Some(told) = told {
                    world.tell(|| told);
                    world.ledger.lock().count(if split { "splits" } else { "merges" });
                }
            }
            Action::Outage { .. } => world.cut(None, action),
            Action::Deny { service, for_ms } => {
                world.deny(service, for_ms);
                world.ledger.lock().count("denials");
            }
            Action::ReplaceStream => world.replace_stream(),
            Action::Operate(errand) => self.start(Role::Operator(errand)),
            Action::Cut { which, .. } => {
                let Some(index) = self.nth(role, which) else { return };
                world.cut(Some(self.processes[index].who), action);
                world.ledger.lock().count("cuts");
            }
        }
    }

    /// Starts processes in the place of those that ended.
    fn revive(&mut self, now_ms: u64) {
        let world = Arc::clone(&self.world);
        while let Some(index) = self.processes.iter().position(SimProcess::has_ended) {
            self.processes.remove(index).kill(&world);
        }
        let quiet = now_ms >= world.plan.quiet_from_ms;
        let due: Vec<Role> = self
            .back
            .iter()
            .filter(|(due_ms, _)| *due_ms <= now_ms || quiet)
            .map(|(_, role)| *role)
            .collect();
        self.back.retain(|(due_ms, _)| *due_ms > now_ms && !quiet);
        due.into_iter().for_each(|role| self.start(role));
    }

    /// Judges the promises that must hold at every moment.
    fn check(&self) {
        let world = &self.world;
        if let Some(panic) = PANIC.lock().take() {
            world.broken("nothing panics", &panic);
        }
        world.ledger.lock().check_exclusive(world);
        world.check_leases();
        for process in &self.processes {
            if let Some(door) = &*process.inside.door.lock()
                && door.bytes() > BYTES_MAX
                && world.plan.load.is_none()
            {
                world.broken("an ingest process's buffers are bounded", &format!("{} bytes", door.bytes()));
            }
            let watch = world.watch.lock();
            if process.role == Role::Processor
                && process.is_awake(1_000)
                && !process.inside.stop.is_cancelled()
            {
                watch.check_denials(world, process.who, &process.inside.lost.lock());
            }
            if let Some(status) = process.processor_status() {
                for shard in status.shards.iter().filter(|_| process.is_awake(5_000)) {
                    watch.check_lag(world, process.who, &shard.shard, shard.lag_ms);
                }
                // Reading pauses at the cap, which one record may exceed.
                let most = world.plan.unsettled_max as u64 + 500;
                for shard in status.shards.iter().filter(|shard| shard.unsettled_events > most) {
                    let how = format!("{} of {}", shard.unsettled_events, shard.shard);
                    world.broken("what is unsettled is bounded", &how);
                }
            }
        }
    }
}
