//! The client's end of a classic dialogue.
#![allow(clippy::wildcard_enum_match_arm, reason = "what no dialogue has is told by its name")]

use std::sync::Arc;
use std::time::Duration;

use ubf_contract::{Checker, Reader, SessionChecker};
use ubf_proto::Time;
use ubf_proto::classic::client::{
    Call, CallError, CallId, CallKind, ClientSession, Config, Done, EndReason, HelloMode, Input,
    Level, Output,
};

use super::{Settings, bytes, number, term, text, too_few, written};

#[derive(Debug)]
pub(in crate::ours) struct Client {
    session: ClientSession,
    now: Time,
    /// The names of calls: a call's number is its place.
    names: Vec<String>,
}

impl Client {
    pub(super) fn begin(settings: &Settings) -> Result<(Self, Vec<String>), String> {
        let session = ClientSession::new(Arc::new(config(settings)?), Time::ZERO);
        let mut end = Self { session, now: Time::ZERO, names: Vec::new() };
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
        Ok(match word {
            "received" => Input::Received(bytes(rest)?.as_slice().into()),
            "at" => {
                self.now = Time::from_millis(number(rest)?);
                Input::Tick
            }
            "lost" => Input::Lost,
            "ask" => self.call(rest, |asked| Ok(CallKind::Request(term(asked)?)))?,
            "tell" => self.call(rest, |asked| Ok(CallKind::Event(term(asked)?)))?,
            "begin" => {
                let (service, rest) = rest.split_once(' ').ok_or_else(|| too_few(words))?;
                let service = text(service)?;
                self.call(rest, |asked| {
                    let (service, argument) = (service.as_str().into(), term(asked)?);
                    Ok(CallKind::Start { service, argument })
                })?
            }
            _ => return Err(too_few(words)),
        })
    }

    /// `NAME TIME TERM`.
    fn call(
        &mut self,
        words: &str,
        kind: impl FnOnce(&str) -> Result<CallKind, String>,
    ) -> Result<Input, String> {
        let mut parts = words.splitn(3, ' ');
        let (Some(name), Some(time), Some(asked)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(too_few(words));
        };
        let within = if time == "-" { None } else { Some(Duration::from_millis(number(time)?)) };
        let (id, deadline) = (CallId(self.names.len() as u64), within.map(|it| self.now + it));
        let kind = kind(asked)?;
        self.names.push(name.to_owned());
        Ok(Input::Call(Call { id, kind, deadline }))
    }

    fn drive(&mut self) -> Result<Vec<String>, String> {
        let mut acts = Vec::new();
        while let Some(output) = self.session.poll_output() {
            acts.extend(self.act(&output)?);
        }
        Ok(acts)
    }

    fn act(&self, output: &Output) -> Result<Option<String>, String> {
        Ok(Some(match output {
            Output::Transmit(bytes) => format!("send {}", hex::encode(bytes)),
            Output::Ready(_) => "ready".to_owned(),
            Output::Ended { id, outcome } => {
                let place = usize::try_from(id.0).ok();
                let name = place.and_then(|place| self.names.get(place));
                ended(name.ok_or("a call ends that was never made")?, outcome)?
            }
            Output::Event(body) => format!("event {}", written(body.root())),
            Output::Close(reason) => format!("closed {}", end_word(reason)?),
            _ => return Ok(None),
        }))
    }
}

fn config(settings: &Settings) -> Result<Config, String> {
    let mut config = Config::default();
    config.flavour = settings.flavour()?;
    config.simple_rpc = settings.is("simple_rpc");
    config.is_pipelining = settings.is("pipelining");
    config.level = if settings.is("in_service") { Level::Service } else { Level::Meta };
    config.hello = match settings.word("hello") {
        None => HelloMode::None,
        Some("expected") => HelloMode::default(),
        Some("either") => HelloMode::Either { within: Duration::from_millis(300) },
        Some(other) => return Err(format!("`hello={other}` is not for clients")),
    };
    if let Some(contract) = settings.text("contract")? {
        let contract = Reader::new().read(&contract).map_err(|error| error.to_string())?;
        config.contract = Some(Arc::new(SessionChecker::new(Checker::new(contract))));
    }
    Ok(config)
}

fn ended(name: &str, outcome: &Result<Done, CallError>) -> Result<String, String> {
    Ok(match outcome {
        Ok(Done::Reply { reply, state: Some(state) }) => {
            format!("done {name} {} & {}", written(reply.as_ref()), written(state.as_ref()))
        }
        Ok(Done::Reply { reply, state: None }) => {
            format!("done {name} {}", written(reply.as_ref()))
        }
        Ok(Done::Started { reply, state }) => {
            let state = state.as_ref().ok_or("a start names a state")?;
            format!("started {name} {} & {}", written(reply.as_ref()), written(state.as_ref()))
        }
        Ok(Done::Contract(term)) => format!("contract {name} {}", written(term.as_ref())),
        Ok(Done::EventSent) => format!("sent {name}"),
        Ok(other) => return Err(format!("no dialogue has {other:?}")),
        Err(error) => format!("failed {name} {}", error_word(error)?),
    })
}

fn error_word(error: &CallError) -> Result<String, String> {
    let word = match error {
        CallError::ClientBroke { .. } => "client-broke",
        CallError::ServerBroke { .. } => "server-broke",
        CallError::NotAllowed(_) => "not-allowed",
        CallError::ReplyNotAllowed { .. } => "reply-not-allowed",
        CallError::Rejected { .. } => "rejected",
        CallError::NoSuchService { services } => {
            let names: Vec<String> = services.iter().map(ubf_codec::Text::to_latin1).collect();
            return Ok(format!("no-such-service: {}", names.join(" ")));
        }
        CallError::NoEvents => "no-events",
        CallError::NotSent(_) => "not-sent",
        CallError::Indeterminate(_) => "indeterminate",
        other => return Err(format!("no dialogue has {other:?}")),
    };
    Ok(word.to_owned())
}

fn end_word(reason: &EndReason) -> Result<&'static str, String> {
    Ok(match reason {
        EndReason::Lost => "lost",
        EndReason::Stopped => "stopped",
        EndReason::ContractBroken => "contract-broken",
        EndReason::NoHello => "no-hello",
        EndReason::NotHello(_) => "not-hello",
        EndReason::NoReply(_) => "no-reply",
        EndReason::Unasked(_) => "unasked",
        EndReason::Deadline => "deadline",
        other => return Err(format!("no dialogue has {other:?}")),
    })
}
