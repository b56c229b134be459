//! Log lines on standard error, filtered by `RUST_LOG`: `info`, or `warn,gcam_node=debug`. Default: `info`.

use std::env;
use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging. A `RUST_LOG` that is not valid is reported, and the default is used.
pub fn init() {
    let filter = filter(env::var("RUST_LOG").ok().as_deref());
    let default = Targets::new().with_default(LevelFilter::INFO);
    // The engine gives every line its time.
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).without_time();
    tracing_subscriber::registry().with(lines).with(filter.clone().unwrap_or(default)).init();
    if let Err(error) = filter {
        tracing::warn!("RUST_LOG is not valid: {error}; info is used");
    }
}

fn filter(directives: Option<&str>) -> Result<Targets, String> {
    match directives.map(str::trim) {
        None | Some("") => Ok(Targets::new().with_default(LevelFilter::INFO)),
        Some(directives) => directives.parse().map_err(|error| format!("{directives:?}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn directives_choose_the_level() {
        for (directives, most) in [
            (None, Some(Level::INFO)),
            (Some(""), Some(Level::INFO)),
            (Some("info"), Some(Level::INFO)),
            (Some("DEBUG"), Some(Level::DEBUG)),
            (Some("warn,gcam_node=debug"), Some(Level::DEBUG)),
            (Some("gcam_node=error,debug"), Some(Level::ERROR)),
            (Some("warn,other=debug"), Some(Level::WARN)),
            (Some("off"), None),
        ] {
            let filter = filter(directives).unwrap();
            let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
            let shown = levels.into_iter().rev().find(|level| filter.would_enable("gcam_node::auction", level));
            assert_eq!(shown, most, "{directives:?}");
        }
    }

    #[test]
    fn a_directive_that_is_not_valid_is_named() {
        assert!(filter(Some("gcam_node=loud")).unwrap_err().contains("gcam_node=loud"));
    }
}
