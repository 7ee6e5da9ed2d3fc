//! The program with TLS: its settings, and certificates that change while it runs.

use std::fs;
use std::time::Duration;

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

/// How long certificates are good that are over in a test: whole seconds, and the program starts
/// meanwhile.
const SHORT: Duration = Duration::from_secs(4);

/// Whether somebody new is let in. In TLS 1.3 a client hears only after its handshake that the
/// server does not trust it.
async fn is_let_in(program: &Program, tls: &ClientTls) -> bool {
    let Some(mut stream) = connect(program, tls).await else { return false };
    let _is_sent = stream.write_all(b"1 'here'$").await.is_ok();
    matches!(within(stream.read(&mut [0])).await, Ok(1))
}

/// Waits until nobody new is let in.
async fn until_nobody_is_let_in(program: &Program, tls: &ClientTls) {
    let is_over = async {
        while is_let_in(program, tls).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    within(is_over).await;
}

#[tokio::test]
async fn a_server_whose_certificate_is_over_keeps_its_clients_and_says_so() {
    let authority = Authority::new("node-over");
    authority.sign_host_for("server", "127.0.0.1", SHORT);
    let [cert, key] = ["server.pem", "server.key"].map(|file| authority.file(file));
    let (mut program, admin) = Program::start_watched(&[
        &format!("--tls-cert={}", text(&cert)),
        &format!("--tls-key={}", text(&key)),
    ]);
    let client = authority.client();
    let mut before = connect(&program, &client).await.unwrap();
    exchange(&mut before, "1 'here'$", "1 ? {'here''start'}$").await;
    let end = |metrics: &str| {
        let line = metrics.lines().find(|line| line.starts_with("ubf_tls_not_after_seconds "));
        line.unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let first = end(&crate::admin_http::get(&admin, "/metrics").1);
    let line = program.logs("the certificate is over soon");
    assert!(line["left_s"].as_u64().unwrap() < SHORT.as_secs(), "{line}");
    let over = "the certificate is over: clients refuse it, and those that are connected stay";
    program.logs(over);
    assert!(!is_let_in(&program, &client).await);
    let metrics = crate::admin_http::get(&admin, "/metrics").1;
    assert!(metrics.contains("ubf_tls_failing 1\n"), "{metrics}");
    // To read it again is of no use: it is the same, and refused.
    program.signal("HUP");
    let line = program.logs("the certificate is not reloaded: the one from before stays");
    assert!(line["error"].as_str().unwrap().contains("its time is over"), "{line}");
    exchange(&mut before, "1 'here'$", "1 ? {'here''start'}$").await;
    // Another one in its place is used without a signal.
    authority.sign_host("server", "127.0.0.1");
    program.logs("certificate reloaded");
    assert!(is_let_in(&program, &client).await);
    exchange(&mut before, "1 'here'$", "1 ? {'here''start'}$").await;
    assert!(end(&crate::admin_http::get(&admin, "/metrics").1) > first + 1000);
    drop(before);
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[tokio::test]
async fn s9_a_client_whose_certificate_is_over_stays_and_comes_again_with_another_one() {
    let authority = Authority::new("node-client-over");
    authority.sign_host("server", "127.0.0.1");
    authority.sign_host_for("till", "till.example", SHORT);
    let file = |name| text(&authority.file(name));
    let program = Program::start(&[
        &format!("--tls-cert={}", file("server.pem")),
        &format!("--tls-key={}", file("server.key")),
        &format!("--tls-client-ca={}", file("ca.pem")),
    ]);
    let till = authority.client_as("till");
    let mut idle = connect(&program, &till).await.unwrap();
    exchange(&mut idle, "1 'here'$", "1 ? {'here''start'}$").await;
    let mut parked = connect(&program, &till).await.unwrap();
    let open = "0 {'negotiate'1?#1&#{'session'16~0123456789abcdef~8 1000 60000}&}$";
    exchange(&mut parked, open, "1 ? {'agreed'1?#1&").await;
    drop(parked);
    // TLS would go on where it was, and has looked at the certificate when it began.
    until_nobody_is_let_in(&program, &till).await;
    exchange(&mut idle, "1 'here'$", "1 ? {'here''start'}$").await;
    // The client reads its files again: the session has waited for the name that is in them.
    authority.sign_host("till", "till.example");
    let mut renewed = connect(&program, &till).await.unwrap();
    let resume = "0 {'negotiate'1?#1&#{'resume'16~0123456789abcdef~0 0 2}&}$";
    renewed.write_all(resume.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&b'$') {
        seen.push(within(renewed.read_u8()).await.unwrap());
    }
    let seen = String::from_utf8(seen).unwrap();
    assert!(seen.contains("{'resumed'0 0}"), "{seen}");
    exchange(&mut idle, "1 'here'$", "1 ? {'here''start'}$").await;
    drop((idle, renewed));
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

/// The answer to a request by HTTPS. `None`: there is no TLS, or the server ends it.
async fn https(address: &str, tls: &ClientTls, request: &str) -> Option<String> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let host = Host::V4([127, 0, 0, 1].into());
    let mut stream = within(tls.connect(&host, stream.into())).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    let _is_reset = within(stream.read_to_end(&mut answer)).await.is_err();
    let answer = String::from_utf8(answer).unwrap();
    (!answer.is_empty()).then_some(answer)
}

#[tokio::test]
async fn who_looks_by_https_shows_a_certificate_and_who_steers_the_token_too() {
    let authority = Authority::new("node-https");
    authority.sign_host("server", "127.0.0.1");
    authority.sign_host("ops", "ops-1.example");
    let file = |name| text(&authority.file(name));
    fs::write(authority.file("token"), "0123456789abcdef\n").unwrap();
    let [cert, key, ca] = ["server.pem", "server.key", "ca.pem"].map(file);
    let tls = ["--tls-cert", &cert, "--tls-key", &key, "--admin-http-tls"];
    let certificates = ["--admin-http-client-ca", &ca];
    let (mut program, admin) = Program::start_watched(&[&tls[..], &certificates].concat());
    let (ops, stranger) = (authority.client_as("ops"), authority.client());
    // By whatever name: a browser would not take another site's certificate.
    let look = "GET /status.json HTTP/1.1\r\nHost: node-1.example:9464\r\n\r\n";
    let seen = https(&admin, &ops, look).await.unwrap();
    assert!(seen.starts_with("HTTP/1.1 200 OK\r\n") && seen.contains("serving"), "{seen}");
    assert_eq!(https(&admin, &stranger, look).await, None);
    let plain = crate::process::rest({
        use std::io::Write as _;
        let mut plain = std::net::TcpStream::connect(&admin).unwrap();
        plain.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        plain.write_all(look.as_bytes()).unwrap();
        plain
    });
    assert!(!plain.contains("HTTP"), "{plain}");
    let act = |headers: &str| {
        let body = "undrain";
        let length = body.len();
        format!("POST /admin HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
    };
    let seen = https(&admin, &ops, &act("")).await.unwrap();
    assert!(seen.starts_with("HTTP/1.1 403 "), "{seen}");
    program.signal("HUP");
    // That of clients, and that of those who look.
    program.logs("certificate reloaded");
    program.logs("certificate reloaded");
    assert!(https(&admin, &ops, look).await.is_some());
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));

    let (token, audit) = (file("token"), file("audit"));
    let more = ["--admin-token", &token, "--audit", &audit];
    let (program, admin) = Program::start_watched(&[&tls[..], &certificates, &more].concat());
    let seen = https(&admin, &ops, look).await.unwrap();
    assert!(seen.starts_with("HTTP/1.1 401 "), "{seen}");
    let bearer = "Authorization: Bearer 0123456789abcdef\r\n";
    assert_eq!(https(&admin, &stranger, &act(bearer)).await, None);
    let seen = https(&admin, &ops, &act(bearer)).await.unwrap();
    assert!(seen.starts_with("HTTP/1.1 "), "{seen}");
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
    let record: serde_json::Value =
        serde_json::from_str(fs::read_to_string(&audit).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!(record["who"], "ops-1.example", "{record}");
    assert!(record["from"].as_str().unwrap().starts_with("http 127.0.0.1:"), "{record}");
}

#[test]
fn what_is_wrong_with_https_is_wrong_with_a_setting() {
    let authority = Authority::new("node-https-settings");
    authority.sign_host("server", "127.0.0.1");
    let file = |name| text(&authority.file(name));
    let [cert, key, ca] = ["server.pem", "server.key", "ca.pem"].map(file);
    let tls = ["--tls-cert", &cert, "--tls-key", &key];
    let http = ["--admin-http", "127.0.0.1:0"];
    for (arguments, wanted) in [
        (vec!["--admin-http-tls"], "--admin-http-tls: nobody can look"),
        ([&http[..], &["--admin-http-tls"]].concat(), "--admin-http-tls: there is no certificate"),
        (
            [&http[..], &tls, &["--admin-http-client-ca", &ca]].concat(),
            "--admin-http-client-ca: certificates without TLS",
        ),
        (
            [&http[..], &tls, &["--admin-http-tls", "--admin-http-client-ca", &key]].concat(),
            "--admin-http-client-ca: ",
        ),
        (
            [&["--admin-http", "0.0.0.0:0", "--admin-http-tls"][..], &tls].concat(),
            "--admin-http: others could look there without a token",
        ),
    ] {
        let output =
            run(&[&["--check-config", "--listen", "127.0.0.1:0"], &arguments[..]].concat());
        let seen = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{seen}");
        assert!(seen.contains(wanted), "{seen}");
    }
    // One fault is one line, also where others want the same certificate.
    let output = run(&[
        &http[..],
        &["--tls-cert", &cert, "--tls-key", &ca, "--admin-http-tls"],
        &["--control-listen", "127.0.0.1:0", "--control-client-ca", &ca],
    ]
    .concat());
    let seen = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{seen}");
    assert_eq!(seen.matches("ubf-server: ").count(), 1, "{seen}");
}

#[test]
fn each_setting_that_a_reload_leaves_out_is_a_line() {
    let file = std::env::temp_dir().join(format!("ubf-left-out-{}.toml", std::process::id()));
    fs::write(&file, "service = ['echo']\npeers = ['b.example:1']\n").unwrap();
    let mut program = Program::start(&["--config", file.to_str().unwrap()]);
    let changed =
        "service = ['echo', 'kv']\npeers = ['c.example:1']\n[limits]\nmax-connections = 7\n";
    fs::write(&file, changed).unwrap();
    program.signal("HUP");
    let mut left_out = ["", ""].map(|_| {
        let line = program.logs("a setting has changed, and is not reloaded: it takes a restart");
        line["setting"].as_str().unwrap().to_owned()
    });
    left_out.sort();
    assert_eq!(left_out, ["limits.max-connections", "service"]);
    let rest =
        "reloaded: peers, load marks, grace, hard stop, log filter; the rest takes a restart";
    program.logs(rest);
    let _is_removed = fs::remove_file(file).is_ok();
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}
