//! `GET /v1/audit` and `GET /admin/audit`.

use crate::contexts::AccountContext;
use crate::cursor::CursorBinding;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::{ApiRequest, Principal, QueryParams};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sluice_model::audit::{AuditSource, AuditedField};
use sluice_model::clock::rfc3339_string;
use sluice_model::{ApiKeyId, AuditAction, AuditActor, AuditEntry, AuditId, AuditOutcome, CustomerId};
use sluice_ports::catalogue::AuditQuery;
use std::net::IpAddr;

/// Entries that are read at a time.
const STEP: usize = 500;

/// The most entries that one request looks at.
const LOOKED_AT_MAX: usize = 10_000;

/// The latest time that an id can hold.
const MS_MAX: u64 = (1 << 48) - 1;

const PARAMETERS: [&str; 10] =
    ["since", "start_time", "until", "end_time", "action", "actor", "key_id", "order", "limit", "cursor"];

/// Which entries a request wants.
struct AuditFilter {
    customer: Option<CustomerId>,
    from: AuditId,
    until: AuditId,
    action: Option<String>,
    actor: Option<String>,
    key: Option<ApiKeyId>,
    newest_first: bool,
}

/// The entries about the customer. Only operators see where operators' requests came from.
pub(super) async fn of_customer(
    context: &AccountContext,
    request: &ApiRequest<'_>,
) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?.id();
    let _turn = context.reads.lock(customer).await;
    list(request, &request.query(&PARAMETERS)?, Some(customer)).await
}

/// All entries, or those about a named customer.
pub(super) async fn of_all(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let query = request.query(&[&PARAMETERS[..], &["customer_id"]].concat())?;
    let customer = query.id("customer_id")?;
    list(request, &query, customer).await
}

async fn list(
    request: &ApiRequest<'_>,
    query: &QueryParams<'_>,
    customer: Option<CustomerId>,
) -> Result<ApiReply, ApiError> {
    let (filter, limit) = (AuditFilter::read(query, customer)?, query.limit(100)?);
    let binding = filter.binding();
    let mut last = query.text("cursor").map(|text| open(&binding, text)).transpose()?;
    let (mut entries, mut looked_at, mut has_more) = (Vec::new(), 0, true);
    while entries.len() <= limit && looked_at < LOOKED_AT_MAX && has_more {
        let found = request.directory.catalogue().audit(filter.query(last)).await?;
        looked_at += found.len();
        has_more = found.len() == STEP;
        last = found.last().map(|entry| entry.id).or(last);
        entries.extend(found.into_iter().filter(|entry| filter.admits(entry)));
    }
    // Behind the last of a full page, else behind all that was looked at.
    if entries.len() > limit {
        has_more = true;
        entries.truncate(limit);
        last = entries.last().map(|entry| entry.id);
    }
    let shows_operators = matches!(request.principal, Principal::Operator);
    let views: Vec<AuditView> = entries.into_iter().map(|entry| view(entry, shows_operators)).collect();
    let cursor = last.map(|id| binding.seal(&id.to_bytes()));
    Ok(json(StatusCode::OK, &json!({ "audit": views, "cursor": cursor, "has_more": has_more })))
}

