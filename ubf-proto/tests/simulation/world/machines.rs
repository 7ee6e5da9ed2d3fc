//! The machines of the servers: each has a connection, or is a session that waits for one.

use ubf_proto::endpoint::{self, Opening, Resumption, SessionKey};
use ubf_proto::server::{
    self, CloseReason, Input, Output, ServerSession, SessionAnswer, SessionRequest,
};
use ubf_proto::session::SessionId;
use ubf_proto::{Packet, Time};

use super::clock::Clock;
use super::nodes::Node;
use super::servers::origin;
use super::{Event, Piece, Pipe, World, log};
use crate::model::choose;

/// One machine: it moves from pipe to pipe as its client resumes.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) session: ServerSession,
    pub(super) node: usize,
    /// Of the node: a machine dies with its process.
    pub(super) generation: u64,
    /// Of the process.
    pub(super) clock: Clock,
    pub(super) client: usize,
    /// The pipe that it has, or had last.
    pub(super) pipe: usize,
    /// The session that was granted.
    pub(super) key: Option<SessionKey>,
    id: Option<SessionId>,
    /// S5: the last attempt to go on with it.
    pub(super) turn: u64,
    /// Events that it has made in its session, and before it had one.
    pub(super) spoken: u64,
    /// Bytes that it kept when that was counted last.
    pub(super) kept: usize,
    woken: u64,
}

impl World {
    pub(super) fn add_machine(&mut self, session: ServerSession, pipe: usize) {
        let (node, client) = (self.pipes[pipe].node, self.pipes[pipe].client);
        let Node { generation, clock, .. } = self.nodes[node];
        self.pipes[pipe].machine = Some(self.machines.len());
        let (key, id, turn) = (None, None, 1);
        let (spoken, kept, woken) = (0, 0, u64::MAX);
        let machine = Machine {
            session,
            node,
            generation,
            clock,
            client,
            pipe,
            key,
            id,
            turn,
            spoken,
            kept,
            woken,
        };
        self.machines.push(Some(machine));
    }

    /// Tells the machine that has this pipe.
    pub(super) fn tell_server(&mut self, pipe: usize, input: Input) {
        let Pipe { machine, old_machine, .. } = &self.pipes[pipe];
        let is_read = self.is_old_read && matches!(input, Input::Received(_));
        if let Some(machine) = machine.or(old_machine.filter(|_| is_read)) {
            self.tell_machine(machine, input);
        }
    }

    pub(super) fn wake_machine(&mut self, index: usize) {
        if let Some(machine) = &mut self.machines[index] {
            machine.woken = u64::MAX;
        }
        self.tell_machine(index, Input::Tick);
    }

    /// Every other reply leaves at once, if it can.
    fn begin_input(&mut self, machine: &mut Machine, input: Input, now: Time) {
        if let Input::Reply { packet, body } = &input
            && packet % 2 == 1
        {
            machine.session.handle(Input::Tick, now);
            if let Some(head) = machine.session.answer_at_once(*packet, body) {
                return self.transmit(machine, &Packet { head, body: body.clone() }, now);
            }
        }
        machine.session.handle(input, now);
    }

    fn transmit(&mut self, machine: &mut Machine, packet: &Packet, now: Time) {
        let bytes = packet.to_bytes();
        let (node, client) = (machine.node, machine.client);
        log!(self, "node {node} to client {client}: {}", String::from_utf8_lossy(&bytes));
        self.check_next_ip(machine.pipe, &bytes);
        let count = bytes.len();
        self.put(machine.pipe, false, bytes);
        machine.session.handle(Input::Written(count), now);
    }

