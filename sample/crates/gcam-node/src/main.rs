//! GCAM: the auction. Matches jobs to providers on port 50052, has the enclave run them, and keeps the ledger of what was
//! settled in `GIX_DATA_DIR`. Metrics on port 9002.

mod auction;
mod ledger;
mod market;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use gix_common::metrics;
use gix_common::peer::Peer;
use gix_common::service::{self, StopSignal};
use gix_proto::auction_service_server::AuctionServiceServer;
use tracing::info;

use auction::Auction;
use ledger::Ledger;

const PORT: u16 = 50052;
const METRICS_PORT: u16 = 9002;

fn main() -> ExitCode {
    service::run(serve)
}

async fn serve(stop: StopSignal) -> Result<(), String> {
    let folder = PathBuf::from(std::env::var_os("GIX_DATA_DIR").unwrap_or_else(|| "/data".into()));
    let enclave = std::env::var("GIX_ENCLAVE_ADDR").unwrap_or_else(|_| "enclave:50053".into());
    let ledger = Ledger::open(&folder)?;
    metrics::serve(METRICS_PORT)?;
    let listener = service::listen(PORT).await?;
    info!(
        "ready on port {PORT} for jobs, {METRICS_PORT} for metrics; the ledger in {} has {} settlements; \
         the enclave is {enclave}",
        folder.display(),
        ledger.totals().settlements,
    );
    let auction = Arc::new(Auction::new(ledger, Peer::new("enclave", enclave)));
    let served = service::serve(listener, AuctionServiceServer::from_arc(Arc::clone(&auction)), stop.wait()).await;
    info!("the ledger is closed with {} settlements", auction.close());
    served
}
