//! What an idle connection costs in memory. One test, because it counts for the whole process.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use peak_alloc::PeakAlloc;
use ubf_server::{Call, Handlers, Reply, Server, Service, Versions};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Chosen: below 1,024 descriptors, and enough that tables of the server which double do not
/// matter.
const CONNECTIONS: usize = 400;
/// Required: about 2 KiB. Measured: 2,148 bytes, of which some 400 are tokio's.
const MAX_BYTES: usize = 2_200;

/// A client that has negotiated, has called once, and has nothing more to say. It holds no memory
/// but its descriptor.
fn idle_client(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"0 {'negotiate'1 ?#1&#{'agent'\"someone/1\"}&}$1 'hello'$").unwrap();
    let mut reply = [0; 1024];
    let mut len = 0;
    while !reply[..len].ends_with(b"1 ? {'hello''start'}$") {
        let count = stream.read(&mut reply[len..]).unwrap();
        assert!(count > 0, "closed after {}", reply[..len].escape_ascii());
        len += count;
    }
    stream
}

#[test]
fn an_idle_connection_costs_about_two_kilobytes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let echo = Handlers::new().on(Versions::of([1]), |call: Call<()>| async move {
        Reply::encoded([b"{", call.source(), b"'start'}$"].concat())
    });
    let server = Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, echo);
    let server = runtime.block_on(server.bind()).unwrap();
    let (address, handle) = (server.addresses()[0], server.handle());
    let serving = std::thread::spawn(move || runtime.block_on(server.run()));

    // Tables and queues grow to what they need for the first of them.
    let mut clients = Vec::with_capacity(2 * CONNECTIONS);
    clients.extend((0..CONNECTIONS / 2).map(|_| idle_client(address)));
    let before = MEMORY.current_usage();
    clients.extend((0..CONNECTIONS).map(|_| idle_client(address)));
    let bytes = MEMORY.current_usage().saturating_sub(before) / CONNECTIONS;

    drop(clients);
    handle.stop();
    assert!(serving.join().unwrap().is_clean());
    assert!(bytes <= MAX_BYTES, "{bytes} bytes an idle connection");
}
