//! Parsing logical expressions: comparisons, tests and function calls.

use super::super::super::pattern::{Extent, Pattern};
use super::super::{Comparable, CompareOperator, Expected, Literal, Logical, PathQuery, Term};
use super::{ExpressionParser, ExpressionResult, fault_at};

/// An operand of a comparison, or a test by itself.
enum Operand {
    Literal(Literal),
    Query(PathQuery),
    Value(Comparable),
    Logical(Logical),
}

impl ExpressionParser<'_> {
    pub(super) fn logical(&mut self) -> ExpressionResult<Logical> {
        let mut terms = vec![self.conjunction()?];
        while self.skip_after_blank("||") {
            terms.push(self.conjunction()?);
        }
        Ok(if terms.len() > 1 { Term::Or(terms).into() } else { terms.remove(0) })
    }

    fn conjunction(&mut self) -> ExpressionResult<Logical> {
        let mut terms = vec![self.basic()?];
        while self.skip_after_blank("&&") {
            terms.push(self.basic()?);
        }
        Ok(if terms.len() > 1 { Term::And(terms).into() } else { terms.remove(0) })
    }

    /// A parenthesis, a test or a comparison.
    fn basic(&mut self) -> ExpressionResult<Logical> {
        // No blank may precede a bare expression, as none may precede a query's `$`.
        if self.depth > 0 || self.at > 0 {
            self.skip_blank();
        }
        if self.skip("!") {
            self.skip_blank();
            let term = if self.peek() == Some(b'(') { self.parenthesis()? } else { self.test()? };
            return Ok(Term::Not(term).into());
        }
        if self.peek() == Some(b'(') {
            return self.parenthesis();
        }
        let from = self.at;
        let left = self.operand()?;
        let resume = self.at;
        self.skip_blank();
        let Some(comparison) = self.comparison() else {
            self.at = resume;
            return self.as_test(left, from);
        };
        let left = self.as_comparable(left, from)?;
        self.skip_blank();
        let from = self.at;
        let right = self.operand()?;
        let right = self.as_comparable(right, from)?;
        Ok(Term::Compare(comparison, left, right).into())
    }

    fn parenthesis(&mut self) -> ExpressionResult<Logical> {
        self.at += 1;
        let logical = self.nested(Self::logical)?;
        self.skip_blank();
        if self.skip(")") { Ok(logical) } else { self.fault("expected `&&`, `||` or `)`") }
    }

    fn test(&mut self) -> ExpressionResult<Logical> {
        let from = self.at;
        let operand = self.operand()?;
        self.as_test(operand, from)
    }

    fn as_test(&self, operand: Operand, from: usize) -> ExpressionResult<Logical> {
        match operand {
            Operand::Query(query) => Ok(Term::Exists(query).into()),
            Operand::Logical(logical) => Ok(logical),
            Operand::Literal(_) => fault_at(from, "a literal alone is no test; compare it"),
            Operand::Value(_) => fault_at(from, "a function's value is no test; compare it"),
        }
    }

    fn as_comparable(&self, operand: Operand, from: usize) -> ExpressionResult<Comparable> {
        match operand {
            Operand::Literal(literal) => Ok(Comparable::Literal(literal)),
            Operand::Value(value) => Ok(value),
            Operand::Query(query) if query.is_singular() => Ok(Comparable::Singular(query)),
            Operand::Query(_) => fault_at(from, "a query that can select several values cannot be compared"),
            Operand::Logical(_) => {
                fault_at(from, "`match` and `search` are true or false already; do not compare them")
            }
        }
    }

    fn comparison(&mut self) -> Option<CompareOperator> {
        const SYMBOLS: [(&str, CompareOperator); 6] = [
            ("==", CompareOperator::Equal),
            ("!=", CompareOperator::NotEqual),
            ("<=", CompareOperator::LessOrEqual),
            (">=", CompareOperator::GreaterOrEqual),
            ("<", CompareOperator::Less),
            (">", CompareOperator::Greater),
        ];
        SYMBOLS.into_iter().find(|(symbol, _)| self.skip(symbol)).map(|(_, comparison)| comparison)
    }

    fn operand(&mut self) -> ExpressionResult<Operand> {
        match self.peek() {
            Some(b'$' | b'@') => Ok(Operand::Query(self.query()?)),
            Some(b'\'' | b'"') => Ok(Operand::Literal(Literal::String(self.string()?.into()))),
            Some(b'-' | b'0'..=b'9') => Ok(Operand::Literal(Literal::Number(self.number()?.into()))),
            Some(b'a'..=b'z') => self.word(),
            _ => self.fault("expected a query, a literal or a function"),
        }
    }

    /// `true`, `false`, `null` or a function call.
    fn word(&mut self) -> ExpressionResult<Operand> {
        let from = self.at;
        let is_word = |byte: &u8| matches!(byte, b'a'..=b'z' | b'_' | b'0'..=b'9');
        let length = self.rest().bytes().take_while(is_word).count();
        let word = self.rest().get(..length).unwrap_or_default().to_owned();
        self.at += length;
        let literal = match word.as_str() {
            "true" => Some(Literal::Boolean(true)),
            "false" => Some(Literal::Boolean(false)),
            "null" => Some(Literal::Null),
            _ => None,
        };
        if let Some(literal) = literal {
            return Ok(Operand::Literal(literal));
        }
        if !self.skip("(") {
            return fault_at(from, "expected a query, a literal or a function");
        }
        let operand = self.nested(|parser| parser.call(&word, from))?;
        self.skip_blank();
        if self.skip(")") { Ok(operand) } else { self.fault("expected `)`") }
    }

    fn call(&mut self, function: &str, from: usize) -> ExpressionResult<Operand> {
        match function {
            "length" => Ok(Operand::Value(Comparable::Length(Box::new(self.value_argument()?)))),
            "count" => Ok(Operand::Value(Comparable::Count(self.nodes_argument()?))),
            "value" => Ok(Operand::Value(Comparable::ValueOf(self.nodes_argument()?))),
            "match" => self.matches(Extent::Whole),
            "search" => self.matches(Extent::Part),
            _ => {
                fault_at(from, "no such function; there are `length`, `count`, `value`, `match` and `search`")
            }
        }
    }

    fn matches(&mut self, extent: Extent) -> ExpressionResult<Operand> {
        let subject = self.value_argument()?;
        self.skip_blank();
        if !self.skip(",") {
            return self.fault("expected `,` and a pattern");
        }
        self.skip_blank();
        let from = self.at;
        let expected = match self.value_argument()? {
            Comparable::Literal(Literal::String(source)) => {
                match Pattern::compile_i_regexp(&source, extent, self.limits.regex_compiled_bytes_max) {
                    Ok(pattern) => Expected::Pattern(pattern),
                    Err(fault) => return fault_at(from, &format!("regular expression: {fault}")),
                }
            }
            Comparable::Literal(_) => Expected::Nothing,
            comparable => Expected::Found(comparable, extent),
        };
        Ok(Operand::Logical(Term::Matches(subject, expected).into()))
    }

    fn value_argument(&mut self) -> ExpressionResult<Comparable> {
        self.skip_blank();
        let from = self.at;
        let operand = self.operand()?;
        self.as_comparable(operand, from)
    }

    fn nodes_argument(&mut self) -> ExpressionResult<PathQuery> {
        self.skip_blank();
        match self.peek() {
            Some(b'$' | b'@') => self.query(),
            _ => self.fault("expected a query"),
        }
    }
}
