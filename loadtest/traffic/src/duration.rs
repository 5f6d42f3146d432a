//! Durations as text: a number and its unit.

use std::time::Duration;

/// Reads `500ms`, `10s`, `2m`, `1h`; a bare number is seconds. At most 366 days.
pub fn parse(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("unknown unit {unit:?}: use ms, s, m or h")),
    };
    let number: f64 = number.parse().map_err(|_why| format!("{number:?} is not a number"))?;
    Duration::try_from_secs_f64(number * seconds)
        .ok()
        .filter(|duration| duration.as_secs() <= 366 * 86_400)
        .ok_or_else(|| "must be from 0 to 366 days".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_understood() {
        for (text, ms) in [("500ms", 500), ("10s", 10_000), ("1.5", 1500), ("2m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "s", "-1s", "1d", "NaN", "1e99h", "infs"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
