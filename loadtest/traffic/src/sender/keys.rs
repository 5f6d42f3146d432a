//! Picks the customer of each request.

use crate::random::SeededRandom;

/// How the customer of a request is picked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KeyChoice {
    /// Customers take turns; each connection starts with another one.
    Cycle,
    /// All customers are equally likely.
    Uniform,
    /// The nth customer with a likelihood of 1/n to the power of the exponent:
    /// few large customers and many small ones.
    Zipf {
        /// Usually about 1.
        exponent: f64,
    },
}

/// Picks indices of keys for one connection.
#[derive(Debug)]
pub(crate) struct KeyPicker {
    choice: Picking,
    keys: usize,
    random: SeededRandom,
}

#[derive(Debug)]
enum Picking {
    Cycle(usize),
    Uniform,
    /// Running sums of the likelihoods, ending in 1.
    Weighted(Vec<f64>),
}

impl KeyPicker {
    /// Picks among `keys` keys; without any, always picks 0.
    pub(crate) fn new(choice: KeyChoice, keys: usize, connection: usize, seed: u64) -> Self {
        let choice = match choice {
            _ if keys < 2 => Picking::Cycle(0),
            KeyChoice::Cycle => Picking::Cycle(connection % keys),
            KeyChoice::Uniform => Picking::Uniform,
            KeyChoice::Zipf { exponent } => Picking::Weighted(zipf_sums(keys, exponent)),
        };
        Self { choice, keys: keys.max(1), random: SeededRandom::new(seed) }
    }

    pub(crate) fn pick(&mut self) -> usize {
        match &mut self.choice {
            Picking::Cycle(next) => {
                let picked = *next;
                *next = (picked + 1) % self.keys;
                picked
            }
            Picking::Uniform => self.random.below(self.keys as u64) as usize,
            Picking::Weighted(sums) => {
                let point = self.random.unit();
                sums.partition_point(|&sum| sum <= point).min(self.keys - 1)
            }
        }
    }
}

fn zipf_sums(keys: usize, exponent: f64) -> Vec<f64> {
    let weights = (1..=keys).map(|rank| (rank as f64).powf(-exponent));
    let total: f64 = weights.clone().sum();
    weights
        .scan(0.0, |sum, weight| {
            *sum += weight / total;
            Some(*sum)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(choice: KeyChoice, keys: usize) -> Vec<usize> {
        let mut picker = KeyPicker::new(choice, keys, 2, 1);
        let mut counts = vec![0; keys];
        (0..6000).for_each(|_| counts[picker.pick()] += 1);
        counts
    }

    #[test]
    fn a_cycle_gives_each_its_turn_from_its_connections_place() {
        let mut picker = KeyPicker::new(KeyChoice::Cycle, 3, 2, 1);
        assert_eq!((0..4).map(|_| picker.pick()).collect::<Vec<_>>(), [2, 0, 1, 2]);
    }

    #[test]
    fn uniform_picks_are_about_even() {
        let counts = counts(KeyChoice::Uniform, 3);
        assert!(counts.iter().all(|count| (1800..2200).contains(count)), "{counts:?}");
    }

    #[test]
    fn zipf_picks_fall_with_the_rank() {
        // 1 + 1/2 + 1/3: shares of 6, 3 and 2 elevenths.
        let counts = counts(KeyChoice::Zipf { exponent: 1.0 }, 3);
        let near = |count: usize, share: f64| (count as f64 / 6000.0 - share / 11.0).abs() < 0.03;
        assert!(near(counts[0], 6.0) && near(counts[1], 3.0) && near(counts[2], 2.0), "{counts:?}");
    }

    #[test]
    fn without_keys_there_is_one_nameless_customer() {
        let mut picker = KeyPicker::new(KeyChoice::Uniform, 0, 5, 1);
        assert!((0..5).all(|_| picker.pick() == 0));
    }
}
