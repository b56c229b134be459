//! What happens to a job: matched, run, settled.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ::metrics::Counter;
use gix_common::metrics;
use gix_common::peer::Peer;
use gix_proto::auction_service_server::AuctionService;
use gix_proto::execution_service_client::ExecutionServiceClient;
use gix_proto::{Job, Outcome, ReadLedgerRequest, Settlement};
use tonic::{Request, Response, Status};
use tracing::{debug, info, warn};

use crate::ledger::{Ledger, IN_MEMORY};
use crate::market::{Market, Match};

/// How much of a limit is one unit of work.
const UNIT: u64 = 100_000;

/// Settles jobs. Locks are held for matching and for writing, not while a job runs.
pub struct Auction {
    market: Mutex<Market>,
    ledger: Arc<Mutex<Ledger>>,
    enclave: Peer,
    settled: Counter,
    failed: Counter,
}

impl Auction {
    pub fn new(ledger: Ledger, enclave: Peer) -> Self {
        Self {
            market: Mutex::new(Market::new()),
            ledger: Arc::new(Mutex::new(ledger)),
            enclave,
            settled: metrics::counter("gix_auction_jobs_settled_total", "Jobs that are in the ledger."),
            failed: metrics::counter("gix_auction_jobs_failed_total", "Jobs that were not matched, run or settled."),
        }
    }

    /// Waits for a settlement that is being written, lets no other one begin, and returns how many there are.
    pub fn close(&self) -> u64 {
        let ledger = guard(&self.ledger);
        let settlements = ledger.totals().settlements;
        // The lock is never released, so that nothing is written between this count and the end of the process.
        std::mem::forget(ledger);
        settlements
    }

    async fn settle(&self, job: &Job) -> Result<Settlement, Status> {
        let units = job.limit.div_ceil(UNIT).max(1);
        let reservation = Reservation::new(&self.market, units, job.budget.unwrap_or(u64::MAX))?;
        let matched = &reservation.matched;
        debug!("{:?} goes to {} for {}", job.job, matched.provider, matched.cost());
        let outcome = self.run(job).await?;
        let settlement = Settlement {
            job: job.job.clone(),
            provider: matched.provider.into(),
            units: matched.units,
            paid: matched.cost(),
            limit: job.limit,
            count: outcome.count,
            sum: outcome.sum,
            time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            seq: 0,
        };
        drop(reservation);
        // A write waits for the disk. It is finished even when the client does not wait for it.
        let ledger = Arc::clone(&self.ledger);
        let written = tokio::task::spawn_blocking(move || guard(&ledger).append(settlement)).await;
        written.map_err(|error| Status::internal(error.to_string()))?.map_err(Status::internal)
    }

    async fn run(&self, job: &Job) -> Result<Outcome, Status> {
        let mut enclave = ExecutionServiceClient::new(self.enclave.connect().await?);
        let outcome = enclave.execute(job.clone()).await.map_err(|status| {
            let status = self.enclave.failure(status);
            Status::new(status.code(), format!("the enclave did not run {:?}: {}", job.job, status.message()))
        })?;
        Ok(outcome.into_inner())
    }
}

#[tonic::async_trait]
impl AuctionService for Auction {
    async fn settle(&self, request: Request<Job>) -> Result<Response<Settlement>, Status> {
        let job = request.into_inner();
        match Auction::settle(self, &job).await {
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

    async fn read_ledger(&self, request: Request<ReadLedgerRequest>) -> Result<Response<gix_proto::Ledger>, Status> {
        let count = usize::try_from(request.into_inner().last).unwrap_or(IN_MEMORY);
        let ledger = guard(&self.ledger);
        let totals = ledger.totals();
        Ok(Response::new(gix_proto::Ledger {
            settlements: totals.settlements,
            units: totals.units,
            paid: totals.paid,
            last: ledger.last(count).cloned().collect(),
        }))
    }
}

/// A provider's room for a job, released when it is dropped: also when the client hangs up while the job runs.
struct Reservation<'a> {
    market: &'a Mutex<Market>,
    matched: Match,
}

impl<'a> Reservation<'a> {
    fn new(market: &'a Mutex<Market>, units: u64, budget: u64) -> Result<Self, Status> {
        let matched = guard(market).take(units, budget)?;
        Ok(Self { market, matched })
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        guard(self.market).release(&self.matched);
    }
}

/// The lock, also after a thread panicked while it held it: both market and ledger change in one step at the end.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gix_common::service;
    use gix_proto::execution_service_server::{ExecutionService, ExecutionServiceServer};
    use std::path::PathBuf;
    use std::time::Duration;
    use tokio::net::TcpListener;
    use tonic::Code;

