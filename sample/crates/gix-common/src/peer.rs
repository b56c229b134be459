//! Calls to another service.

use std::error::Error;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tonic::Status;

/// How long a peer may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a peer may take to answer. Behind an edge, a call waits while the container of the peer is replaced.
const ANSWER: Duration = Duration::from_secs(30);

/// Another service: its name, for messages, and its address (`host:port`).
#[derive(Clone, Debug)]
pub struct Peer {
    name: &'static str,
    address: String,
}

impl Peer {
    /// The peer at an address. Nothing is connected yet.
    #[must_use]
    pub fn new(name: &'static str, address: String) -> Self {
        Self { name, address }
    }

    /// The peer's address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A new connection for one call, so that a peer that has restarted elsewhere is found at its new address.
    ///
    /// # Errors
    /// `Unavailable`, with the peer's name, its address and the reason.
    pub async fn connect(&self) -> Result<Channel, Status> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address));
        let endpoint = endpoint.map_err(|error| self.unavailable(&error))?;
        endpoint.connect_timeout(CONNECT).timeout(ANSWER).connect().await.map_err(|error| self.unavailable(&error))
    }

    /// The status of a call that failed: the peer's own, or `Unavailable` where the peer did not give one.
    #[must_use]
    pub fn failure(&self, status: Status) -> Status {
        match status.source() {
            Some(error) => self.unavailable(error),
            None => status,
        }
    }

    fn unavailable(&self, mut error: &dyn Error) -> Status {
        while let Some(source) = error.source() {
            error = source;
        }
        Status::unavailable(format!("the {} at {} cannot be reached: {error}", self.name, self.address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gix_proto::execution_service_client::ExecutionServiceClient;
    use gix_proto::Job;
    use std::net::TcpListener;
    use tonic::Code;

    async fn execute(peer: &Peer) -> Result<(), Status> {
        let mut client = ExecutionServiceClient::new(peer.connect().await?);
        client.execute(Job::default()).await.map(|_| ()).map_err(|status| peer.failure(status))
    }

    #[tokio::test]
    async fn a_peer_that_is_down_is_named_with_the_reason() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let status = execute(&Peer::new("enclave", free.clone())).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().starts_with(&format!("the enclave at {free} cannot be reached")), "{status}");
        assert!(status.message().contains("Connection refused"), "{status}");
    }

    #[tokio::test]
    async fn a_peer_that_hangs_up_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || drop(listener.accept()));
        let status = execute(&Peer::new("enclave", address.clone())).await.unwrap_err();
        assert!(status.message().starts_with(&format!("the enclave at {address} cannot be reached")), "{status}");
    }

    #[tokio::test]
    async fn an_address_that_is_not_valid_is_named() {
        let status = execute(&Peer::new("enclave", "no address".into())).await.unwrap_err();
        assert!(status.message().starts_with("the enclave at no address cannot be reached"), "{status}");
    }

    #[test]
    fn the_peers_own_status_is_passed_on() {
        let status = Peer::new("enclave", "e:1".into()).failure(Status::invalid_argument("too large"));
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "too large"));
    }
}
