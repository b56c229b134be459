//! What the three services share.

pub mod log;
pub mod metrics;
pub mod peer;
pub mod server;
pub mod sys;
pub mod wire;
