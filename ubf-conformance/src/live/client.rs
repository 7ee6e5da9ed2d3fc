//! Checks of a client that is started, and connects to where it is told.
#![allow(clippy::wildcard_enum_match_arm, reason = "every other packet is wrong")]

use std::any::Any;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use ubf_codec::{ClientHeader, Mode, Term, Version};
use ubf_proto::control::{ClientControl, Negotiate};

use super::wire::{Next, Wire};
use super::{Checks, Fault, Seen, must, written};
use crate::report::Report;
use crate::selection::Selection;

/// A client that can be started: it connects to the address, and stays as long as it can.
pub struct Guest<'a> {
    /// What to call it.
    pub name: String,
    /// Starts one that connects there. It is ended when what comes back is dropped.
    pub start: &'a mut dyn FnMut(SocketAddr) -> Result<Box<dyn Any>, String>,
    /// How long a packet may take.
    pub timeout: Duration,
}

impl std::fmt::Debug for Guest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The lowest number of grease (N9).
const GREASE: u32 = 2_147_482_624;

type Examine = fn(&mut Host) -> Seen;

/// The requirements that can be seen of a client, and how.
const CHECKS: &[(&str, &str, Examine)] = &[
    ("N5.2", "it negotiates first", negotiates_first),
    ("N1.2", "it leaves a server that chooses what it did not offer", leaves_a_wrong_choice),
    ("N1.7", "it leaves a server with which it has no version in common", leaves_without_version),
    ("N9.3", "it offers a number that no program has, and leaves who chooses it", offers_grease),
    ("N12.4", "it tells the largest packet", tells_max_packet),
    ("P4.2", "it ignores what a later edition adds to `agreed`", ignores_what_is_added),
    ("W12.1", "a packet may come byte by byte", reads_byte_by_byte),
    ("W9.3", "blanks and comments change nothing", reads_blanks),
    ("P5.6", "it leaves a server that says `pong` when nobody asked", leaves_an_unexpected_answer),
    ("L3.1", "it tells broken bytes, with the byte, and closes", tells_broken_bytes),
    ("P4.8", "it tells a packet of version 0 that it does not know, and closes", tells_unknown),
    ("L2.4", "it pings after half of the server's idle time", pings),
    ("R3.4", "it goes where `moved` sends it", moves),
    ("R4.1", "it comes back after its connection is lost", comes_back),
];

/// The requirement of each check.
pub(super) fn rules() -> Vec<&'static str> {
    CHECKS.iter().map(|check| check.0).collect()
}

/// Examines a client. Each check starts it anew.
pub fn client(guest: &mut Guest<'_>, selection: &Selection) -> Report {
    let mut checks = Checks::new(selection);
    for (rule, title, examine) in CHECKS {
        if checks.is_wanted(rule) {
            let seen = Host::invite(guest).and_then(|mut host| examine(&mut host));
            checks.add(rule, title, seen);
        }
    }
    checks.report(guest.name.clone())
}

type Connection = Wire<ClientHeader>;

/// Where the client comes to.
struct Host {
    listener: TcpListener,
    timeout: Duration,
    /// Dropped last: it ends the client.
    _guest: Box<dyn Any>,
}

fn listen() -> Seen<TcpListener> {
    let gone = |error| Fault::Gone(format!("no port to listen on: {error}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(gone)?;
    listener.set_nonblocking(true).map_err(gone)?;
    Ok(listener)
}

fn address(listener: &TcpListener) -> Seen<SocketAddr> {
    listener.local_addr().map_err(|error| Fault::Gone(error.to_string()))
}

fn accept(listener: &TcpListener, timeout: Duration) -> Seen<Connection> {
    let until = Instant::now() + timeout;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).map_err(|error| Fault::Gone(error.to_string()))?;
                return Ok(Wire::over(stream, timeout));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < until => {
                // The standard library cannot wait for a connection and for a time.
                thread::sleep(Duration::from_millis(2));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(Fault::Hung("it does not connect".to_owned()));
            }
            Err(error) => return Err(Fault::Gone(error.to_string())),
        }
    }
}

