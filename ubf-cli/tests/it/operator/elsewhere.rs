//! An operator who comes by a network.

use ubf_net::testing::Authority;

use super::program::{Server, ubf};

#[test]
fn an_operator_elsewhere_sees_and_steers_and_is_told_when_that_is_not_allowed() {
    let authority = Authority::new("elsewhere");
    authority.sign_host("server", "localhost");
    authority.sign_host("ops", "ops-1.example");
    authority.sign_host("viewer", "viewer.example");
    authority.sign_host("till", "till.example");
    let file = |name: &str| authority.file(name).display().to_string();
    let policy = file("policy.toml");
    let rules = "[control]\nsee = [\"viewer.example\"]\nsteer = [\"ops-*\"]\n";
    std::fs::write(&policy, rules).expect("a file of a test");
    // Known before the server says it, since it says one address alone.
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        free.local_addr().expect("it has an address").port()
    };
    let server = Server::start(
        "elsewhere",
        "127.0.0.1:0",
        &[
            &format!("--tls-cert={}", file("server.pem")),
            &format!("--tls-key={}", file("server.key")),
            &format!("--control-listen=127.0.0.1:{port}"),
            &format!("--control-client-ca={}", file("ca.pem")),
            &format!("--policy={policy}"),
        ],
    );
    let control = format!("ubfs://localhost:{port}");
    let ca = file("ca.pem");
    let admin = |who: &str, arguments: &[&str]| {
        let (cert, key) = (file(&format!("{who}.pem")), file(&format!("{who}.key")));
        let own = ["admin", "--control", &control, "--ca", &ca, "--cert", &cert, "--key", &key];
        ubf(&[&own, arguments].concat())
    };
    let seen = admin("viewer", &["status"]);
    assert!(seen.status == 0 && seen.out.starts_with("phase       serving\n"), "{seen:?}");
    let steered = admin("ops", &["withdraw", "2"]);
    assert!(steered.status == 0 && steered.out.contains("echo         1,3  "), "{steered:?}");
    let refused = admin("viewer", &["restore", "2"]);
    assert_eq!(refused.status, 1);
    assert!(
        refused.err.contains(": the server refuses: you may not do that there\n"),
        "{refused:?}"
    );
    let stranger = admin("till", &["status"]);
    assert!(stranger.err.contains("you are no operator of it"), "{stranger:?}");
    // Who shows nothing has no connection, and who trusts somebody else makes none.
    let silent = ubf(&["admin", "--control", &control, "--ca", &ca, "status"]);
    assert!(silent.status != 0 && silent.out.is_empty(), "{silent:?}");
    let other = Authority::new("elsewhere-other");
    let other = other.file("ca.pem").display().to_string();
    let untrusted = ubf(&["admin", "--control", &control, "--ca", &other, "status"]);
    assert!(untrusted.err.contains("UnknownIssuer"), "{untrusted:?}");
    assert!(untrusted.err.contains("hint: --ca names the authority"), "{untrusted:?}");
    assert_eq!(server.admin(&["shutdown"]).status, 0);
    assert_eq!(server.status(), Some(0));
}
