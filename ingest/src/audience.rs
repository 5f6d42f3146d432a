//! Who a listener serves, and which credentials a route asks for.

/// Who a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Customers: the public listener.
    Customers,
    /// Operators: the admin listener.
    Operators,
}

/// The credentials that a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteAccess {
    /// None.
    Open,
    /// A customer's key.
    Customer,
    /// The admin token.
    Admin,
}
