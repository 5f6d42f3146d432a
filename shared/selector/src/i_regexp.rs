//! I-Regexp (RFC 9485), the regular expressions of JSONPath's `match` and
//! `search`, translated into the syntax of the `regex` crate.
//!
//! The two languages look alike but differ: in a class, `&&`, `--`, `~~` and `[` are
//! operators of the `regex` crate and ordinary characters (or errors) here; `\d`, `(?i)`,
//! lazy quantifiers and classes inside classes do not exist here. So the whole grammar is
//! parsed, and every literal character is written as its code point, which means the same in
//! both.
//!
//! `^` and `$` outside a class are anchors, as in RFC 9485's translations for other engines
//! (section 5) and in the JSONPath compliance suite; its grammar alone calls them ordinary
//! characters. `[$]` and `\^` are literals.

/// Translates an I-Regexp into the syntax of the `regex` crate. Parentheses may be
/// `nesting_max` deep, which bounds the recursion here and in the crate.
///
/// # Errors
/// If RFC 9485 does not allow the text, or parentheses are deeper.
pub(super) fn translate(source: &str, nesting_max: usize) -> Result<String, NotIRegexp> {
    let written = String::with_capacity(source.len() * 2);
    let mut translator = Translator { source, next: 0, nesting_left: nesting_max, written };
    translator.alternatives()?;
    match translator.peek() {
        None => Ok(translator.written),
        Some(')') => Err(fault("unopened group: `)` without `(`")),
        Some(_) => Err(fault("a character that must be escaped with `\\`")),
    }
}

/// The reason why a text is not an I-Regexp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotIRegexp(pub(super) String);

struct Translator<'s> {
    source: &'s str,
    /// Byte offset of the next character.
    next: usize,
    nesting_left: usize,
    written: String,
}

type Translation = Result<(), NotIRegexp>;

