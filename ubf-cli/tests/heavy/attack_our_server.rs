//! Every attack of `ubf attack` against our server, in a process of its own: its memory and
//! descriptors are watched.

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::{good, ubf};
use tokio::runtime::Runtime;
use ubf_node::services::Echo;
use ubf_server::{Config, Server, ServerHandle, ServerLimits, Service, SessionLimits, Versions};

/// An echo server with times so short that an attack on them takes less than a second. It ends with
/// the runtime.
fn server(runtime: &Runtime) -> (SocketAddr, ServerHandle) {
    let mut config = Config::default();
    config.limits.max_packet_bytes = 2 << 20;
    config.max_negotiation_time = Duration::from_millis(600);
    config.max_packet_time = Duration::from_millis(600);
    config.max_write_time = Duration::from_millis(600);
    config.max_idle_time = Duration::from_secs(2);
    config.max_close_time = Duration::from_secs(1);
    let mut limits = ServerLimits::default();
    limits.max_linger_time = Duration::from_millis(200);
    // Fewer than are asked for: the flood goes beyond.
    let mut sessions = SessionLimits::default();
    sessions.max_sessions_per_address = 200;
    runtime.block_on(async {
        let echo = Echo::new(Versions::of([1, 2, 3, 7]));
        let server = Server::builder()
            .listen("127.0.0.1:0")
            .config(config)
            .limits(limits)
            .sessions(sessions);
        let server = server.service(Service::DEFAULT, echo).bind().await.unwrap();
        let address = server.addresses()[0];
        let handle = server.handle();
        drop(tokio::spawn(server.run()));
        (address, handle)
    })
}

#[test]
fn our_server_holds_against_every_attack() {
    let runtime = Runtime::new().unwrap();
    let (address, handle) = server(&runtime);
    let (address, pid) = (address.to_string(), std::process::id().to_string());
    let list = good(&["attack", "--list"], "");
    let arguments = [
        "attack",
        &address,
        "--json",
        "--pid",
        &pid,
        "--max-wait=10",
        // The machine may be busy: that it hangs is what would be wrong.
        "--max-latency=5000ms",
        "--connections=60",
        "--packets=5000",
        "--max-bytes=4MiB",
    ];
    let ran = ubf(&arguments, "");
    assert_eq!((ran.status, &*ran.err), (0, ""), "{}", ran.out);
    let verdicts: Vec<serde_json::Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(verdicts.len(), list.lines().count());
    for verdict in &verdicts {
        assert_eq!(verdict["held"], true, "{verdict}");
        assert!(verdict["meanwhile"]["calls"].as_u64().unwrap() > 0, "{verdict}");
        assert!(verdict["process"]["rss_bytes_peak"].as_u64().unwrap() > 0, "{verdict}");
    }
    // Nobody's place is kept, and no call runs any longer.
    let status = handle.status();
    assert_eq!(status.calls, 0);
    assert!(status.counts.sessions > 200 && status.counts.sessions_given_up > 0);
    assert!(handle.sessions(0, 1_000).len() <= 200);
    assert!(status.counts.too_slow > 0 && status.counts.bad_syntax > 100, "{:?}", status.counts);
}
