//! Classic dialogues as they are written in the vectors.

use serde::Deserialize;
use ubf_codec::{Decoder, Dialect};

use super::{Hello, Part};
use crate::outcome::Side;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    /// Of the service, in the dialect of ubf 2.x.
    pub(super) contract: String,
    pub(super) dialogue: Vec<RawDialogue>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDialogue {
    pub(super) name: String,
    pub(super) rules: Vec<String>,
    flavour: Option<String>,
    hello: Option<Hello>,
    #[serde(default)]
    in_service: bool,
    #[serde(default)]
    no_contract: bool,
    #[serde(default)]
    with_contract: bool,
    #[serde(default)]
    one_start_word: bool,
    #[serde(default)]
    simple_rpc: bool,
    #[serde(default)]
    stock_states: bool,
    #[serde(default)]
    pipelining: bool,
    #[serde(default)]
    no_events: bool,
    quiet_ms: Option<u64>,
    first_state: Option<String>,
    step: Vec<Step>,
}

impl RawDialogue {
    /// How the end begins: what is not the default, and the contract if it has one.
    pub(super) fn begin(&self, side: Side, contract: &str) -> String {
        let flavour = self.flavour.as_deref().unwrap_or("erl2");
        let has_contract = match side {
            Side::Server => !self.no_contract,
            Side::Client => self.with_contract,
        };
        let hello = self.hello.as_ref().map(|hello| match hello {
            Hello::Said([name, help]) => format!("{},{}", hex::encode(name), hex::encode(help)),
            Hello::Awaited(how) => how.clone(),
        });
        let yes = |is: bool| is.then(|| "yes".to_owned());
        let settings = [
            ("flavour", Some(flavour.to_owned())),
            ("contract", has_contract.then(|| hex::encode(contract))),
            ("hello", hello),
            ("first_state", self.first_state.as_ref().map(hex::encode)),
            ("quiet_ms", self.quiet_ms.map(|quiet| quiet.to_string())),
            ("in_service", yes(self.in_service)),
            ("one_start_word", yes(self.one_start_word)),
            ("simple_rpc", yes(self.simple_rpc)),
            ("stock_states", yes(self.stock_states)),
            ("pipelining", yes(self.pipelining)),
            ("no_events", yes(self.no_events)),
        ];
        let settings = settings.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let settings: String = settings.map(|(name, value)| format!(" {name}={value}")).collect();
        format!("{}{settings}", side.word())
    }

    pub(super) fn parts(&self, side: Side) -> Result<Vec<Part>, String> {
        let parts = self.step.iter().enumerate().map(|(index, step)| {
            let part = match side {
                Side::Server => step.of_server(),
                Side::Client => step.of_client(),
            };
            part?
                .ok_or_else(|| "it says nothing".to_owned())
                .map_err(|problem| format!("step {}: {problem}", index + 1))
        });
        parts.collect()
    }
}

/// A step: one of the words, and the fields that go with it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Step {
    // What is told, or said by the peer.
    client: Option<String>,
    server: Option<String>,
    server_apart: Option<String>,
    at_ms: Option<u64>,
    lost: bool,
    client_ends: bool,
    // The server's program.
    started: Option<String>,
    rejected: Option<String>,
    restarted: bool,
    crash: bool,
    event_out: Option<String>,
    start: Option<String>,
    restart: Option<String>,
    event_in: Option<String>,
    dropped: Option<String>,
    ignored: Option<String>,
    // The client's program.
    ask: Option<String>,
    begin: Option<String>,
    tell: Option<String>,
    ready: bool,
    done: Option<String>,
    sent: Option<String>,
    contract: Option<String>,
    failed: Option<String>,
    event: Option<String>,
    // Both.
    request: Option<String>,
    reply: Option<String>,
    closed: Option<String>,
    // Fields.
    argument: Option<String>,
    state: Option<String>,
    service: Option<String>,
    within_ms: Option<u64>,
    why: Option<String>,
}

/// A part, if the step is one.
type Read = Result<Option<Part>, String>;

