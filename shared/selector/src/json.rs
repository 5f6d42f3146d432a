//! JSON as a flat tape over its own text, with reused buffers.
//!
//! The tape has one node for each value and each member name, in document order, which points
//! into the text. A container's node has the number of its children and the place of the node
//! after its last descendant. So a subtree is a range, skipping it is one step, and visiting
//! it needs no recursion.
//!
//! Why not simd-json: it rewrites its input (a copy for each event here), refuses integers past
//! 64 bits and lone surrogates, and rounds numbers to `f64`. This parser takes every JSON text,
//! keeps numbers as written so that they compare exactly, and is no slower on events of a usual
//! size (`examples/selector_bench.rs`). Lone surrogates read as U+FFFD. A name that occurs
//! twice in an object has its last value.

mod parser;
mod value;

use parser::JsonParser;

pub(super) use value::{Shape, Value};

/// Why a text is not taken as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JsonFault {
    /// Byte offset into the text.
    pub(super) offset: usize,
    /// Why the text is not JSON there.
    pub(super) reason: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NodeKind {
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
    kind: NodeKind,
    from: u32,
    to: u32,
}

/// The structure of a parsed text. The text itself stays with its owner.
#[derive(Debug, Clone, Default)]
pub(super) struct Tape {
    nodes: Vec<Node>,
    unescaped: String,
    open: Vec<u32>,
}

impl Tape {
    /// Parses `text`, replacing the tape's earlier document.
    pub(super) fn parse(&mut self, text: &str, depth_max: usize) -> Result<(), JsonFault> {
        self.clear();
        let result = JsonParser::new(self, text, depth_max).document();
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
        Value::new(self, text, at)
    }

    fn clear(&mut self) {
        self.nodes.clear();
        self.unescaped.clear();
        self.open.clear();
    }
}

#[cfg(test)]
pub(super) mod tests;
