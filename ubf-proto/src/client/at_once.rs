//! Calls about which there is nothing to decide: they are sent and answered in one step each,
//! without a place in a queue.

use bytes::Bytes;
use ubf_codec::{Mode, ServerPacket, Version};

use super::calls::{OpenCall, Rendering};
use super::connection::{Attachment, Awaited, Connection, Sent};
use super::input::{Call, CallId};
use super::output::{ConnectionId, Done, Output};
use super::{ClientSession, Slot, accepted};
use crate::control::is_event;
use crate::outbound::MAX_COPIED_BYTES;
use crate::time::Time;

/// A request on its way out: write `head`, and `body` behind it.
#[derive(Debug)]
pub struct Leaving<'a> {
    /// Where to write it.
    pub connection: ConnectionId,
    /// The header.
    pub head: Bytes,
    /// The body. It is small, and to be copied.
    pub body: &'a [u8],
}

impl ClientSession {
    /// Sends a request at once, if there is nothing to be decided about it: what
    /// [`Input::Call`](super::Input::Call) and the [`Output::Transmit`] that comes of it do
    /// together.
    ///
    /// # Errors
    /// The call, if there is: nothing has happened, and the session is to be told of an
    /// `Input::Call`. So it is unless the session has said all that it had to say, the connection is
    /// ready, no other call waits, and the body for its version is there and small.
    ///
    /// ```
    /// use ubf_proto::client::{Call, CallId, Config, Input, Output};
    /// use ubf_proto::{ClientSession, Time, Versions};
    ///
    /// let mut config = Config::new(vec!["a:1".parse()?], Versions::of([1]));
    /// config.session = ubf_proto::client::SessionPlan::off();
    /// config.grease = false;
    /// let mut session = ClientSession::new(config, 0, Time::ZERO);
    /// let Some(Output::Connect { connection, .. }) = session.poll_output() else { panic!() };
    /// session.handle(Input::Connected { connection, peer: None, tls: false }, Time::ZERO);
    /// let bytes = b"1 ? {'agreed'1?#1&#}$"[..].into();
    /// while session.poll_output().is_some() {}
    /// session.handle(Input::Received { connection, bytes }, Time::ZERO);
    /// while session.poll_output().is_some() {}
    ///
    /// let mut call = Call::request(CallId(1));
    /// call.rendered = Some((session.version().unwrap(), b"'ping'$"[..].into()));
    /// let leaving = session.send_at_once(call, Time::ZERO).unwrap();
    /// assert_eq!((&leaving.head[..], leaving.body), (&b"1 "[..], &b"'ping'$"[..]));
    /// # Ok::<(), ubf_codec::AddressError>(())
    /// ```
    pub fn send_at_once(&mut self, call: Call, now: Time) -> Result<Leaving<'_>, Call> {
        let Some((version, number)) = self.may_leave_at_once(&call, now) else { return Err(call) };
        let Some((_, body)) = &call.rendered else { return Err(call) };
        let body_len = body.len() as u64;
        let call = self.open(call);
        let now = self.now;
        let Some(link) = &mut self.current else { return Ok(Leaving::NOTHING) };
        let connection = link.id;
        let head = link.heads.head(version);
        let len = head.len() + usize::try_from(body_len).unwrap_or(usize::MAX);
        link.will_write(len, now);
        link.push_message(Awaited::Reply { call, version }, (number, body_len), len, now);
        Ok(Leaving { connection, head, body: link.last_body() })
    }

    /// The version in which a call may leave, and its number in the session (S2).
    fn may_leave_at_once(&mut self, call: &Call, now: Time) -> Option<(Version, u64)> {
        let is_quiet = self.is_settled
            && !self.is_closed
            && !self.is_closing
            && self.outputs.is_empty()
            && self.waiting.is_empty()
            && self.next.is_none();
        if !is_quiet || call.is_event || call.opens.is_some() {
            return None;
        }
        // What is due by now comes first.
        if now > self.now && self.poll_timeout().is_some_and(|at| at <= now) {
            return None;
        }
        let link = self.current.as_deref().filter(|link| link.is_usable())?;
        let version = link.in_force?;
        let is_plain = matches!(link.attachment, Attachment::Plain | Attachment::Attached);
        let has_room = self.open_calls < self.config.max_pending
            && link.in_flight.len() < self.config.max_in_flight
            && link.unsent < self.config.max_unsent_bytes;
        let is_ready = is_plain && !link.is_held && !link.reads_context && has_room;
        if !is_ready || link.has_other_version_in_flight(version) {
            return None;
        }
        let (rendered, body) = call.rendered.as_ref()?;
        let is_for_it = *rendered == version || call.is_constant;
        let is_accepted =
            || link.accepted.as_deref().is_none_or(|limits| accepted::check(body, limits).is_ok());
        if !is_for_it || body.len() > MAX_COPIED_BYTES || !is_accepted() {
            return None;
        }
        let number = self.number(Slot::Current, body.len() as u64)?;
        self.now = self.now.max(now);
        Some((version, number))
    }

    /// What is known of a call from here on.
    pub(super) fn open(&mut self, call: Call) -> OpenCall {
        self.statistics.calls += 1;
        let deadline = self.now + call.time.unwrap_or(self.config.call_time);
        self.calls_due = Some(self.calls_due.map_or(deadline, |due| due.min(deadline)));
        self.open_calls += 1;
        self.next_sequence += 1;
        let is_ordinary = u64::from(call.opens.is_none());
        OpenCall {
            id: call.id,
            sequence: self.next_sequence | (is_ordinary << 63),
            opens: call.opens,
            is_event: call.is_event,
            is_idempotent: call.is_idempotent,
            deadline,
            rendering: call
                .rendered
                .map_or(Rendering::Needed, |(version, body)| Rendering::Ready(version, body)),
            is_constant: call.is_constant,
            trace: call.trace,
            refusals: 0,
            losses: 0,
        }
    }

    /// Takes in one packet, if it is to be expected that it is the reply to the first call in
    /// flight. If it is another one, what is to be done about it has been done.
    pub(super) fn receive_at_once(&mut self) -> Option<Output> {
        let now = self.now;
        if self.is_settled || self.next.is_some() {
            return None;
        }
        let link = self.current.as_deref_mut().filter(|link| link.inbound.is_fresh())?;
        let (call, expected) = link.awaits_reply()?;
        let connection = link.id;
        let (packet, end) = match link.inbound.next(now) {
            Ok(Some(whole)) => whole,
            Ok(None) => return None,
            Err(error) => {
                self.bad_syntax(Slot::Current, connection, error);
                return None;
            }
        };
        let is_plain = packet.header.mode == Mode::Version(expected)
            && packet.header.next_ip.is_none()
            && link.next_ip.is_none()
            && link.agreed_at.is_some()
            && !is_event(packet.body.root(), "event_out");
        if !is_plain {
            self.receive_packet(Slot::Current, connection, packet, end);
            return None;
        }
        let ServerPacket { body, .. } = packet;
        let number = link.pop_reply(now);
        if let Some((number, body_len)) = number {
            self.count_answer(Slot::Current, (number, body_len), Some(body.source().len() as u64));
        }
        self.has_replied();
        let session = self.in_session(connection, false);
        self.open_calls -= 1;
        self.statistics.done += 1;
        let done = Done::Reply { connection, version: expected, session, body };
        Some(Output::Ended { call, outcome: Ok(done) })
    }
}

