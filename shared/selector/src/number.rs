//! Comparing JSON numbers by their exact decimal value, as they are written.

use std::cmp::Ordering;

/// Orders two numbers in JSON's grammar. Exact for every exponent below 4×10¹⁸ in size; linear
/// in their length; allocates nothing.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    if let (Some(left), Some(right)) = (Short::read(left), Short::read(right)) {
        return left.cmp(&right);
    }
    Decimal::read(left).cmp(&Decimal::read(right))
}

/// Writes a number such that equal numbers, and no others, are written alike: its digits
/// without zeros at either end, and the power of ten to multiply `0.digits` by. Linear in its
/// length.
pub(super) fn write_canonical(text: &str, canonical: &mut String) {
    let number = Decimal::read(text);
    if number.sign() == 0 {
        canonical.push('0');
        return;
    }
    if number.negative {
        canonical.push('-');
    }
    let first = canonical.len();
    canonical.extend(number.whole.iter().chain(number.fraction).map(|digit| char::from(*digit)));
    let digits = canonical.get(first..).unwrap_or_default().trim_end_matches('0').len();
    canonical.truncate(first + digits);
    canonical.push('e');
    canonical.push_str(&number.exponent.to_string());
}

/// A number of at most 18 digits without exponent, like nearly all numbers: `digits` ×
/// 10^-`scale`.
struct Short {
    digits: i64,
    scale: u32,
}

impl Short {
    fn read(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.as_bytes() {
            [b'-', unsigned @ ..] => (true, unsigned),
            unsigned => (false, unsigned),
        };
        if unsigned.len() > 18 {
            return None;
        }
        let mut number = Self { digits: 0, scale: 0 };
        let mut after_point = 0;
        for byte in unsigned {
            match byte {
                b'0'..=b'9' => number.digits = number.digits * 10 + i64::from(byte - b'0'),
                b'.' => {
                    after_point = 1;
                    continue;
                }
                _ => return None,
            }
            number.scale += after_point;
        }
        if negative {
            number.digits = -number.digits;
        }
        Some(number)
    }

    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale {
            return self.digits.cmp(&other.digits);
        }
        // Below 10^18 × 10^17, so nothing overflows.
        let scaled = |number: &Self, scale: u32| i128::from(number.digits) * 10_i128.pow(scale);
        scaled(self, other.scale).cmp(&scaled(other, self.scale))
    }
}

/// ±0.d₁d₂d₃… × 10^exponent, where d₁ is not 0; zero has no digits.
struct Decimal<'t> {
    negative: bool,
    exponent: i64,
    /// The digits before the point, then those after it; d₁ is the first of both.
    whole: &'t [u8],
    fraction: &'t [u8],
}

impl<'t> Decimal<'t> {
    fn read(text: &'t str) -> Self {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text),
        };
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let whole = without_leading_zeros(whole.as_bytes());
        let mut digits = Self {
            negative,
            exponent: (whole.len() as i64).saturating_add(read_exponent(exponent)),
            whole,
            fraction: fraction.as_bytes(),
        };
        if whole.is_empty() {
            digits.fraction = without_leading_zeros(fraction.as_bytes());
            let zeros = fraction.len() - digits.fraction.len();
            digits.exponent = digits.exponent.saturating_sub(zeros as i64);
        }
        digits
    }

    /// -1, 0 or 1.
    fn sign(&self) -> i8 {
        match (self.whole.is_empty() && self.fraction.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let by_sign = self.sign().cmp(&other.sign());
        if by_sign.is_ne() || self.sign() == 0 {
            return by_sign;
        }
        let by_size = self.exponent.cmp(&other.exponent).then_with(|| self.cmp_digits(other));
        if self.negative { by_size.reverse() } else { by_size }
    }

    fn cmp_digits(&self, other: &Self) -> Ordering {
        let mut left = self.whole.iter().chain(self.fraction);
        let mut right = other.whole.iter().chain(other.fraction);
        loop {
            match (left.next(), right.next()) {
                (None, None) => return Ordering::Equal,
                (left, right) => {
                    let order = left.unwrap_or(&b'0').cmp(right.unwrap_or(&b'0'));
                    if order.is_ne() {
                        return order;
                    }
                }
            }
        }
    }
}

