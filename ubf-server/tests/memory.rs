//! What an idle connection costs in memory, with a session and without, and what a session costs
//! that has lost its connection. One test, because it counts for the whole process.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use peak_alloc::PeakAlloc;
use ubf_server::{Call, Handlers, Reply, Server, Service, Versions};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Chosen: below 1,024 descriptors, and enough that tables of the server which double do not
/// matter.
const COUNT: usize = 400;
/// Required: 2 KiB, and wanted 1.5. Measured: 1,676 bytes, of which some 300 are tokio's.
const MAX_CONNECTION: usize = 1_750;
/// Required: 2.5 KiB. Measured: 2,252 bytes.
const MAX_SESSION: usize = 2_350;
/// Required: 512 bytes. Measured: 491 to 498 bytes, and 640 where the service keeps a state: its
/// code and its turns.
const MAX_PARKED: usize = 512;

/// A connection of a client, which holds no memory but its descriptor.
struct Client(TcpStream);

impl Client {
    /// One that has negotiated with this option, has called once, and has nothing more to say.
    fn idle(address: SocketAddr, option: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let negotiate = format!("0 {{'negotiate'1 ?#1&#{{'agent'\"someone/1\"}}&{option}}}$");
        stream.write_all(negotiate.as_bytes()).unwrap();
        stream.write_all(b"1 'hello'$").unwrap();
        let mut client = Self(stream);
        client.read_until(b"1 ? {'hello''start'}$");
        client
    }

    /// One that has a session, and the server knows that it has read its answer.
    fn in_session(address: SocketAddr, number: usize) -> Self {
        let wish = format!("{{'session'16~{number:016}~1024 4194304 60000}}&");
        let mut client = Self::idle(address, &wish);
        client.0.write_all(b"0 {'seen'1 0}$0 'ping'$").unwrap();
        client.read_until(b"0 ? 'pong'$");
        client
    }

    fn read_until(&mut self, end: &[u8]) {
        let mut read = [0; 1024];
        let mut len = 0;
        while !read[..len].ends_with(end) {
            let count = self.0.read(&mut read[len..]).unwrap();
            assert!(count > 0, "closed after {}", read[..len].escape_ascii());
            len += count;
        }
    }

    /// The session goes on without the connection, which is gone when this returns.
    fn leave(mut self) {
        self.0.shutdown(Shutdown::Write).unwrap();
        assert_eq!(self.0.read(&mut [0; 64]).unwrap(), 0);
    }
}

/// The bytes that each of many takes.
fn bytes_each<T>(make: impl Fn(usize) -> T) -> usize {
    // Tables and queues grow to what they need for the first of them.
    let mut made = Vec::with_capacity(2 * COUNT);
    made.extend((0..COUNT / 2).map(&make));
    let before = MEMORY.current_usage();
    made.extend((COUNT..2 * COUNT).map(&make));
    MEMORY.current_usage().saturating_sub(before) / COUNT
}

#[test]
fn an_idle_connection_costs_two_kilobytes_and_a_session_little_more() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let echo = Handlers::new().on(Versions::of([1]), |call: Call<()>| async move {
        Reply::encoded([b"{", call.source(), b"'start'}$"].concat())
    });
    let server = Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, echo);
    let server = runtime.block_on(server.bind()).unwrap();
    let (address, handle) = (server.addresses()[0], server.handle());
    let serving = std::thread::spawn(move || runtime.block_on(server.run()));

    let connection = bytes_each(|_| Client::idle(address, ""));
    let session = bytes_each(|number| Client::in_session(address, number));
    let parked = bytes_each(|number| Client::in_session(address, number + 2 * COUNT).leave());
    let found =
        format!("{connection} bytes a connection, {session} with a session, {parked} parked");
    println!("{found}");

    handle.stop();
    assert!(serving.join().unwrap().is_clean());
    assert!(
        connection <= MAX_CONNECTION && session <= MAX_SESSION && parked <= MAX_PARKED,
        "{found}"
    );
}
