//! Plain servers that grant sessions: they keep the rules, execute at once, keep their answers, and
//! read and speak when they are told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ubf_codec::{Term, View, decode, peek_version};
use ubf_proto::client::ConnectionId;
use ubf_proto::control::{ClientControl, Negotiate};
use ubf_proto::session::{Resume, SessionOption};

/// A session's name.
pub(super) type Name = [u8; 16];

/// What servers grant at most.
pub(super) const WINDOW: u64 = 4;
pub(super) const BYTES: u64 = 120;
pub(super) const KEEP_MS: u64 = 20_000;

/// What a session keeps until it is acknowledged.
enum Kept {
    Answer { number: u64, version: u32, body: String },
    Refused { number: u64, version: u32 },
    Event { number: u64 },
}

struct Session {
    turn: u64,
    received: u64,
    events: u64,
    kept: VecDeque<Kept>,
    /// The connection that it has, or had last.
    line: ConnectionId,
}

/// A server's end of a connection.
pub(super) struct Line {
    server: usize,
    /// Packets under way to the server.
    pub(super) inbox: VecDeque<Vec<u8>>,
    /// Packets under way to the client.
    pub(super) outbox: VecDeque<Vec<u8>>,
    packets: u64,
    session: Option<Name>,
    /// S1: a session may be opened, or go on.
    is_fresh: bool,
    /// Nothing more is read.
    is_closing: bool,
    /// N4
    barred: BTreeSet<u32>,
}

/// A call that is executed, or an event.
pub(super) struct Executed {
    pub(super) call: u64,
    pub(super) version: u32,
}

pub(super) struct Keepers {
    sessions: Vec<BTreeMap<Name, Session>>,
    pub(super) lines: BTreeMap<ConnectionId, Line>,
    /// What all of them speak.
    pub(super) spoken: BTreeSet<u32>,
    pub(super) grants: bool,
    /// A client that was lied to may have wrong numbers.
    pub(super) is_wild: bool,
    /// As it stands in a header.
    pub(super) next_ip: &'static str,
}

impl Keepers {
    pub(super) fn new(servers: usize) -> Self {
        Self {
            sessions: (0..servers).map(|_| BTreeMap::new()).collect(),
            lines: BTreeMap::new(),
            spoken: BTreeSet::from([3, 8]),
            grants: true,
            is_wild: false,
            next_ip: "?",
        }
    }

    pub(super) fn connect(&mut self, connection: ConnectionId, server: usize) {
        let line = Line {
            server,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            packets: 0,
            session: None,
            is_fresh: true,
            is_closing: false,
            barred: BTreeSet::new(),
        };
        self.lines.insert(connection, line);
    }

    /// A server is started anew.
    pub(super) fn forget(&mut self, server: usize) {
        if let Some(sessions) = self.sessions.get_mut(server) {
            sessions.clear();
        }
        self.lines.retain(|_, line| line.server != server);
    }

    /// Reads one packet of a connection.
    pub(super) fn read(&mut self, connection: ConnectionId) -> Option<Executed> {
        let line = self.lines.get_mut(&connection)?;
        let packet = line.inbox.pop_front()?;
        if line.is_closing {
            return None;
        }
        line.packets += 1;
        let version = peek_version(&packet).unwrap().expect("a whole header").number();
        let start = packet.iter().position(|&byte| byte == b' ').unwrap() + 1;
        let body = decode(packet.get(start..).unwrap()).unwrap();
        if version != 0 {
            return self.message(connection, version, &body.to_term());
        }
        match ClientControl::from_term(body.root()).unwrap() {
            ClientControl::Negotiate(negotiate) => self.negotiate(connection, &negotiate),
            ClientControl::Ping => self.say(connection, 0, "'pong'"),
            ClientControl::Seen { done, events, is_end } => {
                self.seen(connection, (done, events), is_end);
            }
            // N15: these servers never agree on it.
            ClientControl::Context(_) => panic!("a context that was not agreed on"),
            ClientControl::Error { .. } => line.is_closing = true,
        }
        None
    }

