//! The fuzz target of selectors.

use crate::{EventVerdicts, MatchScratch, Selector, SubscriptionIndex, Verdict};
use sluice_model::fuzzing::Target;

/// The targets of this crate.
pub const TARGETS: &[Target] = &[("selector", selector)];

/// Judges an event by a selector: the selector is the first line, the event's envelope the rest.
pub fn selector(bytes: &[u8]) {
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (selector, envelope) = bytes.split_at(line);
    let Ok(text) = std::str::from_utf8(selector) else { return };
    let Ok(selector) = Selector::parse(text) else { return };
    let again = Selector::parse(selector.canonical()).expect("the canonical form is a selector");
    assert_eq!(again.canonical(), selector.canonical(), "the canonical form is not canonical");
    // The selector twice, so that all its parts are shared.
    let index = SubscriptionIndex::new([&selector, &again].map(|selector| (selector.compiled().clone(), ())));
    let mut scratch = MatchScratch::default();
    let envelope = envelope.get(1..).unwrap_or_default();
    for kind in ["", "order.created"] {
        let verdict = selector.compiled().evaluate(&mut scratch.view(kind, envelope));
        assert_eq!(again.compiled().evaluate(&mut scratch.view(kind, envelope)), verdict);
        let explained = selector.compiled().explain(&mut scratch.view(kind, envelope));
        assert_eq!(explained.verdict, verdict, "{}", explained.reason);
        if let Some(decided) = selector.compiled().decided_by_type(kind) {
            assert_eq!(decided, selector.compiled().matches(&mut scratch.view(kind, envelope)));
        }
        if let Some(indexed) = judged(&index, &mut scratch, kind, envelope)
            && verdict != Verdict::Undecided
        {
            assert_eq!(indexed, verdict, "the index judges differently");
        }
    }
}

/// The verdict of the two equal selectors of an index, if they have one.
fn judged(
    index: &SubscriptionIndex<()>,
    scratch: &mut MatchScratch,
    kind: &str,
    envelope: &[u8],
) -> Option<Verdict> {
    let candidates = index.for_type(kind);
    let mut verdicts = EventVerdicts::default();
    index.judge(&candidates, &mut scratch.view(kind, envelope), |()| true, &mut verdicts);
    if !verdicts.undecided.is_empty() {
        return None;
    }
    let wanted = candidates.always().len() + verdicts.matched.len();
    assert_ne!(wanted, 1, "equal selectors are judged differently");
    Some(Verdict::from(wanted == 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::fuzzing::rounds;

    #[test]
    fn corpora_and_what_is_like_them_do_no_harm() {
        rounds(TARGETS, concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus"), 2000);
    }
}
