//! The header `Retry-After` (RFC 9110, 10.2.3): seconds, or a date in one of three forms.
//!
//! ```text
//! 120
//! Sun, 06 Nov 1994 08:49:37 GMT      IMF-fixdate
//! Sunday, 06-Nov-94 08:49:37 GMT     RFC 850
//! Sun Nov  6 08:49:37 1994           asctime
//! ```

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use std::time::Duration;

/// When an endpoint wants to be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// After this number of seconds.
    Seconds(u64),
    /// At this time, in milliseconds since the Unix epoch.
    At(u64),
}

/// The months as all three forms write them.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A year of two digits that seems to lie further ahead than this is a past one (RFC 9110, 5.6.7).
const YEARS_AHEAD_MAX: i16 = 50;

impl RetryAfter {
    /// Parses the header's value; `None` if it has none of the forms. `now_ms` decides the century of a
    /// year of two digits.
    #[must_use]
    pub fn parse(value: &str, now_ms: u64) -> Option<Self> {
        let value = value.trim();
        if !value.is_empty() && value.bytes().all(|c| c.is_ascii_digit()) {
            // More digits than a u64 holds mean a very long wait, which is clamped later.
            return Some(Self::Seconds(value.parse().unwrap_or(u64::MAX)));
        }
        let date =
            http_date(value, now_ms).or_else(|| Some(jiff::fmt::rfc2822::parse(value).ok()?.timestamp()));
        Some(Self::At(u64::try_from(date?.as_millisecond()).unwrap_or(0)))
    }

    /// How long to wait from `now_ms` on.
    #[must_use]
    pub fn wait(self, now_ms: u64) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds),
            Self::At(at_ms) => Duration::from_millis(at_ms.saturating_sub(now_ms)),
        }
    }
}

/// Reads a date. The day of the week is ignored.
fn http_date(text: &str, now_ms: u64) -> Option<Timestamp> {
    let mut parts = [""; 6];
    for (place, part) in text.split([' ', ',', '-']).filter(|part| !part.is_empty()).enumerate() {
        *parts.get_mut(place)? = part;
    }
    let (day, month, year, time) = match parts {
        [_, day, month, year, time, "GMT" | "UTC"] => (day, month, year, time),
        [_, month, day, time, year, ""] => (day, month, year, time),
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as i8 + 1;
    let year = if year.len() == 2 { full_year(year.parse().ok()?, now_ms)? } else { year.parse().ok()? };
    let date = civil::Date::new(year, month, day.parse().ok()?).ok()?;
    Some(date.to_datetime(time_of_day(time)?).to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// `08:49:37`. A leap second, 60, counts as 59.
fn time_of_day(text: &str) -> Option<Time> {
    let mut parts = text.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let second = if second == 60 { 59 } else { second };
    parts.next().is_none().then(|| Time::new(hour, minute, second, 0).ok())?
}

/// The year that two digits mean.
fn full_year(digits: i16, now_ms: u64) -> Option<i16> {
    let now = Timestamp::from_millisecond(i64::try_from(now_ms).ok()?).ok()?;
    let this_year = now.to_zoned(TimeZone::UTC).year();
    let year = this_year - this_year % 100 + digits;
    Some(if year > this_year + YEARS_AHEAD_MAX { year - 100 } else { year })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-29T00:00:00Z.
    const NOW_MS: u64 = 1_795_910_400_000;

    proptest! {
        #[test]
        fn any_text_is_read_or_left(text in "\\PC{0,40}") {
            prop_assert!(RetryAfter::parse(&text, NOW_MS).is_none_or(|_| !text.trim().is_empty()));
        }

        #[test]
        fn a_date_means_the_same_in_all_three_forms(ahead_s in 0i64..49 * 365 * 86_400) {
            let at_s = NOW_MS as i64 / 1000 + ahead_s;
            let date = Timestamp::from_second(at_s).unwrap().to_zoned(TimeZone::UTC);
            for form in ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"] {
                let text = date.strftime(form).to_string();
                prop_assert_eq!(RetryAfter::parse(&text, NOW_MS), Some(RetryAfter::At(at_s as u64 * 1000)), "{}", text);
            }
        }
    }

    #[test]
    fn seconds_and_the_dates_of_the_specification_are_read() {
        assert_eq!(RetryAfter::parse(" 120 ", NOW_MS), Some(RetryAfter::Seconds(120)));
        assert_eq!(RetryAfter::parse("99999999999999999999999", NOW_MS), Some(RetryAfter::Seconds(u64::MAX)));
        for date in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(RetryAfter::parse(date, NOW_MS), Some(RetryAfter::At(784_111_777_000)), "{date}");
        }
    }

    #[test]
    fn sloppy_dates_are_read_if_their_meaning_is_clear() {
        let expected = Some(RetryAfter::At(784_111_777_000));
        for date in ["Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 +0000"] {
            assert_eq!(RetryAfter::parse(date, NOW_MS), expected, "{date}");
        }
        let leap = RetryAfter::parse("Sat, 31 Dec 2016 23:59:60 GMT", NOW_MS);
        assert_eq!(leap, Some(RetryAfter::At(1_483_228_799_000)));
    }

    #[test]
    fn anything_else_is_left() {
        for other in [
            "",
            "soon",
            "-1",
            "1.5",
            "+3",
            "Sun, 06 Nov",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT GMT",
            "1994-11-06T08:49:37Z",
        ] {
            assert_eq!(RetryAfter::parse(other, NOW_MS), None, "{other}");
        }
    }
}
