//! JSON as a flat tape over its own text, with buffers that are reused.
//!
//! One node per value and per member name, in document order, each pointing
//! into the text. A container's node says how many children it has and where
//! the node after its last descendant is, so a subtree is a range, skipping it
//! is one step and visiting it needs no recursion.
//!
//! Why not simd-json, which the edge uses: it rewrites its input (a copy per
//! event here), refuses integers past 64 bits and lone surrogates, and rounds
//! numbers to `f64`. This one takes every JSON text, keeps numbers as written
//! so that they compare exactly, and is no slower on events of a usual size
//! (`examples/selector_bench.rs`). Lone surrogates read as U+FFFD. A name that
//! occurs twice in an object means its last value.

/// Why a text is not JSON that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JsonFault {
    /// Byte offset into the text.
    pub(super) offset: usize,
    /// What was wrong there.
    pub(super) reason: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    False,
    True,
    Number,
    /// `from..to` is the string's range in the text.
    String,
    /// `from..to` is its range in [`Tape::unescaped`].
    EscapedString,
    Name,
    EscapedName,
    /// `from` is the number of children, `to` the node after the last descendant.
    Array,
    Object,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    kind: Kind,
    from: u32,
    to: u32,
}

/// A parsed text's structure; the text itself stays with its owner.
#[derive(Debug, Clone, Default)]
pub(super) struct Tape {
    nodes: Vec<Node>,
    unescaped: String,
    open: Vec<u32>,
}

impl Tape {
    /// Parses `text`, replacing what the tape held.
    pub(super) fn parse(&mut self, text: &str, depth_max: usize) -> Result<(), JsonFault> {
        self.clear();
        let result = Parser { tape: self, text, at: 0, depth_max }.document();
        if result.is_err() {
            self.clear();
        }
        result
    }

    /// The whole document, given the text that was parsed.
    pub(super) fn root<'d>(&'d self, text: &'d str) -> Value<'d> {
        self.value(text, 0)
    }

    /// The value whose [`Value::position`] this is.
    pub(super) fn value<'d>(&'d self, text: &'d str, at: u32) -> Value<'d> {
        Value { text, tape: self, at }
    }

    fn clear(&mut self) {
        self.nodes.clear();
        self.unescaped.clear();
        self.open.clear();
    }
}

struct Parser<'p> {
    tape: &'p mut Tape,
    text: &'p str,
    at: usize,
    depth_max: usize,
}

