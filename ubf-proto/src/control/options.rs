//! The options of `negotiate` and `agreed` (N12).

use alloc::vec::Vec;
use core::time::Duration;

use ubf_codec::{Address, Limits, NextIp, Term, TermRef, Text, Version, View};

use super::ControlError;
use super::read::{self, Fields};
use crate::session::SessionOption;
use crate::time::millis;
use crate::versions::Versions;

/// N15: the form of a context. Another one would be another agreement.
const CONTEXT_FORM: u64 = 1;

/// How long a server waits that tells no `max_idle_ms` (L1).
pub(crate) const DEFAULT_MAX_IDLE: Duration = Duration::from_secs(120);

/// Options that this crate knows. Others are ignored (P4).
///
/// ```
/// use ubf_codec::Limits;
/// use ubf_proto::control::Options;
///
/// let shallow = Limits::default().with_max_depth(64);
/// let told = Options::default().with_limits(&shallow);
/// assert_eq!((told.max_packet, told.max_depth, told.max_integer_digits), (Some(16 << 20), Some(64), None));
/// // The other side computes the limits again.
/// assert_eq!(told.limits(), shallow);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Name and version of the software.
    pub agent: Option<Text>,
    /// Where to go when this server is lost (R4).
    pub peers: Vec<Address>,
    /// The most bytes of a packet that the sender accepts, header included.
    pub max_packet: Option<u64>,
    /// The deepest message that the sender accepts. The pair of an event or of a reply around it
    /// is one more.
    pub max_depth: Option<u64>,
    /// The most expanded nodes of a body that the sender accepts.
    pub max_expanded_nodes: Option<u64>,
    /// The most expanded bytes of a body that the sender accepts.
    pub max_expanded_bytes: Option<u64>,
    /// The most digits of one integer that the sender accepts.
    pub max_integer_digits: Option<u64>,
    /// From a server: it closes a connection that has been without traffic for so long.
    pub max_idle: Option<Duration>,
    /// Versions that the client has and will not use at present, each with the reason.
    pub quarantined: Vec<(Version, Term)>,
    /// N15: the client may tell, and the server reads, what belongs to a message beside it.
    pub context: bool,
    /// About a session (S1, S4).
    pub session: Option<SessionOption>,
}

impl Options {
    /// Tells these limits: `max_packet` always, and of the others those that differ from the
    /// defaults (N12).
    #[must_use]
    pub fn with_limits(mut self, limits: &Limits) -> Self {
        let default = Limits::default();
        let told = |limit: u64, default: u64| (limit != default).then_some(limit);
        self.max_packet = Some(limits.max_packet_bytes.into());
        self.max_depth = told(limits.max_depth.into(), default.max_depth.into());
        self.max_expanded_nodes = told(limits.max_expanded_nodes, default.max_expanded_nodes);
        self.max_expanded_bytes = told(limits.max_expanded_bytes, default.max_expanded_bytes);
        self.max_integer_digits =
            told(limits.max_integer_digits.into(), default.max_integer_digits.into());
        self
    }

    /// Tells after how long without traffic the server closes, if that is not the default (N12).
    #[must_use]
    pub fn with_max_idle(mut self, max_idle: Duration) -> Self {
        self.max_idle = (max_idle != DEFAULT_MAX_IDLE).then_some(max_idle);
        self
    }

