//! What a client session asks for.

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use bytes::Bytes;
use ubf_codec::{Address, DecodeError, Document, Host, NextIp, Term, Text, Version};

use super::input::CallId;
use crate::control::ControlError;
use crate::packet::Packet;
use crate::redirect::RedirectRefusal;
use crate::time::{InWords, Time};
use crate::versions::Versions;

/// A connection of a session, by a number that is not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Make a connection, and answer with [`Input::Connected`](super::Input::Connected) or
    /// [`Input::ConnectFailed`](super::Input::ConnectFailed).
    Connect {
        /// Its number.
        connection: ConnectionId,
        /// Where to.
        address: Address,
        /// Whoever named the address: what a name stands for is judged with
        /// [`RedirectPolicy::judge_ip`](crate::RedirectPolicy::judge_ip) before the connection is
        /// made (R7).
        named_by: NamedBy,
        /// L2: how long it may take, over all IP addresses that a name stands for. After that the
        /// session gives it up.
        within: Duration,
        /// The name that a certificate must be for, if the connection must be TLS: one of those
        /// the session was started with, whoever named the address (R7).
        tls: Option<Host>,
    },
    /// Write this. All that is there can be written at once.
    Transmit {
        /// Where.
        connection: ConnectionId,
        /// What.
        packet: Packet,
    },
    /// Write what was handed out, then close. Nothing more is said about this connection.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// N8: write call `call` for this version: answer with
    /// [`Input::Rendered`](super::Input::Rendered),
    /// [`Input::Inexpressible`](super::Input::Inexpressible) or
    /// [`Input::Crashed`](super::Input::Crashed).
    Render {
        /// Which call.
        call: CallId,
        /// For which version.
        version: Version,
    },
    /// A call has ended. This comes exactly once for each.
    Ended {
        /// Which call.
        call: CallId,
        /// How.
        outcome: Result<Done, CallError>,
    },
    /// An event from the server.
    EventOut {
        /// The connection that it came on.
        connection: ConnectionId,
        /// The version that it is written in.
        version: Version,
        /// `{'event_out',Event}`.
        body: Document<Bytes>,
    },
    /// Something that people want to see.
    Notice(Notice),
    /// The session has ended. It is the last output.
    Finished,
}

/// Who named an address (R7). A server is known by the IP address at which it was connected to, if
/// the shell has told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NamedBy {
    /// The program: it is one of [`Config::addresses`](super::Config::addresses), and nobody judges
    /// it.
    Program,
    /// A server, with the option `peers` (R4).
    Peers {
        /// Which one.
        server: Option<IpAddr>,
    },
    /// A server, with a NextIP.
    NextIp {
        /// Which one.
        server: Option<IpAddr>,
    },
}

impl NamedBy {
    /// The IP address of the server that named it, as far as it is known; `None` if the program
    /// did.
    #[must_use]
    pub const fn server(self) -> Option<Option<IpAddr>> {
        match self {
            Self::Program => None,
            Self::Peers { server } | Self::NextIp { server } => Some(server),
        }
    }
}

/// How a call ended well.
#[derive(Clone, Debug)]
pub enum Done {
    /// The reply to a request.
    Reply {
        /// The connection that it came on.
        connection: ConnectionId,
        /// The version that request and reply are written in.
        version: Version,
        /// `{Response,State}`.
        body: Document<Bytes>,
    },
    /// The server has taken an event.
    Taken {
        /// The version that it was written in.
        version: Version,
    },
}

