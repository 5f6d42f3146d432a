//! The checked tree of a selector.

use std::sync::Arc;

use super::canonical::{write_string, write_value_text};
use super::function::Function;
use super::jsonpath;
use super::memo::Slot;
use super::{EventTypePattern, EventTypes};

/// One selector and those inside it; at most
/// [`nesting_max`](super::SelectorLimits::nesting_max) deep.
#[derive(Debug, Clone)]
pub(super) enum SelectorNode {
    EventType(EventTypePattern),
    JsonPath {
        text: Arc<str>,
        expression: jsonpath::Expression,
        slot: Slot,
    },
    Function {
        function: Arc<Function>,
        slot: Slot,
        /// The slot of the function's field.
        field: Slot,
    },
    All(Vec<SelectorNode>),
    Any(Vec<SelectorNode>),
    Not(Box<SelectorNode>),
}

impl SelectorNode {
    pub(super) fn needs_payload(&self) -> bool {
        match self {
            Self::EventType(_) => false,
            Self::JsonPath { .. } | Self::Function { .. } => true,
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::needs_payload),
            Self::Not(part) => part.needs_payload(),
        }
    }

    pub(super) fn event_types(&self) -> EventTypes {
        match self {
            Self::EventType(pattern) => EventTypes::one(pattern),
            Self::JsonPath { .. } | Self::Function { .. } | Self::Not(_) => EventTypes::Any,
            Self::All(parts) => parts.iter().map(Self::event_types).fold(EventTypes::Any, EventTypes::and),
            Self::Any(parts) => {
                parts.iter().map(Self::event_types).fold(EventTypes::Only(Vec::new()), EventTypes::or)
            }
        }
    }

    /// The answer for all events of a type, if the type decides it.
    pub(super) fn decided_by_type(&self, event_type: &str) -> Option<bool> {
        match self {
            Self::EventType(pattern) => Some(pattern.accepts(event_type)),
            Self::JsonPath { .. } | Self::Function { .. } => None,
            Self::All(parts) => decided_unless(parts, event_type, false),
            Self::Any(parts) => decided_unless(parts, event_type, true),
            Self::Not(part) => part.decided_by_type(event_type).map(|answer| !answer),
        }
    }

    pub(super) fn write_canonical(&self, json: &mut String) {
        match self {
            Self::EventType(pattern) => {
                json.push_str(r#"{"type":"event_type","value":"#);
                write_string(pattern.as_str(), json);
            }
            Self::JsonPath { text, .. } => {
                json.push_str(r#"{"type":"jsonpath","expression":"#);
                write_string(text, json);
            }
            Self::Function { function, .. } => {
                json.push_str(r#"{"type":"custom","function":{"field":"#);
                write_string(function.field.as_str(), json);
                json.push_str(r#","operator":"#);
                write_string(function.operator.name(), json);
                write_value_text(function.operand.as_deref(), json);
                json.push('}');
            }
            Self::All(parts) => write_list("all", parts, json),
            Self::Any(parts) => write_list("any", parts, json),
            Self::Not(part) => {
                json.push_str(r#"{"type":"not","of":"#);
                part.write_canonical(json);
            }
        }
        json.push('}');
    }
}

/// One false part decides `all` and one true part decides `any`; else they are decided if all
/// their parts are.
fn decided_unless(parts: &[SelectorNode], event_type: &str, settling: bool) -> Option<bool> {
    let mut answer = Some(!settling);
    for node in parts {
        match node.decided_by_type(event_type) {
            Some(decided) if decided == settling => return Some(settling),
            Some(_) => {}
            None => answer = None,
        }
    }
    answer
}

fn write_list(name: &str, parts: &[SelectorNode], json: &mut String) {
    json.push_str(r#"{"type":""#);
    json.push_str(name);
    json.push_str(r#"","of":["#);
    for (index, node) in parts.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        node.write_canonical(json);
    }
    json.push(']');
}