impl Host {
    fn invite(guest: &mut Guest<'_>) -> Seen<Self> {
        let listener = listen()?;
        let started = (guest.start)(address(&listener)?).map_err(Fault::Gone)?;
        Ok(Self { listener, timeout: guest.timeout, _guest: started })
    }

    fn accept(&self) -> Seen<Connection> {
        accept(&self.listener, self.timeout)
    }

    /// A connection, and what the client offers first.
    fn asked(&self) -> Seen<(Connection, Negotiate)> {
        let mut wire = self.accept()?;
        let negotiate = wire.negotiate()?;
        Ok((wire, negotiate))
    }

    /// A connection on which the highest version is agreed on.
    fn agreed(&self) -> Seen<(Connection, u32)> {
        let (mut wire, negotiate) = self.asked()?;
        let version = highest(&negotiate)?;
        wire.send(&agreed(&negotiate, version, "?", ""));
        Ok((wire, version))
    }
}

impl Connection {
    fn negotiate(&mut self) -> Seen<Negotiate> {
        let packet = self.packet()?;
        must(packet.header.mode == Mode::Negotiation, || {
            format!("it begins with {}, which is not of version 0", packet.body)
        })?;
        match ClientControl::from_term(packet.body.root()) {
            Ok(ClientControl::Negotiate(negotiate)) => Ok(*negotiate),
            Ok(other) => Err(Fault::Wrong(format!("it begins with {}", other.to_term()))),
            Err(error) => Err(Fault::Wrong(format!("{} is wrong: {error}", packet.body))),
        }
    }

    /// The next packet of version 0. Messages of the program are answered.
    fn control(&mut self) -> Seen<ClientControl> {
        loop {
            let packet = self.packet()?;
            match packet.header.mode {
                Mode::Version(version) => {
                    self.send(format!("{version} ? {{'ok''none'}}$").as_bytes());
                }
                Mode::Negotiation => {
                    return ClientControl::from_term(packet.body.root()).map_err(|error| {
                        Fault::Wrong(format!("{} is wrong: {error}", packet.body))
                    });
                }
            }
        }
    }

    /// It tells an error, for this reason if one is named, and closes.
    fn fault(&mut self, why: Option<&str>) -> Seen {
        match self.control()? {
            ClientControl::Error { why: got, .. }
                if why.is_none_or(|why| got == Term::atom(why)) =>
            {
                self.gone()
            }
            other => Err(Fault::Wrong(format!(
                "got {}, expected {{'error',{},…}}",
                other.to_term(),
                why.unwrap_or("…")
            ))),
        }
    }

    /// It closes, whatever it says before.
    fn gone(&mut self) -> Seen {
        loop {
            match self.next()? {
                Next::End => return Ok(()),
                Next::Packet(_) => {}
                Next::Silence => return Err(Fault::Hung("it does not close".to_owned())),
            }
        }
    }
}

/// The highest version that it offers, but for grease.
fn highest(negotiate: &Negotiate) -> Seen<u32> {
    let own = negotiate.versions.iter().map(Version::get).filter(|it| *it < GREASE);
    own.max().ok_or_else(|| Fault::Wrong("it offers no version".to_owned()))
}

fn service_of(negotiate: &Negotiate) -> String {
    written(&negotiate.service)
}

fn agreed(negotiate: &Negotiate, version: u32, next_ip: &str, more: &str) -> Vec<u8> {
    let service = service_of(negotiate);
    let options = format!("#{{'max_packet'16777216}}&{more}");
    format!("{version} {next_ip} {{'agreed'1{service}#{version}&{options}}}$").into_bytes()
}

fn negotiates_first(host: &mut Host) -> Seen {
    highest(&host.asked()?.1).map(drop)
}

fn leaves_a_wrong_choice(host: &mut Host) -> Seen {
    let (mut wire, negotiate) = host.asked()?;
    let wrong = (1..GREASE)
        .find(|number| negotiate.versions.iter().all(|version| version.get() != *number));
    wire.send(&agreed(&negotiate, wrong.unwrap_or(1), "?", ""));
    wire.fault(Some("wrong-choice"))
}

