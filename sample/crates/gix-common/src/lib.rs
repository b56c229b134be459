//! What the three services share.

pub mod log;
pub mod metrics;
pub mod peer;
pub mod service;
