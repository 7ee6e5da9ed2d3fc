//! Is a term of a type?

mod leaf;
mod limits;
mod machine;
mod mismatch;
mod quick;
mod subject;

use alloc::boxed::Box;
use alloc::sync::Arc;

use ubf_codec::TermRef;

pub use self::limits::{CheckLimits, Exceeded};
pub use self::mismatch::{Mismatch, Step};

use self::machine::Nobody;
use self::mismatch::Furthest;
use self::quick::Program;
use self::subject::Subject;
use crate::graph::{NodeId, Strings, TypeGraph};
use crate::model::Contract;

/// Checks terms against the types of a contract (C2).
///
/// It is made once for a contract; to check takes no memory, for terms of usual depth that fit, and
/// does not recurse.
///
/// ```
/// use ubf_codec::ubf;
/// use ubf_contract::{Checker, Reader};
///
/// let contract = Reader::new().read(
///     "+NAME(\"shop\"). +VSN(\"1\").
///      +TYPES order() :: {order, [item()]+} | cancel; item() :: #item{name::ubfstring(), count::1..9}.",
/// )?;
/// let checker = Checker::new(contract);
/// let order = checker.graph().named(b"order").unwrap();
/// checker.check(order, &ubf!({order, [{item, "pen", 3}]}))?;
///
/// let error = checker.check(order, &ubf!({order, [{item, "pen", 3}, {item, "ink", 0}]})).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "element 2, item 2, field count: expected 1..9, found 0 (nearest is {order, [item()]+})",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checker {
    contract: Arc<Contract>,
    graph: TypeGraph,
    /// The same graph, for the quick way.
    program: Program,
    limits: CheckLimits,
}

impl Checker {
    /// A checker for that contract, for which strings are terms of their own kind.
    #[must_use]
    pub fn new(contract: impl Into<Arc<Contract>>) -> Self {
        Self::with_strings(contract, Strings::Apart)
    }

    /// The same with the choice of what strings are. For contracts of existing services that talk
    /// to existing peers: [`Strings::AsTuples`].
    #[must_use]
    pub fn with_strings(contract: impl Into<Arc<Contract>>, strings: Strings) -> Self {
        let contract = contract.into();
        let graph = TypeGraph::new(&contract, strings);
        let program = Program::new(&graph);
        Self { contract, graph, program, limits: CheckLimits::default() }
    }

    /// The same with other limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: CheckLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The contract.
    #[must_use]
    pub const fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// The types of the contract.
    #[must_use]
    pub const fn graph(&self) -> &TypeGraph {
        &self.graph
    }

    /// Whether a term is of a type: the quick answer.
    ///
    /// # Errors
    /// A limit of [`CheckLimits`] was exceeded.
    pub fn fits<'t>(&self, node: NodeId, term: impl Into<TermRef<'t>>) -> Result<bool, Exceeded> {
        let term = term.into();
        if let Some(fits) = self.program.fits(node, term, &self.limits) {
            return Ok(fits);
        }
        machine::run(&self.graph, node, Subject::Term(term), &self.limits, &mut Nobody)
    }

    /// Checks that a term is of a type.
    ///
    /// # Errors
    /// Where it is not, and why. What takes time and memory for that is only done then.
    pub fn check<'t>(
        &self,
        node: NodeId,
        term: impl Into<TermRef<'t>>,
    ) -> Result<(), Box<Mismatch>> {
        let term = term.into();
        match self.fits(node, term) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.explain(node, term)),
            Err(exceeded) => Err(Box::new(Mismatch::exceeded(exceeded))),
        }
    }

    /// Why the term, which is of none of the types, is of none; nothing if there are none.
    pub(crate) fn explain_all(&self, nodes: &[NodeId], term: TermRef<'_>) -> Option<Box<Mismatch>> {
        let mut furthest = Furthest::new(&self.graph);
        let subject = Subject::Term(term);
        for node in nodes {
            furthest.one_of_several = (nodes.len() > 1).then_some(*node);
            let run = machine::run(&self.graph, *node, subject, &self.limits, &mut furthest);
            if let Err(exceeded) = run {
                return Some(Box::new(Mismatch::exceeded(exceeded)));
            }
        }
        let first = *nodes.first()?;
        let names = nodes.iter().filter_map(|node| self.graph.name_of(*node));
        let mut mismatch = furthest.mismatch((first, subject), &self.contract);
        mismatch.name_the_whole(nodes.len(), names.collect());
        Some(Box::new(mismatch))
    }

    /// Why the term, which is not of the type, is not.
    fn explain(&self, node: NodeId, term: TermRef<'_>) -> Box<Mismatch> {
        let mut furthest = Furthest::new(&self.graph);
        let subject = Subject::Term(term);
        Box::new(match machine::run(&self.graph, node, subject, &self.limits, &mut furthest) {
            Ok(fits) => {
                debug_assert!(!fits, "it did not fit before");
                furthest.mismatch((node, subject), &self.contract)
            }
            Err(exceeded) => Mismatch::exceeded(exceeded),
        })
    }
}