impl Step {
    fn of_server(&self) -> Read {
        let told = |line: String| Ok(Some(Part::Told(line)));
        let does = |line: String| Ok(Some(Part::Does(line)));
        if let Some(part) = self.of_both(&self.client) {
            return Ok(Some(part));
        }
        let state = || {
            let state = self.state.as_ref().ok_or("it has a state")?;
            Ok::<String, String>(hex::encode(state))
        };
        let in_state = |word: &str, packet: &str| {
            Ok::<String, String>(format!("{word} {} {}", state()?, postfix(packet)?))
        };
        let of_service = |word: &str, name: &str| {
            let argument = self.argument.as_deref().ok_or("it has an argument")?;
            Ok::<String, String>(format!("{word} {} {}", hex::encode(name), postfix(argument)?))
        };
        if let Some(reply) = &self.started {
            told(in_state("started", reply)?)
        } else if let Some(reply) = &self.reply {
            told(in_state("reply", reply)?)
        } else if let Some(why) = &self.rejected {
            told(format!("rejected {}", postfix(why)?))
        } else if let Some(event) = &self.event_out {
            told(format!("event_out {}", postfix(event)?))
        } else if self.restarted {
            told("restarted".to_owned())
        } else if self.crash {
            told("crash".to_owned())
        } else if self.client_ends {
            told("ends".to_owned())
        } else if let Some(packet) = &self.server {
            does(format!("send {}", with_line_feed(packet)))
        } else if let Some(packet) = &self.server_apart {
            does(format!("send_apart {}", with_line_feed(packet)))
        } else if let Some(name) = &self.start {
            does(of_service("start", name)?)
        } else if let Some(name) = &self.restart {
            does(of_service("restart", name)?)
        } else if let Some(packet) = &self.request {
            does(in_state("request", packet)?)
        } else if let Some(packet) = &self.event_in {
            does(in_state("event_in", packet)?)
        } else {
            Ok(self
                .dropped
                .as_ref()
                .map(|why| Part::Does(format!("dropped {why}")))
                .or_else(|| self.ignored.as_ref().map(|why| Part::Does(format!("ignored {why}")))))
        }
    }

    fn of_client(&self) -> Read {
        let does = |line: String| Ok(Some(Part::Does(line)));
        if let Some(part) = self.of_both(&self.server) {
            return Ok(Some(part));
        }
        let time = self.within_ms.map_or_else(|| "-".to_owned(), |time| time.to_string());
        let asked = |word: &str, name: &str, packet: &Option<String>| {
            let packet = packet.as_deref().ok_or("it has a term")?;
            Ok::<Part, String>(Part::Told(format!("{word} {name} {time} {}", postfix(packet)?)))
        };
        let with_reply = |word: &str, name: &str| {
            let reply = postfix(self.reply.as_deref().ok_or("it has a reply")?)?;
            let state = self.state.as_deref().map(postfix).transpose()?;
            let state = state.map_or_else(String::new, |state| format!(" & {state}"));
            Ok::<String, String>(format!("{word} {name} {reply}{state}"))
        };
        if let Some(name) = &self.ask {
            asked("ask", name, &self.request).map(Some)
        } else if let Some(name) = &self.tell {
            asked("tell", name, &self.event).map(Some)
        } else if let Some(name) = &self.begin {
            let service = hex::encode(self.service.as_ref().ok_or("it names a service")?);
            asked(&format!("begin {service}"), name, &self.argument).map(Some)
        } else if let Some(packet) = &self.client {
            does(format!("send {}", with_line_feed(packet)))
        } else if self.ready {
            does("ready".to_owned())
        } else if let Some(name) = &self.done {
            does(with_reply("done", name)?)
        } else if let Some(name) = &self.started {
            does(with_reply("started", name)?)
        } else if let Some(name) = &self.contract {
            does(with_reply("contract", name)?)
        } else if let Some(name) = &self.sent {
            does(format!("sent {name}"))
        } else if let Some(name) = &self.failed {
            does(format!("failed {name} {}", self.why.as_ref().ok_or("it says why")?))
        } else if let Some(event) = &self.event {
            does(format!("event {}", postfix(event)?))
        } else {
            Ok(None)
        }
    }

    /// What both ends have; the peer's bytes are in one piece.
    fn of_both(&self, from_peer: &Option<String>) -> Option<Part> {
        let told = if let Some(bytes) = from_peer {
            format!("received {}", hex::encode(bytes))
        } else if let Some(at) = self.at_ms {
            format!("at {at}")
        } else if self.lost {
            "lost".to_owned()
        } else {
            let closed = self.closed.as_ref()?;
            return Some(Part::Does(format!("closed {closed}")));
        };
        Some(Part::Told(told))
    }
}

/// What an end sends has a line feed behind it (Q1.2).
fn with_line_feed(packet: &str) -> String {
    hex::encode(format!("{packet}\n"))
}

/// The term of a packet of the classic dialect.
fn postfix(packet: &str) -> Result<String, String> {
    let mut decoder = Decoder::new().with_dialect(Dialect::Classic);
    let document =
        decoder.decode(packet.as_bytes()).map_err(|error| format!("{packet}: {error}"))?;
    Ok(document.root().postfix().to_string())
}