/// How a call ended badly. [`may_have_run`](Self::may_have_run) tells what the caller must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// L1: too many calls are open.
    Overloaded {
        /// The limit.
        max_pending: usize,
    },
    /// Its time is over.
    Deadline {
        /// Whether it was sent.
        may_have_run: bool,
    },
    /// The caller did not wait for it.
    Cancelled {
        /// Whether it was sent.
        may_have_run: bool,
    },
    /// The connection was lost before the reply came.
    Indeterminate,
    /// N8: it cannot be expressed in the version in force.
    Inexpressible {
        /// That version.
        version: Version,
    },
    /// N6: the caller's code crashed on it in the last version that was left.
    Crashed {
        /// That version.
        version: Version,
    },
    /// N6: the server's handler crashed on it.
    Failed {
        /// The version it was sent in.
        version: Version,
        /// What the server says.
        why: Term,
    },
    /// N4: the server refused it, and to negotiate would not help; or it refused it as often as
    /// [`Config::max_refusals`](super::Config::max_refusals) allows. It has not run.
    Refused {
        /// What the server says.
        why: Term,
    },
    /// The server does not accept packets so large (N12).
    TooLarge {
        /// The most bytes that it accepts.
        max_packet: u64,
    },
    /// N12: it is beyond another limit that the server has told, or is no packet. It was not sent.
    Unacceptable {
        /// Which limit, and where.
        error: DecodeError,
    },
    /// L3: the server could not read it, and has closed the connection. It has not run.
    Rejected {
        /// What the server says: the [code](ubf_codec::ErrorKind::code) of an error.
        why: Term,
    },
    /// N1: no server that can be reached has a version in common with this program.
    NoCommonVersion {
        /// What the last one speaks.
        spoken: Versions,
    },
    /// The session is closed.
    Closed,
}

impl CallError {
    /// Whether the server may have executed the call. If not, it is safe to call again.
    #[must_use]
    pub const fn may_have_run(&self) -> bool {
        match self {
            Self::Indeterminate | Self::Failed { .. } => true,
            Self::Deadline { may_have_run } | Self::Cancelled { may_have_run } => *may_have_run,
            Self::Overloaded { .. }
            | Self::Inexpressible { .. }
            | Self::Crashed { .. }
            | Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::Unacceptable { .. }
            | Self::Rejected { .. }
            | Self::NoCommonVersion { .. }
            | Self::Closed => false,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overloaded { max_pending } => {
                write!(f, "more than {max_pending} calls are open (max_pending)")
            }
            Self::Deadline { may_have_run: true } => {
                f.write_str("no reply in time; the call may have run")
            }
            Self::Deadline { may_have_run: false } => f.write_str("not sent in time"),
            Self::Cancelled { may_have_run: true } => {
                f.write_str("cancelled; the call may have run")
            }
            Self::Cancelled { may_have_run: false } => f.write_str("cancelled before it was sent"),
            Self::Indeterminate => f.write_str("the connection was lost; the call may have run"),
            Self::Inexpressible { version } => {
                write!(f, "cannot be expressed in version {version}")
            }
            Self::Crashed { version } => {
                write!(f, "the code for version {version} crashed, and no other is left")
            }
            Self::Failed { version, why } => {
                write!(f, "the server's handler for version {version} crashed: {}", why.as_ref())
            }
            Self::Refused { why } => write!(f, "refused by the server: {}", why.as_ref()),
            Self::TooLarge { max_packet } => {
                write!(f, "the server accepts packets of {max_packet} bytes at most")
            }
            Self::Unacceptable { error } => write!(f, "the server does not accept it: {error}"),
            Self::Rejected { why } => write!(f, "the server cannot read it: {}", why.as_ref()),
            Self::NoCommonVersion { spoken } => no_common_version(f, spoken),
            Self::Closed => f.write_str("the session is closed"),
        }
    }
}

