use std::fs;
use std::time::Duration;

use rcgen::{ExtendedKeyUsagePurpose, SanType, date_time_ymd};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use ubf_codec::Host;

use super::*;
use crate::dial_error::{DialError, DialErrorKind};
use crate::identity::Identity;
use crate::stream::Stream;
use crate::testing::Authority;

fn server_of(authority: &Authority, name: &str) -> ServerTls {
    ServerTls::from_files(authority.server(name)).unwrap()
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

type Accepted = io::Result<(Stream, Option<Identity>)>;

/// Both ends after the handshake.
async fn meet(
    server: &ServerTls,
    client: &ClientTls,
    name: &str,
) -> (Accepted, Result<Stream, DialError>) {
    let (ours, theirs) = duplex(1 << 16);
    let host: Host = format!("{name}:1").parse::<ubf_codec::Address>().unwrap().host;
    let connected = client.connect(&host, Stream::own(theirs));
    tokio::join!(server.accept(Stream::own(ours)), connected)
}

/// Why the client does not trust the server.
async fn refusal(server: &ServerTls, client: &ClientTls, name: &str) -> String {
    let (accepted, connected) = meet(server, client, name).await;
    assert!(accepted.is_err());
    let error = connected.unwrap_err();
    assert_eq!(error.kind(), DialErrorKind::Tls);
    std::error::Error::source(&error).unwrap().to_string()
}

#[tokio::test]
async fn what_is_said_at_one_end_is_heard_at_the_other() {
    let authority = Authority::new("said");
    authority.sign_host("server", "a.example");
    let (accepted, connected) =
        meet(&server_of(&authority, "server"), &authority.client(), "a.example").await;
    let ((mut server, identity), mut client) = (accepted.unwrap(), connected.unwrap());
    assert_eq!(identity, None);
    // More than a record holds, and than the pipe has room for.
    let said = vec![b'x'; 300_000];
    let mut heard = vec![0; said.len()];
    let (written, read) = tokio::join!(client.write_all(&said), server.read_exact(&mut heard));
    written.unwrap();
    read.unwrap();
    assert!(said == heard);
    server.shutdown().await.unwrap();
    assert_eq!(client.read(&mut heard).await.unwrap(), 0, "the end is told");
}

#[tokio::test]
async fn r7_a_server_is_trusted_only_with_a_good_certificate_for_its_name() {
    let authority = Authority::new("trusted");
    authority.sign_host("server", "a.example");
    let server = server_of(&authority, "server");
    let wrong = refusal(&server, &authority.client(), "b.example").await;
    assert!(wrong.contains("not valid for name"), "{wrong}");
    let stranger = refusal(&server, &Authority::new("stranger").client(), "a.example").await;
    assert!(stranger.contains("UnknownIssuer"), "{stranger}");
    // One for clients is none for servers.
    authority.sign("till", vec![dns("a.example")], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let till = refusal(&server_of(&authority, "till"), &authority.client(), "a.example").await;
    assert!(till.contains("xtended key usage"), "{till}");
    // An IP address is a name, too.
    let ip = SanType::IpAddress([192, 0, 2, 7].into());
    authority.sign("ip", vec![ip], |_| {});
    let server = server_of(&authority, "ip");
    assert!(meet(&server, &authority.client(), "192.0.2.7").await.1.is_ok());
    let other = refusal(&server, &authority.client(), "192.0.2.8").await;
    assert!(other.contains("not valid for name"), "{other}");
}

#[tokio::test]
async fn s9_a_client_is_known_by_the_names_of_its_certificate() {
    let authority = Authority::new("clients");
    authority.sign_host("server", "a.example");
    let server = ServerTls::from_files(authority.mutual("server")).unwrap();
    let client = |name| authority.client_as(name);
    authority.sign("till", vec![dns("till.example"), uri("spiffe://shop/till")], |_| {});
    authority.sign("nameless", vec![], |_| {});
    let (accepted, connected) = meet(&server, &client("till"), "a.example").await;
    let identity = accepted.unwrap().1.unwrap();
    assert!(connected.is_ok());
    assert_eq!(identity.names().collect::<Vec<_>>(), ["spiffe://shop/till", "till.example"]);
    let (accepted, _) = meet(&server, &client("nameless"), "a.example").await;
    let identity = accepted.unwrap().1.unwrap();
    assert_eq!(identity.name().strip_prefix("sha256:").map(str::len), Some(64));
    // Who shows none, or one of another authority, or one that is over, is nobody.
    let (accepted, _) = meet(&server, &authority.client(), "a.example").await;
    assert!(accepted.unwrap_err().to_string().contains("no certificates"));
    let other = Authority::new("others");
    other.sign_host("till", "till.example");
    let foreign =
        authority.client().showing(other.file("till.pem"), other.file("till.key")).unwrap();
    assert!(meet(&server, &foreign, "a.example").await.0.is_err());
    authority.sign("old", vec![dns("till.example")], |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let error = meet(&server, &client("old"), "a.example").await.0.unwrap_err().to_string();
    assert!(error.contains("xpired"), "{error}");
}

#[tokio::test]
async fn a_new_certificate_is_used_and_a_bad_one_is_refused() {
    let authority = Authority::new("reloaded");
    authority.sign_host("server", "a.example");
    let server = server_of(&authority, "server");
    let (accepted, connected) = meet(&server, &authority.client(), "a.example").await;
    let ((mut before, _), mut client) = (accepted.unwrap(), connected.unwrap());
    authority.sign_host("server", "b.example");
    server.reload().unwrap();
    assert!(meet(&server, &authority.client(), "b.example").await.1.is_ok());
    // Who was there stays.
    before.write_all(b"1 ?$").await.unwrap();
    let mut heard = [0; 4];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"1 ?$");

    let own_key = fs::read(authority.file("server.key")).unwrap();
    let refused = |kind| {
        let error = server.reload().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    };
    authority.sign("server", vec![dns("b.example")], |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    refused(TlsErrorKind::NotNow);
    authority.sign("server", vec![dns("b.example")], |params| {
        params.not_before = date_time_ymd(2500, 1, 1);
    });
    refused(TlsErrorKind::NotNow);
    authority.sign_host("server", "b.example");
    fs::write(authority.file("server.key"), &own_key).unwrap();
    refused(TlsErrorKind::Unfit);
    fs::write(authority.file("server.key"), "").unwrap();
    refused(TlsErrorKind::NoKey);
    fs::write(authority.file("server.pem"), "").unwrap();
    refused(TlsErrorKind::NoCertificate);
    fs::remove_file(authority.file("server.pem")).unwrap();
    refused(TlsErrorKind::Unreadable);
    assert!(meet(&server, &authority.client(), "b.example").await.1.is_ok(), "the old one stays");
}

#[tokio::test]
async fn who_speaks_no_tls_is_an_error_at_both_ends() {
    let authority = Authority::new("plain");
    authority.sign_host("server", "a.example");
    let (ours, mut theirs) = duplex(4096);
    let server = server_of(&authority, "server");
    let accepted = server.accept(Stream::own(ours));
    let (accepted, _) = tokio::join!(accepted, theirs.write_all(b"1 {'hello'}$"));
    assert!(accepted.is_err());
    let (mut ours, theirs) = duplex(4096);
    let host = "a.example:1".parse::<ubf_codec::Address>().unwrap().host;
    let client = authority.client();
    let connected = client.connect(&host, Stream::own(theirs));
    let (connected, _) = tokio::join!(connected, ours.write_all(b"0 ? {'closing''shutdown'0}$"));
    assert_eq!(connected.unwrap_err().kind(), DialErrorKind::Tls);
}

#[tokio::test]
async fn tls_that_goes_on_ends_with_the_certificate_at_either_end() {
    for is_server in [true, false] {
        let authority = Authority::new(if is_server { "ends-server" } else { "ends-client" });
        let [short, long] = [Duration::from_secs(2), Duration::from_secs(1000)];
        let [server_time, client_time] = if is_server { [short, long] } else { [long, short] };
        authority.sign_host_for("server", "a.example", server_time);
        authority.sign_host_for("till", "till.example", client_time);
        let server = ServerTls::from_files(authority.mutual("server")).unwrap();
        let client = authority.client_as("till");
        // Each meeting leaves what the next one goes on with: the client has to read it.
        let is_met = async || {
            let (accepted, connected) = meet(&server, &client, "a.example").await;
            let (Ok((mut server, _)), Ok(mut client)) = (accepted, connected) else { return false };
            server.write_all(b"1").await.is_ok() && client.read_u8().await.is_ok()
        };
        assert!(is_met().await);
        let over = async {
            while is_met().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        crate::testing::within(over).await;
        let end = if is_server { server.not_after() } else { client.current().not_after };
        assert!(end.unwrap() < SystemTime::now());
        // The client reads its own again, and the server when it is told.
        authority.sign_host("server", "a.example");
        authority.sign_host("till", "till.example");
        if is_server {
            assert!(!is_met().await);
            server.reload().unwrap();
        }
        assert!(is_met().await);
    }
}
