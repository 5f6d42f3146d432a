//! The task that writes to the stream: a request carries many lanes, several requests
//! are in flight, and each caller is told the outcome of its record.

use super::ShardId;
use super::append_door::AppendDoor;
use super::outbox::{Attempts, Company, Entry, PutOutbox, RequestLimits};
use super::pace::Pacer;
use super::shard_map::{ShardMap, point_of};
use super::stream::{PutAnswer, PutRecord, Stream};
use crate::config::AwsConfig;
use crate::metrics::LogMetrics;
use bytes::Bytes;
use sluice_model::Lane;
use sluice_model::ids::random_u128;
use sluice_ports::FailureClass;
use sluice_ports::log::AppendError;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

/// The first pause before a record is sent again, doubled each time up to the longest.
const BACKOFF_MS: u64 = 25;
const BACKOFF_MAX_MS: u64 = 2000;
/// After this many unanswered requests in a row, appends are refused for a while. A
/// single broken connection is not enough.
const DOOR_FAILURES: u32 = 3;
/// The least time between two reads of the shard map, and the most.
const MAP_GAP: Duration = Duration::from_secs(1);
const MAP_AGE_MAX: Duration = Duration::from_secs(60);

type AppendReply = oneshot::Sender<Result<(), AppendError>>;

/// A record to store.
pub(super) struct Submission {
    pub(super) lane: u16,
    pub(super) bytes: Bytes,
    pub(super) reply: AppendReply,
}

/// A finished request: its records, and the outcome of each.
struct Sent {
    entries: Vec<Entry<AppendReply>>,
    outcome: Result<Vec<PutAnswer>, (FailureClass, String)>,
}

/// The state of the task.
pub(super) struct Sender {
    stream: Arc<dyn Stream>,
    lanes: u16,
    limits: RequestLimits,
    requests_max: usize,
    gap: Duration,
    /// No request is sent before then.
    next_put: Instant,
    deadline_ms: u64,
    /// Times in milliseconds count from here: the wall clock may be set.
    started: Instant,
    submissions: mpsc::Receiver<Submission>,
    outbox: PutOutbox<AppendReply>,
    pacer: Pacer,
    map: ShardMap,
    map_read: Instant,
    map_stale: bool,
    mapping: JoinSet<Option<ShardMap>>,
    flying: JoinSet<Sent>,
    /// The lanes of each request in flight.
    flying_lanes: HashMap<task::Id, Vec<u16>>,
    door: Arc<AppendDoor>,
    /// Unanswered requests since the last answered one.
    failures: u32,
    metrics: LogMetrics,
}

impl Sender {
    pub(super) fn new(
        stream: Arc<dyn Stream>,
        config: &AwsConfig,
        map: ShardMap,
        door: Arc<AppendDoor>,
        submissions: mpsc::Receiver<Submission>,
    ) -> Self {
        Self {
            stream,
            lanes: config.lanes,
            limits: RequestLimits { records: config.put_records_max, bytes: config.put_bytes_max },
            requests_max: config.put_requests_max,
            gap: Duration::from_millis(config.put_gap_ms),
            next_put: Instant::now(),
            deadline_ms: config.append_deadline_ms,
            started: Instant::now(),
            submissions,
            outbox: PutOutbox::default(),
            pacer: Pacer::default(),
            map,
            map_read: Instant::now(),
            map_stale: false,
            mapping: JoinSet::new(),
            flying: JoinSet::new(),
            flying_lanes: HashMap::new(),
            door,
            failures: 0,
            metrics: LogMetrics::new(),
        }
    }

    /// Runs until nobody can submit records any more and all are answered.
    pub(super) async fn run(mut self) {
        let mut open = true;
        while open || !self.flying.is_empty() || self.outbox.next_deadline_ms().is_some() {
            let wake = self.turn();
            // Every branch is cancel safe: a message that is not received stays in its channel.
            tokio::select! {
                submission = self.submissions.recv(), if open => match submission {
                    Some(submission) => self.take(submission),
                    None => open = false,
                },
                Some(sent) = self.flying.join_next_with_id() => match sent {
                    Ok((request, sent)) => {
                        self.flying_lanes.remove(&request);
                        self.landed(sent);
                    }
                    Err(error) => self.died(&error),
                },
                Some(map) = self.mapping.join_next() => self.mapped(map.ok().flatten()),
                () = tokio::time::sleep_until(wake) => {}
            }
            while let Ok(submission) = self.submissions.try_recv() {
                self.take(submission);
            }
        }
    }

