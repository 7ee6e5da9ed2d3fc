//! The program with TLS: its settings, and certificates that change while it runs.

use std::fs;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use ubf_codec::Host;
use ubf_net::Stream;
use ubf_net::testing::{Authority, within};
use ubf_net::tls::ClientTls;

use crate::process::{Program, run};

async fn connect(program: &Program, tls: &ClientTls) -> Option<Stream> {
    let stream = tokio::net::TcpStream::connect(program.address()).await.unwrap();
    tls.connect(&Host::V4([127, 0, 0, 1].into()), stream.into()).await.ok()
}

async fn exchange(stream: &mut Stream, request: &str, reply: &str) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = vec![0; reply.len()];
    within(stream.read_exact(&mut seen)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&seen), reply);
}

fn text(path: &std::path::Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_certificate_that_changes_is_used_and_a_bad_one_is_refused_and_told() {
    let authority = Authority::new("node");
    authority.sign_host("server", "127.0.0.1");
    authority.sign_host("till", "till.example");
    let [cert, key, ca] = ["server.pem", "server.key", "ca.pem"].map(|file| authority.file(file));
    let (mut program, admin) = Program::start_watched(&[
        &format!("--tls-cert={}", text(&cert)),
        &format!("--tls-key={}", text(&key)),
        &format!("--tls-client-ca={}", text(&ca)),
    ]);
    let till = authority.client_as("till");
    let mut before = connect(&program, &till).await.unwrap();
    exchange(&mut before, "1 'here'$", "1 ? {'here''start'}$").await;
    let is_failing = || {
        let metrics = crate::admin_http::get(&admin, "/metrics").1;
        let status = crate::admin_http::get(&admin, "/status.json").1;
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let is_failing = status["tls"]["failing"].as_bool().unwrap();
        let line = format!("ubf_tls_failing {}\n", u8::from(is_failing));
        assert!(metrics.contains(&line), "{metrics}");
        is_failing
    };
    assert!(!is_failing());
    // The files change: no signal is needed.
    fs::write(&key, "not a key").unwrap();
    let line = program.logs("the certificate is not reloaded: the one from before stays");
    assert!(line["error"].as_str().unwrap().contains("server.key: "), "{line}");
    assert!(is_failing());
    assert!(connect(&program, &till).await.is_some(), "the one from before is used");
    // Nor is one of another name that clients know refused, when it comes with its key.
    authority.sign_host("server", "127.0.0.1");
    program.logs("certificate reloaded");
    assert!(!is_failing());
    let mut after = connect(&program, &till).await.unwrap();
    exchange(&mut after, "1 'here'$", "1 ? {'here''start'}$").await;
    program.signal("HUP");
    program.logs("certificate reloaded");
    exchange(&mut before, "1 'here'$", "1 ? {'here''start'}$").await;
    drop((before, after));
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn what_is_wrong_with_a_certificate_is_wrong_with_a_setting() {
    let authority = Authority::new("settings");
    authority.sign_host("server", "127.0.0.1");
    authority.sign_host("other", "127.0.0.1");
    let file = |name| text(&authority.file(name));
    for (cert, key, wanted) in [
        (Some("server.pem"), None, "--tls-cert: a certificate without its key"),
        (None, Some("server.key"), "--tls-key: a key without its certificate"),
        (None, None, "--tls-client-ca: authorities of clients without TLS"),
        (Some("server.pem"), Some("other.key"), "--tls-cert: "),
        (Some("server.key"), Some("server.key"), "--tls-cert: "),
        (Some("none.pem"), Some("server.key"), "--tls-cert: "),
    ] {
        let mut arguments = vec!["--tls-client-ca".to_owned(), file("ca.pem")];
        arguments.extend(cert.into_iter().flat_map(|name| ["--tls-cert".into(), file(name)]));
        arguments.extend(key.into_iter().flat_map(|name| ["--tls-key".into(), file(name)]));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run(&arguments);
        let seen = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{seen}");
        assert!(seen.starts_with(&format!("ubf-server: {wanted}")), "{seen}");
    }
}
