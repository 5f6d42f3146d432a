//! Which shard holds a lane: pure.
//!
//! A lane has a fixed point on Kinesis' hash ring, which is the explicit hash key of its
//! records. So a record falls whole into one shard through any split, and the lanes
//! are spread evenly over an even stream.

use sluice_model::Lane;
use sluice_ports::log::ShardId;

/// The point of the ring (0 to 2^128 - 1) of a lane in a deployment with `lanes` lanes.
#[must_use]
pub fn point_of(lane: Lane, lanes: u16) -> u128 {
    let width = u128::MAX / u128::from(lanes.max(1));
    width * u128::from(lane.number() % lanes.max(1)) + width / 2
}

/// A shard as the stream describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardInfo {
    /// Its id.
    pub id: ShardId,
    /// The shards that it was split from or merged from.
    pub parents: Vec<ShardId>,
    /// The first point of the ring that falls into it.
    pub first: u128,
    /// The last point of the ring that falls into it.
    pub last: u128,
    /// Whether it takes no more records.
    pub closed: bool,
}

impl ShardInfo {
    /// The lanes of this shard, in a deployment with `lanes` lanes.
    pub fn lanes(&self, lanes: u16) -> impl Iterator<Item = Lane> + '_ {
        let all = (0..lanes).filter_map(Lane::new);
        all.filter(move |lane| (self.first..=self.last).contains(&point_of(*lane, lanes)))
    }
}

/// The open shards by their ranges of points.
#[derive(Debug, Clone, Default)]
pub struct ShardMap {
    /// First point, last point and id, sorted by the first point.
    ranges: Vec<(u128, u128, ShardId)>,
}

impl ShardMap {
    /// A map of the open ones among `shards`.
    #[must_use]
    pub fn new(shards: &[ShardInfo]) -> Self {
        let open = shards.iter().filter(|shard| !shard.closed);
        let mut ranges: Vec<_> = open.map(|shard| (shard.first, shard.last, shard.id.clone())).collect();
        ranges.sort();
        Self { ranges }
    }

    /// The shard that holds a point, if it is known.
    #[must_use]
    pub fn shard_of(&self, point: u128) -> Option<&ShardId> {
        let after = self.ranges.partition_point(|(first, _, _)| *first <= point);
        let (_, last, id) = self.ranges.get(after.checked_sub(1)?)?;
        (point <= *last).then_some(id)
    }

    /// The ids of all open shards.
    pub fn open(&self) -> impl Iterator<Item = &ShardId> {
        self.ranges.iter().map(|(_, _, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shard(id: usize, first: u128, last: u128, closed: bool) -> ShardInfo {
        ShardInfo { id: ShardId(id.to_string().into()), parents: Vec::new(), first, last, closed }
    }

    proptest! {
        #[test]
        fn every_point_falls_into_the_one_open_shard_that_holds_it(
            mut cuts in prop::collection::btree_set(1u128.., 0..12), points in prop::collection::vec(any::<u128>(), 1..40)
        ) {
            let mut shards = vec![shard(99, 0, u128::MAX, true)];
            let mut first = 0;
            while let Some(cut) = cuts.pop_first() {
                shards.push(shard(shards.len(), first, cut - 1, false));
                first = cut;
            }
            shards.push(shard(shards.len(), first, u128::MAX, false));
            let map = ShardMap::new(&shards);
            for point in points {
                let holds = shards.iter().find(|shard| !shard.closed && (shard.first..=shard.last).contains(&point));
                prop_assert_eq!(map.shard_of(point), holds.map(|shard| &shard.id));
            }
        }

        #[test]
        fn each_lane_is_one_shard_s(lanes in 1u16..300, mut cuts in prop::collection::btree_set(1u128.., 0..12)) {
            let (mut first, mut all) = (0, Vec::new());
            while let Some(cut) = cuts.pop_first() {
                all.extend(shard(1, first, cut - 1, false).lanes(lanes));
                first = cut;
            }
            all.extend(shard(2, first, u128::MAX, false).lanes(lanes));
            prop_assert_eq!(all, (0..lanes).filter_map(Lane::new).collect::<Vec<_>>());
        }

        #[test]
        fn lanes_spread_evenly_over_an_even_stream(lanes in 1u16..4096, shards in 1u128..32) {
            let width = u128::MAX / shards;
            let mut counts = vec![0usize; shards as usize];
            for lane in 0..lanes {
                let at = point_of(Lane::new(lane).unwrap(), lanes) / width;
                counts[at.min(shards - 1) as usize] += 1;
            }
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{:?}", counts);
        }
    }
}
