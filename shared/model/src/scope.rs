//! Scopes: what an API key lets its holder do.
//!
//! A scope that ends in `:read` allows no changes. The names of scopes are part of the API
//! and of stored rows: they never change.

/// A permission of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Scope {
    /// Sending events, and acknowledging them.
    EventsWrite,
    /// Reading events, where they went, the inbox, the stream and the usage.
    EventsRead,
    /// Reading subscriptions, their deliveries, event types, dead letters, replays and
    /// the audit log.
    SubscriptionsRead,
    /// Making, changing, testing and deleting subscriptions and event types.
    SubscriptionsWrite,
    /// Having events delivered again, and deleting dead letters.
    DeliveriesWrite,
}

impl Scope {
    /// Every scope, in the order in which lists show them.
    pub const ALL: [Self; 5] = [
        Self::EventsWrite,
        Self::EventsRead,
        Self::SubscriptionsRead,
        Self::SubscriptionsWrite,
        Self::DeliveriesWrite,
    ];

    /// The scope's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventsWrite => "events:write",
            Self::EventsRead => "events:read",
            Self::SubscriptionsRead => "subscriptions:read",
            Self::SubscriptionsWrite => "subscriptions:write",
            Self::DeliveriesWrite => "deliveries:write",
        }
    }

    /// The scope of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of scopes, of a key or needed by a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    /// No scope.
    pub const NONE: Self = Self(0);
    /// Every scope.
    pub const ALL: Self = Self::of(&Scope::ALL);
    /// [`Scope::EventsWrite`] alone.
    pub const EVENTS_WRITE: Self = Self::of(&[Scope::EventsWrite]);
    /// [`Scope::EventsRead`] alone.
    pub const EVENTS_READ: Self = Self::of(&[Scope::EventsRead]);
    /// [`Scope::SubscriptionsRead`] alone.
    pub const SUBSCRIPTIONS_READ: Self = Self::of(&[Scope::SubscriptionsRead]);
    /// [`Scope::SubscriptionsWrite`] alone.
    pub const SUBSCRIPTIONS_WRITE: Self = Self::of(&[Scope::SubscriptionsWrite]);
    /// [`Scope::DeliveriesWrite`] alone.
    pub const DELIVERIES_WRITE: Self = Self::of(&[Scope::DeliveriesWrite]);

    /// These scopes.
    #[must_use]
    pub const fn of(scopes: &[Scope]) -> Self {
        let (mut bits, mut index) = (0, 0);
        while index < scopes.len() {
            bits |= scopes[index].bit();
            index += 1;
        }
        Self(bits)
    }

    /// The set as one number, for [`Self::from_bits`].
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set of such a number; bits without a scope are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The scopes that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `needed` are in the set.
    #[must_use]
    pub const fn include(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }

    /// The scopes of this set that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }

    /// Their names, in the same order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.iter().map(Scope::as_str)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_into_it() {
        for bits in 0..=Scopes::ALL.bits() {
            let set = Scopes::from_bits(bits);
            assert_eq!(set, set.iter().collect());
            assert_eq!(set.names().filter_map(Scope::parse).collect::<Scopes>(), set);
            assert!(Scopes::ALL.include(set) && set.include(Scopes::NONE) && set.include(set));
            assert_eq!(set.include(Scopes::ALL), set == Scopes::ALL);
            assert_eq!(Scopes::ALL.without(set).iter().count() + set.iter().count(), Scope::ALL.len());
        }
        assert_eq!(Scopes::from_bits(0xff), Scopes::ALL);
        assert_eq!(Scope::parse("events"), None);
        assert_eq!(Scope::parse("Events:read"), None);
    }
}
