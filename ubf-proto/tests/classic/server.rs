//! The server's end of a dialogue.

use std::collections::VecDeque;
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
                let expected = step.of_server().unwrap_or_else(|| panic!("{at}: no such step"));
                assert_eq!(end.seen.pop_front(), Some(expected), "{at}");
            }
        }
    }
    assert!(end.seen.is_empty(), "{name}: at the end {:?}", end.seen);
}

struct End {
    session: ServerSession,
    now: Time,
    number: u64,
    seen: VecDeque<String>,
}

impl End {
    fn new(contract: &str, dialogue: &Dialogue) -> Self {
        let mut service = HouseService::new("door");
        if !dialogue.no_contract {
            let contract = Reader::new().read(contract).unwrap();
            let checker = Checker::with_strings(contract, Strings::AsTuples);
            service = service.with_contract(Arc::new(SessionChecker::new(checker)));
        }
        if let Some(state) = &dialogue.first_state {
            service = service.with_first_state(state.as_str());
        }
        let house = if dialogue.in_service {
            House::of_one(service)
        } else {
            House::new(dialogue.flavour())
                .with_service(service)
                .with_info("a house")
                .with_description("with a door")
                .with_help(Term::binary(&b"read"[..]))
        };
        let mut config = Config::default();
        config.flavour = dialogue.flavour();
        config.both_start_words = !dialogue.one_start_word;
        config.simple_rpc = dialogue.simple_rpc;
        config.events = match dialogue.quiet_ms {
            _ if dialogue.no_events => EventTiming::Never,
            Some(quiet) => EventTiming::WhenQuiet(Duration::from_millis(quiet)),
            None => EventTiming::AtOnce,
        };
        config.hello = match &dialogue.hello {
            Some(script::Hello::Said([name, help])) => Some(Hello::new(&**name, &**help)),
            Some(script::Hello::Awaited(mode)) => panic!("{mode} is for clients"),
            None => None,
        };
        if dialogue.stock_states {
            config.after_stop = AfterStop::Wait;
            config.broken_reply = BrokenReply::Advance;
        }
        let session = ServerSession::new(Arc::new(config), Arc::new(house), Time::ZERO);
        Self { session, now: Time::ZERO, number: 0, seen: VecDeque::new() }
    }

    fn told(&mut self, step: &Step) -> Option<Input> {
        if let Some(bytes) = &step.client {
            return Some(Input::Received(bytes.as_bytes().into()));
        }
        if let Some(at) = step.at_ms {
            self.now = Time::from_millis(at);
            return Some(Input::Tick);
        }
        let state = || step.state.as_deref().unwrap().into();
        if let Some(reply) = &step.started {
            return Some(Input::Started { reply: term(reply), state: state() });
        }
        if let Some(reply) = &step.reply {
            return Some(Input::Reply { number: self.number, reply: term(reply), state: state() });
        }
        if let Some(why) = &step.rejected {
            return Some(Input::Rejected { why: term(why) });
        }
        if let Some(event) = &step.event_out {
            return Some(Input::EventOut(term(event)));
        }
        [
            (step.restarted, Input::Restarted),
            (step.crash, Input::Failed),
            (step.client_ends, Input::EndOfStream),
            (step.lost, Input::Lost),
        ]
        .into_iter()
        .find_map(|(is_told, input)| is_told.then_some(input))
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            if let Output::Request(request) = &output {
                self.number = request.number;
            }
            self.seen.extend(line(&output));
        }
    }
}

fn line(output: &Output) -> Option<String> {
    Some(match output {
        Output::Transmit { bytes, is_apart } => {
            let packet = bytes.strip_suffix(b"\n").unwrap();
            let word = if *is_apart { "server_apart" } else { "server" };
            format!("{word} {}", String::from_utf8_lossy(packet))
        }
        Output::Start { service, argument } => {
            format!("start {} {argument}", service.to_latin1())
        }
        Output::Restart { service, argument } => {
            format!("restart {} {argument}", service.to_latin1())
        }
        Output::Request(request) => {
            format!("request {} in {}", request.body.root(), request.state.to_latin1())
        }
        Output::Event { state, body, .. } => {
            format!("event_in {} in {}", body.root(), state.to_latin1())
        }
        Output::Close { reason, .. } => format!("closed {}", close_word(reason)),
        Output::Notice(Notice::EventDropped(fault)) => format!("dropped {}", fault_word(fault)),
        Output::Notice(Notice::EventIgnored(fault)) => format!("ignored {}", fault_word(fault)),
        _ => return None,
    })
}

fn fault_word(fault: &EventFault) -> &'static str {
    match fault {
        EventFault::Contract(_) => "contract",
        EventFault::NoService => "no-service",
        EventFault::Never => "never",
        EventFault::Full => "full",
        _ => "?",
    }
}

fn close_word(reason: &CloseReason) -> &'static str {
    match reason {
        CloseReason::ByClient => "by-client",
        CloseReason::Lost => "lost",
        CloseReason::Stopped => "stopped",
        CloseReason::BadSyntax(_) => "bad-syntax",
        CloseReason::Crashed => "crashed",
        CloseReason::UnknownState => "unknown-state",
        CloseReason::ContractBroken => "contract-broken",
        _ => "?",
    }
}
