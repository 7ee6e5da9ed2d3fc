//! A server that runs in a process of its own, and its client in this one.

use std::time::{Duration, Instant};

use benches::Error;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use tokio::time::sleep;

use super::child::{Child, Place};
use super::figures::{ACTIVE, Round, Scenario, microseconds};
use super::load::{self, Extent, Outcome};
use super::peer::{Kind, Peer, Target};

/// For connections that were given up to end before others are measured. Chosen: a hundred of them
/// take a tenth of it.
pub(super) const ENDING_TIME: Duration = Duration::from_millis(20);

/// What came of one turn.
pub(super) struct Turn {
    pub(super) outcome: Outcome,
    server_cpu: Duration,
}

impl Turn {
    pub(super) fn round(&self) -> Round {
        #[expect(clippy::cast_precision_loss, reason = "calls are counted in millions")]
        let calls = self.outcome.calls as f64;
        Round {
            calls_a_second: calls / self.outcome.elapsed.as_secs_f64(),
            p50_us: microseconds(&self.outcome.nanoseconds, 0.5),
            server_cpu_us: self.server_cpu.as_secs_f64() * 1e6 / calls,
        }
    }
}

/// A server and its client, whichever they are.
pub(super) trait Contender {
    fn kind(&self) -> Kind;

    /// Has its turn.
    fn turn(
        &mut self,
        scenario: Scenario,
        time: Duration,
    ) -> LocalBoxFuture<'_, Result<Turn, Error>>;

    /// Connects and calls so many times: how long each took, in microseconds.
    fn first_calls(&mut self, count: usize) -> LocalBoxFuture<'_, Result<Vec<f64>, Error>>;

    /// Opens so many idle connections more. Bytes of the server that each takes.
    fn open_idle(&mut self, count: usize) -> LocalBoxFuture<'_, Result<f64, Error>>;

    /// Closes the idle connections.
    fn close_idle(&mut self);
}

/// A server and its client.
pub(super) struct Candidate<P: Peer> {
    kind: Kind,
    child: Child,
    version: u32,
    /// Kept from one turn to the next.
    clients: Vec<P::Client>,
    idle: Vec<P::Client>,
}

/// Starts the server.
pub(super) fn start<P: Peer + 'static>(
    kind: Kind,
    place: &Place,
) -> Result<Box<dyn Contender>, Error> {
    start_in_version::<P>(kind, place, 1)
}

/// The same, the client asking for this version.
pub(super) fn start_in_version<P: Peer + 'static>(
    kind: Kind,
    place: &Place,
    version: u32,
) -> Result<Box<dyn Contender>, Error> {
    let child = Child::start(kind, place)?;
    let (clients, idle) = (Vec::new(), Vec::new());
    Ok(Box::new(Candidate::<P> { kind, child, version, clients, idle }))
}

impl<P: Peer> Candidate<P> {
    fn target(&self, scenario: Scenario) -> Target {
        let target = Target { version: self.version, ..Target::new(self.child.address) };
        match scenario {
            Scenario::Bodies { bytes, .. } => Target { body_bytes: bytes, ..target },
            Scenario::InFlight(_)
            | Scenario::Connections(_)
            | Scenario::AmongIdle
            | Scenario::TwoWorkers => target,
        }
    }

    /// So many clients that have called once.
    async fn connected(&self, count: usize, target: Target) -> Result<Vec<P::Client>, Error> {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            let mut client = P::connect(target).await?;
            P::call(&mut client).await?;
            clients.push(client);
        }
        Ok(clients)
    }

    async fn has_its_turn(&mut self, scenario: Scenario, time: Duration) -> Result<Turn, Error> {
        let ((connections, depth), target) = (scenario.shape(), self.target(scenario));
        let extent = Extent::Time(time);
        // Connections that have a body of their own are not those of the next scenario.
        let is_kept = depth == 1 && !matches!(scenario, Scenario::Bodies { .. });
        let mut clients = if is_kept { std::mem::take(&mut self.clients) } else { Vec::new() };
        let more = self.connected(connections.saturating_sub(clients.len()), target).await?;
        clients.extend(more);
        let others = clients.split_off(connections);
        let before = self.child.used()?;
        let outcome = if depth == 1 {
            let (outcome, mut clients) = load::sequential::<P>(clients, extent).await?;
            if is_kept {
                clients.extend(others);
                self.clients = clients;
            }
            outcome
        } else {
            let client = clients.pop().ok_or("there is a connection")?;
            load::pipelined::<P>(client, depth, extent).await?
        };
        let server_cpu = self.child.used()?.cpu.saturating_sub(before.cpu);
        if outcome.calls == 0 {
            return Err("no call has ended".into());
        }
        Ok(Turn { outcome, server_cpu })
    }
}

impl<P: Peer> Contender for Candidate<P> {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn turn(
        &mut self,
        scenario: Scenario,
        time: Duration,
    ) -> LocalBoxFuture<'_, Result<Turn, Error>> {
        self.has_its_turn(scenario, time).boxed_local()
    }

    fn first_calls(&mut self, count: usize) -> LocalBoxFuture<'_, Result<Vec<f64>, Error>> {
        let target = Target::new(self.child.address);
        async move {
            // Kept, so that the end of one is not measured with the beginning of the next.
            let mut clients = Vec::with_capacity(count);
            let mut times = Vec::with_capacity(count);
            for _ in 0..count {
                let start = Instant::now();
                clients.push(P::connect_and_call(target).await?);
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
            drop(clients);
            sleep(ENDING_TIME).await;
            Ok(times)
        }
        .boxed_local()
    }

    fn open_idle(&mut self, count: usize) -> LocalBoxFuture<'_, Result<f64, Error>> {
        async move {
            let target = Target::new(self.child.address);
            // What is taken once is not measured.
            self.clients = self.connected(ACTIVE, target).await?;
            let before = self.child.used()?.resident_bytes;
            self.idle = self.connected(count, target).await?;
            let grown = self.child.used()?.resident_bytes.saturating_sub(before);
            #[expect(clippy::cast_precision_loss, reason = "no server takes 2^52 bytes")]
            let each = grown as f64 / count as f64;
            Ok(each)
        }
        .boxed_local()
    }

    fn close_idle(&mut self) {
        self.idle = Vec::new();
    }
}