impl Leaving<'_> {
    /// Of no connection, which is asked for before.
    const NOTHING: Self = Self { connection: ConnectionId(0), head: Bytes::new(), body: &[] };
}

impl Connection {
    /// L2: so many bytes are handed out.
    pub(super) const fn will_write(&mut self, bytes: usize, now: Time) {
        if self.unsent == 0 {
            self.last_written = now;
        }
        self.unsent += bytes;
    }

    /// The body of the message that was sent last.
    fn last_body(&self) -> &[u8] {
        match self.in_flight.back().map(|sent| &sent.awaited) {
            Some(Awaited::Reply { call, .. }) => match &call.rendering {
                Rendering::Ready(_, body) => body,
                Rendering::Needed | Rendering::Asked(_) => &[],
            },
            Some(Awaited::Abandoned { .. } | Awaited::Agreement { .. } | Awaited::Pong) | None => {
                &[]
            }
        }
    }

    /// The call whose reply comes next, if nothing but that does, and its version.
    fn awaits_reply(&self) -> Option<(CallId, Version)> {
        let sent = self.in_flight.front().filter(|sent| !sent.is_kept())?;
        match &sent.awaited {
            Awaited::Reply { call, version } if !call.is_event => Some((call.id, *version)),
            Awaited::Reply { .. }
            | Awaited::Abandoned { .. }
            | Awaited::Agreement { .. }
            | Awaited::Pong => None,
        }
    }

