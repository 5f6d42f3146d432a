//! `sluice audit`: who changed what, when and from where.

use super::PageOptions;
use super::call::{ApiCall, Column, Id, Show, Side};
use clap::{Args, ValueEnum};
use http::Method;

const COLUMNS: &[Column] = &[
    ("AT", "/at"),
    ("ACTION", "/action"),
    ("BY", "/actor/kind"),
    ("KEY", "/actor/key_id"),
    ("CUSTOMER", "/customer_id"),
    ("OUTCOME", "/outcome"),
    ("FROM", "/from/address"),
    ("REQUEST", "/from/request_id"),
    ("CHANGES", "/changes"),
];

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Entries of this time or later, in RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Entries before this time, in RFC 3339
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Entries about this customer (admin API)
    #[arg(long, value_name = "ID")]
    customer: Option<Id>,
    /// Entries about the key's own customer, over the public API
    #[arg(long, conflicts_with = "customer")]
    mine: bool,
    /// Entries of this action, such as subscription.updated
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Changes by this kind of actor
    #[arg(long)]
    actor: Option<ActorArg>,
    /// Changes by this key
    #[arg(long, value_name = "ID")]
    key: Option<Id>,
    /// List the oldest first
    #[arg(long)]
    oldest_first: bool,
    #[command(flatten)]
    page: PageOptions,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ActorArg {
    /// An operator, with the admin token
    Admin,
    /// A customer's key
    Key,
    /// Sluice itself
    System,
}

impl AuditArgs {
    pub(super) fn call(&self) -> ApiCall {
        let show = Show::List { list: "audit", columns: COLUMNS };
        let (side, path) =
            if self.mine { (Side::Public, "/v1/audit") } else { (Side::Admin, "/admin/audit") };
        let actor = self.actor.and_then(|actor| actor.to_possible_value());
        ApiCall::new(side, Method::GET, path, show)
            .param("since", self.since.as_ref())
            .param("until", self.until.as_ref())
            .param("customer_id", self.customer.as_ref())
            .param("action", self.action.as_ref())
            .param("actor", actor.map(|actor| actor.get_name().to_owned()))
            .param("key_id", self.key.as_ref())
            .param("order", self.oldest_first.then(|| "asc".to_owned()))
            .page(&self.page)
    }
}
