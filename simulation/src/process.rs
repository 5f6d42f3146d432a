//! A simulated process: a runtime of its own, which can run, stand still, or die.

use crate::entropy::{self, Now};
use crate::plan::{Errand, STEP_MS};
use crate::world::{Caller, World};
use crate::{ingest, operator, worker};
use parking_lot::Mutex;
use sluice_ingest::simulation::SimulatedIngest;
use sluice_processor::Processor;
use sluice_processor::health::ProcessorStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Ingest,
    Processor,
    Operator(Errand),
}

/// The parts of a process that the simulation looks at.
#[derive(Clone, Default)]
pub(crate) struct Inside {
    pub(crate) stop: CancellationToken,
    pub(crate) ended: Arc<AtomicBool>,
    pub(crate) door: Arc<Mutex<Option<Arc<SimulatedIngest>>>>,
    pub(crate) processor: Arc<Mutex<Option<Processor>>>,
    /// The dependencies that its readiness names.
    pub(crate) lost: Arc<Mutex<Vec<&'static str>>>,
}

pub(crate) struct SimProcess {
    pub(crate) who: Caller,
    pub(crate) role: Role,
    pub(crate) inside: Inside,
    runtime: Option<Runtime>,
    epoch: Instant,
    born_ms: u64,
    at_ms: u64,
    skew_ms: i64,
    pub(crate) asleep_until_ms: u64,
}

impl SimProcess {
    pub(crate) fn start(world: &Arc<World>, who: Caller, role: Role) -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime can be made");
        let epoch = runtime.block_on(async { Instant::now() });
        let inside = Inside::default();
        match role {
            Role::Ingest => drop(runtime.spawn(ingest::main(Arc::clone(world), who, inside.clone()))),
            Role::Processor => drop(runtime.spawn(worker::main(Arc::clone(world), who, inside.clone()))),
            Role::Operator(errand) => {
                drop(runtime.spawn(operator::main(Arc::clone(world), who, inside.clone(), errand)));
            }
        }
        let born_ms = world.now_ms();
        world.tell(|| format!("{role:?} p{who} starts"));
        let skew_ms = (world.roll("skew", u64::from(who)) % 400) as i64 - 200;
        Self {
            who,
            role,
            inside,
            runtime: Some(runtime),
            epoch,
            born_ms,
            at_ms: born_ms,
            skew_ms,
            asleep_until_ms: 0,
        }
    }

    /// Whether it has run without a pause for this long.
    pub(crate) fn is_awake(&self, for_ms: u64) -> bool {
        self.at_ms >= self.born_ms + for_ms && self.at_ms >= self.asleep_until_ms + for_ms
    }

    /// The state of its processor, if it has one. The processor looks at its clocks for
    /// it, which show the simulated time only inside its runtime.
    pub(crate) fn processor_status(&self) -> Option<ProcessorStatus> {
        let _inside = self.runtime.as_ref()?.enter();
        self.inside.processor.lock().as_ref().map(Processor::status)
    }

    /// Sets its wall clock back, for good.
    pub(crate) fn set_clock_back(&mut self, by_ms: u64) {
        self.skew_ms -= by_ms as i64;
    }

    /// Runs until `to_ms`, unless the process stands still.
    pub(crate) fn run(&mut self, world: &World, to_ms: u64) {
        let Some(runtime) = &self.runtime else { return };
        if self.asleep_until_ms >= to_ms {
            return;
        }
        entropy::set(Now::Of { epoch: self.epoch, base_ms: self.born_ms, skew_ms: self.skew_ms });
        let missed = to_ms.saturating_sub(self.at_ms + STEP_MS);
        if missed > 0 {
            runtime.block_on(async { tokio::time::advance(Duration::from_millis(missed)).await });
        }
        let until = self.epoch + Duration::from_millis(to_ms - self.born_ms);
        runtime.block_on(async { tokio::time::sleep_until(until).await });
        self.at_ms = to_ms;
        entropy::set(Now::At(to_ms));
        world.ran(self.who);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.inside.ended.load(Ordering::Relaxed)
    }

    /// Kills the process, so that nothing of it is heard again.
    pub(crate) fn kill(mut self, world: &World) {
        drop(self.runtime.take());
        world.died(self.who);
        world.ledger.lock().forget(self.who);
    }
}
