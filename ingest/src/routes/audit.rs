//! The audit log.

mod list;

use crate::describe::parts::{page, query, schema_ref, times};
use crate::describe::{Operation, Tag};
use crate::route::{Handler, Root, Route};
use serde_json::{Value, json};
use sluice_model::{AuditAction, AuditActor, Scopes};

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "list_audit",
        methods: &["GET"],
        path: "/audit",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_READ),
        handler: Handler::Account(|context, request, _| Box::pin(list::of_customer(context, request))),
        describe: |_| {
            operation("List who changed the customer's settings, when and from where")
                .parameters(filter_parameters())
                .parameters(page())
                .answers(200, "A page of entries.", "AuditPage")
        },
    },
    Route {
        name: "list_all_audit",
        methods: &["GET"],
        path: "/admin/audit",
        root: Root::Operators,
        handler: Handler::Account(|_, request, _| Box::pin(list::of_all(request))),
        describe: |_| {
            let customer = query("customer_id", schema_ref("Id"), "Entries about this customer.");
            operation("List who changed what, when and from where")
                .parameters([customer])
                .parameters(filter_parameters())
                .parameters(page())
                .answers(200, "A page of entries.", "AuditPage")
        },
    },
];

fn operation(summary: &'static str) -> Operation {
    Operation::new(Tag::Audit, summary).describe(
        "An entry is made together with its change. It never contains secrets, values of headers or \
         templates. The newest entries come first, unless `order` is `asc`: then the last page has a cursor \
         too, from which a reader continues when there are new entries. A page may have few entries, or none, \
         although more pages follow.",
    )
}

fn filter_parameters() -> impl Iterator<Item = Value> {
    let one_of = |values: &[&str]| json!({ "type": "string", "enum": values });
    let order = json!({ "type": "string", "enum": ["asc", "desc"], "default": "desc" });
    [
        query("action", one_of(&AuditAction::ALL.map(AuditAction::as_str)), "Entries of this action."),
        query("actor", one_of(&AuditActor::KINDS), "Changes by this kind of actor."),
        query("key_id", schema_ref("Id"), "Changes by this key."),
        query("order", order, "`desc`: the newest first."),
    ]
    .into_iter()
    .chain(times("Before this time."))
}
