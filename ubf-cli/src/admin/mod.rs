//! A server's control socket, as functions. The contract is a chapter of the specification.

mod status;

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::{
    DecodeError, Document, Encoder, Mode, NextIp, ServerHeader, Term, TermRef, Version,
    VersionedDecoder, View, ubf,
};
use ubf_node::control::Control;
use ubf_server::LoadUnit;

pub(crate) use self::status::{Connections, ServiceVersion, Status};

/// An operator's connection to a server.
#[derive(Debug)]
pub(crate) struct Admin {
    stream: UnixStream,
    decoder: VersionedDecoder<ServerHeader>,
    buffer: BytesMut,
}

/// Why a server did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum AdminError {
    /// Nobody is there.
    Connect(io::Error),
    /// The connection broke, or was silent for too long.
    Lost(io::Error),
    /// What is there is no server, or not one that is to be steered here.
    Stranger(String),
    /// The server says no, and why.
    Refused(String),
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => f.write_str(&crate::ui::reason::reason(error)),
            Self::Lost(error) if is_timeout(error) => f.write_str("no answer in time"),
            Self::Lost(error) => {
                write!(f, "the connection is lost: {}", crate::ui::reason::reason(error))
            }
            Self::Stranger(what) => f.write_str(what),
            Self::Refused(why) => write!(f, "the server refuses: {why}"),
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

/// The services whose version is withdrawn or restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Each that has it.
    All,
    /// The one of clients that name none.
    Default,
    /// The one of this name.
    Named(String),
}

impl Which {
    fn to_term(&self) -> Term {
        match self {
            Self::All => ubf!(all),
            Self::Default => ubf!(?),
            Self::Named(name) => Term::from(name.clone()),
        }
    }
}

impl Admin {
    /// Connects, and agrees on the contract. The server may not be silent for longer than `within`,
    /// now and later.
    pub(crate) fn connect(socket: &Path, within: Duration) -> Result<Self, AdminError> {
        let stream = UnixStream::connect(socket).map_err(AdminError::Connect)?;
        let set = stream
            .set_read_timeout(Some(within))
            .and_then(|()| stream.set_write_timeout(Some(within)));
        set.map_err(AdminError::Connect)?;
        let mut admin = Self { stream, decoder: VersionedDecoder::new(), buffer: BytesMut::new() };
        let version = Version::new(Control::VERSION).map_or(Mode::Negotiation, Mode::from);
        let negotiate = ubf!({negotiate, 1, (Control::NAME), [(Control::VERSION)], []});
        let (mode, answer) = admin.exchange(Mode::Negotiation, &negotiate)?;
        if mode != version {
            let why = format!("the server has no service control in version {version}: {answer}");
            return Err(AdminError::Stranger(why));
        }
        Ok(admin)
    }

    pub(crate) fn status(&mut self) -> Result<Status, AdminError> {
        let status = Status::read(response(&self.ask(&ubf!(status))?)?);
        status.ok_or_else(|| {
            AdminError::Stranger("the server's status lacks what is to be in it".into())
        })
    }

    pub(crate) fn connections(&mut self) -> Result<Connections, AdminError> {
        let connections = Connections::read(response(&self.ask(&ubf!(sessions))?)?);
        connections
            .ok_or_else(|| AdminError::Stranger("the server's list of connections is none".into()))
    }

    /// R8. What is not said is the server's: peers, grace, hard stop.
    pub(crate) fn drain(
        &mut self,
        next_ip: Option<&NextIp>,
        grace: Option<Duration>,
        hard_stop: Option<Duration>,
    ) -> Result<(), AdminError> {
        self.order(&ubf!({drain, (address(next_ip)), (millis(grace)), (millis(hard_stop))}))
    }

    pub(crate) fn undrain(&mut self) -> Result<(), AdminError> {
        self.order(&ubf!(undrain))
    }

    pub(crate) fn withdraw(&mut self, which: &Which, version: Version) -> Result<(), AdminError> {
        self.order(&ubf!({withdraw, (which.to_term()), (version.get())}))
    }

    pub(crate) fn restore(&mut self, which: &Which, version: Version) -> Result<(), AdminError> {
        self.order(&ubf!({restore, (which.to_term()), (version.get())}))
    }