fn leaves_without_version(host: &mut Host) -> Seen {
    let (mut wire, negotiate) = host.asked()?;
    let service = service_of(&negotiate);
    wire.send(format!("0 ? {{'no_common_version'1{service}#}}$").as_bytes());
    wire.gone()
}

fn offers_grease(host: &mut Host) -> Seen {
    let (mut wire, negotiate) = host.asked()?;
    let grease = negotiate.versions.iter().map(Version::get).find(|it| *it >= GREASE);
    let grease = grease.ok_or_else(|| Fault::Wrong("it offers none".to_owned()))?;
    wire.send(&agreed(&negotiate, grease, "?", ""));
    wire.fault(Some("chose-grease"))
}

fn tells_max_packet(host: &mut Host) -> Seen {
    let (_, negotiate) = host.asked()?;
    must(negotiate.options.max_packet.is_some(), || "there is no `max_packet`".to_owned())
}

/// It stays: for a moment nothing comes that ends the connection.
fn stays(wire: &mut Connection) -> Seen {
    let until = Instant::now() + Duration::from_millis(300);
    loop {
        match wire.next_within(until.saturating_duration_since(Instant::now()))? {
            Next::Silence => return Ok(()),
            Next::End => return Err(Fault::Wrong("it closes".to_owned())),
            Next::Packet(packet) => {
                let control = ClientControl::from_term(packet.body.root());
                let is_error = matches!(control, Ok(ClientControl::Error { .. }));
                must(!is_error, || format!("it says {}", packet.body))?;
            }
        }
    }
}

fn ignores_what_is_added(host: &mut Host) -> Seen {
    let (mut wire, negotiate) = host.asked()?;
    let version = highest(&negotiate)?;
    wire.send(&agreed(&negotiate, version, "?", "{'colour'\"red\"}&"));
    stays(&mut wire)
}

fn reads_byte_by_byte(host: &mut Host) -> Seen {
    let (mut wire, negotiate) = host.asked()?;
    for byte in agreed(&negotiate, highest(&negotiate)?, "?", "") {
        wire.send(&[byte]);
    }
    stays(&mut wire)
}

fn reads_blanks(host: &mut Host) -> Seen {
    let (mut wire, negotiate) = host.asked()?;
    let (version, service) = (highest(&negotiate)?, service_of(&negotiate));
    let text = format!("\n{version} ? %a% {{'agreed' , 1 {service} #{version}& #}} %b% $\r\n");
    wire.send(text.as_bytes());
    stays(&mut wire)
}

fn leaves_an_unexpected_answer(host: &mut Host) -> Seen {
    let (mut wire, _) = host.agreed()?;
    wire.send(b"0 ? 'pong'$");
    wire.fault(None)
}

fn tells_broken_bytes(host: &mut Host) -> Seen {
    let (mut wire, _) = host.agreed()?;
    wire.send(b"0 ? {}}$");
    wire.fault(Some("close-without-open"))
}

fn tells_unknown(host: &mut Host) -> Seen {
    let (mut wire, _) = host.agreed()?;
    wire.send(b"0 ? {'later',1}$");
    wire.fault(Some("malformed"))
}

fn pings(host: &mut Host) -> Seen {
    let (mut wire, negotiate) = host.asked()?;
    let version = highest(&negotiate)?;
    wire.send(&agreed(&negotiate, version, "?", "{'max_idle_ms'1000}&"));
    match wire.control()? {
        ClientControl::Ping => {
            wire.send(b"0 ? 'pong'$");
            stays(&mut wire)
        }
        other => Err(Fault::Wrong(format!("got {}, expected 'ping'", other.to_term()))),
    }
}

fn moves(host: &mut Host) -> Seen {
    let (mut wire, _) = host.agreed()?;
    let second = listen()?;
    let to = address(&second)?;
    wire.send(format!("0 \"{to}\" {{'moved'5000}}$").as_bytes());
    let mut moved = accept(&second, host.timeout)?;
    moved.negotiate().map(drop)
}

fn comes_back(host: &mut Host) -> Seen {
    let (wire, _) = host.agreed()?;
    drop(wire);
    host.asked().map(drop)
}
