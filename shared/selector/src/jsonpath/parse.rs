//! RFC 9535's grammar and its typing rules, by recursive descent.
//!
//! The expression's length and nesting are bounded before anything recurses.

mod literal;

use super::super::SelectorLimits;
use super::super::pattern::{Extent, Pattern};
use super::{
    Comparable, Comparison, Expected, Expression, Literal, Logical, Origin, Query, Segment, Step, Term,
};

/// Why an expression is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct ExpressionFault {
    /// Byte offset into the expression.
    pub(in super::super) offset: usize,
    /// What was wrong there.
    pub(in super::super) reason: String,
}

type Parsed<T> = Result<T, ExpressionFault>;

/// Parses a query, or else a bare logical expression.
pub(in super::super) fn parse(text: &str, limits: &SelectorLimits) -> Parsed<Expression> {
    let mut parser = Parser { text, at: 0, depth: 0, filters: 0, is_bare: false, limits };
    let as_query = match parser.query().and_then(|query| parser.end().map(|()| query)) {
        Ok(query) => return Ok(Expression::Query(query)),
        Err(fault) => fault,
    };
    let mut parser = Parser { text, at: 0, depth: 0, filters: 0, is_bare: true, limits };
    match parser.logical().and_then(|logical| parser.end().map(|()| logical)) {
        Ok(logical) => Ok(Expression::Logical(logical)),
        // Whichever reading came further says more.
        Err(as_logical) if as_logical.offset > as_query.offset => Err(as_logical),
        Err(as_logical) if !text.starts_with('$') => Err(as_logical),
        Err(_) => Err(as_query),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    /// Parentheses, filters and function calls open here.
    depth: usize,
    /// Filters open here: where `@` has a meaning.
    filters: usize,
    /// Reading a bare logical expression rather than a query.
    is_bare: bool,
    limits: &'t SelectorLimits,
}

/// An operand of a comparison, or a test on its own.
enum Operand {
    Literal(Literal),
    Query(Query),
    Value(Comparable),
    Logical(Logical),
}

impl Parser<'_> {
    fn query(&mut self) -> Parsed<Query> {
        let origin = match self.peek() {
            Some(b'$') => Origin::Root,
            Some(b'@') if self.filters > 0 => Origin::Current,
            Some(b'@') => return self.fault("`@` has no meaning outside a filter; write `$`"),
            _ => return self.fault("expected a query, which starts with `$`"),
        };
        self.at += 1;
        let mut query = Query { origin, segments: Vec::new() };
        loop {
            let resume = self.at;
            self.skip_blank();
            match self.segment()? {
                Some(segment) => query.segments.push(segment),
                None => {
                    self.at = resume;
                    break;
                }
            }
        }
        if self.is_bare && origin == Origin::Root && starts_with_name(&query) {
            query.origin = Origin::RootOrEvent;
        }
        Ok(query)
    }

    fn segment(&mut self) -> Parsed<Option<Segment>> {
        let descendant = self.skip("..");
        if !descendant && self.peek() == Some(b'.') {
            self.at += 1;
            let step = self.shorthand()?;
            return Ok(Some(Segment::new(descendant, vec![step])));
        }
        if self.peek() == Some(b'[') {
            return Ok(Some(Segment::new(descendant, self.bracketed()?)));
        }
        if !descendant {
            return Ok(None);
        }
        Ok(Some(Segment::new(descendant, vec![self.shorthand()?])))
    }

    /// `*` or a bare name.
    fn shorthand(&mut self) -> Parsed<Step> {
        if self.skip("*") {
            return Ok(Step::Wildcard);
        }
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
        let rest = self.rest();
        let length = rest.find(|c: char| !is_first(c) && !c.is_ascii_digit()).unwrap_or(rest.len());
        match rest.get(..length) {
            Some(name) if name.starts_with(is_first) => {
                let step = Step::Name(name.into());
                self.at += length;
                Ok(step)
            }
            _ => self.fault("expected a name or `*`"),
        }
    }

    fn bracketed(&mut self) -> Parsed<Vec<Step>> {
        self.at += 1;
        let mut steps = Vec::new();
        loop {
            self.skip_blank();
            steps.push(self.step()?);
            self.skip_blank();
            if self.skip("]") {
                return Ok(steps);
            }
            if !self.skip(",") {
                return self.fault("expected `,` or `]`");
            }
        }
    }

    fn step(&mut self) -> Parsed<Step> {
        match self.peek() {
            Some(b'\'' | b'"') => Ok(Step::Name(self.string()?.into())),
            Some(b'*') => {
                self.at += 1;
                Ok(Step::Wildcard)
            }
            Some(b'?') => {
                self.at += 1;
                self.filters += 1;
                let logical = self.nested(Self::logical)?;
                self.filters -= 1;
                Ok(Step::Filter(logical))
            }
            Some(b'-' | b'0'..=b'9' | b':') => self.index_or_slice(),
            _ => self.fault("expected a quoted name, an index, a slice, `*` or `?`"),
        }
    }

    fn index_or_slice(&mut self) -> Parsed<Step> {
        let start = self.optional_integer()?;
        let resume = self.at;
        self.skip_blank();
        if !self.skip(":") {
            self.at = resume;
            return match start {
                Some(index) => Ok(Step::Index(index)),
                None => self.fault("expected an integer"),
            };
        }
        self.skip_blank();
        let end = self.optional_integer()?;
        self.skip_blank();
        let mut step = None;
        if self.skip(":") {
            self.skip_blank();
            step = self.optional_integer()?;
        }
        Ok(Step::Slice { start, end, step: step.unwrap_or(1) })
    }

    fn logical(&mut self) -> Parsed<Logical> {
        let mut terms = vec![self.conjunction()?];
        while self.skip_after_blank("||") {
            terms.push(self.conjunction()?);
        }
        Ok(if terms.len() > 1 { Term::Or(terms).into() } else { terms.remove(0) })
    }

    fn conjunction(&mut self) -> Parsed<Logical> {
        let mut terms = vec![self.basic()?];
        while self.skip_after_blank("&&") {
            terms.push(self.basic()?);
        }
        Ok(if terms.len() > 1 { Term::And(terms).into() } else { terms.remove(0) })
    }

    /// A parenthesis, a test or a comparison.
    fn basic(&mut self) -> Parsed<Logical> {
        // Nothing stands before a bare expression, where a query has its `$`.
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

    fn parenthesis(&mut self) -> Parsed<Logical> {
        self.at += 1;
        let logical = self.nested(Self::logical)?;
        self.skip_blank();
        if self.skip(")") { Ok(logical) } else { self.fault("expected `&&`, `||` or `)`") }
    }

    fn test(&mut self) -> Parsed<Logical> {
        let from = self.at;
        let operand = self.operand()?;
        self.as_test(operand, from)
    }

    fn as_test(&self, operand: Operand, from: usize) -> Parsed<Logical> {
        match operand {
            Operand::Query(query) => Ok(Term::Exists(query).into()),
            Operand::Logical(logical) => Ok(logical),
            Operand::Literal(_) => fault_at(from, "a literal alone is no test; compare it"),
            Operand::Value(_) => fault_at(from, "a function's value is no test; compare it"),
        }
    }

    fn as_comparable(&self, operand: Operand, from: usize) -> Parsed<Comparable> {
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

    fn comparison(&mut self) -> Option<Comparison> {
        const SYMBOLS: [(&str, Comparison); 6] = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        SYMBOLS.into_iter().find(|(symbol, _)| self.skip(symbol)).map(|(_, comparison)| comparison)
    }

    fn operand(&mut self) -> Parsed<Operand> {
        match self.peek() {
            Some(b'$' | b'@') => Ok(Operand::Query(self.query()?)),
            Some(b'\'' | b'"') => Ok(Operand::Literal(Literal::String(self.string()?.into()))),
            Some(b'-' | b'0'..=b'9') => Ok(Operand::Literal(Literal::Number(self.number()?.into()))),
            Some(b'a'..=b'z') => self.word(),
            _ => self.fault("expected a query, a literal or a function"),
        }
    }

    /// `true`, `false`, `null` or a function call.
    fn word(&mut self) -> Parsed<Operand> {
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

    fn call(&mut self, function: &str, from: usize) -> Parsed<Operand> {
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

    fn matches(&mut self, extent: Extent) -> Parsed<Operand> {
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

    fn value_argument(&mut self) -> Parsed<Comparable> {
        self.skip_blank();
        let from = self.at;
        let operand = self.operand()?;
        self.as_comparable(operand, from)
    }

    fn nodes_argument(&mut self) -> Parsed<Query> {
        self.skip_blank();
        match self.peek() {
            Some(b'$' | b'@') => self.query(),
            _ => self.fault("expected a query"),
        }
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let max = self.limits.expression_nesting_max;
        if self.depth >= max {
            return self.fault(&format!("nested too deeply, at most {max}"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn end(&self) -> Parsed<()> {
        if self.at == self.text.len() { Ok(()) } else { self.fault("unexpected here") }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    /// Skips blanks and the token, or nothing.
    fn skip_after_blank(&mut self, token: &str) -> bool {
        let resume = self.at;
        self.skip_blank();
        let found = self.skip(token);
        if !found {
            self.at = resume;
        }
        found
    }

    fn skip_blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn fault<T>(&self, reason: &str) -> Parsed<T> {
        fault_at(self.at, reason)
    }
}

fn fault_at<T>(offset: usize, reason: &str) -> Parsed<T> {
    Err(ExpressionFault { offset, reason: reason.to_owned() })
}

/// True for `$.name…` and `$['name']…`.
fn starts_with_name(query: &Query) -> bool {
    matches!(query.segments.first().and_then(Segment::singular_step), Some(Step::Name(_)))
}
