//! A keeper has one address. There it runs a server, disturbs it, and puts another one into its
//! place again and again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use ubf_codec::{Address, Limits, NextIp, Version};
use ubf_node::services::{Echo, Irc, Kv};
use ubf_server::{
    BindError, Config, Counts, DrainPlan, LoadPlan, LoadUnit, Report, Server, ServerHandle,
    ServerLimits, Service, SessionLimits, Versions,
};
use ubf_testing::random::Random;

use super::fates::ServerNumber;
use super::recorder::{self, Recorder};
use super::sabotage::Sabotage;
use super::world::{PLACES, Stage, World};

/// L1: the largest packet from a client.
pub(crate) const MAX_PACKET_BYTES: u32 = 256 << 10;
/// Handlers end long before.
const HARD_STOP: Duration = Duration::from_secs(10);
/// Ways in which a server is replaced; the last one is to stop it without warning.
const WAYS: usize = 4;
const STOP: usize = WAYS - 1;
/// What no server needs to stop, all its other times being over.
const PATIENCE: Duration = Duration::from_secs(15);

/// A port that stays ours while nobody listens on it. The listeners share it (`SO_REUSEPORT`); this
/// one never listens.
pub(crate) fn reserve() -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

pub(crate) struct Keeper {
    pub(crate) world: Arc<World>,
    pub(crate) place: usize,
    pub(crate) random: Random,
    /// All servers have the same store.
    pub(crate) kv: Arc<Kv>,
}

struct Running {
    number: ServerNumber,
    handle: ServerHandle,
    task: JoinHandle<Report>,
}

impl Keeper {
    /// Until it is time to close.
    pub(crate) async fn keep(mut self) {
        let Some(mut running) = self.start().await else { return };
        while !self.world.has_entered(Stage::Closing) {
            // Whoever is left without a connection is to find that this server is there.
            let is_long = self.world.sabotage == Some(Sabotage::Stranded);
            let longest = if is_long { 100 } else { 10 };
            for _ in 0..1 + self.random.below(longest) {
                let pause = Duration::from_millis(self.number(100, 800));
                self.world.rest(pause, Stage::Closing).await;
                self.disturb(&running.handle).await;
            }
            let Some(successor) = self.replace(running).await else { return };
            running = successor;
        }
        running.handle.shut_down(HARD_STOP);
        self.see_off(running, Duration::ZERO, true).await;
    }

    fn number(&mut self, low: usize, high: usize) -> u64 {
        (low + self.random.below(high - low)) as u64
    }

    fn address(&self, place: usize) -> Option<Address> {
        self.world.addresses.get(place % PLACES).copied().map(Address::from)
    }

    /// Another place.
    fn next_ip(&mut self) -> Option<NextIp> {
        let other = self.place + 1 + self.random.below(PLACES - 1);
        self.address(other).map(NextIp::from)
    }

    async fn start(&mut self) -> Option<Running> {
        let (number, agent) = self.world.fates.next();
        match self.bind(agent).await {
            Ok(server) => {
                self.world.count("servers started", 1);
                let handle = server.handle();
                self.world.fates.runs(number, handle.clone());
                Some(Running { number, handle, task: tokio::spawn(server.run()) })
            }
            Err(error) => {
                self.world.broke(format!("no server: {error}"));
                None
            }
        }
    }

    async fn bind(&mut self, agent: String) -> Result<Server, BindError> {
        let mut config = Config::default();
        config.limits = Limits::new().with_max_packet_bytes(MAX_PACKET_BYTES);
        config.agent = Some(agent.into());
        config.max_negotiation_time = Duration::from_secs(1);
        config.max_packet_time = Duration::from_secs(1);
        config.max_write_time = Duration::from_secs(1);
        config.max_close_time = Duration::from_secs(2);
        config.max_idle_time = Duration::from_secs(20);
        config.peers = (1..PLACES).filter_map(|other| self.address(self.place + other)).collect();
        let mut limits = ServerLimits::default();
        limits.max_connections = *self.random.choose(&[12, 40, 1000]).unwrap_or(&40);
        limits.max_linger_time = Duration::from_millis(200);
        let mut sessions = SessionLimits::default();
        if self.world.sabotage == Some(Sabotage::Forgetful) {
            sessions.max_keep = Duration::from_millis(1);
        }
        let address =
            self.world.addresses.get(self.place).map(ToString::to_string).unwrap_or_default();
        let recorder = Recorder::new(&self.world, self.place);
        Server::builder()
            .listen(address)
            .reuse_port(true)
            .config(config)
            .limits(limits)
            .sessions(sessions)
            .seed(self.number(0, 1 << 30))
            .service(Service::DEFAULT, recorder)
            .service("echo", Echo::new(Versions::of(recorder::VERSIONS)))
            .shared_service("kv", Arc::clone(&self.kv))
            .service("irc", Irc::new(&Versions::of(Irc::VERSIONS)))
            .bind()
            .await
    }

