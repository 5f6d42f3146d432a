//! Dates in headers: IMF-fixdate of RFC 9110, 5.6.7, as in `Fri, 01 Jan 2027 00:00:05 GMT`.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The milliseconds since 1970 of a date, if it is one.
pub(crate) fn millis(text: &str) -> Option<i64> {
    let (_, rest) = text.split_once(", ")?;
    let mut parts = rest.split(' ');
    let day = digits(parts.next()?, 2)?;
    let month = parts.next().and_then(|name| MONTHS.iter().position(|known| *known == name))?;
    let year = digits(parts.next()?, 4)?;
    let mut time = parts.next()?.split(':').map(|part| digits(part, 2));
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if parts.next() != Some("GMT") || parts.next().is_some() || time.next().is_some() {
        return None;
    }
    let in_range = (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    let month = i64::try_from(month).ok()? + 1;
    in_range.then(|| (((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

fn digits(text: &str, len: usize) -> Option<i64> {
    let all_digits = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().ok()).flatten()
}

/// The days from 1970 to a date of the Gregorian calendar, with years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between 1 March of the year 0 and 1970.
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn dates_are_read_and_nothing_else() {
        assert_eq!(millis("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(millis("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        assert_eq!(millis("Thu, 29 Feb 2024 23:59:59 GMT"), Some(1_709_251_199_000));
        for bad in [
            "",
            "soon",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 25:00:00 GMT",
        ] {
            assert_eq!(millis(bad), None, "{bad}");
        }
    }
}
