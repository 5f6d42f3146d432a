//! Regular expressions, their size bounded when compiled and their work
//! bounded when run.

use super::budget::{Budget, Exhausted};

/// What a pattern is matched against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Anywhere inside the string.
    Part,
    /// The whole string.
    Whole,
}

/// A compiled pattern. The `regex` crate runs in time linear in the string,
/// times the pattern's compiled size at worst.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: regex::Regex,
    /// Bytes of string that a step pays for.
    bytes_per_step: usize,
}

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PatternFault {
    #[error("{0}")]
    Invalid(String),
    #[error("compiles to more than {0} bytes")]
    TooLarge(usize),
}

/// The lazily built automaton of one pattern, in each thread that runs it.
const CACHE_BYTES_MAX: usize = 256 * 1024;

impl Pattern {
    /// Compiles `source` in the syntax of the `regex` crate.
    pub(super) fn compile(source: &str, compiled_bytes_max: usize) -> Result<Self, PatternFault> {
        let build = |size: usize| {
            regex::RegexBuilder::new(source)
                .size_limit(size)
                .dfa_size_limit(CACHE_BYTES_MAX)
                .nest_limit(32)
                .build()
        };
        // The smallest limit a pattern compiles within tells its weight.
        let mut size = 1024;
        while size < compiled_bytes_max {
            if let Ok(regex) = build(size) {
                return Ok(Self { regex, bytes_per_step: (64 * 1024 / size).max(1) });
            }
            size *= 4;
        }
        match build(compiled_bytes_max) {
            Ok(regex) => Ok(Self { regex, bytes_per_step: 1 }),
            Err(regex::Error::CompiledTooBig(size)) => Err(PatternFault::TooLarge(size)),
            Err(error) => Err(PatternFault::Invalid(last_line(&error.to_string()))),
        }
    }

    /// Compiles an I-Regexp (RFC 9485), as JSONPath's `match` and `search` use.
    pub(super) fn compile_i_regexp(
        source: &str,
        extent: Extent,
        compiled_bytes_max: usize,
    ) -> Result<Self, PatternFault> {
        let body = dots_outside_classes(source);
        match extent {
            Extent::Part => Self::compile(&body, compiled_bytes_max),
            Extent::Whole => {
                // Checked alone first, so that `)(` cannot lean on the wrapping.
                Self::compile(&body, compiled_bytes_max)?;
                Self::compile(&format!("^(?:{body})$"), compiled_bytes_max)
            }
        }
    }

    pub(super) fn is_match(&self, text: &str, budget: &mut Budget) -> Result<bool, Exhausted> {
        budget.spend(4 + text.len() / self.bytes_per_step)?;
        Ok(self.regex.is_match(text))
    }
}

/// I-Regexp's `.` is any character but line feed and carriage return.
fn dots_outside_classes(source: &str) -> String {
    let mut body = String::with_capacity(source.len() + 16);
    let mut in_class = false;
    let mut characters = source.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                body.push('\\');
                body.extend(characters.next());
                continue;
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '.' if !in_class => {
                body.push_str("[^\\n\\r]");
                continue;
            }
            _ => {}
        }
        body.push(character);
    }
    body
}

/// The regex crate draws the pattern with a caret; its last line says why.
fn last_line(message: &str) -> String {
    let line = message.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