    pub(super) fn tell_machine(&mut self, index: usize, input: Input) {
        let Some(mut machine) = self.machines[index].take() else { return };
        let now = machine.clock.read(self.now);
        self.begin_input(&mut machine, input, now);
        while let Some(output) = machine.session.poll_output() {
            match output {
                Output::Transmit { packet, .. } => self.transmit(&mut machine, &packet, now),
                Output::Request(message) => {
                    self.execute(index, &machine, &message, false);
                    // It may have withdrawn a version, and this session is in our hands.
                    self.take_mail(&mut machine);
                }
                Output::Event(message) => self.execute(index, &machine, &message, true),
                Output::Close { reason, .. } => {
                    let (node, client) = (machine.node, machine.client);
                    log!(self, "node {node} closes on client {client}: {reason}");
                    self.summary.overtaken += u64::from(reason == CloseReason::Overtaken);
                    if reason == CloseReason::Cordoned {
                        self.turned_away(&machine);
                    }
                    self.put_piece(machine.pipe, false, Piece::End);
                    self.leave_pipe(&machine);
                }
                Output::Notice(server::Notice::Agreed { version, .. }) => {
                    let node = &self.nodes[machine.node];
                    let spoken = node.side.willing_to(origin(machine.client), now.as_millis());
                    let asked = &self.clients[machine.client].asked;
                    let is_right = spoken.is_empty()
                        || asked
                            .values()
                            .any(|asked| choose(asked, &spoken) == Some(version.get()));
                    assert!(is_right, "N1: {version} of {spoken:?}");
                }
                Output::Notice(notice) => {
                    if let server::Notice::SessionResumed { .. } = notice {
                        self.summary.resumes += 1;
                    }
                }
                Output::Session(request) => match self.answer_request(&mut machine, request) {
                    Ok(answer) => machine.session.handle(Input::Session(answer), now),
                    Err(owner) => return self.hand_over(machine, owner),
                },
                Output::SessionOver { end, unread } => {
                    log!(self, "node {}: session over, {end:?}, {unread} unread", machine.node);
                    machine.id = None;
                    if let Some(key) = machine.key.take() {
                        self.tell_endpoint(machine.node, endpoint::Input::SessionOver(key));
                    }
                    if self.pipes[machine.pipe].machine != Some(index) {
                        self.forget_kept(&mut machine);
                        return;
                    }
                }
                other => panic!("not known here: {other:?}"),
            }
        }
        self.check_kept(&mut machine);
        let has_pipe = self.pipes[machine.pipe].machine == Some(index);
        if !has_pipe && !machine.session.is_parked() {
            return;
        }
        let rests = self.rest(&mut machine);
        if let Some(at) = machine.session.poll_timeout().filter(|_| !rests) {
            let at = machine.clock.world_time(at);
            if at < machine.woken {
                machine.woken = at;
                self.at(at, Event::WakeMachine(index));
            }
        }
        self.machines[index] = Some(machine);
    }

    /// S10.6: a client that came in for a session has none to go on with.
    fn turned_away(&mut self, machine: &Machine) {
        self.summary.cordoned += 1;
        let pipe = &self.pipes[machine.pipe];
        assert!(pipe.is_cordoned, "S10.7: those that are there stay");
        if let Some(id) = pipe.resumed {
            let is_there = self.of_process(machine.node).any(|machine| machine.id == Some(id));
            assert!(!is_there, "S10.5: it goes on with its session");
        }
    }

    /// The machines of the process at a node. The one that is being told something is not among
    /// them.
    fn of_process(&self, node: usize) -> impl Iterator<Item = &Machine> {
        let generation = self.nodes[node].generation;
        let is_its_own =
            move |machine: &&Machine| machine.node == node && machine.generation == generation;
        self.machines.iter().flatten().filter(is_its_own)
    }

    /// Whether the process at a node has a session of this client.
    pub(super) fn owns_session(&self, node: usize, client: usize) -> bool {
        self.of_process(node).any(|machine| machine.client == client && machine.key.is_some())
    }

    /// S6: every other session in which nothing goes on is kept as data, and its endpoint keeps
    /// time for it. Whether that is so.
    fn rest(&mut self, machine: &mut Machine) -> bool {
        let is_one = (machine.client as u64 + machine.turn).is_multiple_of(2);
        let Some(session) = machine.key.filter(|_| is_one) else { return false };
        let Some(resting) = machine.session.rest() else { return false };
        let until = resting.expires_at();
        machine.session = self.nodes[machine.node].endpoint.wake_session(session, resting);
        self.tell_endpoint(machine.node, endpoint::Input::Rests { session, until })
    }

    /// S6: the time of a session that rests is over.
    pub(super) fn wake_session(&mut self, node: usize, key: SessionKey) {
        if let Some(machine) = self.session_machine(node, key) {
            self.tell_machine(machine, Input::Tick);
        }
    }

    /// The connection of a machine is over.
    fn leave_pipe(&mut self, machine: &Machine) {
        self.pipes[machine.pipe].old_machine = self.pipes[machine.pipe].machine.take();
        let Some(connection) = self.pipes[machine.pipe].key else { return };
        self.nodes[machine.node].pipes.remove(&connection);
        self.tell_endpoint(machine.node, endpoint::Input::Closed(connection));
        if let Some(session) = machine.key {
            let parked = endpoint::Input::Parked { session, connection };
            self.tell_endpoint(machine.node, parked);
        }
    }

