//! GSEE: the enclave. Runs a job on port 50053 and answers with a result that anybody can check.

mod primes;

use std::process::ExitCode;

use gix_common::service::{self, StopSignal};
use gix_proto::execution_service_server::{ExecutionService, ExecutionServiceServer};
use gix_proto::{Job, Outcome};
use tonic::{Request, Response, Status};
use tracing::info;

const PORT: u16 = 50053;

fn main() -> ExitCode {
    service::run(serve)
}

async fn serve(stop: StopSignal) -> Result<(), String> {
    let listener = service::listen(PORT).await?;
    info!("ready on port {PORT}");
    service::serve(listener, ExecutionServiceServer::new(Enclave), stop.wait()).await
}

struct Enclave;

#[tonic::async_trait]
impl ExecutionService for Enclave {
    async fn execute(&self, request: Request<Job>) -> Result<Response<Outcome>, Status> {
        let Job { job, limit, .. } = request.into_inner();
        let outcome = tokio::task::spawn_blocking(move || primes::up_to(limit)).await;
        let outcome = outcome.map_err(|error| Status::internal(error.to_string()))?;
        let (count, sum) = outcome.map_err(Status::invalid_argument)?;
        info!("ran {job:?}: {count} primes up to {limit}");
        Ok(Response::new(Outcome { count, sum }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    async fn execute(limit: u64) -> Result<Outcome, Status> {
        let job = Job { job: "a".into(), limit, budget: None };
        Enclave.execute(Request::new(job)).await.map(Response::into_inner)
    }

    #[tokio::test]
    async fn a_job_is_answered_with_its_result() {
        assert_eq!(execute(100).await.unwrap(), Outcome { count: 25, sum: 1060 });
    }

    #[tokio::test]
    async fn a_job_that_asks_for_too_much_is_refused() {
        let status = execute(u64::MAX).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains("10000000"), "{status}");
    }
}
