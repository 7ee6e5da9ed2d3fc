//! What a node can serve: its services by name, how each is made, and what it speaks.

use std::fmt;
use std::sync::Arc;

use ubf_codec::{Text, Versioned as _};
use ubf_server::{Handler, ServerBuilder, Service, Versions};
use ubf_service::StatefulService;
use ubf_state::ShardId;

use crate::adding::{Held, add};
use crate::contracts::Shipped;
use crate::journal::Journal;
use crate::options::Wrong;
use crate::rows::{KeptService, Opening, Unkept, open};

/// The services of a program, in the order in which they were named.
#[derive(Clone, Debug)]
pub(crate) struct Catalogue(Arc<Contents>);

#[derive(Debug)]
struct Contents {
    agent: Text,
    offerings: Vec<Arc<Offering>>,
    unasked: Unasked,
}

/// What is served when the settings do not say it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unasked {
    /// The services. `None`: all of them.
    pub(crate) services: Option<&'static [&'static str]>,
    /// The versions to speak. `None`: all that each service has.
    pub(crate) versions: Option<Versions>,
}

/// A service that can be served.
pub(crate) struct Offering {
    pub(crate) name: &'static str,
    /// Where its rows are in a store.
    pub(crate) shard: ShardId,
    /// How it is served without a store.
    pub(crate) in_memory: Option<Box<InMemory>>,
    /// How it is served from one.
    pub(crate) rows: Option<Rows>,
    pub(crate) contracts: Vec<Shipped>,
}

/// Adds the service under some names to a server, in those of the wanted versions that it has if
/// it is made for them. What comes back are the versions that it speaks.
pub(crate) type InMemory =
    dyn Fn(ServerBuilder, Adding<'_, '_>) -> (ServerBuilder, Versions) + Send + Sync;

/// What a service without a store is added with.
pub(crate) struct Adding<'a, 'h> {
    /// `None`: all that it has.
    pub(crate) wanted: Option<&'a Versions>,
    pub(crate) names: Vec<Service>,
    pub(crate) journal: Option<Journal>,
    pub(crate) held: &'a mut Held<'h>,
}

/// A service with rows, before its store is open.
pub(crate) struct Rows {
    /// The oldest and the newest state version.
    pub(crate) state: (u32, u32),
    /// The versions of its contract.
    pub(crate) versions: Versions,
    open: Box<OpenRows>,
}

type OpenRows = dyn Fn(Opening) -> Result<Arc<dyn KeptService>, Unkept> + Send + Sync;

impl Rows {
    pub(crate) fn of<S: StatefulService>(make: impl Fn() -> S + Send + Sync + 'static) -> Self {
        let make: Arc<dyn Fn() -> S + Send + Sync> = Arc::new(make);
        Self {
            state: S::STATE,
            versions: S::Request::VERSIONS.iter().copied().collect(),
            open: Box::new(move |opening| open(Arc::clone(&make), opening)),
        }
    }

    /// Opens the store and claims the rows. It waits for the store.
    pub(crate) fn open(&self, opening: Opening) -> Result<Arc<dyn KeptService>, Unkept> {
        (self.open)(opening)
    }
}

/// How a handler is served: it is made for the versions that are wanted.
pub(crate) fn in_memory<H: Handler>(
    make: impl Fn(Option<&Versions>) -> H + Send + Sync + 'static,
) -> Box<InMemory> {
    Box::new(move |builder, adding| {
        let Adding { wanted, names, journal, held } = adding;
        add(builder, names.into_iter(), make(wanted), journal, held)
    })
}

impl Offering {
    /// Whether it is served from a store, and not at all without one.
    pub(crate) const fn wants_a_store(&self) -> bool {
        self.in_memory.is_none()
    }
}

impl fmt::Debug for Offering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Catalogue {
    /// # Errors
    /// The author of the program has made a mistake.
    pub(crate) fn new(
        agent: Text,
        offerings: Vec<Offering>,
        unasked: Unasked,
    ) -> Result<Self, String> {
        let offerings: Vec<_> = offerings.into_iter().map(Arc::new).collect();
        for (index, offering) in offerings.iter().enumerate() {
            let name = offering.name;
            if !is_a_name(name) {
                return Err(format!(
                    "the name of the service \"{name}\": letters, digits, - and _ are wanted"
                ));
            }
            for before in offerings.iter().take(index) {
                if before.name == name {
                    return Err(format!("the service {name} is there twice"));
                }
                if before.shard == offering.shard && before.rows.is_some() {
                    let before = before.name;
                    return Err(format!("{before} and {name} would have their rows in one place"));
                }
            }
            for shipped in &offering.contracts {
                if let Err(error) = shipped.read() {
                    return Err(format!("the contract of {name}: {error}"));
                }
            }
        }
        if offerings.is_empty() {
            return Err("there is no service".to_owned());
        }
        Ok(Self(Arc::new(Contents { agent, offerings, unasked })))
    }

    /// The software, as peers are told: its name and its version.
    pub(crate) fn agent(&self) -> Text {
        self.0.agent.clone()
    }

    pub(crate) fn unasked(&self) -> &Unasked {
        &self.0.unasked
    }

    /// The services that are served if nobody says it.
    pub(crate) fn services_unasked(&self) -> Vec<Arc<Offering>> {
        let Contents { offerings, unasked, .. } = &*self.0;
        let is_one = |offering: &&Arc<Offering>| {
            unasked.services.is_none_or(|names| names.contains(&offering.name))
        };
        offerings.iter().filter(is_one).cloned().collect()
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.offerings.iter().map(|offering| offering.name).collect()
    }

    /// The service that a setting names.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<Offering>, Wrong> {
        let found = self.0.offerings.iter().find(|offering| offering.name == name);
        found.cloned().ok_or_else(|| Wrong::one_of(name, &self.names()))
    }

    /// The contracts that this program comes with.
    pub(crate) fn contracts(&self) -> Vec<Shipped> {
        self.0.offerings.iter().flat_map(|offering| offering.contracts.iter().cloned()).collect()
    }
}

/// A file may be called so, and a setting may name it.
pub(crate) fn is_a_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=Service::MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(is_plain)
}