    fn message(&mut self, connection: ConnectionId, version: u32, body: &Term) -> Option<Executed> {
        let line = self.lines.get_mut(&connection)?;
        line.is_fresh = false;
        let is_barred = line.barred.contains(&version) || !self.spoken.contains(&version);
        let number = line.session.map(|name| {
            let sessions = self.sessions.get_mut(line.server).unwrap();
            let session = sessions.get_mut(&name).expect("a connection without its session");
            session.received += 1;
            session.received
        });
        if is_barred {
            line.barred.insert(version);
            let packet = line.packets;
            self.answer(connection, number.map(|number| Kept::Refused { number, version }));
            if number.is_none() {
                let list = self.list();
                self.say(
                    connection,
                    0,
                    &format!("{{'refused'{{'version'{version}}}{list}{packet}}}"),
                );
            } else {
                self.say_refused(connection, (packet, number), version);
            }
            return None;
        }
        let View::Tuple(tuple) = body.as_ref().view() else { panic!("it is a tuple") };
        let part = |index| tuple.get(index)?.as_i64().and_then(|part| u64::try_from(part).ok());
        if let Some(call) = part(1) {
            return Some(Executed { call, version });
        }
        let call = part(0).expect("the number of the call");
        let body = format!("{{{call}'s'}}");
        self.say(connection, version, &body);
        self.answer(connection, number.map(|number| Kept::Answer { number, version, body }));
        Some(Executed { call, version })
    }

    fn answer(&mut self, connection: ConnectionId, kept: Option<Kept>) {
        let Some(kept) = kept else { return };
        if let Some(session) = self.session(connection) {
            session.kept.push_back(kept);
        }
    }

    fn session(&mut self, connection: ConnectionId) -> Option<&mut Session> {
        let line = self.lines.get(&connection)?;
        self.sessions.get_mut(line.server)?.get_mut(&line.session?)
    }

    fn say_refused(&mut self, connection: ConnectionId, at: (u64, Option<u64>), version: u32) {
        let (packet, number) = (at.0, at.1.unwrap_or_default());
        let list = self.list();
        let words = format!("{{'refused'{{'version'{version}}}{list}{packet} {number}}}");
        self.say(connection, 0, &words);
    }

    fn negotiate(&mut self, connection: ConnectionId, negotiate: &Negotiate) {
        let Some(line) = self.lines.get_mut(&connection) else { return };
        line.barred.clear();
        let is_fresh = std::mem::take(&mut line.is_fresh);
        let asked: BTreeSet<u32> = negotiate.versions.iter().map(ubf_codec::Version::get).collect();
        let choice = asked.intersection(&self.spoken).max().copied();
        let list = self.list();
        let agree = |keepers: &mut Self, option: &str| match choice {
            Some(version) => {
                keepers.say(connection, version, &format!("{{'agreed'1?{list}#{option}}}"));
            }
            None if option.is_empty() => {
                keepers.say(connection, 0, &format!("{{'no_common_version'1?{list}}}"));
            }
            None => {
                keepers.say(connection, 0, &format!("{{'no_common_version'1?{list}#{option}}}"));
            }
        };
        match negotiate.options.session {
            Some(SessionOption::Open(wish)) if is_fresh && choice.is_some() && self.grants => {
                let (name, line) = (wish.id.to_bytes(), connection);
                let server = self.lines.get(&connection).unwrap().server;
                let session =
                    Session { turn: 1, received: 0, events: 0, kept: VecDeque::new(), line };
                let before = self.sessions.get_mut(server).unwrap().insert(name, session);
                assert!(before.is_none(), "S1: a name is used again");
                self.lines.get_mut(&connection).unwrap().session = Some(name);
                let window = WINDOW.min(wish.window);
                let bytes = BYTES.min(wish.bytes);
                let option = format!("{{'session'{window} {bytes} 9999999 {KEEP_MS}'memory'}}&");
                agree(self, &option);
            }
            Some(SessionOption::Resume(resume)) if is_fresh => {
                match self.resume(connection, &resume) {
                    Some(Ok((received, missed))) => {
                        agree(self, &format!("{{'resumed'{received} {missed}}}&"));
                        self.say_kept(connection);
                    }
                    Some(Err(())) => self.close(connection, "overtaken"),
                    None => {
                        self.lines.get_mut(&connection).unwrap().is_fresh = true;
                        agree(self, "{'no_session''unknown'}&");
                    }
                }
            }
            _ => agree(self, ""),
        }
    }

