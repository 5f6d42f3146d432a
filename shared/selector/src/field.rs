//! The path from a payload to one field.

use super::SelectorFault;
use super::budget::{Exhausted, StepBudget};
use super::json::{Shape, Value};

/// A field of the payload: a dotted path (`order.items.0.sku`) or, if it begins with `/`, a
/// JSON Pointer (RFC 6901: `/order/items/0/sku`). A step names an object's member or, if it
/// is written as an array index, an element. Names that contain a dot need the pointer.
#[derive(Debug, Clone)]
pub(super) struct FieldPath {
    text: Box<str>,
    steps: Vec<FieldStep>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FieldStep {
    pub(super) name: Box<str>,
    /// The name read as an array index, if it is one.
    pub(super) index: Option<usize>,
}

impl FieldPath {
    pub(super) fn parse(text: &str, bytes_max: usize) -> Result<Self, SelectorFault> {
        if text.len() > bytes_max {
            return Err(SelectorFault::Limit {
                counted: "bytes of the field",
                found: text.len(),
                max: bytes_max,
            });
        }
        let steps = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(unescape_pointer).collect::<Result<_, _>>()?,
            None => dotted(text)?,
        };
        Ok(Self { text: text.into(), steps })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The steps from the payload to the field, which are equal for two spellings of one
    /// field.
    pub(super) fn steps(&self) -> &[FieldStep] {
        &self.steps
    }

    /// The field's value in this payload, if it has one.
    pub(super) fn find<'v>(
        &self,
        payload: Value<'v>,
        budget: &mut StepBudget,
    ) -> Result<Option<Value<'v>>, Exhausted> {
        let mut value = payload;
        for step in &self.steps {
            let found = match (value.shape(), step.index) {
                (Shape::Object(members), _) => {
                    budget.spend(1 + members)?;
                    value.member(&step.name)
                }
                (Shape::Array(elements), Some(index)) => {
                    budget.spend(1 + index.min(elements))?;
                    value.element(index)
                }
                _ => None,
            };
            match found {
                Some(found) => value = found,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }
}

impl FieldStep {
    fn new(name: &str) -> Self {
        let is_index =
            name == "0" || (!name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit()));
        Self { name: name.into(), index: is_index.then(|| name.parse().ok()).flatten() }
    }
}

fn dotted(text: &str) -> Result<Vec<FieldStep>, SelectorFault> {
    if text.is_empty() {
        return Err(SelectorFault::Field("a field cannot be empty"));
    }
    if text.starts_with('$') {
        return Err(SelectorFault::Field(
            "a field is a path such as `order.total` or `/order/total`, without `$`",
        ));
    }
    if text.split('.').any(str::is_empty) {
        return Err(SelectorFault::Field("a dotted path cannot have an empty step; use a JSON Pointer"));
    }
    Ok(text.split('.').map(FieldStep::new).collect())
}

fn unescape_pointer(step: &str) -> Result<FieldStep, SelectorFault> {
    if step.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
        return Err(SelectorFault::Field("`~` in a JSON Pointer must be written `~0`, and `/` `~1`"));
    }
    Ok(FieldStep::new(&step.replace("~1", "/").replace("~0", "~")))
}
