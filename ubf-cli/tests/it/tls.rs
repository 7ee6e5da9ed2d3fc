//! Calls over TLS.

use ubf_net::testing::Authority;
use ubf_net::tls::ServerTls;
use ubf_node::services::Echo;
use ubf_server::{Call, Classic, ClassicService, Handlers, Reply, Server, Service, Versions};

use crate::common::ubf;

/// A server that says who asks, at this address for as long as the runtime lives.
fn serve(authority: &Authority) -> (String, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let who = |call: Call<()>| async move {
        Reply::ok(call.peer().identity().map_or("nobody", |who| who.name()))
    };
    let tls = ServerTls::from_files(authority.mutual("server")).expect("its files are there");
    let server = Server::builder().listen("127.0.0.1:0").tls(tls);
    let server = server.service(Service::DEFAULT, Handlers::new().on(1, who)).bind();
    let server = runtime.block_on(server).expect("a port is free");
    let address = format!("localhost:{}", server.addresses()[0].port());
    runtime.spawn(server.run());
    (address, runtime)
}

#[test]
fn a_call_over_tls_shows_a_certificate_and_is_known_by_it() {
    let authority = Authority::new("cli");
    authority.sign_host("server", "localhost");
    authority.sign_host("till", "till-7.example");
    let (address, runtime) = serve(&authority);
    let file = |name| authority.file(name).display().to_string();
    let [ca, cert, key] = ["ca.pem", "till.pem", "till.key"].map(file);
    let shown = ["call", "--ca", &ca, "--cert", &cert, "--key", &key, &address, "who"];
    assert_eq!(ubf(&shown, "").out, "\"till-7.example\"\n");
    // What is missing is said: a certificate, and TLS.
    let none = ubf(&["call", "--ca", &ca, &address, "who"], "");
    assert!(none.err.contains("received fatal alert: CertificateRequired"), "{}", none.err);
    assert!(none.err.contains("hint: --cert and --key show a certificate"), "{}", none.err);
    let plain = ubf(&["call", &address, "who"], "");
    assert!(plain.err.contains("hint: it speaks TLS: ubfs://HOST:PORT"), "{}", plain.err);
    drop(runtime);
}

#[test]
fn an_address_of_ubfs_needs_no_other_word_and_trusts_whom_the_system_trusts() {
    let authority = Authority::new("cli-system");
    authority.sign_host("server", "localhost");
    authority.sign_host("till", "till-7.example");
    let (address, runtime) = serve(&authority);
    let file = |name| authority.file(name).display().to_string();
    let [ca, cert, key] = ["ca.pem", "till.pem", "till.key"].map(file);
    let address = format!("ubfs://{address}");
    let call = |authorities: &str, more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ubf"));
        command.args(["call", "--cert", &cert, "--key", &key]).args(more).args([&address, "who"]);
        let output = command.env("SSL_CERT_FILE", authorities).env_remove("SSL_CERT_DIR").output();
        let output = output.expect("ubf starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (text(output.stdout), text(output.stderr))
    };
    assert_eq!(call(&ca, &[]).0, "\"till-7.example\"\n");
    let other = Authority::new("cli-other");
    let other_ca = other.file("ca.pem").display().to_string();
    let (out, err) = call(&other_ca, &["--timeout", "2s"]);
    assert!(out.is_empty() && err.contains("UnknownIssuer"), "{out}{err}");
    // Nobody is trusted beside those of --ca.
    assert_eq!(call(&other_ca, &["--ca", &ca]).0, "\"till-7.example\"\n");
    let (out, err) = call("/nowhere.pem", &["--timeout", "2s"]);
    assert!(out.is_empty() && err.contains("the authorities of the system"), "{out}{err}");
    drop(runtime);
}

#[test]
fn a_stock_server_is_asked_over_tls_where_tls_was_meant() {
    let authority = Authority::new("cli-stock");
    authority.sign_host("server", "localhost");
    let file = |name: &str| authority.file(name).display().to_string();
    let ca = file("ca.pem");
    let (port, runtime) = serve_stock(&authority);
    let address = format!("ubfs://localhost:{port}");
    let shown = ["call", "--classic", "--start", "echo", "--ca", &ca, &address, "hello"];
    assert_eq!(ubf(&shown, "").out, "hello\n");
    // Without one to make TLS nothing is sent.
    let other = Authority::new("cli-stock-other");
    let other = other.file("ca.pem").display().to_string();
    let ran = ubf(&["call", "--classic", "--ca", &other, &address, "hello"], "");
    assert!(ran.status != 0 && ran.err.contains("TLS was not agreed on"), "{}", ran.err);
    drop(runtime);
}

/// A server for stock peers, who speak TLS, at this port for as long as the runtime lives.
fn serve_stock(authority: &Authority) -> (u16, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let tls = ServerTls::from_files(authority.server("server")).expect("its files are there");
    let stock = Classic::new().service(ClassicService::new("echo", 1)).listen("127.0.0.1:0");
    let server = Server::builder().tls(tls).classic(stock);
    let server = server.service("echo", Echo::new(Versions::of([1]))).bind();
    let server = runtime.block_on(server).expect("a port is free");
    let port = server.classic_addresses()[0].port();
    runtime.spawn(server.run());
    (port, runtime)
}
