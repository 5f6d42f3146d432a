//! Merging a page of an inbox that is spread over several cells: pure.
//!
//! Each cell answers with its events behind the reader's position in that cell, in the order of
//! their ids, and with its horizon: no event with an earlier id time appears there any more. The
//! merged page ends at the lowest horizon, so that later pages continue behind it. A cell that
//! does not answer, or whose horizon is old, stops nobody: the page names it, and the reader's
//! position there stays.

use super::region::Region;
use sluice_model::EventId;
use std::collections::BTreeMap;

/// A reader's position in each cell that it has read from: the last seen event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RegionalCursor(BTreeMap<Region, EventId>);

impl RegionalCursor {
    /// The position in a cell; `None` if no event of it was seen.
    pub(crate) fn position(&self, region: Region) -> Option<EventId> {
        self.0.get(&region).copied()
    }

    /// Moves the position behind this event.
    pub(crate) fn advance(&mut self, region: Region, to: EventId) {
        self.0.insert(region, to);
    }
}

/// A cell's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CellPage {
    /// The events behind the position, ascending, all below the horizon.
    pub(crate) events: Vec<EventId>,
    /// No event with an id time before this appears in the cell any more.
    pub(crate) horizon_ms: u64,
    /// Whether there is more below the horizon.
    pub(crate) has_more: bool,
}

/// A page over all cells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MergedPage {
    pub(crate) events: Vec<(Region, EventId)>,
    /// Cells without events on this page: theirs come later, out of the order of time.
    pub(crate) incomplete: Vec<Region>,
}

/// Merges the cells' answers, and moves the cursor behind the page.
///
/// `late_ms`: a cell whose horizon is before this time counts as not answering, so that a cell
/// whose matching stands still does not stop others.
pub(crate) fn merge(
    cursor: &mut RegionalCursor,
    answers: &BTreeMap<Region, Option<CellPage>>,
    late_ms: u64,
    limit: usize,
) -> MergedPage {
    let mut page = MergedPage::default();
    let mut timely = Vec::new();
    for (region, answer) in answers {
        match answer {
            Some(answer) if answer.horizon_ms >= late_ms => timely.push((*region, answer)),
            _ => page.incomplete.push(*region),
        }
    }
    // A page that is cut off does not tell what follows its last event.
    let end = |answer: &CellPage| match answer.events.last() {
        Some(last) if answer.has_more => last.ms().min(answer.horizon_ms),
        _ => answer.horizon_ms,
    };
    let end_ms = timely.iter().map(|(_, answer)| end(answer)).min().unwrap_or(0);
    let cut = timely.iter().filter(|(_, answer)| answer.has_more);
    // The cut-off page's own events of that millisecond may be returned.
    let last_of_cut = cut.filter_map(|(_, answer)| answer.events.last()).min().copied();
    for (region, answer) in timely {
        let wanted = answer.events.iter().filter(|id| {
            id.ms() < end_ms || last_of_cut.is_some_and(|last| id.ms() == end_ms && **id <= last)
        });
        page.events.extend(wanted.map(|id| (region, *id)));
    }
    page.events.sort_by_key(|(region, id)| (*id, *region));
    page.events.truncate(limit);
    for (region, id) in &page.events {
        cursor.advance(*region, *id);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;
    use sluice_model::Lane;
    use std::collections::BTreeSet;

    fn region(number: u64) -> Region {
        Region::new(number as u8).expect("a region")
    }

    /// A cell: ids, each with the time at which it becomes readable.
    struct Cell(Vec<(u64, EventId)>);

    impl Cell {
        /// Ids take up to 20 ms to become readable.
        fn random(dice: &mut Dice) -> Self {
            let lane = Lane::new(3).expect("a lane");
            let mut events = |counter: u64| {
                let ms = 100 + dice.within(0, 400);
                (ms + dice.within(0, 20), EventId::new(ms, lane, counter, 0))
            };
            Self((0..40).map(&mut events).collect())
        }

        fn page(&self, now_ms: u64, after: Option<EventId>, most: usize) -> CellPage {
            let horizon_ms = now_ms.saturating_sub(20);
            let readable = self.0.iter().filter(|(at_ms, id)| *at_ms <= now_ms && id.ms() < horizon_ms);
            let mut events: Vec<_> =
                readable.map(|(_, id)| *id).filter(|id| after.is_none_or(|after| *id > after)).collect();
            events.sort_unstable();
            let has_more = events.len() > most;
            events.truncate(most);
            CellPage { events, horizon_ms, has_more }
        }
    }

    #[test]
    fn every_event_is_read_once_and_in_order_while_all_answer() {
        for seed in 0..300 {
            let mut dice = Dice::new(seed);
            let cells = [Cell::random(&mut dice), Cell::random(&mut dice)];
            let (mut cursor, mut seen) = (RegionalCursor::default(), BTreeSet::new());
            let (mut last, mut in_order) = (None, true);
            let mut now_ms = 100;
            while now_ms < 3_000 {
                now_ms += dice.within(1, 30);
                let answers = (0..2).map(|n| {
                    let answers = dice.often(700) || now_ms > 600;
                    let after = cursor.position(region(n));
                    let most = 1 + dice.within(0, 8) as usize;
                    (region(n), answers.then(|| cells[n as usize].page(now_ms, after, most)))
                });
                let answers: BTreeMap<_, _> = answers.collect();
                let page = merge(&mut cursor, &answers, 0, 1 + dice.within(0, 12) as usize);
                in_order &= page.incomplete.is_empty();
                for read in page.events {
                    assert!(seen.insert(read), "seed {seed}: {read:?} twice");
                    if in_order {
                        assert!(last <= Some(read.1), "seed {seed}: {read:?} behind {last:?}");
                        last = Some(read.1);
                    }
                }
            }
            assert_eq!(seen.len(), 80, "seed {seed}");
        }
    }

    #[test]
    fn a_cell_that_is_missing_or_late_is_named_keeps_its_position_and_stops_nobody() {
        let lane = Lane::new(0).expect("a lane");
        let id = |ms| EventId::new(ms, lane, 1, 0);
        let page = |ms, horizon_ms| CellPage { events: vec![id(ms)], horizon_ms, has_more: false };
        for other in [None, Some(page(90, 95))] {
            let mut cursor = RegionalCursor::default();
            cursor.advance(region(1), id(80));
            let answers = BTreeMap::from([(region(0), Some(page(900, 1_000))), (region(1), other)]);
            let merged = merge(&mut cursor, &answers, 500, 10);
            assert_eq!(merged.events, [(region(0), id(900))]);
            assert_eq!(merged.incomplete, [region(1)]);
            assert_eq!(cursor.position(region(1)), Some(id(80)));
        }
    }

    #[test]
    fn a_page_ends_at_the_lowest_horizon() {
        let lane = Lane::new(0).expect("a lane");
        let id = |ms| EventId::new(ms, lane, 1, 0);
        let mut cursor = RegionalCursor::default();
        let first = CellPage { events: vec![id(10), id(30)], horizon_ms: 40, has_more: false };
        let second = CellPage { events: vec![id(20)], horizon_ms: 25, has_more: false };
        let answers = BTreeMap::from([(region(0), Some(first)), (region(1), Some(second))]);
        let merged = merge(&mut cursor, &answers, 0, 10);
        assert_eq!(merged.events, [(region(0), id(10)), (region(1), id(20))]);
    }
}