    /// S4, S5: Received, and events that are gone. `Err`: it is overtaken. `None`: it is not known.
    fn resume(
        &mut self,
        connection: ConnectionId,
        resume: &Resume,
    ) -> Option<Result<(u64, u64), ()>> {
        let server = self.lines.get(&connection)?.server;
        let name = resume.id.to_bytes();
        let session = self.sessions.get_mut(server)?.get_mut(&name)?;
        if resume.turn <= session.turn {
            return Some(Err(()));
        }
        let is_true = resume.done <= session.received && resume.events <= session.events;
        assert!(is_true || self.is_wild, "S3: {resume:?} after {}", session.received);
        let before = std::mem::replace(&mut session.line, connection);
        session.turn = resume.turn;
        let received = session.received;
        self.lines.get_mut(&connection)?.session = Some(name);
        self.forget_seen(connection, (resume.done, resume.events));
        if let Some(line) = self.lines.get_mut(&before) {
            line.session = None;
        }
        self.close(before, "overtaken");
        Some(Ok((received, 0)))
    }

    fn say_kept(&mut self, connection: ConnectionId) {
        let Some(session) = self.session(connection) else { return };
        let words: Vec<(u32, String)> = session
            .kept
            .iter()
            .map(|kept| match kept {
                Kept::Answer { version, body, .. } => (*version, body.clone()),
                Kept::Event { .. } => (3, "{'event_out'1}".to_owned()),
                Kept::Refused { number, version } => (0, format!("{version} {number}")),
            })
            .collect();
        for (version, body) in words {
            match body.split_once(' ') {
                Some((barred, number)) if version == 0 => {
                    let number = number.parse().ok();
                    self.say_refused(connection, (0, number), barred.parse().unwrap());
                }
                _ => self.say(connection, version, &body),
            }
        }
    }

    fn forget_seen(&mut self, connection: ConnectionId, (done, events): (u64, u64)) {
        let Some(session) = self.session(connection) else { return };
        session.kept.retain(|kept| match kept {
            Kept::Answer { number, .. } | Kept::Refused { number, .. } => *number > done,
            Kept::Event { number } => *number > events,
        });
    }

    fn seen(&mut self, connection: ConnectionId, seen: (u64, u64), is_end: bool) {
        let is_wild = self.is_wild;
        let Some(session) = self.session(connection) else { return };
        let is_true = seen.0 <= session.received && seen.1 <= session.events;
        assert!(is_true || is_wild, "S3: seen {seen:?} after {}", session.received);
        self.forget_seen(connection, seen);
        if is_end && let Some(line) = self.lines.get_mut(&connection) {
            let name = line.session.take();
            let sessions = self.sessions.get_mut(line.server).unwrap();
            name.map(|name| sessions.remove(&name));
        }
    }

    pub(super) fn event_out(&mut self, connection: ConnectionId) {
        if let Some(session) = self.session(connection) {
            session.events += 1;
            session.kept.push_back(Kept::Event { number: session.events });
        }
        self.say(connection, 3, "{'event_out'1}");
    }

    /// R8: nothing after it is executed.
    pub(super) fn close(&mut self, connection: ConnectionId, why: &str) {
        let Some(line) = self.lines.get_mut(&connection) else { return };
        if !std::mem::replace(&mut line.is_closing, true) {
            let packets = line.packets;
            self.say(connection, 0, &format!("{{'closing''{why}'{packets}}}"));
        }
    }

    fn list(&self) -> String {
        let items: String = self.spoken.iter().map(|version| format!("{version}&")).collect();
        format!("#{items}")
    }

    fn say(&mut self, connection: ConnectionId, version: u32, body: &str) {
        let next_ip = self.next_ip;
        if let Some(line) = self.lines.get_mut(&connection) {
            line.outbox.push_back(format!("{version} {next_ip} {body}$").into_bytes());
        }
    }
}
