//! A stock client, and the server's end of its connection in one process after the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ubf_codec::{Encoder, Term, decode, ubf};
use ubf_contract::{Checker, Reader, SessionChecker};
use ubf_proto::classic::client::{
    self, Call, CallError, CallId, CallKind, ClientSession, Done, HelloMode,
};
use ubf_proto::classic::server::{self, EventTiming, House, HouseService, ServerSession};
use ubf_proto::classic::{Flavour, Hello};
use ubf_proto::export::{ClassicExport, ClassicKept};
use ubf_proto::{Random, Time};

use crate::ledger::{End, Ledger};

const CONTRACT: &str = "+NAME(\"count\"). +VSN(\"1\").
    +TYPES get() :: {get, integer()}; got() :: {got, integer(), integer()};
           tick() :: {tick, integer()}.
    +STATE even get() => got() & odd; EVENT => tick().
    +STATE odd get() => got() & even; EVENT => tick().";

/// What the process has to do with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Serves,
    /// A take-over has begun, and something runs.
    Settles,
    /// The other process has a copy.
    Given,
    /// The other process serves, and something runs here.
    Leaves,
}

/// One connection, and both ends of it.
pub(crate) struct Stock {
    client: ClientSession,
    server: ServerSession,
    settings: Arc<server::Config>,
    house: Arc<House>,
    part: Part,
    /// What was given, until it is known what comes of it.
    given: Option<ClassicExport>,
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// What the server's shell has not written.
    unsent: VecDeque<u8>,
    /// The number of the request that runs, and its call.
    running: Option<(u64, u64)>,
    is_starting: bool,
    /// What the service keeps: calls that it has run. It goes along.
    count: u64,
    has_begun: bool,
    /// All that came from the server.
    heard: Vec<u8>,
    next_event: u64,
    last_event: u64,
    is_over: bool,
    pub(crate) ledger: Ledger,
    pub(crate) taken_over: u64,
    pub(crate) events: u64,
}

impl Stock {
    pub(crate) fn new(random: &mut Random, now: Time) -> Self {
        let flavour = Flavour::ALL[random.below(3) as usize];
        let contract = Reader::new().read(CONTRACT).unwrap();
        let contract = Arc::new(SessionChecker::new(Checker::new(contract)));
        let service = HouseService::new("count").with_contract(contract);
        let house = Arc::new(House::new(flavour).with_service(service));
        let mut settings = server::Config::default();
        settings.flavour = flavour;
        settings.hello = Some(Hello::new("house", "help"));
        settings.events = match random.below(3) {
            0 => EventTiming::AtOnce,
            1 => EventTiming::WhenQuiet(Duration::from_millis(20)),
            _ => EventTiming::Never,
        };
        let settings = Arc::new(settings);
        let mut wishes = client::Config::default();
        wishes.flavour = flavour;
        wishes.is_pipelining = random.below(2) == 0;
        wishes.hello = HelloMode::default();
        let mut stock = Self {
            client: ClientSession::new(Arc::new(wishes), now),
            server: ServerSession::new(Arc::clone(&settings), Arc::clone(&house), now),
            settings,
            house,
            part: Part::Serves,
            given: None,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            unsent: VecDeque::new(),
            running: None,
            is_starting: false,
            count: 0,
            has_begun: false,
            heard: Vec::new(),
            next_event: 0,
            last_event: 0,
            is_over: false,
            ledger: Ledger::default(),
            taken_over: 0,
            events: 0,
        };
        // It is not among the calls that are counted.
        let start = Call::start(CallId(0), "count", ubf!([]));
        stock.tell_client(client::Input::Call(start), now);
        stock.drive(now);
        stock
    }

    pub(crate) fn call(&mut self, now: Time) {
        if self.ledger.open() < 8 {
            let call = self.ledger.ask();
            let kind = CallKind::Request(ubf!({get, (call)}));
            let call = Call { id: CallId(call), kind, deadline: None };
            self.tell_client(client::Input::Call(call), now);
        }
    }

