//! The thread that writes a recording.

use std::io;
use std::path::Path;
use std::thread::JoinHandle;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::recording::{LineWriter, RecordingLine};

/// Writes lines until there are no more; cancels `ended` if it cannot.
pub(super) fn start(
    path: &Path,
    lines: mpsc::Receiver<RecordingLine>,
    ended: CancellationToken,
) -> io::Result<JoinHandle<io::Result<()>>> {
    let writer = LineWriter::create(path)?;
    let write = move || {
        let written = write_all(writer, lines);
        if written.is_err() {
            ended.cancel();
        }
        written
    };
    std::thread::Builder::new().name("recorder".into()).spawn(write)
}

fn write_all(mut writer: LineWriter, mut lines: mpsc::Receiver<RecordingLine>) -> io::Result<()> {
    while let Some(line) = lines.blocking_recv() {
        writer.write(&line)?;
        if lines.is_empty() {
            writer.show()?;
        }
    }
    writer.finish()
}
