//! Controllers of other machines.

use std::process::{Command, Stdio};

use std::io::{BufRead as _, BufReader};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use ubf_net::Stream;
use ubf_net::testing::{Authority, within};
use ubf_net::tls::ClientTls;

use crate::node::key;

async fn ask(tls: &ClientTls, address: &str) -> std::io::Result<Vec<u8>> {
    let stream = Stream::from(tokio::net::TcpStream::connect(address).await?);
    let host = "127.0.0.1".parse::<std::net::Ipv4Addr>().unwrap();
    let name = ubf_codec::Host::V4(host);
    let mut stream = tls.connect(&name, stream).await.map_err(std::io::Error::other)?;
    stream.write_all(b"0 'ping'$1 'stop'$").await?;
    let mut heard = vec![0; 29];
    stream.read_exact(&mut heard).await?;
    Ok(heard)
}

#[tokio::test]
async fn f1_by_a_network_only_those_with_a_certificate_are_heard() {
    let (authority, other) = (Authority::new("agent"), Authority::new("agent-other"));
    authority.sign_host("agent", "127.0.0.1");
    authority.sign_host("controller", "127.0.0.1");
    other.sign_host("controller", "127.0.0.1");
    let folder = authority.file("agent-folder");
    std::fs::write(authority.file("key"), key().public().to_string()).unwrap();
    let mut agent = Command::new(env!("CARGO_BIN_EXE_ubf-agent"))
        .args(["--listen", "127.0.0.1:0", "--folder"])
        .arg(folder)
        .args(["--key".into(), authority.file("key")])
        .args(["--tls-certificate".into(), authority.file("agent.pem")])
        .args(["--tls-key".into(), authority.file("agent.key")])
        .args(["--tls-clients".into(), authority.file("ca.pem")])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(agent.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("controllers: ").unwrap();
    let known = authority.client_as("controller");
    let heard = within(ask(&known, address)).await.unwrap();
    assert_eq!(heard, b"0 ? 'pong'$1 ? {'stopped''start'}$"[..29]);
    assert!(within(ask(&authority.client(), address)).await.is_err(), "nobody");
    let stranger =
        authority.client().showing(other.file("controller.pem"), other.file("controller.key"));
    assert!(within(ask(&stranger.unwrap(), address)).await.is_err(), "a stranger");
    agent.kill().unwrap();
    agent.wait().unwrap();
}
