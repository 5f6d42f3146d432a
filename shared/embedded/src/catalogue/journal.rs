//! `catalogue.journal`: a second copy of every row of the catalogue, in a file that shares
//! only the disk with the database. Its bytes are described in [`format`].

mod format;

#[cfg(any(test, feature = "fuzzing"))]
pub(super) use format::reseal;
pub(super) use format::{JournalCondition, JournalContents, parse};

use crate::durable_file;
use format::{snapshot_bytes, write_frame};
use sluice_catalogue::row::StoredRow;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Reads the whole journal at `path`. Its length is bounded by [`Journal::is_long`].
pub(super) fn load(path: &Path) -> io::Result<(JournalContents, JournalCondition)> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Ok((JournalContents::default(), JournalCondition::Absent));
        }
        Err(e) => return Err(e),
    };
    Ok(parse(&bytes))
}

/// The journal open for appending.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    len: u64,
    frames: u64,
}

impl Journal {
    /// Opens an existing journal behind its good part, and cuts off the rest.
    pub(super) fn open(path: &Path, contents: &JournalContents) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut journal = Self { file, len: contents.good_len, frames: contents.frames };
        journal.trim()?;
        Ok(journal)
    }

    /// Writes a journal that starts from these rows. It replaces the old one once
    /// it is whole and synced.
    pub(super) fn rewrite(path: &Path, mut rows: Vec<StoredRow>, revision: u64) -> io::Result<Self> {
        let bytes = snapshot_bytes(&mut rows, revision);
        let fresh = path.with_extension("journal.new");
        let mut file =
            durable_file::private(OpenOptions::new().read(true).write(true).create(true).truncate(true))
                .open(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        durable_file::sync_parent(path)?;
        Ok(Self { file, len: bytes.len() as u64, frames: rows.len() as u64 })
    }

    /// Appends rows and syncs them. The caller then keeps them with [`Self::keep`] or removes
    /// them with [`Self::trim`]; after an error it must trim.
    pub(super) fn append(&mut self, rows: &[StagedRow]) -> io::Result<AppendedRows> {
        let mut bytes = Vec::new();
        rows.iter().for_each(|staged| write_frame(&mut bytes, &staged.row, staged.with_next));
        self.file.seek(SeekFrom::Start(self.len))?;
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.check_exists()?;
        Ok(AppendedRows { len: bytes.len() as u64, frames: rows.len() as u64 })
    }

    /// Fails if the file was deleted, since its content would be lost.
    fn check_exists(&self) -> io::Result<()> {
        match rustix::fs::fstat(&self.file)?.st_nlink {
            0 => Err(io::Error::new(io::ErrorKind::NotFound, "the file was deleted")),
            _ => Ok(()),
        }
    }

    /// Counts appended rows as part of the journal.
    pub(super) const fn keep(&mut self, appended: AppendedRows) {
        self.len += appended.len;
        self.frames += appended.frames;
    }

    /// Cuts off rows that were appended and not kept.
    pub(super) fn trim(&mut self) -> io::Result<()> {
        self.check_exists()?;
        if self.file.metadata()?.len() > self.len {
            self.file.set_len(self.len)?;
            self.file.sync_all()?;
        }
        Ok(())
    }

    /// Whether most frames of the journal are outdated, so that it should be rewritten.
    pub(super) const fn is_long(&self, rows: u64) -> bool {
        self.frames > 4 * rows + 4096
    }
}

/// A row to append.
#[derive(Debug)]
pub(super) struct StagedRow {
    pub(super) row: StoredRow,
    /// Whether this row and the next are one change: after a crash both are there, or
    /// neither.
    pub(super) with_next: bool,
}

/// The size of an append that is still to be kept or trimmed.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub(super) struct AppendedRows {
    len: u64,
    frames: u64,
}
