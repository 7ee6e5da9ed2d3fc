//! The rows of a service go from this node to another one, and its sessions with them (U5).
//!
//! ```text
//! operator             A (shift: giving)                      B (shift: taking)
//!  │ {hand_off,…} ────▶ │ {offer,…} ──────────────────────────▶ │ begins a copy in its own store
//!  │                    │ suspends the shard                    │
//!  │                    │ {rows,…}… {copy,…,Hash} ────────────▶ │ makes it whole: prepared
//!  │                    │ ◀───────────────── {prepared,…,Hash}  │
//!  │                    │ moved: THE COMMIT POINT               │
//!  │                    │ {activate,…} ───────────────────────▶ │ owns and serves the rows
//!  │ ◀── done ───────── │ ◀───────────────────────── {active,…} │
//!  │                    │ names B to clients                    │
//!                       │ ◀────────────── {ask,…}, when in doubt│
//! ```
//! What each of them may do when, the machines of [`ubf_state::handoff`] say, which are searched
//! exhaustively. Here is what they say done. Nodes speak the contract `handoff` (`words`): a
//! service like any other, on the control socket, and for nodes of other machines on the listener
//! of operators, with mutual TLS and a policy that names them (`elsewhere`). Whoever may speak it
//! owns the rows, so it is never where clients are.

mod elsewhere;
mod giving;
mod peer;
mod progress;
mod service;
mod shift;
mod taking;
mod watching;
mod words;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::error;
use ubf_client::Target;
use ubf_codec::{Address, NextIp};
use ubf_proto::Random;
use ubf_server::{Peer, ServerHandle, Service};

use self::shift::Shift;
use crate::audit::Audit;
use crate::control::HandoffReport;
use crate::rows::Kept;

pub(crate) use self::elsewhere::Elsewhere;
pub(crate) use self::service::HandoffService;
pub(crate) use self::words::NAME;

/// L1: the most bytes of rows that are handed off: clients wait while they are on their way.
pub(crate) const MAX_BYTES: u64 = 64 << 20;
/// L1: the most bytes of events that are taken with rows. They are in memory.
const MAX_EVENT_BYTES: usize = 8 << 20;
/// How long an attempt may take up to the commit point, if nobody says it: clients wait so long.
const ATTEMPT_TIME: Duration = Duration::from_secs(2);
/// How long whoever asked for a hand-off waits for its end behind the commit point.
const END_TIME: Duration = Duration::from_secs(10);

/// The hand-offs of this node. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Handoffs {
    own: Arc<Own>,
    orders: mpsc::Sender<Order>,
}

/// What waits for hand-offs.
pub(crate) struct Waiting(mpsc::Receiver<Order>);

/// What this node says of itself to other nodes.
#[derive(Debug)]
struct Own {
    /// Where nodes of this machine speak to it. `None`: nowhere.
    node: Option<String>,
    /// What speaks to nodes of other machines. `None`: nothing does.
    elsewhere: Option<Elsewhere>,
    /// Keeps a record of what other nodes do here.
    audit: Option<Audit>,
    shifts: Vec<Arc<Shift>>,
    server: OnceLock<ServerHandle>,
    /// The certificate with which clients are served, if they come by TLS.
    tls: Option<PathBuf>,
    /// Of the names of attempts.
    seed: u64,
}

impl Own {
    /// Where clients find this node.
    fn next_ip(&self) -> Option<NextIp> {
        let status = self.server.get()?.status();
        let listens = status.addresses.iter().map(|address| Address::from(*address));
        let mut known = status.advertised.into_iter().chain(listens);
        known.find(crate::control::is_a_goal).map(NextIp::from)
    }

    /// By which other nodes of a store tell this one from others: where clients find it.
    fn name(&self) -> String {
        let found = self.next_ip().map(|next_ip| next_ip.to_string());
        found.or_else(|| self.node.clone()).unwrap_or_else(|| std::process::id().to_string())
    }

    fn elsewhere(&self) -> Result<&Elsewhere, String> {
        self.elsewhere.as_ref().ok_or_else(|| {
            "this node speaks to none of another machine: --control-listen, and `node` in \
             [control] of --policy"
                .to_owned()
        })
    }

    /// Where another node is, if this one may speak to it.
    fn checked(&self, node: &str) -> Result<Target, String> {
        let target: Target = node.parse().map_err(|error| format!("{node}: {error}"))?;
        if let Target::Network(_) = target {
            return Err(peer::wants_tls(node));
        }
        if let Target::Tls(address) = &target {
            self.elsewhere()?.may_speak_to(address)?;
        }
        Ok(target)
    }

    /// Where a node finds this one that is spoken to at `node`: by the same way.
    fn node_for(&self, node: &str) -> Result<String, String> {
        if is_elsewhere(node) {
            let own = self.elsewhere()?.own_address();
            return own.ok_or_else(|| {
                "nobody could ask this node: --control-advertise HOST:PORT".to_owned()
            });
        }
        self.node.clone().ok_or_else(|| "nobody could ask this node: --control PATH".to_owned())
    }
}

