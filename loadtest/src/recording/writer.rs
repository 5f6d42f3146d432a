//! Writing a recording.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::Line;

/// Writes lines, compressed as the file's name asks for.
pub(crate) struct LineWriter {
    sink: Sink,
    text: Vec<u8>,
}

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
        Ok(Self { sink, text: Vec::new() })
    }

    pub(crate) fn write(&mut self, line: &Line) -> io::Result<()> {
        self.text.clear();
        serde_json::to_writer(&mut self.text, line)?;
        self.text.push(b'\n');
        match &mut self.sink {
            Sink::Plain(file) => file.write_all(&self.text),
            Sink::Gzip(gzip) => gzip.write_all(&self.text),
            Sink::Zstd(zstd) => zstd.write_all(&self.text),
        }
    }

    /// What is plain can be looked at while it grows.
    pub(crate) fn show(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Plain(file) => file.flush(),
            Sink::Gzip(_) | Sink::Zstd(_) => Ok(()),
        }
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        match self.sink {
            Sink::Plain(mut file) => file.flush(),
            Sink::Gzip(gzip) => gzip.finish()?.flush(),
            Sink::Zstd(zstd) => zstd.finish()?.flush(),
        }
    }
}
