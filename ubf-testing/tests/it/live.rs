//! What `ubf-conformance` sees from outside of the server and of the client.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::any::Any;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use ubf_client::Client;
use ubf_conformance::live::{self, Guest, Target};
use ubf_conformance::report::Verdict;
use ubf_conformance::selection::Selection;
use ubf_server::{Call, Handlers, Reply, Server, Service, Versions};

const PATIENCE: Duration = Duration::from_secs(30);

fn target(address: SocketAddr) -> Target {
    Target { address, service: None, request: Some("{'x'1}".to_owned()), timeout: PATIENCE }
}

#[test]
fn the_server_conforms_as_far_as_can_be_seen() {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(async {
        let echo = Handlers::new().on(Versions::of([3, 10]), |call: Call<()>| {
            let request = call.term().to_term();
            async move { Reply::new(request, "start") }
        });
        let server = Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, echo);
        server.bind().await.unwrap()
    });
    let address = server.addresses().first().copied().unwrap();
    drop(runtime.spawn(server.run()));
    let report = live::server(&target(address), &Selection::default());
    assert!(report.passed(&[]), "{report}");
    let unseen = report.checks.iter().find(|check| check.verdict == Verdict::Unsupported);
    assert!(unseen.is_none(), "{report}");
    assert!(report.checks.len() > 20, "{report}");
}

#[test]
fn the_client_conforms_as_far_as_can_be_seen() {
    // A client lives as long as its runtime.
    let mut start = |address: SocketAddr| -> Result<Box<dyn Any>, String> {
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        let client = Client::builder().address(address.to_string()).versions([3, 10]);
        let connecting = runtime.spawn(client.connect());
        drop(runtime.spawn(async move {
            let _client = connecting.await;
            std::future::pending::<()>().await;
        }));
        Ok(Box::new(runtime))
    };
    let name = "ubf-client".to_owned();
    let mut guest = Guest { name, start: &mut start, timeout: PATIENCE };
    let report = live::client(&mut guest, &Selection::default());
    assert!(report.passed(&[]), "{report}");
    assert!(report.checks.len() > 10, "{report}");
}

/// Says the same to everyone, and closes.
fn parrot(words: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(thread::spawn(move || {
        for mut stream in listener.incoming().take(100).flatten() {
            drop(stream.write_all(words.as_bytes()));
        }
    }));
    address
}

#[test]
fn a_server_that_breaks_the_rules_is_found_out() {
    for words in ["", "HTTP/1.1 400 Bad Request\r\n", "0 ? 'pong'$", "3 ? {'agreed'1?#3&#}$"] {
        let report = live::server(&target(parrot(words)), &Selection::default());
        assert!(!report.passed(&[]), "{words}: {report}");
        assert_eq!(report.counts().passed, 0, "{words}: {report}");
    }
    // One that says which versions it has, and then nothing more.
    let report =
        live::server(&target(parrot("0 ? {'no_common_version'1?#3&#}$")), &Selection::default());
    assert!(!report.passed(&[]) && report.counts().failed > 15, "{report}");
}

#[test]
fn a_client_that_breaks_the_rules_is_found_out() {
    let mut start = |address: SocketAddr| -> Result<Box<dyn Any>, String> {
        let mut stream =
            std::net::TcpStream::connect(address).map_err(|error| error.to_string())?;
        stream.write_all(b"3 'a'$").map_err(|error| error.to_string())?;
        Ok(Box::new(stream))
    };
    let name = "one that does not negotiate".to_owned();
    let mut guest = Guest { name, start: &mut start, timeout: PATIENCE };
    let report = live::client(&mut guest, &Selection::default());
    assert_eq!(report.counts().failed, report.checks.len(), "{report}");
}