/// Whether a node is spoken to by a network.
pub(crate) fn is_elsewhere(node: &str) -> bool {
    matches!(node.parse(), Ok(Target::Tls(_) | Target::Network(_)))
}

/// Hand the rows of a service off.
#[derive(Debug)]
struct Order {
    shift: Arc<Shift>,
    to: String,
    within: Duration,
    answer: oneshot::Sender<Result<(), String>>,
}

impl Handoffs {
    /// Those of these services. Nodes of this machine speak to this one at `node`; clients come by
    /// TLS if there is a certificate for it.
    pub(crate) fn new(
        kept: &Kept,
        node: Option<String>,
        elsewhere: Option<Elsewhere>,
        audit: Option<Audit>,
        tls: Option<PathBuf>,
    ) -> (Self, Waiting) {
        let (orders, waiting) = mpsc::channel(1);
        let shifts = kept.iter().map(|kept| Arc::new(Shift::new(Arc::clone(kept)))).collect();
        let seed = shift::unique();
        let own = Own { node, elsewhere, audit, shifts, server: OnceLock::new(), tls, seed };
        (Self { own: Arc::new(own), orders }, Waiting(waiting))
    }

    /// The server that serves the services. Before, nothing is handed off.
    pub(crate) fn serve_with(&self, server: ServerHandle) {
        // It is told once.
        let _is_first = self.own.server.set(server).is_ok();
    }

    /// What listens for operators and nodes that come by a network.
    pub(crate) fn listen_with(&self, listener: ServerHandle) {
        if let Some(elsewhere) = &self.own.elsewhere {
            elsewhere.listens_with(listener);
        }
    }

    /// Whether somebody who has come by a network is a node that may give rows and ask for them.
    pub(crate) fn is_node(&self, peer: &Peer) -> bool {
        self.own.elsewhere.as_ref().is_some_and(|elsewhere| elsewhere.is_node(peer))
    }

    /// By which other nodes of a store tell this one from others.
    pub(crate) fn node_name(&self) -> String {
        self.own.name()
    }

    /// Whether there is anything to be handed off.
    pub(crate) fn are_any(&self) -> bool {
        !self.own.shifts.is_empty()
    }

    /// Hands the rows of a service off to the node that is spoken to at `to`. What came of it.
    pub(crate) async fn hand_off(
        &self,
        names: &[Service],
        to: &str,
        within: Option<Duration>,
    ) -> Result<HandoffReport, String> {
        let within = within.unwrap_or(ATTEMPT_TIME);
        let shift = self.own.shifts.iter().find(|shift| shift.kept().names() == names);
        let shift = Arc::clone(shift.ok_or("the service has no rows here")?);
        let (answer, answered) = oneshot::channel();
        let order = Order { shift: Arc::clone(&shift), to: to.to_owned(), within, answer };
        self.orders.try_send(order).map_err(|_| "another hand-off begins just now")?;
        match tokio::time::timeout(within + END_TIME, answered).await {
            Ok(Ok(Ok(()))) => shift.progress().report().ok_or_else(|| "nothing came of it".into()),
            Ok(Ok(Err(why))) => Err(why),
            Ok(Err(_)) => Err("this server is ending".to_owned()),
            Err(_) => {
                let why = "the rows are the other node's, which has not said that it serves them: \
                           it is told again and again";
                Err(why.to_owned())
            }
        }
    }

    /// The last hand-off of each service that had one.
    pub(crate) fn reports(&self) -> Vec<HandoffReport> {
        self.own.shifts.iter().filter_map(|shift| shift.progress().report()).collect()
    }

    /// Does what is to be done: hand-offs that are wanted, and those that were under way when this
    /// node was started.
    pub(crate) async fn attend(&self, waiting: Waiting) -> Infallible {
        let mut tasks = JoinSet::new();
        for shift in &self.own.shifts {
            let (shift, own) = (Arc::clone(shift), Arc::clone(&self.own));
            tasks.spawn(async move { shift.take_all(&own).await });
        }
        for shift in self.own.shifts.iter().filter(|shift| shift.kept().is_shared()) {
            let (shift, own) = (Arc::clone(shift), Arc::clone(&self.own));
            tasks.spawn(async move { shift.watch(&own).await });
        }
        for shift in self.own.shifts.iter().filter(|shift| shift.has_moved()) {
            let (shift, own) = (Arc::clone(shift), Arc::clone(&self.own));
            tasks.spawn(async move { shift.pursue(&own).await });
        }
        let Waiting(mut orders) = waiting;
        let mut random = Random::new(self.own.seed);
        loop {
            tokio::select! {
                order = orders.recv() => {
                    // This handle can give orders.
                    let Some(Order { shift, to, within, answer }) = order else { continue };
                    let (own, name) = (Arc::clone(&self.own), random.below(u64::MAX));
                    tasks.spawn(async move {
                        let given = shift.give(&own, &to, within, name).await;
                        // Whoever has stopped to wait has its reasons.
                        answer.send(given).ok();
                    });
                }
                Some(ended) = tasks.join_next() => {
                    if let Err(error) = ended {
                        error!(%error, "a hand-off has panicked: the next start of this node ends it");
                    }
                }
            }
        }
    }
}
