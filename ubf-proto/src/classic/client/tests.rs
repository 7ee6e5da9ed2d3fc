//! A client session, fed literal bytes.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error as _;
use core::time::Duration;

use ubf_codec::{Term, ubf};
use ubf_contract::{Checker, Reader, SessionChecker};

use super::*;
use crate::classic::Flavour;

const DOOR: &str = "+NAME(\"door\"). +VSN(\"1\").
    +TYPES open() :: {open, integer()}; ok() :: ok; no() :: no; close() :: close; quit() :: quit;
           bell() :: bell; knock() :: {knock, integer()}.
    +STATE start open() => ok() & opened | no() & start; quit() => ok() & stop;
           EVENT => bell(); EVENT <= knock().
    +STATE opened close() => ok() & start.";

struct Test {
    session: ClientSession,
    now: Time,
    next: u64,
}

impl Test {
    fn new(config: Config) -> Self {
        let session = ClientSession::new(Arc::new(config), Time::ZERO);
        let mut test = Self { session, now: Time::ZERO, next: 0 };
        let begun = test.tell(Input::Tick);
        assert!(begun.is_empty() || begun == ["ready"]);
        test
    }

    fn at(&mut self, millis: u64) -> Vec<String> {
        self.now = Time::from_millis(millis);
        self.tell(Input::Tick)
    }

    fn receive(&mut self, bytes: &str) -> Vec<String> {
        self.tell(Input::Received(bytes.as_bytes().into()))
    }

    fn ask(&mut self, request: Term) -> Vec<String> {
        self.say(CallKind::Request(request))
    }

    fn say(&mut self, kind: CallKind) -> Vec<String> {
        self.next += 1;
        self.tell(Input::Call(Call { id: CallId(self.next), kind, deadline: None }))
    }

    fn tell(&mut self, input: Input) -> Vec<String> {
        self.session.handle(input, self.now);
        core::iter::from_fn(|| self.session.poll_output()).map(|output| shown(&output)).collect()
    }
}

fn shown(output: &Output) -> String {
    match output {
        Output::Transmit(bytes) => String::from_utf8_lossy(bytes).trim_end().into(),
        Output::Ready(None) => "ready".into(),
        Output::Ready(Some(hello)) => format!("hello {} {}", hello.name, hello.help),
        Output::Ended { id, outcome: Ok(done) } => match done {
            Done::Reply { reply, state: Some(state) } => format!("{}: {reply} & {state}", id.0),
            Done::Reply { reply, state: None } => format!("{}: {reply}", id.0),
            Done::Started { reply, state } => {
                let state = state.as_ref().map_or(String::new(), |state| format!(" & {state}"));
                format!("{}: started {reply}{state}", id.0)
            }
            Done::Contract(term) => format!("{}: {term}", id.0),
            Done::EventSent => format!("{}: sent", id.0),
        },
        Output::Ended { id, outcome: Err(error) } => {
            let source = error.source().map_or(String::new(), |source| format!(": {source}"));
            format!("{}: {error}{source}, may have run: {}", id.0, error.may_have_run())
        }
        Output::Event(body) => format!("event {}", body.root()),
        Output::Close(reason) => format!("close: {reason}"),
        Output::Notice(Notice::LateHello(_)) => "late hello".into(),
        Output::Notice(Notice::EventBroke(_)) => "an event breaks the contract".into(),
    }
}

/// A session with a server that does not speak first.
fn plain() -> Config {
    Config { hello: HelloMode::None, ..Config::default() }
}

fn start(service: &'static str) -> CallKind {
    CallKind::Start { service: service.into(), argument: ubf!([]) }
}

#[test]
fn nothing_is_said_before_the_hello() {
    let mut test = Test::new(Config::default());
    assert!(test.ask(ubf!(info)).is_empty());
    assert!(test.receive("'ubf1.0'>u{u \"ho").is_empty());
    assert_eq!(test.receive("use\",'help'}$\n"), ["hello \"house\" help", "'info'$"]);
    assert_eq!(test.receive("{\"x\",'start'}$\n"), ["1: \"x\" & start"]);
    // A longer one is one, too.
    let mut test = Test::new(Config::default());
    assert_eq!(test.receive("{'ubf1.0',1,2,3}$"), ["hello 1 2"]);
}

#[test]
fn what_is_no_hello_ends_the_session_and_is_shown() {
    let mut test = Test::new(Config::default());
    test.ask(ubf!(info));
    let not_hello = "expected {'ubf1.0',Name,Help} from the server, found {'ebf1.0',1,2}";
    assert_eq!(
        test.receive("{'ebf1.0',1,2}$"),
        [format!("1: not sent: {not_hello}, may have run: false"), format!("close: {not_hello}")]
    );
}

