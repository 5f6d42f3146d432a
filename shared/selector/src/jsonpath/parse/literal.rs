//! Parsing the integers, numbers and strings of RFC 9535's grammar.

use super::{ExpressionParser, ExpressionResult, fault_at};

/// The largest integer of a query: all JSON readers keep it exact (I-JSON, RFC 7493).
const INTEGER_MAX: i64 = (1 << 53) - 1;

impl ExpressionParser<'_> {
    pub(super) fn optional_integer(&mut self) -> ExpressionResult<Option<i64>> {
        let from = self.at;
        let negative = self.skip("-");
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 && !negative {
            return Ok(None);
        }
        let text = self.rest().get(..digits).unwrap_or_default();
        if text.is_empty() || (text.starts_with('0') && (digits > 1 || negative)) {
            return self.fault("expected an integer without leading zeros");
        }
        match text.parse::<i64>() {
            Ok(value) if value <= INTEGER_MAX => {
                self.at += digits;
                Ok(Some(if negative { -value } else { value }))
            }
            _ => {
                self.at = from;
                self.fault("an integer beyond ±(2^53 - 1)")
            }
        }
    }

    /// A number as written, in RFC 9535's grammar (JSON's, with `-0`).
    pub(super) fn number(&mut self) -> ExpressionResult<String> {
        let from = self.at;
        self.skip("-");
        let digits = self.digits()?;
        if digits > 1 && self.text.as_bytes().get(self.at - digits) == Some(&b'0') {
            self.at -= digits;
            return self.fault("a number cannot have leading zeros");
        }
        if self.skip(".") {
            self.digits()?;
        }
        if self.skip("e") || self.skip("E") {
            let _signed = self.skip("-") || self.skip("+");
            self.digits()?;
        }
        Ok(self.text.get(from..self.at).unwrap_or_default().to_owned())
    }

    fn digits(&mut self) -> ExpressionResult<usize> {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return self.fault("expected a digit");
        }
        self.at += count;
        Ok(count)
    }

    pub(super) fn string(&mut self) -> ExpressionResult<String> {
        let quote = if self.peek() == Some(b'\'') { '\'' } else { '"' };
        self.at += 1;
        let mut string = String::new();
        loop {
            let Some(character) = self.rest().chars().next() else {
                return self.fault("the string does not end");
            };
            if character < ' ' {
                return self.fault("control character in a string; write it `\\u00XX`");
            }
            if character == '\\' {
                string.push(self.escape(quote)?);
                continue;
            }
            self.at += character.len_utf8();
            if character == quote {
                return Ok(string);
            }
            string.push(character);
        }
    }

    fn escape(&mut self, quote: char) -> ExpressionResult<char> {
        let character = match self.text.as_bytes().get(self.at + 1) {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'/') => '/',
            Some(b'\\') => '\\',
            Some(b'u') => return self.unicode_escape(),
            Some(code) if char::from(*code) == quote => quote,
            _ => return self.fault("unknown escape"),
        };
        self.at += 2;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> ExpressionResult<char> {
        let from = self.at;
        let first = self.hexadecimal()?;
        let code = match first {
            0xD800..0xDC00 => {
                let second = if self.rest().starts_with("\\u") { self.hexadecimal()? } else { 0 };
                match second {
                    0xDC00..0xE000 => 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                    _ => first,
                }
            }
            _ => first,
        };
        char::from_u32(code).map_or_else(|| fault_at(from, "half of a surrogate pair"), Ok)
    }

    /// Reads `\uXXXX`.
    fn hexadecimal(&mut self) -> ExpressionResult<u32> {
        let digits = self.text.get(self.at + 2..self.at + 6).unwrap_or_default();
        if digits.len() < 4 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return self.fault("expected four hexadecimal digits");
        }
        self.at += 6;
        Ok(u32::from_str_radix(digits, 16).unwrap_or(0))
    }
}