    /// Bytes go a piece of their way. Nothing is read or written for a process that has given the
    /// socket away.
    pub(crate) fn move_bytes(&mut self, random: &mut Random, now: Time) {
        let most = if random.below(4) == 0 { usize::MAX } else { random.below(40) as usize };
        if self.part != Part::Given {
            let count = most.min(self.unsent.len());
            self.to_client.extend(self.unsent.drain(..count));
            self.tell_server(server::Input::Written(count), now);
            if self.server.is_reading() {
                let count = most.min(self.to_server.len());
                let bytes: Vec<u8> = self.to_server.drain(..count).collect();
                self.tell_server(server::Input::Received((&bytes[..]).into()), now);
            }
        }
        let count = most.min(self.to_client.len());
        let bytes: Vec<u8> = self.to_client.drain(..count).collect();
        self.heard.extend(&bytes);
        if !bytes.is_empty() {
            self.tell_client(client::Input::Received((&bytes[..]).into()), now);
        }
    }

    /// What runs ends, and its answer is there.
    pub(crate) fn answer(&mut self, random: &mut Random, now: Time) {
        if std::mem::take(&mut self.is_starting) {
            self.has_begun = true;
            let started = server::Input::Started { reply: ubf!(welcome), state: "even".into() };
            return self.tell_server(started, now);
        }
        let Some((number, call)) = self.running.take() else { return };
        let state = if self.count.is_multiple_of(2) { "even" } else { "odd" };
        let reply = ubf!({got, (call), (self.count)});
        let input = if random.below(2) == 0 {
            server::Input::Reply { number, reply, state: state.into() }
        } else {
            let body = Encoder::new().encode(&Term::tuple([reply, Term::atom(state)]));
            server::Input::EncodedReply { number, body: body.into() }
        };
        self.tell_server(input, now);
    }

    pub(crate) fn speak(&mut self, now: Time) {
        if self.has_begun && self.part != Part::Given {
            self.next_event += 1;
            let event = ubf!({tick, (self.next_event)});
            self.tell_server(server::Input::EventOut(event), now);
        }
    }

    pub(crate) fn tick(&mut self, now: Time) {
        if self.part != Part::Given {
            self.tell_server(server::Input::Tick, now);
        }
        self.tell_client(client::Input::Tick, now);
    }

    /// The connection breaks: a new one begins, with a client of its own.
    pub(crate) fn lose(&mut self, now: Time) {
        // Between two processes nobody reads, and so nobody finds out.
        if self.part != Part::Given {
            self.tell_server(server::Input::Lost, now);
        }
        self.tell_client(client::Input::Lost, now);
    }

    /// U2: a take-over begins.
    pub(crate) fn freeze(&mut self, now: Time) {
        if self.part == Part::Serves {
            self.part = Part::Settles;
            self.tell_server(server::Input::Freeze, now);
        }
    }

    /// U2: it comes to nothing.
    pub(crate) fn thaw(&mut self, now: Time) {
        if matches!(self.part, Part::Settles | Part::Given) {
            self.part = Part::Serves;
            self.given = None;
            self.tell_server(server::Input::Thaw, now);
        }
    }

    /// U2: the other process serves.
    pub(crate) fn go(&mut self, now: Time) {
        match self.part {
            Part::Settles => self.part = Part::Leaves,
            Part::Given => self.take_over(now),
            Part::Serves | Part::Leaves => {}
        }
    }

    /// What was given is as good as the whole.
    fn take_over(&mut self, now: Time) {
        let Some(export) = self.given.take() else { panic!("nothing was given") };
        let ClassicExport { session, unsent, kept, .. } = export;
        let (settings, house) = (Arc::clone(&self.settings), Arc::clone(&self.house));
        let server = ServerSession::carried(settings, house, session, unsent.len(), now);
        self.server = server.unwrap();
        self.unsent = unsent.iter().copied().collect();
        self.count = kept.map_or(0, |kept| {
            let state = kept.state.unwrap();
            u64::from_be_bytes(state[..].try_into().unwrap())
        });
        self.part = Part::Serves;
        self.taken_over += 1;
        self.drive(now);
    }

