//! R3: a crowd of idle clients that is told to move leaves within its grace, and without a
//! stampede.

use std::process::Command;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use ubf_server::{DrainPlan, Server, ServerLimits};

use crate::support::{Peer, start};

const CLIENTS: usize = 2000;
const GRACE: Duration = Duration::from_secs(40);
/// The notices take the first quarter of the grace.
const SPREAD: Duration = Duration::from_secs(10);
const SLOT: Duration = Duration::from_millis(100);
/// Says that there are descriptors enough.
const HAS_ROOM: &str = "UBF_TEST_HAS_DESCRIPTORS";

/// Both ends of each connection are here: more descriptors than a process may have open by default.
/// So it runs in one that may.
#[test]
#[cfg(unix)]
fn r3_two_thousand_idle_clients_leave_within_their_grace_and_without_a_stampede() {
    if std::env::var_os(HAS_ROOM).is_some() {
        return crowd();
    }
    let name =
        "crowd::r3_two_thousand_idle_clients_leave_within_their_grace_and_without_a_stampede";
    let script =
        format!("ulimit -S -n {} && exec \"$0\" --exact {name} --nocapture", 2 * CLIENTS + 200);
    let test = std::env::current_exe().unwrap();
    let output =
        Command::new("sh").arg("-c").arg(script).arg(test).env(HAS_ROOM, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Time is virtual: it goes on when all sockets are quiet, straight to the next moment that
/// somebody waits for.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn crowd() {
    let mut limits = ServerLimits::default();
    limits.max_connections_per_address = CLIENTS;
    let server = start(Server::builder().limits(limits)).await;
    let mut peers = Vec::new();
    for _ in 0..CLIENTS {
        let mut peer = server.connect().await;
        peer.exchange("1 'here'$", "1 ? {'here''start'}$").await;
        peers.push(peer);
    }
    let begun = Instant::now();
    let next_ip = "b.example:4000".parse().ok();
    assert!(server.handle.drain(DrainPlan::new(next_ip, GRACE, GRACE)));
    let mut clients: JoinSet<Duration> = peers.into_iter().map(|peer| leave(peer, begun)).collect();
    let mut told = Vec::new();
    while let Some(client) = clients.join_next().await {
        told.push(client.unwrap());
    }
    let report = server.report().await;
    assert!(report.is_clean() && report.counts.moved == CLIENTS as u64);
    assert!(begun.elapsed() < GRACE, "nobody was cut off: {:?}", begun.elapsed());

    told.sort_unstable();
    // The core counts in milliseconds, and so does the clock.
    assert!(*told.last().unwrap() <= SPREAD + 2 * Duration::from_millis(1));
    let in_slot = told
        .iter()
        .map(|&from| told.iter().filter(|&&at| (from..from + SLOT).contains(&at)).count());
    let share = CLIENTS * SLOT.as_millis() as usize / SPREAD.as_millis() as usize;
    let most = in_slot.max().unwrap();
    assert!(most <= share + share / 10, "{most} were told in {SLOT:?}, and {share} would be fair");
}

/// Waits for the notice, and leaves as late as a good client does: after half of what is left of
/// the grace.
async fn leave(mut peer: Peer, begun: Instant) -> Duration {
    let start = "0 \"b.example:4000\" {'moved'";
    let mut notice = String::new();
    while !notice.ends_with('$') {
        // No patience here: its timers would drive the clock.
        notice.push(char::from(tokio::io::AsyncReadExt::read_u8(&mut peer.stream).await.unwrap()));
    }
    let told = begun.elapsed();
    let grace_ms: u64 =
        notice.strip_prefix(start).unwrap().strip_suffix("}$").unwrap().parse().unwrap();
    tokio::time::sleep(Duration::from_millis(grace_ms / 2)).await;
    told
}

#[tokio::test]
async fn l3_a_herd_that_is_turned_away_is_told() {
    let mut limits = ServerLimits::default();
    limits.max_connections = 1;
    let server = start(Server::builder().limits(limits)).await;
    let mut first = server.connect().await;
    first.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    let mut herd = Vec::new();
    for _ in 0..300 {
        let mut peer = server.connect().await;
        peer.send("1 'here'$").await;
        herd.push(peer);
    }
    for peer in herd {
        peer.expect_end("0 ? {'closing''too_many_connections'0}$").await;
    }
    drop(first);
    server.stop().await;
}
