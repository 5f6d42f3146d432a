//! Walking a parsed document.

use super::{Node, NodeKind, Tape};

/// A value in a parsed document.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Value<'d> {
    text: &'d str,
    tape: &'d Tape,
    at: u32,
}

/// A value's JSON type, and its content if it is a scalar.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Shape<'d> {
    Null,
    Boolean(bool),
    /// As written.
    Number(&'d str),
    /// Unescaped.
    String(&'d str),
    /// The number of elements.
    Array(usize),
    /// The number of members.
    Object(usize),
}

impl<'d> Value<'d> {
    pub(super) fn new(tape: &'d Tape, text: &'d str, at: u32) -> Self {
        Self { text, tape, at }
    }

    pub(in super::super) fn shape(self) -> Shape<'d> {
        let Some(node) = self.node() else { return Shape::Null };
        match node.kind {
            NodeKind::Null => Shape::Null,
            NodeKind::False => Shape::Boolean(false),
            NodeKind::True => Shape::Boolean(true),
            NodeKind::Number => Shape::Number(self.slice(node)),
            NodeKind::String | NodeKind::EscapedString | NodeKind::Name | NodeKind::EscapedName => {
                Shape::String(self.slice(node))
            }
            NodeKind::Array => Shape::Array(node.from as usize),
            NodeKind::Object => Shape::Object(node.from as usize),
        }
    }

    /// The value's place on its tape.
    pub(in super::super) fn position(self) -> u32 {
        self.at
    }

    /// The value at another position of the same tape.
    pub(in super::super) fn of_same_tape(self, position: u32) -> Self {
        Self { at: position, ..self }
    }

    pub(in super::super) fn as_str(self) -> Option<&'d str> {
        match self.shape() {
            Shape::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number of children of an array or object, not counting names.
    pub(in super::super) fn child_count(self) -> usize {
        match self.shape() {
            Shape::Array(count) | Shape::Object(count) => count,
            _ => 0,
        }
    }

    /// The member of that name, the last one if several have it. This is the hottest loop of
    /// matching, so it reads nodes rather than values.
    pub(in super::super) fn member(self, name: &str) -> Option<Value<'d>> {
        let Some(Node { kind: NodeKind::Object, to, .. }) = self.node() else { return None };
        let nodes = self.tape.nodes.get(..*to as usize).unwrap_or_default();
        let mut found = None;
        let mut at = self.at as usize + 1;
        while let Some([key, value, ..]) = nodes.get(at..) {
            if (key.to - key.from) as usize == name.len() && self.bytes(key) == name.as_bytes() {
                found = Some(Value { at: at as u32 + 1, ..self });
            }
            at = match value.kind {
                NodeKind::Array | NodeKind::Object => value.to as usize,
                _ => at + 2,
            };
        }
        found
    }

    /// The element at a position.
    pub(in super::super) fn element(self, index: usize) -> Option<Value<'d>> {
        match self.shape() {
            Shape::Array(count) if index < count => self.children().nth(index),
            _ => None,
        }
    }

    /// An object's members in document order; none for other values.
    pub(in super::super) fn members(self) -> impl Iterator<Item = (&'d str, Value<'d>)> {
        let children =
            if matches!(self.shape(), Shape::Object(_)) { self.children() } else { self.nothing() };
        children.map(move |value| {
            let name = Value { at: value.at.saturating_sub(1), ..value };
            (name.as_str().unwrap_or_default(), value)
        })
    }

    /// Elements of an array or values of an object, in document order.
    pub(in super::super) fn children(self) -> Children<'d> {
        match self.node() {
            Some(Node { kind: NodeKind::Array, to, .. }) => self.children_from(0, *to),
            Some(Node { kind: NodeKind::Object, to, .. }) => self.children_from(1, *to),
            _ => self.nothing(),
        }
    }

    /// This value and all its descendants, in document order.
    pub(in super::super) fn subtree(self) -> impl Iterator<Item = Value<'d>> {
        (self.at..self.end()).map(move |at| Value { at, ..self }).filter(|value| {
            !matches!(value.node().map(|node| node.kind), Some(NodeKind::Name | NodeKind::EscapedName))
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
            Some(Node { kind: NodeKind::Array | NodeKind::Object, to, .. }) => *to,
            _ => self.at + 1,
        }
    }

    fn node(self) -> Option<&'d Node> {
        self.tape.nodes.get(self.at as usize)
    }

    fn slice(self, node: &Node) -> &'d str {
        self.source(node).get(node.from as usize..node.to as usize).unwrap_or_default()
    }

    fn bytes(self, node: &Node) -> &'d [u8] {
        self.source(node).as_bytes().get(node.from as usize..node.to as usize).unwrap_or_default()
    }

    fn source(self, node: &Node) -> &'d str {
        match node.kind {
            NodeKind::EscapedString | NodeKind::EscapedName => &self.tape.unescaped,
            _ => self.text,
        }
    }
}

/// Iterates a container's children.
#[derive(Debug, Clone)]
pub(in super::super) struct Children<'d> {
    parent: Value<'d>,
    at: u32,
    to: u32,
    /// The nodes before each child: 1 for the name in an object, 0 in an array.
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
