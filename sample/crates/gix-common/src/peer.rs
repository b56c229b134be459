//! Asking another service.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::wire::Message;

/// How long a peer may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a peer may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Sends one request to `address` (`host:port`) and returns the answer, whether it is a failure or not.
///
/// # Errors
/// A sentence that names the peer and its address: it cannot be reached, is too slow, or says what is no message.
pub fn ask(peer: &str, address: &str, request: &Message) -> Result<Message, String> {
    let line = exchange(address, request).map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer in time".into(),
            _ => error.to_string(),
        };
        format!("the {peer} at {address} cannot be reached: {reason}")
    })?;
    Message::parse(line.trim()).map_err(|error| format!("the {peer} at {address} gave a bad answer: {error}"))
}

fn exchange(address: &str, request: &Message) -> io::Result<String> {
    let mut stream = connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    if line.ends_with('\n') {
        Ok(line)
    } else {
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up before it answered"))
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for candidate in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&candidate, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_peer_that_is_down_is_named() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let error = ask("auction", &free, &Message::new()).unwrap_err();
        assert!(error.starts_with(&format!("the auction at {free} cannot be reached")), "{error}");
    }

    #[test]
    fn a_peer_that_hangs_up_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || drop(listener.accept()));
        let error = ask("enclave", &address, &Message::new()).unwrap_err();
        assert!(error.starts_with(&format!("the enclave at {address} cannot be reached")), "{error}");
    }
}
