//! The contract by which an operator looks at a server and steers it: service `control`, versions
//! 1 and 2.
//!
//! It is a service like any other, so it can be served wherever an operator, and nobody else, can
//! reach it. The reference server has it on a Unix socket (`--control PATH`). Chapter "The control
//! socket" of the specification has a table of all requests and responses.
//!
//! ```
//! use std::time::Duration;
//! use ubf_node::control::Control;
//! use ubf_node::services::Echo;
//! use ubf_server::{Server, Service, Versions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let echo = Echo::new(Versions::of([1, 2]));
//! let server = Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, echo).bind().await?;
//! let control = Control::new(server.handle()).drains(Duration::from_secs(30), Duration::from_secs(10));
//! let socket = std::env::temp_dir().join(format!("ubf-doc-{}.socket", std::process::id()));
//! let operator = Server::builder().listen_unix(&socket).service(Control::NAME, control).bind().await?;
//! # drop((server, operator));
//! # Ok(())
//! # }
//! ```

mod asker;
mod handoffs;
mod reports;
mod request;
mod response;
mod rows;

mod keeping;
mod takeovers;

use std::sync::Arc;
use std::time::Duration;

use ubf_codec::{NextIp, Text, Version};
use ubf_proto::{DrainPlan, Versions};
use ubf_server::{
    Call, Client, ConnectionStatus, Cordon, Failure, Handler, LoadPlan, Peer, Phase, Reply,
    ServerHandle, Service, SessionStatus, Status,
};

use self::request::{OLD_SHAPES, SHAPES, unit_word};
use crate::audit::Audit;
use crate::breaks::Breaks;
use crate::certificates::Certificates;
use crate::handoff::Handoffs;
use crate::journal::Journal;
use crate::log::Log;
use crate::policy::Policy;
use crate::rows::Kept;
use crate::takeover::Takeovers;

pub(crate) use self::asker::Asker;
pub use self::asker::Role;
pub use self::handoffs::{HandoffPhase, HandoffReport};
pub use self::reports::{
    AgentCount, ConnectionReport, CordonReport, LoadMarksReport, PolicyReport, QuarantineReport,
    ServiceReport, SessionCountReport, SessionReport, StatusReport, TlsReport, VersionCount,
    WriterReport,
};
pub(crate) use self::request::is_a_goal;
pub use self::request::{Request, Which};
pub use self::response::{Refusal, Response};
pub use self::rows::{
    BackupReport, FinalizedReport, MigrationReport, RowsReport, TableReport, VersionsReport,
};
pub use self::takeovers::{TakeoverPhase, TakeoverReport};

/// The service for operators of a server.
#[derive(Clone, Debug)]
pub struct Control {
    server: ServerHandle,
    grace: Duration,
    hard_stop: Duration,
    journal: Option<Journal>,
    log: Option<Log>,
    breaks: Breaks,
    kept: Kept,
    takeovers: Option<Takeovers>,
    certificates: Vec<Certificates>,
    policy: Option<Policy>,
    audit: Option<Audit>,
    settings: Arc<[(String, Option<String>)]>,
    handoffs: Option<Handoffs>,
}

impl Control {
    /// The name under which `ubf admin` asks for it.
    pub const NAME: &'static str = "control";
    /// The versions of the contract. In version 1 a connection is called a session, and what came
    /// with version 2 is missing.
    pub const VERSIONS: [u32; 2] = [1, 2];
    /// The first version of the contract.
    pub const VERSION: u32 = 1;

    /// The service for this server.
    #[must_use]
    pub fn new(server: ServerHandle) -> Self {
        Self {
            server,
            grace: Duration::from_secs(30),
            hard_stop: Duration::from_secs(10),
            journal: None,
            log: None,
            breaks: Breaks::default(),
            kept: Kept::default(),
            takeovers: None,
            certificates: Vec::new(),
            policy: None,
            audit: None,
            settings: Arc::default(),
            handoffs: None,
        }
    }

    /// Tells these settings to whoever asks, as one that takes over does.
    #[must_use]
    pub(crate) fn with_settings(mut self, settings: Arc<[(String, Option<String>)]>) -> Self {
        self.settings = settings;
        self
    }