    /// Milliseconds since the task was made.
    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn take(&mut self, submission: Submission) {
        let lane = Lane::new(submission.lane).expect("units are lanes");
        self.outbox.push(Entry {
            lane: submission.lane,
            point: point_of(lane, self.lanes),
            bytes: submission.bytes,
            attempts: Attempts::NotStored,
            company: Company::Any,
            failures: 0,
            not_before_ms: 0,
            deadline_ms: self.now_ms() + self.deadline_ms,
            waiter: submission.reply,
        });
    }

    /// Sends the records that can be sent now. Returns when to look again.
    fn turn(&mut self) -> Instant {
        let now_ms = self.now_ms();
        for late in self.outbox.expired(now_ms) {
            give_up(late, "it was not stored in time");
        }
        self.refresh_map();
        let now = Instant::now();
        let latest = now + MAP_AGE_MAX;
        let (mut wake, mut wake_ms) = (latest, None);
        while self.flying.len() < self.requests_max && !self.outbox.is_empty() {
            if now < self.next_put {
                wake = self.next_put;
                break;
            }
            match self.outbox.cut(&self.map, &mut self.pacer, self.limits, now_ms) {
                Ok(entries) => {
                    self.next_put = now + self.gap;
                    let lanes = entries.iter().map(|entry| entry.lane).collect();
                    let request = self.flying.spawn(put(Arc::clone(&self.stream), entries));
                    self.flying_lanes.insert(request.id(), lanes);
                }
                Err(paced_until_ms) => {
                    wake_ms = paced_until_ms;
                    break;
                }
            }
        }
        let wakes_ms = [wake_ms, self.outbox.next_deadline_ms()];
        let in_ms = wakes_ms.into_iter().flatten().min().map(|at_ms| at_ms.saturating_sub(now_ms).max(1));
        in_ms.map_or(latest, |ms| now + Duration::from_millis(ms)).min(wake)
    }

    fn refresh_map(&mut self) {
        let age = self.map_read.elapsed();
        let due = age >= MAP_AGE_MAX || (self.map_stale && age >= MAP_GAP);
        if due && self.mapping.is_empty() {
            self.map_read = Instant::now();
            let stream = Arc::clone(&self.stream);
            self.mapping.spawn(async move {
                match stream.shards().await {
                    Ok(shards) => Some(ShardMap::new(&shards)),
                    Err(error) => {
                        tracing::warn!(%error, "the shard map was not read anew");
                        None
                    }
                }
            });
        }
    }

    fn mapped(&mut self, map: Option<ShardMap>) {
        if let Some(map) = map {
            self.pacer.retain(|id| map.open().any(|open| open == id));
            self.map = map;
            self.map_stale = false;
        }
    }

    /// Lets the lanes of a request that panicked go on. Its waiters learn from their dropped
    /// senders that the outcome is unknown.
    fn died(&mut self, error: &JoinError) {
        tracing::error!(%error, "a request to the stream died");
        for lane in self.flying_lanes.remove(&error.id()).unwrap_or_default() {
            self.outbox.landed(lane);
        }
    }

    fn landed(&mut self, sent: Sent) {
        match sent.outcome {
            Ok(answers) => {
                self.failures = 0;
                self.door.open();
                let mut answers = answers.into_iter();
                for entry in sent.entries {
                    let answer = answers.next();
                    self.answered(entry, answer);
                }
            }
            Err((class, detail)) => self.request_failed(sent.entries, class, &detail),
        }
    }

