//! One request of the command line, and how its answer is shown.

use super::PageOptions;
use http::Method;
use serde::Serialize;
use serde_json::Value;
use std::str::FromStr;

/// Which listener a call goes to, and with which credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The public API, with a customer's key.
    Public,
    /// The admin API, with the admin token.
    Admin,
}

/// A column of a table: its title and where its values are (JSON Pointer).
pub(super) type Column = (&'static str, &'static str);

/// How an answer is shown to people.
#[derive(Debug)]
pub(super) enum Show {
    /// A table of a list.
    List { list: &'static str, columns: &'static [Column] },
    /// The fields of one thing, one a line.
    Fields,
    /// A sentence: the answer has no body.
    Done(String),
}

/// Returns why an answer with a good status is a failure all the same, if it is one.
pub(super) type FailureRule = fn(&Value) -> Option<String>;

/// A request, and how its answer is shown.
#[derive(Debug)]
pub(super) struct ApiCall {
    pub side: Side,
    pub method: Method,
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<Vec<u8>>,
    pub content_type: &'static str,
    pub all: bool,
    pub show: Show,
    pub failure: Option<FailureRule>,
}

impl ApiCall {
    pub(super) fn new(side: Side, method: Method, path: impl Into<String>, show: Show) -> Self {
        Self {
            side,
            method,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            content_type: "application/json",
            all: false,
            show,
            failure: None,
        }
    }

    /// Adds a parameter, if it has a value.
    pub(super) fn param(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    pub(super) fn page(mut self, page: &PageOptions) -> Self {
        self.all = page.all;
        self.param("limit", page.limit).param("cursor", page.cursor.as_ref())
    }

    pub(super) fn json(mut self, body: &impl Serialize) -> anyhow::Result<Self> {
        self.body = Some(serde_json::to_vec(body)?);
        Ok(self)
    }

    pub(super) fn fails(mut self, failure: FailureRule) -> Self {
        self.failure = Some(failure);
        self
    }

    /// The same call on the admin API, for a customer that an operator names.
    pub(super) fn for_operator(mut self, customer: &Id) -> Self {
        if let Some(rest) = self.path.strip_prefix("/v1") {
            self.path = format!("/admin/customers/{customer}{rest}");
            self.side = Side::Admin;
        }
        self
    }

    /// The same call, for the page behind `cursor`.
    pub(super) fn at_cursor(&mut self, cursor: &str) {
        self.query.retain(|(name, _)| *name != "cursor");
        self.query.push(("cursor", cursor.to_owned()));
    }
}

/// JSON given as an argument, kept as it was written.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Json(Box<serde_json::value::RawValue>);

impl FromStr for Json {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map(Self).map_err(|error| format!("is not JSON: {error}"))
    }
}

/// An id in a path: anything else could name another path.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Id(String);

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !text.is_empty() && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err("is not an id".to_owned())
        }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_name_another_path() {
        for text in ["", "../x", "a/b", "a?b", "a b", "%2e"] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
        assert_eq!("019a-b_1".parse::<Id>().unwrap().to_string(), "019a-b_1");
    }

    #[test]
    fn an_operator_s_call_names_the_customer() {
        let call = ApiCall::new(Side::Public, Method::GET, "/v1/events/7", Show::Fields);
        let call = call.for_operator(&"c-1".parse().unwrap());
        assert_eq!((call.side, &*call.path), (Side::Admin, "/admin/customers/c-1/events/7"));
    }

    #[test]
    fn json_arguments_keep_their_digits() {
        let json: Json = r#"{"n": 123456789012345678901234567890}"#.parse().unwrap();
        assert_eq!(serde_json::to_string(&json).unwrap(), r#"{"n": 123456789012345678901234567890}"#);
        assert!("{".parse::<Json>().is_err());
    }

    #[test]
    fn the_next_page_is_the_same_call_from_there_on() {
        let page = PageOptions { limit: Some(2), cursor: Some("a".into()), all: true };
        let show = Show::Fields;
        let mut call = ApiCall::new(Side::Public, Method::GET, "/v1/inbox", show).page(&page);
        call.at_cursor("b");
        assert_eq!(call.query, [("limit", "2".to_owned()), ("cursor", "b".to_owned())]);
    }
}
