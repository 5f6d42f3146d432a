//! The checked tree behind a selector.

use super::canonical::{write_string, write_value_text};
use super::function::Function;
use super::jsonpath;
use super::{EventTypePattern, EventTypes};

/// One selector and those inside it; at most
/// [`nesting_max`](super::SelectorLimits::nesting_max) deep.
#[derive(Debug)]
pub(super) enum SelectorNode {
    EventType(EventTypePattern),
    JsonPath { text: Box<str>, expression: jsonpath::Expression },
    Function(Function),
    All(Vec<SelectorNode>),
    Any(Vec<SelectorNode>),
    Not(Box<SelectorNode>),
}

impl SelectorNode {
    pub(super) fn needs_payload(&self) -> bool {
        match self {
            Self::EventType(_) => false,
            Self::JsonPath { .. } | Self::Function(_) => true,
            Self::All(of) | Self::Any(of) => of.iter().any(Self::needs_payload),
            Self::Not(of) => of.needs_payload(),
        }
    }

    pub(super) fn event_types(&self) -> EventTypes {
        match self {
            Self::EventType(pattern) => EventTypes::one(pattern),
            Self::JsonPath { .. } | Self::Function(_) | Self::Not(_) => EventTypes::Any,
            Self::All(of) => of.iter().map(Self::event_types).fold(EventTypes::Any, EventTypes::and),
            Self::Any(of) => {
                of.iter().map(Self::event_types).fold(EventTypes::Only(Vec::new()), EventTypes::or)
            }
        }
    }

    /// The answer for all events of a type, where the type settles it.
    pub(super) fn decided_by_type(&self, event_type: &str) -> Option<bool> {
        match self {
            Self::EventType(pattern) => Some(pattern.accepts(event_type)),
            Self::JsonPath { .. } | Self::Function(_) => None,
            Self::All(of) => decided_unless(of, event_type, false),
            Self::Any(of) => decided_unless(of, event_type, true),
            Self::Not(of) => of.decided_by_type(event_type).map(|answer| !answer),
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
            Self::Function(function) => {
                json.push_str(r#"{"type":"custom","function":{"field":"#);
                write_string(function.field.as_str(), json);
                json.push_str(r#","operator":"#);
                write_string(function.operator.name(), json);
                write_value_text(function.operand.as_deref(), json);
                json.push('}');
            }
            Self::All(of) => write_list("all", of, json),
            Self::Any(of) => write_list("any", of, json),
            Self::Not(of) => {
                json.push_str(r#"{"type":"not","of":"#);
                of.write_canonical(json);
            }
        }
        json.push('}');
    }
}

/// `all` is settled by one false and `any` by one true; either also by all of
/// its parts being settled.
fn decided_unless(of: &[SelectorNode], event_type: &str, settling: bool) -> Option<bool> {
    let mut answer = Some(!settling);
    for node in of {
        match node.decided_by_type(event_type) {
            Some(decided) if decided == settling => return Some(settling),
            Some(_) => {}
            None => answer = None,
        }
    }
    answer
}

fn write_list(name: &str, of: &[SelectorNode], json: &mut String) {
    json.push_str(r#"{"type":""#);
    json.push_str(name);
    json.push_str(r#"","of":["#);
    for (index, node) in of.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        node.write_canonical(json);
    }
    json.push(']');
}
