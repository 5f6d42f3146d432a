//! Regular expressions, their size bounded when compiled and their work
//! bounded when run.

use regex_syntax::hir::{Hir, HirKind, Literal};

use super::budget::{Budget, Exhausted};

/// What a pattern is matched against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    regex: regex::Regex,
    /// How many of its positions can be alive at once: what a byte costs at worst.
    positions: usize,
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
const NESTING_MAX: u32 = 32;

/// The lazily built automaton of one pattern, in each thread that runs it.
const CACHE_BYTES_MAX: usize = 64 * 1024;

impl Pattern {
    /// Compiles `source` in the syntax of the `regex` crate.
    pub(super) fn compile(source: &str, compiled_bytes_max: usize) -> Result<Self, PatternFault> {
        let syntax = regex_syntax::ParserBuilder::new().nest_limit(NESTING_MAX).build().parse(source);
        let positions =
            positions(&syntax.map_err(|error| PatternFault::Invalid(last_line(&error.to_string())))?);
        let regex = regex::RegexBuilder::new(source)
            .nest_limit(NESTING_MAX)
            .size_limit(compiled_bytes_max)
            .dfa_size_limit(CACHE_BYTES_MAX)
            .build();
        match regex {
            Ok(regex) => Ok(Self { regex, positions }),
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
        budget.spend((4 + text.len() / 2).saturating_mul(self.positions))?;
        Ok(self.regex.is_match(text))
    }
}

/// The positions of a pattern that one string can hold alive at once, at most:
/// one for each class, repetitions written out. Recurses within [`NESTING_MAX`].
fn positions(pattern: &Hir) -> usize {
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(Literal(bytes)) => {
            // Each is a start of the literal inside the literal.
            bytes.iter().filter(|byte| Some(*byte) == bytes.first()).count()
        }
        HirKind::Repetition(of) => {
            let times = of.max.unwrap_or(of.min).max(1);
            positions(&of.sub).saturating_mul(times as usize)
        }
        HirKind::Capture(of) => positions(&of.sub),
        HirKind::Concat(of) | HirKind::Alternation(of) => {
            of.iter().map(positions).fold(0, usize::saturating_add)
        }
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
