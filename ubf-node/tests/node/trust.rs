//! Operators who come by a network, what a policy lets them and clients do, and the audit log.

use std::fs;
use std::path::PathBuf;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use ubf_codec::Host;
use ubf_net::Stream;
use ubf_net::testing::{Authority, ScriptedPeer, within};

use crate::process::{Program, command, run};

/// The files of a program that has operators.
struct Files {
    authority: Authority,
    policy: PathBuf,
    audit: PathBuf,
    socket: PathBuf,
}

impl Files {
    fn new(name: &str) -> Self {
        let authority = Authority::new(name);
        authority.sign_host("server", "127.0.0.1");
        for who in ["ops-1.example", "viewer.example", "stranger.example", "till-7.example"] {
            authority.sign_host(who, who);
        }
        let file = |name| authority.file(name);
        let (policy, audit, socket) = (file("policy.toml"), file("audit"), file("control"));
        Self { authority, policy, audit, socket }
    }

    fn start(&self, arguments: &[&str]) -> (Program, String) {
        let file = |name| self.authority.file(name).display().to_string();
        let own = [
            ("--tls-cert", file("server.pem")),
            ("--tls-key", file("server.key")),
            ("--tls-client-ca", file("ca.pem")),
            ("--control-listen", "127.0.0.1:0".to_owned()),
            ("--control-client-ca", file("ca.pem")),
            ("--control", self.socket.display().to_string()),
            ("--policy", self.policy.display().to_string()),
            ("--audit", self.audit.display().to_string()),
        ];
        let own: Vec<&str> = own.iter().flat_map(|(flag, value)| [*flag, value.as_str()]).collect();
        Program::start_with_operators(&[&own, arguments].concat())
    }