impl core::error::Error for CallError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::Unacceptable { error } = self { Some(error) } else { None }
    }
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LossReason {
    /// It could not be made.
    ConnectFailed,
    /// It was not made in time: [`Config::max_connect_time`](super::Config::max_connect_time).
    ConnectTime {
        /// The limit.
        max: Duration,
    },
    /// R6: in a move, it was not made in its share of
    /// [`Config::max_move_time`](super::Config::max_move_time).
    MoveTime {
        /// The share.
        max: Duration,
    },
    /// The server closed it, or it is gone.
    Closed,
    /// The server said that it closes: after client packet `last`, nothing was executed.
    Closing {
        /// What the server says.
        why: Term,
        /// The last packet that may have been executed.
        last: u64,
    },
    /// The server did not agree in time (N10):
    /// [`Config::max_negotiation_time`](super::Config::max_negotiation_time).
    NegotiationTime {
        /// The limit.
        max: Duration,
    },
    /// The server did not answer `ping` in time (L2):
    /// [`Config::max_pong_time`](super::Config::max_pong_time).
    PongTime {
        /// The limit.
        max: Duration,
    },
    /// Nothing came while an answer was due (L2):
    /// [`Config::max_silence`](super::Config::max_silence).
    Silence {
        /// The limit.
        max: Duration,
    },
    /// A packet took too long (L1): [`Config::max_packet_time`](super::Config::max_packet_time).
    PacketTime {
        /// The limit.
        max: Duration,
    },
    /// Nothing could be written (L2): [`Config::max_write_time`](super::Config::max_write_time).
    WriteTime {
        /// The limit.
        max: Duration,
    },
    /// The server's bytes are no packets (L3).
    BadSyntax(DecodeError),
    /// The server's packet of version 0 is not one of those that are known.
    BadControl(ControlError),
    /// The server broke a rule.
    Violation(Violation),
    /// The server reports that our bytes are no packets.
    ReportedError {
        /// What it says.
        why: Term,
        /// At which byte.
        offset: u64,
    },
    /// There is no version that both have.
    NoCommonVersion {
        /// What the server speaks.
        spoken: Versions,
    },
    /// The server does not want to negotiate (N10).
    NegotiationRefused {
        /// What it says.
        why: Term,
    },
    /// N13: the server offers only less than before, and that was to be refused.
    Downgrade,
    /// The program could not open it:
    /// [`Config::opens_connections`](super::Config::opens_connections).
    NotOpened,
    /// R7: the connection was not made where it may be made to.
    Policy(RedirectRefusal),
}

/// A rule that a server broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// N1: it chose another version than the highest in both lists.
    WrongChoice {
        /// The right one, if any.
        expected: Option<Version>,
        /// The one in its header.
        found: Version,
    },
    /// N9: it chose the number that no program has.
    ChoseGrease {
        /// That number.
        grease: Version,
    },
    /// It agreed on another service.
    WrongService,
    /// P5: an answer to nothing that was asked.
    UnexpectedAnswer,
    /// A reply in another version than its request.
    WrongVersion {
        /// The request's version.
        expected: Version,
        /// The reply's.
        found: Version,
    },
    /// P6: a packet number that cannot be meant.
    WrongPacketNumber {
        /// The number.
        found: u64,
    },
}

impl Violation {
    /// A short name that does not change, for the `error` that the server is sent.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::WrongChoice { .. } => "wrong-choice",
            Self::ChoseGrease { .. } => "chose-grease",
            Self::WrongService => "wrong-service",
            Self::UnexpectedAnswer => "unexpected-answer",
            Self::WrongVersion { .. } => "wrong-version",
            Self::WrongPacketNumber { .. } => "wrong-packet-number",
        }
    }
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectFailed => f.write_str("cannot connect"),
            Self::ConnectTime { max } => {
                write!(f, "not connected in {} (max_connect_time)", InWords(*max))
            }
            Self::MoveTime { max } => {
                write!(f, "not connected in {}, a share of max_move_time", InWords(*max))
            }
            Self::Closed => f.write_str("closed by the server, or lost"),
            Self::Closing { why, last } => {
                write!(f, "the server closes after packet {last}: {}", why.as_ref())
            }
            Self::NegotiationTime { max } => {
                write!(f, "no agreement in {} (max_negotiation_time)", InWords(*max))
            }
            Self::PongTime { max } => {
                write!(f, "no answer to ping in {} (max_pong_time)", InWords(*max))
            }
            Self::Silence { max } => {
                write!(
                    f,
                    "nothing received for {} while a reply is due (max_silence)",
                    InWords(*max)
                )
            }
            Self::PacketTime { max } => {
                write!(f, "a packet took more than {} (max_packet_time)", InWords(*max))
            }
            Self::WriteTime { max } => {
                write!(f, "nothing could be written for {} (max_write_time)", InWords(*max))
            }
            Self::BadSyntax(error) => write!(f, "the server broke the syntax: {error}"),
            Self::BadControl(error) => error.fmt(f),
            Self::Violation(violation) => violation.fmt(f),
            Self::ReportedError { why, offset } => {
                write!(f, "the server reports broken syntax: {}, at byte {offset}", why.as_ref())
            }
            Self::NoCommonVersion { spoken } => no_common_version(f, spoken),
            Self::NegotiationRefused { why } => {
                write!(f, "the server refuses to negotiate: {}", why.as_ref())
            }
            Self::NotOpened => f.write_str("the program could not open it"),
            Self::Downgrade => f.write_str("the server offers only lower versions than before"),
            Self::Policy(refusal) => write!(f, "redirected {}", refusal.as_str()),
        }
    }
}

