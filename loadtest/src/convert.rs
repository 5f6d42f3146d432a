//! Makes recordings from the files of other programs.
//!
//! | from | becomes |
//! |---|---|
//! | HAR 1.2 | each request with a body, as [`record`](crate::record) would have written it |
//! | access log | common or combined log format, with a virtual host in front or not; each line becomes one event, `http.request`, with the line's fields |
//!
//! An access log has no events of a producer in it, and none are invented: the
//! requests that it lists are the events. Its pattern of arrivals, customers and
//! sizes is real.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::record::Redaction;
use crate::recording::{LineWriter, RecordingLine};

mod access_log;
mod har;

/// The form of the file to convert.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConvertFormat {
    /// An HTTP archive, as browsers and proxies save it. Read whole into memory.
    Har,
    /// A web server's access log. Read line by line.
    AccessLog,
}

/// How much was converted. The field names are stable.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct ConvertStats {
    /// Requests written to the recording.
    pub written: u64,
    /// Entries and lines that were left out: archived requests without a body,
    /// damaged entries, lines in no known form.
    pub left_out: u64,
    /// The first entry or line that was left out, from 1; 0 if there is none.
    pub first_left_out: u64,
    /// Why that one was left out.
    pub first_reason: Option<String>,
}

/// Why a file cannot be converted.
#[derive(Debug, Error)]
pub enum ConvertError {
    /// The file cannot be read.
    #[error("reading {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The recording cannot be written.
    #[error("writing {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The recording would replace the file that it is made from.
    #[error("{} is the file to convert: give another one for the recording", .0.display())]
    Same(PathBuf),
    /// It is no HTTP archive.
    #[error("{} is no HTTP archive: {reason}", path.display())]
    Har {
        /// Which file.
        path: PathBuf,
        /// Why it is not one.
        reason: String,
    },
    /// There is nothing in it to record.
    #[error("{} has no request to record; left out: {left_out}{reason}", path.display())]
    Nothing {
        /// Which file.
        path: PathBuf,
        /// Entries or lines that were left out.
        left_out: u64,
        /// Why the first of them was, or nothing.
        reason: String,
    },
}

/// Converts a file into a recording, compressed if its name ends in `.gz` or `.zst`.
/// The recording gets its name only when it is whole: after an error there is none,
/// and an existing file of that name is unchanged.
pub fn convert(
    from: &Path,
    format: ConvertFormat,
    to: &Path,
    redaction: &Redaction,
) -> Result<ConvertStats, ConvertError> {
    let same = to.canonicalize().is_ok_and(|to| from.canonicalize().is_ok_and(|from| from == to));
    if same {
        return Err(ConvertError::Same(from.to_owned()));
    }
    let part = part_of(to);
    let converted = write_part(from, format, &part, redaction);
    let placed = converted.and_then(|stats| {
        std::fs::rename(&part, to).map_err(|error| ConvertError::Write(to.to_owned(), error))?;
        Ok(stats)
    });
    if placed.is_err() {
        // It may not even have been made.
        std::fs::remove_file(&part).ok();
    }
    placed
}

/// The file in which the recording grows: in the same directory, with the same ending.
fn part_of(to: &Path) -> PathBuf {
    let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
    to.with_file_name(format!(".{}.{name}", std::process::id()))
}

fn write_part(
    from: &Path,
    format: ConvertFormat,
    part: &Path,
    redaction: &Redaction,
) -> Result<ConvertStats, ConvertError> {
    let read_failed = |error| ConvertError::Read(from.to_owned(), error);
    let write_failed = |error| ConvertError::Write(part.to_owned(), error);
    let file = File::open(from).map_err(read_failed)?;
    let mut writer = LineWriter::create(part).map_err(write_failed)?;
    let mut stats = ConvertStats::default();
    let mut write = |line: Result<RecordingLine, String>, nth: usize| match line {
        Ok(line) => {
            stats.written += 1;
            writer.write(&line).map_err(write_failed)
        }
        Err(reason) => {
            if stats.left_out == 0 {
                (stats.first_left_out, stats.first_reason) = (nth as u64 + 1, Some(reason));
            }
            stats.left_out += 1;
            Ok(())
        }
    };
    match format {
        ConvertFormat::Har => {
            let wrong = |reason| ConvertError::Har { path: from.to_owned(), reason };
            for (nth, entry) in har::read(file).map_err(wrong)?.into_iter().enumerate() {
                write(entry.and_then(|entry| entry.line(redaction)), nth)?;
            }
        }
        ConvertFormat::AccessLog => {
            for (nth, line) in BufReader::new(file).split(b'\n').enumerate() {
                let line = line.map_err(read_failed)?;
                if !line.trim_ascii().is_empty() {
                    let parsed = access_log::line(&String::from_utf8_lossy(&line));
                    write(parsed.ok_or_else(|| "it is in no known form".to_owned()), nth)?;
                }
            }
        }
    }
    if stats.written == 0 {
        let reason =
            stats.first_reason.map_or_else(String::new, |reason| format!(", the first because {reason}"));
        return Err(ConvertError::Nothing { path: from.to_owned(), left_out: stats.left_out, reason });
    }
    writer.finish().map_err(write_failed)?;
    Ok(stats)
}

#[cfg(test)]
mod tests;
