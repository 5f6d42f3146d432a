//! Past deliveries: the attempts that are kept for a while, and replays that
//! deliver events of the past again.

pub mod attempts;
pub mod replay;