    struct Scene {
        auction: Auction,
        folder: PathBuf,
    }

    impl Scene {
        fn new(test: &str, enclave: Peer) -> Self {
            let folder = std::env::temp_dir().join(format!("gcam-auction-{}-{test}", std::process::id()));
            let _ = std::fs::remove_dir_all(&folder);
            Self { auction: Auction::new(Ledger::open(&folder).unwrap(), enclave), folder }
        }

        async fn settle(&self, job: &str, limit: u64) -> Result<Settlement, Status> {
            let job = Job { job: job.into(), limit, budget: None };
            AuctionService::settle(&self.auction, Request::new(job)).await.map(Response::into_inner)
        }

        async fn ledger(&self, last: u32) -> gix_proto::Ledger {
            self.auction.read_ledger(Request::new(ReadLedgerRequest { last })).await.unwrap().into_inner()
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    /// An enclave that gives the same answer to every job, or none at all.
    struct Stub(Option<Result<Outcome, Status>>);

    #[tonic::async_trait]
    impl ExecutionService for Stub {
        async fn execute(&self, _: Request<Job>) -> Result<Response<Outcome>, Status> {
            match self.0.clone() {
                Some(answer) => answer.map(Response::new),
                None => std::future::pending().await,
            }
        }
    }

    async fn enclave(stub: Stub) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(service::serve(listener, ExecutionServiceServer::new(stub), std::future::pending()));
        Peer::new("enclave", address)
    }

    async fn working_enclave() -> Peer {
        enclave(Stub(Some(Ok(Outcome { count: 4, sum: 17 })))).await
    }

    #[tokio::test]
    async fn a_job_that_ran_is_in_the_ledger_before_the_receipt_is_given() {
        let scene = Scene::new("ran", working_enclave().await);
        let receipt = scene.settle("a", 10).await.unwrap();
        assert_eq!((receipt.provider.as_str(), receipt.paid), ("alder", 3));
        assert_eq!((receipt.seq, receipt.sum), (1, 17));
        let line = std::fs::read_to_string(scene.folder.join("ledger.jsonl")).unwrap();
        assert_eq!(serde_json::from_str::<Settlement>(&line).unwrap(), receipt);
    }

    #[tokio::test]
    async fn a_job_is_priced_by_its_size() {
        let scene = Scene::new("priced", working_enclave().await);
        for (limit, provider, paid) in [(0, "alder", 3), (800_000, "alder", 24), (800_001, "birch", 45)] {
            let receipt = scene.settle("a", limit).await.unwrap();
            assert_eq!((receipt.provider.as_str(), receipt.paid), (provider, paid));
        }
        let status = scene.settle("a", u64::MAX).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("no provider has room"), "{status}");
    }

    #[tokio::test]
    async fn a_job_that_did_not_run_leaves_no_line_and_takes_no_room() {
        let down = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        for (enclave, code, reason) in [
            (Peer::new("enclave", down.clone()), Code::Unavailable, format!("the enclave at {down}")),
            (
                enclave(Stub(Some(Err(Status::invalid_argument("too hot"))))).await,
                Code::InvalidArgument,
                "the enclave did not run \"a\": too hot".into(),
            ),
        ] {
            let scene = Scene::new("not-run", enclave);
            for _ in 0..9 {
                let status = scene.settle("a", 800_000).await.unwrap_err();
                assert_eq!(status.code(), code);
                assert!(status.message().contains(&reason), "{status}");
            }
            assert_eq!(scene.ledger(9).await, gix_proto::Ledger::default());
        }
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_takes_no_room() {
        let scene = Scene::new("hung-up", enclave(Stub(None)).await);
        for _ in 0..9 {
            let settling = tokio::time::timeout(Duration::from_millis(20), scene.settle("a", 800_000));
            assert!(settling.await.is_err(), "the enclave answered");
        }
        let matched = guard(&scene.auction.market).take(8, u64::MAX).unwrap();
        assert_eq!(matched.provider, "alder");
    }

    #[tokio::test]
    async fn the_ledger_is_shown_with_its_totals_and_its_last_settlements() {
        let scene = Scene::new("shown", working_enclave().await);
        let mut receipts = Vec::new();
        for job in ["a", "b", "c"] {
            receipts.push(scene.settle(job, 10).await.unwrap());
        }
        let ledger = scene.ledger(2).await;
        assert_eq!((ledger.settlements, ledger.units, ledger.paid), (3, 3, 9));
        assert_eq!(ledger.last, receipts[1..]);
    }
}