impl AuditFilter {
    fn read(query: &QueryParams<'_>, customer: Option<CustomerId>) -> Result<Self, ApiError> {
        let range = query.range()?;
        let known = |name: &'static str, all: &[&str]| match query.text(name) {
            Some(text) if !all.contains(&text) => {
                Err(ApiError::invalid(name, format!("must be one of {}", all.join(", "))))
            }
            text => Ok(text.map(str::to_owned)),
        };
        Ok(Self {
            customer,
            from: AuditId::at_ms(range.start_ms.unwrap_or(0).min(MS_MAX)),
            until: AuditId::at_ms(range.end_ms.unwrap_or(MS_MAX).min(MS_MAX)),
            action: known("action", &AuditAction::ALL.map(AuditAction::as_str))?,
            actor: known("actor", &AuditActor::KINDS)?,
            key: query.id("key_id")?,
            newest_first: known("order", &["asc", "desc"])?.is_none_or(|order| order == "desc"),
        })
    }

    /// The query that its cursors are bound to.
    fn binding(&self) -> CursorBinding {
        let Self { customer, from, until, action, actor, key, newest_first } = self;
        let text = format!("{customer:?} {from} {until} {action:?} {actor:?} {key:?} {newest_first}");
        CursorBinding::new(&[b"audit", text.as_bytes()])
    }

    /// The query to the store for entries behind the last one that was looked at.
    fn query(&self, last: Option<AuditId>) -> AuditQuery {
        let Self { customer, mut from, mut until, newest_first, .. } = *self;
        match last {
            Some(last) if newest_first => until = until.min(last),
            Some(last) => from = from.max(AuditId::from_u128(last.as_u128().saturating_add(1))),
            None => {}
        }
        AuditQuery { customer, from, until, newest_first, limit: STEP }
    }

    fn admits(&self, entry: &AuditEntry) -> bool {
        self.action.as_ref().is_none_or(|action| entry.action == *action)
            && self.actor.as_ref().is_none_or(|actor| entry.actor.kind() == actor)
            && self.key.is_none_or(|key_id| entry.actor == AuditActor::Key { key_id })
    }
}

fn open(binding: &CursorBinding, text: &str) -> Result<AuditId, ApiError> {
    let payload = binding.open(text).and_then(|payload| payload.try_into().ok());
    let payload = payload.ok_or_else(|| ApiError::invalid("cursor", "is not a cursor of this query"))?;
    Ok(AuditId::from_bytes(payload))
}

/// An entry as answers show it: with every field, `null` where there is nothing.
#[derive(Serialize)]
struct AuditView {
    audit_id: AuditId,
    at: String,
    action: String,
    actor: ActorView,
    customer_id: Option<CustomerId>,
    subject: SubjectView,
    changes: Vec<FieldView>,
    details: Map<String, Value>,
    outcome: AuditOutcome,
    error: Option<String>,
    from: Option<SourceView>,
}

#[derive(Serialize)]
struct ActorView {
    kind: &'static str,
    key_id: Option<ApiKeyId>,
}

#[derive(Serialize)]
struct SubjectView {
    customer_id: Option<Value>,
    key_id: Option<Value>,
    workflow_id: Option<Value>,
    replay_id: Option<Value>,
    dead_letter_id: Option<Value>,
    event_type: Option<Value>,
}

#[derive(Serialize)]
struct FieldView {
    field: String,
    before: Option<Value>,
    after: Option<Value>,
    secret: bool,
}

#[derive(Serialize)]
struct SourceView {
    address: Option<IpAddr>,
    forwarded_for: Option<String>,
    request_id: String,
    user_agent: Option<String>,
}

fn view(entry: AuditEntry, shows_operators: bool) -> AuditView {
    let AuditEntry { id, customer, action, actor, mut subject, changes, details, outcome, error, from } =
        entry;
    let key_id = match actor {
        AuditActor::Key { key_id } => Some(key_id),
        AuditActor::Admin | AuditActor::System => None,
    };
    let mut take = |name| subject.remove(name);
    let subject = SubjectView {
        customer_id: take("customer_id"),
        key_id: take("key_id"),
        workflow_id: take("workflow_id"),
        replay_id: take("replay_id"),
        dead_letter_id: take("dead_letter_id"),
        event_type: take("event_type"),
    };
    let field = |AuditedField { field, before, after, secret }| FieldView { field, before, after, secret };
    let source = |AuditSource { address, forwarded_for, request_id, user_agent }| SourceView {
        address,
        forwarded_for,
        request_id,
        user_agent,
    };
    AuditView {
        audit_id: id,
        at: rfc3339_string(id.ms()),
        action,
        actor: ActorView { kind: actor.kind(), key_id },
        customer_id: customer,
        subject,
        changes: changes.into_iter().map(field).collect(),
        details,
        outcome,
        error,
        from: from.filter(|_| shows_operators || actor != AuditActor::Admin).map(source),
    }
}
