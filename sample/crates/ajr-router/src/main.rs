//! AJR: the router. Takes jobs on port 50051, passes them to the auction and returns its receipts. Metrics on port 9001.

use std::process::ExitCode;

use gix_common::metrics::{self, Counter};
use gix_common::sys::StopSignals;
use gix_common::wire::Message;
use gix_common::{log, peer, server};

const PORT: u16 = 50051;
const METRICS_PORT: u16 = 9001;
/// The longest name of a job, in bytes.
const LONGEST_NAME: usize = 64;

static SETTLED: Counter = Counter::new("gix_router_jobs_settled_total", "Jobs that came back with a receipt.");
static FAILED: Counter = Counter::new("gix_router_jobs_failed_total", "Jobs that came back with an error.");
static COUNTERS: &[&Counter] = &[&SETTLED, &FAILED];

fn main() -> ExitCode {
    log::init("ajr-router");
    let signals = StopSignals::block();
    let auction = std::env::var("GIX_AUCTION_ADDR").unwrap_or_else(|_| "auction:50052".into());
    if let Err(error) = start(auction) {
        log::error(error);
        return ExitCode::FAILURE;
    }
    log::info(format_args!("{} received, ends", signals.wait()));
    ExitCode::SUCCESS
}

fn start(auction: String) -> Result<(), String> {
    let metrics = server::listen(METRICS_PORT)?;
    let jobs = server::listen(PORT)?;
    metrics::serve(metrics, COUNTERS);
    log::info(format_args!("ready on port {PORT} for jobs, {METRICS_PORT} for metrics; the auction is {auction}"));
    server::serve(jobs, move |request| route(request, &auction).to_string());
    Ok(())
}

fn route(request: &Message, auction: &str) -> Message {
    let answer = checked(request).and_then(|job| peer::ask("auction", auction, &job));
    let answer = answer.unwrap_or_else(|error| Message::failure(&error));
    if answer.is_ok() {
        SETTLED.count();
        log::info(format_args!("settled: {answer}"));
    } else {
        FAILED.count();
        log::warn(format_args!("not settled: {request}: {answer}"));
    }
    answer
}

/// The job as the auction takes it: what the client left out filled in, what nobody asked for left out.
fn checked(request: &Message) -> Result<Message, String> {
    let job = request.text("job")?;
    if job.is_empty() || job.len() > LONGEST_NAME {
        return Err(format!("\"job\" has {} bytes, and 1 to {LONGEST_NAME} are allowed", job.len()));
    }
    let limit = request.number("limit")?;
    let budget = request.number_or("budget", u64::MAX)?;
    Ok(Message::new().with("verb", "settle").with("job", job).with("limit", limit).with("budget", budget))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_job_goes_to_the_auction_and_its_answer_comes_back() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let auction = listener.local_addr().unwrap().to_string();
        server::serve(listener, |request| request.clone().with("ok", true).to_string());

        let answer = route(&Message::new().with("job", "a").with("limit", 10).with("stray", 1), &auction);

        assert_eq!(
            answer,
            Message::new()
                .with("verb", "settle")
                .with("job", "a")
                .with("limit", 10)
                .with("budget", u64::MAX)
                .with("ok", true)
        );
    }

    #[test]
    fn a_bad_job_does_not_reach_the_auction() {
        let long = "x".repeat(LONGEST_NAME + 1);
        for (request, key) in [
            (Message::new(), "job"),
            (Message::new().with("job", ""), "job"),
            (Message::new().with("job", long.as_str()), "job"),
            (Message::new().with("job", "a"), "limit"),
            (Message::new().with("job", "a").with("limit", 1).with("budget", "all"), "budget"),
        ] {
            let answer = route(&request, "no address at all");
            assert!(answer.text("error").unwrap().contains(&format!("\"{key}\"")), "{answer}");
        }
    }

    #[test]
    fn an_auction_that_is_down_is_named() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let answer = route(&Message::new().with("job", "a").with("limit", 10), &free);
        assert!(answer.text("error").unwrap().contains(&format!("the auction at {free}")), "{answer}");
    }
}
