//! The items of acknowledgements: pure.
//!
//! A batch has one such item, with an attribute for each acknowledged event:
//!
//! ```text
//! i<index>  when the event was acknowledged, in milliseconds since the Unix epoch
//! ```
//!
//! A batch has at most 4,096 events and an attribute at most 19 bytes, so the
//! item stays below 80 KB.

use crate::attribute::{Item, number};
use crate::table::{ItemUpdate, damaged, with_ttl};
use sluice_ports::PortError;
use std::collections::HashMap;

/// The most events of one update, whose expression may have 4 KB.
pub(super) const EVENTS_A_REQUEST: usize = 64;

/// The update that marks events as acknowledged, except those that already are.
pub(super) fn update(indexes: &[u16], now_ms: u64, ttl: u64) -> ItemUpdate {
    let sets = indexes.iter().map(|index| format!("i{index} = if_not_exists(i{index}, :now)"));
    let expression = format!("SET #ttl = :ttl, {}", sets.collect::<Vec<_>>().join(", "));
    let values = HashMap::from([(":now".into(), number(now_ms))]);
    with_ttl(ItemUpdate { expression, names: HashMap::new(), values }, ttl)
}

/// The acknowledged events and their times, ascending by index.
pub(super) fn read(item: &Item) -> Result<Vec<(u16, u64)>, PortError> {
    let all = item.iter().filter_map(|(name, value)| Some((name.strip_prefix('i')?, value)));
    let mut acks = all
        .map(|(index, value)| {
            let at_ms = value.as_n().ok().and_then(|text| text.parse().ok());
            let parsed = index.parse().ok().zip(at_ms);
            parsed.ok_or_else(|| damaged(format!("`i{index}` is no acknowledgement")))
        })
        .collect::<Result<Vec<(u16, u64)>, _>>()?;
    acks.sort_unstable();
    Ok(acks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_update_s_expression_fits() {
        let indexes: Vec<u16> = (4032..4096).collect();
        let expression = update(&indexes, u64::MAX, u64::MAX).expression;
        assert_eq!(indexes.len(), EVENTS_A_REQUEST);
        assert!(expression.len() < 4096, "{}", expression.len());
    }
}
