//! A service's life: start, serve gRPC, end on a signal.

use std::convert::Infallible;
use std::future::Future;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{signal, Signal, SignalKind};
use tokio::sync::oneshot;
use tonic::body::BoxBody;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::Service;
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::Server;

use crate::log;

/// How long requests may go on after a signal. Docker kills a container 10 seconds after the signal by default.
const GRACE: Duration = Duration::from_secs(8);

/// SIGINT and SIGTERM. They are caught from the service's start on: process 1 ignores a signal that it does not handle.
#[derive(Debug)]
pub struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignal {
    fn catch() -> Result<Self, String> {
        let caught = |kind| signal(kind).map_err(|error| format!("signals cannot be handled: {error}"));
        Ok(Self { interrupt: caught(SignalKind::interrupt())?, terminate: caught(SignalKind::terminate())? })
    }

    /// Waits for one of the two, and logs its name.
    pub async fn wait(mut self) {
        let name = tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        };
        tracing::info!("{name} received, ends");
    }
}

/// Runs a service until it ends. An error is logged, and the exit code is 1 then.
pub fn run<F: Future<Output = Result<(), String>>>(service: impl FnOnce(StopSignal) -> F) -> ExitCode {
    log::init();
    let run = || {
        let runtime = Runtime::new().map_err(|error| format!("the runtime cannot be started: {error}"))?;
        let ended = runtime.block_on(async { service(StopSignal::catch()?).await });
        // Work whose client is gone is not waited for.
        runtime.shutdown_background();
        ended
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Opens a port on all addresses.
///
/// # Errors
/// A sentence that names the port.
pub async fn listen(port: u16) -> Result<TcpListener, String> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await;
    listener.map_err(|error| format!("port {port} cannot be opened: {error}"))
}

/// Serves a gRPC service, with its health and reflection, until `stop` is over. Requests have 8 seconds to end after that.
///
/// # Errors
/// A sentence with the reason why it cannot be served.
pub async fn serve<S>(listener: TcpListener, service: S, stop: impl Future<Output = ()>) -> Result<(), String>
where
    S: Service<Request<BoxBody>, Response = Response<BoxBody>, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    let failed = |error: &dyn std::error::Error| format!("{} cannot be served: {error}", S::NAME);
    let (mut reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<S>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(gix_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (stopping, stopped) = oneshot::channel();
    let server = Server::builder()
        .add_service(health)
        .add_service(reflection().build_v1().map_err(|error| failed(&error))?)
        // Python's client knows this version alone.
        .add_service(reflection().build_v1alpha().map_err(|error| failed(&error))?)
        .add_service(service)
        .serve_with_incoming_shutdown(
            TcpIncoming::from_listener(listener, true, None).map_err(|error| failed(error.as_ref()))?,
            async {
                stop.await;
                let _ = stopping.send(());
            },
        );
    tokio::select! {
        ended = server => ended.map_err(|error| failed(&error)),
        () = async { let _ = stopped.await; tokio::time::sleep(GRACE).await } => {
            tracing::warn!("closes connections that are in use after {} seconds", GRACE.as_secs());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Peer;
    use gix_proto::execution_service_server::{ExecutionService, ExecutionServiceServer};
    use gix_proto::{Job, Outcome};
    use tokio::net::TcpStream;
    use tonic::Status;
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::health_client::HealthClient;
    use tonic_health::pb::HealthCheckRequest;

    struct Nothing;

    #[tonic::async_trait]
    impl ExecutionService for Nothing {
        async fn execute(&self, _: tonic::Request<Job>) -> Result<tonic::Response<Outcome>, Status> {
            Err(Status::unimplemented("nothing"))
        }
    }

    #[tokio::test]
    async fn health_is_reported_for_the_service_and_for_the_whole_server() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Peer::new("enclave", listener.local_addr().unwrap().to_string());
        tokio::spawn(serve(listener, ExecutionServiceServer::new(Nothing), std::future::pending()));
        let mut client = HealthClient::new(peer.connect().await.unwrap());
        for service in ["", "gix.v1.ExecutionService"] {
            let health = client.check(HealthCheckRequest { service: service.into() }).await.unwrap();
            assert_eq!(health.into_inner().status(), ServingStatus::Serving);
        }
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_does_not_keep_the_service_from_ending() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stop = tokio::time::sleep(Duration::from_millis(50));
        let served = serve(listener, ExecutionServiceServer::new(Nothing), stop);
        assert_eq!(tokio::time::timeout(GRACE * 2, served).await, Ok(Ok(())));
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let taken = listen(0).await.unwrap().local_addr().unwrap().port();
        let _taken = TcpListener::bind(("0.0.0.0", taken)).await.unwrap();
        assert!(listen(taken).await.unwrap_err().starts_with(&format!("port {taken} cannot be opened")));
    }
}
