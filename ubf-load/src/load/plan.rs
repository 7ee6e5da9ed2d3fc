//! What a load is to be.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use ubf_client::tls::ClientTls;
use ubf_client::{Builder, Client, Notice, RedirectPolicy, Service, SessionPlan, Target, Versions};
use ubf_codec::{Limits, Version};

use super::cut::Scissors;
use super::requests::Requests;
use super::stock::StockPlan;

/// What a load is to be: whom it is for, what is asked, how much of it and for how long.
///
/// [`Plan::new`] is one connection that calls as fast as it is answered, until it is stopped; set
/// the fields that are to be otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// Where clients start, in this order.
    pub addresses: Vec<Target>,
    /// Whether client N starts at the Nth address, and not all at the first.
    pub spreads: bool,
    /// The service that is called.
    pub service: Service,
    /// What is to be known of servers that know no versions. `None`: they know some.
    pub stock: Option<StockPlan>,
    /// The versions that the clients offer.
    pub versions: Versions,
    /// Which redirections the clients follow.
    pub policy: RedirectPolicy,
    /// What makes TLS of connections. `None`: they are plain.
    pub tls: Option<ClientTls>,
    /// What the clients accept in one packet.
    pub limits: Limits,
    /// S1: whether the clients wish for sessions.
    pub session: SessionPlan,
    /// About so long a connection lives, until the load breaks it. `None`: it breaks none, unless
    /// it is [told to](super::Load::cut).
    pub cut: Option<Duration>,
    /// Whether the load can break connections at all: then they go through it.
    pub can_cut: bool,
    /// What is asked.
    pub requests: Requests,
    /// How many clients there are, each with a connection of its own.
    pub connections: usize,
    /// How many calls are in flight on each connection.
    pub depth: usize,
    /// Calls a second, of all clients together. `None`: each caller makes a call when the one
    /// before has ended.
    pub rate: Option<f64>,
    /// Calls of this time at the beginning are made and not measured.
    pub warm_up: Duration,
    /// For how long is measured. `None`: until something else ends the load.
    pub duration: Option<Duration>,
    /// How many calls are measured. `None`: as many as there is time for.
    pub calls: Option<u64>,
    /// How long one call may take.
    pub call_time: Duration,
    /// Whether calls may be executed twice: they are sent again when a connection is lost.
    pub is_idempotent: bool,
    /// Whether each response must be the request.
    pub expects_echo: bool,
    /// Whether the outcome of each call is kept, a byte each.
    pub keeps_journal: bool,
    /// Whether the number in each reply `{ok,Number}` is kept, 8 bytes each. Another reply is not the
    /// one that was expected then.
    pub keeps_numbers: bool,
    /// Makes what is random in the clients depend on this number.
    pub seed: Option<u64>,
    /// Where the clients' notices go, with the client's number. A notice for which there is no
    /// room is left out.
    pub notices: Option<mpsc::Sender<(u64, Notice)>>,
}

impl Plan {
    /// One connection with one call in flight, of 64 bytes, to the default service in versions 1
    /// to 20, until the load is stopped. A call may take 30 s.
    #[must_use]
    pub fn new<A: Into<Target>>(addresses: impl IntoIterator<Item = A>) -> Self {
        Self {
            addresses: addresses.into_iter().map(Into::into).collect(),
            spreads: false,
            service: Service::DEFAULT,
            stock: None,
            versions: (1..=20).filter_map(Version::new).collect(),
            policy: RedirectPolicy::default(),
            tls: None,
            limits: Limits::new(),
            session: SessionPlan::off(),
            cut: None,
            can_cut: false,
            requests: Requests::of_size(64),
            connections: 1,
            depth: 1,
            rate: None,
            warm_up: Duration::ZERO,
            duration: None,
            calls: None,
            call_time: Duration::from_secs(30),
            is_idempotent: false,
            expects_echo: false,
            keeps_journal: false,
            keeps_numbers: false,
            seed: None,
            notices: None,
        }
    }

    /// The client of this number, counted from 1.
    pub(super) fn builder(&self, number: u64, scissors: &Arc<Scissors>) -> Builder {
        let mut addresses = self.addresses.clone();
        if self.spreads && !addresses.is_empty() {
            let index = usize::try_from(number - 1).unwrap_or_default();
            let first = index % addresses.len();
            addresses.rotate_left(first);
        }
        let mut builder = Client::builder();
        if let Some(seed) = self.seed {
            builder = builder.seed(seed.wrapping_add(number));
        }
        if let Some(notices) = self.notices.clone() {
            builder =
                builder.on_notice(move |notice| drop(notices.try_send((number, notice.clone()))));
        }
        if self.cut.is_some() || self.can_cut {
            let scissors = Arc::clone(scissors);
            builder = builder.connector(move |attempt| Arc::clone(&scissors).connect(attempt));
        }
        if let Some(tls) = self.tls.clone() {
            builder = builder.tls(tls);
        }
        addresses
            .iter()
            .fold(builder, |builder, target| builder.address(target.to_string()))
            .service(self.service.clone())
            .versions(self.versions.iter().map(Version::get))
            .redirect_policy(self.policy)
            .limits(self.limits)
            .session(self.session)
            .agent(concat!("ubf-load/", env!("CARGO_PKG_VERSION")))
            .call_time(self.call_time)
            .max_pending(self.depth)
            .max_in_flight(self.depth)
    }
}
