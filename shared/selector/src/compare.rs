//! Equality and order of JSON values, the same for functions and JSONPath.

use std::cmp::Ordering;

use super::budget::{Exhausted, StepBudget};
use super::json::{Shape, Value};
use super::number;

/// Whether both are the same value: numbers by value, arrays in order, objects with their
/// members in any order.
///
/// Recurses once for each level of nesting, which the parser has bounded.
pub(super) fn equal(left: Value<'_>, right: Value<'_>, budget: &mut StepBudget) -> Result<bool, Exhausted> {
    match (left.shape(), right.shape()) {
        (Shape::Array(left_count), Shape::Array(right_count)) => {
            budget.spend(1)?;
            if left_count != right_count {
                return Ok(false);
            }
            for (left, right) in left.children().zip(right.children()) {
                if !equal(left, right, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Shape::Object(left_count), Shape::Object(right_count)) => {
            budget.spend(1)?;
            if left_count != right_count {
                return Ok(false);
            }
            for (name, left) in left.members() {
                budget.spend(right_count)?;
                match right.member(name) {
                    Some(right) if equal(left, right, budget)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (left, right) => scalars_equal(left, right, budget),
    }
}

/// [`equal`] for values other than arrays and objects; false if either is one of these.
pub(super) fn scalars_equal(
    left: Shape<'_>,
    right: Shape<'_>,
    budget: &mut StepBudget,
) -> Result<bool, Exhausted> {
    budget.spend(1)?;
    Ok(match (left, right) {
        (Shape::Null, Shape::Null) => true,
        (Shape::Boolean(left), Shape::Boolean(right)) => left == right,
        (Shape::Number(_), Shape::Number(_)) | (Shape::String(_), Shape::String(_)) => {
            order(left, right, budget)? == Some(Ordering::Equal)
        }
        _ => false,
    })
}

/// The order of two numbers or two strings (by Unicode code point); `None` for other
/// values.
pub(super) fn order(
    left: Shape<'_>,
    right: Shape<'_>,
    budget: &mut StepBudget,
) -> Result<Option<Ordering>, Exhausted> {
    match (left, right) {
        (Shape::Number(left), Shape::Number(right)) => {
            budget.spend(1 + (left.len() + right.len()) / 16)?;
            Ok(Some(number::compare(left, right)))
        }
        (Shape::String(left), Shape::String(right)) => {
            budget.spend_bytes(left.len().min(right.len()))?;
            Ok(Some(left.cmp(right)))
        }
        _ => Ok(None),
    }
}
