//! Past deliveries: the attempts of the last week ([`attempts`]), and replays,
//! which deliver past events again ([`replay`]).

pub mod attempts;
pub mod replay;
