//! A server that does the least for an attack to begin, and has a weakness.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// What is wrong with a server. By default it does nothing against whatever it is sent.
pub(crate) trait Weakness: Send + Sync + 'static {
    /// A connection is there.
    fn meets(&self, _stream: &TcpStream) {}

    /// It is about to read what a client has sent.
    fn hears(&self, _is_attack: bool) {}

    /// What it says to an attack; `None` closes the connection.
    fn answers(&self) -> Option<&'static [u8]> {
        Some(b"")
    }
}

/// Starts a server that agrees with whoever negotiates, and answers one request at a time. It ends
/// with the test's process.
pub(crate) fn stooge(weakness: impl Weakness) -> SocketAddr {
    let weakness = Arc::new(weakness);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, weakness) = (stream.unwrap(), Arc::clone(&weakness));
            weakness.meets(&stream);
            drop(std::thread::spawn(move || serve(stream, &*weakness)));
        }
    }));
    address
}

fn serve(mut stream: TcpStream, weakness: &impl Weakness) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        let heard = String::from_utf8_lossy(&bytes[..count]);
        let known: Option<&[u8]> = match &*heard {
            "0 {'negotiate'1?#2147483646&#}$" => Some(b"0 ? {'no_common_version'1?#1&}$"),
            "0 {'negotiate'1?#1&#}$" => Some(b"1 ? {'agreed'1?#1&#}$"),
            "1 'ubf_attack'$" => Some(b"1 ? 'ok'$"),
            _ => None,
        };
        weakness.hears(known.is_none());
        let Some(said) = known.or_else(|| weakness.answers()) else { break };
        if stream.write_all(said).is_err() {
            break;
        }
    }
}
