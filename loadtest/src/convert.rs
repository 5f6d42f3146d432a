//! Recordings made of what other tools kept.
//!
//! | from | what becomes of it |
//! |---|---|
//! | HAR 1.2 | each request with a body, as [`record`](crate::record) would have written it |
//! | access log | common or combined log format; each line is one event, `http.request`, that says what the line says |
//!
//! An access log has no events of a producer in it, and none are made up: the
//! requests that it lists are the events. Bots and browsers aside, it is a
//! real pattern of arrivals, customers and sizes.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::recording::{Line, LineWriter};

mod access_log;
mod har;

/// What a file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// An HTTP archive, as browsers and proxies save it. Read whole into memory.
    Har,
    /// A web server's access log. Read line by line.
    AccessLog,
}

/// What was converted. The field names are stable.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct ConvertStats {
    /// Requests written to the recording.
    pub written: u64,
    /// What was left out: archived requests without a body, lines in no known form.
    pub left_out: u64,
    /// The first such line of an access log, from 1; 0 if there is none.
    pub first_left_out: u64,
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
    /// It is no HTTP archive.
    #[error("{} is no HTTP archive: {reason}", path.display())]
    Har {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Converts a file into a recording, made anew; compressed if it ends in `.gz` or `.zst`.
pub fn convert(from: &Path, format: Format, to: &Path) -> Result<ConvertStats, ConvertError> {
    let read_failed = |error| ConvertError::Read(from.to_owned(), error);
    let write_failed = |error| ConvertError::Write(to.to_owned(), error);
    let source = BufReader::new(File::open(from).map_err(read_failed)?);
    let mut stats = ConvertStats::default();
    let mut writer = LineWriter::create(to).map_err(write_failed)?;
    let mut write = |line: Option<Line>, at: u64, stats: &mut ConvertStats| match line {
        Some(line) => {
            stats.written += 1;
            writer.write(&line).map_err(write_failed)
        }
        None => {
            if stats.left_out == 0 {
                stats.first_left_out = at;
            }
            stats.left_out += 1;
            Ok(())
        }
    };
    match format {
        Format::Har => {
            let wrong = |reason| ConvertError::Har { path: from.to_owned(), reason };
            for entry in har::read(source).map_err(wrong)? {
                write(entry.line().map_err(wrong)?, 0, &mut stats)?;
            }
        }
        Format::AccessLog => {
            for (nth, line) in source.split(b'\n').enumerate() {
                let line = line.map_err(read_failed)?;
                if !line.trim_ascii().is_empty() {
                    write(access_log::line(&String::from_utf8_lossy(&line)), nth as u64 + 1, &mut stats)?;
                }
            }
        }
    }
    writer.finish().map_err(write_failed)?;
    Ok(stats)
}

#[cfg(test)]
mod tests;
