//! Checks of a server that runs somewhere.
#![allow(clippy::wildcard_enum_match_arm, reason = "every other packet is wrong")]

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ubf_codec::{Mode, ServerHeader, Term, Version, ubf};
use ubf_proto::Service;
use ubf_proto::control::{Agreed, ServerControl};
use ubf_proto::session::SessionOption;

use super::wire::Wire;
use super::{Checks, Fault, Seen, must, written};
use crate::report::Report;
use crate::selection::Selection;

/// A server, and what is asked for there.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is.
    pub address: SocketAddr,
    /// The service; the default one if none is named.
    pub service: Option<String>,
    /// A request that it answers with a reply however often it is sent, as UBF(A) without the `$`.
    pub request: Option<String>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// A version that no program has: grease is drawn from the highest 1024 (N9).
const GREASE: u32 = 2_147_483_647;

type Examine = fn(&Visit<'_>) -> Seen;

/// The requirements that can be seen of a server, and how.
const CHECKS: &[(&str, &str, Examine)] = &[
    ("N1.1", "the highest version of both lists is agreed on", agrees_on_the_highest),
    ("N1.1", "a single version is agreed on", agrees_on_each),
    ("N1.4", "there is no version in common, and the connection goes on", no_common_version),
    ("N2.3", "of a service that it does not have it speaks nothing", speaks_nothing),
    ("N3.3", "a message before any negotiation is answered", answers_without_negotiation),
    ("N4.3", "a version that it does not speak is refused until the client negotiates", refuses),
    ("N9.2", "a number that no program has changes nothing", ignores_grease),
    ("N10.1", "the ninth negotiation of a minute is refused", refuses_the_ninth_negotiation),
    ("N12.4", "`agreed` tells the largest packet", tells_max_packet),
    ("N12.2", "a known option with a wrong value is named", names_a_wrong_option),
    ("P2.2", "a version with a leading zero is told, with its byte", tells_a_bad_version),
    ("P4.2", "what a later edition adds is ignored", ignores_what_is_added),
    ("P5.1", "answers come in the order of the packets", answers_in_order),
    ("P6.2", "packets are counted", counts_packets),
    ("P5.2", "a ping is answered", answers_a_ping),
    (
        "L3.3",
        "what came before broken bytes is answered, then the byte is told",
        tells_broken_bytes,
    ),
    ("P4.5", "a malformed packet is told by its field", tells_a_malformed_packet),
    (
        "P4.4",
        "a packet of version 0 that it does not know is refused",
        refuses_what_it_does_not_know,
    ),
    ("W12.1", "a packet may come byte by byte", reads_byte_by_byte),
    ("W9.3", "blanks and comments change nothing", reads_blanks),
    ("W6.2", "registers change nothing", reads_registers),
    ("S1.7", "a session is granted, or `agreed` does not speak of it", grants_or_is_silent),
    ("S4.20", "a session that nobody opened is unknown", knows_no_session),
    ("S4.14", "a session goes on after its connection is lost", resumes),
];

/// The requirement of each check.
pub(super) fn rules() -> Vec<&'static str> {
    CHECKS.iter().map(|check| check.0).collect()
}

/// Examines a server.
pub fn server(target: &Target, selection: &Selection) -> Report {
    let mut checks = Checks::new(selection);
    let name = format!("the server at {}", target.address);
    let versions = match spoken(target) {
        Ok(versions) if !versions.is_empty() => versions,
        Ok(_) => {
            let problem = "it speaks no version of this service; another can be named";
            checks.add("N2.3", "it speaks something", Err(Fault::Wrong(problem.to_owned())));
            return checks.report(name);
        }
        Err(fault) => {
            checks.add("N1.4", "it says which versions it speaks", Err(fault));
            return checks.report(name);
        }
    };
    let visit = Visit { target, versions };
    for (rule, title, examine) in CHECKS {
        if checks.is_wanted(rule) {
            checks.add(rule, title, examine(&visit));
        }
    }
    checks.report(name)
}

/// N1: who negotiates with nothing in common is told all that the server speaks.
fn spoken(target: &Target) -> Seen<Vec<u32>> {
    let visit = Visit { target, versions: Vec::new() };
    let mut wire = visit.connect()?;
    wire.send(&visit.negotiate(&[GREASE], ""));
    match wire.control()? {
        ServerControl::NoCommonVersion { versions, .. } => {
            Ok(versions.iter().map(Version::get).collect())
        }
        other => Err(unexpected(&other, "no_common_version")),
    }
}

struct Visit<'a> {
    target: &'a Target,
    /// What it speaks, the lowest first.
    versions: Vec<u32>,
}

type Connection = Wire<ServerHeader>;

