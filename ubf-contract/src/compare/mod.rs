//! Whether a contract serves the clients of another one (K1 to K4).

mod calls;
mod findings;
mod pairs;
mod report;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use ubf_codec::Text;

pub use self::report::{Change, Direction, Finding, Report, Severity, Upgrade, Verdict};

use self::calls::Rules;
use self::findings::Findings;
use self::pairs::Pairs;
use crate::graph::{Strings, TypeGraph};
use crate::inclusion::{Search, Side};
use crate::model::Contract;

/// Steps that one question about types may take. Chosen: far more than a contract that a person
/// wrote needs, and some tenths of a second.
const DEFAULT_MAX_STEPS: u64 = 100_000;

/// Two contracts of one service, an old and a new one.
///
/// Old clients may use new servers, and new clients old servers, if no message surprises its
/// receiver in any state that the two can reach. What a comparison of types alone cannot see, this
/// one does: a reply that may say more is no harm in a state that old clients never enter.
///
/// ```
/// use ubf_contract::compare::{Comparison, Verdict};
/// use ubf_contract::Reader;
///
/// let old = Reader::new().read(
///     "+NAME(\"shop\"). +VSN(\"1\"). +TYPES ok() :: ok; find() :: {find, ubfstring()}; all() :: all.
///      +STATE start find() => ok() & start; all() => ok() & start.",
/// )?;
/// let new = Reader::new().read(
///     "+NAME(\"shop\"). +VSN(\"2\"). +TYPES ok() :: ok; find() :: {find, ubfstring()}.
///      +STATE start find() => ok() & start.",
/// )?;
/// let report = Comparison::new(&old, &new).run();
/// assert_eq!(report.backward, Verdict::Breaks, "old clients may ask for all");
/// assert_eq!(report.forward, Verdict::Serves, "new clients ask for what old servers know");
/// assert_eq!(
///     report.findings[0].to_string(),
///     "request-refused: in state start, the new server refuses the old client's request all",
/// );
/// # Ok::<(), ubf_contract::ReadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Comparison<'c> {
    old: &'c Contract,
    new: &'c Contract,
    strings: Strings,
    same_results: bool,
    hides_states: bool,
    entry: Vec<Text>,
    max_steps: u64,
}

impl<'c> Comparison<'c> {
    /// A comparison as it is mostly wanted.
    #[must_use]
    pub const fn new(old: &'c Contract, new: &'c Contract) -> Self {
        Self {
            old,
            new,
            strings: Strings::Apart,
            same_results: false,
            hides_states: false,
            entry: Vec::new(),
            max_steps: DEFAULT_MAX_STEPS,
        }
    }

    /// How strings are understood.
    #[must_use]
    pub const fn with_strings(mut self, strings: Strings) -> Self {
        self.strings = strings;
        self
    }

    /// Old requests must have all the results that they had: a server that stops to give one of
    /// them breaks its clients, though they would understand all that it says.
    #[must_use]
    pub const fn with_same_results(mut self, same_results: bool) -> Self {
        self.same_results = same_results;
        self
    }

    /// Replies do not tell the next state, as in sessions of the kind `simplerpc`: states then need
    /// not have the same names, and are matched by what may be said in them.
    #[must_use]
    pub const fn with_hidden_states(mut self, hides_states: bool) -> Self {
        self.hides_states = hides_states;
        self
    }

    /// The states in which sessions begin. Without any: `start`; in a contract without `start`, all
    /// of its states.
    #[must_use]
    pub fn with_entry_states(mut self, entry: impl IntoIterator<Item = Text>) -> Self {
        self.entry = entry.into_iter().collect();
        self
    }

    /// The most steps that one question about types may take. What takes more is reported as not
    /// shown.
    #[must_use]
    pub const fn with_max_steps(mut self, max_steps: u64) -> Self {
        self.max_steps = max_steps;
        self
    }

    /// Compares them, both ways.
    #[must_use]
    pub fn run(&self) -> Report {
        let graphs = [self.old, self.new].map(|contract| TypeGraph::new(contract, self.strings));
        let [old, new] = &graphs;
        let mut search = Search::new(old, new, self.max_steps);
        let mut findings = Findings::default();
        for direction in [Direction::Backward, Direction::Forward] {
            findings.turn(direction);
            if self.old.name() != self.new.name() {
                findings.rename();
            }
            let (client, server) = match direction {
                Direction::Backward => (Side::Old, Side::New),
                Direction::Forward => (Side::New, Side::Old),
            };
            let of = |side: Side| match side {
                Side::Old => Rules::new(self.old, old, side),
                Side::New => Rules::new(self.new, new, side),
            };
            let (client, server) = (of(client), of(server));
            let mut pairs = Pairs {
                client: &client,
                server: &server,
                search: &mut search,
                findings: &mut findings,
                same_results: self.same_results,
            };
            let entry = self.entry_states(&client);
            if self.hides_states { pairs.match_states(&entry) } else { pairs.walk(&entry) }
        }
        findings.report()
    }

    fn entry_states(&self, client: &Rules) -> BTreeSet<Text> {
        if !self.entry.is_empty() {
            return self.entry.iter().cloned().collect();
        }
        let start = Text::from_static("start");
        if client.has_state(&start) {
            BTreeSet::from([start])
        } else if client.states().next().is_none() {
            BTreeSet::from([Text::from_static("none")])
        } else {
            client.states().cloned().collect()
        }
    }
}

#[cfg(test)]
mod tests;
