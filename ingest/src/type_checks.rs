//! Checks of events against the types that their customer declared.
//!
//! A customer without declared types costs one branch a request. A declared type's
//! schema is compiled when its first event comes, once for each version of the type.
//! The work of an event is known beforehand: an event that would need too much is
//! refused unread, and a request's further checks end when its share is used up.

use crate::decode::EventError;
use serde::{Deserialize, Serialize};
use sluice_catalogue::directory::{CustomerEntry, CustomerState, DeclaredType};
use sluice_model::EventType;
use sluice_schema::{EventSchema, Misfit, SchemaFault, SchemaLimits, SchemaPayload};
use std::sync::Arc;

/// Once a request has listed this many misfits, each further event lists only one.
const REQUEST_MISFITS_MAX: usize = 1000;

/// The most checks that a request's events may need on a thread of the runtime: a few
/// milliseconds. With more, the request is decoded anew beside the runtime's threads.
const INLINE_CHECKS_MAX: u64 = 200_000;

/// After how many seconds to send an event again if its request's checks were used up.
const AGAIN_S: u64 = 1;

/// The limits of checking events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckLimits {
    /// The most checks that one event may need. A check takes some ten nanoseconds.
    pub event_checks_max: u64,
    /// The most checks that the events of a request may need together.
    pub request_checks_max: u64,
    /// The most misfits that are listed for one event.
    pub misfits_max: usize,
}

impl Default for CheckLimits {
    fn default() -> Self {
        Self { event_checks_max: 1_000_000, request_checks_max: 10_000_000, misfits_max: 10 }
    }
}

/// The parts of an event that do not fit its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct EventMisfits {
    event_type: Box<str>,
    errors: Vec<Misfit>,
}

/// The results of the checks of events with declared types.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CheckCounts {
    /// Events that fit.
    pub fit: u64,
    /// Events that do not fit, and were refused.
    pub refused: u64,
    /// Events that do not fit, and were accepted: their type is not enforced.
    pub unfit: u64,
    /// Events that were accepted without a check, because it would have been too
    /// much work and their type is not enforced.
    pub unchecked: u64,
}

/// Where events are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckPlace {
    /// On a thread of the runtime, where little work may be done.
    Inline,
    /// At the desk for huge bodies, where there is time.
    Desk,
}

/// The declared types of a customer, as they were when a request came.
#[derive(Debug, Clone)]
pub(crate) struct TypeChecks {
    state: Arc<CustomerState>,
    limits: CheckLimits,
}

/// The checks of one pass over the events of a request.
#[derive(Debug)]
pub(crate) struct CheckSession<'c> {
    types: &'c TypeChecks,
    place: CheckPlace,
    checks_left: u64,
    misfits_left: usize,
    pub counts: CheckCounts,
    /// Whether the checks are too much work for their place. If so, the decoded events
    /// must not be used.
    pub is_too_much: bool,
}

/// Why an event does not fit, or could not be checked.
enum CheckFault {
    /// It does not fit.
    Unfit(Vec<Misfit>),
    /// It needs more checks than an event may.
    TooMuch(u64),
    /// The events before it used up the request's checks.
    UsedUp,
    /// The stored schema cannot be used.
    NoSchema(String),
}

impl TypeChecks {
    /// The checks of a customer's events; none if it declared no types.
    pub(crate) fn of(customer: &CustomerEntry, limits: CheckLimits) -> Option<Self> {
        customer.declares_types().then(|| Self { state: customer.state(), limits })
    }

    pub(crate) const fn session(&self, place: CheckPlace) -> CheckSession<'_> {
        CheckSession {
            types: self,
            place,
            is_too_much: false,
            checks_left: self.limits.request_checks_max,
            misfits_left: REQUEST_MISFITS_MAX,
            counts: CheckCounts { fit: 0, refused: 0, unfit: 0, unchecked: 0 },
        }
    }
}

