//! The cost of a schema, for each value at each depth of a payload.
//!
//! A schema looks at a value once for each way that leads to it: two branches of an `allOf`
//! that each have a schema for the same member look at that member twice, and if this
//! repeats at each level, 2^n times at depth n. So the ways are counted, from the innermost
//! values outwards:
//!
//! - at depth 0, a schema costs its own checks and those of the schemas that look at the
//!   same value (`allOf`, `$ref` and so on);
//! - at depth n, it costs what those schemas cost at depth n, and what the schemas of a member
//!   or of an item cost at depth n − 1: the most expensive of those that exclude each other,
//!   the sum of those that may all look at it.
//!
//! All branches count, also those that are not taken, so a payload costs at most what is
//! counted.

use super::fault::SchemaFault;
use super::payload::{DEPTHS, SchemaPayload};
use super::walk::{SchemaGraph, Subschema};

/// The most schemas that may look at a value inside each other, from the payload to the
/// innermost value: they must fit the stack of the thread that judges.
const NESTED_MAX: u64 = 300;

/// The most schemas that are compiled a second time, for the sake of `unevaluated…`.
const ASKED_AGAIN_MAX: u64 = 10_000;

/// The cost of one value, or of each byte of its text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct ValueCost {
    checks: u64,
    text_positions: u64,
    name_positions: u64,
    whole: u64,
}

impl ValueCost {
    fn of(schema: &Subschema) -> Self {
        let own = schema.own;
        let (text_positions, name_positions) = (own.text_positions, own.name_positions);
        Self { checks: own.checks, text_positions, name_positions, whole: own.whole }
    }

    fn zip(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            checks: with(self.checks, other.checks),
            text_positions: with(self.text_positions, other.text_positions),
            name_positions: with(self.name_positions, other.name_positions),
            whole: with(self.whole, other.whole),
        }
    }

    fn and(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    fn or(self, other: Self) -> Self {
        self.zip(other, u64::max)
    }

    fn times(self, factor: u64) -> Self {
        self.zip(Self::default(), |one, _| one.saturating_mul(factor))
    }
}

/// The highest cost of a value, by its depth in the payload.
#[derive(Debug, Clone)]
pub(crate) struct SchemaCost {
    by_depth: [ValueCost; DEPTHS],
}

impl SchemaCost {
    /// Computes the cost of a schema.
    ///
    /// # Errors
    /// If a schema leads back to itself without looking into a value, schemas nest
    /// too deep, or a value can need more than `value_checks_max` checks.
    pub(crate) fn of(graph: &SchemaGraph, value_checks_max: u64) -> Result<Self, SchemaFault> {
        let order = in_place_order(graph)?;
        let heights = in_place_heights(graph, &order);
        check_asked_again(graph, &order)?;
        let factor = |index: usize| if graph.nodes[index].own.asks_again { 2 + heights[index] } else { 1 };
        let mut by_depth = [ValueCost::default(); DEPTHS];
        let mut above = vec![ValueCost::default(); graph.nodes.len()];
        let mut nested = vec![0_u64; graph.nodes.len()];
        for (depth, most) in by_depth.iter_mut().enumerate() {
            let (mut now, mut chains) = (above.clone(), nested.clone());
            for index in order.iter().copied() {
                let schema = &graph.nodes[index];
                let inside = match depth {
                    0 => ValueCost::of(schema),
                    _ => inside(schema, &above),
                };
                let in_place = schema.in_place.iter().fold(inside, |sum, index| sum.and(now[*index]));
                now[index] = in_place.times(factor(index));
                let beside = schema.in_place.iter().map(|index| chains[*index]);
                let below = all_inside(schema).map(|index| if depth == 0 { 0 } else { nested[index] });
                chains[index] = 1 + beside.chain(below).max().unwrap_or(0);
            }
            (*most, above, nested) = (now[0], now, chains);
            if most.checks > value_checks_max {
                return Err(SchemaFault::whole(format!(
                    "a value at depth {depth} of an event could need {} checks; the limit is {value_checks_max}",
                    most.checks
                )));
            }
            if nested[0] > NESTED_MAX {
                return Err(SchemaFault::whole(format!(
                    "more than {NESTED_MAX} schemas could look at a value inside each other"
                )));
            }
        }
        Ok(Self { by_depth })
    }

