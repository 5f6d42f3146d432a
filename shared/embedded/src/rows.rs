//! Rows on one machine, in the state store.
//!
//! ```text
//! key    'r', length of the partition's name u8, the name, the row's key
//! value  expires at u64 (0: never), needs events from u64 (all ones: none), the row's value; little-endian
//! ```

use super::clock::EngineClock;
use super::disk_reads::DiskReads;
use super::kv::{Kv, KvView, StagedChanges};
use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_model::wire::bytes_reader::{BytesReader, TooShort};
use sluice_ports::rows::{NAME_BYTES_MAX, NewRow, Row, RowChange, Rows, VALUE_BYTES_MAX};
use sluice_ports::{FailureClass, PortError};
use std::collections::BTreeMap;
use std::sync::Arc;

const KIND: u8 = b'r';
const HEAD: usize = 16;
const NEEDS_NOTHING: u64 = u64::MAX;
/// The most rows that one step of the search for expired rows reads.
const SWEEP_ROWS: usize = 10_000;

/// The times from which on rows need events, each with the number of rows.
#[derive(Debug, Default)]
struct NeededTimes(BTreeMap<u64, usize>);

impl NeededTimes {
    fn add(&mut self, from_ms: u64) {
        if from_ms != NEEDS_NOTHING {
            *self.0.entry(from_ms).or_default() += 1;
        }
    }

    fn remove(&mut self, from_ms: u64) {
        if let Some(count) = self.0.get_mut(&from_ms) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&from_ms);
            }
        }
    }
}

/// The embedded rows.
pub struct EmbeddedRows {
    kv: Arc<Kv>,
    reads: DiskReads,
    clock: EngineClock,
    needs: Arc<Mutex<NeededTimes>>,
}

struct StoredValue<'a> {
    expires_at_ms: u64,
    needs_from_ms: u64,
    value: &'a [u8],
}

fn parse(bytes: &[u8]) -> Result<StoredValue<'_>, PortError> {
    let head = |mut reader: BytesReader<'_>| Ok((reader.u64()?, reader.u64()?));
    let (expires_at_ms, needs_from_ms) = head(BytesReader::new(bytes)).map_err(|error: TooShort| {
        PortError::Damaged { attempted: "read a row".into(), detail: error.to_string() }
    })?;
    Ok(StoredValue { expires_at_ms, needs_from_ms, value: &bytes[HEAD..] })
}

impl StoredValue<'_> {
    const fn is_gone(&self, now_ms: u64) -> bool {
        self.expires_at_ms != 0 && self.expires_at_ms <= now_ms
    }
}

fn full_key(partition: &str, key: &[u8]) -> Result<Vec<u8>, PortError> {
    if partition.len() > NAME_BYTES_MAX || key.len() > NAME_BYTES_MAX {
        let attempted = format!("a row of partition {partition}");
        return Err(PortError::failed(FailureClass::Refused, attempted, "its name is too long"));
    }
    let mut all = Vec::with_capacity(2 + partition.len() + key.len());
    all.extend_from_slice(&[KIND, partition.len() as u8]);
    all.extend_from_slice(partition.as_bytes());
    all.extend_from_slice(key);
    Ok(all)
}

/// The key and the value that are stored for a row.
fn encode(row: &NewRow) -> Result<(Vec<u8>, Vec<u8>), PortError> {
    let key = full_key(&row.partition, &row.key)?;
    if row.value.len() > VALUE_BYTES_MAX {
        let attempted = format!("a row of partition {}", row.partition);
        return Err(PortError::failed(FailureClass::Refused, attempted, "its value is too large"));
    }
    let mut value = Vec::with_capacity(HEAD + row.value.len());
    value.extend_from_slice(&row.expires_at_ms.unwrap_or(0).to_le_bytes());
    value.extend_from_slice(&row.needs_from_ms.unwrap_or(NEEDS_NOTHING).to_le_bytes());
    value.extend_from_slice(&row.value);
    Ok((key, value))
}

/// The times that a change removes from [`NeededTimes`] and adds to it.
type Shift = Vec<(Option<u64>, Option<u64>)>;

fn stage_put(
    staged: &mut StagedChanges<'_>,
    key: Vec<u8>,
    value: Vec<u8>,
    shift: &mut Shift,
) -> Result<(), PortError> {
    shift.push((needed_by(staged.get(&key)?.as_deref()), needed_by(Some(&value))));
    staged.put(key, value);
    Ok(())
}

fn stage_remove(staged: &mut StagedChanges<'_>, key: Vec<u8>, shift: &mut Shift) -> Result<(), PortError> {
    if let Some(old) = staged.get(&key)? {
        shift.push((needed_by(Some(&old)), None));
        staged.remove(key);
    }
    Ok(())
}

/// The time from which on a stored row needs events. An unreadable row needs none, and
/// can be replaced and removed like any other.
fn needed_by(stored: Option<&[u8]>) -> Option<u64> {
    stored.and_then(|bytes| parse(bytes).ok()).map(|row| row.needs_from_ms)
}

impl EmbeddedRows {
    /// Opens the rows and learns which events they need. Blocks.
    pub(crate) fn open(kv: Arc<Kv>, clock: EngineClock) -> Result<Self, PortError> {
        let mut needs = NeededTimes::default();
        kv.view().scan(&[KIND], &[], |_, value| {
            needed_by(Some(value)).into_iter().for_each(|from_ms| needs.add(from_ms));
            Ok(true)
        })?;
        Ok(Self { kv, reads: DiskReads::new(), clock, needs: Arc::new(Mutex::new(needs)) })
    }

