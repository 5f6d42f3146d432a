//! The catalogue of customers, API keys, subscriptions and event types: its copy in the
//! memory of a process ([`directory`]), the rules of its changes ([`change`], [`row`]), their
//! entries in the audit log ([`audit`]), and how secrets are made and sealed ([`secrets`],
//! [`sealing`]).

pub mod audit;
pub mod change;
pub mod directory;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod rates;
pub mod row;
pub mod sealing;
pub mod secrets;
