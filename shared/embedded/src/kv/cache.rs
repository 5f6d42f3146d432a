//! The current values, in a log-structured merge tree (the crate `lsm-tree`,
//! on which fjall is built). The tree has no journal and no threads of its own:
//! its files change only in [`Cache::flush`] and [`Cache::compact`], and a full
//! disk is an error after which these can be tried again.
//!
//! The blocks of its tables carry checksums, but the list of its tables does
//! not. A [`Proof`] of that list is kept in the file `flushed`.

use crate::durable_file;
use lsm_tree::compaction::Leveled;
use lsm_tree::{AbstractTree, AnyTree, Config, Guard, SeqNo, SequenceNumberCounter};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads see the newest value.
const NEWEST: SeqNo = SeqNo::MAX;

pub(crate) use lsm_tree::Slice;

/// Identifies the tree's set of tables: the CRC32C of the list of tables and of
/// the pointer to that list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proof(pub u32);

impl Proof {
    /// The proof of the tree in `dir`.
    pub(crate) fn read(dir: &Path) -> io::Result<Self> {
        let pointer = std::fs::read(dir.join("current"))?;
        let version = pointer.first_chunk::<8>().ok_or(io::ErrorKind::UnexpectedEof)?;
        let list = std::fs::read(dir.join(format!("v{}", u64::from_le_bytes(*version))))?;
        Ok(Self(crc32c::crc32c_append(crc32c::crc32c(&pointer), &list)))
    }
}

/// The current values.
pub(crate) struct Cache {
    tree: AnyTree,
    dir: PathBuf,
    seqno: SequenceNumberCounter,
}

impl Cache {
    /// Opens or makes the tree in `dir`.
    pub(crate) fn open(dir: &Path, block_cache_bytes: u64) -> lsm_tree::Result<Self> {
        let seqno = SequenceNumberCounter::default();
        let blocks = Arc::new(lsm_tree::Cache::with_capacity_bytes(block_cache_bytes));
        let config = Config::new(dir, seqno.clone(), SequenceNumberCounter::default()).use_cache(blocks);
        let tree = config.open()?;
        seqno.set(tree.get_highest_seqno().map_or(1, |highest| highest + 1));
        Ok(Self { tree, dir: dir.to_owned(), seqno })
    }

    pub(crate) fn get(&self, key: &[u8]) -> lsm_tree::Result<Option<Slice>> {
        self.tree.get(key, NEWEST)
    }

    /// Keys and values from the key `from` on, ascending.
    pub(crate) fn range(&self, from: &[u8]) -> impl Iterator<Item = lsm_tree::Result<(Slice, Slice)>> {
        self.tree.range(from.., NEWEST, None).map(Guard::into_inner)
    }

    /// Sets or removes values.
    pub(crate) fn apply(&self, changes: impl IntoIterator<Item = (Slice, Option<Slice>)>) {
        let seqno = self.seqno.next();
        for (key, value) in changes {
            match value {
                Some(value) => self.tree.insert(key, value, seqno),
                None => self.tree.remove(key, seqno),
            };
        }
    }

    /// Writes all applied values into tables, durably.
    pub(crate) fn flush(&self) -> lsm_tree::Result<Proof> {
        self.tree.rotate_memtable();
        self.without_leftovers(|tree, newest| {
            let lock = tree.get_flush_lock();
            tree.flush(&lock, newest).map(|_bytes| ())
        })?;
        Ok(Proof::read(&self.dir)?)
    }

    /// Merges tables if that is worth while. Returns the new proof if it did.
    pub(crate) fn compact(&self) -> lsm_tree::Result<Option<Proof>> {
        let before = Proof::read(&self.dir)?;
        self.without_leftovers(|tree, newest| tree.compact(Arc::new(Leveled::default()), newest))?;
        let after = Proof::read(&self.dir)?;
        Ok((after != before).then_some(after))
    }

    /// Changes the tree. If the change fails, the tables that it began are deleted.
    fn without_leftovers(
        &self,
        change: impl FnOnce(&AnyTree, SeqNo) -> lsm_tree::Result<()>,
    ) -> lsm_tree::Result<()> {
        let first = self.tree.next_table_id();
        let changed = change(&self.tree, self.seqno.get());
        if changed.is_err() {
            for table in first..self.tree.next_table_id() {
                if let Err(error) = durable_file::remove(&self.dir.join(format!("tables/{table}"))) {
                    tracing::warn!(table, %error, "a half-written table of the state cache stays behind");
                }
            }
        }
        changed
    }

    /// Bytes of its tables.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.tree.disk_space()
    }
}
