//! The thread that writes a recording.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::thread::JoinHandle;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::recording::Line;

/// As the file's name asks for.
enum Sink {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

/// Writes lines until there are no more; cancels `ended` if it cannot.
pub(super) fn start(
    path: &Path,
    lines: mpsc::Receiver<Line>,
    ended: CancellationToken,
) -> io::Result<JoinHandle<io::Result<()>>> {
    let file = BufWriter::new(File::create(path)?);
    let sink = match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => Sink::Gzip(GzEncoder::new(file, Compression::fast())),
        Some("zst") => Sink::Zstd(zstd::Encoder::new(file, 3)?),
        _ => Sink::Plain(file),
    };
    let write = move || {
        let written = write_all(sink, lines);
        if written.is_err() {
            ended.cancel();
        }
        written
    };
    std::thread::Builder::new().name("recorder".into()).spawn(write)
}

fn write_all(mut sink: Sink, mut lines: mpsc::Receiver<Line>) -> io::Result<()> {
    let mut text = Vec::new();
    while let Some(line) = lines.blocking_recv() {
        text.clear();
        serde_json::to_writer(&mut text, &line)?;
        text.push(b'\n');
        sink.write_all(&text)?;
        // What is plain can be looked at while it grows.
        if let (Sink::Plain(file), true) = (&mut sink, lines.is_empty()) {
            file.flush()?;
        }
    }
    match sink {
        Sink::Plain(mut file) => file.flush(),
        Sink::Gzip(gzip) => gzip.finish()?.flush(),
        Sink::Zstd(zstd) => zstd.finish()?.flush(),
    }
}

impl Sink {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(bytes),
            Self::Gzip(gzip) => gzip.write_all(bytes),
            Self::Zstd(zstd) => zstd.write_all(bytes),
        }
    }
}
