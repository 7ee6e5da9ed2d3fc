//! What an endpoint looks up among many sessions, while all connections of a server wait for it.

use std::hint::black_box;

use ubf_codec::Version;
use ubf_proto::endpoint::{
    Admission, Config, ConnectionKey, Cordon, Input, Opening, Output, SessionKey,
};
use ubf_proto::session::{SessionId, Wish};
use ubf_proto::{Endpoint, Offer, Origin, Service, Time, Versions};

use super::{Bench, MACHINES, Work};
use crate::Error;

/// An endpoint with as many sessions as it may have, each without a connection.
pub(super) const SESSIONS: &str = "20,000 parked sessions";

const COUNT: u64 = 20_000;
const OF_AN_ADDRESS: u64 = 2_000;

pub(super) fn operations(bench: &mut Bench) -> Result<(), Error> {
    let parked = usize::try_from(COUNT)?;

    let crowd = Crowd::gather()?;
    bench.check(MACHINES, &crowd.endpoint.sessions(), &(parked, parked))?;
    bench.add(Work::LookUp, "ubf-proto, how many are parked", 0, move || {
        black_box(crowd.endpoint.sessions());
    });

    let mut crowd = Crowd::gather()?;
    crowd.endpoint.handle(Input::Cordon(Cordon::default()), Time::ZERO);
    bench.check(MACHINES, &crowd.come_and_go(COUNT - 1), &true)?;
    bench.add(Work::LookUp, "ubf-proto, whether an address has a parked one", 0, move || {
        black_box(crowd.come_and_go(COUNT - 1));
    });

    let mut crowd = Crowd::gather()?;
    let gone = crowd.admit(0).ok_or("there is room for a connection")?;
    crowd.endpoint.handle(Input::Closed(gone), Time::ZERO);
    bench.check(MACHINES, &crowd.crash(gone), &false)?;
    bench.add(Work::LookUp, "ubf-proto, whose a connection was", 0, move || {
        black_box(crowd.crash(gone));
    });

    let mut crowd = Crowd::gather()?;
    bench.check(MACHINES, &crowd.take_the_oldest_place(), &Some(parked))?;
    bench.add(Work::LookUp, "ubf-proto, which one makes room", 0, move || {
        black_box(crowd.take_the_oldest_place());
    });
    Ok(())
}

struct Crowd {
    endpoint: Endpoint,
    opened: u64,
}

impl Crowd {
    fn gather() -> Result<Self, Error> {
        let mut config = Config::default();
        config.max_connections = usize::MAX;
        config.max_connections_per_address = usize::MAX;
        config.sessions.max_sessions = usize::try_from(COUNT)?;
        config.sessions.max_sessions_per_address = usize::try_from(OF_AN_ADDRESS)?;
        let endpoint = Endpoint::new(config, Offer::from(Versions::of([1])), 1);
        let mut crowd = Self { endpoint, opened: 0 };
        for number in 0..COUNT {
            crowd.open(number).ok_or("there is room for a session")?;
        }
        Ok(crowd)
    }

    /// A connection from the address of the session of this number.
    fn admit(&mut self, number: u64) -> Option<ConnectionKey> {
        let host = u8::try_from(number / OF_AN_ADDRESS).unwrap_or(u8::MAX);
        let origin = Origin::of([192, 0, 2, host].into());
        match self.endpoint.admit(origin, Time::ZERO) {
            Admission::Serve { connection, .. } => Some(connection),
            Admission::TurnAway { .. } => None,
        }
    }

    /// Opens a session, and loses its connection.
    fn open(&mut self, number: u64) -> Option<SessionKey> {
        let connection = self.admit(number)?;
        let id = SessionId::from_bytes(u128::from(self.opened).to_be_bytes());
        self.opened += 1;
        let keep = std::time::Duration::from_secs(60);
        let wish = Wish { id, window: 1_024, bytes: 4 << 20, keep };
        let now = Time::from_millis(self.opened);
        let opening =
            self.endpoint.open_session(connection, Service::DEFAULT, &wish, 16 << 20, now);
        self.endpoint.handle(Input::Closed(connection), now);
        match opening {
            Opening::Granted { session, .. } => {
                self.endpoint.handle(Input::Parked { session, connection }, now);
                Some(session)
            }
            Opening::NotGranted | Opening::Exists => None,
        }
    }

    fn come_and_go(&mut self, number: u64) -> bool {
        let admitted = self.admit(number);
        admitted
            .is_some_and(|connection| self.endpoint.handle(Input::Closed(connection), Time::ZERO))
    }

    fn crash(&mut self, connection: ConnectionKey) -> bool {
        let (service, version) = (Service::DEFAULT, Version::MIN);
        self.endpoint.handle(Input::Crashed { connection, service, version }, Time::ZERO)
    }

    /// One more session than there may be. How many there are, if one has made room for it.
    fn take_the_oldest_place(&mut self) -> Option<usize> {
        self.open(COUNT - 1)?;
        let output = self.endpoint.poll_output();
        matches!(output, Some(Output::EndSession(_))).then(|| self.endpoint.sessions().0)
    }
}
