//! Parsing a selector's JSON, refusing everything that is not understood.

use std::sync::Arc;

use super::canonical::write_value;
use super::field::FieldPath;
use super::function::{Constant, Function, OneOf, Operator, Predicate};
use super::json::{JsonFault, Shape, Tape, Value};
use super::jsonpath;
use super::memo::Slot;
use super::node::SelectorNode;
use super::pattern::{Pattern, PatternFault};
use super::{EventTypePattern, SelectorError, SelectorFault, SelectorLimits};

/// How many levels of JSON a function's value may add to those of its selector.
const VALUE_DEPTH_MAX: usize = 32;

pub(super) fn parse(json: &str, limits: &SelectorLimits) -> Result<SelectorNode, SelectorError> {
    let mut reader = SelectorReader { pointer: String::new(), depth: 0, selectors: 0, limits };
    let max = limits.json_bytes_max;
    if json.len() > max {
        return reader.fault(SelectorFault::Limit {
            counted: "bytes of the selector",
            found: json.len(),
            max,
        });
    }
    let mut tape = Tape::default();
    // An `of` list takes two levels, a function two more.
    let depth_max = 2 * limits.nesting_max + 2 + VALUE_DEPTH_MAX;
    if let Err(JsonFault { offset, reason }) = tape.parse(json, depth_max) {
        return reader.fault(SelectorFault::Json { offset, reason });
    }
    reader.selector(tape.root(json))
}

struct SelectorReader<'l> {
    /// The place of the reader.
    pointer: String,
    depth: usize,
    selectors: usize,
    limits: &'l SelectorLimits,
}

type Read<T> = Result<T, SelectorError>;

