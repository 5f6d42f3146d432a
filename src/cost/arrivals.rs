//! How many requests gather in a record if they come independently of each other:
//! pure arithmetic.
//!
//! A lane sends its next record when the record before is stored. The requests that
//! came meanwhile, at random (Poisson), make the next record. If none came, the lane
//! rests until a request comes, which is then alone in its record.

/// Above this mean a random number of arrivals is as good as its mean.
const STEADY: f64 = 10_000.0;

/// The sum of `each` over `groups` groups in which a random number of requests
/// gathered, `mean` on average. Empty groups count nothing.
pub(super) fn gathered(groups: f64, mean: f64, each: impl Fn(f64) -> f64) -> f64 {
    if mean > STEADY {
        return groups * each(mean);
    }
    let last = (mean + 10.0 * mean.sqrt() + 20.0) as u32;
    let (mut sum, mut ln_factorial) = (0.0, 0.0);
    for n in (1..=last).map(f64::from) {
        ln_factorial += n.ln();
        sum += (n * mean.ln() - mean - ln_factorial).exp() * each(n);
    }
    groups * sum
}

/// How lanes and the customers in them send.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaneTraffic {
    /// Records of all lanes, a second.
    pub(super) records_per_s: f64,
    /// The share of records that a single request began after a rest.
    rested: f64,
    /// Requests that gather in a lane while a record is stored.
    in_lane: f64,
    of_customer: f64,
    /// Customers of a lane.
    customers: f64,
}

impl LaneTraffic {
    /// The traffic of `requests_per_s` from `customers` in `lanes` lanes, each of
    /// which stores a record in `cycle_s`.
    pub(super) fn new(requests_per_s: f64, customers: f64, lanes: f64, cycle_s: f64) -> Self {
        // Customers fall on lanes by a hash: some share one.
        let used = lanes * (1.0 - (1.0 - 1.0 / lanes).powf(customers));
        let of_lane_per_s = requests_per_s / used;
        let in_lane = of_lane_per_s * cycle_s;
        let rested = (-in_lane).exp();
        Self {
            records_per_s: used / (cycle_s + rested / of_lane_per_s),
            rested,
            in_lane,
            of_customer: requests_per_s / customers * cycle_s,
            customers: customers / used,
        }
    }

    /// The sum of `each` (of a record's number of requests) over all records of a second.
    pub(super) fn over_records(&self, each: impl Fn(f64) -> f64) -> f64 {
        self.records_per_s * (self.rested * each(1.0) + gathered(1.0, self.in_lane, each))
    }

    /// The sum of `each` (of the number of requests in a customer's part of a record)
    /// over all batches of a second.
    pub(super) fn over_batches(&self, each: impl Fn(f64) -> f64) -> f64 {
        self.records_per_s * (self.rested * each(1.0) + gathered(self.customers, self.of_customer, each))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, wanted: f64) {
        assert!((got / wanted - 1.0).abs() < 1e-6, "{got} instead of {wanted}");
    }

    #[test]
    fn nothing_is_lost_between_requests_batches_and_records() {
        for requests in [1.0, 300.0, 40_000.0, 4_000_000.0] {
            for customers in [1.0, 100.0, 100_000.0] {
                let lanes = LaneTraffic::new(requests, customers, 128.0, 0.025);
                near(lanes.over_records(|n| n), requests);
                near(lanes.over_batches(|n| n), requests);
                near(lanes.over_records(|_| 1.0), lanes.records_per_s);
                assert!(lanes.over_batches(|_| 1.0) > lanes.records_per_s * 0.999_999);
            }
        }
    }

    #[test]
    fn rare_requests_are_alone_and_many_gather() {
        near(LaneTraffic::new(1.0, 1.0, 128.0, 0.001).over_batches(|_| 1.0), 1.0);
        let busy = LaneTraffic::new(100_000.0, 100.0, 128.0, 0.025);
        near(busy.over_batches(|_| 1.0), 4000.0);
        // One customer, one request a cycle on average: a batch is 1 + 1/e of them.
        near(LaneTraffic::new(40.0, 1.0, 128.0, 0.025).over_batches(|_| 1.0), 40.0 / (1.0 + (-1.0f64).exp()));
    }

    #[test]
    fn a_batch_of_many_sizes_begins_more_units_than_one_of_their_mean() {
        near(gathered(2.0, 3.0, |n| n), 6.0);
        let halves = gathered(1.0, 3.0, |n| (n / 2.0).ceil());
        assert!(halves > 1.7 && halves < 2.0, "{halves}");
        near(gathered(1.0, 1e6, |n| n.ceil()), 1e6);
    }
}
