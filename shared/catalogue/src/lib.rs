//! The catalogue of customers, API keys, subscriptions and event types: what a process knows
//! of it ([`directory`]), the rules by which it changes ([`change`], [`row`]), what
//! the audit log says of a change ([`audit`]), and how secrets are made and sealed
//! ([`secrets`], [`sealing`]).

pub mod audit;
pub mod change;
pub mod directory;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod rates;
pub mod row;
pub mod sealing;
pub mod secrets;