impl Visit<'_> {
    fn connect(&self) -> Seen<Connection> {
        Wire::connect(self.target.address, self.target.timeout)
    }

    fn highest(&self) -> u32 {
        self.versions.last().copied().unwrap_or(1)
    }

    /// A version that the server does not speak, and that is no grease.
    fn unspoken(&self) -> u32 {
        (1..).find(|version| !self.versions.contains(version)).unwrap_or(1)
    }

    fn service(&self) -> String {
        let service = self.target.service.as_deref();
        written(&service.map_or(Service::DEFAULT, Service::from))
    }

    fn negotiate(&self, versions: &[u32], options: &str) -> Vec<u8> {
        let versions: String = versions.iter().map(|version| format!("{version}&")).collect();
        format!("0 {{'negotiate'1{}#{versions}#{options}}}$", self.service()).into_bytes()
    }

    /// A connection on which this version is agreed on.
    fn agreed(&self, version: u32) -> Seen<Connection> {
        let mut wire = self.connect()?;
        wire.send(&self.negotiate(&[version], ""));
        wire.agreed(version)?;
        Ok(wire)
    }

    fn request(&self) -> Seen<Vec<u8>> {
        let request = self.target.request.as_ref().ok_or(Fault::NotSeen)?;
        Ok(format!("{} {request}$", self.highest()).into_bytes())
    }
}

impl Connection {
    fn control(&mut self) -> Seen<ServerControl> {
        let packet = self.packet()?;
        if packet.header.mode != Mode::Negotiation {
            return Err(Fault::Wrong(format!("got {}, not a packet of version 0", packet.body)));
        }
        ServerControl::from_term(packet.body.root())
            .map_err(|error| Fault::Wrong(format!("{} is wrong: {error}", packet.body)))
    }

    fn agreed(&mut self, version: u32) -> Seen<Agreed> {
        let packet = self.packet()?;
        let agreed = Agreed::from_term(packet.body.root())
            .map_err(|error| Fault::Wrong(format!("{} is no `agreed`: {error}", packet.body)))?;
        let got = match packet.header.mode {
            Mode::Negotiation => 0,
            Mode::Version(version) => version.get(),
        };
        must(got == version, || format!("it agrees on {got}, and {version} is right"))?;
        must(agreed.versions.iter().any(|it| it.get() == version), || {
            "the versions in `agreed` are without the one that is agreed on".to_owned()
        })?;
        Ok(agreed)
    }

    /// The connection goes on.
    fn goes_on(&mut self) -> Seen {
        self.send(b"0 'ping'$");
        match self.control()? {
            ServerControl::Pong => Ok(()),
            other => Err(unexpected(&other, "pong")),
        }
    }

    /// It tells an error with this reason and offset, and closes.
    fn fault(&mut self, why: &Term, offset: u64) -> Seen {
        match self.control()? {
            ServerControl::Error { why: got, offset: at } if got == *why && at == offset => {
                self.end()
            }
            other => Err(unexpected(&other, &format!("{{'error',{why},{offset}}}"))),
        }
    }

    fn refused(&mut self, why: &Term, number: u64) -> Seen {
        match self.control()? {
            ServerControl::Refused { why: got, packet, .. } if got == *why && packet == number => {
                Ok(())
            }
            other => Err(unexpected(&other, &format!("{{'refused',{why},…,{number}}}"))),
        }
    }

    fn reply(&mut self, version: u32) -> Seen {
        let packet = self.packet()?;
        let is_reply = matches!(packet.header.mode, Mode::Version(got) if got.get() == version);
        must(is_reply, || format!("got {}, and no reply in version {version}", packet.body))
    }
}

fn unexpected(got: &ServerControl, expected: &str) -> Fault {
    Fault::Wrong(format!("got {}, expected {expected}", got.to_term()))
}

fn agrees_on_the_highest(visit: &Visit<'_>) -> Seen {
    let mut wire = visit.connect()?;
    wire.send(&visit.negotiate(&visit.versions, ""));
    wire.agreed(visit.highest()).map(drop)
}

fn agrees_on_each(visit: &Visit<'_>) -> Seen {
    visit.versions.iter().take(8).try_for_each(|version| visit.agreed(*version).map(drop))
}

fn no_common_version(visit: &Visit<'_>) -> Seen {
    let mut wire = visit.connect()?;
    wire.send(&visit.negotiate(&[visit.unspoken()], ""));
    match wire.control()? {
        ServerControl::NoCommonVersion { versions, .. } => {
            let told: Vec<u32> = versions.iter().map(Version::get).collect();
            must(told == visit.versions, || format!("it says {told:?}"))?;
        }
        other => return Err(unexpected(&other, "no_common_version")),
    }
    wire.send(&visit.negotiate(&[visit.highest()], ""));
    wire.agreed(visit.highest()).map(drop)
}