#[test]
fn a_hello_has_to_come_in_time() {
    let mut test = Test::new(Config::default());
    assert_eq!(test.session.poll_timeout(), Some(Time::from_millis(5000)));
    assert!(test.at(4_999).is_empty());
    assert_eq!(test.at(5_000), ["close: the server did not say hello in time"]);
    let either = HelloMode::Either { within: Duration::from_millis(300) };
    let mut test = Test::new(Config { hello: either, ..Config::default() });
    assert!(test.ask(ubf!(info)).is_empty());
    assert_eq!(test.at(300), ["ready", "'info'$"]);
    // It comes after all.
    assert_eq!(test.receive("{'ubf1.0',1,2}${1,'s'}$"), ["late hello", "1: 1 & s"]);
}

#[test]
fn one_request_is_in_flight() {
    let mut test = Test::new(plain());
    assert_eq!(test.ask(ubf!(a)), ["'a'$"]);
    assert!(test.ask(ubf!(b)).is_empty());
    assert!(test.say(CallKind::Event(ubf!(tick))).is_empty());
    assert!(test.ask(ubf!(c)).is_empty());
    assert_eq!(test.receive("{1,'s'}$\n"), ["1: 1 & s", "'b'$"]);
    assert_eq!(test.receive("{2,'t'}$"), ["2: 2 & t", "{'event_in''tick'}$", "3: sent", "'c'$"]);
    assert_eq!(test.session.state(), Some(&ubf!(t)));
}

#[test]
fn a_pipelining_session_sends_ahead() {
    let config = Config { is_pipelining: true, max_in_flight: 2, ..plain() };
    let mut test = Test::new(config);
    assert_eq!(test.ask(ubf!(a)), ["'a'$"]);
    assert_eq!(test.ask(ubf!(b)), ["'b'$"]);
    assert!(test.ask(ubf!(c)).is_empty());
    assert_eq!(test.receive("{1,'s'}${2,'s'}$"), ["1: 1 & s", "2: 2 & s", "'c'$"]);
}

#[test]
fn an_event_is_never_a_reply() {
    let mut test = Test::new(plain());
    assert_eq!(test.receive("{'event_out',{'news',1}}$"), ["event {event_out,{news,1}}"]);
    test.ask(ubf!(a));
    assert_eq!(
        test.receive("{'event_out',2}$\n{7,'s'}$\n{'event_out',3}$\n"),
        ["event {event_out,2}", "1: 7 & s", "event {event_out,3}"]
    );
    // From others than Armstrong's server this is a reply.
    test.ask(ubf!(b));
    assert_eq!(test.receive("{'event',3}$"), ["2: event & 3"]);
    let mut joe = Test::new(Config { flavour: Flavour::Joe, ..plain() });
    joe.ask(ubf!(a));
    assert_eq!(joe.receive("{'event',3}${1,'s'}$"), ["event {event,3}", "1: 1 & s"]);
    assert_eq!(
        joe.say(CallKind::Event(ubf!(x))),
        ["2: a server of this flavour takes no events, may have run: false"]
    );
}

#[test]
fn what_is_no_reply_ends_the_session_and_is_shown() {
    for answer in ["'bare'$", "{1,'s',3}$", "#$", "{1}$"] {
        let mut test = Test::new(plain());
        test.ask(ubf!(a));
        test.ask(ubf!(b));
        let lines = test.receive(answer);
        assert!(lines[0].starts_with("1: it may have run: expected {Reply,State}, found"));
        assert!(lines[1].starts_with("2: not sent: expected {Reply,State}, found"));
        assert!(lines[2].starts_with("close: expected {Reply,State}, found"));
    }
    let mut test = Test::new(plain());
    test.ask(ubf!(a));
    test.receive("{1,'s'}$");
    assert_eq!(test.receive("{2,'s'}$"), ["close: nothing was asked, and the server sent {2,s}"]);
}

#[test]
fn a_state_may_be_any_term_and_may_be_missing() {
    let mut test = Test::new(plain());
    test.ask(ubf!(a));
    assert_eq!(test.receive("{1,{\"s\"}}$"), ["1: 1 & {\"s\"}"]);
    let mut simple = Test::new(Config { simple_rpc: true, ..plain() });
    simple.ask(ubf!(a));
    assert_eq!(simple.receive("{1,'s'}$"), ["1: {1,s}"]);
    simple.ask(ubf!(b));
    assert!(simple.receive("{'clientBrokeContract','b',#}$")[0].starts_with("2: the server's"));
}