    /// The limits of the end that sent these options. One that was not told has its default; no
    /// limit is above what [`Limits`] can say.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let default = Limits::default();
        let narrow = |told: Option<u64>, default: u32| {
            told.map_or(default, |limit| u32::try_from(limit).unwrap_or(u32::MAX))
        };
        default
            .with_max_packet_bytes(narrow(self.max_packet, default.max_packet_bytes))
            .with_max_depth(narrow(self.max_depth, default.max_depth))
            .with_max_expanded_nodes(self.max_expanded_nodes.unwrap_or(default.max_expanded_nodes))
            .with_max_expanded_bytes(self.max_expanded_bytes.unwrap_or(default.max_expanded_bytes))
            .with_max_integer_digits(narrow(self.max_integer_digits, default.max_integer_digits))
    }

    pub(super) fn to_term(&self) -> Term {
        let agent =
            self.agent.clone().map(|agent| Term::tuple([Term::atom("agent"), Term::String(agent)]));
        let peers = NextIp::new(self.peers.clone()).map(|peers| {
            Term::tuple([Term::atom("peers"), Term::string(alloc::format!("{peers}"))])
        });
        let numbers = [
            ("max_packet", self.max_packet),
            ("max_depth", self.max_depth),
            ("max_expanded_nodes", self.max_expanded_nodes),
            ("max_expanded_bytes", self.max_expanded_bytes),
            ("max_integer_digits", self.max_integer_digits),
            ("max_idle_ms", self.max_idle.map(millis)),
        ];
        let numbers = numbers.into_iter().filter_map(|(name, number)| {
            Some(Term::tuple([Term::atom(name), Term::from(number?)]))
        });
        let quarantined = (!self.quarantined.is_empty()).then(|| {
            let pairs = self.quarantined.iter();
            let list = Term::list(
                pairs.map(|(version, why)| Term::tuple([Term::from(version.get()), why.clone()])),
            );
            Term::tuple([Term::atom("quarantined"), list])
        });
        let context =
            self.context.then(|| Term::tuple([Term::atom("context"), Term::from(CONTEXT_FORM)]));
        let session = self.session.map(SessionOption::to_term);
        let texts = [agent, peers].into_iter().flatten();
        Term::list(texts.chain(numbers).chain(quarantined).chain(context).chain(session))
    }

    pub(super) fn from_term(packet: &'static str, term: TermRef<'_>) -> Result<Self, ControlError> {
        let malformed = |field| ControlError::Malformed { packet, field };
        let View::List(list) = term.view() else { return Err(malformed("Options")) };
        let mut options = Self::default();
        for option in list {
            let Some((name, tuple)) = read::name_of(option) else {
                return Err(malformed("Options"));
            };
            let fields = Fields { packet, tuple };
            if name == "agent" {
                options.agent = Some(fields.read(1, "agent", read::text)?);
            } else if name == "peers" {
                options.peers = fields.read(1, "peers", read::addresses)?;
            } else if name == "max_packet" {
                options.max_packet = Some(fields.read(1, "max_packet", read::unsigned)?);
            } else if name == "max_depth" {
                options.max_depth = Some(fields.read(1, "max_depth", read::unsigned)?);
            } else if name == "max_expanded_nodes" {
                let max = fields.read(1, "max_expanded_nodes", read::unsigned)?;
                options.max_expanded_nodes = Some(max);
            } else if name == "max_expanded_bytes" {
                let max = fields.read(1, "max_expanded_bytes", read::unsigned)?;
                options.max_expanded_bytes = Some(max);
            } else if name == "max_integer_digits" {
                let max = fields.read(1, "max_integer_digits", read::unsigned)?;
                options.max_integer_digits = Some(max);
            } else if name == "max_idle_ms" {
                let max = fields.read(1, "max_idle_ms", read::unsigned)?;
                options.max_idle = Some(Duration::from_millis(max));
            } else if name == "quarantined" {
                options.quarantined = fields.read(1, "quarantined", quarantined)?;
            } else if name == "context" {
                let form = fields.read(1, "context", read::unsigned)?;
                options.context = form == CONTEXT_FORM;
            } else if let Some(session) = SessionOption::from_fields(name, &fields)? {
                options.session = Some(session);
            }
        }
        Ok(options)
    }
}

fn quarantined(term: TermRef<'_>) -> Option<Vec<(Version, Term)>> {
    let View::List(list) = term.view() else { return None };
    if list.len() > Versions::MAX_LEN {
        return None;
    }
    let pair = |term: TermRef<'_>| {
        let View::Tuple(pair) = term.view() else { return None };
        Some((read::version(pair.get(0)?)?, pair.get(1)?.to_term()))
    };
    list.iter().map(pair).collect()
}
