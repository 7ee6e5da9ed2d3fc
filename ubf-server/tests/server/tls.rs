//! TLS: who is let in, as whom, and whom a slow handshake holds up.

use std::fs;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use ubf_codec::Host;
use ubf_net::Stream;
use ubf_net::testing::{Authority, within};
use ubf_net::tls::{ClientTls, ServerTls};
use ubf_server::{Call, Handlers, Reply, Server, ServerHandle, ServerLimits, Service};

/// An authority that has signed the server's certificate, and those of clients.
fn authority(name: &str, clients: &[&str]) -> Authority {
    let authority = Authority::new(name);
    authority.sign_host("server", "127.0.0.1");
    for client in clients {
        authority.sign_host(client, client);
    }
    authority
}

fn mutual(authority: &Authority) -> ServerTls {
    ServerTls::from_files(authority.mutual("server")).unwrap()
}

/// A service that says who asks.
async fn start(tls: ServerTls, limits: ServerLimits) -> (std::net::SocketAddr, ServerHandle) {
    let who = |call: Call<()>| async move {
        Reply::ok(call.peer().identity().map_or("nobody", |who| who.name()))
    };
    let server = Server::builder()
        .listen("127.0.0.1:0")
        .tls(tls)
        .limits(limits)
        .service(Service::DEFAULT, Handlers::new().on(1, who));
    let server = server.bind().await.unwrap();
    let (address, handle) = (server.addresses()[0], server.handle());
    tokio::spawn(server.run());
    (address, handle)
}

async fn connect(address: std::net::SocketAddr, tls: &ClientTls) -> Stream {
    let stream = TcpStream::connect(address).await.unwrap();
    tls.connect(&Host::V4([127, 0, 0, 1].into()), stream.into()).await.unwrap()
}

/// What comes up to a `$`.
async fn ask(stream: &mut Stream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&b'$') {
        seen.push(within(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(seen).unwrap()
}

#[tokio::test]
async fn services_see_who_asks_and_so_does_the_operator() {
    let files = authority("who", &["till-7.example"]);
    let (address, handle) = start(mutual(&files), ServerLimits::default()).await;
    let mut till = connect(address, &files.client_as("till-7.example")).await;
    assert_eq!(ask(&mut till, "1 'who'$").await, "1 ? {\"till-7.example\"'start'}$");
    let shown = handle.connections(0, 1)[0].peer.to_string();
    assert!(shown.starts_with("127.0.0.1:") && shown.ends_with(" till-7.example"), "{shown}");
    // Without a client's certificate, everybody is nobody.
    let (address, _) =
        start(ServerTls::from_files(files.server("server")).unwrap(), ServerLimits::default())
            .await;
    let mut till = connect(address, &files.client_as("till-7.example")).await;
    assert_eq!(ask(&mut till, "1 'who'$").await, "1 ? {\"nobody\"'start'}$");
}

#[tokio::test]
async fn s9_a_session_is_gone_on_with_by_nobody_but_its_owner() {
    let files = authority("owner", &["till-7.example", "till-8.example"]);
    let (address, _) = start(mutual(&files), ServerLimits::default()).await;
    let [owner, thief] = ["till-7.example", "till-8.example"].map(|name| files.client_as(name));
    let open = "0 {'negotiate'1?#1&#{'session'16~0123456789abcdef~8 1000 60000}&}$";
    let resume =
        |turn| format!("0 {{'negotiate'1?#1&#{{'resume'16~0123456789abcdef~0 0 {turn}}}&}}$");
    let mut first = connect(address, &owner).await;
    assert!(ask(&mut first, open).await.contains("'session'"));
    let mut stolen = connect(address, &thief).await;
    let answer = ask(&mut stolen, &resume(9)).await;
    assert!(answer.contains("{'no_session''unknown'}"), "{answer}");
    // Nor has that cost its owner anything: turn 2 is still above the one that is known.
    let mut second = connect(address, &owner).await;
    let answer = ask(&mut second, &resume(2)).await;
    assert!(answer.contains("{'resumed'0 0}"), "{answer}");
}

#[tokio::test]
async fn l1_a_slow_handshake_ends_in_time_and_the_next_one_is_served() {
    let files = authority("slow", &["till-7.example"]);
    let mut limits = ServerLimits::default();
    limits.max_handshake_time = Duration::from_millis(50);
    let (address, handle) = start(mutual(&files), limits).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(within(silent.read(&mut [0])).await.unwrap(), 0);
    // Neither is who says nothing of TLS, or begins and does not go on.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"1 'who'$").await.unwrap();
    let mut rest = Vec::new();
    let _is_reset = within(plain.read_to_end(&mut rest)).await.is_err();
    assert_ne!(rest.first(), Some(&b'1'), "a request in plain text has an answer");
    let mut begun = TcpStream::connect(address).await.unwrap();
    begun.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
    assert_eq!(within(begun.read(&mut [0])).await.unwrap(), 0);
    assert_eq!(handle.status().counts.handshakes_failed, 3);
    assert_eq!(handle.status().counts.connections, 0);
    let mut till = connect(address, &files.client_as("till-7.example")).await;
    assert_eq!(ask(&mut till, "1 'who'$").await, "1 ? {\"till-7.example\"'start'}$");
}

#[tokio::test]
async fn l1_handshakes_under_way_are_bounded_in_all_and_by_address() {
    let files = authority("flood", &["till-7.example"]);
    for (max, max_of_one) in [(2, 100), (100, 2)] {
        let mut limits = ServerLimits::default();
        (limits.max_handshakes, limits.max_handshakes_per_address) = (max, max_of_one);
        let (address, handle) = start(mutual(&files), limits).await;
        let first = TcpStream::connect(address).await.unwrap();
        let _second = TcpStream::connect(address).await.unwrap();
        let mut third = TcpStream::connect(address).await.unwrap();
        assert_eq!(within(third.read(&mut [0])).await.unwrap(), 0);
        assert_eq!(handle.status().counts.handshakes_refused, 1);
        // A place that is given back is one for the next.
        drop(first);
        let failed = async {
            while handle.status().counts.handshakes_failed == 0 {
                tokio::task::yield_now().await;
            }
        };
        within(failed).await;
        let mut till = connect(address, &files.client_as("till-7.example")).await;
        assert_eq!(ask(&mut till, "1 'who'$").await, "1 ? {\"till-7.example\"'start'}$");
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_who_comes_and_who_is_there_stays() {
    let files = authority("reload", &["till-7.example"]);
    let tls = mutual(&files);
    let (address, _) = start(tls.clone(), ServerLimits::default()).await;
    let mut before = connect(address, &files.client_as("till-7.example")).await;
    assert!(ask(&mut before, "1 'who'$").await.starts_with("1 ? {"));
    // Another authority has signed all of it.
    let new = authority("reload-new", &["till-7.example"]);
    for file in ["ca.pem", "server.pem", "server.key"] {
        fs::copy(new.file(file), files.file(file)).unwrap();
    }
    tls.reload().unwrap();
    let mut after = connect(address, &new.client_as("till-7.example")).await;
    assert!(ask(&mut after, "1 'who'$").await.starts_with("1 ? {"));
    assert!(ask(&mut before, "1 'who'$").await.starts_with("1 ? {"));
}