    /// Handles the failure of a whole request.
    fn request_failed(&mut self, entries: Vec<Entry<AppendReply>>, class: FailureClass, detail: &str) {
        tracing::warn!(%class, detail, records = entries.len(), "records were not stored");
        match class {
            FailureClass::Away | FailureClass::Ambiguous => self.failures += 1,
            // Nothing can be stored before an operator acts.
            FailureClass::Denied => self.failures = DOOR_FAILURES,
            FailureClass::Busy | FailureClass::Refused => self.failures = 0,
        }
        if self.failures >= DOOR_FAILURES {
            self.door.shut(class, detail);
        }
        let is_alone = entries.len() == 1;
        for entry in entries {
            match class {
                FailureClass::Busy => self.throttled(entry),
                FailureClass::Away => self.again(entry, Attempts::NotStored),
                FailureClass::Ambiguous => self.again(entry, Attempts::MaybeStored),
                FailureClass::Denied => self.refused(entry, detail),
                FailureClass::Refused if is_alone => {
                    self.metrics.records_refused.increment(1);
                    self.refused(entry, detail);
                }
                // One record is at fault, and the answer does not tell which: each is sent alone.
                FailureClass::Refused => {
                    self.outbox.give_back(Entry { company: Company::Alone, ..entry });
                }
            }
        }
    }

    /// Gives up a record that the stream refuses.
    fn refused(&mut self, entry: Entry<AppendReply>, detail: &str) {
        self.outbox.landed(entry.lane);
        give_up(entry, detail);
    }

    fn answered(&mut self, entry: Entry<AppendReply>, answer: Option<PutAnswer>) {
        match answer {
            Some(PutAnswer::Stored(shard)) => {
                self.map_stale |= self.map.shard_of(entry.point) != shard.as_ref();
                self.outbox.landed(entry.lane);
                // A caller that has gone away does not need its answer.
                drop(entry.waiter.send(Ok(())));
            }
            Some(PutAnswer::Throttled) => self.throttled(entry),
            // A row that is missing in the answer tells nothing about its record.
            Some(PutAnswer::Unclear) | None => self.again(entry, Attempts::MaybeStored),
        }
    }

    fn throttled(&mut self, entry: Entry<AppendReply>) {
        let shard = self.map.shard_of(entry.point).cloned().unwrap_or_else(|| ShardId("".into()));
        self.pacer.throttled(&shard, self.now_ms());
        self.again(entry, Attempts::NotStored);
    }

    /// Sends the same bytes again after a pause, if there is time left.
    fn again(&mut self, mut entry: Entry<AppendReply>, attempt: Attempts) {
        if attempt == Attempts::MaybeStored {
            entry.attempts = Attempts::MaybeStored;
        }
        let now_ms = self.now_ms();
        entry.not_before_ms = now_ms + jittered(entry.failures, random_u128() as u64);
        entry.failures = entry.failures.saturating_add(1);
        if entry.not_before_ms >= entry.deadline_ms {
            self.outbox.landed(entry.lane);
            return give_up(entry, "it was not stored in time");
        }
        self.outbox.give_back(entry);
    }
}

/// Full jitter: a random pause up to a bound that doubles.
fn jittered(failures: u32, random: u64) -> u64 {
    let bound = (BACKOFF_MS << failures.min(10)).min(BACKOFF_MAX_MS);
    random % (bound + 1)
}

/// Tells the caller what is known of a record that is not sent again.
fn give_up(entry: Entry<AppendReply>, detail: &str) {
    let detail: Arc<str> = format!("the stream: {detail}").into();
    let error = match entry.attempts {
        Attempts::NotStored => AppendError::NotTaken { detail, retry_after: Duration::from_secs(1) },
        Attempts::MaybeStored => AppendError::Unknown { detail },
    };
    // A caller that has gone away does not need its answer.
    drop(entry.waiter.send(Err(error)));
}

async fn put(stream: Arc<dyn Stream>, entries: Vec<Entry<AppendReply>>) -> Sent {
    let record = |entry: &Entry<AppendReply>| PutRecord {
        lane: entry.lane,
        point: entry.point,
        bytes: entry.bytes.clone(),
    };
    let outcome = stream.put(entries.iter().map(record).collect()).await;
    Sent { entries, outcome }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        for failures in 0..40 {
            for random in [0, 1, 77, u64::MAX] {
                assert!(jittered(failures, random) <= BACKOFF_MAX_MS);
            }
        }
        assert!(jittered(0, u64::MAX) <= BACKOFF_MS);
    }
}