    /// The records so far: what, who, and the result.
    fn records(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(&self.audit).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn connect(&self, address: &str, who: &str) -> Stream {
        let stream = TcpStream::connect(address).await.unwrap();
        let tls = self.authority.client_as(who);
        tls.connect(&Host::V4([127, 0, 0, 1].into()), stream.into()).await.unwrap()
    }
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

const POLICY: &str = r#"
[connect]
deny = ["stranger.example"]

[service.kv]
allow = ["till-*.example from 127.0.0.0/8"]

[control]
see = ["viewer.example"]
steer = ["ops-*.example"]
"#;

#[tokio::test]
async fn operators_by_a_network_see_or_steer_as_the_policy_says_and_it_is_on_record() {
    let files = Files::new("operators");
    fs::write(&files.policy, POLICY).unwrap();
    let (program, operators) = files.start(&["--service=echo,kv"]);
    let mut ops = files.connect(&operators, "ops-1.example").await;
    let mut viewer = files.connect(&operators, "viewer.example").await;
    assert_eq!(ask(&mut ops, "2 {'withdraw'\"echo\"1}$").await, "2 ? {'ok''serving'}$");
    assert!(ask(&mut viewer, "2 'status'$").await.starts_with("2 ? {{'status'"));
    let refused = "2 ? {{'error''not_allowed'}'serving'}$";
    assert_eq!(ask(&mut viewer, "2 {'withdraw'\"echo\"2}$").await, refused);
    // What names files of the machine is for its own user.
    let away = files.authority.file("away").display().to_string();
    let back_up = format!("2 {{'back_up'?\"{away}\"}}$");
    assert_eq!(ask(&mut ops, &back_up).await, refused);
    let mut own = ScriptedPeer { stream: UnixStream::connect(&files.socket).await.unwrap() };
    own.exchange("2 'undrain'$", "2 ? {{'error''not_draining'}'serving'}$").await;
    own.send("2 'status'$").await;
    let status = own.packet().await;
    assert!(
        status.contains("{'audit'{'false'0}}") && status.contains("{'policy'{'false'}}"),
        "{status}"
    );
    // Who is nobody's operator is told so, and clients of the server are none.
    let mut stranger = files.connect(&operators, "till-7.example").await;
    assert_eq!(ask(&mut stranger, "").await, "0 ? {'closing''not_allowed'0}$");
    drop((ops, viewer, own, stranger));
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
    let records = files.records();
    let shown: Vec<_> = records
        .iter()
        .map(|record| ["what", "role", "result"].map(|name| record[name].as_str().unwrap()))
        .collect();
    assert_eq!(shown[0], ["{withdraw,\"echo\",1}", "steer", "ok"]);
    assert_eq!(shown[1], ["{withdraw,\"echo\",2}", "see", "you may not do that there"]);
    assert!(shown[2][0].starts_with("{back_up,") && shown[2][2] == "you may not do that there");
    assert_eq!(shown[3], ["undrain", "host", "it does not drain"]);
    assert_eq!(shown.len(), 4);
    assert_eq!(records[0]["who"], "ops-1.example");
    assert!(records[0]["from"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(records[3]["from"], "control socket");
    let own = format!(" pid {}", std::process::id());
    assert!(records[3]["who"].as_str().unwrap().ends_with(&own), "{}", records[3]["who"]);
}

#[tokio::test]
async fn a_policy_that_changes_is_in_force_at_sighup_and_a_bad_one_is_refused_and_told() {
    let files = Files::new("policy");
    fs::write(&files.policy, POLICY).unwrap();
    let (mut program, operators) = files.start(&["--service=echo,kv"]);
    let address = program.address().to_owned();
    let kv = "0 {'negotiate'1\"kv\"#1&#}$";
    let mut till = files.connect(&address, "till-7.example").await;
    assert!(ask(&mut till, kv).await.starts_with("1 ? {'agreed'1\"kv\"#"));
    let mut ops = files.connect(&address, "ops-1.example").await;
    assert_eq!(ask(&mut ops, kv).await, "0 ? {'refused''not_allowed'#1}$");
    assert_eq!(ask(&mut ops, "1 'a'$").await, "0 ? {'refused''not_allowed'#2}$");
    // The first service has no name, too, and is allowed.
    let mut stranger = files.connect(&address, "stranger.example").await;
    assert_eq!(ask(&mut stranger, "").await, "0 ? {'closing''not_allowed'0}$");
    fs::write(&files.policy, "[service.kv]\nalow = []\n").unwrap();
    program.signal("HUP");
    let line = program.logs("the policy is wrong");
    assert!(
        line["problem"].as_str().unwrap().starts_with("line 2: unknown field `alow`"),
        "{line}"
    );
    program.logs("the policy is not reloaded: the one from before stays");
    let mut viewer = files.connect(&operators, "viewer.example").await;
    assert!(ask(&mut viewer, "2 'status'$").await.contains("{'policy'{'true'}}"));
    assert!(ask(&mut till, "1 'nothing'$").await.starts_with("1 ? "), "it goes on");
    fs::write(&files.policy, "[service.kv]\nallow = [\"ops-*.example\"]\n").unwrap();
    program.signal("HUP");
    program.logs("policy reloaded");
    assert!(ask(&mut till, "").await.starts_with("0 ? {'closing''operator'"));
    let mut till = files.connect(&address, "till-7.example").await;
    assert_eq!(ask(&mut till, kv).await, "0 ? {'refused''not_allowed'#1}$");
    let mut ops = files.connect(&address, "ops-1.example").await;
    assert!(ask(&mut ops, kv).await.starts_with("1 ? {'agreed'1\"kv\"#"));
    // A policy that says nothing of operators lets them see.
    assert!(ask(&mut viewer, "2 'status'$").await.contains("{'policy'{'false'}}"));
    drop((ops, till, viewer));
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[tokio::test]
async fn an_audit_log_that_was_moved_away_begins_anew_at_sighup() {
    let files = Files::new("rotated");
    fs::write(&files.policy, "").unwrap();
    let (mut program, _) = files.start(&[]);
    let mut own = ScriptedPeer { stream: UnixStream::connect(&files.socket).await.unwrap() };
    own.exchange("2 'undrain'$", "2 ? {{'error''not_draining'}'serving'}$").await;
    let old = files.authority.file("audit.1");
    fs::rename(&files.audit, &old).unwrap();
    program.signal("HUP");
    program.logs("audit log reopened");
    own.exchange("2 'uncordon'$", "2 ? {{'error''not_cordoned'}'serving'}$").await;
    drop(own);
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
    let moved = fs::read_to_string(&old).unwrap();
    assert!(moved.contains("undrain") && moved.lines().count() == 1, "{moved}");
    assert_eq!(files.records().len(), 1);
    assert_eq!(files.records()[0]["what"], "uncordon");
}

#[test]
fn what_is_wrong_with_operators_and_policies_is_wrong_with_a_setting() {
    let files = Files::new("wrong");
    fs::write(&files.policy, "[connect]\nallow = [\"10.1.2.3/16\"]\n").unwrap();
    let policy = files.policy.display().to_string();
    let ca = files.authority.file("ca.pem").display().to_string();
    for (arguments, wanted) in [
        (vec!["--control-listen", "127.0.0.1:0"], "--control-listen: anybody could look there"),
        (vec!["--control-client-ca", &ca], "--control-client-ca: operators do not come"),
        (
            vec!["--control-listen", "127.0.0.1:0", "--control-client-ca", &ca],
            "--control-listen: operators would come without TLS",
        ),
        (vec!["--policy", &policy], "--policy: connect.allow: 10.1.2.3/16: the address has bits"),
        (vec!["--policy", "/none"], "--policy: /none cannot be read: "),
        (vec!["--proxy-from", "10.0.0.0/8,b.example"], "--proxy-from: b.example: an IP address"),
    ] {
        let output = run(&[&arguments[..], &["--check-config"]].concat());
        let seen = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{seen}");
        assert!(seen.starts_with(&format!("ubf-server: {wanted}")), "{seen}");
    }
    let output = command(&["--audit", "/dev/full", "--listen", "127.0.0.1:0"]).output().unwrap();
    let seen = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && seen.contains("cannot write /dev/full"), "{seen}");
}

#[tokio::test]
async fn behind_a_balancer_the_policy_is_about_its_clients() {
    let files = Files::new("balancer");
    fs::write(&files.policy, "[connect]\nallow = [\"192.0.2.0/24\"]\n").unwrap();
    let policy = files.policy.display().to_string();
    let program = Program::start(&["--proxy-from=127.0.0.0/8", "--policy", &policy]);
    let through = async |client: [u8; 4]| {
        let fixed = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C".as_slice();
        let header = [fixed, &client, &[127, 0, 0, 1], &[0, 1, 0, 2]].concat();
        let mut balancer = ScriptedPeer::connect(program.address()).await;
        balancer.stream.write_all(&header).await.unwrap();
        balancer
    };
    let mut welcome = through([192, 0, 2, 7]).await;
    welcome.exchange("1 'a'$", "1 ? {'a''start'}$").await;
    through([198, 51, 100, 1]).await.expect_closed().await;
    drop(welcome);
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}
