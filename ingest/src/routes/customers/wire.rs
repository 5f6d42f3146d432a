//! Customers as requests and answers write them.

use crate::error::ApiError;
use crate::request::FieldChange;
use serde::{Deserialize, Serialize};
use sluice_model::clock::{now_ms, rfc3339_string};
use sluice_model::customer::FAN_OUT_MAX;
use sluice_model::{Customer, CustomerId, CustomerStatus};

pub(crate) const NAME_BYTES_MAX: usize = 200;
/// RFC 5321, 4.5.3.1.3: a path of 256 bytes, less its brackets.
pub(crate) const EMAIL_BYTES_MAX: usize = 254;
/// Events a second.
pub(crate) const RATE_MAX: u32 = 10_000_000;
const RATE_DEFAULT: u32 = 1000;

/// A new customer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCustomer {
    name: String,
    email: Option<String>,
    status: Option<CustomerStatus>,
    rate_limit_per_second: Option<u32>,
    fan_out: Option<u16>,
}

impl NewCustomer {
    pub(super) fn into_customer(self) -> Customer {
        let fan_out = self.fan_out.unwrap_or(1);
        Customer {
            email: self.email,
            status: self.status.unwrap_or(CustomerStatus::Active),
            rate_limit_per_second: self.rate_limit_per_second.unwrap_or(RATE_DEFAULT),
            fan_out,
            fan_out_ever: fan_out,
            ..with_defaults(self.name)
        }
    }
}

/// The fields to change; an absent field stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomerChange {
    name: Option<String>,
    #[serde(default)]
    email: FieldChange<String>,
    status: Option<CustomerStatus>,
    rate_limit_per_second: Option<u32>,
    fan_out: Option<u16>,
}

impl CustomerChange {
    pub(super) fn onto(self, old: Customer) -> Customer {
        let fan_out = self.fan_out.unwrap_or(old.fan_out);
        Customer {
            name: self.name.unwrap_or(old.name),
            email: self.email.onto(old.email),
            status: self.status.unwrap_or(old.status),
            rate_limit_per_second: self.rate_limit_per_second.unwrap_or(old.rate_limit_per_second),
            fan_out,
            fan_out_ever: old.fan_out_ever.max(fan_out),
            updated_at_ms: now_ms().max(old.updated_at_ms),
            ..old
        }
    }
}

/// A customer as answers show it.
#[derive(Serialize)]
pub(in crate::routes) struct CustomerView<'a> {
    customer_id: CustomerId,
    name: &'a str,
    email: Option<&'a str>,
    status: CustomerStatus,
    rate_limit_per_second: u32,
    fan_out: u16,
    created_at: String,
    updated_at: String,
}

pub(in crate::routes) fn view(customer: &Customer) -> CustomerView<'_> {
    CustomerView {
        customer_id: customer.id,
        name: &customer.name,
        email: customer.email.as_deref(),
        status: customer.status,
        rate_limit_per_second: customer.rate_limit_per_second,
        fan_out: customer.fan_out,
        created_at: rfc3339_string(customer.created_at_ms),
        updated_at: rfc3339_string(customer.updated_at_ms),
    }
}

/// A new customer with the default values.
pub(super) fn with_defaults(name: String) -> Customer {
    let now_ms = now_ms();
    Customer {
        id: CustomerId::new(now_ms),
        name,
        email: None,
        status: CustomerStatus::Active,
        rate_limit_per_second: RATE_DEFAULT,
        fan_out: 1,
        fan_out_ever: 1,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
    }
}

/// Checks a customer of a deployment with `lanes` lanes.
pub(super) fn check(customer: &Customer, lanes: u16) -> Result<(), ApiError> {
    let Customer { name, email, rate_limit_per_second: rate, fan_out, .. } = customer;
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(ApiError::invalid("name", format!("must have 1 to {NAME_BYTES_MAX} bytes")));
    }
    if email.as_ref().is_some_and(|email| email.len() > EMAIL_BYTES_MAX || !email.contains('@')) {
        return Err(ApiError::invalid("email", "is not an e-mail address"));
    }
    if !(1..=RATE_MAX).contains(rate) {
        return Err(ApiError::invalid("rate_limit_per_second", format!("must be between 1 and {RATE_MAX}")));
    }
    let fan_out_max = FAN_OUT_MAX.min(lanes);
    if !(1..=fan_out_max).contains(fan_out) {
        return Err(ApiError::invalid("fan_out", format!("must be between 1 and {fan_out_max}")));
    }
    Ok(())
}