    /// Nothing runs: what the other process needs goes there as bytes.
    fn settle(&mut self, now: Time) {
        let leaves = match self.part {
            Part::Settles => false,
            Part::Leaves => true,
            Part::Serves | Part::Given => return,
        };
        if self.server.is_running() {
            return;
        }
        let Some(session) = self.server.export() else { return };
        let state = Some(Bytes::copy_from_slice(&self.count.to_be_bytes()));
        let kept = ClassicKept { argument: ubf!([]), first_state: "even".into(), state };
        let kept = self.has_begun.then_some(kept);
        let unsent: Vec<u8> = self.unsent.iter().copied().collect();
        let export =
            ClassicExport { peer: None, identity: vec![], session, unsent: unsent.into(), kept };
        let bytes = Encoder::new().encode(&export.to_term());
        self.given = ClassicExport::read(decode(&bytes).unwrap().root());
        assert_eq!(self.given, Some(export));
        self.part = Part::Given;
        if leaves {
            self.take_over(now);
        }
    }

    fn tell_server(&mut self, input: server::Input, now: Time) {
        assert_ne!(self.part, Part::Given, "the socket is another process's");
        self.server.handle(input, now);
        self.drive(now);
    }

    fn tell_client(&mut self, input: client::Input, now: Time) {
        self.client.handle(input, now);
        self.drive(now);
    }

    fn drive(&mut self, now: Time) {
        if self.part != Part::Given {
            while let Some(output) = self.server.poll_output() {
                self.obey_server(output);
            }
            self.settle(now);
        }
        while let Some(output) = self.client.poll_output() {
            self.obey_client(output, now);
        }
    }

    fn obey_server(&mut self, output: server::Output) {
        match output {
            server::Output::Transmit { bytes, is_apart } => {
                assert!(!is_apart || !self.server.is_running(), "an event during a call");
                self.unsent.extend(&bytes[..]);
            }
            server::Output::Start { .. } => self.is_starting = true,
            server::Output::Request(request) => {
                assert_eq!(self.part, Part::Serves, "nothing is begun for who leaves");
                let call = request.body.root().get(1).and_then(|call| call.as_u64()).unwrap();
                let state = if self.count.is_multiple_of(2) { "even" } else { "odd" };
                assert_eq!(request.state, state, "the state goes along");
                self.count += 1;
                self.ledger.run(call, self.count);
                self.running = Some((request.number, call));
            }
            server::Output::Close { .. } => {
                self.running = None;
                self.is_starting = false;
                self.is_over = true;
            }
            server::Output::Notice(server::Notice::ClientBroke(broken)) => {
                panic!("the client breaks no contract: {broken}")
            }
            server::Output::Notice(server::Notice::ServerBroke(broken)) => {
                panic!("nor does the service: {broken}")
            }
            _ => {}
        }
    }

    fn obey_client(&mut self, output: client::Output, now: Time) {
        match output {
            client::Output::Transmit(bytes) => {
                self.to_server.extend(&bytes[..]);
                self.client.handle(client::Input::Written(bytes.len()), now);
            }
            client::Output::Ended { id: CallId(0), .. } => {}
            client::Output::Ended { id, outcome } => self.ledger.end(id.0, ended(id.0, &outcome)),
            client::Output::Event(body) => {
                let number = body.root().get(1).and_then(|event| event.get(1)?.as_u64()).unwrap();
                assert!(self.last_event < number, "events keep their order");
                self.last_event = number;
                self.events += 1;
            }
            client::Output::Close(_) => self.is_over = true,
            _ => {}
        }
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Q1: a stock client hears packets of the classic dialect, which begin with a brace here, and
    /// no `?`.
    pub(crate) fn check_heard(&self) {
        assert!(!self.heard.contains(&b'?'), "{}", self.heard.escape_ascii());
        for packet in self.heard.split(|byte| *byte == b'\n') {
            assert!(packet.is_empty() || packet.starts_with(b"{"), "{}", packet.escape_ascii());
        }
    }
}

fn ended(call: u64, outcome: &Result<Done, CallError>) -> End {
    match outcome {
        Ok(Done::Reply { reply, state }) => {
            let number = |place| reply.get(place).and_then(Term::as_u64).unwrap();
            assert_eq!(number(1), call, "the reply of another call");
            let count = number(2);
            let wanted = if count.is_multiple_of(2) { "even" } else { "odd" };
            assert_eq!(*state, Some(Term::atom(wanted)));
            End::Answered(count)
        }
        Ok(other) => panic!("no reply: {other:?}"),
        Err(error) if error.may_have_run() => End::Indeterminate,
        Err(_) => End::NotRun,
    }
}
