//! What all phases of a demo have in common: servers, clients, time, and what is seen of them.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};
use ubf_client::{Notice, State};
use ubf_codec::Address;
use ubf_node::control::{Request, StatusReport};

use super::check::ByVersion;
use super::folder::Folder;
use super::node::{Begins, Kind, Node};
use super::report::{PhaseReport, Told};
use super::screen::{Pulse, Row, Screen};
use crate::admin::{Admin, AdminError};
use crate::ui::report::Report;
use ubf_load::load::{ClientView, Counts, Load, Outcome, Results};

/// Between two looks at the clients.
const TICK: Duration = Duration::from_millis(100);
/// Between two looks at a server.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(200);
/// For what the table calls the last second.
const RECENT: Duration = Duration::from_secs(1);
/// For one thing to happen. Chosen: far more than a busy machine needs.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Between two attempts to reach a server that starts.
const START_INTERVAL: Duration = Duration::from_millis(20);

/// Why a demo is not played to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Something does not work.
    Trouble(Box<Report>),
    /// Nobody can be told.
    Write(io::Error),
}

impl From<Report> for Stop {
    fn from(report: Report) -> Self {
        Self::Trouble(Box::new(report))
    }
}

/// A server, and what was last heard of it.
pub(super) struct Actor {
    pub(super) node: Node,
    seen: watch::Receiver<Option<Sample>>,
    /// Whether it was told to go.
    pub(super) may_end: bool,
}

/// What a server said of itself.
#[derive(Clone, Debug)]
struct Sample {
    status: StatusReport,
    calls_per_second: f64,
}

impl Actor {
    /// What it said last, if it still runs.
    pub(super) fn status(&self) -> Option<StatusReport> {
        self.seen.borrow().as_ref().map(|sample| sample.status.clone())
    }

    fn row(&self) -> Row {
        let Node { address, .. } = &self.node;
        let sample = self.seen.borrow().clone();
        let status = sample.as_ref().map(|sample| &sample.status);
        let versions = status.map(|status| {
            let versions: BTreeSet<_> =
                status.connections_by_version.iter().map(|entry| entry.version).collect();
            versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        });
        Row {
            name: self.node.name(),
            address: address.to_string(),
            phase: status.map_or_else(|| "starting".into(), |status| status.phase.clone()),
            pid: self.node.pid(),
            clients: status.map_or(0, |status| status.connections),
            calls_per_second: sample.as_ref().map_or(0.0, |sample| sample.calls_per_second),
            versions: versions.unwrap_or_default(),
        }
    }
}

/// A phase that is being played.
struct Phase {
    name: &'static str,
    start: Instant,
    results: Results,
    told: Told,
}