impl Parser<'_> {
    fn document(&mut self) -> Result<(), JsonFault> {
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

    /// Reads one scalar or the opening of a container; true if a value must
    /// follow because a container was opened and is not empty.
    fn value(&mut self) -> Result<bool, JsonFault> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => {
                let (kind, from, to) = self.string(Kind::String, Kind::EscapedString)?;
                self.push(kind, from, to);
                Ok(false)
            }
            Some(b'{') => self.open(Kind::Object, b'}'),
            Some(b'[') => self.open(Kind::Array, b']'),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.word("true", Kind::True),
            Some(b'f') => self.word("false", Kind::False),
            Some(b'n') => self.word("null", Kind::Null),
            Some(_) => Err(self.fault("expected a value")),
            None => Err(self.fault("ends where a value is expected")),
        }
    }

    fn open(&mut self, kind: Kind, close: u8) -> Result<bool, JsonFault> {
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
        if kind == Kind::Object {
            self.name()?;
        }
        Ok(true)
    }

    /// Counts the value just read into its container and closes what ends
    /// here; true if another value follows.
    fn after_value(&mut self) -> Result<bool, JsonFault> {
        while let Some(&index) = self.tape.open.last() {
            self.skip_space();
            let found = self.peek();
            let next = self.tape.nodes.len() as u32;
            let Some(container) = self.tape.nodes.get_mut(index as usize) else { return Ok(false) };
            container.from += 1;
            let is_object = container.kind == Kind::Object;
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
        let (kind, from, to) = self.string(Kind::Name, Kind::EscapedName)?;
        self.push(kind, from, to);
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.fault("expected `:`"));
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &'static str, kind: Kind) -> Result<bool, JsonFault> {
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
        self.push(Kind::Number, from as u32, self.at as u32);
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

    /// Reads a string at its opening quote; `plain` or `escaped` and its range.
    fn string(&mut self, plain: Kind, escaped: Kind) -> Result<(Kind, u32, u32), JsonFault> {
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

    fn push(&mut self, kind: Kind, from: u32, to: u32) {
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

/// Bytes before the first quote, backslash or control character: eight at a
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

/// A value in a parsed document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'d> {
    text: &'d str,
    tape: &'d Tape,
    at: u32,
}

/// What a value is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape<'d> {
    Null,
    Boolean(bool),
    /// As written.
    Number(&'d str),
    /// Unescaped.
    String(&'d str),
    /// How many elements.
    Array(usize),
    /// How many members.
    Object(usize),
}

impl<'d> Value<'d> {
    pub(super) fn shape(self) -> Shape<'d> {
        let Some(node) = self.node() else { return Shape::Null };
        match node.kind {
            Kind::Null => Shape::Null,
            Kind::False => Shape::Boolean(false),
            Kind::True => Shape::Boolean(true),
            Kind::Number => Shape::Number(self.slice(node)),
            Kind::String | Kind::EscapedString | Kind::Name | Kind::EscapedName => {
                Shape::String(self.slice(node))
            }
            Kind::Array => Shape::Array(node.from as usize),
            Kind::Object => Shape::Object(node.from as usize),
        }
    }

    /// Where it is in its tape.
    pub(super) fn position(self) -> u32 {
        self.at
    }

    pub(super) fn as_str(self) -> Option<&'d str> {
        match self.shape() {
            Shape::String(text) => Some(text),
            _ => None,
        }
    }

    /// Children of an array or object, without their names.
    pub(super) fn child_count(self) -> usize {
        match self.shape() {
            Shape::Array(count) | Shape::Object(count) => count,
            _ => 0,
        }
    }

    /// The member of that name, the last one where several have it.
    pub(super) fn member(self, name: &str) -> Option<Value<'d>> {
        self.members().filter(|(key, _)| *key == name).last().map(|(_, value)| value)
    }

    /// The element at that position.
    pub(super) fn element(self, index: usize) -> Option<Value<'d>> {
        match self.shape() {
            Shape::Array(count) if index < count => self.children().nth(index),
            _ => None,
        }
    }

    /// An object's members in document order; none for anything else.
    pub(super) fn members(self) -> impl Iterator<Item = (&'d str, Value<'d>)> {
        let children =
            if matches!(self.shape(), Shape::Object(_)) { self.children() } else { self.nothing() };
        children.map(move |value| {
            let name = Value { at: value.at.saturating_sub(1), ..value };
            (name.as_str().unwrap_or_default(), value)
        })
    }

    /// Elements of an array or values of an object, in document order.
    pub(super) fn children(self) -> Children<'d> {
        match self.node() {
            Some(Node { kind: Kind::Array, to, .. }) => self.children_from(0, *to),
            Some(Node { kind: Kind::Object, to, .. }) => self.children_from(1, *to),
            _ => self.nothing(),
        }
    }

    /// This value and all its descendants, in document order.
    pub(super) fn subtree(self) -> impl Iterator<Item = Value<'d>> {
        (self.at..self.end()).map(move |at| Value { at, ..self }).filter(|value| {
            !matches!(value.node().map(|node| node.kind), Some(Kind::Name | Kind::EscapedName))
        })
    }

    fn children_from(self, names: u32, to: u32) -> Children<'d> {
        Children { parent: self, at: self.at + 1, to, names }
    }

    fn nothing(self) -> Children<'d> {
        Children { parent: self, at: 0, to: 0, names: 0 }
    }

    /// The node after this value's last descendant.
    fn end(self) -> u32 {
        match self.node() {
            Some(Node { kind: Kind::Array | Kind::Object, to, .. }) => *to,
            _ => self.at + 1,
        }
    }

    fn node(self) -> Option<&'d Node> {
        self.tape.nodes.get(self.at as usize)
    }

    fn slice(self, node: &Node) -> &'d str {
        let source = match node.kind {
            Kind::EscapedString | Kind::EscapedName => &self.tape.unescaped,
            _ => self.text,
        };
        source.get(node.from as usize..node.to as usize).unwrap_or_default()
    }
}

/// Iterates a container's children.
#[derive(Debug, Clone)]
pub(super) struct Children<'d> {
    parent: Value<'d>,
    at: u32,
    to: u32,
    /// Nodes before each child: 1 for the name in an object, 0 in an array.
    names: u32,
}

impl<'d> Iterator for Children<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Value<'d>> {
        if self.at >= self.to {
            return None;
        }
        let child = Value { at: self.at + self.names, ..self.parent };
        self.at = child.end();
        Some(child)
    }
}

#[cfg(test)]
pub(super) mod tests;