fn speaks_nothing(visit: &Visit<'_>) -> Seen {
    let mut wire = visit.connect()?;
    wire.send(b"0 {'negotiate'1\"a service that nobody has\"#1&#}$");
    match wire.control()? {
        ServerControl::NoCommonVersion { versions, .. } if versions.iter().next().is_none() => {}
        other => return Err(unexpected(&other, "no_common_version with no version")),
    }
    wire.goes_on()
}

fn answers_without_negotiation(visit: &Visit<'_>) -> Seen {
    let request = visit.request()?;
    if visit.target.service.is_some() {
        return Err(Fault::NotSeen);
    }
    let mut wire = visit.connect()?;
    wire.send(&request);
    wire.reply(visit.highest())
}

fn refuses(visit: &Visit<'_>) -> Seen {
    let unspoken = visit.unspoken();
    let mut wire = visit.agreed(visit.highest())?;
    wire.send(format!("{unspoken} 1$").as_bytes());
    wire.refused(&ubf!({version, (unspoken)}), 2)?;
    wire.send(format!("{unspoken} {{'event_in',1}}$").as_bytes());
    wire.refused(&ubf!({version, (unspoken)}), 3)?;
    wire.goes_on()
}

fn ignores_grease(visit: &Visit<'_>) -> Seen {
    let mut wire = visit.connect()?;
    wire.send(&visit.negotiate(&[GREASE, visit.highest()], ""));
    wire.agreed(visit.highest()).map(drop)
}

fn refuses_the_ninth_negotiation(visit: &Visit<'_>) -> Seen {
    let mut wire = visit.connect()?;
    for _ in 0..8 {
        wire.send(&visit.negotiate(&[visit.highest()], ""));
        wire.agreed(visit.highest())?;
    }
    wire.send(&visit.negotiate(&[visit.highest()], ""));
    wire.refused(&Term::atom("too_many_negotiations"), 9)?;
    wire.goes_on()
}

fn tells_max_packet(visit: &Visit<'_>) -> Seen {
    let mut wire = visit.connect()?;
    wire.send(&visit.negotiate(&[visit.highest()], ""));
    let agreed = wire.agreed(visit.highest())?;
    must(agreed.options.max_packet.is_some(), || "there is no `max_packet`".to_owned())
}

fn names_a_wrong_option(visit: &Visit<'_>) -> Seen {
    let mut wire = visit.connect()?;
    wire.send(&visit.negotiate(&[visit.highest()], "{'max_packet''many'}&"));
    wire.fault(&ubf!({malformed, negotiate, max_packet}), 2)
}

fn tells_a_bad_version(visit: &Visit<'_>) -> Seen {
    let mut wire = visit.connect()?;
    wire.send(b"01 1$");
    wire.fault(&Term::atom("bad-version"), 1)
}

fn ignores_what_is_added(visit: &Visit<'_>) -> Seen {
    let (mut wire, service) = (visit.connect()?, visit.service());
    let highest = visit.highest();
    let more = format!("0 {{'negotiate'1{service}#{highest}&#{{'colour'\"red\"}}&'more'}}$");
    wire.send(more.as_bytes());
    wire.agreed(highest).map(drop)
}

fn answers_in_order(visit: &Visit<'_>) -> Seen {
    let highest = visit.highest();
    let mut wire = visit.connect()?;
    let mut bytes = visit.negotiate(&[highest], "");
    bytes.extend_from_slice(b"0 'ping'$");
    let request = visit.request().ok();
    bytes.extend(request.iter().flatten());
    bytes.extend(visit.negotiate(&[visit.unspoken()], ""));
    wire.send(&bytes);
    wire.agreed(highest)?;
    match wire.control()? {
        ServerControl::Pong => {}
        other => return Err(unexpected(&other, "pong")),
    }
    if request.is_some() {
        wire.reply(highest)?;
    }
    match wire.control()? {
        ServerControl::NoCommonVersion { .. } => Ok(()),
        other => Err(unexpected(&other, "no_common_version")),
    }
}

fn counts_packets(visit: &Visit<'_>) -> Seen {
    let mut wire = visit.connect()?;
    wire.send(b"0 'ping'$ 0 'ping'$ 0 {'later'}$");
    for _ in 0..2 {
        match wire.control()? {
            ServerControl::Pong => {}
            other => return Err(unexpected(&other, "pong")),
        }
    }
    wire.refused(&Term::atom("unknown_packet"), 3)
}

fn answers_a_ping(visit: &Visit<'_>) -> Seen {
    visit.connect()?.goes_on()
}

fn tells_broken_bytes(visit: &Visit<'_>) -> Seen {
    let mut wire = visit.connect()?;
    wire.send(b"0 'ping'$0 {}}$0 'ping'$");
    match wire.control()? {
        ServerControl::Pong => wire.fault(&Term::atom("close-without-open"), 13),
        other => Err(unexpected(&other, "pong")),
    }
}

