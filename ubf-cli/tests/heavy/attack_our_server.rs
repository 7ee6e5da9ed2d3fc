//! Every attack of `ubf attack` against our server, in a process of its own: its memory and
//! descriptors are watched.

use std::net::SocketAddr;
use std::time::Duration;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::common::{good, ubf};
use rcgen::date_time_ymd;
use serde_json::Value;
use tokio::runtime::Runtime;
use ubf_net::testing::Authority;
use ubf_net::tls::ServerTls;
use ubf_node::services::Echo;
use ubf_server::{
    Classic, ClassicService, Config, Server, ServerHandle, ServerLimits, Service, SessionLimits,
    Versions,
};
use ubf_switch::{Switch, SwitchLimits};

/// The servers live in this process, which is watched: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a server listens for clients that know versions, and for those that do not.
struct Running {
    versioned: SocketAddr,
    stock: SocketAddr,
    handle: ServerHandle,
}

/// An echo server with times so short that an attack on them takes less than a second. It ends with
/// the runtime.
fn server(runtime: &Runtime, tls: Option<ServerTls>) -> Running {
    let mut config = Config::default();
    config.limits.max_packet_bytes = 2 << 20;
    config.max_negotiation_time = Duration::from_millis(600);
    config.max_packet_time = Duration::from_millis(600);
    config.max_write_time = Duration::from_millis(600);
    config.max_idle_time = Duration::from_secs(2);
    config.max_close_time = Duration::from_secs(1);
    let mut limits = ServerLimits::default();
    limits.max_linger_time = Duration::from_millis(200);
    limits.max_handshake_time = Duration::from_millis(1500);
    // Fewer than are asked for: the flood goes beyond.
    let mut sessions = SessionLimits::default();
    sessions.max_sessions_per_address = 200;
    let mut stock = ubf_proto::classic::server::Config::default();
    stock.limits.max_packet_bytes = 2 << 20;
    stock.max_packet_time = Duration::from_millis(600);
    stock.max_write_time = Duration::from_millis(600);
    stock.max_idle_time = Duration::from_secs(2);
    let stock = Classic::new().config(stock).service(ClassicService::new("echo", 1));
    runtime.block_on(async {
        let echo = || Echo::new(Versions::of([1, 2, 3, 7]));
        let mut server = Server::builder()
            .listen("127.0.0.1:0")
            .config(config)
            .limits(limits)
            .sessions(sessions)
            .classic(stock.listen("127.0.0.1:0"));
        if let Some(tls) = tls {
            server = server.tls(tls);
        }
        let server = server.service(Service::DEFAULT, echo()).service("echo", echo());
        let server = server.bind().await.unwrap();
        let (versioned, stock) = (server.addresses()[0], server.classic_addresses()[0]);
        let handle = server.handle();
        drop(tokio::spawn(server.run()));
        Running { versioned, stock, handle }
    })
}

/// Every attack that there is with these arguments, at a server of this process: each is held.
fn is_held(arguments: &[&str]) -> Vec<Value> {
    let pid = std::process::id().to_string();
    let small = [
        "--json",
        "--pid",
        &pid,
        "--max-wait=30",
        // The machine may be busy: that it hangs is what would be wrong.
        "--max-latency=5000ms",
        "--connections=60",
        "--packets=5000",
        "--max-bytes=4MiB",
    ];
    let list = good(&[&["attack", "--list"], arguments].concat(), "");
    let ran = ubf(&[&["attack"], arguments, &small[..]].concat(), "");
    assert_eq!((ran.status, &*ran.err), (0, ""), "{}", ran.out);
    let verdicts: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let wanted = list.lines().filter(|line| {
        !arguments.contains(&"--only") || arguments.contains(&line.split(' ').next().unwrap())
    });
    assert_eq!(verdicts.len(), wanted.count());
    for verdict in &verdicts {
        assert_eq!(verdict["held"], true, "{verdict}");
        assert!(verdict["meanwhile"]["calls"].as_u64().unwrap() > 0, "{verdict}");
        assert!(verdict["process"]["rss_bytes_peak"].as_u64().unwrap() > 0, "{verdict}");
    }
    verdicts
}

#[test]
fn our_server_holds_against_every_attack() {
    let _alone = alone();
    let runtime = Runtime::new().unwrap();
    let Running { versioned, handle, .. } = server(&runtime, None);
    is_held(&[&versioned.to_string()]);
    // Nobody's place is kept, and no call runs any longer.
    let status = handle.status();
    assert_eq!(status.calls, 0);
    assert!(status.counts.sessions > 200 && status.counts.sessions_given_up > 0);
    assert!(handle.sessions(0, 1_000).len() <= 200);
    assert!(status.counts.too_slow > 0 && status.counts.bad_syntax > 100, "{:?}", status.counts);
}

