//! `sluice customer`: customers, on the admin API.

use super::PageOptions;
use super::call::{ApiCall, Column, Id, Show, Side};
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde::Serialize;

const PATH: &str = "/admin/customers";
const COLUMNS: &[Column] = &[
    ("ID", "/customer_id"),
    ("NAME", "/name"),
    ("STATUS", "/status"),
    ("RATE/S", "/rate_limit_per_second"),
    ("FAN-OUT", "/fan_out"),
    ("EMAIL", "/email"),
    ("CREATED", "/created_at"),
];

/// Commands about customers.
#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    /// Make a customer
    Create {
        /// Its name
        #[arg(long)]
        name: String,
        #[command(flatten)]
        fields: CustomerFields,
    },
    /// List customers, the oldest first
    List(PageOptions),
    /// Show a customer
    Get { id: Id },
    /// Change a customer; options that are not given leave their fields as they are
    Update {
        id: Id,
        /// Its name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        fields: CustomerFields,
    },
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct CustomerFields {
    /// Its e-mail address
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// Whether its keys are accepted
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<CustomerStatusArg>,
    /// Events a second that it may send
    #[arg(long = "rate-limit", value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit_per_second: Option<u32>,
    /// Lanes that its events are spread over (order holds within an ordering key)
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    fan_out: Option<u16>,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CustomerStatusArg {
    Active,
    Suspended,
}

#[derive(Serialize)]
struct CustomerBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(flatten)]
    fields: &'a CustomerFields,
}

impl CustomerCommand {
    pub(super) fn call(&self) -> anyhow::Result<ApiCall> {
        let call = |method, path: String, show| ApiCall::new(Side::Admin, method, path, show);
        match self {
            Self::Create { name, fields } => {
                let body = CustomerBody { name: Some(name), fields };
                call(Method::POST, PATH.into(), Show::Fields).json(&body)
            }
            Self::List(page) => {
                let show = Show::List { list: "customers", columns: COLUMNS };
                Ok(call(Method::GET, PATH.into(), show).page(page))
            }
            Self::Get { id } => Ok(call(Method::GET, format!("{PATH}/{id}"), Show::Fields)),
            Self::Update { id, name, fields } => {
                let body = CustomerBody { name: name.as_deref(), fields };
                call(Method::PATCH, format!("{PATH}/{id}"), Show::Fields).json(&body)
            }
        }
    }
}
