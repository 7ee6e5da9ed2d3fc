//! Servers, clients, the wires between them, and what goes wrong.

mod clients;
mod clock;
mod cuts;
mod events;
mod faults;
mod limits;
mod machines;
mod next_ips;
mod nodes;
mod servers;
mod setting;
mod wires;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use bytes::Bytes;
use ubf_codec::{Address, Limits, Term, Version};
use ubf_proto::client::{self, ConnectionId};
use ubf_proto::endpoint::ConnectionKey;
use ubf_proto::server;
use ubf_proto::session::SessionId;
use ubf_proto::{ClientSession, Random, Time, Versions};

use self::clock::Clock;
use self::faults::Fault;
use self::machines::Machine;
use self::next_ips::Told;
use self::nodes::{Mail, Node};
use self::setting::{Setting, Weather};

use crate::model::{Chase, Heard, Ledger, Side};

/// Faults happen until then.
const HEAL_MS: u64 = 60_000;
/// Then calls are made that must go well: a client may wait 90 s for an answer that never comes.
const PROBE_MS: u64 = HEAL_MS + 95_000;
/// Then all is over: the longest time of a call, and more than any wait.
const END_MS: u64 = PROBE_MS + 60_000;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) ok: u64,
    pub(crate) not_run: u64,
    pub(crate) indeterminate: u64,
    pub(crate) failed: u64,
    pub(crate) refused: u64,
    pub(crate) fallbacks: u64,
    pub(crate) moves: u64,
    pub(crate) losses: u64,
    pub(crate) events: u64,
    pub(crate) sessions: u64,
    pub(crate) resumes: u64,
    pub(crate) repeats: u64,
    pub(crate) overtaken: u64,
    pub(crate) unknown: u64,
    pub(crate) heard: u64,
    pub(crate) missed: u64,
    pub(crate) crowded: u64,
    pub(crate) cordoned: u64,
    pub(crate) moved_one: u64,
}

impl Summary {
    pub(crate) fn add(&mut self, other: &Self) {
        self.ok += other.ok;
        self.not_run += other.not_run;
        self.indeterminate += other.indeterminate;
        self.failed += other.failed;
        self.refused += other.refused;
        self.fallbacks += other.fallbacks;
        self.moves += other.moves;
        self.losses += other.losses;
        self.events += other.events;
        self.sessions += other.sessions;
        self.resumes += other.resumes;
        self.repeats += other.repeats;
        self.overtaken += other.overtaken;
        self.unknown += other.unknown;
        self.heard += other.heard;
        self.missed += other.missed;
        self.crowded += other.crowded;
        self.cordoned += other.cordoned;
        self.moved_one += other.moved_one;
    }
}

#[derive(Debug)]
enum Event {
    WakeClient(usize),
    WakeMachine(usize),
    /// A dial has come to its end.
    Arrive {
        client: usize,
        connection: ConnectionId,
        address: Address,
    },
    /// The next piece on a wire.
    Flow {
        pipe: usize,
        to_server: bool,
    },
    HandlerDone {
        machine: usize,
        packet: u64,
        reply: Option<Bytes>,
    },
    /// A handler has something to say that nobody asked for.
    Speak {
        machine: usize,
        version: Version,
    },
    MakeCall {
        client: usize,
        is_probe: bool,
    },
    /// What is left of a connection that its client has given up is gone, too.
    Bury {
        pipe: usize,
    },
    Fault,
    WakeNode {
        node: usize,
        generation: u64,
    },
    Withdraw {
        node: usize,
        version: u32,
    },
    Restore {
        node: usize,
        version: u32,
    },
    /// A node that was closed starts again, perhaps as another program.
    StartNode {
        node: usize,
    },
    Heal,
}

/// What runs through a wire.
#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    End,
}

#[derive(Debug, Default)]
struct Wire {
    pieces: VecDeque<Piece>,
    last: u64,
    /// Pieces that arrived while nothing could pass.
    stalled: u32,
}

#[derive(Debug)]
struct Pipe {
    client: usize,
    connection: ConnectionId,
    node: usize,
    /// `None` if it is turned away.
    key: Option<ConnectionKey>,
    /// The machine that it belongs to, until it is closed.
    machine: Option<usize>,
    to_server: Wire,
    to_client: Wire,
    /// Nothing passes any more, and nobody is told.
    is_dead: bool,
    /// Nothing arrives at the server before.
    late_until: u64,
    opened_at: u64,
    /// Where an operator sent its client.
    told: Told,
    /// The machine that had it.
    old_machine: Option<usize>,
    /// S10.4: it was made while its node admitted nobody else, and has gone on with no session.
    is_cordoned: bool,
    /// S4: the session that its client has asked to go on with.
    resumed: Option<SessionId>,
}

