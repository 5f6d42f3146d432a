//! The schemas inside a schema: which of them look at the same value, and which look at the
//! values inside it.
//!
//! Only the keywords that the specification calls applicators lead from one schema to another:
//! JSON Schema 2020-12, Core, sections 8.2.3 and 10. Keywords that would lead out of the schema
//! (`$ref` to another document) or depend on the way to them (`$dynamicRef`) are refused.

use super::fault::{SchemaFault, below};
use super::limits::SchemaLimits;
use super::pattern;
use serde_json::{Map, Value};
use std::collections::HashMap;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Keywords that are refused, with the reason.
const REFUSED: [(&str, &str); 8] = [
    ("$dynamicRef", "is not supported; use `$ref`"),
    ("$dynamicAnchor", "is not supported; use `$anchor`"),
    ("$recursiveRef", "is not of JSON Schema 2020-12; use `$ref`"),
    ("$recursiveAnchor", "is not of JSON Schema 2020-12; use `$anchor`"),
    ("$vocabulary", "is for meta-schemas"),
    ("dependencies", "is not of JSON Schema 2020-12; use `dependentRequired` or `dependentSchemas`"),
    ("additionalItems", "is not of JSON Schema 2020-12; use `prefixItems` and `items`"),
    ("contentSchema", "is not supported"),
];

/// The cost of a schema itself, without the schemas inside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OwnCost {
    /// Checks of a value that it looks at.
    pub checks: u64,
    /// Positions of the patterns that strings are matched with.
    pub text_positions: u64,
    /// Positions of the patterns that names of members are matched with.
    pub name_positions: u64,
    /// How often a value is looked at together with all that is inside it
    /// (`uniqueItems`, `enum` and `const` with arrays or objects).
    pub whole: u64,
    /// Whether it must know what its neighbours looked at (`unevaluated…`), which are then asked
    /// again.
    pub asks_again: bool,
}

/// A schema inside a schema.
#[derive(Debug, Default)]
pub(crate) struct Subschema {
    pub pointer: String,
    pub own: OwnCost,
    /// Schemas of the same value.
    pub in_place: Vec<usize>,
    /// Schemas of members by name; a member has at most one.
    pub named: Vec<usize>,
    /// Schemas of members without such a name; a member has at most one.
    pub other_members: Vec<usize>,
    /// Schemas that may all look at the same member.
    pub each_member: Vec<usize>,
    /// Schemas of items by place, and of all further items; an item has at most one.
    pub placed: Vec<usize>,
    /// Schemas that may all look at the same item.
    pub each_item: Vec<usize>,
}

/// The schemas inside a schema; the first is the schema itself.
pub(crate) struct SchemaGraph {
    pub nodes: Vec<Subschema>,
}

