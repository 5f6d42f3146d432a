//! The plan of a run, which follows from the seed.

use crate::dice::Dice;
use crate::measure::Load;
use crate::process::Role;
use sluice_aws::health::Dependency;

/// When simulated time begins, in milliseconds since the Unix epoch.
pub(crate) const START_MS: u64 = 1_800_000_000_000;
/// The simulated time of one step. Processes take turns in each step.
pub(crate) const STEP_MS: u64 = 5;
/// The lanes of the deployment: few, so that customers share them.
const LANES: u16 = 8;
/// The lanes for measuring a load: the default.
const LANES_MEASURED: u16 = 128;
/// How long after the last fault everything must be accounted for.
pub(crate) const PATIENCE_MS: u64 = 120_000;

/// A service that processes call over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    Stream,
    Leases,
    Events,
    Queue,
    Catalogue,
    Rows,
}

impl Service {
    /// The dependency that the service belongs to.
    pub(crate) const fn dependency(self) -> Dependency {
        match self {
            Self::Stream => Dependency::Kinesis,
            Self::Leases | Self::Events | Self::Rows => Dependency::DynamoDb,
            Self::Queue => Dependency::Sqs,
            Self::Catalogue => Dependency::Postgres,
        }
    }

    /// The name of that dependency in readiness.
    pub(crate) const fn reported(self) -> &'static str {
        match self {
            Self::Stream => "kinesis",
            Self::Leases | Self::Events | Self::Rows => "dynamodb",
            Self::Queue => "sqs",
            Self::Catalogue => "postgres",
        }
    }
}

pub(crate) const SERVICES: [Service; 6] =
    [Service::Stream, Service::Leases, Service::Events, Service::Queue, Service::Catalogue, Service::Rows];

/// How an endpoint behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// It takes everything at once.
    Good,
    /// It answers 5xx, hangs, loses its answer, takes a part.
    Flaky,
    /// It is away from one time to another.
    Away { from_ms: u64, until_ms: u64 },
    /// It answers some webhooks with 400.
    Refusing,
    /// It answers 410 from a time on.
    Gone { from_ms: u64 },
}

/// A subscription.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SubscriptionPlan {
    pub(crate) customer: usize,
    /// The event type that it wants; `None`: all.
    pub(crate) kind: Option<u64>,
    pub(crate) conduct: Conduct,
    pub(crate) ordered: bool,
    pub(crate) max_events: u32,
    pub(crate) max_wait_ms: u32,
}

/// A fault or a change in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A processor dies, and another starts after a while.
    KillProcessor { which: usize, back_ms: u64 },
    /// A processor stands still.
    PauseProcessor { which: usize, for_ms: u64 },
    /// A processor is told to end, and another starts after a while.
    StopProcessor { which: usize, back_ms: u64 },
    /// One more processor starts.
    AddProcessor,
    /// An ingest process dies, and another starts after a while.
    KillIngest { which: usize, back_ms: u64 },
    /// An ingest process stands still.
    PauseIngest { which: usize, for_ms: u64 },
    /// The wall clock of a process is set back.
    SetClockBack { role: Role, which: usize, by_ms: u64 },
    /// A shard is split.
    Split { which: u64 },
    /// Two shards become one.
    Merge { which: u64 },
    /// A service answers nobody.
    Outage { service: Service, for_ms: u64 },
    /// A processor cannot reach a service.
    Cut { which: usize, service: Service, for_ms: u64 },
    /// A service denies every call: a role or a key was taken away.
    Deny { service: Service, for_ms: u64 },
    /// The stream is deleted and made again under its name.
    ReplaceStream,
    /// An operator gives an order for a shard.
    Operate(Errand),
}

/// A task of an operator with `sluice leases`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Pauses a shard, and resumes it after a while.
    Pause { which: usize, for_ms: u64 },
    /// Hands a shard over to another process.
    HandOver { which: usize },
    /// Makes a shard begin at an earlier time.
    StartAgain { which: usize, back_ms: u64 },
    /// Makes a shard begin behind its newest record.
    SkipToNewest { which: usize },
    /// Makes a range of a shard be worked again.
    WorkAgain { which: usize, back_ms: u64, for_ms: u64 },
}

/// How often calls of a service fail, per thousand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FailureRates {
    /// The call is refused, and nothing is done.
    pub(crate) refused: u64,
    /// The call has no answer: it is done, not done, or done later.
    pub(crate) unclear: u64,
    /// One record of a request is throttled, or its outcome is unclear.
    pub(crate) partial: u64,
    /// The longest that a call usually takes.
    pub(crate) latency_ms: u64,
}

/// The plan of a run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) shards: usize,
    /// The lanes of each customer.
    pub(crate) customers: Vec<u16>,
    pub(crate) subscriptions: Vec<SubscriptionPlan>,
    pub(crate) ingests: usize,
    pub(crate) processors: usize,
    pub(crate) clients: usize,
    pub(crate) pause_ms: u64,
    pub(crate) events_max: u64,
    pub(crate) traffic_until_ms: u64,
    /// The time after which no fault begins or lasts.
    pub(crate) quiet_from_ms: u64,
    pub(crate) rates: [FailureRates; SERVICES.len()],
    /// The actions by their times, in order.
    pub(crate) actions: Vec<(u64, Action)>,
    /// The most unsettled (event × subscription) of a shard.
    pub(crate) unsettled_max: usize,
    /// A load to measure instead.
    pub(crate) load: Option<Load>,
}

