//! How long due deliveries that must wait stay invisible: pure.
//!
//! A subscription that is blocked or has used its share may have tens of thousands of due
//! messages. SQS gives them out again and again before others, so the more of them wait,
//! the longer each stays invisible.

use std::collections::VecDeque;

/// The shortest time that a message stays invisible, in seconds.
pub(super) const SHORTEST_S: u64 = 3;
/// How many postponed messages become visible a second: few beside those that a process receives.
const COME_BACK_PER_S: u64 = 200;

/// The messages that this process postponed and that are still invisible.
#[derive(Debug)]
pub(super) struct Postponed {
    /// When messages become visible again, ascending, and how many.
    away: VecDeque<(u64, u64)>,
    count: u64,
    longest_s: u64,
}

impl Postponed {
    /// No message stays invisible longer than `longest_s`.
    pub(super) const fn new(longest_s: u64) -> Self {
        Self { away: VecDeque::new(), count: 0, longest_s }
    }

    /// Postpones some messages. Returns for how many seconds.
    pub(super) fn postpone(&mut self, messages: usize, now_ms: u64) -> u64 {
        while let Some((until_ms, count)) = self.away.front().copied() {
            if until_ms > now_ms {
                break;
            }
            self.count -= count;
            self.away.pop_front();
        }
        let stay_s = ((self.count + messages as u64) / COME_BACK_PER_S).clamp(SHORTEST_S, self.longest_s);
        self.count += messages as u64;
        let until_ms = now_ms + stay_s * 1000;
        let place = self.away.partition_point(|(other_ms, _)| *other_ms <= until_ms);
        self.away.insert(place, (until_ms, messages as u64));
        stay_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_stay_away_shortly_and_many_do_not_come_back_all_the_time() {
        let mut postponed = Postponed::new(300);
        assert_eq!(postponed.postpone(10, 0), SHORTEST_S);
        // 40 messages every 10 ms: what a process receives if 50,000 are due.
        let mut back_by_s = [0u64; 900];
        for turn in 0..1250u64 {
            let now_ms = turn * 10;
            let stay_s = postponed.postpone(40, now_ms);
            back_by_s[(now_ms / 1000 + stay_s) as usize] += 40;
        }
        // After the first moments, a quarter of what can be received at most.
        assert!(back_by_s[20..].iter().all(|count| *count <= 1000), "{back_by_s:?}");
        assert!(back_by_s.iter().sum::<u64>() == 50_000);
        // After all became visible again, times are short.
        assert_eq!(postponed.postpone(10, 900_000), SHORTEST_S);
        assert_eq!(postponed.count, 10);
    }

    /// A queue that gives out ten visible messages a receive, chosen at random,
    /// 400 receives a second. 50,000 messages of a blocked subscription are due.
    #[test]
    fn fifty_thousand_due_messages_of_a_blocked_subscription_keep_no_others_from_being_received() {
        const BLOCKED: u64 = 50_000;
        let mut postponed = Postponed::new(300);
        let mut visible: Vec<Option<u64>> = vec![None; BLOCKED as usize];
        // Others come all the time; the number is the receive before which each was sent.
        visible.extend((0..100).map(|_| Some(0)));
        let (mut away, mut waits, mut seed) =
            (std::collections::BTreeMap::<u64, u64>::new(), Vec::new(), 7u64);
        for receive in 0..40_000u64 {
            let now_ms = receive * 1000 / 400;
            while let Some(back) = away.first_entry().filter(|back| *back.key() <= now_ms) {
                visible.resize(visible.len() + back.remove() as usize, None);
            }
            visible.extend(receive.is_multiple_of(40).then_some(Some(receive)));
            let mut blocked = 0;
            for _ in 0..10.min(visible.len()) {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                match visible.swap_remove((seed >> 33) as usize % visible.len()) {
                    Some(sent) => waits.push((sent, receive - sent)),
                    None => blocked += 1,
                }
            }
            if blocked > 0 {
                let stay_s = postponed.postpone(blocked, now_ms);
                *away.entry(now_ms + stay_s * 1000).or_default() += blocked as u64;
            }
        }
        let left = visible.iter().flatten().count();
        assert!(left < 10 && waits.len() + left == 1_100, "{left} of the others are left");
        // At first each of the blocked messages is received once; from then on
        // others hardly wait for a second receive.
        let longest = |from: u64| waits.iter().filter(|(sent, _)| *sent >= from).map(|(_, wait)| *wait).max();
        assert!(longest(0) < Some(6_500), "{:?}", longest(0));
        assert!(longest(8_000) < Some(40), "{:?}", longest(8_000));
    }

    #[test]
    fn no_stay_is_longer_than_the_longest() {
        assert_eq!(Postponed::new(60).postpone(1_000_000, 0), 60);
    }
}
