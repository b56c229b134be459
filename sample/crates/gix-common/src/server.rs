//! Listening: one thread per connection, one line per request, one or more lines per answer.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::log;
use crate::wire::Message;

/// How long a client may stay silent, or take to read an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest request, in bytes.
const LONGEST_LINE: u64 = 64 * 1024;

/// Opens a port on all addresses.
///
/// # Errors
/// A sentence that names the port.
pub fn listen(port: u16) -> Result<TcpListener, String> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).map_err(|error| format!("port {port} cannot be opened: {error}"))
}

/// Answers requests from now on, in threads of its own. What is no [`Message`] gets a failure as its answer.
pub fn serve(listener: TcpListener, answer: impl Fn(&Message) -> String + Send + Sync + 'static) {
    let answer = Arc::new(answer);
    accept(listener, move |stream| converse(&stream, answer.as_ref()));
}

/// Hands each connection to `handle` in a thread of its own, from now on.
pub(crate) fn accept(
    listener: TcpListener,
    handle: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + Sync + 'static,
) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let handle = handle.clone();
            let started = stream.and_then(|stream| {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                stream.set_nodelay(true)?;
                thread::Builder::new().spawn(move || {
                    if let Err(error) = handle(stream) {
                        log::debug(format_args!("a connection ended: {error}"));
                    }
                })
            });
            if let Err(error) = started {
                log::warn(format_args!("a connection was refused: {error}"));
                // Out of descriptors or threads: without a pause this loop would take a whole core.
                thread::sleep(Duration::from_millis(50));
            }
        }
    });
}

fn converse(stream: &TcpStream, answer: &dyn Fn(&Message) -> String) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.by_ref().take(LONGEST_LINE).read_line(&mut line)? == 0 {
            return Ok(());
        }
        if !line.ends_with('\n') && line.len() as u64 == LONGEST_LINE {
            let failure = Message::failure(&format!("a request has at most {LONGEST_LINE} bytes"));
            return send(stream, &failure.to_string());
        }
        match Message::parse(line.trim()) {
            Ok(request) => send(stream, &answer(&request))?,
            Err(error) => send(stream, &Message::failure(&error).to_string())?,
        }
    }
}

fn send(mut stream: &TcpStream, answer: &str) -> io::Result<()> {
    stream.write_all(format!("{answer}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer;

    fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        serve(listener, ToString::to_string);
        address
    }

    #[test]
    fn a_connection_carries_several_requests() {
        let mut stream = TcpStream::connect(echo()).unwrap();
        stream.write_all(b"{\"a\":1}\nnonsense\n{\"a\":2}\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        let answers: Vec<_> = answers.lines().collect();
        assert_eq!((answers[0], answers[2], answers.len()), ("{\"a\":1}", "{\"a\":2}", 3));
        assert!(!Message::parse(answers[1]).unwrap().is_ok());
    }

    #[test]
    fn a_probe_that_says_nothing_harms_nothing() {
        let address = echo();
        drop(TcpStream::connect(&address).unwrap());
        let request = Message::new().with("a", 1);
        assert_eq!(peer::ask("echo", &address, &request), Ok(request));
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut stream = TcpStream::connect(echo()).unwrap();
        let length = usize::try_from(LONGEST_LINE).unwrap();
        stream.write_all(&vec![b'x'; length]).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        assert!(answer.contains("at most 65536 bytes"), "{answer}");
    }
}
