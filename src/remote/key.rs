//! `sluice key`: API keys of a customer, on the admin API.

use super::call::{ApiCall, Column, Id, Show, Side};
use clap::{Subcommand, ValueEnum};
use http::Method;
use serde::Serialize;

const COLUMNS: &[Column] = &[
    ("ID", "/key_id"),
    ("BEGINS", "/hint"),
    ("STATUS", "/status"),
    ("CREATED", "/created_at"),
    ("EXPIRES", "/expires_at"),
    ("REVOKED", "/revoked_at"),
];

/// Commands about keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key; it is shown this once
    Create {
        /// Whose key
        #[arg(long, value_name = "ID")]
        customer: Id,
        /// What its prefix says of its use
        #[arg(long)]
        mode: Option<KeyModeArg>,
        /// When it ends, in RFC 3339
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// List keys, revoked and expired ones too
    List {
        /// Whose keys
        #[arg(long, value_name = "ID")]
        customer: Id,
    },
    /// Revoke a key: within seconds it opens nothing
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

#[derive(Serialize)]
struct NewKeyBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<KeyModeArg>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<&'a str>,
}

impl KeyCommand {
    pub(super) fn call(&self) -> anyhow::Result<ApiCall> {
        let path = |customer: &Id| format!("/admin/customers/{customer}/keys");
        match self {
            Self::Create { customer, mode, expires_at } => {
                let body = NewKeyBody { mode: *mode, expires_at: expires_at.as_deref() };
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