impl Plan {
    pub(crate) const fn lanes(&self) -> u16 {
        if self.load.is_some() { LANES_MEASURED } else { LANES }
    }

    pub(crate) fn from_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5eed);
        let customers: Vec<u16> = (0..dice.within(1, 4)).map(|_| dice.within(1, 4) as u16).collect();
        let traffic_until_ms = START_MS + dice.within(3_000, 8_000);
        let quiet_from_ms = traffic_until_ms + 4_000;
        let subscriptions =
            (0..customers.len()).flat_map(|customer| std::iter::repeat_n(customer, 1 + customer % 2 + 1));
        let subscriptions = subscriptions.map(|customer| subscription(&mut dice, customer, quiet_from_ms));
        let subscriptions = subscriptions.collect();
        let processors = dice.within(1, 4) as usize;
        let ingests = dice.within(1, 3) as usize;
        let level = dice.within(0, 4);
        let rates = std::array::from_fn(|_| rates(&mut dice, level));
        let mut actions: Vec<_> = (0..dice.within(0, 9))
            .map(|_| (START_MS + dice.within(500, quiet_from_ms - START_MS - 3_500), action(&mut dice)))
            .collect();
        actions.sort_by_key(|(due_ms, _)| *due_ms);
        Self {
            shards: dice.within(1, 4) as usize,
            customers,
            subscriptions,
            ingests,
            processors,
            clients: dice.within(1, 5) as usize,
            pause_ms: dice.within(20, 300),
            events_max: dice.within(2, 14),
            traffic_until_ms,
            quiet_from_ms,
            rates,
            actions,
            unsettled_max: if dice.often(300) { 40 } else { 2_000 },
            load: None,
        }
    }
}

pub(crate) fn subscription(dice: &mut Dice, customer: usize, quiet_from_ms: u64) -> SubscriptionPlan {
    let from_ms = START_MS + dice.within(500, 6_000);
    let conduct = match dice.within(0, 10) {
        0..4 => Conduct::Good,
        4..6 => Conduct::Flaky,
        6 | 7 => Conduct::Away { from_ms, until_ms: (from_ms + dice.within(500, 5_000)).min(quiet_from_ms) },
        8 => Conduct::Refusing,
        _ => Conduct::Gone { from_ms },
    };
    SubscriptionPlan {
        customer,
        kind: dice.often(500).then(|| dice.within(0, 3)),
        conduct,
        ordered: dice.often(250),
        // A subscription that takes events one by one cannot keep up, however good its endpoint is.
        max_events: dice.within(if conduct == Conduct::Good { 5 } else { 1 }, 20) as u32,
        max_wait_ms: dice.within(1, 60) as u32,
    }
}

pub(crate) fn rates(dice: &mut Dice, level: u64) -> FailureRates {
    let mut upto = |most: u64| dice.within(0, most * level + 1);
    FailureRates { refused: upto(20), unclear: upto(15), partial: upto(40), latency_ms: 4 + upto(15) }
}

pub(crate) fn action(dice: &mut Dice) -> Action {
    let which = dice.within(0, 4) as usize;
    let for_ms = dice.within(300, 4_000);
    let back_ms = dice.within(50, 3_000);
    let service = SERVICES[dice.within(0, SERVICES.len() as u64) as usize];
    match dice.within(0, 24) {
        0 | 1 => Action::KillProcessor { which, back_ms },
        2..5 => Action::PauseProcessor { which, for_ms: dice.within(300, 9_000) },
        5 => Action::StopProcessor { which, back_ms },
        6 => Action::AddProcessor,
        7 => Action::KillIngest { which, back_ms },
        8 => Action::PauseIngest { which, for_ms },
        9 | 10 => Action::Split { which: dice.next() },
        11 => Action::Merge { which: dice.next() },
        12 => Action::Outage { service, for_ms },
        13 | 14 => Action::Deny { service, for_ms },
        15 => Action::ReplaceStream,
        16..18 => Action::Operate(Errand::Pause { which, for_ms: dice.within(300, 9_000) }),
        18..20 => Action::Operate(Errand::HandOver { which }),
        20 => Action::Operate(Errand::StartAgain { which, back_ms: for_ms }),
        21 => Action::Operate(Errand::WorkAgain { which, back_ms: for_ms, for_ms: dice.within(200, 2_000) }),
        22 if dice.often(500) => Action::Operate(Errand::SkipToNewest { which }),
        23 => {
            let role = if dice.often(500) { Role::Ingest } else { Role::Processor };
            Action::SetClockBack { role, which, by_ms: dice.within(1_000, 3_600_000) }
        }
        _ => Action::Cut { which, service, for_ms },
    }
}