/// The fields are dropped in this order: servers before the folder that they write to.
pub(super) struct Stage<'a> {
    pub(super) screen: Screen<'a>,
    /// None before the clients are there.
    pub(super) load: Option<Load>,
    pub(super) actors: Vec<Actor>,
    pub(super) folder: Folder,
    watchers: JoinSet<()>,
    notices: Option<mpsc::Receiver<(u64, Notice)>>,
    ticks: Interval,
    pub(super) clients: Vec<ClientView>,
    pub(super) counts: Counts,
    recent: VecDeque<(Duration, Results)>,
    phase: Option<Phase>,
    pub(super) phases: Vec<PhaseReport>,
    /// What the first client told in this phase.
    pub(super) first_client: Vec<Notice>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(screen: Screen<'a>, folder: Folder) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            screen,
            load: None,
            actors: Vec::new(),
            folder,
            watchers: JoinSet::new(),
            notices: None,
            ticks,
            clients: Vec::new(),
            counts: Counts::default(),
            recent: VecDeque::new(),
            phase: None,
            phases: Vec::new(),
            first_client: Vec::new(),
        }
    }

    /// Starts a server, waits until it answers, and tells it about the other one. Gives its index.
    pub(super) async fn start(
        &mut self,
        place: &'static str,
        address: &Address,
        peer: &Address,
    ) -> Result<usize, Stop> {
        let index = self.begin_server(Kind::Echo, place, address)?;
        let peer: ubf_codec::NextIp = peer.clone().into();
        self.until_told(index, move |admin| {
            let told = admin.order(&Request::SetPeers(peer.addresses().to_vec()));
            told.map(|()| true)
        })
        .await?;
        self.watch(index)?;
        Ok(index)
    }

    /// Starts a release of the ledger, and waits until it serves. Gives its index.
    pub(super) async fn start_ledger(
        &mut self,
        knows: &'static str,
        begins: Begins,
        place: &'static str,
        address: &Address,
    ) -> Result<usize, Stop> {
        let index = self.begin_server(Kind::Ledger { knows, begins }, place, address)?;
        self.until_serves(index).await?;
        self.watch(index)?;
        Ok(index)
    }

    /// Waits until this server is the one that answers at its control socket.
    pub(super) async fn until_serves(&mut self, index: usize) -> Result<(), Stop> {
        let pid = u64::from(self.actor(index)?.node.pid());
        self.until_told(index, move |admin| admin.status().map(|status| status.pid == pid)).await
    }

    fn begin_server(
        &mut self,
        kind: Kind,
        place: &'static str,
        address: &Address,
    ) -> Result<usize, Stop> {
        let before = self.actors.iter().filter(|actor| actor.node.place == place).count();
        let generation = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
        let node = Node::start(kind, place, generation, address, &self.folder)?;
        let (_, seen) = watch::channel(None);
        self.actors.push(Actor { node, seen, may_end: false });
        Ok(self.actors.len() - 1)
    }

    /// Asks a server until it says yes, and not for ever.
    async fn until_told(
        &mut self,
        index: usize,
        ask: impl Fn(&mut Admin) -> Result<bool, AdminError> + Clone + Send + 'static,
    ) -> Result<(), Stop> {
        let node = &self.actor(index)?.node;
        let (operator, name) = (node.operator.clone(), node.name());
        let start = Instant::now();
        loop {
            let told = operator.order(ask.clone()).await;
            match told {
                Ok(true) => return Ok(()),
                Ok(false) | Err(_) if start.elapsed() <= PATIENCE => {}
                Ok(false) => {
                    return Err(Report::new(format!("server {name} does not serve")).into());
                }
                Err(error) => {
                    let text = format!("server {name} does not answer: {error}");
                    return Err(Report::new(text).into());
                }
            }
            self.look()?;
            tokio::time::sleep(START_INTERVAL).await;
        }
    }

    /// Looks at a server again and again, for what is shown of it.
    fn watch(&mut self, index: usize) -> Result<(), Stop> {
        let (sender, seen) = watch::channel(None);
        let actor = self.actor_mut(index)?;
        actor.seen = seen;
        let operator = actor.node.operator.clone();
        self.watchers.spawn(async move {
            let mut last: Option<(u64, u64)> = None;
            while !sender.is_closed() {
                if let Ok(status) = operator.order(Admin::status).await {
                    let requests = status.counters.get("requests").copied().unwrap_or(0);
                    let (since, calls) = last.map_or((0, 0), |(at, count)| {
                        (status.uptime_ms.saturating_sub(at), requests.saturating_sub(count))
                    });
                    last = Some((status.uptime_ms, requests));
                    let calls_per_second = calls as f64 * 1e3 / since.max(1) as f64;
                    sender.send_replace(Some(Sample { status, calls_per_second }));
                }
                tokio::time::sleep(SAMPLE_INTERVAL).await;
            }
        });
        Ok(())
    }

    pub(super) fn actor(&self, index: usize) -> Result<&Actor, Stop> {
        self.actors.get(index).ok_or_else(|| Report::new("no such server").into())
    }

    pub(super) fn actor_mut(&mut self, index: usize) -> Result<&mut Actor, Stop> {
        self.actors.get_mut(index).ok_or_else(|| Report::new("no such server").into())
    }

    /// Has an operator do something at a server.
    pub(super) async fn order<T: Send + 'static>(
        &self,
        index: usize,
        work: impl FnOnce(&mut Admin) -> Result<T, AdminError> + Send + 'static,
    ) -> Result<T, Stop> {
        let node = &self.actor(index)?.node;
        let name = node.name();
        let done = node.operator.order(work).await;
        done.map_err(|error| Report::new(format!("server {name}: {error}")).into())
    }

    /// Clients tell here what happens to them.
    pub(super) fn listen(&mut self, notices: mpsc::Receiver<(u64, Notice)>) {
        self.notices = Some(notices);
    }

    /// A phase begins, and the one before is over.
    pub(super) fn begin(
        &mut self,
        name: &'static str,
        of: usize,
        title: &str,
        purpose: &str,
    ) -> Result<(), Stop> {
        self.end_phase()?;
        self.first_client.clear();
        self.phase = Some(Phase {
            name,
            start: Instant::now(),
            results: Results::new(),
            told: Told::default(),
        });
        Ok(self.screen.phase(self.phases.len() + 1, of, title, purpose)?)
    }

    pub(super) fn end_phase(&mut self) -> Result<(), Stop> {
        self.look()?;
        if let Some(Phase { name, start, results, told }) = self.phase.take() {
            self.phases.push(PhaseReport::new(name, start.elapsed(), &results, told));
        }
        Ok(())
    }

    pub(super) fn told(&self) -> Told {
        self.phase.as_ref().map_or_else(Told::default, |phase| phase.told)
    }

    /// Takes in what has happened. An end that was not wanted ends the demo.
    pub(super) fn look(&mut self) -> Result<(), Stop> {
        if let Some(load) = &mut self.load {
            let snapshot = load.snapshot();
            self.clients = snapshot.clients;
            self.counts = snapshot.counts;
            if let Some(phase) = &mut self.phase {
                phase.results.add_all(&snapshot.recent);
            }
            self.recent.push_back((snapshot.recent_time, snapshot.recent));
            let mut kept = self.recent.iter().map(|(time, _)| *time).sum::<Duration>();
            while let Some((time, _)) =
                self.recent.front().filter(|(time, _)| kept - *time >= RECENT)
            {
                kept -= *time;
                self.recent.pop_front();
            }
        }
        let mut told = Told::default();
        while let Some((client, notice)) =
            self.notices.as_mut().and_then(|notices| notices.try_recv().ok())
        {
            told.moved += u64::from(matches!(notice, Notice::Moved { .. }));
            told.lost += u64::from(matches!(notice, Notice::Lost { was_in_use: true, .. }));
            told.refused += u64::from(matches!(notice, Notice::Refused { .. }));
            if client == 1 {
                self.first_client.push(notice);
            }
        }
        if let Some(phase) = &mut self.phase {
            phase.told.moved += told.moved;
            phase.told.lost += told.lost;
            phase.told.refused += told.refused;
        }
        for actor in &mut self.actors {
            if actor.node.has_ended() && !actor.may_end {
                let how = actor.node.ended.map_or_else(String::new, |ended| format!(" ({ended})"));
                let mut report =
                    Report::new(format!("server {} ended{how}, unasked", actor.node.name()));
                if let Some(words) = actor.node.last_words() {
                    report = report.with_remark(format!("its last words: {words}"));
                }
                return Err(report.into());
            }
        }
        Ok(())
    }

    /// Waits for the next moment to look, looks, and shows what is seen.
    pub(super) async fn tick(&mut self) -> Result<(), Stop> {
        self.ticks.tick().await;
        self.look()?;
        if self.load.is_none() {
            return Ok(());
        }
        let mut rows: Vec<_> =
            self.actors.iter().filter(|actor| actor.node.ended.is_none()).map(Actor::row).collect();
        rows.sort_by(|left, right| left.name.cmp(&right.name));
        let (mut results, mut time) = (Results::new(), Duration::ZERO);
        for (part, recent) in &self.recent {
            time += *part;
            results.add_all(recent);
        }
        let latency = results.latency();
        let calls_per_second =
            results.counts.of(Outcome::Answered) as f64 / time.as_secs_f64().max(1e-3);
        let pulse = Pulse {
            calls_per_second,
            p50: latency.p50,
            p99: latency.p99,
            answered: self.counts.of(Outcome::Answered),
            bad: self.counts.bad(),
        };
        Ok(self.screen.update(&rows, pulse)?)
    }

    /// Waits until something has happened, and not for ever.
    pub(super) async fn until(
        &mut self,
        what: &str,
        has_happened: impl Fn(&Self) -> bool,
    ) -> Result<(), Stop> {
        let start = Instant::now();
        while !has_happened(self) {
            if start.elapsed() > PATIENCE {
                let seconds = PATIENCE.as_secs();
                let phase = self.phase.as_ref().map_or("the start", |phase| phase.name);
                return Err(Report::new(format!(
                    "{phase}: for {seconds} s it was waited in vain until {what}"
                ))
                .into());
            }
            self.tick().await?;
        }
        Ok(())
    }

    /// Waits until each of these clients has had so many more replies: then it has heard what its
    /// server said when this began.
    pub(super) async fn until_answered(
        &mut self,
        clients: &BTreeSet<u64>,
        replies: u64,
    ) -> Result<(), Stop> {
        self.look()?;
        let chosen = |stage: &Self| -> Vec<u64> {
            let chosen = stage.clients.iter().filter(|client| clients.contains(&client.number));
            chosen.map(|client| client.statistics.done).collect()
        };
        let before = chosen(self);
        self.until("clients have had replies", |stage| {
            chosen(stage).iter().zip(&before).all(|(done, before)| *done >= before + replies)
        })
        .await
    }

    /// Lets some time pass.
    pub(super) async fn dwell(&mut self, time: Duration) -> Result<(), Stop> {
        let start = Instant::now();
        while start.elapsed() < time {
            self.tick().await?;
        }
        Ok(())
    }

    pub(super) fn event(&mut self, text: &str) -> Result<(), Stop> {
        Ok(self.screen.event(text)?)
    }

    /// The clients at an address.
    pub(super) fn clients_at(&self, address: &Address) -> BTreeSet<u64> {
        let there = self.clients.iter().filter(|client| client.address.as_ref() == Some(address));
        there.map(|client| client.number).collect()
    }

    /// Whether no client is on its way.
    pub(super) fn is_calm(&self) -> bool {
        self.clients.iter().all(|client| client.state == State::Ready)
    }

    pub(super) fn by_version(&self) -> ByVersion {
        let mut versions = ByVersion::new();
        for client in &self.clients {
            *versions.entry(client.version.map_or(0, ubf_codec::Version::get)).or_default() += 1;
        }
        versions
    }
}