impl SelectorReader<'_> {
    fn selector(&mut self, json: Value<'_>) -> Read<SelectorNode> {
        self.selectors += 1;
        self.limit("selectors in all", self.selectors, self.limits.selectors_max)?;
        if !matches!(json.shape(), Shape::Object(_)) {
            return self.fault(SelectorFault::Expected("an object with a `type`"));
        }
        let kind = self.string(json, "type")?;
        match kind {
            "event_type" => {
                self.members(json, &["type", "value"])?;
                let text = self.string(json, "value")?;
                self.within("value", |reader| {
                    let pattern = EventTypePattern::parse(text, reader.limits);
                    reader.checked(pattern.map(SelectorNode::EventType))
                })
            }
            "jsonpath" => {
                self.members(json, &["type", "expression"])?;
                let text = self.string(json, "expression")?;
                self.within("expression", |reader| reader.expression(text))
            }
            "custom" => {
                self.members(json, &["type", "function"])?;
                let function = self.required(json, "function")?;
                let function = self.within("function", |reader| reader.function(function))?;
                Ok(SelectorNode::Function {
                    function: Arc::new(function),
                    slot: Slot::default(),
                    field: Slot::default(),
                })
            }
            "all" => self.list(json).map(SelectorNode::All),
            "any" => self.list(json).map(SelectorNode::Any),
            "not" => {
                self.members(json, &["type", "of"])?;
                let inner = self.required(json, "of")?;
                let inner = self.within("of", |reader| reader.nested(inner))?;
                Ok(SelectorNode::Not(Box::new(inner)))
            }
            _ => self.within("type", |reader| {
                const KINDS: &str = "one of `event_type`, `jsonpath`, `custom`, `all`, `any`, `not`";
                reader.fault(SelectorFault::Expected(KINDS))
            }),
        }
    }

    fn list(&mut self, json: Value<'_>) -> Read<Vec<SelectorNode>> {
        self.members(json, &["type", "of"])?;
        let list = self.required(json, "of")?;
        self.within("of", |reader| {
            let Shape::Array(count @ 1..) = list.shape() else {
                return reader.fault(SelectorFault::Expected("a list of at least one selector"));
            };
            reader.limit("selectors in the list", count, reader.limits.of_max)?;
            let entry =
                |(index, json): (usize, _)| reader.within(&index.to_string(), |reader| reader.nested(json));
            list.children().enumerate().map(entry).collect()
        })
    }

    fn nested(&mut self, json: Value<'_>) -> Read<SelectorNode> {
        self.depth += 1;
        self.limit("levels of `all`, `any` and `not`", self.depth, self.limits.nesting_max)?;
        let selector = self.selector(json)?;
        self.depth -= 1;
        Ok(selector)
    }

    fn expression(&mut self, text: &str) -> Read<SelectorNode> {
        self.limit("bytes of the expression", text.len(), self.limits.expression_bytes_max)?;
        let expression = jsonpath::parse(text, self.limits)
            .map_err(|fault| SelectorFault::Expression { offset: fault.offset, reason: fault.reason });
        let expression = self.checked(expression)?;
        Ok(SelectorNode::JsonPath { text: text.into(), expression, slot: Slot::default() })
    }

    fn function(&mut self, json: Value<'_>) -> Read<Function> {
        if !matches!(json.shape(), Shape::Object(_)) {
            return self.fault(SelectorFault::Expected("an object with `field`, `operator` and `value`"));
        }
        self.members(json, &["field", "operator", "value"])?;
        let field = self.string(json, "field")?;
        let bytes_max = self.limits.field_bytes_max;
        let field = self.within("field", |reader| reader.checked(FieldPath::parse(field, bytes_max)))?;
        let name = self.string(json, "operator")?;
        let Some(operator) = Operator::parse(name) else {
            return self.within("operator", |reader| reader.fault(SelectorFault::Expected(Operator::NAMES)));
        };
        let value = json.member("value");
        let predicate = match (operator, value) {
            (Operator::Exists | Operator::NotExists, None) => Predicate::Exists,
            (Operator::Exists | Operator::NotExists, Some(_)) => {
                let fault = SelectorFault::ValueNotTaken(operator.name());
                return self.within("value", |reader| reader.fault(fault));
            }
            (_, None) => return self.fault(SelectorFault::Missing("value")),
            (_, Some(value)) => self.within("value", |reader| reader.predicate(operator, value))?,
        };
        let operand = value.map(|value| canonical(value).into());
        Ok(Function { field, operator, predicate, operand })
    }

    fn predicate(&mut self, operator: Operator, value: Value<'_>) -> Read<Predicate> {
        let text = || value.as_str().ok_or(SelectorFault::Expected("a string"));
        match operator {
            Operator::Exists | Operator::NotExists => Ok(Predicate::Exists),
            Operator::Equals | Operator::NotEquals => self.constant(value).map(Predicate::Equals),
            Operator::Contains => self.constant(value).map(Predicate::Contains),
            Operator::GreaterThan | Operator::GreaterOrEqual | Operator::LessThan | Operator::LessOrEqual => {
                match value.shape() {
                    Shape::Number(_) | Shape::String(_) => self.constant(value).map(Predicate::Order),
                    _ => self.fault(SelectorFault::Expected("a number or a string")),
                }
            }
            Operator::StartsWith => self.checked(text()).map(|text| Predicate::StartsWith(text.into())),
            Operator::EndsWith => self.checked(text()).map(|text| Predicate::EndsWith(text.into())),
            Operator::In | Operator::NotIn => {
                let Shape::Array(count @ 1..) = value.shape() else {
                    return self.fault(SelectorFault::Expected("a list of at least one value"));
                };
                self.limit("values in the list", count, self.limits.in_max)?;
                self.constant(value).map(|list| Predicate::In(OneOf::new(list)))
            }
            Operator::Matches => {
                let source = self.checked(text())?;
                let (bytes_max, compiled_bytes_max) =
                    (self.limits.regex_bytes_max, self.limits.regex_compiled_bytes_max);
                self.limit("bytes of the regular expression", source.len(), bytes_max)?;
                let pattern = Pattern::compile(source, compiled_bytes_max)
                    .map_err(|fault: PatternFault| SelectorFault::Regex(fault.to_string()));
                self.checked(pattern).map(Predicate::Matches)
            }
        }
    }

    fn constant(&self, value: Value<'_>) -> Read<Constant> {
        let constant = Constant::parse(&canonical(value), usize::MAX)
            .map_err(|JsonFault { offset, reason }| SelectorFault::Json { offset, reason });
        self.checked(constant)
    }

    /// Refuses members that are unknown or given twice.
    fn members(&mut self, json: Value<'_>, known: &[&str]) -> Read<()> {
        for (index, (name, _)) in json.members().enumerate() {
            let fault = if !known.contains(&name) {
                SelectorFault::UnknownMember
            } else if json.members().take(index).any(|(earlier, _)| earlier == name) {
                SelectorFault::DuplicateMember
            } else {
                continue;
            };
            return self.within(name, |reader| reader.fault(fault));
        }
        Ok(())
    }

    fn required<'d>(&self, json: Value<'d>, name: &'static str) -> Read<Value<'d>> {
        match json.member(name) {
            Some(value) => Ok(value),
            None => self.fault(SelectorFault::Missing(name)),
        }
    }

    fn string<'d>(&mut self, json: Value<'d>, name: &'static str) -> Read<&'d str> {
        let value = self.required(json, name)?;
        match value.as_str() {
            Some(text) => Ok(text),
            None => self.within(name, |reader| reader.fault(SelectorFault::Expected("a string"))),
        }
    }

    fn limit(&self, counted: &'static str, found: usize, max: usize) -> Read<()> {
        if found <= max { Ok(()) } else { self.fault(SelectorFault::Limit { counted, found, max }) }
    }

    /// Steps into a member or element for as long as `read` runs.
    fn within<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        let result = read(self);
        self.pointer.truncate(length);
        result
    }

    fn checked<T>(&self, result: Result<T, SelectorFault>) -> Read<T> {
        result.or_else(|fault| self.fault(fault))
    }

    fn fault<T>(&self, fault: SelectorFault) -> Read<T> {
        Err(SelectorError { pointer: self.pointer.clone(), fault })
    }
}

fn canonical(value: Value<'_>) -> String {
    let mut json = String::new();
    write_value(value, &mut json);
    json
}