#[derive(Debug)]
struct Client {
    session: ClientSession,
    clock: Clock,
    side: Side,
    crashing: BTreeSet<u32>,
    next_call: u64,
    asked: BTreeMap<ConnectionId, BTreeSet<u32>>,
    probes: BTreeSet<u64>,
    events: BTreeSet<u64>,
    /// When calls were sent last.
    sent: BTreeMap<u64, u64>,
    /// Those that were sent when the connection had no session, and connections that have one.
    sent_outside: BTreeSet<u64>,
    in_session: BTreeSet<ConnectionId>,
    pipes: BTreeMap<ConnectionId, usize>,
    heard: Heard,
    chase: Chase,
    max_in_flight: usize,
    woken: u64,
}

pub(crate) struct World {
    seed: u64,
    is_logged: bool,
    weather: Weather,
    setting: Setting,
    /// Nothing goes wrong any longer.
    is_healed: bool,
    faults: Vec<Fault>,
    now: u64,
    random: Random,
    queue: BinaryHeap<Reverse<(u64, usize)>>,
    /// By their numbers; what has happened is `None`.
    events: Vec<Option<Event>>,
    nodes: Vec<Node>,
    clients: Vec<Client>,
    pipes: Vec<Pipe>,
    /// What is gone is `None`.
    machines: Vec<Option<Machine>>,
    /// Pairs of client and node between which nothing passes.
    partitions: BTreeSet<(usize, usize)>,
    /// Of the pipes' mailboxes, in order.
    mail: VecDeque<(usize, Mail)>,
    /// A rule that is broken on purpose: what arrives on an old connection is read.
    is_old_read: bool,
    ledger: Ledger,
    summary: Summary,
}

macro_rules! log {
    ($world:expr, $($arguments:tt)*) => {
        if $world.is_logged {
            println!("{:>9.3} {}", $world.now as f64 / 1000.0, format_args!($($arguments)*));
        }
    };
}

use log;

fn address(node: usize) -> Address {
    format!("10.0.0.{}:4000", node + 1).parse().unwrap()
}

fn node_of(address: &Address, nodes: usize) -> Option<usize> {
    (0..nodes).find(|&node| self::address(node) == *address)
}

fn numbers(versions: &Versions) -> BTreeSet<u32> {
    versions.iter().map(Version::get).collect()
}

impl World {
    pub(crate) fn new(seed: u64, is_logged: bool) -> Self {
        let mut random = Random::new(seed);
        let setting = Setting::new(&mut random);
        let weather = setting.weather;
        let node_count = 2 + random.below(4) as usize;
        let client_count = 1 + random.below(4) as usize;
        let set = |random: &mut Random| {
            let mut set: BTreeSet<u32> = (1..=12).filter(|_| random.below(2) == 0).collect();
            // Mostly there is something in common.
            if random.below(8) > 0 {
                set.insert(3);
            }
            if set.is_empty() {
                set.insert(1);
            }
            set
        };
        let nodes = (0..node_count).map(|index| {
            let versions = set(&mut random);
            let config = setting.endpoint(index, node_count, &mut random);
            let clock = setting.clock(&mut random);
            Node::new(config, versions, clock, random.next_u64())
        });
        let nodes: Vec<Node> = nodes.collect();
        let clients = (0..client_count).map(|_| {
            let side = Side {
                versions: set(&mut random),
                floor: random.below(3) as u32,
                ..Side::default()
            };
            let config = setting.client(&side, node_count, &mut random);
            let (chase, max_in_flight) = (Chase::new(config.max_hops), config.max_in_flight);
            let clock = setting.clock(&mut random);
            let mut session = ClientSession::new(config, random.next_u64(), clock.read(0));
            // N3: what another client has told, which may be true no longer.
            let told = side.versions.iter().copied().nth(random.below(4) as usize);
            if let Some(version) = told.and_then(Version::new) {
                let max_packet = 40 + random.below(100) as u32;
                let accepted = Limits::default().with_max_packet_bytes(max_packet);
                session.remember(version, accepted.into());
            }
            Client {
                session,
                clock,
                side,
                crashing: BTreeSet::new(),
                next_call: 0,
                asked: BTreeMap::new(),
                probes: BTreeSet::new(),
                events: BTreeSet::new(),
                sent: BTreeMap::new(),
                sent_outside: BTreeSet::new(),
                in_session: BTreeSet::new(),
                pipes: BTreeMap::new(),
                heard: Heard::default(),
                chase,
                max_in_flight,
                woken: u64::MAX,
            }
        });
        let clients = clients.collect();
        let mut world = Self {
            seed,
            is_logged,
            weather,
            setting,
            is_healed: false,
            faults: Vec::new(),
            now: 0,
            random,
            queue: BinaryHeap::new(),
            events: Vec::new(),
            nodes,
            clients,
            pipes: Vec::new(),
            machines: Vec::new(),
            partitions: BTreeSet::new(),
            mail: VecDeque::new(),
            is_old_read: false,
            ledger: Ledger::default(),
            summary: Summary::default(),
        };
        for client in 0..client_count {
            world.at(0, Event::WakeClient(client));
            for _ in 0..10 + world.random.below(30) {
                let at = world.random.below(HEAL_MS);
                // Bursts, so that calls are pipelined.
                let burst = if world.random.below(16) == 0 { 24 } else { 6 };
                for _ in 0..1 + world.random.below(burst) {
                    world.at(at, Event::MakeCall { client, is_probe: false });
                }
            }
            for _ in 0..3 {
                let at = PROBE_MS + world.random.below(5_000);
                world.at(at, Event::MakeCall { client, is_probe: true });
            }
        }
        world.choose_faults();
        let many = match (weather, world.random.below(4)) {
            (Weather::Cuts, _) | (_, 0) => 40,
            _ => 12,
        };
        for _ in 0..world.random.below(many) {
            let at = world.random.below(HEAL_MS);
            world.at(at, Event::Fault);
        }
        world.at(HEAL_MS, Event::Heal);
        world
    }

