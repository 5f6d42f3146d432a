//! The data directory: its lock, its permissions, and the numbers of lanes and
//! shards, which are fixed when it is made.
//!
//! `format` (and `format.copy`, the same bytes, in case one is damaged):
//!
//! ```text
//!  0  8  "SLUICEDD"
//!  8  2  version of the directory's layout, 1
//! 10  2  lanes
//! 12  2  log shards
//! 14  2  zeros
//! 16  4  CRC32C of bytes 0..16
//! ```

use super::durable_file;
use rustix::fs::Mode;
use sluice_model::ids::LANES_MAX;
use sluice_model::wire::bytes_reader::BytesReader;
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"SLUICEDD";
const VERSION: u16 = 1;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it open.
    #[error("{0}: another Sluice process is using this data directory")]
    Locked(PathBuf),
    /// A version with another format made it.
    #[error("{0}: the data directory has format {1}; this build knows format {VERSION}")]
    Version(PathBuf, u16),
    /// Both copies of the format file are damaged or missing.
    #[error("{0}: both `format` and `format.copy` are damaged or missing; restore one of them")]
    Damaged(PathBuf),
    /// The disk failed.
    #[error("{path}: {source}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// An open, locked data directory.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// How many lanes the deployment has.
    pub lanes: u16,
    /// How many shards its log has.
    pub shards: u16,
    findings: Vec<String>,
    /// Holds the lock until it is dropped.
    _lock: File,
}

impl DataDir {
    /// Opens `path`, or makes it with these numbers of lanes and shards. From then on this
    /// process makes private files (umask 077), and the directory's own files become private.
    ///
    /// # Errors
    /// See [`DataDirError`].
    pub fn open(path: &Path, lanes: u16, shards: u16) -> Result<Self, DataDirError> {
        let io = |source| DataDirError::Io { path: path.to_owned(), source };
        // The libraries of the state's tables and of the catalogue make files of their own.
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
        durable_file::create_dir(path).map_err(io)?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(DataDirError::Locked(path.to_owned())),
            Err(std::fs::TryLockError::Error(error)) => return Err(io(error)),
        }
        make_private(path).map_err(io)?;
        let stored = [path.join("format"), path.join("format.copy")].map(|file| read(&file));
        let [first, second] = stored;
        let mut findings = Vec::new();
        let format = match (first.map_err(io)?, second.map_err(io)?) {
            (StoredFormat::Good(format), StoredFormat::Good(_)) => format,
            // The directory is not new, and nothing tells how many lanes and shards it has.
            (StoredFormat::Missing, StoredFormat::Missing) if path.join("log").exists() => {
                return Err(DataDirError::Damaged(path.to_owned()));
            }
            (StoredFormat::Missing, StoredFormat::Missing) => {
                let format = DataDirFormat {
                    version: VERSION,
                    lanes: lanes.clamp(1, LANES_MAX),
                    shards: shards.max(1),
                };
                write(path, format).map_err(io)?;
                format
            }
            (StoredFormat::Good(format), _) | (_, StoredFormat::Good(format)) => {
                let finding = format!("{}: a copy of the format file was damaged; mended", path.display());
                tracing::error!(finding, "the data directory is damaged");
                findings.push(finding);
                write(path, format).map_err(io)?;
                format
            }
            _ => return Err(DataDirError::Damaged(path.to_owned())),
        };
        if format.version != VERSION {
            return Err(DataDirError::Version(path.to_owned(), format.version));
        }
        let (lanes, shards) = (format.lanes, format.shards);
        Ok(Self { path: path.to_owned(), lanes, shards, findings, _lock: lock })
    }

    /// The damage that was found when the directory was opened.
    pub(crate) fn findings(&self) -> &[String] {
        &self.findings
    }

    /// The path of a file in the directory.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// The prefixes of the names of the engine's and the server's files.
const OWN_NAMES: [&str; 6] = ["lock", "format", "log", "state", "catalogue.", "admin-token"];
/// The mode bit of directories that many users share, like `/tmp`.
const STICKY: u32 = 0o1000;

/// Takes the permissions of everybody but the owner from the directory and from its own
/// files; other files in it stay as they are.
fn make_private(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.permissions().mode() & STICKY != 0 {
        tracing::warn!(path = %path.display(), "the data directory is shared with other users");
    } else if let Err(error) = durable_file::restrict_dir(path) {
        tracing::warn!(path = %path.display(), %error, "other users may look into the data directory");
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let is_own = |name: &str| OWN_NAMES.iter().any(|own| name.starts_with(own));
        if entry.file_name().to_str().is_some_and(is_own) {
            durable_file::mend_permissions(&entry.path())?;
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
struct DataDirFormat {
    version: u16,
    lanes: u16,
    shards: u16,
}

enum StoredFormat {
    Good(DataDirFormat),
    Damaged,
    Missing,
}

fn read(file: &Path) -> io::Result<StoredFormat> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(StoredFormat::Missing),
        Err(error) => return Err(error),
    };
    Ok(decode(&bytes).map_or(StoredFormat::Damaged, StoredFormat::Good))
}

fn decode(bytes: &[u8]) -> Option<DataDirFormat> {
    let mut reader = BytesReader::new(bytes);
    let magic = reader.array().ok()?;
    let (version, lanes) = (reader.u16().ok()?, reader.u16().ok()?);
    let (shards, _zeros, crc) = (reader.u16().ok()?, reader.u16().ok()?, reader.u32().ok()?);
    let whole = reader.position() == bytes.len() && magic == MAGIC && crc == crc32c::crc32c(&bytes[..16]);
    let is_sane = (1..=LANES_MAX).contains(&lanes) && shards > 0;
    (whole && (is_sane || version != VERSION)).then_some(DataDirFormat { version, lanes, shards })
}

fn write(dir: &Path, format: DataDirFormat) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    for field in [format.version, format.lanes, format.shards, 0] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    durable_file::replace(&dir.join("format"), &bytes)?;
    durable_file::replace(&dir.join("format.copy"), &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::wire::record::VERSION_PACKED;

    /// A new version of records raises the directory's version, too, so that an older build
    /// refuses to start before it accepts an event or deletes a segment. Version 2 has no
    /// directory format of its own: builds that do not read it refuse the catalogue's newer
    /// schema.
    #[test]
    fn a_new_version_of_records_has_a_new_format_of_the_directory() {
        assert_eq!((VERSION_PACKED, VERSION), (2, 1));
    }
}