    /// Something that the server survives.
    async fn disturb(&mut self, server: &ServerHandle) {
        let Some(version) =
            self.random.choose(&recorder::VERSIONS).and_then(|&version| Version::new(version))
        else {
            return;
        };
        let time = Duration::from_millis(self.number(20, 400));
        match self.random.below(5) {
            0 => {
                self.world.count("versions that crashed", 1);
                self.world.set_crashing(self.place, version, true);
                self.world.rest(time, Stage::Closing).await;
                self.world.set_crashing(self.place, version, false);
                self.known(server.restore(&Service::DEFAULT, version));
            }
            1 => {
                self.world.count("versions withdrawn", 1);
                self.known(server.withdraw(&Service::DEFAULT, version));
                self.world.rest(time, Stage::Closing).await;
                self.known(server.restore(&Service::DEFAULT, version));
            }
            2 => {
                let Some(next_ip) = self.next_ip() else { return };
                self.world.count("load marks", 1);
                let high = self.number(1, 20);
                server.set_load_marks(Some(LoadPlan::new(
                    LoadUnit::Sessions,
                    high / 2,
                    high,
                    next_ip,
                )));
                self.world.rest(time, Stage::Closing).await;
                server.set_load_marks(None);
            }
            3 => {
                let next_ip = self.next_ip();
                self.world.count("drains called off", 1);
                let began = server.drain(DrainPlan::new(next_ip, HARD_STOP, HARD_STOP));
                self.world.rest(time, Stage::Closing).await;
                // With nobody left, the drain was over.
                if began && !server.undrain() {
                    self.world.count("drains that were over", 1);
                }
            }
            _ => {}
        }
    }

    fn known(&self, is_known: bool) {
        if !is_known {
            self.world.broke("a server does not know a version that it has");
        }
    }

    /// Puts another server into the place of this one.
    async fn replace(&mut self, running: Running) -> Option<Running> {
        let grace = Duration::from_millis(self.number(200, 3000));
        let is_unclean = self.world.sabotage == Some(Sabotage::Unclean);
        let way = if is_unclean { STOP } else { self.random.below(WAYS) };
        match way {
            0 => {
                self.world.count("drains", 1);
                let next_ip = self.next_ip();
                // `false` if a drain that was called off was over before.
                let _ = running.handle.drain(DrainPlan::new(next_ip, grace, HARD_STOP));
                self.see_off(running, grace, true).await;
                self.start().await
            }
            1 => {
                self.world.count("successors in place", 1);
                self.world.fates.has_successor(running.number);
                let successor = self.start().await;
                let next_ip = self.address(self.place).map(NextIp::from);
                let _ = running.handle.drain(DrainPlan::new(next_ip, grace, HARD_STOP));
                self.see_off(running, grace, true).await;
                successor
            }
            2 => {
                self.world.count("shut down", 1);
                running.handle.shut_down(HARD_STOP);
                self.see_off(running, Duration::ZERO, true).await;
                self.start().await
            }
            STOP.. => {
                self.world.count("stopped without warning", 1);
                self.world.fates.stopped(running.number);
                running.handle.stop();
                // A server that is stopped cuts calls, and no drain may do so.
                self.see_off(running, Duration::ZERO, is_unclean).await;
                let time = Duration::from_millis(self.number(0, 500));
                self.world.rest(time, Stage::Closing).await;
                self.start().await
            }
        }
    }

    /// Waits for the server's end.
    async fn see_off(&self, running: Running, grace: Duration, must_be_clean: bool) {
        let place = self.place;
        let ended = timeout(grace + HARD_STOP + PATIENCE, running.task).await;
        self.world.fates.ended(running.number);
        match ended {
            Ok(Ok(report)) => {
                self.world.count_server(&report);
                if must_be_clean {
                    self.world.check(kept_its_promise(place, &report));
                }
            }
            Ok(Err(error)) => self.world.broke(format!("server {place}: {error}")),
            Err(_) => self.world.broke(format!("server {place} does not stop")),
        }
    }
}

/// What a server promises that drains or shuts down.
///
/// `Report::is_clean` asks for more: that no session was given up with answers that were not
/// acknowledged. Here clients leave in the midst of their calls and do not come back, so such
/// answers are natural. Whether a client that stays got its answers is in the ledger.
fn kept_its_promise(place: usize, report: &Report) -> Result<(), String> {
    let Counts { calls_cut, connections_crashed, .. } = report.counts;
    let broken: Vec<String> = [
        (calls_cut > 0).then(|| format!("cut {calls_cut} calls in a drain")),
        (connections_crashed > 0)
            .then(|| format!("had {connections_crashed} connections whose task crashed")),
        report.fault.map(|fault| format!("ended by itself ({fault})")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if broken.is_empty() {
        return Ok(());
    }
    Err(format!("server {place} {}", broken.join(" and ")))
}