    /// P5: the first answer that is due has come. Gives the number that its message has in the
    /// session, if it has one, and the bytes of that message's body.
    fn pop_reply(&mut self, now: Time) -> Option<(u64, u64)> {
        self.has_answered(now);
        let Sent { number, body_len, .. } = self.in_flight.pop_front()?;
        (number > 0).then_some((number, body_len))
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::{String, ToString as _};
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::client::{Config, Input, SessionPlan};
    use crate::session::SessionId;
    use crate::versions::Versions;

    /// What is set differently.
    type Set = fn(&mut Config);
    /// What a client is told.
    type Tell = fn(&mut Client);

    /// A client, and all that it has sent and said.
    struct Client {
        session: ClientSession,
        connection: ConnectionId,
        is_at_once: bool,
        sent: Vec<u8>,
        said: Vec<String>,
        left: usize,
    }

    impl Client {
        fn with(is_at_once: bool, set: Set, agreed: &[u8]) -> Self {
            let mut config = Config::new(vec!["a:1".parse().unwrap()], Versions::of([1]));
            config.grease = false;
            config.session = SessionPlan::off();
            set(&mut config);
            let session = ClientSession::new(config, 0, Time::ZERO);
            let connection = ConnectionId(0);
            let (sent, said) = (Vec::new(), Vec::new());
            let mut client = Self { session, connection, is_at_once, sent, said, left: 0 };
            client.obey();
            let connection = client.connection;
            client.tell(Input::Connected { connection, peer: None, tls: false }, 0);
            client.tell(Input::Received { connection, bytes: agreed.into() }, 0);
            client
        }

        fn tell(&mut self, input: Input, millis: u64) {
            self.session.handle(input, Time::from_millis(millis));
            self.obey();
        }

        fn hear(&mut self, bytes: &str, millis: u64) {
            let (connection, bytes) = (self.connection, bytes.into());
            self.tell(Input::Received { connection, bytes }, millis);
        }

        fn call(&mut self, call: Call, millis: u64) {
            let now = Time::from_millis(millis);
            let call = if self.is_at_once {
                match self.session.send_at_once(call, now) {
                    Ok(leaving) => {
                        self.sent.extend_from_slice(&leaving.head);
                        self.sent.extend_from_slice(leaving.body);
                        self.left += 1;
                        return;
                    }
                    Err(call) => call,
                }
            } else {
                call
            };
            self.tell(Input::Call(call), millis);
        }

        fn obey(&mut self) {
            while let Some(output) = self.session.poll_output() {
                match output {
                    Output::Connect { connection, .. } => self.connection = connection,
                    Output::Transmit { packet, .. } => {
                        self.sent.extend_from_slice(&packet.to_bytes());
                    }
                    Output::NeedSessionId => {
                        let id = SessionId::from_bytes(*b"0123456789abcdef");
                        self.session.handle(Input::SessionId(id), Time::ZERO);
                    }
                    other @ (Output::Close { .. }
                    | Output::Render { .. }
                    | Output::Ended { .. }
                    | Output::EventOut { .. }
                    | Output::Notice(_)
                    | Output::Finished) => self.said.push(format!("{other:?}")),
                }
            }
        }
    }

    fn call(id: u64, body: &'static [u8]) -> Call {
        let rendered = Some((Version::MIN, Bytes::from_static(body)));
        Call { rendered, ..Call::request(CallId(id)) }
    }

    /// Tells two clients the same, one of which may send at once. Gives how many calls of it did.
    fn same(set: Set, agreed: &[u8], tell: impl Fn(&mut Client)) -> usize {
        let mut clients = [false, true].map(|is_at_once| Client::with(is_at_once, set, agreed));
        clients.iter_mut().for_each(&tell);
        let [one, other] = &clients;
        assert_eq!(one.sent.escape_ascii().to_string(), other.sent.escape_ascii().to_string());
        assert_eq!(one.said, other.said);
        assert_eq!(one.session.statistics(), other.session.statistics());
        assert_eq!(one.session.poll_timeout(), other.session.poll_timeout());
        other.left
    }

    const AGREED: &[u8] = b"1 ? {'agreed'1?#1&#}$";

    #[test]
    fn a_call_that_leaves_at_once_is_what_it_is_otherwise() {
        let left = same(
            |_| {},
            AGREED,
            |client| {
                client.call(call(1, b"'a'$"), 5);
                client.call(call(2, b"'b'$"), 5);
                client.hear("1 ? {'x''start'}$1 ? {'event_out'7}$1 ? {'y'", 9);
                client.call(call(3, b"'c'$"), 12);
                client.hear("'start'}$0 ? {'failed''crash'#1&4}$", 15);
                client.call(call(4, b"'d'$"), 20);
                client.hear("1 \"b:1\" {'z''start'}$", 22);
            },
        );
        assert_eq!(left, 4);
    }

    #[test]
    fn s2_in_a_session_it_is_counted_there() {
        let agreed = b"1 ? {'agreed'1?#1&#{'session'4 4194304 65536 60000'memory'}&}$";
        let left = same(
            |config| config.session = SessionPlan::wanted(),
            agreed,
            |client| {
                for id in 1..=3 {
                    client.call(call(id, b"'a'$"), 5);
                }
                client.hear("1 ? {'x''start'}$1 ? {'x''start'}$1 ? {'x''start'}$", 9);
            },
        );
        assert!(left > 0, "{left}");
    }

    #[test]
    fn whatever_there_is_to_decide_is_decided() {
        let held: [(&str, Set, Tell); 7] = [
            (
                "an event",
                |_| {},
                |client| {
                    let rendered = Some((Version::MIN, Bytes::from_static(b"{'event_in'1}$")));
                    client.call(Call { rendered, ..Call::event(CallId(1)) }, 0);
                },
            ),
            ("no body", |_| {}, |client| client.call(Call::request(CallId(1)), 0)),
            (
                "no room",
                |config| config.max_in_flight = 1,
                |client| {
                    client.session.handle(Input::Call(call(1, b"1$")), Time::ZERO);
                    client.obey();
                    client.call(call(2, b"2$"), 0);
                },
            ),
            ("too many", |config| config.max_pending = 0, |client| client.call(call(1, b"1$"), 0)),
            (
                "its time is over",
                |config| config.ping_after = core::time::Duration::from_secs(1),
                { |client| client.call(call(1, b"1$"), 1_000) },
            ),
            (
                "closed",
                |_| {},
                |client| {
                    client.tell(Input::Close, 0);
                    client.call(call(1, b"1$"), 0);
                },
            ),
            (
                "another waits",
                |_| {},
                |client| {
                    client.call(Call::request(CallId(9)), 0);
                    client.call(call(1, b"1$"), 0);
                },
            ),
        ];
        for (what, set, tell) in held {
            assert_eq!(same(set, AGREED, tell), 0, "{what}");
        }
        assert_eq!(same(|_| {}, b"", |client| client.call(call(1, b"1$"), 0)), 0);
    }

    #[test]
    fn what_is_wrong_is_told_as_always() {
        for bytes in ["1 ? }$", "2 ? {'x''start'}$", "{'ubf1.0'", "0 ? {'nonsense'}$"] {
            same(
                |_| {},
                AGREED,
                |client| {
                    client.call(call(1, b"'a'$"), 5);
                    client.hear(bytes, 9);
                },
            );
        }
    }
}
