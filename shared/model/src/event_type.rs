//! Types of events that customers declare.

use super::CustomerId;
use serde::{Deserialize, Serialize};

/// A type of events that a customer declared, with the schema of their payloads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventType {
    /// The customer that declared the type.
    pub customer: CustomerId,
    /// The `event_type` of its events; no other type of the customer has the name.
    pub name: String,
    /// The customer's own note about the type.
    pub description: Option<String>,
    /// The JSON Schema of payloads, as it was sent; it was checked when it was stored.
    pub schema: String,
    /// Whether events whose payload does not fit are refused.
    pub enforce: bool,
    /// When the type was declared, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// When the type last changed, in milliseconds since the Unix epoch.
    pub updated_at_ms: u64,
}

impl EventType {
    /// Whether both have the same content, apart from their times.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let content = |event_type: &Self| (event_type.customer, event_type.enforce);
        content(self) == content(other)
            && self.name == other.name
            && self.description == other.description
            && self.schema == other.schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_stored_in_these_bytes() {
        let stored = r#"{"customer":"00000000-0000-7000-8000-000000000002","name":"order.created","description":null,"schema":"{\"type\": \"object\"}","enforce":true,"created_at_ms":1,"updated_at_ms":2}"#;
        let event_type: EventType = serde_json::from_str(stored).unwrap();
        assert_eq!((&*event_type.name, &*event_type.schema), ("order.created", r#"{"type": "object"}"#));
        assert_eq!(serde_json::to_string(&event_type).unwrap(), stored);
        let later = EventType { created_at_ms: 7, updated_at_ms: 8, ..event_type.clone() };
        assert!(later.says_the_same_as(&event_type));
        assert!(!EventType { enforce: false, ..later }.says_the_same_as(&event_type));
    }
}
