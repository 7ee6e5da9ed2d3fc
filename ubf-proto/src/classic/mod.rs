//! Sessions with stock peers: UBF(C) as Erlang's, Java's and JavaScript's implementations speak it,
//! without versions and without NextIP.
//!
//! It stands beside the versioned machines, for both roles: [`server::ServerSession`] answers stock
//! clients, [`client::ClientSession`] calls stock servers. Both are pure like those: data in, data
//! out, time as an input. The rules are numbered Q1 to Q15 in the specification's chapter on
//! classic sessions.
//!
//! # Example
//! ```
//! use std::sync::Arc;
//! use ubf_codec::ubf;
//! use ubf_proto::Time;
//! use ubf_proto::classic::client::{self, Call, CallId, ClientSession, Done};
//! use ubf_proto::classic::server::{self, House, HouseService, ServerSession};
//!
//! let now = Time::ZERO; // a shell passes the time since its start
//! let house = House::of_one(HouseService::new("sums").with_first_state("none"));
//! let mut server = ServerSession::new(Arc::new(server::Config::default()), Arc::new(house), now);
//! let mut client = ClientSession::new(Arc::new(client::Config::default()), now);
//! client.handle(client::Input::Call(Call::request(CallId(1), ubf!({add, 1, 2}))), now);
//!
//! let mut sum = None;
//! while sum.is_none() {
//!     while let Some(output) = server.poll_output() {
//!         match output {
//!             server::Output::Transmit { bytes, .. } => {
//!                 client.handle(client::Input::Received((&bytes[..]).into()), now);
//!             }
//!             server::Output::Request(request) => {
//!                 assert_eq!(request.body.root(), ubf!({add, 1, 2}));
//!                 let reply = ubf!({sum, 3});
//!                 let number = request.number;
//!                 let state = "none".into();
//!                 server.handle(server::Input::Reply { number, reply, state }, now);
//!             }
//!             _ => {}
//!         }
//!     }
//!     while let Some(output) = client.poll_output() {
//!         match output {
//!             client::Output::Transmit(bytes) => {
//!                 server.handle(server::Input::Received((&bytes[..]).into()), now);
//!             }
//!             client::Output::Ended { outcome: Ok(Done::Reply { reply, .. }), .. } => {
//!                 sum = Some(reply);
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//! assert_eq!(sum, Some(ubf!({sum, 3})));
//! ```
//!
//! # What it cannot do
//! - A call whose connection is lost is *indeterminate*: stock peers number nothing, so nothing is
//!   ever sent again.
//! - A stock client cannot be told to go elsewhere: it is drained by waiting.

pub mod client;
mod form;
pub mod server;
mod tags;
mod wire;

use core::fmt;
use core::str::FromStr;

use ubf_codec::{Style, Term, Text};

/// Which implementation's habits a peer has (Q3).
///
/// ```
/// use ubf_proto::classic::Flavour;
///
/// assert_eq!("joe".parse(), Ok(Flavour::Joe));
/// assert!(Flavour::Erl116.pipelines() && !Flavour::Erl2.pipelines());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Erlang, ubf 2.x. One request at a time, one packet in a segment.
    #[default]
    Erl2,
    /// Erlang, ubf 1.16: takes requests one behind the other.
    Erl116,
    /// Armstrong's ubf 1.12: `startService`, `{'event',E}` from the server alone, and a broken
    /// contract ends the session.
    Joe,
}

impl Flavour {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Erl2, Self::Erl116, Self::Joe];

    /// Its name: `erl2`, `erl116` or `joe`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Erl2 => "erl2",
            Self::Erl116 => "erl116",
            Self::Joe => "joe",
        }
    }

    /// Whether servers of this kind serve requests that arrive together.
    #[must_use]
    pub const fn pipelines(self) -> bool {
        match self {
            Self::Erl2 => false,
            Self::Erl116 | Self::Joe => true,
        }
    }

    /// Whether clients may send events.
    #[must_use]
    pub const fn takes_events(self) -> bool {
        match self {
            Self::Erl2 | Self::Erl116 => true,
            Self::Joe => false,
        }
    }

    /// The word that starts a service.
    pub(crate) const fn start_word(self) -> &'static str {
        match self {
            Self::Erl2 | Self::Erl116 => "startSession",
            Self::Joe => "startService",
        }
    }

    /// The word in front of an event from the server.
    pub(crate) const fn event_word(self) -> &'static str {
        match self {
            Self::Erl2 | Self::Erl116 => "event_out",
            Self::Joe => "event",
        }
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Flavour {
    type Err = UnknownFlavour;

    fn from_str(name: &str) -> Result<Self, UnknownFlavour> {
        Self::ALL.into_iter().find(|flavour| flavour.name() == name).ok_or(UnknownFlavour(()))
    }
}

/// The text names no flavour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFlavour(());

impl fmt::Display for UnknownFlavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the flavours are erl2, erl116 and joe")
    }
}

impl core::error::Error for UnknownFlavour {}

/// What a server says first (Q2): `{'ubf1.0', Name, Help}`. Name and help may be any terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Mostly a string, `"meta_server"`.
    pub name: Term,
    /// Mostly a string: what a person who reads it may type.
    pub help: Term,
}

impl Hello {
    /// With two strings.
    #[must_use]
    pub fn new(name: impl Into<Text>, help: impl Into<Text>) -> Self {
        Self { name: Term::string(name), help: Term::string(help) }
    }

    pub(crate) fn to_term(&self) -> Term {
        Term::tuple([Term::atom(form::HELLO), self.name.clone(), self.help.clone()])
    }
}

/// How semantic tags are written to stock peers (Q1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tags {
    /// As the tuple `{'$TYPE', Codes, Term}` that Erlang's decoder makes of a tag. Armstrong's
    /// decoder hangs on tags, Java's knows none.
    #[default]
    AsTuples,
    /// As tags, for peers that know them: the JavaScript client and Zotonic's server.
    Sent,
}

/// How packets are written to a stock peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Writing {
    /// The style. Plain by default, which every peer reads; [`Style::Stock`] for the bytes of
    /// Erlang.
    pub style: Style,
    /// The tags.
    pub tags: Tags,
}
