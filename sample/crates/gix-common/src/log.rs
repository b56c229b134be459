//! Log lines on standard error, filtered by `RUST_LOG`: `info`, or `warn,gcam_node=debug`. Without it: `info`.

use std::fmt::Display;
use std::sync::OnceLock;

/// How much a line matters, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// No line has this level: it lets none through.
    Off,
    /// Something failed.
    Error,
    /// Something is odd, and was dealt with.
    Warn,
    /// What an operator wants to see.
    Info,
    /// What a developer wants to see.
    Debug,
    /// Everything.
    Trace,
}

struct Logger {
    service: &'static str,
    most: Level,
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Names the service in every line, and reads `RUST_LOG`.
pub fn init(service: &'static str) {
    let directives = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".into());
    let most = most_verbose(&directives, service);
    let _ = LOGGER.set(Logger { service, most });
}

/// Logs a failure.
pub fn error(text: impl Display) {
    write(Level::Error, text);
}

/// Logs an oddity.
pub fn warn(text: impl Display) {
    write(Level::Warn, text);
}

/// Logs for operators.
pub fn info(text: impl Display) {
    write(Level::Info, text);
}

/// Logs for developers.
pub fn debug(text: impl Display) {
    write(Level::Debug, text);
}

fn write(level: Level, text: impl Display) {
    let Some(logger) = LOGGER.get() else { return };
    if level <= logger.most {
        let name = format!("{level:?}").to_uppercase();
        eprintln!("{name:<5} {}: {text}", logger.service);
    }
}

/// The last directive that names the service wins, else the last that names none; what is no level is passed over.
fn most_verbose(directives: &str, service: &str) -> Level {
    let target = service.replace('-', "_");
    let (mut general, mut own) = (None, None);
    for directive in directives.split(',').map(str::trim) {
        match directive.split_once('=') {
            Some((name, level)) if name == target => own = level_of(level).or(own),
            Some(_) => {}
            None => general = level_of(directive).or(general),
        }
    }
    own.or(general).unwrap_or(Level::Error)
}

fn level_of(text: &str) -> Option<Level> {
    Some(match text.to_ascii_lowercase().as_str() {
        "off" => Level::Off,
        "error" => Level::Error,
        "warn" => Level::Warn,
        "info" => Level::Info,
        "debug" => Level::Debug,
        "trace" => Level::Trace,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_choose_the_level() {
        for (directives, expected) in [
            ("info", Level::Info),
            ("DEBUG", Level::Debug),
            ("warn,gcam_node=debug", Level::Debug),
            ("gcam_node=error,debug", Level::Error),
            ("warn,other=debug", Level::Warn),
            ("off", Level::Off),
            ("nonsense", Level::Error),
            ("", Level::Error),
        ] {
            assert_eq!(most_verbose(directives, "gcam-node"), expected, "{directives}");
        }
    }
}
