//! The variants of a run's events: types, sizes and templates that take turns.

use std::sync::Arc;

use super::config::RunConfig;
use super::error::RunError;
use crate::event::{EventShape, PayloadTemplate};
use crate::random::SeededRandom;

/// Most variants of an event, and how many bytes of them each connection keeps.
const VARIANTS_MAX: usize = 64;
const VARIANT_BYTES_MAX: usize = 256 * 1024;

/// Every event of a run's turn.
pub(super) fn events(config: &RunConfig) -> Result<Vec<EventShape>, RunError> {
    let payloads = payloads(config)?;
    // Each payload and each type at least once.
    let count = payloads.len().max(config.event_types.len());
    let pairs = (0..count).zip(payloads.iter().cycle()).zip(config.event_types.iter().cycle());
    let event = |((_, payload), event_type): ((usize, &Payload), &String)| EventShape {
        envelope: config.envelope,
        event_type: event_type.clone(),
        event_bytes: payload.event_bytes,
        template: payload.template.clone(),
        ordering_key: config.ordering_key,
    };
    Ok(pairs.map(event).collect())
}

#[derive(Debug)]
struct Payload {
    event_bytes: usize,
    template: Option<Arc<PayloadTemplate>>,
}

fn payloads(config: &RunConfig) -> Result<Vec<Payload>, RunError> {
    let mut random = SeededRandom::new(config.seed);
    if !config.templates.is_empty() {
        return templates(config, &mut random);
    }
    let (low, high) = (config.event_bytes, config.event_bytes_max.unwrap_or(config.event_bytes));
    let variants = if high > low { variants_of(high) } else { 1 };
    let size = |_| {
        let doublings = (high as f64 / low.max(1) as f64).log2() * random.unit();
        (low as f64 * doublings.exp2()) as usize
    };
    let sizes: Vec<_> = if high > low { (0..variants).map(size).collect() } else { vec![low] };
    Ok(sizes.into_iter().map(|event_bytes| Payload { event_bytes, template: None }).collect())
}

fn templates(config: &RunConfig, random: &mut SeededRandom) -> Result<Vec<Payload>, RunError> {
    let texts = &config.templates;
    let longest = texts.iter().map(String::len).max().unwrap_or_default();
    // Templates without anything to draw are the same in every variant.
    let drawn = texts.iter().any(|text| text.contains("{{pick:") || text.contains("{{int:"));
    let variants = if drawn { variants_of(longest).max(texts.len()) } else { texts.len() };
    (0..variants)
        .map(|nth| {
            let index = nth % texts.len();
            let template = PayloadTemplate::parse(&texts[index], random);
            let template = template.map_err(|error| RunError::Template(index + 1, error))?;
            Ok(Payload { event_bytes: 0, template: Some(Arc::new(template)) })
        })
        .collect()
}

fn variants_of(bytes: usize) -> usize {
    (VARIANT_BYTES_MAX / bytes.max(1)).clamp(1, VARIANTS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_spread_over_their_range() {
        let config = RunConfig { event_bytes: 200, event_bytes_max: Some(3200), ..RunConfig::new("") };
        let sizes: Vec<_> = events(&config).expect("events").iter().map(|event| event.event_bytes).collect();
        assert_eq!(sizes.len(), VARIANTS_MAX);
        assert!(sizes.iter().all(|size| (200..=3200).contains(size)), "{sizes:?}");
        let small = sizes.iter().filter(|&&size| size < 800).count();
        assert!((20..44).contains(&small), "half of four doublings: {small}");
    }

    #[test]
    fn templates_and_types_take_turns() {
        let templates = vec![r#"{"a":1}"#.into(), r#"{"b":"{{pick:x|y}}"}"#.into()];
        let event_types = ["t.1", "t.2", "t.3"].map(str::to_owned).to_vec();
        let config = RunConfig { templates, event_types, ..RunConfig::new("") };
        let events = events(&config).expect("events");
        assert_eq!(events.len(), VARIANTS_MAX);
        assert!(events.iter().all(|event| event.template.is_some()));
        assert_eq!(events[4].event_type, "t.2");
        let bad = RunConfig { templates: vec!["{}".into(), "x".into()], ..RunConfig::new("") };
        assert!(matches!(super::events(&bad), Err(RunError::Template(2, _))));
    }

    #[test]
    fn a_plain_run_has_one_event_a_type() {
        let config = RunConfig { event_types: vec!["a".into(), "b".into()], ..RunConfig::new("") };
        assert_eq!(events(&config).expect("events").len(), 2);
    }
}
