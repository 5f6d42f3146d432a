//! The agent's rule: a document triggers an event if its priority is high, or if
//! its description has one of a few words.
//!
//! `console/src/core/ticket.ts` has the same rule for the page; the cases of
//! `demo/rule-cases.json` test both.

use regex::Regex;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// Words that trigger, as whole words, in upper or lower case.
pub const TRIGGER_WORDS: [&str; 5] = ["angry", "urgent", "critical", "escalate", "emergency"];

/// The rule as a selector of a subscription, so that documents which were sent directly
/// to Sluice (for example by the console's composer) are judged by the same rule. `\\b`
/// takes `_` for a letter, but makes a shorter selector than classes of letters.
pub const ESCALATION_SELECTOR: &str = r#"{"type":"all","of":[
  {"type":"event_type","value":"document.*"},
  {"type":"any","of":[
    {"type":"custom","function":{"field":"priority","operator":"equals","value":"high"}},
    {"type":"custom","function":{"field":"description","operator":"matches",
      "value":"(?i)(\\b|_)(angry|urgent|critical|escalate|emergency)(\\b|_)"}}
  ]}
]}"#;

static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[\p{L}\p{N}]+").expect("a valid expression"));
static TRIGGER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("^(?i:angry|urgent|critical|escalate|emergency)$").expect("a valid expression")
});

/// How urgent a document is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DocumentPriority {
    Low,
    #[default]
    Normal,
    High,
}

impl DocumentPriority {
    pub(crate) const ALL: [(&'static str, Self); 3] =
        [("low", Self::Low), ("normal", Self::Normal), ("high", Self::High)];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("normal", |(name, _)| name)
    }
}

/// One reason why a document triggers.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub(crate) enum TriggerReason {
    /// Its priority is high.
    Priority { value: &'static str },
    /// Its description has this word, `times` times.
    Word { word: String, times: usize },
}

impl TriggerReason {
    /// The reason in words.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Priority { value } => format!("its priority is {value}"),
            Self::Word { word, times: 1 } => format!("it says \u{201c}{word}\u{201d}"),
            Self::Word { word, times } => format!("it says \u{201c}{word}\u{201d} {times} times"),
        }
    }
}

/// The reasons why a document triggers; empty if it does not.
pub(crate) fn judge(priority: DocumentPriority, description: &str) -> Vec<TriggerReason> {
    let mut reasons = Vec::new();
    if priority == DocumentPriority::High {
        reasons.push(TriggerReason::Priority { value: priority.name() });
    }
    let mut words: Vec<(String, usize)> = Vec::new();
    for found in WORD.find_iter(description).filter(|found| TRIGGER.is_match(found.as_str())) {
        let word = found.as_str().to_lowercase();
        match words.iter_mut().find(|(known, _)| *known == word) {
            Some((_, times)) => *times += 1,
            None => words.push((word, 1)),
        }
    }
    reasons.extend(words.into_iter().map(|(word, times)| TriggerReason::Word { word, times }));
    reasons
}

/// The verdict in one sentence.
pub(crate) fn sentence(priority: DocumentPriority, reasons: &[TriggerReason]) -> String {
    if reasons.is_empty() {
        return format!(
            "Nothing is triggered: the priority is {}, not high, and the description has none of the words {}.",
            priority.name(),
            TRIGGER_WORDS.join(", ")
        );
    }
    let texts: Vec<String> = reasons.iter().map(TriggerReason::text).collect();
    format!("It triggers because {}.", texts.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct RuleCase {
        text: String,
        priority: DocumentPriority,
        words: Vec<String>,
    }

    /// `tests/console.d/parts.test.mjs` tests the page with the same cases.
    #[test]
    fn the_shared_cases_are_judged_as_they_say() {
        let cases: Vec<RuleCase> = serde_json::from_str(include_str!("../rule-cases.json")).unwrap();
        assert!(cases.len() > 10);
        for case in cases {
            let reasons = judge(case.priority, &case.text);
            let words: Vec<&str> = reasons
                .iter()
                .filter_map(|reason| match reason {
                    TriggerReason::Word { word, .. } => Some(word.as_str()),
                    TriggerReason::Priority { .. } => None,
                })
                .collect();
            assert_eq!(words, case.words, "{}", case.text);
            let is_high = reasons.iter().any(|reason| matches!(reason, TriggerReason::Priority { .. }));
            assert_eq!(is_high, case.priority == DocumentPriority::High, "{}", case.text);
        }
    }

    #[test]
    fn the_verdict_says_why() {
        let reasons = judge(DocumentPriority::High, "Urgent, urgent! Our angry boss");
        assert_eq!(
            sentence(DocumentPriority::High, &reasons),
            "It triggers because its priority is high and it says \u{201c}urgent\u{201d} 2 times and it says \
             \u{201c}angry\u{201d}."
        );
        assert!(
            sentence(DocumentPriority::Low, &judge(DocumentPriority::Low, "calm"))
                .contains("the priority is low, not high")
        );
    }

    #[test]
    fn the_words_of_the_selector_are_those_of_the_rule() {
        let words = TRIGGER_WORDS.join("|");
        assert!(ESCALATION_SELECTOR.contains(&format!("({words})")));
        assert!(TRIGGER.as_str().contains(&words));
        let selector: serde_json::Value = serde_json::from_str(ESCALATION_SELECTOR).unwrap();
        let pattern = selector["of"][1]["of"][1]["function"]["value"].as_str().unwrap();
        let expression = Regex::new(pattern).unwrap();
        let cases: Vec<RuleCase> = serde_json::from_str(include_str!("../rule-cases.json")).unwrap();
        for case in cases {
            assert_eq!(expression.is_match(&case.text), !case.words.is_empty(), "{}", case.text);
        }
    }
}
