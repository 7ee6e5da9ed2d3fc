//! The real machines of one client and a few servers, and everything that may happen next.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::{Address, TermRef, Version, View, ubf};
use ubf_proto::client::{self, Call, CallError, CallId, ConnectionId, Done, SessionPlan};
use ubf_proto::endpoint::{
    self, Admission, ConnectionKey, Endpoint, Opening, Origin, Resumption, SessionKey,
};
use ubf_proto::server::{self, ServerSession, SessionAnswer, SessionRequest};
use ubf_proto::session::SessionId;
use ubf_proto::{ClientSession, Offer, Service, Time, Versions, body};

/// A rule that is broken on purpose: the search must find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// What arrives on the old connection is read after the resume.
    OldConnectionRead,
}

/// How much may go wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// One letter for each message: `c`, a call, or `e`, an event.
    pub(crate) messages: &'static str,
    pub(crate) servers: usize,
    pub(crate) losses: u32,
    pub(crate) crashes: u32,
    pub(crate) withdrawals: u32,
    pub(crate) restores: u32,
    /// Events that the server sends.
    pub(crate) events: u32,
    pub(crate) mutant: Option<Mutant>,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The next packet arrives at the server.
    Up(usize),
    /// The next packet arrives at the client, or the end of the connection.
    Down(usize),
    /// A handler ends.
    Answer {
        machine: usize,
        packet: u64,
    },
    /// The client loses a connection. What it has sent may still arrive.
    Lose(usize),
    /// The same, but of its last packet only a half arrives.
    LoseUp(usize),
    /// The client loses a connection in the middle of a packet that comes to it.
    LoseDown(usize),
    /// The server loses a connection that its client has lost.
    Bury(usize),
    /// The server forgets everything.
    Crash(usize),
    Withdraw,
    Restore,
    /// The server sends an event.
    Say(usize),
    /// Time passes until the next timer is due.
    Wait,
    /// A timer that is due rings, of the client, or of this machine.
    RingClient,
    Ring(usize),
}

struct Link {
    connection: ConnectionId,
    server: usize,
    key: ConnectionKey,
    machine: Option<usize>,
    /// It belonged to this machine before.
    old_machine: Option<usize>,
    up: VecDeque<Bytes>,
    down: VecDeque<Option<Bytes>>,
    is_clients: bool,
}

struct Machine {
    session: ServerSession,
    server: usize,
    link: usize,
    key: Option<SessionKey>,
    /// S5: the last attempt to go on with its session.
    turn: u64,
    /// Events that it has sent.
    said: u64,
    /// Handlers that run: packet and call.
    running: BTreeMap<u64, (u64, Version)>,
}

#[derive(Debug, Default)]
struct Fate {
    executions: u32,
    is_over: bool,
    is_taken: bool,
}

pub(crate) struct World {
    /// What may still go wrong.
    plan: Plan,
    /// Calls may be in doubt.
    may_die: bool,
    now: u64,
    client: ClientSession,
    servers: Vec<Endpoint>,
    links: Vec<Link>,
    machines: Vec<Option<Machine>>,
    fates: BTreeMap<u64, Fate>,
    last_executed: u64,
    /// The last event that the client has heard, by machine.
    heard: BTreeMap<u64, u64>,
    ids: u8,
    early_waits: u32,
    waits: u32,
    is_withdrawn: bool,
    /// The first promise that is broken.
    pub(crate) fault: Option<String>,
}

const VERSIONS: [u32; 2] = [1, 2];
/// Times at which time passes while something else may happen.
const EARLY_WAITS: u32 = 1;
/// More than any wait needs.
const MAX_WAITS: u32 = 60;

fn address(server: usize) -> Address {
    format!("192.0.2.{}:1", server + 1).parse().unwrap()
}

