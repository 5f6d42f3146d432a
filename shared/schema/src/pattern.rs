//! Regular expressions of schemas: their size, and the cost of a byte of text.
//!
//! The `regex` engine runs them in time linear in the text, without backtracking.
//! Look-around and back-references, which it lacks, are refused.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind, Literal};

/// The most groups inside each other.
const NESTING_MAX: u32 = 64;

/// Returns how many positions of a pattern can be alive at once: at worst, a byte of text
/// costs one step for each.
///
/// # Errors
/// The reason why the pattern is refused.
pub(crate) fn positions(pattern: &str) -> Result<u64, String> {
    let translated = jsonschema_regex::to_rust_regex(pattern).map_err(|()| "is not a regular expression")?;
    let parsed = ParserBuilder::new().nest_limit(NESTING_MAX).build().parse(&translated);
    parsed.map(|parsed| alive(&parsed)).map_err(|error| {
        let text = error.to_string();
        // The crate draws the pattern with a caret; its last line says why.
        let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        format!("is not a regular expression that can be used: {reason}")
    })
}

/// One position for each class, with repetitions written out. Recurses within the levels
/// that the parser allows.
fn alive(pattern: &Hir) -> u64 {
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(Literal(bytes)) => bytes.len() as u64,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            alive(&repetition.sub).saturating_mul(times.into())
        }
        HirKind::Capture(capture) => alive(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(alive).fold(0, u64::saturating_add)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_count_as_often_as_they_may_be_alive() {
        let counted = |pattern| positions(pattern).unwrap();
        assert_eq!(counted("^[a-z]$"), 3);
        assert_eq!(counted("[01]*1[01]{500}"), 502);
        assert_eq!(counted("([ab]{10}){20}"), 200);
        assert_eq!(counted("^\\d{4}-\\d{2}$"), 9);
    }

    #[test]
    fn patterns_that_would_backtrack_are_refused() {
        for pattern in ["(?=a)b", "(a)\\1", "(?<!x)y", "(", "[", &"(".repeat(300)] {
            assert!(positions(pattern).is_err(), "{pattern}");
        }
    }
}
