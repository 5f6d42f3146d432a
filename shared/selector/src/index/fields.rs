//! Selectors by the fields that they ask for: a trie of paths, with the wanted values at the
//! end of each path.
//!
//! One walk along event and trie finds all selectors whose guard holds. Its cost grows with
//! the event's members on indexed paths, not with the number of selectors.

use std::collections::HashMap;

use super::super::budget::{Exhausted, StepBudget};
use super::super::event::EventJson;
use super::super::json::{Shape, Value};
use super::super::jsonpath::element_position;
use super::super::number;
use super::guard::{FieldKey, KeyGuard, KeyStart, KeyStep, Strength, WantedValue};

/// Up to this many indexed names are each searched in an object; if there are more, each
/// member of the object is looked up.
const NAMES_SCANNED_MAX: usize = 4;

/// A selector whose guard the event meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit {
    pub(super) position: u32,
    pub(super) strength: Strength,
}

/// Selectors by the fields that they ask for.
#[derive(Debug)]
pub(super) struct FieldIndex {
    /// The first two are where paths begin: the payload, and the payload or else the event.
    places: Vec<TrieNode>,
}

const PAYLOAD: u32 = 0;
const PAYLOAD_OR_EVENT: u32 = 1;

/// The end of one path, and the steps that continue it.
#[derive(Debug, Default)]
struct TrieNode {
    names: HashMap<Box<str>, u32>,
    elements: Vec<(i64, u32)>,
    wanted: Option<Box<SelectorsByValue>>,
}

/// The selectors by the value that they want at one place.
#[derive(Debug, Default)]
struct SelectorsByValue {
    exists: Vec<Hit>,
    null: Vec<Hit>,
    no: Vec<Hit>,
    yes: Vec<Hit>,
    /// By their canonical text.
    numbers: HashMap<Box<str>, Vec<Hit>>,
    strings: HashMap<Box<str>, Vec<Hit>>,
    /// Longer strings are not looked up.
    string_bytes_max: usize,
}

impl Default for FieldIndex {
    fn default() -> Self {
        Self { places: vec![TrieNode::default(), TrieNode::default()] }
    }
}

impl FieldIndex {
    pub(super) fn insert(&mut self, guard: &KeyGuard, position: u32) {
        let hit = Hit { position, strength: guard.strength };
        for FieldKey { start, path, wanted } in &guard.keys {
            let mut at = match start {
                KeyStart::Payload => PAYLOAD,
                KeyStart::PayloadOrEvent => PAYLOAD_OR_EVENT,
            };
            for step in path {
                at = self.next_place(at, step);
            }
            if let Some(place) = self.places.get_mut(at as usize) {
                place.wanted.get_or_insert_default().insert(wanted, hit);
            }
        }
    }

    fn next_place(&mut self, from: u32, step: &KeyStep) -> u32 {
        let new = self.places.len() as u32;
        let Some(place) = self.places.get_mut(from as usize) else { return from };
        let next = match step {
            KeyStep::Name(name) => *place.names.entry(name.clone()).or_insert(new),
            KeyStep::Index(index) => match place.elements.iter().find(|(known, _)| known == index) {
                Some((_, known)) => *known,
                None => {
                    place.elements.push((*index, new));
                    new
                }
            },
        };
        if next == new {
            self.places.push(TrieNode::default());
        }
        next
    }

    /// Adds the selectors whose guard the event meets, some perhaps twice.
    pub(super) fn hits(
        &self,
        event: EventJson<'_>,
        budget: &mut StepBudget,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Exhausted> {
        let mut walk = Walk { index: self, budget, hits, canonical: String::new() };
        walk.visit(PAYLOAD, event.payload)?;
        walk.visit_event(event)
    }
}

impl SelectorsByValue {
    fn insert(&mut self, wanted: &WantedValue, hit: Hit) {
        let hits = match wanted {
            WantedValue::Exists => &mut self.exists,
            WantedValue::Null => &mut self.null,
            WantedValue::Boolean(false) => &mut self.no,
            WantedValue::Boolean(true) => &mut self.yes,
            WantedValue::Number(canonical) => self.numbers.entry(canonical.clone()).or_default(),
            WantedValue::String(text) => {
                self.string_bytes_max = self.string_bytes_max.max(text.len());
                self.strings.entry(text.clone()).or_default()
            }
        };
        hits.push(hit);
    }
}

/// One walk along an event.
struct Walk<'w> {
    index: &'w FieldIndex,
    budget: &'w mut StepBudget,
    hits: &'w mut Vec<Hit>,
    canonical: String,
}