    /// Lets another process take over.
    #[must_use]
    pub(crate) fn with_takeovers(mut self, takeovers: Takeovers) -> Self {
        self.takeovers = Some(takeovers);
        self
    }

    /// Hands rows off to other nodes.
    #[must_use]
    pub(crate) fn with_handoffs(mut self, handoffs: Handoffs) -> Self {
        self.handoffs = Some(handoffs);
        self
    }

    /// Says how long a drain takes if the operator does not: by default 30 s, and 10 s for calls in
    /// progress.
    #[must_use]
    pub const fn drains(mut self, grace: Duration, hard_stop: Duration) -> Self {
        (self.grace, self.hard_stop) = (grace, hard_stop);
        self
    }

    /// Shows whether this journal is written.
    #[must_use]
    pub fn with_journal(mut self, journal: Option<Journal>) -> Self {
        self.journal = journal;
        self
    }

    /// Shows whether the program's log is written, and changes its filter.
    #[must_use]
    pub(crate) fn with_log(mut self, log: Log) -> Self {
        self.log = Some(log);
        self
    }

    /// Shows how often contracts were broken.
    #[must_use]
    pub(crate) fn with_breaks(mut self, breaks: Breaks) -> Self {
        self.breaks = breaks;
        self
    }

    /// Shows the rows of these services, and does what is wanted of them.
    #[must_use]
    pub(crate) fn with_rows(mut self, kept: Kept) -> Self {
        self.kept = kept;
        self
    }

    /// The last moment of the certificate that is over first.
    pub(crate) fn certificate_end(&self) -> Option<std::time::SystemTime> {
        self.certificates.iter().filter_map(|one| one.tls().not_after()).min()
    }

    /// Shows whether the certificates in the files are used.
    #[must_use]
    pub(crate) fn with_certificates(mut self, certificates: Vec<Certificates>) -> Self {
        self.certificates = certificates;
        self
    }

    /// Asks this policy what operators may do who come by a network.
    #[must_use]
    pub(crate) fn with_policy(mut self, policy: Option<Policy>) -> Self {
        self.policy = policy;
        self
    }

    /// Keeps a record of what changes the server, or was to.
    #[must_use]
    pub(crate) fn with_audit(mut self, audit: Option<Audit>) -> Self {
        self.audit = audit;
        self
    }

    /// What whoever is at the other end of a connection may ask for. `None`: nothing.
    ///
    /// Who can reach a control by a socket of this machine, or by a stream that the program made,
    /// may ask for everything. Of those who come by a network a policy decides; without one, who
    /// has shown a certificate may see.
    pub(crate) fn role(&self, peer: &Peer) -> Option<Role> {
        if peer.address().is_none() {
            return Some(Role::Host);
        }
        peer.identity()?;
        self.policy.as_ref().map_or(Some(Role::See), |policy| policy.role(peer))
    }

    /// Does what somebody asks for, as far as that one may, and keeps a record of it.
    pub(crate) async fn perform(&self, asker: &Asker, version: u32, request: Request) -> Response {
        let needed = Role::needed(&request);
        let what = match (&self.audit, needed) {
            (Some(_), Role::Steer | Role::Host) => request.to_term(version),
            (_, _) => None,
        };
        let response = if asker.role >= needed {
            self.answer(version, request).await
        } else {
            Response::Refused(Refusal::NotAllowed)
        };
        if let (Some(audit), Some(what)) = (&self.audit, what) {
            let refusal = if let Response::Refused(why) = &response { Some(why) } else { None };
            let result = refusal.map_or_else(|| "ok".to_owned(), ToString::to_string);
            audit.record(asker, &what.to_string(), &result);
        }
        response
    }

    /// What the server says that it is.
    pub(crate) fn agent(&self) -> Option<Text> {
        self.server.status().agent
    }

    pub(crate) const fn server(&self) -> &ServerHandle {
        &self.server
    }

    /// Does what an operator asks for who has come by HTTP.
    pub(crate) async fn ask(&self, asker: &Asker, request: Request) -> Response {
        self.perform(asker, Self::VERSIONS[1], request).await
    }