    /// S5, as a mutant: what arrives on a connection that was overtaken is read.
    #[cfg(feature = "mutants")]
    pub(crate) fn with_old_connections_read(mut self) -> Self {
        self.is_old_read = true;
        self
    }

    fn at(&mut self, time: u64, event: Event) {
        self.queue.push(Reverse((time.max(self.now), self.events.len())));
        self.events.push(Some(event));
    }

    fn client_time(&self, client: usize) -> Time {
        self.clients[client].clock.read(self.now)
    }

    fn node_time(&self, node: usize) -> Time {
        self.nodes[node].clock.read(self.now)
    }

    pub(crate) fn run(mut self) -> Summary {
        log!(
            self,
            "seed {}: {} nodes, {} clients, {:?}",
            self.seed,
            self.nodes.len(),
            self.clients.len(),
            self.setting
        );
        if self.is_logged {
            for (index, node) in self.nodes.iter().enumerate() {
                println!("          node {index} speaks {:?}", node.side.versions);
            }
            for (index, client) in self.clients.iter().enumerate() {
                println!(
                    "          client {index} has {:?}, from {} on",
                    client.side.versions, client.side.floor
                );
            }
        }
        let mut at_once = 0;
        while let Some(Reverse((time, number))) = self.queue.pop() {
            if time > END_MS {
                break;
            }
            at_once = if time == self.now { at_once + 1 } else { 0 };
            assert!(at_once < 5_000, "the world stands still at {time}");
            self.now = time;
            self.summary.events += 1;
            if let Some(event) = self.events[number].take() {
                self.happen(event);
                self.deliver_mail();
            }
        }
        let open = self.ledger.open();
        assert!(open.is_empty(), "calls that never ended: {open:?}");
        let forgotten = self.ledger.forgotten();
        let may_forget = self.weather == Weather::Wild || forgotten.is_empty();
        assert!(may_forget, "events that were taken and never executed: {forgotten:?}");
        for (index, client) in self.clients.iter().enumerate() {
            assert_eq!(client.session.open_calls(), 0, "client {index}");
            let statistics = client.session.statistics();
            self.summary.refused += statistics.refused;
            self.summary.fallbacks += statistics.fallbacks;
            self.summary.moves += statistics.moves;
            self.summary.losses += statistics.losses;
            self.summary.repeats += statistics.repeats;
            self.summary.unknown += statistics.unknown;
        }
        self.check_all_heard();
        self.summary
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::WakeClient(client) => {
                self.clients[client].woken = u64::MAX;
                self.tell_client(client, client::Input::Tick);
            }
            Event::WakeMachine(machine) => self.wake_machine(machine),
            Event::Arrive { client, connection, address } => {
                self.arrive(client, connection, &address);
            }
            Event::Flow { pipe, to_server } => self.flow(pipe, to_server),
            Event::HandlerDone { machine, packet, reply } => {
                let why = || Term::atom("crash");
                let input = match reply {
                    Some(body) => server::Input::Reply { packet, body },
                    None => server::Input::Failed { packet, why: why() },
                };
                self.tell_machine(machine, input);
            }
            Event::Speak { machine, version } => self.speak(machine, version),
            Event::Bury { pipe } => self.bury(pipe),
            Event::MakeCall { client, is_probe } => self.make_call(client, is_probe),
            Event::Fault => self.fault(),
            Event::WakeNode { node, generation } => self.wake_node(node, generation),
            Event::Withdraw { node, version } if !self.is_healed => self.withdraw(node, version),
            Event::Withdraw { .. } => {}
            Event::Restore { node, version } => self.restore(node, version),
            Event::StartNode { node } => self.start_node(node),
            Event::Heal => self.heal(),
        }
    }
}
