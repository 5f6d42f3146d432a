//! Past deliveries: the attempts of the last week ([`attempts`]), replays, which
//! deliver past events again ([`replay`]), and how much there was ([`usage`]).

pub mod attempts;
pub mod replay;
pub mod usage;