    /// S1, S4: asks the endpoint. An error is the session that the connection is handed over to.
    fn answer_request(
        &mut self,
        machine: &mut Machine,
        request: SessionRequest,
    ) -> Result<SessionAnswer, SessionKey> {
        let now = machine.clock.read(self.now);
        let connection = self.pipes[machine.pipe].key.expect("it was admitted");
        let Node { endpoint, is_crowded, .. } = &mut self.nodes[machine.node];
        let is_crowded = *is_crowded;
        let answer = match request {
            SessionRequest::Open { service, wish, max_packet } => {
                match endpoint.open_session(connection, service, &wish, max_packet, now) {
                    Opening::Granted { session, grant } => {
                        assert!(!is_crowded, "S6: a crowded server grants none");
                        assert!(!self.pipes[machine.pipe].is_cordoned, "S10.6: none is opened");
                        (machine.key, machine.id) = (Some(session), Some(wish.id));
                        self.summary.sessions += 1;
                        Ok(SessionAnswer::Granted(grant))
                    }
                    Opening::NotGranted => Ok(SessionAnswer::NotGranted),
                    Opening::Exists => Ok(SessionAnswer::Exists),
                }
            }
            SessionRequest::Resume { service, resume } => {
                self.pipes[machine.pipe].resumed = Some(resume.id);
                match endpoint.resume_session(connection, &service, &resume, now) {
                    Resumption::HandOver(session) => {
                        self.attach_by_turn(machine.node, session, resume.turn);
                        Err(session)
                    }
                    Resumption::Overtaken => Ok(SessionAnswer::Overtaken),
                    Resumption::NoSession(why) => Ok(SessionAnswer::NoSession(why)),
                }
            }
        };
        self.obey_endpoint(machine.node);
        answer
    }

    /// S5: an attempt that was given up does not end a later one.
    fn attach_by_turn(&mut self, node: usize, key: SessionKey, turn: u64) {
        let owner = self.session_machine(node, key).expect("its endpoint knows it");
        let Some(owner) = &mut self.machines[owner] else { return };
        assert!(turn > owner.turn, "S5: attempt {turn} replaces attempt {}", owner.turn);
        owner.turn = turn;
    }

    fn session_machine(&self, node: usize, key: SessionKey) -> Option<usize> {
        let generation = self.nodes[node].generation;
        let is_it = |machine: &Machine| {
            machine.node == node && machine.generation == generation && machine.key == Some(key)
        };
        self.machines.iter().position(|machine| machine.as_ref().is_some_and(is_it))
    }

    /// S4, S5: the session takes the connection over.
    fn hand_over(&mut self, from: Machine, to: SessionKey) {
        let now = from.clock.read(self.now);
        let owner = self.session_machine(from.node, to).expect("its endpoint knows it");
        let is_parked = |world: &Self| {
            world.machines[owner].as_ref().is_some_and(|machine| machine.session.is_parked())
        };
        if !is_parked(self) {
            self.tell_machine(owner, Input::Overtaken);
        }
        assert!(is_parked(self), "S5: one connection at a time");
        let pipe = from.pipe;
        let resuming = from.session.into_resuming().expect("it waits for that");
        let machine = self.machines[owner].as_mut().expect("it is there");
        machine.pipe = pipe;
        machine.session.resume(resuming, now);
        self.pipes[pipe].is_cordoned = false;
        self.pipes[pipe].machine = Some(owner);
        self.tell_machine(owner, Input::Tick);
    }

    /// S6: the endpoint gives a session up.
    pub(super) fn end_session(&mut self, node: usize, key: SessionKey) {
        if let Some(machine) = self.session_machine(node, key) {
            self.tell_machine(machine, Input::EndSession);
        }
    }

    /// The process of a node is gone, with all that it had.
    pub(super) fn drop_machines(&mut self, node: usize) {
        for machine in &mut self.machines {
            if machine.as_ref().is_some_and(|machine| machine.node == node) {
                *machine = None;
            }
        }
    }

    /// Requests that run at a node.
    pub(super) fn running_at(&self, node: usize) -> u64 {
        let machines = self.machines.iter().flatten().filter(|machine| machine.node == node);
        machines.map(|machine| machine.session.running() as u64).sum()
    }
}