fn tells_a_malformed_packet(visit: &Visit<'_>) -> Seen {
    let mut wire = visit.connect()?;
    wire.send(b"0 'ping'$0 {'negotiate'1?##}$");
    match wire.control()? {
        ServerControl::Pong => {
            wire.fault(&ubf!({malformed, negotiate, (Term::atom("Versions"))}), 11)
        }
        other => Err(unexpected(&other, "pong")),
    }
}

fn refuses_what_it_does_not_know(visit: &Visit<'_>) -> Seen {
    let mut wire = visit.connect()?;
    wire.send(b"0 {'later',1}$");
    wire.refused(&Term::atom("unknown_packet"), 1)?;
    wire.goes_on()
}

fn reads_byte_by_byte(visit: &Visit<'_>) -> Seen {
    let mut wire = visit.connect()?;
    for byte in visit.negotiate(&[visit.highest()], "") {
        wire.send(&[byte]);
    }
    wire.agreed(visit.highest()).map(drop)
}

fn reads_blanks(visit: &Visit<'_>) -> Seen {
    let (mut wire, service, highest) = (visit.connect()?, visit.service(), visit.highest());
    let text = format!("\n0 % a % {{'negotiate' , 1\t{service} # {highest} & , #}} %b% $\r\n");
    wire.send(text.as_bytes());
    wire.agreed(highest)?;
    wire.goes_on()
}

fn reads_registers(visit: &Visit<'_>) -> Seen {
    let (mut wire, service, highest) = (visit.connect()?, visit.service(), visit.highest());
    let text = format!("0 'negotiate'>n #{highest}&>v {{n 1{service}v#}}$");
    wire.send(text.as_bytes());
    wire.agreed(highest).map(drop)
}

/// The wish for a session with this Id.
fn wish(id: &str) -> String {
    format!("{{'session'16~{id}~16 65536 60000}}&")
}

/// A connection that was granted a session.
fn granted(visit: &Visit<'_>, id: &str) -> Seen<Option<Connection>> {
    let mut wire = visit.connect()?;
    wire.send(&visit.negotiate(&[visit.highest()], &wish(id)));
    let agreed = wire.agreed(visit.highest())?;
    match agreed.options.session {
        None => Ok(None),
        Some(SessionOption::Granted(_)) => Ok(Some(wire)),
        Some(other) => Err(Fault::Wrong(format!("it answers the wish with {other:?}"))),
    }
}

/// An Id that no two sessions share: 16 hexadecimal digits.
fn draw() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = now.map_or(0, |since| since.as_nanos()) ^ (u128::from(std::process::id()) << 32);
    format!("{:016x}", nanos.wrapping_mul(0x9e37_79b9_7f4a_7c15) & u128::from(u64::MAX))
}

fn grants_or_is_silent(visit: &Visit<'_>) -> Seen {
    let Some(mut wire) = granted(visit, &draw())? else { return Ok(()) };
    wire.send(b"0 {'seen'0 0'end'}$");
    wire.goes_on()
}

fn knows_no_session(visit: &Visit<'_>) -> Seen {
    let mut wire = visit.connect()?;
    let resume = format!("{{'resume'16~{}~0 0 2}}&", draw());
    wire.send(&visit.negotiate(&[visit.highest()], &resume));
    let agreed = wire.agreed(visit.highest())?;
    match agreed.options.session {
        // It has no sessions at all.
        None => Err(Fault::NotSeen),
        Some(SessionOption::NoSession(_)) => Ok(()),
        Some(other) => Err(Fault::Wrong(format!("it answers the resume with {other:?}"))),
    }
}

fn resumes(visit: &Visit<'_>) -> Seen {
    let (id, highest) = (draw(), visit.highest());
    let request = visit.request()?;
    let mut wire = granted(visit, &id)?.ok_or(Fault::NotSeen)?;
    // Message 1 is answered and not acknowledged; the connection is lost.
    wire.send(&request);
    wire.reply(highest)?;
    drop(wire);
    let mut wire = visit.connect()?;
    let resume = format!("{{'resume'16~{id}~0 0 2}}&");
    wire.send(&visit.negotiate(&[highest], &resume));
    let agreed = wire.agreed(highest)?;
    match agreed.options.session {
        Some(SessionOption::Resumed(_)) => {}
        other => return Err(Fault::Wrong(format!("it answers the resume with {other:?}"))),
    }
    // Its answer comes once more, and message 2 is executed.
    wire.reply(highest)?;
    wire.send(&request);
    wire.reply(highest)?;
    wire.send(b"0 {'seen'2 0'end'}$");
    wire.goes_on()
}
