//! What a new owner of a shard learns before it delivers: which records came
//! before its checkpoint, so that it knows a second copy of one when it reads it.
//!
//! A record may be sent again for one resend window, so the records of that
//! window before the checkpoint are read, and those at the end of the shard's
//! parents: a record whose first copy went to a parent may have its second in
//! a child. A shard gives 2 MiB a second, and a full one holds 60 MB a window:
//! so the whole is bounded in time. A sample tells how fast the shard is
//! written to; where the window does not fit, only its end is read. A copy of
//! a record that was not learnt is delivered again, which is legal.
//!
//! Every step keeps what it learnt and its iterator, whatever fails. The last
//! page usually reaches beyond the checkpoint: the reader goes on with it.

use super::look::Look;
use super::marks::Marks;
use super::reader::Readers;
use super::shard_map::ShardInfo;
use super::stream::ReadFrom;
use sluice_ports::PortError;
use sluice_ports::log::{LogItem, Position, ShardId};
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of the sample: enough records to tell a rate, few enough to cost little.
const SAMPLE_BYTES: usize = 128 << 10;

/// Learning in progress.
pub(super) struct Learning {
    pub(super) after: Position,
    window_ms: u64,
    deadline: Instant,
    marks: Marks,
    step: LearningStep,
    /// Parents whose end is still to be read.
    parents: Vec<ShardId>,
}

/// What is read now.
enum LearningStep {
    /// When the record at the checkpoint arrived; the oldest record where there is no checkpoint.
    Anchor { iterator: Option<String> },
    /// The end of the window, of a parent or of the shard itself.
    Window(Window),
}

/// The records of one shard that arrived from a time on, up to a position.
struct Window {
    shard: ShardId,
    until: Position,
    from_ms: u64,
    /// When the window ends: the arrival of the record at the checkpoint.
    to_ms: u64,
    iterator: Option<String>,
    /// How much of the window can be read in time, in milliseconds, once a
    /// sample told it.
    readable_ms: Option<u64>,
    /// Where the whole window begins.
    whole_from_ms: u64,
    /// Whether nothing was found since the beginning was set.
    is_empty: bool,
}

/// How far a step came.
pub(super) enum Learnt {
    /// There is more to do.
    NotYet,
    /// All that could be learnt in time. What was read beyond the checkpoint
    /// comes with it.
    Everything(Option<Look>),
}

impl Learning {
    /// Begins for a shard of a stream with these shards, to be read behind `after`.
    pub(super) fn new(
        shard: &ShardId,
        after: Position,
        shards: &[ShardInfo],
        window: Duration,
        within: Duration,
    ) -> Self {
        let own = shards.iter().find(|info| info.id == *shard);
        // A parent that the stream no longer has is older than any window.
        let kept = |parent: &&ShardId| shards.iter().any(|info| info.id == **parent);
        Self {
            after,
            window_ms: window.as_millis() as u64,
            deadline: Instant::now() + within,
            marks: Marks::default(),
            step: LearningStep::Anchor { iterator: None },
            parents: own.map_or_else(Vec::new, |info| info.parents.iter().filter(kept).cloned().collect()),
        }
    }

    /// What it learnt.
    pub(super) fn into_marks(self) -> Marks {
        self.marks
    }

    /// Reads on, until `until` at the latest.
    ///
    /// # Errors
    /// If the log fails. Nothing that was learnt is lost.
    pub(super) async fn advance(
        &mut self,
        readers: &Readers,
        shard: &ShardId,
        until: Instant,
    ) -> Result<Learnt, PortError> {
        // A parent that is being read is no longer among those to be read.
        let begins = matches!(self.step, LearningStep::Anchor { .. });
        let nothing_before = begins && self.after == Position::START && self.parents.is_empty();
        if nothing_before || self.after == Position::END {
            return Ok(Learnt::Everything(None));
        }
        if Instant::now() >= self.deadline {
            tracing::info!(%shard, "delivering before all is known of what came earlier; some of it may come twice");
            readers.metrics.learning_cut_short.increment(1);
            return Ok(Learnt::Everything(None));
        }
        let until = until.min(self.deadline);
        match &mut self.step {
            LearningStep::Anchor { iterator } => {
                let from = match self.after {
                    Position::START => ReadFrom::After(Position::START),
                    position => ReadFrom::At(position),
                };
                let Some(look) = readers.look(shard, from, iterator, 1, until).await? else {
                    return Ok(Learnt::NotYet);
                };
                let is_at_end = look.is_at_end();
                *iterator = look.next;
                match look.records.first() {
                    Some(first) => Ok(self.next_window(shard, first.at_ms)),
                    // Neither the record nor any behind it: nothing is so young that it may be sent again.
                    None if is_at_end => Ok(Learnt::Everything(None)),
                    None => Ok(Learnt::NotYet),
                }
            }
            LearningStep::Window(window) => {
                // Each parent gets its part of the time that is left.
                let left = self.deadline.saturating_duration_since(Instant::now());
                let share = left / (self.parents.len() as u32 + 1);
                let limit = readers.limit(&window.shard, window.wanted(readers.settings.bytes_max));
                let from = ReadFrom::Time(window.from_ms);
                let look = readers.look(&window.shard, from, &mut window.iterator, limit, until).await?;
                let Some(look) = look else { return Ok(Learnt::NotYet) };
                let readable = share.as_secs_f64() * readers.settings.bytes_per_s as f64;
                match window.learn(look, readable, &mut self.marks, self.window_ms) {
                    Some(_) if window.shard != *shard => {
                        let to_ms = window.to_ms;
                        Ok(self.next_window(shard, to_ms))
                    }
                    Some(beyond) => Ok(Learnt::Everything(beyond)),
                    None => Ok(Learnt::NotYet),
                }
            }
        }
    }

