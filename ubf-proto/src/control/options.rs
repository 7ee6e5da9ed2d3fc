//! The options of `negotiate` and `agreed` (N12).

use alloc::vec::Vec;

use ubf_codec::{Address, NextIp, Term, TermRef, Text, Version, View};

use super::ControlError;
use super::read::{self, Fields};
use crate::versions::Versions;

/// Options that this crate knows. Others are ignored (P4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Name and version of the software.
    pub agent: Option<Text>,
    /// Where to go when this server is lost (R4).
    pub peers: Vec<Address>,
    /// The most bytes of a packet that the sender accepts.
    pub max_packet: Option<u64>,
    /// Versions that the client has and will not use at present, each with the reason.
    pub quarantined: Vec<(Version, Term)>,
}

impl Options {
    pub(super) fn to_term(&self) -> Term {
        let agent =
            self.agent.clone().map(|agent| Term::tuple([Term::atom("agent"), Term::String(agent)]));
        let peers = NextIp::new(self.peers.clone()).map(|peers| {
            Term::tuple([Term::atom("peers"), Term::string(alloc::format!("{peers}"))])
        });
        let max_packet =
            self.max_packet.map(|max| Term::tuple([Term::atom("max_packet"), Term::from(max)]));
        let quarantined = (!self.quarantined.is_empty()).then(|| {
            let pairs = self.quarantined.iter();
            let list = Term::list(
                pairs.map(|(version, why)| Term::tuple([Term::from(version.get()), why.clone()])),
            );
            Term::tuple([Term::atom("quarantined"), list])
        });
        Term::list([agent, peers, max_packet, quarantined].into_iter().flatten())
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
            } else if name == "quarantined" {
                options.quarantined = fields.read(1, "quarantined", quarantined)?;
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
