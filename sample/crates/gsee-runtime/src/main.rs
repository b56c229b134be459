//! GSEE: the enclave. Runs a job on port 50053 and answers with a result that anybody can check.

mod primes;

use std::process::ExitCode;

use gix_common::sys::StopSignals;
use gix_common::wire::Message;
use gix_common::{log, server};

const PORT: u16 = 50053;

fn main() -> ExitCode {
    log::init("gsee-runtime");
    let signals = StopSignals::block();
    match server::listen(PORT) {
        Ok(listener) => server::serve(listener, |request| answer(request).to_string()),
        Err(error) => {
            log::error(error);
            return ExitCode::FAILURE;
        }
    }
    log::info(format_args!("ready on port {PORT}"));
    log::info(format_args!("{} received, ends", signals.wait()));
    ExitCode::SUCCESS
}

fn answer(request: &Message) -> Message {
    run(request).unwrap_or_else(|error| Message::failure(&error))
}

fn run(request: &Message) -> Result<Message, String> {
    let job = request.text("job")?;
    let limit = request.number("limit")?;
    let (count, sum) = primes::up_to(limit)?;
    log::info(format_args!("ran {job}: {count} primes up to {limit}"));
    Ok(Message::new().with("ok", true).with("job", job).with("count", count).with("sum", sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_answered_with_its_result() {
        let answer = answer(&Message::new().with("job", "a").with("limit", 100));
        assert_eq!(answer.to_string(), r#"{"ok":true,"job":"a","count":25,"sum":1060}"#);
    }

    #[test]
    fn a_job_that_asks_for_too_much_is_refused() {
        let answer = answer(&Message::new().with("job", "a").with("limit", u64::MAX));
        assert!(answer.text("error").unwrap().contains("10000000"), "{answer}");
    }
}