fn without_leading_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

/// Far beyond any number of digits, and far from an overflow when one is added.
const EXPONENT_MAX: i64 = 4_000_000_000_000_000_000;

fn read_exponent(text: &str) -> i64 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut value = 0_i64;
    for digit in digits.bytes() {
        value =
            value.saturating_mul(10).saturating_add(i64::from(digit.saturating_sub(b'0'))).min(EXPONENT_MAX);
    }
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_compare_by_value_not_by_spelling() {
        for (left, order, right) in [
            ("1", Ordering::Equal, "1.0"),
            ("100", Ordering::Equal, "1e2"),
            ("1E+2", Ordering::Equal, "1000e-1"),
            ("0", Ordering::Equal, "-0"),
            ("0.0e99", Ordering::Equal, "-0"),
            ("0.1", Ordering::Equal, "0.10"),
            ("0.001", Ordering::Equal, "1e-3"),
            ("18446744073709551616", Ordering::Less, "18446744073709551617"),
            ("-18446744073709551616", Ordering::Greater, "-18446744073709551617"),
            ("9007199254740993", Ordering::Greater, "9007199254740992.0"),
            ("1e400", Ordering::Greater, "1e399"),
            ("-1e400", Ordering::Less, "1e-400"),
            ("1e-400", Ordering::Greater, "0"),
            ("0.30000000000000004", Ordering::Greater, "0.3"),
            ("99", Ordering::Less, "1e2"),
            ("12", Ordering::Less, "12.000001"),
            ("1e99999999999999999999", Ordering::Greater, "9"),
            ("1e-99999999999999999999", Ordering::Greater, "0"),
        ] {
            assert_eq!(compare(left, right), order, "{left} {right}");
            assert_eq!(compare(right, left), order.reverse(), "{right} {left}");
        }
    }

    const ANY_NUMBER: &str = "-?(0|[1-9]0{0,2}|1[0-2]0{0,2})([.]0{0,2}[01]{0,2}0)?([eE][+-]?[0-3])?";

    proptest! {
        #[test]
        fn integers_compare_as_integers_do(left: i128, right: i128) {
            prop_assert_eq!(compare(&left.to_string(), &right.to_string()), left.cmp(&right));
        }

        #[test]
        fn a_shifted_point_changes_nothing(digits in 1_u64.., scale in 0_usize..25) {
            let shifted = format!("{digits}{}e-{scale}", "0".repeat(scale));
            prop_assert_eq!(compare(&digits.to_string(), &shifted), Ordering::Equal);
        }

        #[test]
        fn numbers_are_written_alike_if_they_are_equal(left in ANY_NUMBER, right in ANY_NUMBER) {
            let canonical = |text: &str| {
                let mut canonical = String::new();
                write_canonical(text, &mut canonical);
                canonical
            };
            prop_assert_eq!(canonical(&left) == canonical(&right), compare(&left, &right).is_eq());
        }

        #[test]
        fn short_numbers_compare_as_long_ones_do(left in "-?(0|[1-9][0-9]{0,9})([.][0-9]{1,9})?", right in "-?(0|[1-9][0-9]{0,2})([.][0-9]{1,9})?") {
            prop_assert_eq!(compare(&left, &right), Decimal::read(&left).cmp(&Decimal::read(&right)));
        }

        #[test]
        fn floats_compare_as_floats_do(left in -1e20_f64..1e20, right in -1e20_f64..1e20) {
            prop_assert_eq!(Some(compare(&left.to_string(), &right.to_string())), left.partial_cmp(&right));
        }
    }
}
