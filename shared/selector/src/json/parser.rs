//! Parsing JSON's grammar (RFC 8259) into a tape, without recursion.

use super::{JsonFault, Node, NodeKind, Tape};

pub(super) struct JsonParser<'p> {
    tape: &'p mut Tape,
    text: &'p str,
    at: usize,
    depth_max: usize,
}

impl<'p> JsonParser<'p> {
    pub(super) fn new(tape: &'p mut Tape, text: &'p str, depth_max: usize) -> Self {
        Self { tape, text, at: 0, depth_max }
    }

    pub(super) fn document(&mut self) -> Result<(), JsonFault> {
        if u32::try_from(self.text.len()).is_err() {
            return Err(self.fault("longer than 4 GiB"));
        }
        loop {
            if self.value()? {
                continue;
            }
            if !self.after_value()? {
                break;
            }
        }
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.fault("text after the end of the value")) }
    }

    /// Reads one scalar or the opening of a container. Returns true if a value must follow
    /// because a container was opened and is not empty.
    fn value(&mut self) -> Result<bool, JsonFault> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => {
                let (kind, from, to) = self.string(NodeKind::String, NodeKind::EscapedString)?;
                self.push(kind, from, to);
                Ok(false)
            }
            Some(b'{') => self.open(NodeKind::Object, b'}'),
            Some(b'[') => self.open(NodeKind::Array, b']'),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.word("true", NodeKind::True),
            Some(b'f') => self.word("false", NodeKind::False),
            Some(b'n') => self.word("null", NodeKind::Null),
            Some(_) => Err(self.fault("expected a value")),
            None => Err(self.fault("ends where a value is expected")),
        }
    }

    fn open(&mut self, kind: NodeKind, close: u8) -> Result<bool, JsonFault> {
        if self.tape.open.len() >= self.depth_max {
            return Err(self.fault("nested too deeply"));
        }
        self.at += 1;
        let index = self.tape.nodes.len() as u32;
        self.push(kind, 0, index + 1);
        self.skip_space();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        self.tape.open.push(index);
        if kind == NodeKind::Object {
            self.name()?;
        }
        Ok(true)
    }

    /// Counts the value just read into its container, and closes the containers that end here.
    /// Returns true if another value follows.
    fn after_value(&mut self) -> Result<bool, JsonFault> {
        while let Some(&index) = self.tape.open.last() {
            self.skip_space();
            let found = self.peek();
            let next = self.tape.nodes.len() as u32;
            let Some(container) = self.tape.nodes.get_mut(index as usize) else { return Ok(false) };
            container.from += 1;
            let is_object = container.kind == NodeKind::Object;
            match found {
                Some(b',') => {
                    self.at += 1;
                    if is_object {
                        self.skip_space();
                        self.name()?;
                    }
                    return Ok(true);
                }
                Some(b'}') if is_object => {}
                Some(b']') if !is_object => {}
                Some(_) if is_object => return Err(self.fault("expected `,` or `}`")),
                Some(_) => return Err(self.fault("expected `,` or `]`")),
                None => return Err(self.fault("ends inside a container")),
            }
            container.to = next;
            self.at += 1;
            self.tape.open.pop();
        }
        Ok(false)
    }

    fn name(&mut self) -> Result<(), JsonFault> {
        if self.peek() != Some(b'"') {
            return Err(self.fault("expected a member name"));
        }
        let (kind, from, to) = self.string(NodeKind::Name, NodeKind::EscapedName)?;
        self.push(kind, from, to);
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.fault("expected `:`"));
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &'static str, kind: NodeKind) -> Result<bool, JsonFault> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.fault("expected a value"));
        }
        self.at += word.len();
        self.push(kind, 0, 0);
        Ok(false)
    }

    fn number(&mut self) -> Result<(), JsonFault> {
        let from = self.at;
        self.skip_byte(|byte| byte == b'-');
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.skip_byte(|byte| byte == b'.') {
            self.digits()?;
        }
        if self.skip_byte(|byte| matches!(byte, b'e' | b'E')) {
            self.skip_byte(|byte| matches!(byte, b'+' | b'-'));
            self.digits()?;
        }
        self.push(NodeKind::Number, from as u32, self.at as u32);
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonFault> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.fault("expected a digit"));
        }
        self.at += count;
        Ok(())
    }

    /// Reads a string at its opening quote. Returns `plain` or `escaped`, and its range.
    fn string(&mut self, plain: NodeKind, escaped: NodeKind) -> Result<(NodeKind, u32, u32), JsonFault> {
        self.at += 1;
        let from = self.at;
        self.at += plain_length(self.rest());
        if self.peek() == Some(b'"') {
            let to = self.at;
            self.at += 1;
            return Ok((plain, from as u32, to as u32));
        }
        let unescaped_from = self.tape.unescaped.len() as u32;
        self.keep_unescaped(from);
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.fault("control character in a string")),
                None => return Err(self.fault("ends inside a string")),
            }
            let from = self.at;
            self.at += plain_length(self.rest());
            self.keep_unescaped(from);
        }
        self.at += 1;
        Ok((escaped, unescaped_from, self.tape.unescaped.len() as u32))
    }

    fn keep_unescaped(&mut self, from: usize) {
        self.tape.unescaped.push_str(self.text.get(from..self.at).unwrap_or_default());
    }

    fn escape(&mut self) -> Result<(), JsonFault> {
        let Some(&code) = self.text.as_bytes().get(self.at + 1) else {
            return Err(self.fault("ends inside a string"));
        };
        let character = match code {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let character = self.unicode_escape()?;
                self.tape.unescaped.push(character);
                return Ok(());
            }
            _ => return Err(self.fault("unknown escape")),
        };
        self.tape.unescaped.push(character);
        self.at += 2;
        Ok(())
    }

    fn unicode_escape(&mut self) -> Result<char, JsonFault> {
        let first = self.hexadecimal()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        if first < 0xDC00 && self.rest().starts_with(b"\\u") {
            let resume = self.at;
            let second = self.hexadecimal()?;
            if (0xDC00..0xE000).contains(&second) {
                let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = resume;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    /// Reads `\uXXXX`.
    fn hexadecimal(&mut self) -> Result<u32, JsonFault> {
        let digits = self.text.as_bytes().get(self.at + 2..self.at + 6).unwrap_or_default();
        if digits.len() < 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(self.fault("expected four hexadecimal digits"));
        }
        self.at += 6;
        let value = |digit: &u8| (*digit as char).to_digit(16).unwrap_or(0);
        Ok(digits.iter().fold(0, |code, digit| code << 4 | value(digit)))
    }

    fn push(&mut self, kind: NodeKind, from: u32, to: u32) {
        self.tape.nodes.push(Node { kind, from, to });
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn skip_byte(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let found = self.peek().is_some_and(wanted);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn fault(&self, reason: &'static str) -> JsonFault {
        JsonFault { offset: self.at, reason }
    }
}

/// The number of bytes before the first quote, backslash or control character: eight at a
/// time, by the usual zero-byte trick (the lowest marked byte is exact).
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut length = 0;
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        let marked = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        if marked & HIGHS != 0 {
            return length + ((marked & HIGHS).trailing_zeros() / 8) as usize;
        }
        length += 8;
        rest = after;
    }
    length + rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count()
}
