//! The wall clock, a clock that never goes back, and times as text (RFC 3339).

mod rfc3339;
mod steady;

pub use rfc3339::parse_rfc3339_signed;
pub use steady::SteadyClock;

use std::time::{SystemTime, UNIX_EPOCH};

/// The time now, in milliseconds since the Unix epoch.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}

/// Length of [`rfc3339`]'s text.
pub const RFC3339_LEN: usize = 24;

/// `ms` as RFC 3339 in UTC with milliseconds: `2026-11-21T10:59:39.123Z`.
///
/// Years past 9999 are written as the last instant of 9999.
#[must_use]
pub fn rfc3339(ms: u64) -> [u8; RFC3339_LEN] {
    const LAST_MS: u64 = 253_402_300_799_999;
    let ms = ms.min(LAST_MS);
    let (days, in_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil(days);
    let mut out = *b"0000-00-00T00:00:00.000Z";
    let mut put = |offset: usize, width: usize, mut value: u64| {
        for i in (offset..offset + width).rev() {
            out[i] = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, in_day / 3_600_000);
    put(14, 2, in_day / 60_000 % 60);
    put(17, 2, in_day / 1000 % 60);
    put(20, 3, in_day % 1000);
    out
}

/// [`rfc3339`] as a `String`.
#[must_use]
pub fn rfc3339_string(ms: u64) -> String {
    String::from_utf8_lossy(&rfc3339(ms)).into_owned()
}

/// The time that an RFC 3339 text names, in milliseconds since the Unix epoch;
/// times before 1970 count as 1970. `None` if the text is not RFC 3339.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    parse_rfc3339_signed(text).map(|ms| u64::try_from(ms).unwrap_or(0))
}

/// Year, month and day of a day since the Unix epoch (Howard Hinnant's
/// `civil_from_days`, for days from 1970 on).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn times_read_back_as_written(ms in 0u64..253_402_300_800_000) {
            prop_assert_eq!(parse_rfc3339(&rfc3339_string(ms)), Some(ms));
        }
    }

    #[test]
    fn a_leap_day_is_written_as_one() {
        assert_eq!(rfc3339_string(1_709_164_800_000), "2024-02-29T00:00:00.000Z");
    }
}
