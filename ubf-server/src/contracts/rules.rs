//! Contracts without a handler: for services whose owner runs them elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ubf_codec::{TermRef, Text, Version};
use ubf_contract::{Accepted, Contract, ContractCounts, Enforcement};

use super::held::Held;
use super::session::{Counters, Shared, broken_event};
use super::{checked_reply, log};
use crate::reply::Reply;

/// The contracts of a service, and what becomes of messages that are not allowed: what
/// [`Contracts`](super::Contracts) is for a handler, for the owner of a service.
///
/// The state is the owner's to know, and is told each time.
///
/// ```
/// use ubf_codec::{Term, Text, Version};
/// use ubf_contract::{Enforcement, Reader};
/// use ubf_server::{ContractRules, Reply, Verdict};
///
/// let contract = Reader::new().read(
///     "+NAME(\"sum\"). +VSN(\"1\"). +TYPES add() :: {add, integer(), integer()}; sum() :: integer().
///      +STATE start add() => sum() & start.",
/// )?;
/// let one = Version::MIN;
/// let rules = ContractRules::new(Enforcement::Enforce).version(one, contract);
/// let start = Text::from_static("start");
///
/// let request: Term = "{add,1,2}".parse()?;
/// let Verdict::Run(accepted) = rules.request(one, &start, request.as_ref()) else { panic!() };
/// let reply = rules.reply(one, request.as_ref(), accepted.as_ref(), Reply::new("three", "start"));
/// assert!(reply.into_body().starts_with(b"{{'serverBrokeContract'"));
///
/// let request: Term = "{add,1}".parse()?;
/// assert!(matches!(rules.request(one, &start, request.as_ref()), Verdict::Answer(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ContractRules(Arc<Shared>);

/// What a contract says of a request.
#[derive(Debug)]
pub enum Verdict {
    /// It is not to be run: this is its answer.
    Answer(Reply),
    /// It is to be run. What its reply is held against, if that is checked.
    Run(Option<Accepted>),
}

impl ContractRules {
    /// No contract yet.
    #[must_use]
    pub fn new(enforcement: Enforcement) -> Self {
        let counters = Arc::new(Counters::default());
        Self(Arc::new(Shared { versions: BTreeMap::new(), enforcement, counters }))
    }

    /// The contract of a version.
    #[must_use]
    pub fn version(self, version: Version, contract: impl Into<Arc<Contract>>) -> Self {
        let Shared { versions, enforcement, counters } = &*self.0;
        let (mut versions, counters) = (versions.clone(), Arc::clone(counters));
        versions.insert(version, Arc::new(Held::new(contract.into())));
        Self(Arc::new(Shared { versions, enforcement: *enforcement, counters }))
    }

    /// A way to ask how often contracts were broken.
    pub fn counts(&self) -> impl Fn() -> ContractCounts + Send + Sync + 'static + use<> {
        let counters = Arc::clone(&self.0.counters);
        move || counters.counts()
    }

    /// Holds a request against the contract of its version. The request `'contract'` is answered
    /// with it.
    #[must_use]
    pub fn request(&self, version: Version, state: &Text, request: TermRef<'_>) -> Verdict {
        let Some(held) = self.0.versions.get(&version) else { return Verdict::Run(None) };
        if request.is_atom("contract") {
            return Verdict::Answer(Reply::new(held.answer.clone(), state.clone()));
        }
        if self.0.enforcement == Enforcement::Off {
            return Verdict::Run(None);
        }
        let checker = &held.sessions;
        let state = checker.state(state.as_bytes()).unwrap_or_else(|| checker.entry());
        match checker.request(state, request) {
            Ok(accepted) => Verdict::Run(Some(accepted)),
            Err(broken) => {
                self.0.counters.client_broke();
                log("a client broke its contract", version, &broken);
                if self.0.enforcement != Enforcement::Enforce {
                    return Verdict::Run(None);
                }
                let response = checker.client_broke_term(state, request);
                Verdict::Answer(Reply::new(response, held.name_of(state)))
            }
        }
    }

    /// Holds the reply to a request against the contract: the reply itself, or what is said
    /// instead.
    #[must_use]
    pub fn reply(
        &self,
        version: Version,
        request: TermRef<'_>,
        accepted: Option<&Accepted>,
        reply: Reply,
    ) -> Reply {
        let (Some(held), Some(accepted)) = (self.0.versions.get(&version), accepted) else {
            return reply;
        };
        let instead =
            |response: TermRef<'_>| held.sessions.server_broke_term(accepted, request, response);
        match checked_reply(held, accepted, &reply, instead) {
            None | Some(Ok(_)) => reply,
            Some(Err((broken, instead))) => {
                self.0.counters.server_broke();
                log("this server broke its contract", version, &broken);
                if self.0.enforcement != Enforcement::Enforce {
                    return reply;
                }
                Reply::new(instead, held.name_of(accepted.state()))
            }
        }
    }

    /// Holds an event of a client against the contract. Whether it is to be run.
    #[must_use]
    pub fn event(&self, version: Version, state: &Text, event: TermRef<'_>) -> bool {
        let Some(held) = self.0.enforced(version) else { return true };
        let checker = &held.sessions;
        let state = checker.state(state.as_bytes()).unwrap_or_else(|| checker.entry());
        let Err(broken) = checker.event_in(state, event) else { return true };
        self.0.counters.event_in();
        log("a client sent an event that its contract does not allow", version, &broken);
        self.0.enforcement != Enforcement::Enforce
    }

    /// Whether events of the service are held against the contract of this version.
    #[must_use]
    pub fn checks_events(&self, version: Version) -> bool {
        self.0.enforced(version).is_some()
    }

    /// Holds an event of the service against the contract: the packet `{'event_out',Event}`, for a
    /// client whose session is in this state. Whether it may leave.
    #[must_use]
    pub fn event_out(&self, version: Version, state: &Text, packet: &[u8]) -> bool {
        let Some(held) = self.0.enforced(version) else { return true };
        let checker = &held.sessions;
        let state = checker.state(state.as_bytes()).unwrap_or_else(|| checker.entry());
        let Some(broken) = broken_event(held, state, packet) else { return true };
        self.0.counters.event_out();
        log("this server sent an event that its contract does not allow", version, &broken);
        self.0.enforcement != Enforcement::Enforce
    }
}

impl fmt::Debug for ContractRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContractRules")
            .field("versions", &self.0.versions.keys())
            .field("enforcement", &self.0.enforcement)
            .finish_non_exhaustive()
    }
}
