//! The limits of schemas and of their work.

use serde::{Deserialize, Serialize};

/// The limits of a schema, checked when it is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchemaLimits {
    /// Bytes of a schema, as JSON.
    pub bytes_max: usize,
    /// How deep a schema nests, as JSON.
    pub depth_max: usize,
    /// Schemas inside a schema, itself included.
    pub subschemas_max: usize,
    /// Regular expressions of a schema (`pattern`, `patternProperties`).
    pub patterns_max: usize,
    /// Bytes of a regular expression as written.
    pub pattern_bytes_max: usize,
    /// Bytes of a regular expression once compiled.
    pub pattern_compiled_bytes_max: usize,
    /// Checks that a single value of an event may need: one for each keyword that
    /// looks at it, counted along every branch that could be taken.
    pub value_checks_max: u64,
}

impl Default for SchemaLimits {
    fn default() -> Self {
        Self {
            bytes_max: 64 << 10,
            depth_max: 64,
            subschemas_max: 1000,
            patterns_max: 32,
            pattern_bytes_max: 1024,
            pattern_compiled_bytes_max: 64 << 10,
            value_checks_max: 1000,
        }
    }
}

impl SchemaLimits {
    /// The largest values that can be configured. Stored schemas were checked when they were
    /// declared, perhaps with other limits.
    pub const WIDEST: Self = Self {
        bytes_max: 512 << 10,
        depth_max: 100,
        subschemas_max: 10_000,
        patterns_max: 1000,
        pattern_bytes_max: 16 << 10,
        pattern_compiled_bytes_max: 10 << 20,
        value_checks_max: 100_000,
    };

    /// The values with their names, and their ranges.
    #[must_use]
    pub fn ranges(&self) -> [(&'static str, i128, i128, i128); 7] {
        let row = |name, value: usize, min, max: usize| (name, value as i128, min, max as i128);
        let widest = Self::WIDEST;
        [
            row("event_types.schema.bytes_max", self.bytes_max, 2, widest.bytes_max),
            row("event_types.schema.depth_max", self.depth_max, 1, widest.depth_max),
            row("event_types.schema.subschemas_max", self.subschemas_max, 1, widest.subschemas_max),
            row("event_types.schema.patterns_max", self.patterns_max, 0, widest.patterns_max),
            row("event_types.schema.pattern_bytes_max", self.pattern_bytes_max, 1, widest.pattern_bytes_max),
            row(
                "event_types.schema.pattern_compiled_bytes_max",
                self.pattern_compiled_bytes_max,
                1024,
                widest.pattern_compiled_bytes_max,
            ),
            (
                "event_types.schema.value_checks_max",
                self.value_checks_max.into(),
                10,
                widest.value_checks_max.into(),
            ),
        ]
    }
}
