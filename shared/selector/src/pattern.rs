//! Regular expressions, with their size bounded when compiled and their work bounded when
//! run.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use regex_syntax::hir::{Hir, HirKind, Literal};

use super::budget::{Exhausted, StepBudget};
use super::i_regexp::{self, NotIRegexp};

/// The part of a string that a pattern must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Extent {
    /// Anywhere inside the string.
    Part,
    /// The whole string.
    Whole,
}

/// A compiled pattern. The `regex` crate runs in time linear in the string; a
/// byte costs a nanosecond or less, at worst some 10 for each position alive.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: Arc<regex::Regex>,
    /// How many of the pattern's positions can be alive at once: at worst, a byte
    /// costs one step for each.
    positions: usize,
}

/// Patterns are equal if they are written the same way.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.regex.as_str().hash(hasher);
    }
}

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PatternFault {
    #[error("{0}")]
    Invalid(String),
    #[error("compiles to more than {0} bytes")]
    TooLarge(usize),
}

/// Parentheses inside each other in a pattern.
const NESTING_MAX: usize = 32;

/// Levels of the syntax tree: a parenthesis of an I-Regexp can take up to four
/// (group, choice, sequence, repetition).
const I_REGEXP_LEVELS_MAX: u32 = 4 * NESTING_MAX as u32 + 8;

/// The lazily built automaton of one pattern, in each thread that runs it.
const CACHE_BYTES_MAX: usize = 64 * 1024;

impl Pattern {
    /// Compiles `source` in the syntax of the `regex` crate.
    pub(super) fn compile(source: &str, compiled_bytes_max: usize) -> Result<Self, PatternFault> {
        Self::compile_nested(source, NESTING_MAX as u32, compiled_bytes_max)
    }

    /// Compiles an I-Regexp (RFC 9485), as JSONPath's `match` (the whole
    /// string) and `search` (a part) use.
    pub(super) fn compile_i_regexp(
        source: &str,
        extent: Extent,
        compiled_bytes_max: usize,
    ) -> Result<Self, PatternFault> {
        let translated = i_regexp::translate(source, NESTING_MAX)
            .map_err(|NotIRegexp(reason)| PatternFault::Invalid(reason))?;
        let anchored = match extent {
            Extent::Part => translated,
            Extent::Whole => format!("^(?:{translated})$"),
        };
        Self::compile_nested(&anchored, I_REGEXP_LEVELS_MAX, compiled_bytes_max)
    }

    fn compile_nested(
        source: &str,
        levels_max: u32,
        compiled_bytes_max: usize,
    ) -> Result<Self, PatternFault> {
        let syntax = regex_syntax::ParserBuilder::new().nest_limit(levels_max).build().parse(source);
        let positions =
            positions(&syntax.map_err(|error| PatternFault::Invalid(last_line(&error.to_string())))?);
        let regex = regex::RegexBuilder::new(source)
            .nest_limit(levels_max)
            .size_limit(compiled_bytes_max)
            .dfa_size_limit(CACHE_BYTES_MAX)
            .build();
        match regex {
            Ok(regex) => Ok(Self { regex: Arc::new(regex), positions }),
            Err(regex::Error::CompiledTooBig(size)) => Err(PatternFault::TooLarge(size)),
            Err(error) => Err(PatternFault::Invalid(last_line(&error.to_string()))),
        }
    }

    pub(super) fn is_match(&self, text: &str, budget: &mut StepBudget) -> Result<bool, Exhausted> {
        budget.spend((4 + text.len() / 2).saturating_mul(self.positions))?;
        Ok(self.regex.is_match(text))
    }
}

/// The positions of a pattern that one string can hold alive at once, at most:
/// one for each class, repetitions written out. Recurses within the levels that the parser allowed.
fn positions(pattern: &Hir) -> usize {
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(Literal(bytes)) => {
            // Each is a start of the literal inside the literal.
            bytes.iter().filter(|byte| Some(*byte) == bytes.first()).count()
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            positions(&repetition.sub).saturating_mul(times as usize)
        }
        HirKind::Capture(capture) => positions(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(positions).fold(0, usize::saturating_add)
        }
    }
}

/// The regex crate draws the pattern with a caret; its last line says why.
fn last_line(message: &str) -> String {
    let line = message.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