    /// The id time of the oldest event that a row needs.
    pub(crate) fn oldest_ms(&self) -> u64 {
        self.needs.lock().0.first_key_value().map_or(u64::MAX, |(from_ms, _)| *from_ms)
    }

    /// Removes rows that have expired.
    pub(crate) async fn expire(&self, now_ms: u64) -> Result<(), PortError> {
        let mut from = Some(vec![KIND]);
        while let Some(start) = from.take() {
            let view = self.kv.view().clone();
            let find = move || expired(&view, &start, now_ms);
            let (gone, next) = self.reads.run("find expired rows", find).await?;
            if !gone.is_empty() {
                self.change(move |staged, shift| {
                    for key in gone {
                        // A row may have been put again after it was found.
                        let is_gone = match staged.get(&key)? {
                            Some(value) => parse(&value)?.is_gone(now_ms),
                            None => false,
                        };
                        if is_gone {
                            stage_remove(staged, key, shift)?;
                        }
                    }
                    Ok(true)
                })
                .await?;
            }
            from = next;
        }
        Ok(())
    }

    async fn change(
        &self,
        stage: impl FnOnce(&mut StagedChanges<'_>, &mut Shift) -> Result<bool, PortError> + Send + 'static,
    ) -> Result<bool, PortError> {
        let needs = self.needs.clone();
        let stage = move |staged: &mut StagedChanges<'_>| {
            let mut shift = Vec::new();
            let made = stage(staged, &mut shift)?;
            Ok((made, shift))
        };
        let made = move |(_, shift): &(bool, Shift)| {
            let mut needs = needs.lock();
            for (before, after) in shift {
                before.iter().for_each(|from_ms| needs.remove(*from_ms));
                after.iter().for_each(|from_ms| needs.add(*from_ms));
            }
        };
        self.kv.update_then(stage, made).await.map(|(made, _)| made)
    }
}

/// Keys of expired rows, and where the next step begins if there may be more.
fn expired(view: &KvView, from: &[u8], now_ms: u64) -> Result<(Vec<Vec<u8>>, Option<Vec<u8>>), PortError> {
    let (mut gone, mut next, mut seen) = (Vec::new(), None, 0);
    view.scan(&[KIND], from, |key, value| {
        if seen >= SWEEP_ROWS {
            next = Some(key.to_vec());
            return Ok(false);
        }
        seen += 1;
        if parse(value)?.is_gone(now_ms) {
            gone.push(key.to_vec());
        }
        Ok(true)
    })?;
    Ok((gone, next))
}

#[async_trait]
impl Rows for EmbeddedRows {
    async fn write(&self, changes: Vec<RowChange>) -> Result<(), PortError> {
        let encoded = changes
            .into_iter()
            .map(|change| match change {
                RowChange::Put(row) => encode(&row).map(|(key, value)| (key, Some(value))),
                RowChange::Remove { partition, key } => full_key(&partition, &key).map(|key| (key, None)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.change(move |staged, shift| {
            for (key, value) in encoded {
                match value {
                    Some(value) => stage_put(staged, key, value, shift)?,
                    None => stage_remove(staged, key, shift)?,
                }
            }
            Ok(true)
        })
        .await
        .map(|_made| ())
    }

    async fn put_if(&self, row: NewRow, expected: Option<Vec<u8>>) -> Result<bool, PortError> {
        let (key, value) = encode(&row)?;
        let now_ms = self.clock.now_ms();
        self.change(move |staged, shift| {
            let stored = staged.get(&key)?;
            let stored = stored.as_ref().map(|stored| parse(stored)).transpose()?;
            let stored = stored.filter(|stored| !stored.is_gone(now_ms)).map(|stored| stored.value);
            if stored != expected.as_deref() {
                return Ok(false);
            }
            stage_put(staged, key, value, shift)?;
            Ok(true)
        })
        .await
    }

    async fn get(&self, partition: &str, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        let (view, key, now_ms) = (self.kv.view().clone(), full_key(partition, key)?, self.clock.now_ms());
        let read = move || {
            let stored = view.get(&key)?;
            let stored = stored.as_ref().map(|stored| parse(stored)).transpose()?;
            let stored = stored.filter(|stored| !stored.is_gone(now_ms));
            Ok(stored.map(|stored| stored.value.to_vec()))
        };
        self.reads.run("read a row", read).await
    }

    async fn list(&self, partition: &str, after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, PortError> {
        let prefix = full_key(partition, b"")?;
        let from = after.map(|after| full_key(partition, after)).transpose()?;
        let (view, now_ms) = (self.kv.view().clone(), self.clock.now_ms());
        let read = move || {
            let mut rows = Vec::new();
            view.scan(&prefix, from.as_deref().unwrap_or_default(), |key, value| {
                let stored = parse(value)?;
                if rows.len() < limit && from.as_deref() != Some(key) && !stored.is_gone(now_ms) {
                    rows.push(Row { key: key[prefix.len()..].to_vec(), value: stored.value.to_vec() });
                }
                Ok(rows.len() < limit)
            })?;
            Ok(rows)
        };
        self.reads.run("list rows", read).await
    }
}
