//! Counters, and the page that Prometheus reads them from.

use std::net::Ipv4Addr;

use metrics::Counter;
use metrics_exporter_prometheus::PrometheusBuilder;

/// Serves the counters for Prometheus on a port, from now on. Counters that were made before are not on the page.
///
/// # Errors
/// A sentence that names the port.
pub fn serve(port: u16) -> Result<(), String> {
    let builder = PrometheusBuilder::new().with_http_listener((Ipv4Addr::UNSPECIFIED, port));
    builder.install().map_err(|error| format!("port {port} cannot be opened for metrics: {error}"))
}

/// A counter at zero. The name follows Prometheus: `gix_router_jobs_settled_total`.
pub fn counter(name: &'static str, help: &'static str) -> Counter {
    metrics::describe_counter!(name, help);
    metrics::counter!(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn the_page_shows_what_was_counted() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        serve(port).unwrap();
        counter("jobs_total", "Jobs.").increment(2);
        let _ = counter("none_total", "None yet.");

        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();

        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("# HELP jobs_total Jobs.\n# TYPE jobs_total counter\njobs_total 2\n"), "{answer}");
        assert!(answer.contains("\nnone_total 0\n"), "{answer}");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let taken = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(serve(port).unwrap_err().starts_with(&format!("port {port} cannot be opened for metrics")));
    }
}
