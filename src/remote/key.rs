//! `sluice key`: API keys of a customer, on the admin API.

use super::call::{ApiCall, Column, Id, Show, Side};
use clap::{Subcommand, ValueEnum};
use http::Method;
use serde::Serialize;

const COLUMNS: &[Column] = &[
    ("ID", "/key_id"),
    ("BEGINS", "/hint"),
    ("STATUS", "/status"),
    ("SCOPES", "/scopes"),
    ("CREATED", "/created_at"),
    ("EXPIRES", "/expires_at"),
    ("REVOKED", "/revoked_at"),
];

/// Commands about keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key; it is shown this once
    Create {
        /// The key's customer
        #[arg(long, value_name = "ID")]
        customer: Id,
        /// The use that the key's prefix names
        #[arg(long)]
        mode: Option<KeyModeArg>,
        /// When the key expires, in RFC 3339
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
        /// A scope of the key; may be given several times [default: every scope]
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<ScopeArg>,
    },
    /// List keys, including revoked and expired ones
    List {
        /// The keys' customer
        #[arg(long, value_name = "ID")]
        customer: Id,
    },
    /// Revoke a key: within seconds it is refused everywhere
    Revoke {
        /// Whose key
        #[arg(long, value_name = "ID")]
        customer: Id,
        id: Id,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyModeArg {
    Live,
    Test,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
pub(crate) enum ScopeArg {
    /// Send events and acknowledge them
    #[value(name = "events:write")]
    #[serde(rename = "events:write")]
    EventsWrite,
    /// Read events, the inbox, the stream and usage
    #[value(name = "events:read")]
    #[serde(rename = "events:read")]
    EventsRead,
    /// Read subscriptions, event types, deliveries, dead letters and replays
    #[value(name = "subscriptions:read")]
    #[serde(rename = "subscriptions:read")]
    SubscriptionsRead,
    /// Make, change, test and delete subscriptions and event types
    #[value(name = "subscriptions:write")]
    #[serde(rename = "subscriptions:write")]
    SubscriptionsWrite,
    /// Resend, redrive and replay, and delete dead letters
    #[value(name = "deliveries:write")]
    #[serde(rename = "deliveries:write")]
    DeliveriesWrite,
}

#[derive(Serialize)]
struct NewKeyBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<KeyModeArg>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<&'a str>,
    #[serde(skip_serializing_if = "<[ScopeArg]>::is_empty")]
    scopes: &'a [ScopeArg],
}

impl KeyCommand {
    pub(super) fn call(&self) -> anyhow::Result<ApiCall> {
        let path = |customer: &Id| format!("/admin/customers/{customer}/keys");
        match self {
            Self::Create { customer, mode, expires_at, scopes } => {
                let body = NewKeyBody { mode: *mode, expires_at: expires_at.as_deref(), scopes };
                ApiCall::new(Side::Admin, Method::POST, path(customer), Show::Fields).json(&body)
            }
            Self::List { customer } => {
                let show = Show::List { list: "keys", columns: COLUMNS };
                Ok(ApiCall::new(Side::Admin, Method::GET, path(customer), show))
            }
            Self::Revoke { customer, id } => {
                let path = format!("{}/{id}", path(customer));
                Ok(ApiCall::new(Side::Admin, Method::DELETE, path, Show::Done(format!("revoked {id}"))))
            }
        }
    }
}
