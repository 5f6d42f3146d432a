//! Learning which records came before the checkpoint, so that a new owner of a shard
//! recognises their repeats.
//!
//! A record may be sent again for one resend window. So the owner reads the records of
//! that window before the checkpoint, and those at the end of the shard's parents: a
//! record whose first copy went to a parent may be repeated in a child. A shard gives
//! 2 MiB a second, and a full shard holds 60 MB a window, so the learning has a
//! deadline. A sample tells how fast the shard is written to; if the window does not
//! fit, only its end is read. The repeat of a record that was not learnt is delivered
//! again, which is legal.
//!
//! Each step keeps its progress and its iterator, whatever fails. The last page
//! usually reaches beyond the checkpoint, and the reader continues with it.

use super::look::Look;
use super::marks::Marks;
use super::reader::Readers;
use super::shard_map::ShardInfo;
use super::stream::ReadFrom;
use sluice_ports::PortError;
use sluice_ports::log::{LogItem, Position, ShardId};
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of the sample: enough records to tell the rate, and cheap to read.
const SAMPLE_BYTES: usize = 128 << 10;

/// The state of learning.
pub(super) struct Learning {
    pub(super) after: Position,
    window_ms: u64,
    deadline: Instant,
    marks: Marks,
    step: LearningStep,
    /// Parents whose end is still to be read.
    parents: Vec<ShardId>,
}

/// What is being read.
enum LearningStep {
    /// Finds when the record at the checkpoint arrived; without a checkpoint, the oldest record.
    Anchor { iterator: Option<String> },
    /// Reads the end of the window, of a parent or of the shard itself.
    Window(Window),
}

/// The records of one shard that arrived after a time, up to a position.
struct Window {
    shard: ShardId,
    until: Position,
    from_ms: u64,
    /// The end of the window: when the record at the checkpoint arrived.
    to_ms: u64,
    iterator: Option<String>,
    /// How many milliseconds of the window can be read in time; known after the sample.
    readable_ms: Option<u64>,
    /// The beginning of the whole window.
    whole_from_ms: u64,
    /// Whether nothing was found since the last change of the beginning.
    is_empty: bool,
}

/// The progress of a step.
pub(super) enum Learnt {
    /// There is more to learn.
    NotYet,
    /// All records that could be learnt in time, and the page that was read beyond the
    /// checkpoint.
    Everything(Option<Look>),
}

impl Learning {
    /// Begins for a shard that will be read behind `after`; `shards` are the stream's shards.
    pub(super) fn new(
        shard: &ShardId,
        after: Position,
        shards: &[ShardInfo],
        window: Duration,
        within: Duration,
    ) -> Self {
        let own = shards.iter().find(|info| info.id == *shard);
        // A parent that the stream no longer lists is older than any window.
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

    /// The marks of the learnt records.
    pub(super) fn into_marks(self) -> Marks {
        self.marks
    }

    /// Reads until `until` at the latest.
    ///
    /// # Errors
    /// If the log fails. Nothing learnt is lost.
    pub(super) async fn advance(
        &mut self,
        readers: &Readers,
        shard: &ShardId,
        until: Instant,
    ) -> Result<Learnt, PortError> {
        // The parent that is being read is no longer in `parents`.
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
                    // Neither this record nor a later one exists, so no record is young enough to
                    // be sent again.
                    None if is_at_end => Ok(Learnt::Everything(None)),
                    None => Ok(Learnt::NotYet),
                }
            }
            LearningStep::Window(window) => {
                // The parents share the remaining time.
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

    /// Continues with the window of the next parent, or of the shard itself.
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

    /// Marks the records of a look. When the window is read, returns the records beyond it.
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

    /// Begins earlier after the end of the window was empty: a parent may have been closed
    /// some time before its child's first record. Returns false if the window has no
    /// earlier part.
    fn begin_earlier(&mut self) -> bool {
        let Some(readable_ms) = self.readable_ms.filter(|_| self.from_ms > self.whole_from_ms) else {
            return false;
        };
        self.from_ms = self.from_ms.saturating_sub(readable_ms).max(self.whole_from_ms);
        self.iterator = None;
        true
    }

    /// Begins later if the rest of the window has more than the `readable_bytes` that fit
    /// the remaining time. `bytes` of it were read, which arrived up to `last_ms`.
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
