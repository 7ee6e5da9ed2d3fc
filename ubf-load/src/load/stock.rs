//! Servers that know no versions: what a load has to know of them, and how it begins.

use std::error::Error;
use std::fmt;

use ubf_client::classic::{
    CallError, ClassicClient, ClassicConnectError, EndReason, Flavour, HelloMode,
};
use ubf_client::{Builder, ConnectError};
use ubf_codec::{Term, Text};

use super::outcome::Outcome;

/// What is to be known of servers that know no versions (Q1 to Q15).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StockPlan {
    /// Which implementation they are.
    pub flavour: Flavour,
    /// Whether they speak first.
    pub hello: HelloMode,
    /// The service whose session each client begins, and the argument. `None`: calls are those of
    /// the meta level, or there is none.
    pub start: Option<(Text, Term)>,
    /// Whether sessions begin in the server's only service.
    pub has_no_meta_level: bool,
    /// Whether replies do not name the next state.
    pub is_simple: bool,
}

impl StockPlan {
    /// Connects one client, and begins its session.
    pub(super) async fn connect(&self, builder: Builder) -> Result<ClassicClient, StartError> {
        let mut builder = builder.classic(self.flavour).hello(self.hello);
        if self.has_no_meta_level {
            builder = builder.without_meta_level();
        }
        if self.is_simple {
            builder = builder.simple_rpc();
        }
        let client = builder.connect().await.map_err(StartError::Stock)?;
        if let Some((service, argument)) = &self.start {
            let started = client.start(service.clone(), argument.clone()).await;
            started.map_err(StartError::Service)?;
        }
        Ok(client)
    }
}

/// How a call of a stock server ended badly.
pub(super) const fn outcome_of(error: &CallError) -> Outcome {
    match error {
        CallError::ServerBroke { .. } | CallError::ReplyNotAllowed { .. } => Outcome::WrongReply,
        CallError::ClientBroke { .. } | CallError::Rejected { .. } => Outcome::Refused,
        CallError::Indeterminate(EndReason::Deadline) => Outcome::Late,
        CallError::Indeterminate(_) => Outcome::Indeterminate,
        CallError::NotSent(_) => Outcome::NotSent,
        CallError::NotAllowed(_)
        | CallError::NoSuchService { .. }
        | CallError::NoEvents
        | CallError::TooManyCalls
        | _ => Outcome::NotTaken,
    }
}

/// Why a load does not begin.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A client cannot connect.
    Connect(ConnectError),
    /// A client of servers that know no versions cannot connect.
    Stock(ClassicConnectError),
    /// It has connected, and its session does not begin.
    Service(CallError),
}

impl From<ConnectError> for StartError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Stock(error) => error.fmt(f),
            Self::Service(error) => write!(f, "the session does not begin: {error}"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) => error.source(),
            Self::Stock(error) => error.source(),
            Self::Service(error) => error.source(),
        }
    }
}