impl Translator<'_> {
    /// `i-regexp = branch *( "|" branch )`
    fn alternatives(&mut self) -> Translation {
        self.branch()?;
        while self.take('|') {
            self.written.push('|');
            self.branch()?;
        }
        Ok(())
    }

    /// `branch = *piece`, `piece = atom [ quantifier ]`
    fn branch(&mut self) -> Translation {
        while self.atom()? {
            self.quantifier()?;
        }
        Ok(())
    }

    /// Reads one atom; false at the end of the branch.
    fn atom(&mut self) -> Result<bool, NotIRegexp> {
        let Some(character) = self.peek() else { return Ok(false) };
        match character {
            '|' | ')' | ']' | '{' | '}' => return Ok(false),
            '*' | '+' | '?' => return Err(fault("a quantifier with nothing to repeat")),
            '(' => self.group()?,
            '[' => self.class()?,
            '\\' => match self.escape()? {
                Escape::Character(literal) => self.write_literal(literal),
                Escape::Category(category) => self.written.push_str(&category),
            },
            '.' => {
                self.advance(character);
                self.written.push_str("[^\\n\\r]");
            }
            '^' | '$' => {
                self.advance(character);
                self.written.push(character);
            }
            literal => {
                self.advance(literal);
                self.write_literal(literal);
            }
        }
        Ok(true)
    }

    fn group(&mut self) -> Translation {
        let Some(nesting_left) = self.nesting_left.checked_sub(1) else {
            return Err(fault("parentheses nested too deeply"));
        };
        self.advance('(');
        self.nesting_left = nesting_left;
        self.written.push_str("(?:");
        self.alternatives()?;
        if self.peek().is_none() {
            return Err(fault("unclosed group"));
        }
        self.expect(')', "a character that must be escaped with `\\`")?;
        self.written.push(')');
        self.nesting_left += 1;
        Ok(())
    }

    /// `*`, `+`, `?`, `{n}`, `{n,}` or `{n,m}`, at most one of them.
    fn quantifier(&mut self) -> Translation {
        match self.peek() {
            Some(sign @ ('*' | '+' | '?')) => {
                self.advance(sign);
                self.written.push(sign);
                Ok(())
            }
            Some('{') => self.range_quantifier(),
            _ => Ok(()),
        }
    }

    fn range_quantifier(&mut self) -> Translation {
        let opening = self.next;
        self.advance('{');
        let least = self.digits();
        let most = if self.take(',') { self.digits() } else { None };
        let Some(least) = least else {
            return Err(fault("a repetition is `{2}`, `{2,}` or `{2,5}`"));
        };
        if most.is_some_and(|most| most < least) {
            return Err(fault("a repetition whose first number is the larger"));
        }
        self.expect('}', "a repetition is `{2}`, `{2,}` or `{2,5}`")?;
        self.written.push_str(self.source.get(opening..self.next).unwrap_or_default());
        Ok(())
    }

    /// A number. A number that is too large is left for the `regex` crate to refuse.
    fn digits(&mut self) -> Option<u64> {
        let rest = self.source.get(self.next..).unwrap_or_default();
        let count = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.next += count;
        let digits = rest.get(..count).filter(|digits| !digits.is_empty())?;
        Some(digits.parse().unwrap_or(u64::MAX))
    }

    /// `"[" [ "^" ] ( "-" / CCE1 ) *CCE1 [ "-" ] "]"`
    fn class(&mut self) -> Translation {
        self.advance('[');
        self.written.push('[');
        if self.take('^') {
            self.written.push('^');
        }
        let mut is_empty = true;
        if self.take('-') {
            self.write_literal('-');
            is_empty = false;
        }
        loop {
            match self.peek() {
                None => return Err(fault("unclosed character class")),
                Some(']') if is_empty => return Err(fault("an empty character class")),
                Some(']') => break,
                Some('-') => {
                    self.advance('-');
                    self.write_literal('-');
                    if self.peek() != Some(']') {
                        return Err(fault("`-` in a class stands first, last, or between two characters"));
                    }
                }
                Some(_) => self.class_part()?,
            }
            is_empty = false;
        }
        self.advance(']');
        self.written.push(']');
        Ok(())
    }

    /// `CCE1 = ( CCchar [ "-" CCchar ] ) / charClassEsc`
    fn class_part(&mut self) -> Translation {
        let first = match self.class_character()? {
            Escape::Category(category) => {
                self.written.push_str(&category);
                return Ok(());
            }
            Escape::Character(first) => first,
        };
        self.write_literal(first);
        let rest = self.source.get(self.next..).unwrap_or_default();
        if !rest.starts_with('-') || rest.starts_with("-]") {
            return Ok(());
        }
        self.advance('-');
        match self.class_character()? {
            Escape::Character(last) if first <= last => {
                self.written.push('-');
                self.write_literal(last);
                Ok(())
            }
            Escape::Character(_) => Err(fault("a range whose first character is the larger")),
            Escape::Category(_) => Err(fault("a range ends with a character")),
        }
    }

    fn class_character(&mut self) -> Result<Escape, NotIRegexp> {
        match self.peek() {
            Some('\\') => self.escape(),
            Some('[') => Err(fault("a class inside a class; a literal `[` is written `\\[`")),
            Some('-') => Err(fault("a literal `-` as the end of a range is written `\\-`")),
            Some(character) => {
                self.advance(character);
                Ok(Escape::Character(character))
            }
            None => Err(fault("unclosed character class")),
        }
    }

    /// `SingleCharEsc / catEsc / complEsc`
    fn escape(&mut self) -> Result<Escape, NotIRegexp> {
        self.advance('\\');
        let Some(code) = self.peek() else { return Err(fault("`\\` at the end")) };
        self.advance(code);
        match code {
            'n' => Ok(Escape::Character('\n')),
            'r' => Ok(Escape::Character('\r')),
            't' => Ok(Escape::Character('\t')),
            '(' | ')' | '*' | '+' | '-' | '.' | '?' | '[' | '\\' | ']' | '^' | '{' | '|' | '}' => {
                Ok(Escape::Character(code))
            }
            'p' | 'P' => self.category(code),
            _ => Err(fault(&format!("`\\{code}` is no escape of RFC 9485; `[0-9]` is a digit"))),
        }
    }

    /// `\p{…}` and `\P{…}` with a general category of Unicode.
    fn category(&mut self, code: char) -> Result<Escape, NotIRegexp> {
        let rest = self.source.get(self.next..).unwrap_or_default();
        let name = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(name, _)| name);
        match name {
            Some(name) if is_category(name) => {
                self.next += name.len() + 2;
                Ok(Escape::Category(format!("\\{code}{{{name}}}")))
            }
            _ => Err(fault("`\\p{…}` takes a general category of Unicode, such as `L` or `Nd`")),
        }
    }

    /// Writes every ASCII character that is not a letter or digit as a code point, so that the
    /// `regex` crate sees no syntax in it.
    fn write_literal(&mut self, character: char) {
        if character.is_ascii() && !character.is_ascii_alphanumeric() {
            self.written.push_str(&format!("\\x{{{:x}}}", u32::from(character)));
        } else {
            self.written.push(character);
        }
    }

    fn peek(&self) -> Option<char> {
        self.source.get(self.next..).unwrap_or_default().chars().next()
    }

    fn advance(&mut self, character: char) {
        self.next += character.len_utf8();
    }

    fn take(&mut self, character: char) -> bool {
        let found = self.peek() == Some(character);
        self.next += if found { character.len_utf8() } else { 0 };
        found
    }

    fn expect(&mut self, character: char, otherwise: &str) -> Translation {
        if self.take(character) { Ok(()) } else { Err(fault(otherwise)) }
    }
}

/// The meaning of a backslash and the characters after it.
enum Escape {
    Character(char),
    /// A category, in the syntax of the `regex` crate.
    Category(String),
}

fn fault(reason: &str) -> NotIRegexp {
    NotIRegexp(reason.to_owned())
}

/// `IsCategory`: a letter for the group, and one more for the category.
fn is_category(name: &str) -> bool {
    const GROUPS: [(char, &str); 7] = [
        ('L', "lmotu"),
        ('M', "cen"),
        ('N', "dlo"),
        ('P', "cdefios"),
        ('Z', "lps"),
        ('S', "ckmo"),
        ('C', "cfno"),
    ];
    let mut letters = name.chars();
    let group = letters.next().and_then(|first| GROUPS.iter().find(|(group, _)| *group == first));
    match (group, letters.next(), letters.next()) {
        (Some(_), None, None) => true,
        (Some((_, categories)), Some(category), None) => categories.contains(category),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
