//! AJR: the router. Takes jobs on port 50051, passes them to the auction and returns its receipts. Metrics on port 9001.

use std::process::ExitCode;

use gix_common::metrics;
use gix_common::peer::Peer;
use gix_common::service::{self, StopSignal};
use gix_proto::auction_service_client::AuctionServiceClient;
use gix_proto::router_service_server::{RouterService, RouterServiceServer};
use gix_proto::{Job, Settlement};
use tonic::{Request, Response, Status};
use tracing::{info, warn};

const PORT: u16 = 50051;
const METRICS_PORT: u16 = 9001;
/// The longest name of a job, in bytes.
const LONGEST_NAME: usize = 64;

fn main() -> ExitCode {
    service::run(serve)
}

async fn serve(stop: StopSignal) -> Result<(), String> {
    let auction = std::env::var("GIX_AUCTION_ADDR").unwrap_or_else(|_| "auction:50052".into());
    metrics::serve(METRICS_PORT)?;
    let listener = service::listen(PORT).await?;
    info!("ready on port {PORT} for jobs, {METRICS_PORT} for metrics; the auction is {auction}");
    let router = Router::new(Peer::new("auction", auction));
    service::serve(listener, RouterServiceServer::new(router), stop.wait()).await
}

struct Router {
    auction: Peer,
    settled: ::metrics::Counter,
    failed: ::metrics::Counter,
}

impl Router {
    fn new(auction: Peer) -> Self {
        Self {
            auction,
            settled: metrics::counter("gix_router_jobs_settled_total", "Jobs that came back with a receipt."),
            failed: metrics::counter("gix_router_jobs_failed_total", "Jobs that came back with an error."),
        }
    }

    async fn route(&self, job: &Job) -> Result<Settlement, Status> {
        if job.job.is_empty() || job.job.len() > LONGEST_NAME {
            let length = job.job.len();
            return Err(Status::invalid_argument(format!(
                "\"job\" has {length} bytes, and 1 to {LONGEST_NAME} are allowed"
            )));
        }
        let mut auction = AuctionServiceClient::new(self.auction.connect().await?);
        let settlement = auction.settle(job.clone()).await.map_err(|status| self.auction.failure(status))?;
        Ok(settlement.into_inner())
    }
}

#[tonic::async_trait]
impl RouterService for Router {
    async fn submit(&self, request: Request<Job>) -> Result<Response<Settlement>, Status> {
        let job = request.into_inner();
        match self.route(&job).await {
            Ok(settlement) => {
                self.settled.increment(1);
                info!("settled: {settlement:?}");
                Ok(Response::new(settlement))
            }
            Err(status) => {
                self.failed.increment(1);
                warn!("not settled: {job:?}: {}", status.message());
                Err(status)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gix_proto::auction_service_server::{AuctionService, AuctionServiceServer};
    use gix_proto::{Ledger, ReadLedgerRequest};
    use tokio::net::TcpListener;
    use tonic::Code;

    /// An auction that settles a job at the price of its budget.
    struct Echo;

    #[tonic::async_trait]
    impl AuctionService for Echo {
        async fn settle(&self, request: Request<Job>) -> Result<Response<Settlement>, Status> {
            let Job { job, limit, budget } = request.into_inner();
            let paid = budget.ok_or_else(|| Status::failed_precondition("no budget"))?;
            Ok(Response::new(Settlement { job, limit, paid, ..Settlement::default() }))
        }

        async fn read_ledger(&self, _: Request<ReadLedgerRequest>) -> Result<Response<Ledger>, Status> {
            Err(Status::unimplemented("no ledger"))
        }
    }

    async fn router() -> Router {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let auction = Peer::new("auction", listener.local_addr().unwrap().to_string());
        tokio::spawn(service::serve(listener, AuctionServiceServer::new(Echo), std::future::pending()));
        Router::new(auction)
    }

    fn job(name: &str, budget: Option<u64>) -> Request<Job> {
        Request::new(Job { job: name.into(), limit: 10, budget })
    }

    #[tokio::test]
    async fn a_job_goes_to_the_auction_and_its_receipt_comes_back() {
        let receipt = router().await.submit(job("a", Some(7))).await.unwrap().into_inner();
        assert_eq!(receipt, Settlement { job: "a".into(), limit: 10, paid: 7, ..Settlement::default() });
    }

    #[tokio::test]
    async fn the_auctions_refusal_comes_back() {
        let status = router().await.submit(job("a", None)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "no budget"));
    }

    #[tokio::test]
    async fn a_bad_job_does_not_reach_the_auction() {
        let router = Router::new(Peer::new("auction", "no address at all".into()));
        for name in ["", &"x".repeat(LONGEST_NAME + 1)] {
            let status = router.submit(job(name, None)).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().contains("\"job\""), "{status}");
        }
    }

    #[tokio::test]
    async fn an_auction_that_is_down_is_named() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        let status = Router::new(Peer::new("auction", free.clone())).submit(job("a", None)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().contains(&format!("the auction at {free}")), "{status}");
    }
}