    /// Goes on to the window of the next parent, or of the shard itself.
    fn next_window(&mut self, shard: &ShardId, to_ms: u64) -> Learnt {
        let (shard, until) = match self.parents.pop() {
            Some(parent) => (parent, Position::END),
            None if self.after == Position::START => return Learnt::Everything(None),
            None => (shard.clone(), self.after),
        };
        let from_ms = to_ms.saturating_sub(self.window_ms);
        self.step = LearningStep::Window(Window {
            shard,
            until,
            from_ms,
            to_ms,
            iterator: None,
            readable_ms: None,
            whole_from_ms: from_ms,
            is_empty: true,
        });
        Learnt::NotYet
    }
}

impl Window {
    /// How many bytes to read next.
    const fn wanted(&self, page_bytes: usize) -> usize {
        if self.readable_ms.is_some() { page_bytes } else { SAMPLE_BYTES }
    }

    /// Marks what a look found. Returns what it found beyond the window, once it is read.
    fn learn(
        &mut self,
        mut look: Look,
        readable_bytes: f64,
        marks: &mut Marks,
        window_ms: u64,
    ) -> Option<Option<Look>> {
        let inside = look.records.partition_point(|arrived| arrived.position <= self.until);
        let beyond = look.records.split_off(inside);
        let (bytes, last_ms) = (look.bytes(), look.records.last().map(|arrived| arrived.at_ms));
        for arrived in look.records.drain(..) {
            for item in &arrived.items {
                if let LogItem::Record(record) = item {
                    marks.is_new(record, arrived.at_ms, window_ms);
                }
            }
        }
        if !beyond.is_empty() {
            look.records = beyond;
            return Some(Some(look));
        }
        self.is_empty &= last_ms.is_none();
        if look.is_at_end() || look.next.is_none() {
            return if self.is_empty && self.begin_earlier() { None } else { Some(None) };
        }
        self.iterator = look.next;
        if let Some(last_ms) = last_ms.filter(|_| self.readable_ms.is_none()) {
            self.fit(bytes, last_ms, readable_bytes);
        }
        None
    }

    /// The end of the window held nothing: a parent was closed some time
    /// before its child's first record. Returns whether there is more of it.
    fn begin_earlier(&mut self) -> bool {
        let Some(readable_ms) = self.readable_ms.filter(|_| self.from_ms > self.whole_from_ms) else {
            return false;
        };
        self.from_ms = self.from_ms.saturating_sub(readable_ms).max(self.whole_from_ms);
        self.iterator = None;
        true
    }

    /// Begins later where the rest is more than the `readable_bytes` of the
    /// time that is left: `bytes` were read of what arrived up to `last_ms`.
    fn fit(&mut self, bytes: usize, last_ms: u64, readable_bytes: f64) {
        let bytes_per_ms = bytes as f64 / last_ms.saturating_sub(self.from_ms).max(1) as f64;
        let readable_ms = (readable_bytes / bytes_per_ms.max(f64::MIN_POSITIVE)) as u64;
        self.readable_ms = Some(readable_ms.max(1));
        let begin_ms = self.to_ms.saturating_sub(readable_ms);
        if begin_ms > last_ms {
            self.from_ms = begin_ms;
            self.iterator = None;
            self.is_empty = true;
        }
    }
}
