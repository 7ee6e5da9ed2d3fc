//! What an operator can see and do.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use ubf_codec::{Address, NextIp, Term, Text, Version};
use ubf_net::{Peer, Stream};
use ubf_proto::endpoint::Input;
use ubf_proto::{DrainPlan, Phase, Service, Versions, server};

use crate::call_times::CallTimes;
use crate::counters::Counts;
use crate::endpoint::SharedEndpoint;
use crate::mailbox::Command;
use crate::settings::{Cordon, LoadPlan};
use crate::welcome;

/// A hold on a server that runs: to look at it, to drain it, to stop it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServerHandle(pub(crate) Arc<SharedEndpoint>);

impl ServerHandle {
    /// How the server is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status()
    }

    /// How long the calls of each service and version took, of those that were called. Empty, if
    /// that is not [counted](crate::ServerBuilder::time_calls).
    #[must_use]
    pub fn call_times(&self) -> Vec<CallTimes> {
        self.0.call_times()
    }

    /// R8: sends all clients elsewhere, then stops. `false` if the server is closing already.
    ///
    /// While the server drains, replies carry the plan's NextIP and silent clients are told (R3).
    /// The grace ends when no connection is left, or when its time is over; then no further
    /// call is executed, and those in progress have until the hard stop.
    ///
    /// A plan that names this server's own address leaves it to a successor, in place (R5): this
    /// server stops to listen, and then tells its clients to connect again.
    ///
    /// `false` too if clients cannot be told of the addresses, as for
    /// [`set_peers`](Self::set_peers).
    #[must_use = "a server that is closing cannot be drained"]
    pub fn drain(&self, plan: DrainPlan) -> bool {
        self.0.handle(Input::Drain(plan))
    }

    /// As [`drain`](Self::drain), but the server stays when the clients are gone and the grace is
    /// over: until it is told to [shut down](Self::shut_down) or to [go on](Self::undrain).
    #[must_use = "a server that is closing cannot be drained"]
    pub fn drain_and_stay(&self, plan: DrainPlan) -> bool {
        self.0.handle(Input::DrainAndStay(plan))
    }

    /// The connections whose numbers are above this one, oldest first, and no more than `at_most`.
    #[must_use]
    pub fn connections(&self, after: u64, at_most: usize) -> Vec<ConnectionStatus> {
        self.0.connections(after, at_most)
    }

    /// The sessions whose numbers are above this one, oldest first, and no more than `at_most`.
    #[must_use]
    pub fn sessions(&self, after: u64, at_most: usize) -> Vec<SessionStatus> {
        self.0.sessions(after, at_most)
    }

    /// How many sessions there are, to look at or to wait for a change of. The latest is always
    /// there.
    ///
    /// ```
    /// # use ubf_server::ServerHandle;
    /// # async fn example(handle: ServerHandle) {
    /// let mut sessions = handle.session_counts();
    /// // The error is that the server is gone, and its sessions with it.
    /// sessions.wait_for(|sessions| sessions.parked == 0).await.ok();
    /// # }
    /// ```
    #[must_use]
    pub fn session_counts(&self) -> watch::Receiver<SessionCounts> {
        self.0.session_counts()
    }

    /// Sends the client of one connection elsewhere: its next reply names `next_ip`, or a notice
    /// does so at once, and it has the grace to go. A client that stays is then closed, as
    /// [`close_connection`](Self::close_connection) does. A drain that begins meanwhile, or ends,
    /// replaces all that.
    ///
    /// `false` if no connection has this number, or if the client cannot be told of the addresses,
    /// as for [`set_peers`](Self::set_peers).
    #[must_use = "the connection may be gone"]
    pub fn move_connection(
        &self,
        number: u64,
        next_ip: NextIp,
        grace: Duration,
        hard_stop: Duration,
    ) -> bool {
        let input = |connection| Input::Move { connection, next_ip, grace, hard_stop };
        self.0.handle_for(number, input)
    }

    /// Admits no further client, while those that are there stay: a new one is told
    /// `{'closing','cordoned',0}` and closed. The header names the addresses of the cordon, or the
    /// server's peers; a drain's addresses come first. Who may have a session here is heard first,
    /// and may go on with it (S10.4): connections from an address of which there is a session, and
    /// any connection if a service has an [owner](crate::SessionOwner).
    ///
    /// `false` if clients cannot be told of the addresses, as for [`set_peers`](Self::set_peers).
    #[must_use = "clients may not be able to go there"]
    pub fn cordon(&self, cordon: Cordon) -> bool {
        self.0.handle(Input::Cordon(cordon))
    }

    /// Admits clients again. `false` if there is no cordon.
    #[must_use = "there may be no cordon"]
    pub fn uncordon(&self) -> bool {
        self.0.handle(Input::Uncordon)
    }

    /// Closes one connection: it executes no further call, and those in progress may take so long.
    /// The client is told `{'closing','operator',N}`. `false` if no connection has this number.
    #[must_use = "the connection may be gone"]
    pub fn close_connection(&self, number: u64, hard_stop: Duration) -> bool {
        self.0.command(number, |to, _| {
            let why = Term::atom(Text::from_static("operator"));
            Command::Tell(to, Box::new(server::Input::Close { why, within: hard_stop }))
        })
    }

    /// Asks the server's [rule](crate::AdmissionRule) again, whose answers have changed: connections
    /// that it does not admit any more, or whose service it does not allow, are closed as
    /// [`close_connection`](Self::close_connection) does, and so are those from which it takes or
    /// to which it gives any other service, so that their clients connect again. The others notice
    /// nothing. So many were closed.
    pub fn admit_anew(&self, hard_stop: Duration) -> usize {
        let changed = self.0.changed_by_rule();
        changed.into_iter().filter(|&number| self.close_connection(number, hard_stop)).count()
    }

    /// Goes back to serving. `false` if the server does not drain, is beyond that, or has left its
    /// address to a successor.
    #[must_use = "a server that is closing cannot be brought back"]
    pub fn undrain(&self) -> bool {
        self.0.handle(Input::Undrain)
    }

    /// Withdraws a version until it is restored: clients that use it are told so, and negotiate.
    /// `false` if the service does not have it.
    #[must_use = "the service may not have this version"]
    pub fn withdraw(&self, service: &Service, version: Version) -> bool {
        self.0.handle(Input::Withdraw(service.clone(), version))
    }

    /// Offers a version again, whether an operator or crashes withdrew it. `false` if the service
    /// does not have it.
    #[must_use = "the service may not have this version"]
    pub fn restore(&self, service: &Service, version: Version) -> bool {
        self.0.handle(Input::Restore(service.clone(), version))
    }

    /// R9: sends clients elsewhere while the load is high; `None`: whatever the load is, they stay.
    pub fn set_load_marks(&self, plan: Option<LoadPlan>) {
        self.0.handle(Input::Load(plan));
    }

    /// R4: says where clients go when this server is lost; each client learns of it when it
    /// negotiates next. The server's own addresses are left out.
    ///
    /// `false`, and nothing changes, if clients cannot be told of them: there are more than 16,
    /// they have more than 1,024 bytes with the commas between them, or one is `0.0.0.0` or `::`
    /// (R7).
    #[must_use = "clients may not be able to go there"]
    pub fn set_peers(&self, peers: Vec<Address>) -> bool {
        self.0.handle(Input::Peers(peers))
    }

    /// Serves a connection that the program has made, over TLS or through a tunnel for example,
    /// until it ends. It is admitted when the future is first polled, as any connection is: limits
    /// count it, a drain sends its client elsewhere.
    ///
    /// `peer` is who is at its other end: the address of the TCP connection below, or
    /// [`Peer::Own`]. The future is the connection, and may be spawned; who drops it ends it.
    ///
    /// The server must [run](crate::Server::run): that is what takes it through its phases.
    ///
    /// ```
    /// use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    /// use ubf_server::{Call, Handlers, Peer, Reply, Server, Service};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let handlers = Handlers::new().on(1, |call: Call<()>| async move {
    ///     Reply::ok(call.peer().to_string())
    /// });
    /// let server = Server::builder().listen_nowhere().service(Service::DEFAULT, handlers);
    /// let server = server.bind().await?;
    /// let (mut client, stream) = tokio::io::duplex(1024);
    /// tokio::spawn(server.serve_stream(stream, Peer::Own));
    /// tokio::spawn(server.run());
    ///
    /// client.write_all(b"1 'who'$").await?;
    /// let mut reply = [0; 19];
    /// client.read_exact(&mut reply).await?;
    /// assert_eq!(&reply, b"1 ? {\"own\"'start'}$");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "the future is the connection"]
    pub fn serve_stream<S>(&self, stream: S, peer: Peer) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        welcome::serve(Stream::own(stream), peer, Arc::clone(&self.0))
    }

    /// Executes no further call, gives those in progress so much time, and stops. The grace of a
    /// drain ends at once.
    pub fn shut_down(&self, hard_stop: Duration) {
        self.0.shut_down(hard_stop);
    }

    /// Stops at once. Calls in progress are cut.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// How a server is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Where it is on its way from serving to stopped (R8).
    pub phase: Phase,
    /// Until the phase changes by itself.
    pub time_left: Option<Duration>,
    /// Where replies send the clients.
    pub next_ip: Option<NextIp>,
    /// R9: whether that is because of the load.
    pub is_overloaded: bool,
    /// Connections.
    pub connections: usize,
    /// Those of them that have agreed on a version.
    pub connections_by_version: BTreeMap<(Service, Version), usize>,
    /// What clients say that they are, most common first: at most 64 of them, of at most 64 bytes
    /// each, and the sum of the rest as `other`.
    pub connections_by_agent: Vec<(String, usize)>,
    /// S6: sessions, with and without a connection.
    pub sessions: SessionCounts,
    /// Requests whose handlers run.
    pub calls: usize,
    /// The versions of each service that clients may use.
    pub spoken: BTreeMap<Service, Versions>,
    /// Those that they may not use: an operator or crashes have withdrawn them (N6).
    pub withdrawn: BTreeMap<Service, Versions>,
    /// N6: what crashes have withdrawn, for all or for single peers.
    pub quarantines: Vec<QuarantineStatus>,
    /// That no further connection is admitted.
    pub cordon: Option<Cordon>,
    /// R9: the load marks.
    pub load: Option<LoadPlan>,
    /// R4: where clients go when this server is lost.
    pub peers: Vec<Address>,
    /// The network addresses that it was told to listen on.
    pub addresses: Vec<SocketAddr>,
    /// The addresses by which clients know it, if they are others.
    pub advertised: Vec<Address>,
    /// Whether clients can connect.
    pub is_listening: bool,
    /// Name and version of the software.
    pub agent: Option<Text>,
    /// Since the server was built.
    pub uptime: Duration,
    /// What was counted.
    pub counts: Counts,
}

