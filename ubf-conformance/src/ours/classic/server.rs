//! The server's end of a classic dialogue.
#![allow(clippy::wildcard_enum_match_arm, reason = "what no dialogue has is told by its name")]

use std::sync::Arc;
use std::time::Duration;

use ubf_codec::Term;
use ubf_contract::{Checker, Reader, SessionChecker, Strings};
use ubf_proto::Time;
use ubf_proto::classic::Hello;
use ubf_proto::classic::server::{
    AfterStop, BrokenReply, CloseReason, Config, EventFault, EventTiming, House, HouseService,
    Input, Notice, Output, ServerSession,
};

use super::{Settings, bytes, number, term, text, too_few, written};

#[derive(Debug)]
pub(in crate::ours) struct Server {
    session: ServerSession,
    now: Time,
    /// Of the request whose handler runs.
    request: u64,
}

impl Server {
    pub(super) fn begin(settings: &Settings) -> Result<(Self, Vec<String>), String> {
        let (config, house) = (config(settings)?, house(settings)?);
        let session = ServerSession::new(Arc::new(config), Arc::new(house), Time::ZERO);
        let mut end = Self { session, now: Time::ZERO, request: 0 };
        let acts = end.drive()?;
        Ok((end, acts))
    }

    pub(super) fn tell(&mut self, words: &str) -> Result<Vec<String>, String> {
        let input = self.input(words)?;
        self.session.handle(input, self.now);
        self.drive()
    }

    fn input(&mut self, words: &str) -> Result<Input, String> {
        let (word, rest) = words.split_once(' ').unwrap_or((words, ""));
        let in_state = || {
            let (state, reply) = rest.split_once(' ').ok_or_else(|| too_few(words))?;
            Ok::<(String, Term), String>((text(state)?, term(reply)?))
        };
        Ok(match word {
            "received" => Input::Received(bytes(rest)?.as_slice().into()),
            "at" => {
                self.now = Time::from_millis(number(rest)?);
                Input::Tick
            }
            "started" => {
                let (state, reply) = in_state()?;
                Input::Started { reply, state: state.as_str().into() }
            }
            "reply" => {
                let (state, reply) = in_state()?;
                Input::Reply { number: self.request, reply, state: state.as_str().into() }
            }
            "rejected" => Input::Rejected { why: term(rest)? },
            "event_out" => Input::EventOut(term(rest)?),
            "restarted" => Input::Restarted,
            "crash" => Input::Failed,
            "ends" => Input::EndOfStream,
            "lost" => Input::Lost,
            _ => return Err(too_few(words)),
        })
    }

    fn drive(&mut self) -> Result<Vec<String>, String> {
        let mut acts = Vec::new();
        while let Some(output) = self.session.poll_output() {
            if let Output::Request(request) = &output {
                self.request = request.number;
            }
            acts.extend(act(&output)?);
        }
        Ok(acts)
    }
}

fn config(settings: &Settings) -> Result<Config, String> {
    let mut config = Config::default();
    config.flavour = settings.flavour()?;
    config.both_start_words = !settings.is("one_start_word");
    config.simple_rpc = settings.is("simple_rpc");
    let quiet = settings.word("quiet_ms").map(number).transpose()?;
    config.events = match quiet {
        _ if settings.is("no_events") => EventTiming::Never,
        Some(quiet) => EventTiming::WhenQuiet(Duration::from_millis(quiet)),
        None => EventTiming::AtOnce,
    };
    config.hello = match settings.word("hello") {
        None => None,
        Some(hello) => {
            let (name, help) = hello.split_once(',').ok_or("a hello is a name and a help")?;
            Some(Hello::new(text(name)?.as_str(), text(help)?.as_str()))
        }
    };
    if settings.is("stock_states") {
        config.after_stop = AfterStop::Wait;
        config.broken_reply = BrokenReply::Advance;
    }
    Ok(config)
}

/// The house of the dialogues: one service, `door`.
fn house(settings: &Settings) -> Result<House, String> {
    let mut service = HouseService::new("door");
    if let Some(contract) = settings.text("contract")? {
        let contract = Reader::new().read(&contract).map_err(|error| error.to_string())?;
        let checker = Checker::with_strings(contract, Strings::AsTuples);
        service = service.with_contract(Arc::new(SessionChecker::new(checker)));
    }
    if let Some(state) = settings.text("first_state")? {
        service = service.with_first_state(state.as_str());
    }
    Ok(if settings.is("in_service") {
        House::of_one(service)
    } else {
        House::new(settings.flavour()?)
            .with_service(service)
            .with_info("a house")
            .with_description("with a door")
            .with_help(Term::binary(&b"read"[..]))
    })
}

fn act(output: &Output) -> Result<Option<String>, String> {
    let name = |text: &ubf_codec::Text| hex::encode(text.as_bytes());
    Ok(Some(match output {
        Output::Transmit { bytes, is_apart } => {
            let word = if *is_apart { "send_apart" } else { "send" };
            format!("{word} {}", hex::encode(bytes))
        }
        Output::Start { service, argument } => {
            format!("start {} {}", name(service), written(argument.as_ref()))
        }
        Output::Restart { service, argument } => {
            format!("restart {} {}", name(service), written(argument.as_ref()))
        }
        Output::Request(request) => {
            format!("request {} {}", name(&request.state), written(request.body.root()))
        }
        Output::Event { state, body, .. } => {
            format!("event_in {} {}", name(state), written(body.root()))
        }
        Output::Close { reason, .. } => format!("closed {}", close_word(reason)?),
        Output::Notice(Notice::EventDropped(fault)) => format!("dropped {}", fault_word(fault)?),
        Output::Notice(Notice::EventIgnored(fault)) => format!("ignored {}", fault_word(fault)?),
        _ => return Ok(None),
    }))
}

fn fault_word(fault: &EventFault) -> Result<&'static str, String> {
    Ok(match fault {
        EventFault::Contract(_) => "contract",
        EventFault::NoService => "no-service",
        EventFault::Never => "never",
        EventFault::Full => "full",
        other => return Err(format!("no dialogue has {other:?}")),
    })
}

fn close_word(reason: &CloseReason) -> Result<&'static str, String> {
    Ok(match reason {
        CloseReason::ByClient => "by-client",
        CloseReason::Lost => "lost",
        CloseReason::Stopped => "stopped",
        CloseReason::BadSyntax(_) => "bad-syntax",
        CloseReason::Crashed => "crashed",
        CloseReason::ReplyIsAnEvent => "reply-is-an-event",
        CloseReason::UnknownState => "unknown-state",
        CloseReason::ContractBroken => "contract-broken",
        other => return Err(format!("no dialogue has {other:?}")),
    })
}
