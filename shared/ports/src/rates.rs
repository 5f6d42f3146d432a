//! Customers' rate limits, which all ingest processes of a deployment enforce together.

use async_trait::async_trait;
use sluice_model::CustomerId;
use sluice_model::limiter::{Denied, Limiter, Quota};

/// A customer with its limiter.
#[derive(Debug, Clone, Copy)]
pub struct RatedCustomer<'a> {
    /// The customer.
    pub id: CustomerId,
    /// The limiter of this process; it holds the customer's rate and burst.
    pub limiter: &'a Limiter,
}

/// The outcome of taking events without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The events are taken.
    Yes,
    /// The rate does not allow the events now.
    No(Denied),
    /// This process has not leased enough of the rate: call [`Rates::lease`].
    Lease,
}

/// The rate limits of all customers.
///
/// - **Bound**: in any window, all processes together let through at most a customer's burst
///   and its rate times the window, and one second's rate more if they lease their parts of
///   the rate.
/// - **Cancel safety**: a dropped `lease` may have leased a part of the rate, but has taken no
///   events.
#[async_trait]
pub trait Rates: Send + Sync + 'static {
    /// Takes events of a customer's rate, all or none, without waiting.
    fn take(&self, customer: RatedCustomer<'_>, events: u64) -> Taken;

    /// Takes the events after [`Taken::Lease`], leasing more of the rate first.
    ///
    /// # Errors
    /// If the rate does not allow the events now.
    async fn lease(&self, customer: RatedCustomer<'_>, events: u64) -> Result<(), Denied>;

    /// Gives back events that were taken but not accepted.
    fn give_back(&self, customer: RatedCustomer<'_>, events: u64);

    /// What a customer has left, as far as this process knows.
    fn quota(&self, customer: RatedCustomer<'_>) -> Quota;
}