fn no_common_version(f: &mut fmt::Formatter<'_>, spoken: &Versions) -> fmt::Result {
    // N2: the service is unknown there, or all of it is withdrawn.
    if spoken.is_empty() {
        return f.write_str("no common version: the server speaks no version of this service");
    }
    write!(f, "no common version: the server speaks {spoken}")
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongChoice { expected: Some(expected), found } => {
                write!(
                    f,
                    "the server chose version {found}, and {expected} is the highest in both lists"
                )
            }
            Self::WrongChoice { expected: None, found } => {
                write!(f, "the server chose version {found}, and there is none in both lists")
            }
            Self::ChoseGrease { grease } => {
                write!(f, "the server chose version {grease}, which nobody has")
            }
            Self::WrongService => f.write_str("the server agreed on another service"),
            Self::UnexpectedAnswer => f.write_str("the server answers what was not asked"),
            Self::WrongVersion { expected, found } => {
                write!(f, "a reply in version {found} to a request in version {expected}")
            }
            Self::WrongPacketNumber { found } => {
                write!(f, "the server speaks of packet {found}, which cannot be meant")
            }
        }
    }
}

/// What people want to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A version was agreed on.
    Agreed {
        /// On which connection.
        connection: ConnectionId,
        /// Whether it is the first agreement on this connection.
        is_first: bool,
        /// Where.
        address: Address,
        /// The version.
        version: Version,
        /// All that the server speaks.
        spoken: Versions,
        /// The server's software.
        agent: Option<Text>,
    },
    /// N6: the next message goes out in another version.
    FellBack {
        /// The version that crashed.
        from: Version,
        /// The next lower one; `None` if there is none and the two must negotiate.
        to: Option<Version>,
        /// The reason.
        why: Term,
    },
    /// N7: a version will not be used.
    QuarantineOpened {
        /// Which.
        version: Version,
        /// Until when.
        until: Time,
    },
    /// N7: a quarantine has ended.
    QuarantineClosed {
        /// Which version.
        version: Version,
    },
    /// N7: a version is used although it is in quarantine, since no other is left.
    QuarantineForced {
        /// Which.
        version: Version,
    },
    /// N4: a call was refused, and is sent again.
    Refused {
        /// Which call.
        call: CallId,
        /// What the server says.
        why: Term,
    },
    /// R1: the server names another address for the next message.
    RedirectAnnounced {
        /// The addresses, best first.
        next_ip: NextIp,
    },
    /// R5, R7: an address that the server named is not gone to.
    RedirectRefused {
        /// Which.
        address: Address,
        /// Why.
        refusal: RedirectRefusal,
    },
    /// R6: none of the addresses that the server named works.
    RedirectFailed {
        /// When it is tried again.
        retry_at: Time,
    },
    /// R2: the session goes on at another address.
    Moved {
        /// From here.
        from: Address,
        /// To there.
        to: Address,
        /// R5: moves since the last executed call.
        hops: u32,
    },
    /// A connection, or an attempt at one, has ended, and not because of a move.
    Lost {
        /// Where it was made to.
        address: Address,
        /// Why.
        reason: LossReason,
        /// Whether the session went on there, or was about to.
        was_in_use: bool,
    },
    /// N13: a server offers only less than before.
    Downgraded {
        /// Which server.
        address: Address,
        /// The highest version it offered.
        before: Version,
        /// The highest version it offers.
        after: Version,
    },
}

/// Counters, in the words of the notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Calls and events that were handed in.
    pub calls: u64,
    /// Requests that were replied to, and events that were taken.
    pub done: u64,
    /// Calls that ended badly.
    pub errors: u64,
    /// Calls that may have run, and nobody knows.
    pub indeterminate: u64,
    /// Calls that were refused and sent again.
    pub refused: u64,
    /// Negotiations that ended with a version.
    pub negotiations: u64,
    /// Fallbacks.
    pub fallbacks: u64,
    /// Moves that a server asked for.
    pub moves: u64,
    /// Connections that had agreed and were lost.
    pub losses: u64,
    /// Connections that servers closed with notice: a planned end is no loss.
    pub closings: u64,
}
