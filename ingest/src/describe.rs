//! How a route describes itself for OpenAPI: one operation.

pub(crate) mod parts;

use self::parts::{error_ref, schema_ref};
use crate::audience::{Audience, RouteAccess};
use serde_json::{Value, json};
use sluice_model::Scopes;
use std::borrow::Cow;

/// The subject of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    Events,
    Inbox,
    Subscriptions,
    EventTypes,
    DeadLetters,
    Replays,
    Account,
    Audit,
    Customers,
    Keys,
    System,
    Development,
    Health,
}

impl Tag {
    const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Inbox => "inbox",
            Self::Subscriptions => "subscriptions",
            Self::EventTypes => "event types",
            Self::DeadLetters => "dead letters",
            Self::Replays => "replays",
            Self::Account => "account",
            Self::Audit => "audit",
            Self::System => "system",
            Self::Customers => "customers",
            Self::Keys => "keys",
            Self::Development => "development",
            Self::Health => "health",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Events => "Sending events, and looking them up.",
            Self::Inbox => "Reading events instead of receiving webhooks.",
            Self::Subscriptions => "Which events are delivered, where and how.",
            Self::EventTypes => "The declared types of events, and the schemas of their payloads.",
            Self::DeadLetters => "Deliveries that Sluice gave up.",
            Self::Replays => "Past events delivered again.",
            Self::Account => "The customer itself, and its usage.",
            Self::Audit => "Who changed what, when and from where.",
            Self::System => "The state of this process, for operators.",
            Self::Customers => "Tenants: who sends and receives events.",
            Self::Keys => "The keys of customers' programs.",
            Self::Development => "Only if the environment is `development` or `demo`.",
            Self::Health => "For load balancers, monitors and tools.",
        }
    }
}

/// The tags of a listener's document.
pub(crate) fn tags(audience: Audience) -> Value {
    let public = [
        Tag::Events,
        Tag::Inbox,
        Tag::Subscriptions,
        Tag::EventTypes,
        Tag::DeadLetters,
        Tag::Replays,
        Tag::Account,
        Tag::Audit,
        Tag::Health,
    ];
    let admin = [
        Tag::Customers,
        Tag::Keys,
        Tag::Events,
        Tag::Inbox,
        Tag::Subscriptions,
        Tag::EventTypes,
        Tag::DeadLetters,
        Tag::Replays,
        Tag::Account,
        Tag::Audit,
        Tag::System,
        Tag::Development,
        Tag::Health,
    ];
    let tags: &[Tag] = match audience {
        Audience::Customers => &public,
        Audience::Operators => &admin,
    };
    tags.iter().map(|tag| json!({ "name": tag.name(), "description": tag.description() })).collect()
}

/// Where an operation is served.
pub(crate) struct OperationPlace<'a> {
    pub id: String,
    pub path: &'a str,
    pub access: RouteAccess,
    /// The scopes that a customer's key needs.
    pub needs: Scopes,
}

/// Whether a route is a part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OperationKind {
    Api,
    /// A page for people, which the API's description leaves out.
    #[cfg(feature = "console")]
    Page,
}

