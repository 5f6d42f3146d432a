//! An event type in the directory, with a value that the process derives from its schema.

use sluice_model::EventType;
use std::any::Any;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// An event type; the same object until the type changes.
pub struct DeclaredType {
    event_type: EventType,
    /// The derived value, made once by the role that checks events. The directory does not know
    /// its type.
    made: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl DeclaredType {
    pub(super) const fn new(event_type: EventType) -> Self {
        Self { event_type, made: OnceLock::new() }
    }

    /// Whether [`Self::made`] has its value already.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.made.get().is_some()
    }

    /// The value that `make` derives from the type. The first call for this version of the
    /// type derives it; other calls wait for it and share it. All calls of a process must ask
    /// for the same `T`.
    pub fn made<T: Any + Send + Sync>(&self, make: impl FnOnce(&EventType) -> T) -> Arc<T> {
        let made = self.made.get_or_init(|| Arc::new(make(&self.event_type)));
        Arc::clone(made).downcast().expect("a process makes one thing of a type")
    }
}

impl Deref for DeclaredType {
    type Target = EventType;

    fn deref(&self) -> &EventType {
        &self.event_type
    }
}

impl std::fmt::Debug for DeclaredType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.event_type.fmt(f)
    }
}
