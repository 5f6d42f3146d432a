//! Customers and their keys, for operators.

mod development;
mod keys;
mod read;
mod wire;
mod write;

pub(in crate::routes) use keys::view as key_view;
pub(in crate::routes) use wire::view;
pub(crate) use wire::{EMAIL_BYTES_MAX, NAME_BYTES_MAX, RATE_MAX};

use crate::describe::parts::page_by_id;
use crate::describe::{Operation, Tag};
use crate::route::{Handler, Root, Route};
use std::future::ready;

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "create_customer",
        methods: &["POST"],
        path: "/admin/customers",
        root: Root::Operators,
        handler: Handler::Operators(|context, request, body| Box::pin(write::create(context, request, body))),
        describe: |_| {
            customer_operation("Make a customer").takes("NewCustomer").answers(
                201,
                "The customer was made.",
                "Customer",
            )
        },
    },
    Route {
        name: "list_customers",
        methods: &["GET"],
        path: "/admin/customers",
        root: Root::Operators,
        handler: Handler::Operators(|_, request, _| Box::pin(ready(read::list(request)))),
        describe: |_| {
            customer_operation("List customers, the oldest first").parameters(page_by_id()).answers(
                200,
                "A page of customers.",
                "CustomerPage",
            )
        },
    },
    Route {
        name: "get_customer",
        methods: &["GET"],
        path: "/admin/customers/{customer_id}",
        root: Root::Operators,
        handler: Handler::Operators(|_, request, _| Box::pin(ready(read::get(request)))),
        describe: |_| customer_operation("Get a customer").answers(200, "The customer.", "Customer"),
    },
    Route {
        name: "patch_customer",
        methods: &["PATCH"],
        path: "/admin/customers/{customer_id}",
        root: Root::Operators,
        handler: Handler::Operators(|context, request, body| Box::pin(write::patch(context, request, body))),
        describe: |_| {
            customer_operation("Change a customer; absent fields stay as they are")
                .takes("CustomerChange")
                .answers(200, "The customer after the change.", "Customer")
        },
    },
    Route {
        name: "create_key",
        methods: &["POST"],
        path: "/admin/customers/{customer_id}/keys",
        root: Root::Operators,
        handler: Handler::Operators(|_, request, body| Box::pin(keys::create(request, body))),
        describe: |_| {
            key_operation("Make a key")
                .describe(
                    "`api_key` is shown only in this answer. A key's scopes never change: for other scopes make \
                     another key.",
                )
                .may_take("NewKey")
                .answers(201, "The key was made.", "KeyWithText")
                .refuses(409, "The customer has the most keys that it may have.")
        },
    },
    Route {
        name: "list_keys",
        methods: &["GET"],
        path: "/admin/customers/{customer_id}/keys",
        root: Root::Operators,
        handler: Handler::Operators(|_, request, _| Box::pin(ready(keys::list(request)))),
        describe: |_| {
            key_operation("List all keys, including revoked and expired ones").answers(
                200,
                "All keys of the customer.",
                "Keys",
            )
        },
    },
    Route {
        name: "revoke_key",
        methods: &["DELETE"],
        path: "/admin/customers/{customer_id}/keys/{id}",
        root: Root::Operators,
        handler: Handler::Operators(|_, request, _| Box::pin(keys::revoke(request))),
        describe: |_| {
            key_operation("Revoke a key")
                .describe("Within seconds every process refuses the key.")
                .answers_with(204, "The key is revoked.", None)
        },
    },
    Route {
        name: "test_customer",
        methods: &["POST"],
        path: "/admin/test-customer",
        root: Root::Operators,
        handler: Handler::Operators(|context, request, _| {
            Box::pin(development::test_customer(context, request))
        }),
        describe: |_| {
            Operation::new(Tag::Development, "Make a customer with a key")
                .answers(201, "The customer and its key.", "TestCustomer")
                .refuses(404, "This environment does not have the route.")
        },
    },
];

const fn customer_operation(summary: &'static str) -> Operation {
    Operation::new(Tag::Customers, summary)
}

const fn key_operation(summary: &'static str) -> Operation {
    Operation::new(Tag::Keys, summary)
}