/// An operation, as its route describes it.
pub(crate) struct Operation {
    kind: OperationKind,
    tag: Tag,
    summary: &'static str,
    description: Option<String>,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Vec<(u16, &'static str, Option<Value>)>,
    /// Refusals besides those that every operation has.
    refusals: Vec<(u16, Cow<'static, str>)>,
}

impl Operation {
    pub(crate) const fn new(tag: Tag, summary: &'static str) -> Self {
        Self {
            kind: OperationKind::Api,
            tag,
            summary,
            description: None,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// A page for people.
    #[cfg(feature = "console")]
    pub(crate) const fn page(summary: &'static str) -> Self {
        let mut page = Self::new(Tag::Health, summary);
        page.kind = OperationKind::Page;
        page
    }

    /// Whether the API's description has it.
    pub(crate) const fn is_described(&self) -> bool {
        matches!(self.kind, OperationKind::Api)
    }

    pub(crate) fn describe(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Whether it has parameters in the query.
    pub(crate) fn takes_query(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter["in"] == "query")
    }

    pub(crate) fn parameters(mut self, all: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(all);
        self
    }

    /// Adds a JSON body of this schema.
    pub(crate) fn takes(self, schema: &str) -> Self {
        self.takes_any(json!({ "application/json": { "schema": schema_ref(schema) } }), true)
    }

    /// Adds a JSON body that may be left out.
    pub(crate) fn may_take(self, schema: &str) -> Self {
        self.takes_any(json!({ "application/json": { "schema": schema_ref(schema) } }), false)
    }

    pub(crate) fn takes_any(mut self, content: Value, required: bool) -> Self {
        let mut body = json!({ "required": required });
        body["content"] = content;
        self.body = Some(body);
        self
    }

    /// Adds an answer whose body has the schema of this name.
    pub(crate) fn answers(mut self, status: u16, text: &'static str, schema: &str) -> Self {
        self.answers.push((
            status,
            text,
            Some(json!({ "application/json": { "schema": schema_ref(schema) } })),
        ));
        self
    }

    pub(crate) fn answers_with(mut self, status: u16, text: &'static str, content: Option<Value>) -> Self {
        self.answers.push((status, text, content));
        self
    }

    pub(crate) fn refuses(mut self, status: u16, text: &'static str) -> Self {
        self.refusals.push((status, text.into()));
        self
    }

    /// The operation as OpenAPI writes it.
    pub(crate) fn json(mut self, place: &OperationPlace<'_>) -> Value {
        let mut out = json!({
            "operationId": place.id,
            "tags": [self.tag.name()],
            "summary": self.summary,
            "security": security(place),
        });
        let scopes = match place.access {
            RouteAccess::Customer => scope_names(place.needs),
            RouteAccess::Open | RouteAccess::Admin => None,
        };
        let needs = scopes.map(|names| format!("Needs {names}."));
        let description: Vec<String> = self.description.take().into_iter().chain(needs).collect();
        if !description.is_empty() {
            out["description"] = description.join(" ").into();
        }
        let mut parameters =
            parts::path_parameters(place.path, self.tag == Tag::Events || self.tag == Tag::Inbox);
        parameters.append(&mut self.parameters);
        if !parameters.is_empty() {
            out["parameters"] = parameters.into();
        }
        self.usual_refusals(place);
        if let Some(body) = self.body.take() {
            out["requestBody"] = body;
        }
        let mut responses = json!({});
        for (status, text, content) in self.answers {
            let mut answer = json!({ "description": text, "headers": parts::answer_headers(status) });
            if let Some(content) = content {
                answer["content"] = content;
            }
            responses[status.to_string()] = answer;
        }
        self.refusals.sort_by_key(|(status, _)| *status);
        for (status, text) in self.refusals {
            responses[status.to_string()] = json!({
                "description": text,
                "headers": parts::answer_headers(status),
                "content": { "application/json": { "schema": error_ref() } },
            });
        }
        out["responses"] = responses;
        out
    }

    /// Adds the refusals that any operation of its kind has.
    fn usual_refusals(&mut self, place: &OperationPlace<'_>) {
        let mut add = |status, text: &'static str| {
            if !self.refusals.iter().any(|(known, _)| *known == status) {
                self.refusals.push((status, text.into()));
            }
        };
        if place.access == RouteAccess::Open {
            return add(404, "There is nothing at this path.");
        }
        add(400, "The request is invalid; the error names the field.");
        add(401, "No credentials, or wrong ones.");
        if place.path.contains('{') {
            add(404, "The customer has nothing with this id or name.");
        }
        if self.body.is_some() {
            add(408, "The body took too long.");
            add(413, "The body is too large; the error names the limit.");
            add(415, "The body's media type or content coding is not accepted.");
        }
        add(500, "Stored data is damaged.");
        add(503, "Overload, drain, or a store that does not answer: try again after `Retry-After`.");
        if place.access == RouteAccess::Customer {
            let lacks = scope_names(place.needs).map(|names| format!(", or the key lacks {names}"));
            let text = format!("The customer is suspended{}.", lacks.unwrap_or_default());
            self.refusals.retain(|(status, _)| *status != 403);
            self.refusals.push((403, text.into()));
        }
    }
}

/// The scopes in words; `None` if there are none.
fn scope_names(scopes: Scopes) -> Option<String> {
    let names: Vec<String> = scopes.names().map(|name| format!("`{name}`")).collect();
    let noun = if names.len() == 1 { "the scope" } else { "the scopes" };
    (!names.is_empty()).then(|| format!("{noun} {}", names.join(" and ")))
}

/// For a scheme that is not OAuth the list has the roles that an operation needs
/// (OpenAPI 3.1, 4.8.30).
fn security(place: &OperationPlace<'_>) -> Value {
    let scopes: Vec<&str> = place.needs.names().collect();
    match place.access {
        RouteAccess::Open => json!([]),
        RouteAccess::Customer => json!([{ "bearer": scopes }, { "api_key": scopes }]),
        RouteAccess::Admin => json!([{ "admin_token": [] }]),
    }
}