    /// R9. Clients are sent to the server's peers if `next_ip` does not say where.
    pub(crate) fn set_load_marks(
        &mut self,
        unit: LoadUnit,
        low: u64,
        high: u64,
        next_ip: Option<&NextIp>,
    ) -> Result<(), AdminError> {
        self.order(
            &ubf!({set_load_marks, (Term::atom(unit.as_str())), (low), (high), (address(next_ip))}),
        )
    }

    pub(crate) fn clear_load_marks(&mut self) -> Result<(), AdminError> {
        self.order(&ubf!(clear_load_marks))
    }

    /// R4. Without an address, there are none.
    pub(crate) fn set_peers(&mut self, peers: Option<&NextIp>) -> Result<(), AdminError> {
        self.order(&ubf!({set_peers, (address(peers))}))
    }

    pub(crate) fn shut_down(&mut self, hard_stop: Option<Duration>) -> Result<(), AdminError> {
        self.order(&ubf!({shut_down, (millis(hard_stop))}))
    }

    /// Asks for what is answered `ok`.
    fn order(&mut self, request: &Term) -> Result<(), AdminError> {
        let document = self.ask(request)?;
        let answer = response(&document)?;
        if answer.is_atom("ok") {
            return Ok(());
        }
        Err(AdminError::Stranger(format!("an answer that is not understood: {answer}")))
    }

    fn ask(&mut self, request: &Term) -> Result<Document<Bytes>, AdminError> {
        let version = Version::new(Control::VERSION).map_or(Mode::Negotiation, Mode::from);
        let (mode, body) = self.exchange(version, request)?;
        if mode != version {
            return Err(AdminError::Refused(body.to_string()));
        }
        Ok(body)
    }

    fn exchange(
        &mut self,
        mode: Mode,
        request: &Term,
    ) -> Result<(Mode, Document<Bytes>), AdminError> {
        let mut packet = format!("{} ", mode.number()).into_bytes();
        packet.extend_from_slice(&Encoder::new().encode(request));
        self.stream.write_all(&packet).map_err(AdminError::Lost)?;
        let mut piece = [0; 4096];
        loop {
            if let Some(packet) = self.decoder.decode(&mut self.buffer)? {
                return Ok((packet.header.mode, packet.body));
            }
            let count = self.stream.read(&mut piece).map_err(AdminError::Lost)?;
            if count == 0 {
                return Err(AdminError::Lost(io::ErrorKind::UnexpectedEof.into()));
            }
            self.buffer.extend_from_slice(piece.get(..count).unwrap_or_default());
        }
    }
}

/// The response in `{Response,State}`, if it is no error.
fn response(document: &Document<Bytes>) -> Result<TermRef<'_>, AdminError> {
    let root = document.root();
    let View::Tuple(reply) = root.view() else {
        return Err(AdminError::Stranger(format!("an answer that is none: {root}")));
    };
    let response = reply.get(0).unwrap_or(root);
    let View::Tuple(parts) = response.view() else { return Ok(response) };
    match (parts.get(0), parts.get(1)) {
        (Some(name), Some(why)) if name.is_atom("error") => Err(AdminError::Refused(words(why))),
        (Some(name), _) if name.is_atom("clientBrokeContract") => {
            Err(AdminError::Stranger(format!("the server does not know this request: {response}")))
        }
        _ => Ok(response),
    }
}

/// The reasons of the contract, for people.
fn words(why: TermRef<'_>) -> String {
    let known = [
        ("no_peers", "it has no peers to send clients to"),
        ("closing", "it is closing already"),
        ("not_draining", "it does not drain"),
        ("not_listening", "it has left its address to a successor, or is closing"),
        ("unknown_version", "no service has this version"),
    ];
    known
        .into_iter()
        .find(|(atom, _)| why.is_atom(atom))
        .map_or_else(|| why.to_string(), |(_, words)| words.into())
}

fn address(next_ip: Option<&NextIp>) -> Term {
    next_ip.map_or(Term::Undefined, |next_ip| Term::from(next_ip.to_string()))
}

fn millis(time: Option<Duration>) -> Term {
    time.map_or(Term::Undefined, |time| {
        Term::from(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    })
}
