//! The validator of JSON Schema 2020-12: the crate `jsonschema`, with the `regex`
//! engine and without resolvers.
//!
//! It is a crate of its own for the sake of the build. All of `jsonschema` is generic over the
//! representation of values, so with full optimisations it would be compiled anew in the crate
//! that uses it. Both are compiled with fewer optimisations (see the workspace's `Cargo.toml`)
//! and share one copy; judging is as fast.

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;

/// Bytes of the lazily built automaton of a pattern, in each thread that runs it.
const PATTERN_CACHE_BYTES_MAX: usize = 64 << 10;

/// A place and what is wrong there: in a schema, or in a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The place (JSON Pointer, RFC 6901).
    pub pointer: String,
    /// What is wrong, for people.
    pub message: String,
}

/// A compiled schema.
#[derive(Debug)]
pub struct SchemaValidator(Validator);

impl SchemaValidator {
    /// Compiles a schema. Nothing is fetched. Recurses as deep as the schema nests, and bounds
    /// only the size of compiled patterns.
    ///
    /// # Errors
    /// If the value is not a JSON Schema 2020-12.
    pub fn compile(schema: &Value, pattern_compiled_bytes_max: usize) -> Result<Self, Finding> {
        let patterns = PatternOptions::regex()
            .size_limit(pattern_compiled_bytes_max)
            .dfa_size_limit(PATTERN_CACHE_BYTES_MAX);
        let options = jsonschema::options().with_draft(Draft::Draft202012);
        let built = options.with_pattern_options(patterns).offline().build(schema);
        built.map(Self).map_err(|error| Finding {
            pointer: error.instance_path().as_str().to_owned(),
            message: error.to_string(),
        })
    }

    /// Whether a value fits.
    #[must_use]
    pub fn is_valid(&self, value: &Value) -> bool {
        self.0.is_valid(value)
    }

    /// The first place that does not fit. Messages do not repeat the value.
    #[must_use]
    pub fn first_misfit(&self, value: &Value) -> Option<Finding> {
        self.0.validate(value).err().map(|error| told(&error))
    }

    /// The places that do not fit, at most `max`. All of them are in memory before the first is
    /// returned.
    #[must_use]
    pub fn misfits(&self, value: &Value, max: usize) -> Vec<Finding> {
        self.0.iter_errors(value).take(max).map(|error| told(&error)).collect()
    }
}

fn told(error: &ValidationError<'_>) -> Finding {
    let pointer = error.instance_path().as_str().to_owned();
    Finding { pointer, message: error.masked_with("the value").to_string() }
}
