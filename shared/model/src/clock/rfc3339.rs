//! Reading times of RFC 3339: all that section 5.6 allows, and nothing else.

/// The first instant of year 0, in milliseconds since the Unix epoch.
const FIRST_MS: i64 = -62_167_219_200_000;
/// The instant after year 9999.
const END_MS: i64 = 253_402_300_800_000;

const DAY_S: i64 = 86_400;

/// Milliseconds since the Unix epoch of an RFC 3339 time; negative before 1970.
/// Digits of a fraction beyond milliseconds are dropped. A leap second is the
/// instant after it.
#[must_use]
pub fn parse_rfc3339_signed(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = rest.split_at_checked(9)?;
    let (year, month, day) = (digits(date, 0, 4)?, digits(date, 5, 2)?, digits(date, 8, 2)?);
    let (hour, minute, second) = (digits(time, 1, 2)?, digits(time, 4, 2)?, digits(time, 7, 2)?);
    let separators = [date.as_bytes()[4], date.as_bytes()[7], time.as_bytes()[3], time.as_bytes()[6]];
    let is_date = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    let is_time = hour < 24 && minute < 60 && second <= 60 && matches!(time.as_bytes()[0], b'T' | b't');
    if separators != *b"--::" || !is_date || !is_time {
        return None;
    }
    let (fraction_ms, offset) = fraction(rest)?;
    let local_s = days_from_civil(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
    let utc_s = local_s - offset_s(offset)?;
    // A leap second ends a month in UTC (section 5.7), so the next second begins one.
    if second == 60 && (utc_s % DAY_S != 0 || day_of_month(utc_s / DAY_S) != 1) {
        return None;
    }
    let ms = utc_s * 1000 + if second == 60 { 0 } else { fraction_ms };
    (FIRST_MS..END_MS).contains(&ms).then_some(ms)
}

/// The number that the `len` digits at `offset` form.
fn digits(text: &str, offset: usize, len: usize) -> Option<i64> {
    let digits = text.get(offset..offset + len)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// Splits a fraction of any length from the offset that follows it.
fn fraction(rest: &str) -> Option<(i64, &str)> {
    let Some(fraction) = rest.strip_prefix('.') else { return Some((0, rest)) };
    let len = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, offset) = fraction.split_at(len);
    let ms = digits.bytes().chain([b'0'; 2]).take(3).fold(0, |ms, byte| ms * 10 + i64::from(byte - b'0'));
    (len > 0).then_some((ms, offset))
}

/// The seconds by which a local time is ahead of UTC.
fn offset_s(offset: &str) -> Option<i64> {
    if matches!(offset, "Z" | "z") {
        return Some(0);
    }
    let sign = match offset.as_bytes() {
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (digits(offset, 1, 2)?, digits(offset, 4, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since the Unix epoch (Howard Hinnant's `days_from_civil`).
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The day of the month of a day since the Unix epoch (Howard Hinnant's `civil_from_days`).
const fn day_of_month(days: i64) -> i64 {
    let day_of_era = (days + 719_468).rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    day_of_year - (153 * month + 2) / 5 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_the_standard_is_read() {
        for (text, ms) in [
            // The examples of section 5.8.
            ("1985-04-12T23:20:50.52Z", 482_196_050_520),
            ("1996-12-19T16:39:57-08:00", 851_042_397_000),
            ("1990-12-31T23:59:60Z", 662_688_000_000),
            ("1990-12-31T15:59:60-08:00", 662_688_000_000),
            ("1937-01-01T12:00:27.87+00:20", -1_041_337_172_130),
            ("2026-11-21T10:00:00.0123456789z", 1_795_255_200_012),
            ("2026-11-21t10:00:00-00:00", 1_795_255_200_000),
            ("0000-01-01T00:00:00Z", FIRST_MS),
            ("9999-12-31T23:59:59.999Z", END_MS - 1),
            ("2024-02-29T00:00:00+23:59", 1_709_078_460_000),
        ] {
            assert_eq!(parse_rfc3339_signed(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_read() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T10Z",
            "2026-11-21T10:00Z",
            "20261121T100000Z",
            "2026-11-21T10:00:00",
            "2026-11-21T10:00:00Z[UTC]",
            "2026-11-21T10:00:00+01:00[Europe/Berlin]",
            "2026-11-21T10:00:00.Z",
            "2026-11-21T10:00:00,5Z",
            "2026-11-21T10:00:00+0100",
            "2026-11-21T10:00:00+01",
            "2026-11-21T10:00:00+24:00",
            "2026-11-21T10:00:00+01:60",
            "2026-11-21 10:00:00Z",
            "2026-11-21_10:00:00Z",
            " 2026-11-21T10:00:00Z",
            "2026-11-21T10:00:00Z ",
            "+002026-11-21T10:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-11-00T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T10:60:00Z",
            "2026-11-21T10:00:61Z",
            "2026-11-21T10:00:60Z",
            "2026-11-21T23:59:60Z",
            "1990-12-31T23:59:60-08:00",
            "9999-12-31T23:59:60Z",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
            "２０２６-11-21T10:00:00Z",
            "2026-11-2１T10:00:00Z",
        ] {
            assert_eq!(parse_rfc3339_signed(text), None, "{text}");
        }
    }

    proptest! {
        /// The crate `jiff` agrees on every time that both read.
        #[test]
        fn another_reader_agrees(ms in FIRST_MS + DAY_S * 1000..END_MS - DAY_S * 1000, offset_min in -1439i64..1440) {
            let time = jiff::Timestamp::from_millisecond(ms + offset_min * 60_000).unwrap();
            let text = time.to_string();
            let (sign, minutes) = (if offset_min < 0 { '-' } else { '+' }, offset_min.abs());
            let text = format!("{}{sign}{:02}:{:02}", text.trim_end_matches('Z'), minutes / 60, minutes % 60);
            prop_assert_eq!(parse_rfc3339_signed(&text), Some(ms), "{}", text);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[0-9TtZz:.+ -]{0,40}|\\PC{0,40}") {
            std::hint::black_box(parse_rfc3339_signed(&text));
        }
    }
}