    /// The most checks that a payload needs.
    pub(crate) fn checks(&self, payload: &SchemaPayload) -> u64 {
        let (mut sum, mut whole) = (0_u64, 0_u64);
        for (cost, count) in self.by_depth.iter().zip(&payload.counts) {
            // A check of a whole value looks at all values below it.
            whole = whole.saturating_add(cost.whole);
            let values = count.values.saturating_mul(cost.checks.saturating_add(whole));
            let texts = count.text_bytes.saturating_mul(cost.text_positions) / 2;
            let names = count.name_bytes.saturating_mul(cost.name_positions) / 2;
            let compared = count.text_bytes.saturating_mul(whole) / 16;
            sum = [values, texts, names, compared].into_iter().fold(sum, u64::saturating_add);
        }
        sum
    }
}

/// The cost of the schemas of a member or of an item, whichever is higher.
fn inside(schema: &Subschema, above: &[ValueCost]) -> ValueCost {
    let any = |all: &[usize]| all.iter().fold(ValueCost::default(), |most, index| most.or(above[*index]));
    let all = |all: &[usize]| all.iter().fold(ValueCost::default(), |sum, index| sum.and(above[*index]));
    let member = any(&schema.named).or(any(&schema.other_members)).and(all(&schema.each_member));
    let item = any(&schema.placed).and(all(&schema.each_item));
    member.or(item)
}

/// The schemas that look into a value.
fn all_inside(schema: &Subschema) -> impl Iterator<Item = usize> + '_ {
    let members = [&schema.named, &schema.other_members, &schema.each_member];
    let items = [&schema.placed, &schema.each_item];
    members.into_iter().chain(items).flatten().copied()
}

/// The schemas ordered such that each comes after those that look at the same value on its
/// behalf.
fn in_place_order(graph: &SchemaGraph) -> Result<Vec<usize>, SchemaFault> {
    #[derive(Clone, Copy, PartialEq)]
    enum VisitMark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![VisitMark::New; graph.nodes.len()];
    let mut order = Vec::with_capacity(graph.nodes.len());
    // A schema, and how many of those of the same value were looked at.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for start in 0..graph.nodes.len() {
        if marks[start] == VisitMark::New {
            marks[start] = VisitMark::Open;
            open.push((start, 0));
        }
        while let Some((index, seen)) = open.last_mut() {
            let schema = &graph.nodes[*index];
            let Some(next) = schema.in_place.get(*seen).copied() else {
                marks[*index] = VisitMark::Done;
                order.push(*index);
                open.pop();
                continue;
            };
            *seen += 1;
            match marks[next] {
                VisitMark::Done => {}
                VisitMark::New => {
                    marks[next] = VisitMark::Open;
                    open.push((next, 0));
                }
                VisitMark::Open => {
                    let message =
                        "leads back to itself without looking into the value, so it would never end";
                    return Err(SchemaFault::at(schema.pointer.clone(), message));
                }
            }
        }
    }
    Ok(order)
}

/// For each schema, how many look at the same value inside each other below it.
fn in_place_heights(graph: &SchemaGraph, order: &[usize]) -> Vec<u64> {
    let mut heights = vec![0; graph.nodes.len()];
    for index in order.iter().copied() {
        let below = graph.nodes[index].in_place.iter().map(|index| heights[*index] + 1);
        heights[index] = below.max().unwrap_or(0);
    }
    heights
}

/// Bounds what is compiled a second time: the schemas beside those with `unevaluated…`.
fn check_asked_again(graph: &SchemaGraph, order: &[usize]) -> Result<(), SchemaFault> {
    let mut beside = vec![1_u64; graph.nodes.len()];
    let mut asked_again = 0_u64;
    for index in order.iter().copied() {
        let schema = &graph.nodes[index];
        beside[index] = schema.in_place.iter().fold(1, |sum, index| sum.saturating_add(beside[*index]));
        if schema.own.asks_again {
            asked_again = asked_again.saturating_add(beside[index]);
        }
        if asked_again > ASKED_AGAIN_MAX {
            let message = format!("`unevaluated…` would look at more than {ASKED_AGAIN_MAX} schemas again");
            return Err(SchemaFault::at(schema.pointer.clone(), message));
        }
    }
    Ok(())
}