    /// The last take-over that this process had to do with.
    pub(crate) fn last_takeover(&self) -> Option<TakeoverReport> {
        self.takeovers.as_ref().and_then(Takeovers::report)
    }

    /// The services whose rows are in stores.
    pub(crate) const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The last hand-off of each service that had one.
    pub(crate) fn last_hand_offs(&self) -> Vec<HandoffReport> {
        self.handoffs.as_ref().map(Handoffs::reports).unwrap_or_default()
    }

    /// The status in the newest version.
    pub(crate) fn status_report(&self) -> StatusReport {
        self.report(2, &self.server.status())
    }

    /// What is said in the newest version of a status that somebody has.
    pub(crate) fn report_of(&self, status: &Status) -> StatusReport {
        self.report(2, status)
    }

    async fn answer(&self, version: u32, request: Request) -> Response {
        let answer = match self.try_rows(&request).await {
            Some(answer) => answer,
            None => self.try_answer(version, request).await,
        };
        match answer {
            Ok(response) => response,
            Err(why) => Response::Refused(why),
        }
    }

    async fn try_answer(&self, version: u32, request: Request) -> Result<Response, Refusal> {
        let server = &self.server;
        match request {
            Request::Status => {
                return Ok(Response::Status(Box::new(self.report(version, &server.status()))));
            }
            Request::Connections => {
                let StatusReport { connections, connections_by_version: by_version, .. } =
                    self.report(version, &server.status());
                return Ok(Response::Connections { connections, by_version });
            }
            Request::ListConnections { after, at_most } => {
                let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
                let connections = server.connections(after, at_most);
                return Ok(Response::List(connections.into_iter().map(connection).collect()));
            }
            Request::ListSessions { after, at_most } => {
                let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
                let sessions = server.sessions(after, at_most);
                let mut sessions: Vec<_> = sessions.into_iter().map(session).collect();
                self.add_kept_sessions(after, at_most, &mut sessions).await;
                return Ok(Response::Sessions(sessions));
            }
            Request::Kick { number, hard_stop } => {
                let is_there = server.close_connection(number, hard_stop.unwrap_or(self.hard_stop));
                is_there.then_some(()).ok_or(Refusal::UnknownConnection)?;
            }
            Request::Move { number, next_ip, grace } => {
                let next_ip = self.goal(next_ip)?;
                let grace = grace.unwrap_or(self.grace);
                let is_there = server.move_connection(number, next_ip, grace, self.hard_stop);
                is_there.then_some(()).ok_or(Refusal::UnknownConnection)?;
            }
            Request::Drain { next_ip, grace, hard_stop, stays } => {
                let plan = DrainPlan::new(
                    self.goal(next_ip)?,
                    grace.unwrap_or(self.grace),
                    hard_stop.unwrap_or(self.hard_stop),
                );
                let is_done = if stays { server.drain_and_stay(plan) } else { server.drain(plan) };
                is_done.then_some(()).ok_or(Refusal::Closing)?;
            }
            Request::Undrain => {
                if !server.undrain() {
                    let is_listening = server.status().is_listening;
                    return Err(if is_listening {
                        Refusal::NotDraining
                    } else {
                        Refusal::NotListening
                    });
                }
            }
            Request::Cordon { next_ip } => {
                // What was read as a NextIP can be told as one.
                server.cordon(Cordon::new(next_ip)).then_some(()).ok_or(Refusal::NoPeers)?;
            }
            Request::Uncordon => {
                server.uncordon().then_some(()).ok_or(Refusal::NotCordoned)?;
            }
            Request::Withdraw(which, version) => {
                self.each(&which, version, ServerHandle::withdraw)?;
            }
            Request::Restore(which, version) => {
                self.each(&which, version, ServerHandle::restore)?;
            }
            Request::SetLoadMarks { unit, low, high, next_ip } => {
                let next_ip = self.goal(next_ip)?;
                server.set_load_marks(Some(LoadPlan::new(unit, low, high, next_ip)));
            }
            Request::ClearLoadMarks => server.set_load_marks(None),
            Request::SetPeers(peers) => {
                // What was read as a NextIP can be told as one.
                server.set_peers(peers).then_some(()).ok_or(Refusal::NoPeers)?;
            }
            Request::SetLogFilter(filter) => {
                let none = || Refusal::BadFilter("this server does not say what it logs".into());
                let log = self.log.as_ref().ok_or_else(none)?;
                log.set_filter(&filter).map_err(Refusal::BadFilter)?;
            }
            Request::Rows(_)
            | Request::Migrate(_)
            | Request::Finalize(_)
            | Request::Lower(_)
            | Request::BackUp { .. }
            | Request::HandOff { .. }
            | Request::LastHandOffs => return Err(Refusal::NoRows),
            Request::ShutDown { hard_stop } => {
                server.shut_down(hard_stop.unwrap_or(self.hard_stop));
            }
            Request::TakeOver { path } => self.take_over(path)?,
            Request::Settings => return Ok(Response::Settings(self.settings.to_vec())),
            Request::LastTakeover => {
                let report = self.takeovers.as_ref().and_then(Takeovers::report);
                return Ok(Response::Takeover(report.map(Box::new)));
            }
        }
        Ok(Response::Ok)
    }