#[test]
fn our_server_holds_against_every_attack_of_a_stock_client() {
    let _alone = alone();
    let runtime = Runtime::new().unwrap();
    let Running { stock, handle, .. } = server(&runtime, None);
    let verdicts = is_held(&["--classic", "--start", "echo", &stock.to_string()]);
    assert!(verdicts.len() > 25, "{verdicts:?}");
    let status = handle.status();
    assert_eq!(status.calls, 0);
    assert!(status.counts.too_slow > 0 && status.counts.bad_syntax > 30, "{:?}", status.counts);
}

#[test]
fn our_server_holds_against_attacks_over_tls_and_on_tls() {
    let _alone = alone();
    let authority = Authority::new("attack");
    authority.sign_host("server", "127.0.0.1");
    authority.sign_host("till", "till-7.example");
    authority.sign("over", Vec::new(), |params| params.not_after = date_time_ymd(2020, 1, 1));
    let file = |name: &str| authority.file(name).display().to_string();
    let [ca, cert, key] = ["ca.pem", "till.pem", "till.key"].map(file);
    let [over, over_key] = ["over.pem", "over.key"].map(file);
    let runtime = Runtime::new().unwrap();
    let tls = ServerTls::from_files(authority.mutual("server")).unwrap();
    let Running { versioned, stock, handle } = server(&runtime, Some(tls));
    let shown = ["--ca", &ca, "--cert", &cert, "--key", &key, "--wrong-cert", &over, &over_key];
    // What is said in TLS was tried without it: of that, a few that end a connection in each way.
    let only = [
        "malformed-control",
        "endless-string",
        "huge-pipeline",
        "resume-storm",
        "half-closed",
        "resets",
        "slow-body",
        "readers-that-stop",
        "tls-plain-text",
        "tls-broken-hellos",
        "tls-second-hello",
        "tls-cut-short",
        "tls-handshake-storm",
        "tls-handshake-flood",
        "tls-slow-handshakes",
        "tls-false-certificates",
    ];
    let only: Vec<&str> = only.iter().flat_map(|name| ["--only", name]).collect();
    let address = format!("ubfs://{versioned}");
    let verdicts = is_held(&[&[&*address], &shown[..], &only[..]].concat());
    let certificates = verdicts.last().unwrap();
    // Six are made, one is given, and one client shows none.
    assert_eq!(certificates["saw"], "8 × refused", "{certificates}");
    let stock = format!("ubfs://{stock}");
    let only = ["--only", "huge-pipeline", "--only", "tls-second-hello"];
    is_held(&[&["--classic", "--start", "echo", &stock], &shown[..], &only].concat());
    let status = handle.status();
    assert_eq!(status.calls, 0);
    assert!(status.counts.handshakes_failed > 50, "{:?}", status.counts);
}

#[test]
fn a_switch_in_front_of_our_server_holds_against_attacks() {
    let _alone = alone();
    let runtime = Runtime::new().unwrap();
    let Running { versioned, handle, .. } = server(&runtime, None);
    let mut limits = SwitchLimits::default();
    limits.max_negotiation_time = Duration::from_millis(600);
    limits.max_packet_time = Duration::from_millis(600);
    limits.max_write_time = Duration::from_millis(600);
    let (address, switch) = runtime.block_on(async {
        let switch = Switch::builder().listen("127.0.0.1:0").limits(limits);
        let switch = switch.node(versioned.to_string().parse().unwrap()).bind().await.unwrap();
        let (address, handle) = (switch.addresses()[0].to_string(), switch.handle());
        drop(tokio::spawn(switch.run()));
        (address, handle)
    });
    // The whole list is for the server; of it, what ends a connection in each way, or asks for what
    // the switch keeps.
    let only = [
        "malformed-control",
        "endless-string",
        "huge-pipeline",
        "negotiation-flood",
        "resume-storm",
        "half-closed",
        "resets",
        "silent-connections",
        "slow-first-packet",
        "slow-body",
        "readers-that-stop",
    ];
    let only: Vec<&str> = only.iter().flat_map(|name| ["--only", name]).collect();
    is_held(&[&[&*address], &only[..]].concat());
    assert_eq!(handle.status().calls, 0);
    assert!(switch.counts().too_slow > 0 && switch.counts().joined > 100, "{:?}", switch.counts());
}
