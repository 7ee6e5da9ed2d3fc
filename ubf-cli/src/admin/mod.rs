//! A server's control, as functions: by its socket, or by a network and TLS. The contract is a chapter of the specification, and its
//! messages are those of the server.

mod channel;
mod place;

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use ubf_client::DialError;
use ubf_client::tls::ClientTls;
use ubf_codec::{Address, DecodeError, Document, Mode, Term, TermRef, Version, View, ubf};
use ubf_node::control::{
    BackupReport, ConnectionReport, Control, FinalizedReport, HandoffReport, MigrationReport,
    Request, Response, RowsReport, SessionReport, StatusReport, TakeoverReport, VersionCount,
    Which,
};

pub(crate) use self::channel::Channel;
pub(crate) use self::place::ControlPlace;

/// How long all rows may be read. Chosen: as long as a server takes at most.
const LONG: Duration = Duration::from_secs(3_600);

/// An operator's connection to a server.
#[derive(Debug)]
pub(crate) struct Admin {
    channel: Channel,
    /// Of the contract: the highest that both speak.
    version: Version,
}

/// Why a server did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum AdminError {
    /// Nobody is there.
    Connect(io::Error),
    /// Nobody is there, or nobody to be trusted.
    Dial(DialError),
    /// The connection broke, or was silent for too long.
    Lost(io::Error),
    /// What is there is no server, or not one that is to be steered here.
    Stranger(String),
    /// The server says no, and why.
    Refused(String),
    /// The server speaks this version of the contract, which does not have the request.
    TooOld(Version),
    /// It was done, and did not end as it should have.
    Unfinished(String),
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => f.write_str(&crate::ui::reason::reason(error)),
            Self::Dial(error) => f.write_str(&crate::ui::reason::causes(error)),
            Self::Lost(error) if is_timeout(error) => f.write_str("no answer in time"),
            Self::Lost(error) => {
                write!(f, "the connection is lost: {}", crate::ui::reason::reason(error))
            }
            Self::Stranger(what) | Self::Unfinished(what) => f.write_str(what),
            Self::Refused(why) => write!(f, "the server refuses: {why}"),
            Self::TooOld(version) => {
                write!(
                    f,
                    "the server is too old: version {version} of the contract has no such request"
                )
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl From<DecodeError> for AdminError {
    fn from(error: DecodeError) -> Self {
        Self::Stranger(format!("what answers does not speak UBF: {error}"))
    }
}

impl Admin {
    /// Connects, and agrees on the contract. The server may not be silent for longer than `within`,
    /// now and later.
    pub(crate) fn connect(socket: &Path, within: Duration) -> Result<Self, AdminError> {
        Self::agree(Channel::to_socket(socket, within)?)
    }

    /// The same by a network.
    pub(crate) fn connect_by(
        tls: &ClientTls,
        address: &Address,
        within: Duration,
    ) -> Result<Self, AdminError> {
        Self::agree(Channel::to_address(tls, address, within)?)
    }

    fn agree(mut channel: Channel) -> Result<Self, AdminError> {
        let versions = Term::list(Control::VERSIONS.map(Term::from));
        let negotiate = ubf!({negotiate, 1, (Control::NAME), (versions), []});
        let (mode, answer) = channel.exchange(Mode::Negotiation, &negotiate)?;
        match mode {
            Mode::Version(version) if Control::VERSIONS.contains(&version.get()) => {
                Ok(Self { channel, version })
            }
            Mode::Negotiation if is_not_allowed(&answer) => {
                Err(AdminError::Refused("you are no operator of it".to_owned()))
            }
            Mode::Version(_) | Mode::Negotiation => {
                let why = format!("the server has no service control that is known here: {answer}");
                Err(AdminError::Stranger(why))
            }
        }
    }

    pub(crate) fn status(&mut self) -> Result<StatusReport, AdminError> {
        let response = self.ask(&Request::Status)?;
        if let Response::Status(status) = response {
            Ok(*status)
        } else {
            Err(self.not_understood(&response))
        }
    }

    /// How many there are, how many of them use which version, and up to `limit` of those whose
    /// numbers are above `after`.
    pub(crate) fn connections(
        &mut self,
        after: u64,
        limit: u64,
    ) -> Result<Connections, AdminError> {
        let response = self.ask(&Request::Connections)?;
        let Response::Connections { connections, by_version } = response else {
            return Err(self.not_understood(&response));
        };
        let page = match self.page(after, limit) {
            Ok(page) => Some(page),
            // It counts them, and does not list them.
            Err(AdminError::TooOld(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(Connections { connections, by_version, page })
    }

    /// Up to `limit` of the sessions whose numbers are above `after`.
    pub(crate) fn sessions(
        &mut self,
        after: u64,
        limit: u64,
    ) -> Result<Page<SessionReport>, AdminError> {
        // One more tells whether there are more.
        let request = Request::ListSessions { after, at_most: limit.saturating_add(1) };
        let response = self.ask(&request)?;
        let Response::Sessions(list) = response else {
            return Err(self.not_understood(&response));
        };
        Ok(Page::of(list, limit, |last| last.number))
    }

    fn page(&mut self, after: u64, limit: u64) -> Result<Page<ConnectionReport>, AdminError> {
        // One more tells whether there are more.
        let request = Request::ListConnections { after, at_most: limit.saturating_add(1) };
        let response = self.ask(&request)?;
        let Response::List(list) = response else {
            return Err(self.not_understood(&response));
        };
        Ok(Page::of(list, limit, |last| last.number))
    }

    /// How many rows there are of which state version.
    pub(crate) fn rows(&mut self, which: Which) -> Result<Vec<RowsReport>, AdminError> {
        self.wait_for(LONG);
        let response = self.ask(&Request::Rows(which))?;
        let Response::Rows(rows) = response else { return Err(self.not_understood(&response)) };
        Ok(rows)
    }

    /// Begins to rewrite rows, and tells how far that has come.
    pub(crate) fn migrate(&mut self, which: Which) -> Result<Vec<MigrationReport>, AdminError> {
        let response = self.ask(&Request::Migrate(which))?;
        let Response::Migration(all) = response else {
            return Err(self.not_understood(&response));
        };
        Ok(all)
    }

    /// Raises the write version.
    pub(crate) fn finalize(&mut self, which: Which) -> Result<Vec<FinalizedReport>, AdminError> {
        let response = self.ask(&Request::Finalize(which))?;
        let Response::Finalized(all) = response else {
            return Err(self.not_understood(&response));
        };
        Ok(all)
    }

    /// Lowers the write version.
    pub(crate) fn lower(&mut self, which: Which) -> Result<Vec<FinalizedReport>, AdminError> {
        let response = self.ask(&Request::Lower(which))?;
        let Response::Lowered(all) = response else {
            return Err(self.not_understood(&response));
        };
        Ok(all)
    }

    /// Has a backup written to a file of the server's machine.
    pub(crate) fn back_up(
        &mut self,
        which: Which,
        file: &Path,
    ) -> Result<BackupReport, AdminError> {
        self.wait_for(LONG);
        let path = file.to_str().ok_or_else(|| {
            AdminError::Refused("the name of the file is no text that a server reads".to_owned())
        })?;
        let response = self.ask(&Request::BackUp { which, path: path.to_owned() })?;
        let Response::BackedUp(backup) = response else {
            return Err(self.not_understood(&response));
        };
        Ok(backup)
    }

    /// Hands rows off to another node, and tells what came of it.
    pub(crate) fn hand_off(
        &mut self,
        which: Which,
        to: String,
        within: Option<Duration>,
    ) -> Result<Vec<HandoffReport>, AdminError> {
        self.wait_for(LONG);
        self.hand_offs(&Request::HandOff { which, to, within })
    }

    /// How far the last hand-off of each service is.
    pub(crate) fn last_hand_offs(&mut self) -> Result<Vec<HandoffReport>, AdminError> {
        self.hand_offs(&Request::LastHandOffs)
    }

    fn hand_offs(&mut self, request: &Request) -> Result<Vec<HandoffReport>, AdminError> {
        let response = self.ask(request)?;
        let Response::HandOffs(all) = response else {
            return Err(self.not_understood(&response));
        };
        Ok(all)
    }

    /// The server may be silent for so long: it has much to do.
    const fn wait_for(&mut self, time: Duration) {
        self.channel.within = time;
    }

    /// The last take-over that the server had to do with. `None`: there was none.
    pub(crate) fn last_takeover(&mut self) -> Result<Option<TakeoverReport>, AdminError> {
        let response = self.ask(&Request::LastTakeover)?;
        if let Response::Takeover(report) = response {
            Ok(report.map(|report| *report))
        } else {
            Err(self.not_understood(&response))
        }
    }

    /// Asks for what is answered `ok`.
    pub(crate) fn order(&mut self, request: &Request) -> Result<(), AdminError> {
        let response = self.ask(request)?;
        if response == Response::Ok { Ok(()) } else { Err(self.not_understood(&response)) }
    }

    fn ask(&mut self, request: &Request) -> Result<Response, AdminError> {
        let version = self.version.get();
        let term = request.to_term(version).ok_or(AdminError::TooOld(self.version))?;
        let (mode, body) = self.channel.exchange(self.version.into(), &term)?;
        if mode != self.version.into() {
            return Err(AdminError::Refused(body.to_string()));
        }
        let answer = reply(&body)?;
        match Response::read(version, answer) {
            Some(Response::Refused(why)) => Err(AdminError::Refused(why.to_string())),
            Some(response) => Ok(response),
            None => {
                Err(AdminError::Stranger(format!("an answer that is not understood: {answer}")))
            }
        }
    }

    fn not_understood(&self, response: &Response) -> AdminError {
        let term = response.to_term(self.version.get());
        AdminError::Stranger(format!("an answer to another request: {term}"))
    }
}

/// Connections, in all and by what they have agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Connections {
    pub(crate) connections: u64,
    pub(crate) by_version: Vec<VersionCount>,
    /// `None`: the server is too old to list them.
    #[serde(flatten)]
    pub(crate) page: Option<Page<ConnectionReport>>,
}

/// Some connections or sessions, by their numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Page<T> {
    pub(crate) list: Vec<T>,
    /// After this number there are more.
    pub(crate) more_after: Option<u64>,
}

impl<T> Page<T> {
    /// The first `limit` of a list that was asked for one more.
    fn of(mut list: Vec<T>, limit: u64, number: impl Fn(&T) -> u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = list.len() > limit;
        list.truncate(limit);
        let more_after = list.last().map(number).filter(|_| has_more);
        Self { list, more_after }
    }
}

/// N14: whether the server says that it does not serve whoever asks.
fn is_not_allowed(answer: &Document<Bytes>) -> bool {
    answer.root().get(1).is_some_and(|why| why.is_atom("not_allowed"))
}

/// The response in `{Response,State}`, if the server knows the request.
fn reply(document: &Document<Bytes>) -> Result<TermRef<'_>, AdminError> {
    let root = document.root();
    let View::Tuple(reply) = root.view() else {
        return Err(AdminError::Stranger(format!("an answer that is none: {root}")));
    };
    let response = reply.get(0).unwrap_or(root);
    let View::Tuple(parts) = response.view() else { return Ok(response) };
    match parts.get(0) {
        Some(name) if name.is_atom("clientBrokeContract") => {
            Err(AdminError::Stranger(format!("the server does not know this request: {response}")))
        }
        _ => Ok(response),
    }
}
