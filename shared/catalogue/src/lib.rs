//! What a process knows of customers, API keys and subscriptions; how their
//! secrets are made and sealed; and the rules by which the catalogue changes.

pub mod change;
pub mod directory;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod rates;
pub mod row;
pub mod sealing;
pub mod secrets;
