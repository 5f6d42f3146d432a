//! Positions in arrays, counted from either end.

/// The position of an index, which counts from the end if negative.
pub(in super::super) fn element_position(index: i64, elements: usize) -> Option<usize> {
    let position = if index < 0 { index.saturating_add_unsigned(elements as u64) } else { index };
    usize::try_from(position).ok().filter(|position| *position < elements)
}

/// The elements of a slice: `lower..upper`, every `stride`-th from the first or, backwards,
/// from the last.
pub(super) struct SliceBounds {
    pub(super) lower: usize,
    pub(super) upper: usize,
    pub(super) stride: usize,
    pub(super) backwards: bool,
}

impl SliceBounds {
    /// RFC 9535, 2.3.4.2.2.
    pub(super) fn new(start: Option<i64>, end: Option<i64>, step: i64, elements: usize) -> Self {
        let count = i64::try_from(elements).unwrap_or(i64::MAX);
        let normal = |index: i64| if index < 0 { count.saturating_add(index) } else { index };
        let stride = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
        let (lower, upper) = if step >= 0 {
            let bound = |index: i64| normal(index).clamp(0, count);
            (start.map_or(0, bound), end.map_or(count, bound))
        } else {
            let bound = |index: i64| normal(index).clamp(-1, count - 1) + 1;
            (end.map_or(0, bound), start.map_or(count, bound))
        };
        // A step of 0 selects nothing.
        let upper = if step == 0 { lower } else { upper };
        Self {
            lower: usize::try_from(lower).unwrap_or(0),
            upper: usize::try_from(upper).unwrap_or(0),
            stride: stride.max(1),
            backwards: step < 0,
        }
    }
}
