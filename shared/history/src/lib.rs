//! Past deliveries: the attempts of the last week ([`attempts`]), replays of past events
//! ([`replay`]), and the amounts ([`usage`]).

pub mod attempts;
pub mod replay;
pub mod usage;
