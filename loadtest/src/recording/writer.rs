//! Writes a recording.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::RecordingLine;

/// Writes lines, compressed according to the file's name.
pub(crate) struct LineWriter {
    sink: Sink,
    text: Vec<u8>,
    shown: Instant,
}

const SHOW_PERIOD: Duration = Duration::from_secs(1);

enum Sink {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl LineWriter {
    /// Makes the file anew.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        let sink = match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Sink::Gzip(GzEncoder::new(file, Compression::fast())),
            Some("zst") => Sink::Zstd(zstd::Encoder::new(file, 3)?),
            _ => Sink::Plain(file),
        };
        Ok(Self { sink, text: Vec::new(), shown: Instant::now() })
    }

    pub(crate) fn write(&mut self, line: &RecordingLine) -> io::Result<()> {
        self.text.clear();
        serde_json::to_writer(&mut self.text, line)?;
        self.text.push(b'\n');
        match &mut self.sink {
            Sink::Plain(file) => file.write_all(&self.text),
            Sink::Gzip(gzip) => gzip.write_all(&self.text),
            Sink::Zstd(zstd) => zstd.write_all(&self.text),
        }
    }

    /// Writes out what is still in memory, so that a killed recorder loses
    /// little. Compressed files are flushed once a second at most, because each
    /// flush costs some of the compression.
    pub(crate) fn show(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Plain(file) => return file.flush(),
            _ if self.shown.elapsed() < SHOW_PERIOD => return Ok(()),
            Sink::Gzip(gzip) => gzip.flush()?,
            Sink::Zstd(zstd) => zstd.flush()?,
        }
        self.shown = Instant::now();
        Ok(())
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        match self.sink {
            Sink::Plain(mut file) => file.flush(),
            Sink::Gzip(gzip) => gzip.finish()?.flush(),
            Sink::Zstd(zstd) => zstd.finish()?.flush(),
        }
    }
}
