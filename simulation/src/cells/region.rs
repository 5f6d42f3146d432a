//! The number of a region in an event's id: pure (`docs/multi-region.md`).

use sluice_model::EventId;

/// The position of the region's bits in an id: they are zero in every id of a deployment with one
/// region.
const SHIFT: u32 = 12;
const MASK: u128 = 0xf << SHIFT;

/// A region's number, 0 to 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Region(u8);

impl Region {
    /// The region of this number; `None` beyond 15.
    pub(crate) const fn new(number: u8) -> Option<Self> {
        if number < 16 { Some(Self(number)) } else { None }
    }

    /// Its index in a list of regions.
    pub(crate) const fn place(self) -> usize {
        self.0 as usize
    }

    /// The id as it is known outside the region.
    pub(crate) const fn told(self, id: EventId) -> EventId {
        EventId::from_u128(id.as_u128() & !MASK | (self.0 as u128) << SHIFT)
    }

    /// The region of an id that is known outside, and the id inside that region.
    pub(crate) const fn of(told: EventId) -> (Self, EventId) {
        let bits = told.as_u128();
        (Self((bits >> SHIFT) as u8 & 0xf), EventId::from_u128(bits & !MASK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::Lane;

    #[test]
    fn an_id_says_its_region_and_stays_the_same_in_region_0() {
        let lane = Lane::new(4095).expect("a lane");
        for index in [0, 1, 4095] {
            let id = EventId::new(1_800_000_000_000, lane, u64::MAX, index);
            for number in 0..16 {
                let region = Region::new(number).expect("a region");
                assert_eq!(Region::of(region.told(id)), (region, id));
                assert_eq!(region.told(id).batch(), id.batch(), "a batch has no region");
            }
            assert_eq!(Region(0).told(id), id);
        }
        assert_eq!(Region::new(16), None);
    }
}