struct SchemaWalk<'a> {
    root: &'a Value,
    limits: &'a SchemaLimits,
    nodes: Vec<Subschema>,
    by_pointer: HashMap<String, usize>,
    /// Schemas that were found and not read yet.
    found: Vec<(usize, &'a Value)>,
    anchors: HashMap<&'a str, String>,
    /// `$ref`s: the schema with the `$ref`, and its text.
    references: Vec<(usize, &'a str)>,
    patterns: usize,
}

/// Finds all schemas inside a schema.
pub(crate) fn walk(root: &Value, limits: &SchemaLimits) -> Result<SchemaGraph, SchemaFault> {
    let mut walk = SchemaWalk {
        root,
        limits,
        nodes: Vec::new(),
        by_pointer: HashMap::new(),
        found: Vec::new(),
        anchors: HashMap::new(),
        references: Vec::new(),
        patterns: 0,
    };
    walk.node(String::new(), root)?;
    loop {
        while let Some((index, schema)) = walk.found.pop() {
            walk.read(index, schema)?;
        }
        // A `$ref` may lead to a schema to which nothing else leads.
        let Some((index, reference)) = walk.references.pop() else { break };
        let target = walk.resolve(index, reference)?;
        walk.nodes[index].in_place.push(target);
    }
    Ok(SchemaGraph { nodes: walk.nodes })
}

impl<'a> SchemaWalk<'a> {
    /// The index of the schema at a place, which is added if it is new.
    fn node(&mut self, pointer: String, schema: &'a Value) -> Result<usize, SchemaFault> {
        if let Some(known) = self.by_pointer.get(&pointer) {
            return Ok(*known);
        }
        if !matches!(schema, Value::Object(_) | Value::Bool(_)) {
            return Err(SchemaFault::at(pointer, "must be a schema: an object, true or false"));
        }
        let max = self.limits.subschemas_max;
        if self.nodes.len() >= max {
            return Err(SchemaFault::at(
                pointer,
                format!("there are more than {max} schemas inside the schema"),
            ));
        }
        let index = self.nodes.len();
        self.nodes.push(Subschema { pointer: pointer.clone(), ..Subschema::default() });
        self.by_pointer.insert(pointer, index);
        self.found.push((index, schema));
        Ok(index)
    }

    fn read(&mut self, index: usize, schema: &'a Value) -> Result<(), SchemaFault> {
        self.nodes[index].own.checks = 1;
        let Value::Object(keywords) = schema else { return Ok(()) };
        let pointer = self.nodes[index].pointer.clone();
        self.identity(&pointer, keywords)?;
        for (keyword, value) in keywords {
            let place = below(&pointer, keyword);
            self.applicator(index, keyword, value, &place)?;
            self.assertion(index, keyword, value, &place)?;
        }
        Ok(())
    }

    /// Reads the keywords that identify the schema, and those that are refused.
    fn identity(&mut self, pointer: &str, keywords: &'a Map<String, Value>) -> Result<(), SchemaFault> {
        for (keyword, reason) in REFUSED {
            if keywords.contains_key(keyword) {
                return Err(SchemaFault::at(below(pointer, keyword), format!("`{keyword}` {reason}")));
            }
        }
        if keywords.contains_key("$id") && !pointer.is_empty() {
            let message = "a schema inside the schema cannot have an `$id` of its own; use `$anchor`";
            return Err(SchemaFault::at(below(pointer, "$id"), message));
        }
        if let Some(dialect) = keywords.get("$schema") {
            let text = dialect.as_str().unwrap_or_default();
            if text.strip_suffix('#').unwrap_or(text) != DIALECT {
                let message = format!("`$schema` must be {DIALECT}, or absent");
                return Err(SchemaFault::at(below(pointer, "$schema"), message));
            }
        }
        if let Some(anchor) = keywords.get("$anchor").and_then(Value::as_str)
            && self.anchors.insert(anchor, pointer.to_owned()).is_some()
        {
            return Err(SchemaFault::at(below(pointer, "$anchor"), "the anchor comes twice"));
        }
        Ok(())
    }

    /// Notes the schemas to which a keyword leads.
    fn applicator(
        &mut self,
        index: usize,
        keyword: &str,
        value: &'a Value,
        place: &str,
    ) -> Result<(), SchemaFault> {
        match keyword {
            "$ref" => match value.as_str() {
                Some(text) => self.references.push((index, text)),
                None => return Err(SchemaFault::at(place, "must be a string")),
            },
            "allOf" | "anyOf" | "oneOf" => {
                let inner = self.list(value, place)?;
                self.nodes[index].in_place.extend(inner);
            }
            "not" | "if" | "then" | "else" => {
                let inner = self.node(place.to_owned(), value)?;
                self.nodes[index].in_place.push(inner);
            }
            "dependentSchemas" => {
                let inner = self.members(value, place)?;
                self.nodes[index].in_place.extend(inner);
            }
            "properties" => self.nodes[index].named = self.members(value, place)?,
            "patternProperties" => {
                let inner = self.members(value, place)?;
                self.nodes[index].each_member.extend(inner);
                for name in value.as_object().into_iter().flat_map(Map::keys) {
                    let positions = self.pattern(name, &below(place, name))?;
                    let own = &mut self.nodes[index].own;
                    own.name_positions = own.name_positions.saturating_add(positions);
                }
            }
            "additionalProperties" => {
                let inner = self.node(place.to_owned(), value)?;
                self.nodes[index].other_members.push(inner);
            }
            "propertyNames" => {
                let inner = self.node(place.to_owned(), value)?;
                self.nodes[index].each_member.push(inner);
            }
            "unevaluatedProperties" => {
                let inner = self.node(place.to_owned(), value)?;
                self.nodes[index].each_member.push(inner);
                self.nodes[index].own.asks_again = true;
            }
            "prefixItems" => {
                let inner = self.list(value, place)?;
                self.nodes[index].placed.extend(inner);
            }
            "items" => {
                let inner = self.node(place.to_owned(), value)?;
                self.nodes[index].placed.push(inner);
            }
            "contains" => {
                let inner = self.node(place.to_owned(), value)?;
                self.nodes[index].each_item.push(inner);
            }
            "unevaluatedItems" => {
                let inner = self.node(place.to_owned(), value)?;
                self.nodes[index].each_item.push(inner);
                self.nodes[index].own.asks_again = true;
            }
            // Schemas for others to refer to.
            "$defs" | "definitions" => drop(self.members(value, place)?),
            _ => {}
        }
        Ok(())
    }

    /// Notes the cost of a keyword.
    fn assertion(
        &mut self,
        index: usize,
        keyword: &str,
        value: &Value,
        place: &str,
    ) -> Result<(), SchemaFault> {
        let count = |content: &Value| content.as_array().map_or(1, |all| all.len().max(1) as u64);
        let is_container = |content: &Value| content.is_array() || content.is_object();
        let (mut checks, mut text_positions, mut whole) = (1, 0, 0);
        match keyword {
            "pattern" => {
                text_positions = match value.as_str() {
                    Some(text) => self.pattern(text, place)?,
                    None => return Err(SchemaFault::at(place, "must be a string")),
                };
            }
            "enum" => {
                checks = count(value).div_ceil(4);
                whole = value
                    .as_array()
                    .map_or(0, |all| all.iter().filter(|one| is_container(one)).count() as u64);
            }
            "const" => whole = u64::from(is_container(value)),
            "uniqueItems" => whole = 2,
            "required" => checks = count(value).div_ceil(4),
            // Decimal fractions of any size.
            "multipleOf" => checks = 32,
            "properties" | "patternProperties" | "dependentRequired" | "dependentSchemas" => {
                checks = value.as_object().map_or(1, |all| all.len().max(1) as u64).div_ceil(4);
            }
            _ => {}
        }
        let own = &mut self.nodes[index].own;
        own.checks = own.checks.saturating_add(checks);
        own.text_positions = own.text_positions.saturating_add(text_positions);
        own.whole = own.whole.saturating_add(whole);
        Ok(())
    }

    /// The positions of a pattern, which must be within its limits.
    fn pattern(&mut self, text: &str, place: &str) -> Result<u64, SchemaFault> {
        let SchemaLimits { patterns_max, pattern_bytes_max, .. } = *self.limits;
        self.patterns += 1;
        if self.patterns > patterns_max {
            return Err(SchemaFault::at(place, format!("the schema has more than {patterns_max} patterns")));
        }
        if text.len() > pattern_bytes_max {
            let message = format!("the pattern has {} bytes; the limit is {pattern_bytes_max}", text.len());
            return Err(SchemaFault::at(place, message));
        }
        pattern::positions(text).map_err(|reason| SchemaFault::at(place, format!("the pattern {reason}")))
    }

    fn list(&mut self, value: &'a Value, place: &str) -> Result<Vec<usize>, SchemaFault> {
        let all = value.as_array().ok_or_else(|| SchemaFault::at(place, "must be an array of schemas"))?;
        all.iter().enumerate().map(|(n, one)| self.node(format!("{place}/{n}"), one)).collect()
    }

    fn members(&mut self, value: &'a Value, place: &str) -> Result<Vec<usize>, SchemaFault> {
        let all = value.as_object().ok_or_else(|| SchemaFault::at(place, "must be an object of schemas"))?;
        all.iter().map(|(name, one)| self.node(below(place, name), one)).collect()
    }

    /// The schema to which a `$ref` leads.
    fn resolve(&mut self, index: usize, reference: &str) -> Result<usize, SchemaFault> {
        let place = below(&self.nodes[index].pointer, "$ref");
        let Some(fragment) = reference.strip_prefix('#') else {
            let message = "leads to another document, which is never fetched: a `$ref` begins with `#`";
            return Err(SchemaFault::at(place, message));
        };
        let fragment = percent_decoded(fragment).ok_or_else(|| {
            SchemaFault::at(
                place.clone(),
                "is no URI fragment: `%` must be followed by two hexadecimal digits",
            )
        })?;
        let pointer = match fragment.is_empty() || fragment.starts_with('/') {
            true => Some(fragment),
            false => self.anchors.get(&*fragment).cloned(),
        };
        let found = pointer.and_then(|pointer| self.root.pointer(&pointer).map(|target| (pointer, target)));
        let (pointer, target) =
            found.ok_or_else(|| SchemaFault::at(place, "leads to nothing in the schema"))?;
        self.node(pointer, target)
    }
}

/// The text without its percent-encoding (RFC 3986, 2.1).
fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut out, mut position) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(position) {
        if *byte == b'%' {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            let (high, low) = (digit(bytes.get(position + 1)?)?, digit(bytes.get(position + 2)?)?);
            out.push((high * 16 + low) as u8);
            position += 3;
        } else {
            out.push(*byte);
            position += 1;
        }
    }
    String::from_utf8(out).ok()
}
