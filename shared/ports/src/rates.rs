//! Customers' rate limits, as all edges of a deployment enforce them.

use async_trait::async_trait;
use sluice_model::CustomerId;
use sluice_model::limiter::{Denied, Limiter, Quota};

/// A customer as the rate limits know it.
#[derive(Debug, Clone, Copy)]
pub struct RatedCustomer<'a> {
    /// The customer.
    pub id: CustomerId,
    /// The limiter of this process; it holds the customer's rate and burst.
    pub limiter: &'a Limiter,
}

/// What came of an attempt to take without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// They are taken.
    Yes,
    /// The rate does not allow them now.
    No(Denied),
    /// This process has not enough of the rate at hand: ask with [`Rates::lease`].
    Lease,
}

/// The rate limits of all customers.
///
/// - **Bound**: what all edges let through of a customer in any window is at
///   most its burst and its rate's share of the window, and one second's
///   rate more where edges lease their parts of it.
/// - **Cancel safety**: a dropped `lease` may have leased, never taken.
#[async_trait]
pub trait Rates: Send + Sync + 'static {
    /// Takes so many events of a customer's rate, all or none, without waiting.
    fn take(&self, customer: RatedCustomer<'_>, events: u64) -> Taken;

    /// The same, after [`Taken::Lease`]: asks those who share the rate.
    ///
    /// # Errors
    /// If the rate does not allow them now.
    async fn lease(&self, customer: RatedCustomer<'_>, events: u64) -> Result<(), Denied>;

    /// Gives back events that were taken and then not accepted.
    fn give_back(&self, customer: RatedCustomer<'_>, events: u64);

    /// What a customer has left, as far as this process knows.
    fn quota(&self, customer: RatedCustomer<'_>) -> Quota;
}
