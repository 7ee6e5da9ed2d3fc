//! TLS: who is let in, as whom, and whom a slow handshake holds up.

use std::fs;
use std::time::Duration;

use rcgen::{DnType, SanType, date_time_ymd};
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

/// Whether the server lets in a client with this certificate.
async fn is_let_in(address: std::net::SocketAddr, tls: &ClientTls) -> bool {
    let stream = TcpStream::connect(address).await.unwrap();
    let host = Host::V4([127, 0, 0, 1].into());
    let Ok(mut stream) = within(tls.connect(&host, stream.into())).await else { return false };
    // In TLS 1.3 a client hears later that it is not trusted.
    let _is_sent = stream.write_all(b"1 'who'$").await.is_ok();
    matches!(within(stream.read(&mut [0])).await, Ok(1))
}

#[tokio::test]
async fn a_certificate_that_is_over_or_of_somebody_else_lets_nobody_in() {
    let files = authority("wrong", &["till-7.example"]);
    let name = || vec![SanType::DnsName("till-7.example".try_into().unwrap())];
    files.sign("over", name(), |params| params.not_after = date_time_ymd(2020, 1, 1));
    files.sign("early", name(), |params| params.not_before = date_time_ymd(2999, 1, 1));
    let other = authority("wrong-other", &["till-7.example"]);
    let [certificate, key] = ["till-7.example.pem", "till-7.example.key"].map(|at| other.file(at));
    let stranger = files.client().showing(certificate, key).unwrap();
    let (address, handle) = start(mutual(&files), ServerLimits::default()).await;
    for tls in [files.client_as("over"), files.client_as("early"), stranger, files.client()] {
        assert!(!is_let_in(address, &tls).await);
    }
    assert!(is_let_in(address, &files.client_as("till-7.example")).await);
    assert_eq!(handle.status().counts.handshakes_failed, 4);
    assert_eq!(handle.status().counts.connections, 1);
}

#[tokio::test]
async fn s9_nobody_is_who_the_certificate_does_not_say() {
    let files = authority("spoof", &["till-7.example"]);
    // What a client says of itself counts for nothing: neither its common name, which no authority
    // looks at, nor its agent.
    let other = vec![SanType::DnsName("till-8.example".try_into().unwrap())];
    files.sign("named", other, |params| {
        params.distinguished_name.push(DnType::CommonName, "till-7.example");
    });
    files.sign("bare", Vec::new(), |params| {
        params.distinguished_name.push(DnType::CommonName, "till-7.example");
    });
    let (address, _) = start(mutual(&files), ServerLimits::default()).await;
    let mut named = connect(address, &files.client_as("named")).await;
    let negotiate = "0 {'negotiate'1?#1&#{'agent'\"till-7.example\"}&}$";
    assert!(ask(&mut named, negotiate).await.starts_with("1 ? {'agreed'"));
    assert_eq!(ask(&mut named, "1 'who'$").await, "1 ? {\"till-8.example\"'start'}$");
    let mut bare = connect(address, &files.client_as("bare")).await;
    assert!(ask(&mut bare, "1 'who'$").await.starts_with("1 ? {\"sha256:"));
}

#[tokio::test]
async fn l1_a_flood_of_handshakes_holds_up_nobody_who_is_served() {
    let files = authority("herd", &["till-7.example"]);
    let mut limits = ServerLimits::default();
    limits.max_handshakes_per_address = 32;
    let (address, handle) = start(mutual(&files), limits).await;
    let till = files.client_as("till-7.example");
    let mut served = connect(address, &till).await;
    let mut flood = Vec::new();
    for _ in 0..200 {
        let mut begun = TcpStream::connect(address).await.unwrap();
        // A hello that goes on and on.
        let _is_sent = begun.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC]).await.is_ok();
        flood.push(begun);
        assert_eq!(ask(&mut served, "1 'who'$").await, "1 ? {\"till-7.example\"'start'}$");
    }
    let refused = async {
        while handle.status().counts.handshakes_refused < 168 {
            tokio::task::yield_now().await;
        }
    };
    within(refused).await;
    // The places of those who are gone are free.
    drop(flood);
    let gone = async {
        while handle.status().counts.handshakes_failed < 32 {
            tokio::task::yield_now().await;
        }
    };
    within(gone).await;
    assert!(is_let_in(address, &till).await);
}

#[tokio::test]
async fn nobody_negotiates_tls_again_on_a_connection() {
    let files = authority("again", &["till-7.example"]);
    let (address, handle) = start(mutual(&files), ServerLimits::default()).await;
    let stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut below = TcpStream::from_std(stream.try_clone().unwrap()).unwrap();
    let mut below_tls = TcpStream::from_std(stream).unwrap();
    // A relay that can put in bytes of its own.
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    let relay = tokio::spawn(async move {
        let _is_over = tokio::io::copy_bidirectional(&mut theirs, &mut below_tls).await.is_ok();
    });
    let till = files.client_as("till-7.example");
    let host = Host::V4([127, 0, 0, 1].into());
    let mut served = within(till.connect(&host, Stream::own(ours))).await.unwrap();
    assert_eq!(ask(&mut served, "1 'who'$").await, "1 ? {\"till-7.example\"'start'}$");
    below.write_all(&[0x16, 3, 3, 0, 4, 1, 0, 0, 0]).await.unwrap();
    let mut rest = Vec::new();
    let _is_reset = within(served.read_to_end(&mut rest)).await.is_err();
    assert!(rest.is_empty());
    let lost = async {
        while handle.status().connections > 0 {
            tokio::task::yield_now().await;
        }
    };
    within(lost).await;
    relay.abort();
}
