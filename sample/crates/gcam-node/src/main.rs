//! GCAM: the auction. Matches jobs to providers on port 50052, has the enclave run them, and keeps the ledger of what was
//! settled in `GIX_DATA_DIR`. Metrics on port 9002.

mod auction;
mod ledger;
mod market;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use gix_common::sys::StopSignals;
use gix_common::{log, metrics, server};

use auction::Auction;
use ledger::Ledger;

const PORT: u16 = 50052;
const METRICS_PORT: u16 = 9002;

fn main() -> ExitCode {
    log::init("gcam-node");
    let signals = StopSignals::block();
    let auction = match start() {
        Ok(auction) => auction,
        Err(error) => {
            log::error(error);
            return ExitCode::FAILURE;
        }
    };
    log::info(format_args!("{} received, ends", signals.wait()));
    let settlements = auction.close();
    log::info(format_args!("the ledger is closed with {settlements} settlements"));
    ExitCode::SUCCESS
}

fn start() -> Result<Arc<Auction>, String> {
    let folder = PathBuf::from(std::env::var_os("GIX_DATA_DIR").unwrap_or_else(|| "/data".into()));
    let enclave = std::env::var("GIX_ENCLAVE_ADDR").unwrap_or_else(|_| "enclave:50053".into());
    let ledger = Ledger::open(&folder)?;
    let metrics = server::listen(METRICS_PORT)?;
    let jobs = server::listen(PORT)?;
    log::info(format_args!(
        "ready on port {PORT} for jobs, {METRICS_PORT} for metrics; the ledger in {} has {} settlements; \
         the enclave is {enclave}",
        folder.display(),
        ledger.totals().settlements,
    ));
    let auction = Arc::new(Auction::new(ledger, enclave));
    metrics::serve(metrics, auction::COUNTERS);
    let answering = Arc::clone(&auction);
    server::serve(jobs, move |request| answering.answer(request));
    Ok(auction)
}