#[test]
fn broken_contracts_are_errors_with_the_state() {
    let mut test = Test::new(plain());
    test.ask(ubf!(a));
    assert_eq!(
        test.receive("{{'clientBrokeContract','a',#},'start'}$"),
        ["1: the server's contract does not allow a in state start, may have run: false"]
    );
    test.ask(ubf!(b));
    assert_eq!(
        test.receive("{{'serverBrokeContract',{'b',1},#},'next'}$"),
        ["2: the server's contract does not allow its own reply 1, may have run: true"]
    );
    assert_eq!(test.session.state(), Some(&ubf!(next)));
    let mut joe = Test::new(Config { flavour: Flavour::Joe, ..plain() });
    joe.ask(ubf!(a));
    assert_eq!(
        joe.receive("{'clientBrokeContract',{'state','unlocked'},#}$"),
        [
            "1: the server's contract does not allow the request ({state,unlocked}), \
             may have run: false",
            "close: a contract was broken, which ends the session"
        ]
    );
}

#[test]
fn a_start_begins_a_session_or_says_why_not() {
    let mut test = Test::new(plain());
    assert_eq!(test.say(start("shop")), ["{'startSession'\"shop\"#}$"]);
    assert_eq!(
        test.receive("{{'error',{'wrongKey',\"x\"}},'start'}$"),
        ["1: the service does not take the session: {wrongKey,\"x\"}, may have run: false"]
    );
    assert_eq!(test.session.level(), Level::Meta);
    test.say(start("shop"));
    // What is said next is for the service.
    assert!(test.ask(ubf!(price)).is_empty());
    assert_eq!(test.receive("{{'ok','open'},'start'}$"), ["2: started open & start", "'price'$"]);
    assert_eq!(test.session.level(), Level::Service);
    let mut joe = Test::new(Config { flavour: Flavour::Joe, ..plain() });
    assert_eq!(joe.say(start("shop")), ["{'startService'\"shop\"#}$"]);
}

#[test]
fn a_service_that_does_not_exist_is_told_with_those_that_do() {
    let mut test = Test::new(plain());
    test.say(start("absent"));
    test.ask(ubf!(info));
    assert_eq!(test.receive("{{'error','noSuchService'},'start'}$"), ["'services'$"]);
    assert_eq!(
        test.receive("{#\"till\"&\"shop\"&,'start'}$"),
        ["1: the server has no such service; it has shop, till, may have run: false", "'info'$"]
    );
    let mut test = Test::new(Config { asks_for_services: false, ..plain() });
    test.say(start("absent"));
    assert_eq!(
        test.receive("{{'error','noSuchService'},'start'}$"),
        ["1: the server has no such service, may have run: false"]
    );
}

#[test]
fn the_answer_to_contract_has_no_state() {
    let mut test = Test::new(plain());
    test.ask(ubf!(contract));
    assert_eq!(test.receive("{'contract',{1}}$"), ["1: {contract,{1}}"]);
    test.ask(ubf!(contract));
    assert_eq!(test.receive("{1,'s'}$").len(), 2);
    assert!(test.session.is_ended());
}

#[test]
fn stop_ends_the_session() {
    let mut test = Test::new(plain());
    test.ask(ubf!(last));
    test.ask(ubf!(more));
    assert_eq!(
        test.receive("{'bye','stop'}$"),
        [
            "1: bye & stop",
            "2: not sent: the session is in the state stop, may have run: false",
            "close: the session is in the state stop"
        ]
    );
    assert_eq!(test.ask(ubf!(x)), ["3: not sent: closed by this program, may have run: false"]);
}

#[test]
fn a_lost_connection_leaves_the_call_indeterminate() {
    for input in [Input::Lost, Input::EndOfStream, Input::Close] {
        let mut test = Test::new(plain());
        test.ask(ubf!(a));
        test.ask(ubf!(b));
        let lines = test.tell(input);
        assert!(lines[0].starts_with("1: it may have run: "), "{lines:?}");
        assert!(lines[1].starts_with("2: not sent: "), "{lines:?}");
        assert_eq!(lines.len(), 3);
    }
    // What came before the end counts.
    let mut test = Test::new(plain());
    test.ask(ubf!(a));
    test.session.handle(Input::Received(b"{1,'s'}$"[..].into()), Time::ZERO);
    assert_eq!(
        test.tell(Input::EndOfStream),
        ["1: 1 & s", "close: the server closed the connection"]
    );
}

#[test]
fn a_deadline_that_passes_closes() {
    let mut test = Test::new(plain());
    let call = Call::request(CallId(9), ubf!(a)).with_deadline(Time::from_millis(100));
    assert_eq!(test.tell(Input::Call(call)), ["'a'$"]);
    test.tell(Input::Written(5));
    assert_eq!(test.session.poll_timeout(), Some(Time::from_millis(100)));
    assert!(test.at(99).is_empty());
    let reason = "a call was not answered by its deadline";
    assert_eq!(
        test.at(100),
        [format!("9: it may have run: {reason}, may have run: true"), format!("close: {reason}")]
    );
}

