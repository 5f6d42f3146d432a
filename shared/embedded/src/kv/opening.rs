//! Opening the cache and bringing it up to the ledger.

use super::KvSettings;
use super::cache::{Cache, Proof};
use super::flushed::Flushed;
use super::staged::decode;
use super::upkeep::Upkeep;
use crate::durable_file;
use crate::segments::{LogSegments, LogStep};
use std::io;
use std::path::Path;

/// Opens the cache and returns it with the ledger LSN to replay from, or the
/// reason why it cannot be used.
pub(super) fn open_cache(
    dir: &Path,
    flushed: io::Result<Flushed>,
    rebuild_marker: &Path,
    settings: &KvSettings,
) -> Result<(Cache, u64), String> {
    if rebuild_marker.exists() {
        return Err("it could not be read".to_owned());
    }
    let flushed = flushed.map_err(|error| format!("`flushed`: {error}"))?;
    let cache = dir.join("cache");
    match Proof::read(&cache) {
        Ok(proof) if proof == flushed.proof => {
            let cache = Cache::open(&cache, settings.cache_bytes).map_err(|error| error.to_string())?;
            Ok((cache, flushed.lsn))
        }
        Ok(_) => Err("its list of tables is not the one that was flushed".to_owned()),
        Err(error) => Err(format!("its list of tables: {error}")),
    }
}

/// Makes an empty cache in the place of the old one.
pub(super) fn make_cache(dir: &Path, settings: &KvSettings) -> io::Result<Cache> {
    let (path, flushed) = (dir.join("cache"), dir.join("flushed"));
    durable_file::remove(&flushed)?;
    durable_file::remove_dir(&path)?;
    let cache = Cache::open(&path, settings.cache_bytes).map_err(io::Error::other)?;
    Flushed { lsn: 0, proof: Proof::read(&path)? }.write(&flushed)?;
    Ok(cache)
}

/// Applies the ledger from the LSN `from` on to the cache.
pub(super) fn replay(
    segments: &LogSegments,
    from: u64,
    cache: &Cache,
    upkeep: &Upkeep,
    findings: &mut Vec<String>,
) -> io::Result<()> {
    let mut lsn = from;
    loop {
        match segments.read(lsn)? {
            LogStep::End => return Ok(()),
            LogStep::Frame { next, payload, .. } => {
                cache.apply(decode(&payload).map_err(io::Error::other)?);
                lsn = next;
                upkeep.flush_if_due(lsn)?;
            }
            LogStep::Damaged { next, detail, .. } => {
                if !findings.contains(&detail) {
                    findings.push(detail);
                }
                lsn = next;
            }
        }
    }
}
