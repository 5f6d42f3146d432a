//! `custom` selectors: one operator on one field of the payload.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use super::budget::{Exhausted, StepBudget};
use super::compare;
use super::event::Opened;
use super::field::FieldPath;
use super::json::{JsonFault, Shape, Tape, Value};
use super::memo::{KnownNodes, Slot};
use super::pattern::Pattern;

/// An operator applied to a field.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) field: FieldPath,
    pub(super) operator: Operator,
    pub(super) predicate: Predicate,
    /// The operator's value in canonical JSON, if it takes one.
    pub(super) operand: Option<Box<str>>,
}

/// The operators by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operator {
    Equals,
    NotEquals,
    GreaterThan,
    GreaterOrEqual,
    LessThan,
    LessOrEqual,
    Contains,
    StartsWith,
    EndsWith,
    In,
    NotIn,
    Exists,
    NotExists,
    Matches,
}

/// The condition on the value of a field that exists. `not_equals`, `not_in` and
/// `not_exists` are the exact negations of `equals`, `in` and `exists`, so they hold for a
/// missing field.
#[derive(Debug)]
pub(super) enum Predicate {
    Exists,
    Equals(Constant),
    /// Compares numbers with numbers, and strings with strings.
    Order(Constant),
    /// A string contains this string, or an array this element.
    Contains(Constant),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    In(OneOf),
    Matches(Pattern),
}

impl Operator {
    pub(super) const NAMES: &str = "one of `equals`, `not_equals`, `greater_than`, `greater_or_equal`, `less_than`, \
         `less_or_equal`, `contains`, `starts_with`, `ends_with`, `in`, `not_in`, `exists`, `not_exists`, `matches`";

    const ALL: [Self; 14] = [
        Self::Equals,
        Self::NotEquals,
        Self::GreaterThan,
        Self::GreaterOrEqual,
        Self::LessThan,
        Self::LessOrEqual,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::In,
        Self::NotIn,
        Self::Exists,
        Self::NotExists,
        Self::Matches,
    ];

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::NotEquals => "not_equals",
            Self::GreaterThan => "greater_than",
            Self::GreaterOrEqual => "greater_or_equal",
            Self::LessThan => "less_than",
            Self::LessOrEqual => "less_or_equal",
            Self::Contains => "contains",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::In => "in",
            Self::NotIn => "not_in",
            Self::Exists => "exists",
            Self::NotExists => "not_exists",
            Self::Matches => "matches",
        }
    }

    fn negates(self) -> bool {
        matches!(self, Self::NotEquals | Self::NotIn | Self::NotExists)
    }

    /// The orders of field to value that satisfy this operator.
    fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::GreaterThan => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::LessThan => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            _ => order.is_eq(),
        }
    }
}

/// Functions are equal if they have the same condition on the same field.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.operator == other.operator
            && self.operand == other.operand
            && self.field.steps() == other.field.steps()
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.field.steps().hash(hasher);
        self.operator.hash(hasher);
        self.operand.hash(hasher);
    }
}

impl Function {
    /// True if the function holds for the event's payload.
    pub(super) fn holds(
        &self,
        field: &Slot,
        opened: &mut Opened<'_>,
        budget: &mut StepBudget,
    ) -> Result<bool, Exhausted> {
        let satisfied = match self.find(field, opened, budget)? {
            Some(value) => self.satisfied_by(value, budget)?,
            None => false,
        };
        Ok(satisfied != self.operator.negates())
    }

    /// The field's value, which another function with that field may have found already.
    fn find<'v>(
        &self,
        field: &Slot,
        opened: &mut Opened<'v>,
        budget: &mut StepBudget,
    ) -> Result<Option<Value<'v>>, Exhausted> {
        let payload = opened.json.payload;
        if let Some(KnownNodes::Selected(mut known)) = opened.memo.nodes(field) {
            budget.spend(1)?;
            let position = known.next().and_then(|index| opened.memo.node(index));
            return Ok(position.map(|position| payload.of_same_tape(position)));
        }
        let found = self.field.find(payload, budget)?;
        if field.number().is_some() {
            opened.memo.keep_nodes(field, found.map(Value::position).as_slice());
        }
        Ok(found)
    }

    fn satisfied_by(&self, value: Value<'_>, budget: &mut StepBudget) -> Result<bool, Exhausted> {
        match &self.predicate {
            Predicate::Exists => Ok(true),
            Predicate::Equals(constant) => compare::equal(value, constant.value(), budget),
            Predicate::Order(constant) => {
                let order = compare::order(value.shape(), constant.value().shape(), budget)?;
                Ok(order.is_some_and(|order| self.operator.accepts(order)))
            }
            Predicate::Contains(constant) => contains(value, constant.value(), budget),
            Predicate::StartsWith(prefix) => {
                Ok(value.as_str().is_some_and(|text| text.starts_with(&**prefix)))
            }
            Predicate::EndsWith(suffix) => Ok(value.as_str().is_some_and(|text| text.ends_with(&**suffix))),
            Predicate::In(list) => list.includes(value, budget),
            Predicate::Matches(pattern) => match value.as_str() {
                Some(text) => pattern.is_match(text, budget),
                None => Ok(false),
            },
        }
    }
}

fn contains(value: Value<'_>, wanted: Value<'_>, budget: &mut StepBudget) -> Result<bool, Exhausted> {
    match (value.shape(), wanted.shape()) {
        (Shape::String(text), Shape::String(part)) => {
            budget.spend_bytes(text.len())?;
            Ok(text.contains(part))
        }
        (Shape::Array(_), _) => {
            for element in value.children() {
                if compare::equal(element, wanted, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Ok(false),
    }
}

/// A JSON value of the selector itself.
#[derive(Debug)]
pub(super) struct Constant {
    text: Box<str>,
    tape: Tape,
}

impl Constant {
    pub(super) fn parse(text: &str, depth_max: usize) -> Result<Self, JsonFault> {
        let mut tape = Tape::default();
        tape.parse(text, depth_max)?;
        Ok(Self { text: text.into(), tape })
    }

    pub(super) fn value(&self) -> Value<'_> {
        self.tape.root(&self.text)
    }
}

/// The list of `in` and `not_in`; strings are found by binary search.
#[derive(Debug)]
pub(super) struct OneOf {
    list: Constant,
    strings: Vec<Box<str>>,
}

impl OneOf {
    pub(super) fn new(list: Constant) -> Self {
        let mut strings: Vec<Box<str>> =
            list.value().children().filter_map(Value::as_str).map(Box::from).collect();
        strings.sort_unstable();
        Self { list, strings }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = Value<'_>> {
        self.list.value().children()
    }

    fn includes(&self, value: Value<'_>, budget: &mut StepBudget) -> Result<bool, Exhausted> {
        if let Some(text) = value.as_str() {
            budget.spend(1)?;
            return Ok(self.strings.binary_search_by(|string| (**string).cmp(text)).is_ok());
        }
        for candidate in self.list.value().children() {
            if compare::equal(value, candidate, budget)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