    fn take_over(&self, path: String) -> Result<(), Refusal> {
        let takeovers = self.takeovers.as_ref().ok_or(Refusal::NoTakeover)?;
        if self.server.status().phase != Phase::Serving {
            return Err(Refusal::Closing);
        }
        takeovers.ask(path)
    }

    /// Where clients are sent: the server's peers, if the operator does not say.
    fn goal(&self, said: Option<NextIp>) -> Result<NextIp, Refusal> {
        said.or_else(|| NextIp::new(self.server.status().peers)).ok_or(Refusal::NoPeers)
    }

    /// Withdraws or restores a version of one service, or of all that have it. Twice is once.
    fn each(
        &self,
        which: &Which,
        version: Version,
        change: fn(&ServerHandle, &Service, Version) -> bool,
    ) -> Result<(), Refusal> {
        let status = self.server.status();
        let mut is_known = false;
        for (service, spoken) in &status.spoken {
            let withdrawn =
                status.withdrawn.get(service).is_some_and(|withdrawn| withdrawn.contains(version));
            let is_meant = match which {
                Which::All => true,
                Which::One(name) => name == service,
            };
            if is_meant && (withdrawn || spoken.contains(version)) {
                is_known = true;
                // `false` if it was done before.
                let _is_changed = change(&self.server, service, version);
            }
        }
        if is_known { Ok(()) } else { Err(Refusal::UnknownVersion) }
    }

    fn report(&self, version: u32, status: &Status) -> StatusReport {
        let journal = self.journal.as_ref().map(|journal| {
            let health = journal.health();
            WriterReport { failing: health.is_failing, missing: health.missing }
        });
        let log = self.log.as_ref().map(|log| {
            let health = log.health();
            WriterReport { failing: health.is_failing, missing: health.lost }
        });
        let mut report = report(version, status);
        let breaks = self.breaks.counters();
        if let Some(sessions) = &mut report.sessions {
            for kept in self.kept.iter() {
                let (present, parked) = kept.session_counts();
                sessions.present += present as u64;
                sessions.parked += parked as u64;
            }
        }
        report.counters.extend(breaks.map(|(name, count)| (name.to_owned(), count)));
        if self.kept.iter().next().is_some() {
            let losses = self.kept.iter().map(|kept| kept.losses()).sum();
            report.counters.insert("rows_lost_fields".to_owned(), losses);
        }
        let is_failing = self.certificates.iter().any(Certificates::is_failing);
        let tls = (!self.certificates.is_empty()).then_some(TlsReport { failing: is_failing });
        let audit = self.audit.as_ref().map(|audit| {
            let (failing, missing) = audit.health();
            WriterReport { failing, missing }
        });
        let policy = self.policy.as_ref();
        let policy = policy.map(|policy| PolicyReport { failing: policy.is_failing() });
        StatusReport { journal, log, tls, audit, policy, ..report }
    }
}

impl Handler for Control {
    type State = ();

    fn versions(&self) -> Versions {
        Versions::of(Self::VERSIONS)
    }

