//! The form of the vectors: dialogues of one end with its peer and its program.

use serde::Deserialize;
use ubf_codec::{Decoder, Dialect, Term};
use ubf_proto::classic::Flavour;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Of the service, in the dialect of ubf 2.x.
    pub(crate) contract: String,
    pub(crate) dialogue: Vec<Dialogue>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dialogue {
    pub(crate) name: String,
    pub(crate) rules: Vec<String>,
    #[serde(default)]
    flavour: Option<String>,
    #[serde(default)]
    pub(crate) hello: Option<Hello>,
    #[serde(default)]
    pub(crate) in_service: bool,
    #[serde(default)]
    pub(crate) no_contract: bool,
    #[serde(default)]
    pub(crate) with_contract: bool,
    #[serde(default)]
    pub(crate) one_start_word: bool,
    #[serde(default)]
    pub(crate) simple_rpc: bool,
    #[serde(default)]
    pub(crate) stock_states: bool,
    #[serde(default)]
    pub(crate) pipelining: bool,
    #[serde(default)]
    pub(crate) no_events: bool,
    #[serde(default)]
    pub(crate) quiet_ms: Option<u64>,
    #[serde(default)]
    pub(crate) first_state: Option<String>,
    pub(crate) step: Vec<Step>,
}

impl Dialogue {
    pub(crate) fn flavour(&self) -> Flavour {
        self.flavour.as_ref().map_or(Flavour::Erl2, |name| name.parse().unwrap())
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Hello {
    /// What the server says.
    Said([String; 2]),
    /// What the client waits for.
    Awaited(String),
}

/// A step: one of the words, and the fields that go with it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Step {
    // What is told, or said by the peer.
    pub(crate) client: Option<String>,
    pub(crate) server: Option<String>,
    pub(crate) server_apart: Option<String>,
    pub(crate) at_ms: Option<u64>,
    pub(crate) lost: bool,
    pub(crate) client_ends: bool,
    // The server's program.
    pub(crate) started: Option<String>,
    pub(crate) rejected: Option<String>,
    pub(crate) restarted: bool,
    pub(crate) crash: bool,
    pub(crate) event_out: Option<String>,
    start: Option<String>,
    restart: Option<String>,
    event_in: Option<String>,
    dropped: Option<String>,
    ignored: Option<String>,
    // The client's program.
    pub(crate) ask: Option<String>,
    pub(crate) begin: Option<String>,
    pub(crate) tell: Option<String>,
    ready: bool,
    done: Option<String>,
    sent: Option<String>,
    contract: Option<String>,
    failed: Option<String>,
    event: Option<String>,
    // Both.
    request: Option<String>,
    pub(crate) reply: Option<String>,
    closed: Option<String>,
    // Fields.
    pub(crate) argument: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) within_ms: Option<u64>,
    why: Option<String>,
}

impl Step {
    /// What the program or the peer is told by the server's end, in one line.
    pub(crate) fn of_server(&self) -> Option<String> {
        let of = |word: &str, name: &Option<String>| {
            let name = name.as_ref()?;
            Some(format!("{word} {name} {}", notation(self.argument.as_ref()?)))
        };
        let in_state = |word: &str, packet: &Option<String>| {
            let packet = packet.as_ref()?;
            Some(format!("{word} {} in {}", notation(packet), self.state.as_ref()?))
        };
        let line = |word: &str, text: &Option<String>| Some(format!("{word} {}", text.as_ref()?));
        line("server", &self.server)
            .or_else(|| line("server_apart", &self.server_apart))
            .or_else(|| of("start", &self.start))
            .or_else(|| of("restart", &self.restart))
            .or_else(|| in_state("request", &self.request))
            .or_else(|| in_state("event_in", &self.event_in))
            .or_else(|| line("dropped", &self.dropped))
            .or_else(|| line("ignored", &self.ignored))
            .or_else(|| line("closed", &self.closed))
    }

    /// The same of the client's end.
    pub(crate) fn of_client(&self) -> Option<String> {
        let line = |word: &str, text: &Option<String>| Some(format!("{word} {}", text.as_ref()?));
        let with_reply = |word: &str, name: &Option<String>| {
            let name = name.as_ref()?;
            let state = self.state.as_ref().map(|state| format!(" & {}", notation(state)));
            let reply = notation(self.reply.as_ref()?);
            Some(format!("{word} {name}: {reply}{}", state.unwrap_or_default()))
        };
        let failed = || {
            let name = self.failed.as_ref()?;
            Some(format!("failed {name}: {}", self.why.as_ref()?))
        };
        let event = || Some(format!("event {}", notation(self.event.as_ref()?)));
        if self.tell.is_some() {
            return None;
        }
        line("client", &self.client)
            .or_else(|| self.ready.then(|| "ready".to_owned()))
            .or_else(|| with_reply("done", &self.done))
            .or_else(|| with_reply("started", &self.started))
            .or_else(|| with_reply("contract", &self.contract))
            .or_else(|| line("sent", &self.sent))
            .or_else(failed)
            .or_else(event)
            .or_else(|| line("closed", &self.closed))
    }

    /// What the client's program asks, begins or tells.
    pub(crate) fn asked(&self) -> Option<Term> {
        self.request.as_deref().or(self.event.as_deref()).map(term)
    }
}

/// The term of a packet of the classic dialect.
pub(crate) fn term(packet: &str) -> Term {
    let mut decoder = Decoder::new().with_dialect(Dialect::Classic);
    decoder.decode(packet.as_bytes()).unwrap_or_else(|error| panic!("{packet}: {error}")).to_term()
}

fn notation(packet: &str) -> String {
    term(packet).to_string()
}
