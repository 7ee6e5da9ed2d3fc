//! Calls over TLS.

use ubf_net::testing::Authority;
use ubf_net::tls::ServerTls;
use ubf_server::{Call, Handlers, Reply, Server, Service};

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
    drop(runtime);
}