impl CheckSession<'_> {
    /// Checks an event's payload. An error refuses the event.
    pub(crate) fn check(&mut self, event_type: &str, payload: &str) -> Result<(), EventError> {
        let Some(declared) = self.types.state.event_type(event_type) else { return Ok(()) };
        if self.place == CheckPlace::Inline && !declared.is_made() {
            self.is_too_much = true;
        }
        if self.is_too_much {
            return Ok(());
        }
        let fault = match self.judge(declared, payload) {
            Ok(()) => {
                self.counts.fit += 1;
                return Ok(());
            }
            Err(fault) => fault,
        };
        if !declared.enforce {
            match fault {
                CheckFault::Unfit(_) => self.counts.unfit += 1,
                _ => self.counts.unchecked += 1,
            }
            return Ok(());
        }
        self.counts.refused += 1;
        Err(self.refusal(event_type, fault))
    }

    fn judge(&mut self, declared: &DeclaredType, payload: &str) -> Result<(), CheckFault> {
        let limits = self.types.limits;
        let schema = schema_of(declared);
        let schema = schema.as_ref().as_ref().map_err(|fault| CheckFault::NoSchema(fault.to_string()))?;
        let payload = SchemaPayload::read(payload).map_err(|misfit| CheckFault::Unfit(vec![misfit]))?;
        let checks = schema.checks(&payload);
        if checks > limits.event_checks_max {
            return Err(CheckFault::TooMuch(checks));
        }
        let spent = limits.request_checks_max - self.checks_left;
        if self.place == CheckPlace::Inline && spent.saturating_add(checks) > INLINE_CHECKS_MAX {
            self.is_too_much = true;
            return Ok(());
        }
        self.checks_left = self.checks_left.checked_sub(checks).ok_or(CheckFault::UsedUp)?;
        // If the event is accepted all the same, one misfit is enough.
        let told_max = if declared.enforce { limits.misfits_max.min(self.misfits_left) } else { 1 };
        let misfits = schema.misfits(&payload, told_max);
        if misfits.is_empty() { Ok(()) } else { Err(CheckFault::Unfit(misfits)) }
    }

    fn refusal(&mut self, event_type: &str, fault: CheckFault) -> EventError {
        let name = shown(event_type);
        match fault {
            CheckFault::Unfit(errors) => {
                self.misfits_left = self.misfits_left.saturating_sub(errors.len());
                let message = format!("`payload` does not fit the schema of the event type {name}");
                let misfits = EventMisfits { event_type: event_type.into(), errors };
                EventError { misfits: Some(Box::new(misfits)), ..EventError::invalid(message) }
            }
            CheckFault::TooMuch(checks) => EventError::invalid(format!(
                "`payload` would need {checks} checks by the schema of the event type {name}; the limit is {}",
                self.types.limits.event_checks_max
            )),
            CheckFault::UsedUp => EventError {
                code: "CHECKS_USED_UP",
                retry_after_s: Some(AGAIN_S),
                ..EventError::invalid(format!(
                    "the events before it used up the {} checks of a request; send it in another one",
                    self.types.limits.request_checks_max
                ))
            },
            CheckFault::NoSchema(reason) => EventError::invalid(format!(
                "the schema of the event type {name} cannot be used any more; declare it again: {reason}"
            )),
        }
    }
}

/// The name in quotes, cut if it is long.
fn shown(event_type: &str) -> String {
    let end = event_type.floor_char_boundary(256);
    format!("{:?}", &event_type[..end])
}

/// The compiled schema of a type.
fn schema_of(declared: &DeclaredType) -> Arc<Result<EventSchema, SchemaFault>> {
    declared.made(|event_type: &EventType| {
        // It was within the limits when it was declared; the limits may have changed since.
        EventSchema::compile(&event_type.schema, &SchemaLimits::WIDEST).inspect_err(|fault| {
            let (customer, name) = (event_type.customer, &event_type.name);
            tracing::error!(%customer, name, %fault, "a stored schema cannot be used; its events are refused if it is enforced");
        })
    })
}

#[cfg(test)]
mod tests;
