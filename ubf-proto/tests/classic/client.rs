//! The client's end of a dialogue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ubf_contract::{Checker, Reader, SessionChecker};
use ubf_proto::Time;
use ubf_proto::classic::client::{
    Call, CallError, CallId, CallKind, ClientSession, Config, Done, EndReason, HelloMode, Input,
    Level, Output,
};

use crate::script::{self, Dialogue, Step, term};

pub(crate) fn run(name: &str, contract: &str, dialogue: &Dialogue) {
    let mut end = End::new(contract, dialogue);
    end.drain();
    for (place, step) in dialogue.step.iter().enumerate() {
        let at = format!("{name}, step {}: {step:?}", place + 1);
        match end.told(step) {
            Some(input) => {
                assert!(end.seen.is_empty(), "{at}: before that {:?}", end.seen);
                end.session.handle(input, end.now);
                end.drain();
            }
            None => {
                let expected = step.of_client().unwrap_or_else(|| panic!("{at}: no such step"));
                assert_eq!(end.seen.pop_front(), Some(expected), "{at}");
            }
        }
    }
    assert!(end.seen.is_empty(), "{name}: at the end {:?}", end.seen);
}

struct End {
    session: ClientSession,
    now: Time,
    /// The names of the calls, by their numbers.
    names: Vec<String>,
    seen: VecDeque<String>,
}

impl End {
    fn new(contract: &str, dialogue: &Dialogue) -> Self {
        let mut config = Config::default();
        config.flavour = dialogue.flavour();
        config.simple_rpc = dialogue.simple_rpc;
        config.is_pipelining = dialogue.pipelining;
        config.level = if dialogue.in_service { Level::Service } else { Level::Meta };
        config.hello = match &dialogue.hello {
            None => HelloMode::None,
            Some(script::Hello::Awaited(mode)) if mode == "expected" => HelloMode::default(),
            Some(script::Hello::Awaited(mode)) if mode == "either" => {
                HelloMode::Either { within: Duration::from_millis(300) }
            }
            Some(other) => panic!("{other:?} is not for clients"),
        };
        if dialogue.with_contract {
            let checker = Checker::new(Reader::new().read(contract).unwrap());
            config.contract = Some(Arc::new(SessionChecker::new(checker)));
        }
        let session = ClientSession::new(Arc::new(config), Time::ZERO);
        Self { session, now: Time::ZERO, names: Vec::new(), seen: VecDeque::new() }
    }

    fn told(&mut self, step: &Step) -> Option<Input> {
        if let Some(bytes) = &step.server {
            return Some(Input::Received(bytes.as_bytes().into()));
        }
        if let Some(at) = step.at_ms {
            self.now = Time::from_millis(at);
            return Some(Input::Tick);
        }
        if step.lost {
            return Some(Input::Lost);
        }
        let (name, kind) = if let Some(name) = &step.ask {
            (name, CallKind::Request(step.asked()?))
        } else if let Some(name) = &step.tell {
            (name, CallKind::Event(step.asked()?))
        } else if let Some(name) = &step.begin {
            let service = step.service.as_deref()?.into();
            (name, CallKind::Start { service, argument: term(step.argument.as_ref()?) })
        } else {
            return None;
        };
        let id = CallId(self.names.len() as u64);
        self.names.push(name.clone());
        let within = step.within_ms.map(Duration::from_millis);
        let deadline = within.map(|within| self.now + within);
        Some(Input::Call(Call { id, kind, deadline }))
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            self.seen.extend(self.line(&output));
        }
    }

    fn line(&self, output: &Output) -> Option<String> {
        Some(match output {
            Output::Transmit(bytes) => {
                let packet = bytes.strip_suffix(b"\n").unwrap();
                format!("client {}", String::from_utf8_lossy(packet))
            }
            Output::Ready(_) => "ready".to_owned(),
            Output::Ended { id, outcome } => {
                let name = &self.names[usize::try_from(id.0).unwrap()];
                match outcome {
                    Ok(Done::Reply { reply, state: Some(state) }) => {
                        format!("done {name}: {reply} & {state}")
                    }
                    Ok(Done::Reply { reply, state: None }) => format!("done {name}: {reply}"),
                    Ok(Done::Started { reply, state }) => {
                        format!("started {name}: {reply} & {}", state.as_ref().unwrap())
                    }
                    Ok(Done::Contract(term)) => format!("contract {name}: {term}"),
                    Ok(Done::EventSent) => format!("sent {name}"),
                    Ok(_) => "?".to_owned(),
                    Err(error) => format!("failed {name}: {}", error_word(error)),
                }
            }
            Output::Event(body) => format!("event {}", body.root()),
            Output::Close(reason) => format!("closed {}", end_word(reason)),
            _ => return None,
        })
    }
}

fn error_word(error: &CallError) -> String {
    let word = match error {
        CallError::ClientBroke { .. } => "client-broke",
        CallError::ServerBroke { .. } => "server-broke",
        CallError::NotAllowed(_) => "not-allowed",
        CallError::ReplyNotAllowed { .. } => "reply-not-allowed",
        CallError::Rejected { .. } => "rejected",
        CallError::NoSuchService { services } => {
            let names: Vec<String> = services.iter().map(ubf_codec::Text::to_latin1).collect();
            return format!("no-such-service: {}", names.join(" "));
        }
        CallError::NoEvents => "no-events",
        CallError::NotSent(_) => "not-sent",
        CallError::Indeterminate(_) => "indeterminate",
        _ => "?",
    };
    word.to_owned()
}

fn end_word(reason: &EndReason) -> &'static str {
    match reason {
        EndReason::Lost => "lost",
        EndReason::Stopped => "stopped",
        EndReason::ContractBroken => "contract-broken",
        EndReason::NoHello => "no-hello",
        EndReason::NotHello(_) => "not-hello",
        EndReason::NoReply(_) => "no-reply",
        EndReason::Unasked(_) => "unasked",
        EndReason::Deadline => "deadline",
        _ => "?",
    }
}
