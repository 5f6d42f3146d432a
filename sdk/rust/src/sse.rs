//! Reads server-sent events (WHATWG HTML, 9.2) from chunks of bytes. Pure.

use std::collections::VecDeque;

/// A longer line ends the stream with an error.
const LINE_BYTES_MAX: usize = 16 << 20;

/// One block. `data` is `None` if the block only moves the position.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SseMessage {
    pub id: Option<String>,
    pub data: Option<String>,
}

/// Takes chunks, and keeps the complete messages.
#[derive(Debug, Default)]
pub(crate) struct SseParser {
    rest: Vec<u8>,
    id: Option<String>,
    data: Option<String>,
    whole: VecDeque<SseMessage>,
}

impl SseParser {
    /// Takes a chunk; false if a line is too long.
    pub(crate) fn feed(&mut self, chunk: &[u8]) -> bool {
        let mut lines = chunk.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            self.rest.extend_from_slice(line);
            if lines.peek().is_some() {
                let line = std::mem::take(&mut self.rest);
                self.line(String::from_utf8_lossy(&line).trim_end_matches('\r'));
            }
        }
        self.rest.len() <= LINE_BYTES_MAX
    }

    /// The next whole message.
    pub(crate) fn next(&mut self) -> Option<SseMessage> {
        self.whole.pop_front()
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            let message = SseMessage { id: self.id.take(), data: self.data.take() };
            if message.id.is_some() || message.data.is_some() {
                self.whole.push_back(message);
            }
            return;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => match &mut self.data {
                Some(data) => data.extend(["\n", value]),
                none => *none = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            _ => {}
        }
    }
}