impl<'w> Walk<'w> {
    /// Recurses once for each step of a path, and no deeper than the event.
    fn visit(&mut self, place: u32, value: Value<'_>) -> Result<(), Exhausted> {
        let Some(place) = self.index.places.get(place as usize) else { return Ok(()) };
        if let Some(wanted) = &place.wanted {
            self.look_up(wanted, value.shape())?;
        }
        match value.shape() {
            Shape::Object(members) if !place.names.is_empty() => self.visit_members(place, value, members),
            Shape::Array(elements) => {
                for (index, next) in &place.elements {
                    if let Some(position) = element_position(*index, elements) {
                        self.budget.spend(1 + position)?;
                        if let Some(element) = value.element(position) {
                            self.visit(*next, element)?;
                        }
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn visit_members(
        &mut self,
        place: &TrieNode,
        object: Value<'_>,
        members: usize,
    ) -> Result<(), Exhausted> {
        if place.names.len() <= NAMES_SCANNED_MAX {
            for (name, next) in &place.names {
                self.budget.spend(1 + members)?;
                if let Some(value) = object.member(name) {
                    self.visit(*next, value)?;
                }
            }
            return Ok(());
        }
        let mut found = Vec::new();
        self.collect_members(place, object, members, &mut found)?;
        self.visit_found(object, found)
    }

    /// The payload's member of a name, else the envelope's.
    fn visit_event(&mut self, event: EventJson<'_>) -> Result<(), Exhausted> {
        let Some(place) = self.index.places.get(PAYLOAD_OR_EVENT as usize) else { return Ok(()) };
        if place.names.is_empty() {
            return Ok(());
        }
        let EventJson { envelope, payload } = event;
        if place.names.len() <= NAMES_SCANNED_MAX {
            for (name, next) in &place.names {
                self.budget.spend(1 + payload.child_count())?;
                if let Some(value) = payload.member(name).or_else(|| envelope.member(name)) {
                    self.visit(*next, value)?;
                }
            }
            return Ok(());
        }
        let mut found = Vec::new();
        self.collect_members(place, envelope, envelope.child_count(), &mut found)?;
        let mut of_payload = Vec::new();
        self.collect_members(place, payload, payload.child_count(), &mut of_payload)?;
        found.retain(|(next, _)| !of_payload.iter().any(|(known, _)| known == next));
        found.append(&mut of_payload);
        self.visit_found(envelope, found)
    }

    /// The members that are in the trie, each as its next place and its position.
    fn collect_members(
        &mut self,
        place: &TrieNode,
        object: Value<'_>,
        members: usize,
        found: &mut Vec<(u32, u32)>,
    ) -> Result<(), Exhausted> {
        self.budget.spend(1 + 2 * members)?;
        for (name, value) in object.members() {
            if let Some(next) = place.names.get(name) {
                found.push((*next, value.position()));
            }
        }
        Ok(())
    }

    /// If several members have one name, the last counts.
    fn visit_found(&mut self, object: Value<'_>, mut found: Vec<(u32, u32)>) -> Result<(), Exhausted> {
        found.sort_unstable();
        let mut rest = found.iter().peekable();
        while let Some((next, position)) = rest.next() {
            if rest.peek().is_none_or(|(following, _)| following != next) {
                self.visit(*next, object.of_same_tape(*position))?;
            }
        }
        Ok(())
    }

    fn look_up(&mut self, wanted: &'w SelectorsByValue, value: Shape<'_>) -> Result<(), Exhausted> {
        self.budget.spend(1)?;
        self.hits.extend(&wanted.exists);
        match value {
            Shape::Null => self.hits.extend(&wanted.null),
            Shape::Boolean(false) => self.hits.extend(&wanted.no),
            Shape::Boolean(true) => self.hits.extend(&wanted.yes),
            Shape::Number(text) if !wanted.numbers.is_empty() => {
                self.budget.spend(1 + text.len() / 16)?;
                self.canonical.clear();
                number::write_canonical(text, &mut self.canonical);
                self.hits.extend(wanted.numbers.get(&*self.canonical).into_iter().flatten());
            }
            Shape::String(text) if text.len() <= wanted.string_bytes_max || text.is_empty() => {
                self.budget.spend_bytes(text.len())?;
                self.hits.extend(wanted.strings.get(text).into_iter().flatten());
            }
            Shape::Number(_) | Shape::String(_) | Shape::Array(_) | Shape::Object(_) => {}
        }
        Ok(())
    }
}