/// A version that crashes have withdrawn (N6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuarantineStatus {
    /// Of this service.
    pub service: Service,
    /// The version.
    pub version: Version,
    /// For whom: an address, a network of IPv6, or the hash of an identity. `None`: for all.
    pub peer: Option<String>,
    /// Until it is offered again.
    pub time_left: Duration,
}

/// How many sessions there are at one moment (S6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionCounts {
    /// Those that are not over.
    pub present: usize,
    /// Those of them that have no connection.
    pub parked: usize,
}

/// How one session is (S1 to S6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStatus {
    /// Its number, which no other one of this server has.
    pub number: u64,
    /// A short hash of its name, which is a secret (S9). Clients show the same.
    pub name: String,
    /// Whose it is.
    pub service: Service,
    /// The number of the connection that it has, or had last.
    pub connection: u64,
    /// Where that comes from.
    pub peer: Peer,
    /// How long it has been there.
    pub age: Duration,
    /// Whether it has no connection.
    pub is_parked: bool,
    /// How often it went on with another connection.
    pub resumes: u64,
    /// Bytes of answers and events that are kept, to within 16 KiB.
    pub kept: usize,
}

/// A connection at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStatus {
    /// Counted from 1 by the server; no other connection has it or will have it.
    pub number: u64,
    /// Who is at its other end.
    pub peer: Peer,
    /// Since it was accepted.
    pub age: Duration,
    /// Requests whose handlers run.
    pub calls: usize,
    /// What the client says that it is, in at most 64 bytes.
    pub agent: Option<String>,
    /// What was agreed on last.
    pub agreed: Option<(Service, Version)>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Report {
    /// What was counted; [`Counts::calls_cut`] is not 0 if a promise was broken.
    pub counts: Counts,
    /// Why it ended by itself; `None`: it was told to.
    pub fault: Option<Fault>,
}

impl Report {
    /// Of a server whose own task did not come to its end.
    pub(crate) const fn lost(counts: Counts) -> Self {
        Self { counts, fault: Some(Fault::Run) }
    }

    /// Whether the server ended as it was told to, and all calls that were begun were answered.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        let Counts { calls_cut, connections_crashed, answers_lost, .. } = self.counts;
        self.fault.is_none() && calls_cut == 0 && connections_crashed == 0 && answers_lost == 0
    }
}

/// A task that a server cannot be without has ended, though nobody told it to. The server then shut
/// down: it answered the calls in progress and sent its clients away.
///
/// That is a fault of this library or of what it runs on, never of a service or of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The task that accepts the connections of a listener.
    Acceptor,
    /// The one that takes the server through its phases, which is
    /// [`Server::run`](crate::Server::run).
    Run,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acceptor => "the task that accepts connections ended unexpectedly",
            Self::Run => "the task that runs the server panicked",
        })
    }
}

impl std::error::Error for Fault {}
