//! The table of routes, family by family.

mod account;
mod audit;
mod console;
mod customers;
mod dead_letters;
mod event_types;
mod events;
mod health;
mod produce;
mod replays;
mod stream;
mod subscriptions;
mod system;

use crate::route::Route;

/// The families; each declares its routes beside its handlers.
const FAMILIES: [&[Route]; 13] = [
    produce::ROUTES,
    events::ROUTES,
    stream::ROUTES,
    subscriptions::ROUTES,
    event_types::ROUTES,
    dead_letters::ROUTES,
    replays::ROUTES,
    account::ROUTES,
    audit::ROUTES,
    customers::ROUTES,
    system::ROUTES,
    health::ROUTES,
    console::ROUTES,
];

const COUNT: usize = {
    let (mut count, mut family) = (0, 0);
    while family < FAMILIES.len() {
        count += FAMILIES[family].len();
        family += 1;
    }
    count
};

/// The index in [`NAMES`] of requests without a route.
pub(crate) const NONE: usize = COUNT;

/// The names of all routes in the table's order, then `none`.
pub(crate) const NAMES: [&str; COUNT + 1] = {
    let mut names = ["none"; COUNT + 1];
    let (mut at, mut family) = (0, 0);
    while family < FAMILIES.len() {
        let mut row = 0;
        while row < FAMILIES[family].len() {
            names[at] = FAMILIES[family][row].name;
            at += 1;
            row += 1;
        }
        family += 1;
    }
    names
};

/// All routes, in the table's order.
pub(crate) fn all() -> impl Iterator<Item = &'static Route> {
    FAMILIES.into_iter().flatten()
}

/// Limits that the API's description states.
pub(crate) mod limits {
    pub(crate) use super::customers::{EMAIL_BYTES_MAX, NAME_BYTES_MAX, RATE_MAX};
    pub(crate) use super::dead_letters::IDS_MAX as DEAD_LETTER_IDS_MAX;
    pub(crate) use super::event_types::{TYPE_DESCRIPTION_BYTES_MAX, TYPE_NAME_BYTES_MAX};
    pub(crate) use super::events::ACK_IDS_MAX;
    pub(crate) use super::subscriptions::{DESCRIPTION_BYTES_MAX, HEADER_MASK, SUBSCRIPTION_RATE_MAX};
}

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use subscriptions::check_webhook_url;
