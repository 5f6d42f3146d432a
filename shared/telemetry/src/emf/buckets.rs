//! The observations of a histogram since the last line: pure.

/// The cumulative counts of a histogram's buckets.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Buckets {
    /// Upper bounds, ascending, each with the number of observations up to it.
    bounds: Vec<(f64, u64)>,
}

impl Buckets {
    /// Adds the count of observations up to a bound; series of one histogram are summed.
    pub(super) fn add(&mut self, bound: f64, count: u64) {
        match self.bounds.binary_search_by(|(known, _)| known.total_cmp(&bound)) {
            Ok(place) => self.bounds[place].1 += count,
            Err(place) => self.bounds.insert(place, (bound, count)),
        }
    }

    /// The observations that are not in `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let new = |&(bound, count): &(f64, u64)| (bound, count.saturating_sub(before.up_to(bound)));
        Self { bounds: self.bounds.iter().map(new).collect() }
    }

    /// The number of observations up to a bound, which must be one of the histogram's.
    pub(super) fn up_to(&self, bound: f64) -> u64 {
        self.bounds.iter().find(|(known, _)| *known == bound).map_or(0, |(_, count)| *count)
    }

    /// The number of observations.
    pub(super) fn total(&self) -> u64 {
        self.bounds.last().map_or(0, |(_, count)| *count)
    }

    /// A quantile, interpolated in its bucket as by Prometheus' `histogram_quantile`; past the
    /// last finite bound it is that bound. `None` without observations.
    pub(super) fn quantile(&self, quantile: f64) -> Option<f64> {
        let total = self.total();
        let rank = total as f64 * quantile;
        let place = self.bounds.iter().position(|(_, count)| *count > 0 && *count as f64 >= rank)?;
        let (low, below) = if place == 0 { (0.0, 0) } else { self.bounds[place - 1] };
        let (bound, count) = self.bounds[place];
        if !bound.is_finite() {
            return Some(low);
        }
        Some(low + (bound - low) * (rank - below as f64) / (count - below).max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn buckets(counts: &[(f64, u64)]) -> Buckets {
        let mut buckets = Buckets::default();
        counts.iter().for_each(|(bound, count)| buckets.add(*bound, *count));
        buckets
    }

    #[test]
    fn quantiles_are_interpolated_in_their_bucket() {
        let all = buckets(&[(f64::INFINITY, 101), (0.1, 50), (1.0, 100)]);
        assert_eq!(all.quantile(0.0), Some(0.0));
        let median = all.quantile(0.5).unwrap();
        assert!((median - (0.1 + 0.9 * 0.5 / 50.0)).abs() < 1e-9, "{median}");
        assert_eq!(all.quantile(1.0), Some(1.0), "beyond the last bound nothing is known");
        assert_eq!(buckets(&[]).quantile(0.5), None);
        assert_eq!(all.since(&all).quantile(0.95), None, "nothing new was observed");
    }

    #[test]
    fn only_what_is_new_counts() {
        let before = buckets(&[(5.0, 10), (10.0, 10), (f64::INFINITY, 10)]);
        let now = buckets(&[(5.0, 11), (10.0, 14), (f64::INFINITY, 14)]);
        let new = now.since(&before);
        assert_eq!((new.total(), new.up_to(5.0)), (4, 1));
        assert!(new.quantile(0.95).unwrap() > 5.0);
    }

    proptest! {
        #[test]
        fn a_quantile_lies_in_the_bucket_of_its_rank(counts in prop::collection::vec(0u64..100, 1..8), quantile in 0.01f64..1.0) {
            let mut sum = 0;
            let cumulative: Vec<_> = counts.iter().enumerate().map(|(place, count)| { sum += count; (place as f64 + 1.0, sum) }).collect();
            let all = buckets(&cumulative);
            let Some(value) = all.quantile(quantile) else {
                prop_assert_eq!(sum, 0);
                return Ok(());
            };
            let bucket = value.ceil().max(1.0);
            prop_assert!(all.up_to(bucket) as f64 + 1e-6 >= sum as f64 * quantile);
            prop_assert!(all.up_to(bucket - 1.0) as f64 <= sum as f64 * quantile + 1e-6);
        }
    }
}