    fn connect(&self, _: &Client) {}

    async fn request(&self, call: Call<()>) -> Result<Reply, Failure> {
        let version = call.version().get();
        let role = self.role(call.peer());
        let response = match (role, Request::read(version, call.term())) {
            (Some(role), Some(request)) => {
                let asker = Asker::of(call.peer(), role);
                Some(self.perform(&asker, version, request).await)
            }
            (None, Some(_)) => Some(Response::Refused(Refusal::NotAllowed)),
            (_, None) => None,
        };
        let phase = self.server.status().phase.as_str();
        let shapes = if version < 2 { OLD_SHAPES } else { SHAPES };
        Ok(match response {
            Some(response) => Reply::new(response.to_term(version), phase),
            None => Reply::broken_contract(call.term(), shapes, phase),
        })
    }
}

fn report(version: u32, status: &Status) -> StatusReport {
    let by_version = status.connections_by_version.iter();
    StatusReport {
        phase: status.phase.as_str().into(),
        time_left_ms: status.time_left.map(millis),
        next_ip: status.next_ip.as_ref().map(ToString::to_string),
        listening: status.is_listening,
        overloaded: status.is_overloaded,
        connections: status.connections as u64,
        connections_by_version: by_version
            .map(|((service, version), &count)| VersionCount {
                service: name(service),
                version: version.get(),
                connections: count as u64,
            })
            .collect(),
        connections_by_agent: status
            .connections_by_agent
            .iter()
            .map(|(agent, count)| AgentCount { agent: agent.clone(), connections: *count as u64 })
            .collect(),
        sessions: Some(SessionCountReport {
            present: status.sessions.present as u64,
            parked: status.sessions.parked as u64,
        }),
        calls: status.calls as u64,
        services: status
            .spoken
            .iter()
            .map(|(service, spoken)| ServiceReport {
                service: name(service),
                spoken: numbers(Some(spoken)),
                withdrawn: numbers(status.withdrawn.get(service)),
            })
            .collect(),
        quarantines: status
            .quarantines
            .iter()
            .map(|one| QuarantineReport {
                service: name(&one.service),
                version: one.version.get(),
                peer: one.peer.clone(),
                left_ms: millis(one.time_left),
            })
            .collect(),
        cordon: status.cordon.as_ref().map(|cordon| CordonReport {
            next_ip: cordon.next_ip.as_ref().map(ToString::to_string),
        }),
        load_marks: status.load.as_ref().map(|load| LoadMarksReport {
            unit: unit_word(version, load.unit).into(),
            low: load.low,
            high: load.high,
            next_ip: load.next_ip.to_string(),
        }),
        peers: NextIp::new(status.peers.clone()).map(|peers| peers.to_string()),
        counters: status
            .counts
            .named()
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect(),
        pid: std::process::id().into(),
        uptime_ms: millis(status.uptime),
        agent: status.agent.as_ref().map(Text::to_latin1),
        addresses: status.addresses.iter().map(ToString::to_string).collect(),
        advertised: NextIp::new(status.advertised.clone()).map(|known| known.to_string()),
        journal: None,
        log: None,
        tls: None,
        audit: None,
        policy: None,
    }
}

fn connection(status: ConnectionStatus) -> ConnectionReport {
    let (service, version) = status.agreed.unzip();
    ConnectionReport {
        number: status.number,
        peer: status.peer.to_string(),
        service: service.as_ref().and_then(name),
        version: version.map(Version::get),
        agent: status.agent,
        calls: status.calls as u64,
        age_ms: millis(status.age),
    }
}

fn session(status: SessionStatus) -> SessionReport {
    SessionReport {
        number: status.number,
        name: status.name,
        service: name(&status.service),
        peer: status.peer.to_string(),
        connection: status.connection,
        age_ms: millis(status.age),
        parked: status.is_parked,
        resumes: status.resumes,
        kept: status.kept as u64,
    }
}

fn name(service: &Service) -> Option<String> {
    service.name().map(Text::to_latin1)
}

fn numbers(versions: Option<&Versions>) -> Vec<u32> {
    versions.into_iter().flat_map(Versions::iter).map(Version::get).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
