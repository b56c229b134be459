//! Counters, and the page that Prometheus reads them from.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::server;

/// A number that only grows.
pub struct Counter {
    name: &'static str,
    help: &'static str,
    count: AtomicU64,
}

impl Counter {
    /// A counter at zero. The name is Prometheus' (`gix_router_jobs_total`).
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, count: AtomicU64::new(0) }
    }

    /// Adds one.
    pub fn count(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Answers every HTTP request on `listener` with these counters, in threads of its own.
pub fn serve(listener: TcpListener, counters: &'static [&'static Counter]) {
    server::accept(listener, move |stream| {
        // A client that is hung up on before all it sent is read sees a reset, not the page.
        for line in BufReader::new((&stream).take(64 * 1024)).lines() {
            if line?.is_empty() {
                break;
            }
        }
        let page = page(counters);
        let length = page.len();
        (&stream).write_all(
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            )
            .as_bytes(),
        )
    });
}

fn page(counters: &[&Counter]) -> String {
    let mut page = String::new();
    for Counter { name, help, count } in counters {
        let count = count.load(Ordering::Relaxed);
        let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {count}");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn the_page_shows_what_was_counted() {
        static JOBS: Counter = Counter::new("jobs_total", "Jobs.");
        static COUNTERS: &[&Counter] = &[&JOBS];
        JOBS.count();
        JOBS.count();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        serve(listener, COUNTERS);
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("# TYPE jobs_total counter\njobs_total 2\n"), "{answer}");
    }
}
