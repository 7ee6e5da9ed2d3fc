//! What an endpoint is told.

use alloc::vec::Vec;
use core::time::Duration;

use ubf_codec::{Address, NextIp, Version};

use super::{ConnectionKey, Cordon, LoadPlan, SessionKey};
use crate::drain::DrainPlan;
use crate::service::Service;
use crate::time::Time;

/// What happened, or what the operator wants.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// A connection that was admitted is gone.
    Closed(ConnectionKey),
    /// N6: a handler crashed.
    Crashed {
        /// On this connection.
        connection: ConnectionKey,
        /// The handler's service.
        service: Service,
        /// The version of the request or event.
        version: Version,
    },
    /// The answer to [`Output::CountCalls`](super::Output::CountCalls): so many handlers run.
    Calls(u64),
    /// The answer to [`Output::StopListening`](super::Output::StopListening): nobody can connect
    /// any longer.
    StoppedListening,
    /// R8: the operator sends all clients elsewhere. Not accepted when the server is closing.
    /// Nor if clients cannot be told of the addresses, as for [`Peers`](Self::Peers).
    Drain(DrainPlan),
    /// The same, but the server stays when the clients are gone and the grace is over, until it is
    /// told to shut down or to go on: so a drain can still be taken back.
    DrainAndStay(DrainPlan),
    /// R8: the operator takes a drain back. Accepted only while the server drains and still
    /// listens.
    Undrain,
    /// The operator sends the client of one connection elsewhere, as in a drain. Not accepted if
    /// the connection is gone, or if clients cannot be told of the addresses, as for
    /// [`Peers`](Self::Peers).
    ///
    /// A connection that is still there after the grace is closed. A drain, and the end of one,
    /// replace that.
    Move {
        /// The connection.
        connection: ConnectionKey,
        /// Where its client shall go.
        next_ip: NextIp,
        /// How long the client may take to go.
        grace: Duration,
        /// How long calls in progress may take after that.
        hard_stop: Duration,
    },
    /// The operator admits no further client: each new one is told `closing 'cordoned'` and where
    /// to go, by the cordon or else by the peers of the moment. Connections that are there stay;
    /// who may have a session here is heard first, and may go on with it (S10.4). Accepted if
    /// clients can be told of the addresses.
    Cordon(Cordon),
    /// The operator admits connections again. Accepted if a cordon is in force.
    Uncordon,
    /// R8: no further call is executed, and those in progress may take so long. Not accepted when
    /// the server is closing.
    ShutDown {
        /// How long calls in progress may take.
        hard_stop: Duration,
    },
    /// All connections end at once. Not accepted twice.
    Stop,
    /// The operator withdraws a version. Accepted if the service has it.
    Withdraw(Service, Version),
    /// The operator offers a version again, whoever withdrew it. Accepted if the service has it.
    Restore(Service, Version),
    /// R4: where clients go when this server is lost. Its own addresses are left out.
    ///
    /// Not accepted if clients cannot be told of the others: at most 16 addresses, of 1,024 bytes
    /// with the commas between them (L1), and none that is [unspecified](super::is_unspecified)
    /// (R7).
    Peers(Vec<Address>),
    /// R9: from which load on clients are sent elsewhere; `None`: they stay.
    /// Accepted if clients can be told of its addresses.
    Load(Option<LoadPlan>),
    /// S6: a session has lost its connection and goes on without. Not accepted if it has another
    /// one by now.
    Parked {
        /// Which session.
        session: SessionKey,
        /// The connection that it had.
        connection: ConnectionKey,
    },
    /// S6: a session that has no connection is kept as data
    /// ([`Resting`](crate::server::Resting)), and is to be woken at this time: nothing else keeps
    /// time for it. Not accepted if it has a connection by now.
    Rests {
        /// Which session.
        session: SessionKey,
        /// When it is over if nobody goes on with it.
        until: Time,
    },
    /// S3, S6: a session is over.
    SessionOver(SessionKey),
    /// S6: the sessions keep [`max_kept_in_all`](super::SessionLimits::max_kept_in_all) bytes, or
    /// do so no longer. Meanwhile none is granted.
    Crowded(bool),
    /// Time has passed.
    Tick,
}
