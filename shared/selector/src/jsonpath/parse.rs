//! Parsing RFC 9535's grammar and typing rules, by recursive descent.
//!
//! The expression's length and nesting are bounded before anything recurses.

mod literal;
mod logical;

use super::super::SelectorLimits;
use super::{Expression, PathQuery, PathSegment, PathStep, QueryOrigin};

/// Why an expression is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct ExpressionFault {
    /// Byte offset into the expression.
    pub(in super::super) offset: usize,
    /// What is wrong there.
    pub(in super::super) reason: String,
}

type ExpressionResult<T> = Result<T, ExpressionFault>;

/// Parses a query, or else a bare logical expression.
pub(in super::super) fn parse(text: &str, limits: &SelectorLimits) -> ExpressionResult<Expression> {
    let mut parser = ExpressionParser { text, at: 0, depth: 0, filters: 0, is_bare: false, limits };
    let as_query = match parser.query().and_then(|query| parser.end().map(|()| query)) {
        Ok(query) => return Ok(Expression::Query(query)),
        Err(fault) => fault,
    };
    let mut parser = ExpressionParser { text, at: 0, depth: 0, filters: 0, is_bare: true, limits };
    match parser.logical().and_then(|logical| parser.end().map(|()| logical)) {
        Ok(logical) => Ok(Expression::Logical(logical)),
        // The reading that came further explains more.
        Err(as_logical) if as_logical.offset > as_query.offset => Err(as_logical),
        Err(as_logical) if !text.starts_with('$') => Err(as_logical),
        Err(_) => Err(as_query),
    }
}

struct ExpressionParser<'t> {
    text: &'t str,
    at: usize,
    /// The number of open parentheses, filters and function calls.
    depth: usize,
    /// The number of open filters, inside which `@` has a meaning.
    filters: usize,
    /// Whether a bare logical expression is read rather than a query.
    is_bare: bool,
    limits: &'t SelectorLimits,
}

impl ExpressionParser<'_> {
    fn query(&mut self) -> ExpressionResult<PathQuery> {
        let origin = match self.peek() {
            Some(b'$') => QueryOrigin::Root,
            Some(b'@') if self.filters > 0 => QueryOrigin::Current,
            Some(b'@') => return self.fault("`@` has no meaning outside a filter; write `$`"),
            _ => return self.fault("expected a query, which starts with `$`"),
        };
        self.at += 1;
        let mut query = PathQuery { origin, segments: Vec::new() };
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
        if self.is_bare && origin == QueryOrigin::Root && starts_with_name(&query) {
            query.origin = QueryOrigin::RootOrEvent;
        }
        Ok(query)
    }

    fn segment(&mut self) -> ExpressionResult<Option<PathSegment>> {
        let descendant = self.skip("..");
        if !descendant && self.peek() == Some(b'.') {
            self.at += 1;
            let step = self.shorthand()?;
            return Ok(Some(PathSegment::new(descendant, vec![step])));
        }
        if self.peek() == Some(b'[') {
            return Ok(Some(PathSegment::new(descendant, self.bracketed()?)));
        }
        if !descendant {
            return Ok(None);
        }
        Ok(Some(PathSegment::new(descendant, vec![self.shorthand()?])))
    }

    /// `*` or a bare name.
    fn shorthand(&mut self) -> ExpressionResult<PathStep> {
        if self.skip("*") {
            return Ok(PathStep::Wildcard);
        }
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
        let rest = self.rest();
        let length = rest.find(|c: char| !is_first(c) && !c.is_ascii_digit()).unwrap_or(rest.len());
        match rest.get(..length) {
            Some(name) if name.starts_with(is_first) => {
                let step = PathStep::Name(name.into());
                self.at += length;
                Ok(step)
            }
            _ => self.fault("expected a name or `*`"),
        }
    }

    fn bracketed(&mut self) -> ExpressionResult<Vec<PathStep>> {
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

    fn step(&mut self) -> ExpressionResult<PathStep> {
        match self.peek() {
            Some(b'\'' | b'"') => Ok(PathStep::Name(self.string()?.into())),
            Some(b'*') => {
                self.at += 1;
                Ok(PathStep::Wildcard)
            }
            Some(b'?') => {
                self.at += 1;
                self.filters += 1;
                let logical = self.nested(Self::logical)?;
                self.filters -= 1;
                Ok(PathStep::Filter(logical))
            }
            Some(b'-' | b'0'..=b'9' | b':') => self.index_or_slice(),
            _ => self.fault("expected a quoted name, an index, a slice, `*` or `?`"),
        }
    }

    fn index_or_slice(&mut self) -> ExpressionResult<PathStep> {
        let start = self.optional_integer()?;
        let resume = self.at;
        self.skip_blank();
        if !self.skip(":") {
            self.at = resume;
            return match start {
                Some(index) => Ok(PathStep::Index(index)),
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
        Ok(PathStep::Slice { start, end, step: step.unwrap_or(1) })
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> ExpressionResult<T>) -> ExpressionResult<T> {
        let max = self.limits.expression_nesting_max;
        if self.depth >= max {
            return self.fault(&format!("nested too deeply, at most {max}"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn end(&self) -> ExpressionResult<()> {
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

    /// Skips blanks and the token, or nothing at all.
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

    fn fault<T>(&self, reason: &str) -> ExpressionResult<T> {
        fault_at(self.at, reason)
    }
}

fn fault_at<T>(offset: usize, reason: &str) -> ExpressionResult<T> {
    Err(ExpressionFault { offset, reason: reason.to_owned() })
}

/// True for `$.name…` and `$['name']…`.
fn starts_with_name(query: &PathQuery) -> bool {
    matches!(query.segments.first().and_then(PathSegment::singular_step), Some(PathStep::Name(_)))
}