#[test]
fn a_server_that_does_not_read_or_stops_in_a_packet_is_given_up() {
    let mut test = Test::new(plain());
    test.ask(ubf!(a));
    assert_eq!(test.at(30_000).len(), 2);
    let mut test = Test::new(plain());
    test.receive("{'event_out'");
    assert!(test.at(29_999).is_empty());
    assert_eq!(test.at(30_000), ["close: a packet took too long (max_packet_time)"]);
    let mut test = Test::new(plain());
    assert_eq!(test.receive("}").len(), 1);
    assert!(test.session.is_ended());
}

#[test]
fn calls_are_bounded() {
    let mut test = Test::new(Config { max_calls: 2, ..plain() });
    test.ask(ubf!(a));
    test.ask(ubf!(b));
    assert_eq!(
        test.ask(ubf!(c)),
        ["3: too many calls are not answered (max_calls), may have run: false"]
    );
}

fn with_contract() -> Config {
    let contract = SessionChecker::new(Checker::new(Reader::new().read(DOOR).unwrap()));
    Config { contract: Some(Arc::new(contract)), level: Level::Service, ..plain() }
}

#[test]
fn a_contract_at_hand_is_held_against_both_sides() {
    let mut test = Test::new(with_contract());
    assert_eq!(
        test.ask(ubf!(close)),
        ["1: the contract does not allow the message: in state start: \
          expected open() or quit(), found close, may have run: false"]
    );
    assert_eq!(test.ask(ubf!({open, 1})), ["{'open'1}$"]);
    assert_eq!(test.receive("{'ok','opened'}$"), ["2: ok & opened"]);
    test.ask(ubf!(close));
    let lines = test.receive("{'no','start'}$");
    assert!(lines[0].starts_with("3: the contract does not allow the reply: "), "{lines:?}");
    // The server is in this state, whatever it answered.
    assert_eq!(test.session.state(), Some(&ubf!(start)));
    assert_eq!(test.say(CallKind::Event(ubf!({knock, 1}))), ["{'event_in'{'knock'1}}$", "4: sent"]);
    let lines = test.say(CallKind::Event(ubf!(other)));
    assert!(lines[0].starts_with("5: the contract does not allow the message"), "{lines:?}");
    assert_eq!(test.receive("{'event_out','bell'}$"), ["event {event_out,bell}"]);
    assert_eq!(
        test.receive("{'event_out','gong'}$"),
        ["an event breaks the contract", "event {event_out,gong}"]
    );
}

#[test]
fn a_pipelining_session_checks_replies_when_their_state_is_known() {
    let mut test = Test::new(Config { is_pipelining: true, ..with_contract() });
    assert_eq!(test.ask(ubf!({open, 1})), ["{'open'1}$"]);
    assert_eq!(test.ask(ubf!(close)), ["'close'$"]);
    let lines = test.receive("{'ok','opened'}${'no','start'}$");
    assert_eq!(lines[0], "1: ok & opened");
    assert!(lines[1].starts_with("2: the contract does not allow the reply: "), "{lines:?}");
}

#[test]
fn on_the_meta_level_no_contract_of_a_service_holds() {
    let mut test = Test::new(Config { level: Level::Meta, ..with_contract() });
    assert_eq!(test.ask(ubf!(services)), ["'services'$"]);
    test.receive("{#,'start'}$");
    test.say(start("door"));
    test.receive("{{'ok','yes'},'start'}$");
    assert!(test.ask(ubf!(services))[0].starts_with("3: the contract does not allow"));
}

#[test]
fn every_cut_gives_the_same_outcome() {
    let stream = "{'event_out',1}$\n'ok'>!{{!,!},'stop'}$\n";
    let run = |cuts: &[usize]| {
        let mut test = Test::new(Config::default());
        test.receive("{'ubf1.0',1,2}$\n");
        assert_eq!(test.ask(ubf!(a)), ["'a'$"]);
        let mut lines = Vec::new();
        let mut from = 0;
        for &cut in cuts.iter().chain([&stream.len()]) {
            lines.extend(test.receive(stream.get(from..cut).unwrap()));
            from = cut;
        }
        lines
    };
    let whole = run(&[]);
    assert_eq!(
        whole,
        ["event {event_out,1}", "1: {ok,ok} & stop", "close: the session is in the state stop"]
    );
    for cut in 0..=stream.len() {
        assert_eq!(run(&[cut]), whole, "cut at {cut}");
    }
    let all: Vec<usize> = (0..stream.len()).collect();
    assert_eq!(run(&all), whole);
}

#[test]
fn reasons_are_sentences() {
    assert_eq!(EndReason::NotHello(ubf!(x)).to_string().matches("found x").count(), 1);
    assert_eq!(EndReason::PacketTime.to_string(), "a packet took too long (max_packet_time)");
}
