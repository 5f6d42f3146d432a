//! Shapes of webhooks: how a webhook's body is made of its events.
//!
//! A template is a JSON value whose strings are minijinja templates over an event. It has no
//! clock, no randomness, no includes and no macros, so the same event always gives the same
//! bytes. Fuel bounds its time and its memory.

mod body;
mod bounded;
mod deep_stack;
mod limits;
mod shape_id;
mod template;

pub use body::{BodyDraft, ShapedBody};
pub use limits::ShapeLimits;
pub use shape_id::{kept_text, read_kept, shape_of};
pub use template::{JsonTemplate, TransformError};
