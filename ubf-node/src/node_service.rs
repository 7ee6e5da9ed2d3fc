//! A service as the author of a node hands it in.

use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;

use ubf_server::{Handler, Versions};
use ubf_service::StatefulService;
use ubf_state::ShardId;

use crate::catalogue::{InMemory, Offering, Rows, in_memory};
use crate::contracts::Shipped;

/// A service that a [`Node`](crate::Node) can serve, by its name.
///
/// `O` are the options of the node's own, which the service is made from.
///
/// | a service | made with | where its state is |
/// |---|---|---|
/// | without state, or with what may be lost | [`handler`](Self::handler) | in memory, for each connection |
/// | with rows, one shard on this machine | [`stateful`](Self::stateful), run with `--data DIR` | in files |
/// | with rows, one shard that any of several nodes may own | [`stateful`](Self::stateful), run with `--store postgres://…`, and `--standby` on all but one | in a database |
///
/// The last two are one service: where its rows are is a setting.
pub struct NodeService<O = ()> {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    shard: ShardId,
    in_memory: Option<MakeInMemory<O>>,
    rows: Option<MakeRows<O>>,
    contracts: Vec<Shipped>,
    /// The oldest and the newest state version, for the help.
    pub(crate) state: Option<(u32, u32)>,
}

type MakeInMemory<O> = Box<dyn FnOnce(&Arc<O>) -> Box<InMemory>>;
type MakeRows<O> = Box<dyn FnOnce(&Arc<O>) -> Rows>;

impl<O: Send + Sync + 'static> NodeService<O> {
    /// A service that keeps nothing that matters: what it knows of a client is gone with its
    /// connection, or goes along in an upgrade if the handler
    /// [exports](ubf_server::Handler::export_state) it. Clients get sessions of level `memory`.
    ///
    /// It is made once, when the node starts, in its runtime.
    ///
    /// ```
    /// use ubf_node::{Node, NodeService};
    /// use ubf_server::{Handlers, Reply, Versions};
    ///
    /// let hello = NodeService::handler("hello", |()| {
    ///     Handlers::new().on(&Versions::of([1]), |call| async move { Reply::new(call.term().to_term(), "start") })
    /// });
    /// let node = Node::new("hello", "0.1.0").service(hello);
    /// ```
    #[must_use]
    pub fn handler<H: Handler>(
        name: &'static str,
        make: impl Fn(&O) -> H + Send + Sync + 'static,
    ) -> Self {
        Self::bare(name).without_store(move |own, _| make(own))
    }

    /// A service whose rows survive the process, a release and, with a database, the machine.
    /// Clients get sessions of level `durable`.
    ///
    /// It is served with `--data` or `--store`. Its rows belong to one shard, whose number comes
    /// from the name: a service that is renamed is another one. It is made when the node claims
    /// the rows: when it starts, and again after a hand-off or an upgrade that was given up.
    #[must_use]
    pub fn stateful<S: StatefulService>(
        name: &'static str,
        make: impl Fn(&O) -> S + Send + Sync + 'static,
    ) -> Self {
        let rows = |own: &Arc<O>| {
            let own = Arc::clone(own);
            Rows::of(move || make(&own))
        };
        Self { rows: Some(Box::new(rows)), state: Some(S::STATE), ..Self::bare(name) }
    }

    fn bare(name: &'static str) -> Self {
        Self {
            name,
            about: "",
            shard: shard_of(name),
            in_memory: None,
            rows: None,
            contracts: Vec::new(),
            state: None,
        }
    }

    /// What it does, in a line of the help.
    #[must_use]
    pub const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// The contract of these versions, in UBF(B). Clients can ask for it, stock peers are told it,
    /// and with `--contract-mode enforce` what breaks it goes nowhere.
    ///
    /// A text that is none is an error when the node starts.
    ///
    /// ```
    /// # use ubf_node::NodeService;
    /// # use ubf_node::services::KvRows;
    /// # let text_1 = ubf_node::contract_text("kv", 1).unwrap();
    /// # let text_2 = ubf_node::contract_text("kv", 2).unwrap();
    /// let service = NodeService::stateful("kv", |()| KvRows::default());
    /// let service = service.contract(1..=1, text_1).contract(2.., text_2);
    /// ```
    #[must_use]
    pub fn contract(mut self, versions: impl RangeBounds<u32>, text: &'static str) -> Self {
        self.contracts.push(Shipped::new(self.name, &versions, text));
        self
    }

    /// What serves while no store is named, made for the versions that are wanted.
    #[must_use]
    pub(crate) fn without_store<H: Handler>(
        mut self,
        make: impl Fn(&O, Option<&Versions>) -> H + Send + Sync + 'static,
    ) -> Self {
        let make = |own: &Arc<O>| {
            let own = Arc::clone(own);
            in_memory(move |versions| make(&own, versions))
        };
        self.in_memory = Some(Box::new(make));
        self
    }

    /// A service that is whatever it is asked to be: it is made for the versions that are wanted.
    #[must_use]
    pub(crate) fn handler_of_versions<H: Handler>(
        name: &'static str,
        make: impl Fn(&O, Option<&Versions>) -> H + Send + Sync + 'static,
    ) -> Self {
        Self::bare(name).without_store(make)
    }

    /// Its rows are in this shard, and not in the one of its name.
    #[must_use]
    pub(crate) const fn in_shard(mut self, shard: ShardId) -> Self {
        self.shard = shard;
        self
    }

    pub(crate) fn into_offering(self, own: &Arc<O>) -> Offering {
        Offering {
            name: self.name,
            shard: self.shard,
            in_memory: self.in_memory.map(|make| make(own)),
            rows: self.rows.map(|make| make(own)),
            contracts: self.contracts,
        }
    }
}

impl<O> fmt::Debug for NodeService<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, shard, state, .. } = self;
        f.debug_struct("NodeService")
            .field("name", name)
            .field("shard", shard)
            .field("state", state)
            .finish_non_exhaustive()
    }
}

/// Below it are the shards of the reference server's services.
const FIRST_SHARD: u32 = 16;

/// The shard of a service with this name: FNV-1a of its bytes. It is in stores, and never changes.
pub(crate) fn shard_of(name: &str) -> ShardId {
    const OFFSET: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let hash = name.bytes().fold(OFFSET, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(PRIME));
    ShardId(if hash < FIRST_SHARD { hash + FIRST_SHARD } else { hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that are in a database would be lost to a release that looks elsewhere.
    #[test]
    fn the_shard_of_a_name_never_changes() {
        assert_eq!(shard_of("a"), ShardId(0xe40c_292c));
        assert_eq!(shard_of("foobar"), ShardId(0xbf9c_f968));
        assert_eq!(shard_of(""), ShardId(0x811c_9dc5));
    }
}