fn new_server() -> Endpoint {
    let offer = Offer::new().with_service(Service::DEFAULT, Versions::of(VERSIONS));
    Endpoint::new(endpoint::Config::default(), offer, 1)
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let addresses = (0..plan.servers).map(address).collect();
        let mut config = client::Config::new(addresses, Versions::of(VERSIONS));
        config.grease = false;
        config.session = SessionPlan::wanted().with_window(2);
        config.failover_spread = Duration::ZERO;
        let client = ClientSession::new(config, 1, Time::ZERO);
        let mut world = Self {
            plan,
            may_die: plan.crashes > 0,
            now: 0,
            client,
            servers: (0..plan.servers).map(|_| new_server()).collect(),
            links: Vec::new(),
            machines: Vec::new(),
            fates: BTreeMap::new(),
            last_executed: 0,
            heard: BTreeMap::new(),
            ids: 0,
            early_waits: 0,
            waits: 0,
            is_withdrawn: false,
            fault: None,
        };
        for (number, kind) in (1..).zip(plan.messages.chars()) {
            world.fates.insert(number, Fate::default());
            let id = CallId(number);
            let call = if kind == 'e' { Call::event(id) } else { Call::request(id) };
            world.tell_client(client::Input::Call(call));
        }
        world
    }

    fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    fn blame(&mut self, what: String) {
        self.fault.get_or_insert(what);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.fates.values().all(|fate| fate.is_over)
    }

    /// All that may happen next.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (index, link) in self.links.iter().enumerate() {
            let is_read = link.machine.is_some()
                || (self.plan.mutant == Some(Mutant::OldConnectionRead)
                    && link.old_machine.is_some());
            if is_read && !link.up.is_empty() {
                steps.push(Step::Up(index));
            }
            if link.is_clients {
                if !link.down.is_empty() {
                    steps.push(Step::Down(index));
                }
                if self.plan.losses > 0 {
                    steps.push(Step::Lose(index));
                    if !link.up.is_empty() {
                        steps.push(Step::LoseUp(index));
                    }
                    if matches!(link.down.front(), Some(Some(_))) {
                        steps.push(Step::LoseDown(index));
                    }
                }
            } else if link.machine.is_some() {
                steps.push(Step::Bury(index));
            }
        }
        for (index, machine) in self.machines.iter().enumerate() {
            let Some(machine) = machine else { continue };
            if self.plan.events > 0 && machine.session.has_session() {
                steps.push(Step::Say(index));
            }
            let running = machine.running.keys();
            steps.extend(running.map(|&packet| Step::Answer { machine: index, packet }));
        }
        if self.plan.crashes > 0 {
            steps.extend((0..self.servers.len()).map(Step::Crash));
        }
        if self.plan.withdrawals > 0 {
            steps.push(Step::Withdraw);
        }
        if self.plan.restores > 0 && self.is_withdrawn {
            steps.push(Step::Restore);
        }
        steps.extend(self.rings());
        let is_quiet = steps.iter().all(|step| {
            matches!(
                step,
                Step::Lose(_)
                    | Step::LoseUp(_)
                    | Step::LoseDown(_)
                    | Step::Crash(_)
                    | Step::Withdraw
                    | Step::Restore
                    | Step::Bury(_)
                    | Step::Say(_)
            )
        });
        let is_due = self.rings().next().is_some();
        if !is_due && ((is_quiet && !self.is_over()) || self.early_waits < EARLY_WAITS) {
            steps.push(Step::Wait);
        }
        steps
    }

    /// Timers that are due. They may ring in any order, and behind whatever else may happen.
    fn rings(&self) -> impl Iterator<Item = Step> {
        let now = self.time();
        let is_due = move |at: Option<Time>| at.is_some_and(|at| at <= now);
        let client = is_due(self.client.poll_timeout()).then_some(Step::RingClient);
        let machines = self.machines.iter().enumerate().filter_map(move |(index, machine)| {
            let at = machine.as_ref()?.session.poll_timeout();
            is_due(at).then_some(Step::Ring(index))
        });
        client.into_iter().chain(machines)
    }

    pub(crate) fn take(&mut self, step: Step) {
        match step {
            Step::Up(link) => {
                let Some(bytes) = self.links[link].up.pop_front() else { return };
                let machine = self.links[link].machine.or(self.links[link].old_machine);
                if let Some(machine) = machine {
                    let bytes = BytesMut::from(&bytes[..]);
                    self.tell_machine(machine, server::Input::Received(bytes));
                }
            }
            Step::Down(link) => {
                let connection = self.links[link].connection;
                match self.links[link].down.pop_front() {
                    Some(Some(bytes)) => {
                        let bytes = BytesMut::from(&bytes[..]);
                        self.tell_client(client::Input::Received { connection, bytes });
                    }
                    _ => {
                        self.links[link].is_clients = false;
                        self.tell_client(client::Input::Closed { connection });
                    }
                }
            }
            Step::Answer { machine, packet } => self.answer(machine, packet),
            Step::Lose(link) => self.lose(link),
            Step::LoseUp(link) => {
                if let Some(last) = self.links[link].up.back_mut() {
                    last.truncate(last.len() / 2);
                }
                self.lose(link);
            }
            Step::LoseDown(link) => {
                let connection = self.links[link].connection;
                if let Some(Some(mut bytes)) = self.links[link].down.pop_front() {
                    bytes.truncate(bytes.len() / 2);
                    let bytes = BytesMut::from(&bytes[..]);
                    self.tell_client(client::Input::Received { connection, bytes });
                }
                self.lose(link);
            }
            Step::Bury(link) => {
                if let Some(machine) = self.links[link].machine {
                    self.links[link].up.clear();
                    self.tell_machine(machine, server::Input::Lost);
                }
            }
            Step::Crash(server) => self.crash(server),
            Step::Withdraw => {
                self.plan.withdrawals -= 1;
                let version = Version::new(2).unwrap();
                self.is_withdrawn = true;
                self.tell_endpoint(endpoint::Input::Withdraw(Service::DEFAULT, version));
            }
            Step::Restore => {
                self.plan.restores -= 1;
                let version = Version::new(2).unwrap();
                self.is_withdrawn = false;
                self.tell_endpoint(endpoint::Input::Restore(Service::DEFAULT, version));
            }
            Step::Say(machine) => self.say(machine),
            Step::Wait => self.wait(),
            Step::RingClient => self.tell_client(client::Input::Tick),
            Step::Ring(machine) => self.tell_machine(machine, server::Input::Tick),
        }
    }

    fn tell_endpoint(&mut self, input: endpoint::Input) {
        let now = self.time();
        self.servers[0].handle(input, now);
        self.obey_endpoint(0);
    }

    fn lose(&mut self, link: usize) {
        self.plan.losses -= 1;
        let lost = &mut self.links[link];
        lost.is_clients = false;
        lost.down.clear();
        let connection = lost.connection;
        self.tell_client(client::Input::Closed { connection });
    }

    fn say(&mut self, index: usize) {
        self.plan.events -= 1;
        let Some(machine) = &mut self.machines[index] else { return };
        machine.said += 1;
        let body = body(&ubf!({event_out, {(index), (machine.said)}}));
        let version = Version::new(1).unwrap();
        self.tell_machine(index, server::Input::EventOut { version, body });
    }

    /// Events come once, and in order.
    fn hear(&mut self, event: TermRef<'_>) {
        let View::Tuple(event) = event.view() else { panic!("an event is a tuple") };
        let [_, event] = event.to_array().expect("of two");
        let View::Tuple(event) = event.view() else { panic!("ours is a tuple") };
        let numbers = event.to_array().expect("of two");
        let [machine, number] = numbers.map(|part| part.as_i64().expect("a number") as u64);
        let last = self.heard.insert(machine, number).unwrap_or(0);
        if number != last + 1 {
            self.blame(format!("event {number} comes after {last}"));
        }
    }

    fn wait(&mut self) {
        self.waits += 1;
        self.early_waits = (self.early_waits + 1).min(EARLY_WAITS);
        let machines = self.machines.iter().flatten();
        let times = machines.filter_map(|machine| machine.session.poll_timeout());
        let Some(next) = times.chain(self.client.poll_timeout()).min() else {
            return self.blame("nothing will ever happen again".to_owned());
        };
        if self.waits > MAX_WAITS {
            return self.blame("a call never ends".to_owned());
        }
        self.now = self.now.max(next.as_millis());
    }

    fn crash(&mut self, server: usize) {
        self.plan.crashes -= 1;
        self.servers[server] = new_server();
        for machine in &mut self.machines {
            if machine.as_ref().is_some_and(|machine| machine.server == server) {
                *machine = None;
            }
        }
        for link in &mut self.links {
            if link.server == server && link.machine.take().is_some() {
                link.up.clear();
                link.down.push_back(None);
            }
        }
    }

    fn tell_client(&mut self, input: client::Input) {
        self.client.handle(input, self.time());
        while let Some(output) = self.client.poll_output() {
            let input = match output {
                client::Output::Connect { connection, address, .. } => {
                    self.connect(connection, &address)
                }
                client::Output::Transmit { connection, packet } => {
                    let count = packet.len();
                    if let Some(link) = self.link_of(connection) {
                        self.links[link].up.push_back(packet.to_bytes());
                    }
                    client::Input::Written { connection, count }
                }
                client::Output::Close { connection } => {
                    if let Some(link) = self.link_of(connection) {
                        self.links[link].is_clients = false;
                    }
                    continue;
                }
                client::Output::NeedSessionId => {
                    self.ids += 1;
                    client::Input::SessionId(SessionId::from_bytes([b'0' + self.ids; 16]))
                }
                client::Output::Render { call, version } => {
                    let request = ubf!({do_, (call.0)});
                    let is_event = self.plan.messages.as_bytes()[call.0 as usize - 1] == b'e';
                    let body =
                        if is_event { body(&ubf!({event_in, (request)})) } else { body(&request) };
                    client::Input::Rendered { call, version, body }
                }
                client::Output::Ended { call, outcome } => {
                    self.ended(call.0, outcome);
                    continue;
                }
                client::Output::Notice(client::Notice::Lost { reason, .. }) => {
                    if let client::LossReason::Violation(_)
                    | client::LossReason::BadSyntax(_)
                    | client::LossReason::BadControl(_)
                    | client::LossReason::ReportedError { .. } = reason
                    {
                        self.blame(format!("the client says: {reason}"));
                    }
                    continue;
                }
                client::Output::EventOut { body, .. } => {
                    self.hear(body.root());
                    continue;
                }
                _ => continue,
            };
            self.client.handle(input, self.time());
        }
    }

    fn link_of(&self, connection: ConnectionId) -> Option<usize> {
        self.links.iter().position(|link| link.connection == connection && link.is_clients)
    }

    fn connect(&mut self, connection: ConnectionId, address: &Address) -> client::Input {
        let server = (0..self.servers.len()).find(|&server| self::address(server) == *address);
        let server = server.expect("an address of ours");
        let now = self.time();
        let peer = "192.0.2.200".parse().unwrap();
        let Admission::Serve { connection: key, start } =
            self.servers[server].admit(Origin::of(peer), now)
        else {
            return client::Input::ConnectFailed { connection, cause: None };
        };
        let (link, machine) = (self.links.len(), self.machines.len());
        self.links.push(Link {
            connection,
            server,
            key,
            machine: Some(machine),
            old_machine: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            is_clients: true,
        });
        let session = start.session(now);
        let running = BTreeMap::new();
        let machine = Machine { session, server, link, key: None, turn: 1, said: 0, running };
        self.machines.push(Some(machine));
        self.obey_endpoint(server);
        client::Input::Connected { connection, peer: None, tls: false }
    }

    fn ended(&mut self, call: u64, outcome: Result<Done, CallError>) {
        let may_doubt = self.may_die;
        let fate = self.fates.get_mut(&call).unwrap();
        let was_over = std::mem::replace(&mut fate.is_over, true);
        let executions = fate.executions;
        if was_over {
            return self.blame(format!("message {call} ends twice"));
        }
        match outcome {
            Ok(Done::Reply { body, .. }) => {
                let View::Tuple(reply) = body.root().view() else { panic!("a reply is a tuple") };
                let [number, _] = reply.to_array().expect("of two");
                if number.as_i64() != Some(call as i64) {
                    self.blame(format!("call {call} has the reply {body:?}"));
                }
                if executions != 1 {
                    self.blame(format!("call {call} is answered, and has run {executions} times"));
                }
            }
            Ok(Done::Taken { .. }) => self.fates.get_mut(&call).unwrap().is_taken = true,
            Err(error) if may_doubt && error.may_have_run() => {}
            Err(error) => self.blame(format!("message {call} ends: {error}")),
        }
    }

    fn answer(&mut self, index: usize, packet: u64) {
        let Some(machine) = &mut self.machines[index] else { return };
        let Some((call, _)) = machine.running.remove(&packet) else { return };
        let body = body(&ubf!({(call), s}));
        self.tell_machine(index, server::Input::Reply { packet, body });
    }

    fn execute(&mut self, message: &server::Message) -> u64 {
        let View::Tuple(request) = message.body.root().view() else { panic!("ours is a tuple") };
        let [kind, content] = request.to_array().expect("of two");
        let call = match content.view() {
            View::Tuple(event) if kind.is_atom("event_in") => {
                event.to_array::<2>().expect("of two")[1].as_i64()
            }
            _ => content.as_i64(),
        };
        let call = call.expect("a number") as u64;
        let fate = self.fates.get_mut(&call).unwrap();
        fate.executions += 1;
        if fate.executions > 1 {
            self.blame(format!("message {call} runs twice"));
        }
        if call < self.last_executed {
            self.blame(format!("message {call} runs after {}", self.last_executed));
        }
        self.last_executed = self.last_executed.max(call);
        call
    }

    fn tell_machine(&mut self, index: usize, input: server::Input) {
        let now = self.time();
        let Some(mut machine) = self.machines[index].take() else { return };
        machine.session.handle(input, now);
        while let Some(output) = machine.session.poll_output() {
            match output {
                server::Output::Transmit { packet, .. } => {
                    let count = packet.len();
                    let link = &mut self.links[machine.link];
                    if link.is_clients {
                        link.down.push_back(Some(packet.to_bytes()));
                    }
                    machine.session.handle(server::Input::Written(count), now);
                }
                server::Output::Request(message) => {
                    let call = self.execute(&message);
                    machine.running.insert(message.packet, (call, message.version));
                }
                server::Output::Event(message) => {
                    self.execute(&message);
                }
                server::Output::Close { .. } => {
                    let link = &mut self.links[machine.link];
                    link.old_machine = link.machine.take();
                    link.down.push_back(None);
                    let (connection, server) = (link.key, machine.server);
                    self.servers[server].handle(endpoint::Input::Closed(connection), now);
                    if let Some(session) = machine.key {
                        let parked = endpoint::Input::Parked { session, connection };
                        self.servers[server].handle(parked, now);
                    }
                    self.obey_endpoint(server);
                }
                server::Output::Session(request) => match self.ask(&mut machine, request) {
                    Ok(answer) => machine.session.handle(server::Input::Session(answer), now),
                    Err(owner) => return self.hand_over(machine, owner),
                },
                server::Output::SessionOver { .. } => {
                    if let Some(key) = machine.key.take() {
                        let over = endpoint::Input::SessionOver(key);
                        self.servers[machine.server].handle(over, now);
                    }
                }
                _ => {}
            }
        }
        if let Some(key) = machine.key
            && let Some(resting) = machine.session.rest()
        {
            // S6: nothing goes on in it, so it is data until something does.
            machine.session = self.servers[machine.server].wake_session(key, resting);
        }
        let has_link = self.links[machine.link].machine == Some(index);
        if has_link || machine.session.is_parked() {
            self.machines[index] = Some(machine);
        }
    }

    /// S1, S4: an error is the machine that takes the connection over.
    fn ask(
        &mut self,
        machine: &mut Machine,
        request: SessionRequest,
    ) -> Result<SessionAnswer, usize> {
        let now = self.time();
        let endpoint = &mut self.servers[machine.server];
        let connection = self.links[machine.link].key;
        match request {
            SessionRequest::Open { service, wish, max_packet } => {
                Ok(match endpoint.open_session(connection, service, &wish, max_packet, now) {
                    Opening::Granted { session, grant } => {
                        machine.key = Some(session);
                        SessionAnswer::Granted(grant)
                    }
                    Opening::NotGranted => SessionAnswer::NotGranted,
                    Opening::Exists => SessionAnswer::Exists,
                })
            }
            SessionRequest::Resume { service, resume } => {
                match endpoint.resume_session(connection, &service, &resume, now) {
                    Resumption::HandOver(session) => {
                        let is_it = |known: &Option<Machine>| {
                            known.as_ref().is_some_and(|known| {
                                known.server == machine.server && known.key == Some(session)
                            })
                        };
                        let owner = self.machines.iter().position(is_it);
                        let owner = owner.expect("its server knows it");
                        let Some(known) = &mut self.machines[owner] else { return Err(owner) };
                        let last = std::mem::replace(&mut known.turn, resume.turn);
                        if resume.turn <= last {
                            let turn = resume.turn;
                            self.blame(format!("attempt {turn} replaces attempt {last}"));
                        }
                        Err(owner)
                    }
                    Resumption::Overtaken => Ok(SessionAnswer::Overtaken),
                    Resumption::NoSession(why) => Ok(SessionAnswer::NoSession(why)),
                }
            }
        }
    }

    fn hand_over(&mut self, from: Machine, owner: usize) {
        let now = self.time();
        let is_parked = |world: &Self| {
            world.machines[owner].as_ref().is_some_and(|machine| machine.session.is_parked())
        };
        if !is_parked(self) {
            self.tell_machine(owner, server::Input::Overtaken);
        }
        let resuming = from.session.into_resuming().expect("it waits for that");
        let Some(machine) = &mut self.machines[owner] else { return };
        machine.link = from.link;
        machine.session.resume(resuming, now);
        self.links[from.link].machine = Some(owner);
        self.tell_machine(owner, server::Input::Tick);
    }

    fn obey_endpoint(&mut self, server: usize) {
        while let Some(output) = self.servers[server].poll_output() {
            if let endpoint::Output::Tell(key, input) = output {
                let is_its = |link: &Link| link.server == server && link.key == key;
                let link = self.links.iter().position(is_its);
                if let Some(machine) = link.and_then(|link| self.links[link].machine) {
                    self.tell_machine(machine, input);
                }
            }
        }
    }

    /// When nothing more can happen: what must have happened.
    pub(crate) fn check_end(&mut self) {
        let is_forgotten = |fate: &Fate| fate.is_taken && fate.executions == 0;
        if !self.may_die && self.fates.values().any(is_forgotten) {
            self.blame("an event was taken, and never ran".to_owned());
        }
        for (index, machine) in self.machines.iter().enumerate() {
            let Some(machine) = machine else { continue };
            let link = &self.links[machine.link];
            let is_attached = machine.session.has_session()
                && link.machine == Some(index)
                && link.is_clients
                && self.is_over();
            let heard = self.heard.get(&(index as u64)).copied().unwrap_or_default();
            if is_attached && heard != machine.said {
                let said = machine.said;
                return self.blame(format!("of {said} events {heard} were heard"));
            }
        }
    }

    /// All that matters for what may still happen, without statistics and absolute times.
    pub(crate) fn form(&self) -> String {
        use std::fmt::Write as _;

        let mut form =
            format!("{:?} {:?} {} {}", self.fates, self.last_executed, self.ids, self.early_waits);
        let plan = &self.plan;
        write!(form, "{} {} {} ", plan.losses, plan.crashes, plan.withdrawals).unwrap();
        write!(form, "{} {} {} ", plan.restores, plan.events, self.is_withdrawn).unwrap();
        write!(form, "{:?} {:?}", self.heard, self.client).unwrap();
        for link in &self.links {
            if link.machine.is_some() || link.is_clients || link.old_machine.is_some() {
                let Link { machine, up, down, is_clients, .. } = link;
                write!(form, "{machine:?} {up:?} {down:?} {is_clients}").unwrap();
            }
        }
        for machine in self.machines.iter().flatten() {
            let Machine { session, link, said, running, .. } = machine;
            write!(form, "{session:?} {link} {said} {running:?}").unwrap();
        }
        for server in &self.servers {
            write!(form, "{server:?}").unwrap();
        }
        relative(&form, self.now)
    }
}

/// Times are told from now on, and counters are left out.
fn relative(form: &str, now: u64) -> String {
    let mut told = String::with_capacity(form.len());
    let mut rest = form;
    while let Some(at) = rest.find("Time(") {
        let (before, after) = rest.split_at(at + 5);
        told.push_str(before);
        let end = after.find(')').unwrap_or(after.len());
        match after[..end].parse::<u64>() {
            Ok(u64::MAX) => told.push_str("never"),
            Ok(time) => told.push_str(&(i128::from(time) - i128::from(now)).to_string()),
            Err(_) => told.push_str(&after[..end]),
        }
        rest = &after[end..];
    }
    told.push_str(rest);
    let Some(start) = told.find("statistics: Statistics {") else { return told };
    let end = told[start..].find('}').map_or(told.len(), |end| start + end);
    told.replace_range(start..end, "");
    told
}
