//! A server session, fed literal bytes.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use ubf_codec::{Term, ubf};
use ubf_contract::{Checker, ContractDialect, Reader, SessionChecker, Strings};

use super::*;
use crate::classic::Flavour;

const DOOR: &str = "+NAME(\"door\"). +VSN(\"1\").
    +TYPES open() :: {open, pin()}; pin() :: 0..9999; ok() :: ok; no() :: no; close() :: close;
           quit() :: quit; knock() :: {knock, integer()}; bell() :: bell; ping() :: ping;
           pong() :: pong.
    +STATE start open() => ok() & opened | no() & start; quit() => ok() & stop; EVENT => bell().
    +STATE opened close() => ok() & start; quit() => ok() & stop; EVENT => bell();
           EVENT <= knock().
    +ANYSTATE ping() => pong().";

const DOOR_1_12: &str = "+NAME(\"door\"). +VSN(\"1\").
    +TYPES open() = {open, int()}; ok() = ok; no() = no.
    +STATE start open() => ok() & start | no() & start; EVENT => ok().
    +ANYSTATE no() => ok().";

fn door() -> HouseService {
    let contract = Reader::new().read(DOOR).unwrap();
    let checker = Checker::with_strings(contract, Strings::AsTuples);
    HouseService::new("door").with_contract(Arc::new(SessionChecker::new(checker)))
}

/// A session whose outputs are lines that can be read.
struct Test {
    session: ServerSession,
    now: Time,
    calls: Vec<u64>,
}

impl Test {
    fn new(config: Config, house: House) -> Self {
        let session = ServerSession::new(Arc::new(config), Arc::new(house), Time::ZERO);
        Self { session, now: Time::ZERO, calls: Vec::new() }
    }

    /// In the only service, without a hello.
    fn in_door() -> Self {
        Self::new(quiet(), House::of_one(door()))
    }

    fn at(&mut self, millis: u64) -> Vec<String> {
        self.now = Time::from_millis(millis);
        self.tell(Input::Tick)
    }

    fn send(&mut self, bytes: &str) -> Vec<String> {
        self.tell(Input::Received(bytes.as_bytes().into()))
    }

    fn reply(&mut self, reply: Term, state: &str) -> Vec<String> {
        let number = *self.calls.last().unwrap();
        self.tell(Input::Reply { number, reply, state: state.into() })
    }

    fn tell(&mut self, input: Input) -> Vec<String> {
        self.session.handle(input, self.now);
        let mut lines = Vec::new();
        while let Some(output) = self.session.poll_output() {
            if let Output::Request(request) = &output {
                self.calls.push(request.number);
            }
            lines.extend(shown(&output));
        }
        lines
    }
}

fn shown(output: &Output) -> Option<String> {
    Some(match output {
        Output::Transmit { bytes, is_apart } => {
            let text = String::from_utf8_lossy(bytes);
            let text = text.strip_suffix('\n').unwrap();
            if *is_apart { format!("apart {text}") } else { text.into() }
        }
        Output::Start { service, argument } => {
            format!("start {} {argument}", service.to_latin1())
        }
        Output::Restart { service, argument } => {
            format!("restart {} {argument}", service.to_latin1())
        }
        Output::Request(Request { number, service, state, body }) => {
            let (service, state) = (service.to_latin1(), state.to_latin1());
            format!("request {number} of {service} in {state}: {}", body.root())
        }
        Output::Event { state, body, .. } => {
            format!("event in {}: {}", state.to_latin1(), body.root())
        }
        Output::Close { reason, is_call_cut } => {
            format!("close: {reason}{}", if *is_call_cut { ", a call is cut" } else { "" })
        }
        Output::Notice(Notice::EventDropped(fault)) => format!("dropped: {}", fault_name(fault)),
        Output::Notice(Notice::EventIgnored(fault)) => format!("ignored: {}", fault_name(fault)),
        Output::Notice(_) => return None,
    })
}

fn fault_name(fault: &EventFault) -> &'static str {
    match fault {
        EventFault::Contract(_) => "contract",
        EventFault::NoService => "no service",
        EventFault::Never => "never",
        EventFault::Full => "full",
    }
}

fn quiet() -> Config {
    Config { hello: None, events: EventTiming::AtOnce, ..Config::default() }
}

#[test]
fn the_server_speaks_first() {
    let config = Config { hello: Some(super::super::Hello::new("house", "help")), ..quiet() };
    let mut test = Test::new(config, House::new(Flavour::Erl2));
    assert_eq!(test.at(0), ["{'ubf1.0'\"house\"\"help\"}$"]);
    let mut silent = Test::new(quiet(), House::new(Flavour::Erl2));
    assert!(silent.at(0).is_empty());
}

#[test]
fn the_meta_level_tells_and_starts() {
    let house = House::new(Flavour::Erl2)
        .with_service(door())
        .with_service(HouseService::new("shop"))
        .with_info("a house")
        .with_description("two services")
        .with_help(Term::binary(&b"?"[..]));
    let mut test = Test::new(quiet(), house);
    assert_eq!(test.send("'services'$"), ["{#\"shop\"&\"door\"&'start'}$"]);
    assert_eq!(test.send("'info'$\n"), ["{\"a house\"'start'}$"]);
    assert_eq!(test.send("'description'$\n"), ["{\"two services\"'start'}$"]);
    assert_eq!(test.send("'help'$\n"), ["{1~?~'start'}$"]);
    assert_eq!(test.send("'nonsense'$"), ["{{'clientBrokeContract''nonsense'#}'start'}$"]);
    assert_eq!(
        test.send("{'startSession','door',#}$"),
        ["{{'clientBrokeContract'{'startSession''door'#}#}'start'}$"]
    );
    let no_such = "{{'error''noSuchService'}'start'}$";
    assert_eq!(test.send("{'startSession',\"absent\",#}$"), [no_such]);
    assert_eq!(test.send("{'restartService',\"absent\",#}$"), [no_such]);
    assert_eq!(test.send("{'restartService',\"door\",'no'}$"), ["restart door no"]);
    let why = ubf!(not_now);
    assert_eq!(test.tell(Input::Rejected { why }), ["{{'error''not_now'}'start'}$"]);
    assert_eq!(test.send("{'restartService',\"door\",'yes'}$"), ["restart door yes"]);
    assert_eq!(test.tell(Input::Restarted), ["{{'ok''ok'}'start'}$"]);
    assert_eq!(test.send("{'event_in','early'}$"), ["ignored: no service"]);
    // Either word begins a session; there is no way back.
    assert_eq!(test.send("{'startService',\"door\",{1}}$"), ["start door {1}"]);
    let started = Input::Started { reply: ubf!({welcome, 1}), state: "start".into() };
    assert_eq!(test.tell(started), ["{{'ok'{'welcome'1}}'start'}$"]);
    assert_eq!(test.send("{'open',4}$"), ["request 1 of door in start: {open,4}"]);
    assert_eq!(test.reply(ubf!(ok), "opened"), ["{'ok''opened'}$"]);
    let broken = test.send("'services'$");
    assert!(broken[0].starts_with("{{'clientBrokeContract''services'#{'event_in'"), "{broken:?}");
}

#[test]
fn a_start_that_is_refused_may_be_tried_again() {
    let mut test = Test::new(quiet(), House::new(Flavour::Erl2).with_service(door()));
    assert_eq!(test.send("{'startSession',\"door\",'x'}$"), ["start door x"]);
    let why = ubf!({wrong, "key"});
    assert_eq!(test.tell(Input::Rejected { why }), ["{{'error'{'wrong'\"key\"}}'start'}$"]);
    assert_eq!(test.send("{'startSession',\"door\",'y'}$"), ["start door y"]);
    assert_eq!(test.tell(Input::Failed), ["close: the service crashed, a call is cut"]);
}

#[test]
fn requests_are_answered_one_after_the_other() {
    let mut test = Test::in_door();
    assert_eq!(test.send("{'open',4}$'ping'$\n'clo"), ["request 1 of door in start: {open,4}"]);
    assert_eq!(
        test.reply(ubf!(ok), "opened"),
        ["{'ok''opened'}$", "request 2 of door in opened: ping"]
    );
    assert_eq!(test.reply(ubf!(pong), "opened"), ["{'pong''opened'}$"]);
    assert_eq!(test.send("se'$"), ["request 3 of door in opened: close"]);
    // An answer to another request is nobody's.
    let late = Input::Reply { number: 2, reply: ubf!(pong), state: "opened".into() };
    assert!(test.tell(late).is_empty());
    assert_eq!(test.reply(ubf!(ok), "start"), ["{'ok''start'}$"]);
}

#[test]
fn a_request_outside_the_contract_does_not_run() {
    let mut test = Test::in_door();
    let rules = "#{'event_out'{'prim'1 1'bell'}}&\
                 {'input'{'prim'1 1'quit'}#{'output'{'prim'1 1'ok'}'stop'}&}&\
                 {'input'{'prim'1 1'open'}#{'output'{'prim'1 1'no'}'start'}&\
                 {'output'{'prim'1 1'ok'}'opened'}&}&";
    assert_eq!(
        test.send("{'open',10000}$"),
        [format!("{{{{'clientBrokeContract'{{'open'10000}}{rules}}}'start'}}$")]
    );
    assert_eq!(test.send("'ping'$"), ["request 1 of door in start: ping"]);
}

#[test]
fn a_reply_outside_the_contract_leaves_the_state() {
    let mut test = Test::in_door();
    test.send("{'open',1}$");
    assert_eq!(
        test.reply(ubf!(maybe), "opened"),
        ["{{'serverBrokeContract'{{'open'1}'maybe'}#{'prim'1 1'no'}&{'prim'1 1'ok'}&}'start'}$"]
    );
    test.send("{'open',1}$");
    // The reply is allowed, but not with this state.
    assert_eq!(
        test.reply(ubf!(no), "opened"),
        ["{{'serverBrokeContract'{{'open'1}'no'}#{'prim'1 1'no'}&{'prim'1 1'ok'}&}'start'}$"]
    );
    let mut stock =
        Test::new(Config { broken_reply: BrokenReply::Advance, ..quiet() }, House::of_one(door()));
    stock.send("{'open',1}$");
    assert!(stock.reply(ubf!(no), "opened")[0].ends_with("'opened'}$"));
    assert_eq!(stock.send("'close'$"), ["request 2 of door in opened: close"]);
}

#[test]
fn a_simple_server_does_not_name_the_state() {
    let mut test = Test::new(Config { simple_rpc: true, ..quiet() }, House::of_one(door()));
    test.send("{'open',1}$");
    assert_eq!(test.reply(ubf!(ok), "opened"), ["'ok'$"]);
    assert!(test.send("'open'$")[0].starts_with("{'clientBrokeContract''open'#{'event_in'"));
    test.send("'close'$");
    assert_eq!(
        test.reply(ubf!(no), "start"),
        ["{'serverBrokeContract'{'close''no'}#{'prim'1 1'ok'}&}$"]
    );
}

#[test]
fn the_contract_is_told_in_every_state_and_without_one() {
    let mut test =
        Test::new(Config { after_stop: AfterStop::Wait, ..quiet() }, House::of_one(door()));
    let told = test.send("'contract'$");
    assert!(told[0].starts_with("{'contract'{{'name'\"door\"}{'states'#{'start'#"), "{told:?}");
    test.send("'quit'$");
    assert_eq!(test.reply(ubf!(ok), "stop"), ["{'ok''stop'}$"]);
    assert_eq!(test.send("'contract'$"), told);
    assert_eq!(test.send("'ping'$"), ["close: the session is in the state stop"]);
    let mut bare = Test::new(quiet(), House::of_one(HouseService::new("bare")));
    assert_eq!(
        bare.send("'contract'$"),
        ["{'contract'{{'name'\"bare\"}{'states'#}{'anystate'#}{'types'#}}}$"]
    );
}

#[test]
fn the_state_stop_closes_behind_the_reply() {
    let mut test = Test::in_door();
    test.send("'quit'$'ping'$");
    assert_eq!(
        test.reply(ubf!(ok), "stop"),
        ["{'ok''stop'}$", "close: the session is in the state stop"]
    );
    assert!(test.send("'ping'$").is_empty());
    assert_eq!(test.session.poll_timeout(), None);
}

#[test]
fn events_wait_for_the_reply_and_for_quiet() {
    let quiet_time = EventTiming::WhenQuiet(Duration::from_millis(20));
    let mut test = Test::new(Config { events: quiet_time, ..quiet() }, House::of_one(door()));
    test.at(1000);
    test.send("{'open',1}$");
    assert!(test.tell(Input::EventOut(ubf!(bell))).is_empty());
    test.at(1500);
    assert_eq!(test.reply(ubf!(ok), "opened"), ["{'ok''opened'}$"]);
    assert_eq!(test.session.poll_timeout(), Some(Time::from_millis(1520)));
    assert!(test.at(1519).is_empty());
    assert_eq!(test.at(1520), ["apart {'event_out''bell'}$"]);
    // It is quiet: the next one need not wait.
    assert_eq!(test.tell(Input::EventOut(ubf!(bell))), ["apart {'event_out''bell'}$"]);
}

#[test]
fn events_leave_at_once_or_never_where_that_is_set() {
    let mut test = Test::in_door();
    assert_eq!(test.tell(Input::EventOut(ubf!(bell))), ["apart {'event_out''bell'}$"]);
    assert_eq!(test.tell(Input::EventOut(ubf!(gong))), ["dropped: contract"]);
    test.send("'ping'$");
    assert!(test.tell(Input::EventOut(ubf!(bell))).is_empty());
    assert_eq!(test.reply(ubf!(pong), "start"), ["{'pong''start'}$", "apart {'event_out''bell'}$"]);
    let mut never =
        Test::new(Config { events: EventTiming::Never, ..quiet() }, House::of_one(door()));
    assert_eq!(never.tell(Input::EventOut(ubf!(bell))), ["dropped: never"]);
    let mut meta = Test::new(quiet(), House::new(Flavour::Erl2).with_service(door()));
    assert_eq!(meta.tell(Input::EventOut(ubf!(bell))), ["dropped: no service"]);
}

#[test]
fn events_that_wait_are_bounded() {
    let config = Config { max_held_events: 2, max_held_event_bytes: 60, ..quiet() };
    let mut test = Test::new(config, House::of_one(door()));
    test.send("'ping'$");
    // Each packet has 22 bytes.
    assert!(test.tell(Input::EventOut(ubf!(bell))).is_empty());
    assert!(test.tell(Input::EventOut(ubf!(bell))).is_empty());
    assert_eq!(test.tell(Input::EventOut(ubf!(bell))), ["dropped: full"]);
    assert_eq!(test.reply(ubf!(pong), "start").len(), 3);
    test.send("'ping'$");
    let long = Term::from("01234567890123456789012345678901234567890123456789");
    assert_eq!(test.tell(Input::EventOut(long)), ["dropped: full"]);
}

#[test]
fn events_of_the_client_are_held_against_its_own_rules() {
    let mut test = Test::in_door();
    assert_eq!(test.send("{'event_in',{'knock',1}}$"), ["ignored: contract"]);
    test.send("{'open',1}${'event_in',{'knock',2}}$");
    assert_eq!(
        test.reply(ubf!(ok), "opened"),
        ["{'ok''opened'}$", "event in opened: {event_in,{knock,2}}"]
    );
    // Stock servers look in the list of what they send themselves.
    assert_eq!(test.send("{'event_in','bell'}$"), ["ignored: contract"]);
    // Neither is an event.
    assert!(test.send("{'event_in',1,2}$")[0].starts_with("{{'clientBrokeContract'"));
    assert!(test.send("{'event_out',1}$")[0].starts_with("{{'clientBrokeContract'"));
}

#[test]
fn armstrongs_flavour_has_its_own_words_and_ends() {
    let config = Config { flavour: Flavour::Joe, both_start_words: false, ..quiet() };
    let contract = Reader::new().with_dialect(ContractDialect::V1_12).read(DOOR_1_12).unwrap();
    let contract = Arc::new(SessionChecker::new(Checker::new(contract)));
    let service = || HouseService::new("door").with_contract(Arc::clone(&contract));
    let house = || House::new(Flavour::Joe).with_service(service());
    let start = |test: &mut Test| {
        assert_eq!(test.send("{'startService',\"door\",#}$"), ["start door []"]);
        test.tell(Input::Started { reply: ubf!(yes), state: "start".into() });
    };

    let mut test = Test::new(config.clone(), house());
    let broken = test.send("{'startSession',\"door\",#}$");
    assert!(broken[0].starts_with("{'clientBrokeContract'{'state''start'}#{'input'"));
    assert_eq!(broken[1], "close: the contract was broken");

    let mut test = Test::new(config.clone(), house());
    start(&mut test);
    assert_eq!(test.tell(Input::EventOut(ubf!(ok))), ["apart {'event''ok'}$"]);
    test.send("{'open',1}$");
    assert_eq!(test.reply(ubf!(other), "start"), ["close: the contract was broken"]);

    let mut test = Test::new(config, house());
    start(&mut test);
    // An event of the client is a request, which no rule allows.
    assert_eq!(test.send("{'event_in','ok'}$")[1], "close: the contract was broken");
}

#[test]
fn a_stateless_service_is_in_no_state() {
    let contract = Reader::new()
        .read(
            "+NAME(\"sums\"). +VSN(\"1\"). +TYPES add() :: {add, integer()}; sum() :: integer().
             +ANYSTATE add() => sum().",
        )
        .unwrap();
    let contract = Arc::new(SessionChecker::new(Checker::new(contract)));
    let house = House::of_one(HouseService::new("sums").with_contract(contract));
    let mut test = Test::new(quiet(), house);
    assert_eq!(test.send("{'add',1}$"), ["request 1 of sums in none: {add,1}"]);
    assert_eq!(test.reply(ubf!(1), "none"), ["{1'none'}$"]);
    assert_eq!(test.send("'add'$"), ["{{'clientBrokeContract''add'#}'none'}$"]);
    test.send("{'add',1}$");
    assert_eq!(
        test.reply(ubf!(x), "none"),
        ["{{'serverBrokeContract'{{'add'1}'x'}#{'prim'1 1'sum'}&}'none'}$"]
    );
}

#[test]
fn a_state_that_the_contract_lacks_ends_with_the_next_packet() {
    let mut test = Test::new(quiet(), House::new(Flavour::Erl2).with_service(door()));
    test.send("{'startSession',\"door\",#}$");
    let started = Input::Started { reply: ubf!(ready), state: "attic".into() };
    assert_eq!(test.tell(started), ["{{'ok''ready'}'attic'}$"]);
    assert_eq!(
        test.send("'ping'$"),
        ["close: the service is in a state that its contract does not have"]
    );
}

#[test]
fn what_is_no_packet_closes_without_a_word() {
    let mut test = Test::in_door();
    let closed = test.send("'ping'}$");
    assert!(closed[0].starts_with("close: the client broke the syntax: "), "{closed:?}");
    assert_eq!(closed.len(), 1);
}

#[test]
fn registers_escapes_and_comments_are_read_and_tags_written_as_tuples() {
    let mut test = Test::new(quiet(), House::of_one(HouseService::new("bare")));
    assert_eq!(
        test.send(" \r\n % a comment % 'vault'>v{v,v, \"\\a\",1`t`}$"),
        ["request 1 of bare in none: {vault,vault,\"a\",1`t`}"]
    );
    let tagged = Term::from(1).tagged("t");
    assert_eq!(test.reply(tagged, "none"), ["{{'$TYPE'#116&1}'none'}$"]);
    assert_eq!(test.send("'vault'>`{`,`}$"), ["request 2 of bare in none: {vault,vault}"]);
}

#[test]
fn a_half_close_waits_for_the_answer() {
    let mut test = Test::in_door();
    test.send("'ping'$'ping'$");
    assert!(test.tell(Input::EndOfStream).is_empty());
    assert_eq!(
        test.reply(ubf!(pong), "start"),
        ["{'pong''start'}$", "request 2 of door in start: ping"]
    );
    assert_eq!(
        test.reply(ubf!(pong), "start"),
        ["{'pong''start'}$", "close: closed by the client"]
    );
}

#[test]
fn crashes_and_losses_end_at_once() {
    let mut test = Test::in_door();
    test.send("'ping'$");
    assert_eq!(test.tell(Input::Failed), ["close: the service crashed, a call is cut"]);
    let mut test = Test::in_door();
    test.send("'ping'$");
    assert_eq!(test.tell(Input::Lost), ["close: the connection is gone, a call is cut"]);
}

#[test]
fn a_server_that_closes_waits_for_the_call() {
    let mut test = Test::in_door();
    test.send("'ping'$");
    assert!(test.tell(Input::Close { within: Duration::from_secs(1) }).is_empty());
    assert!(!test.session.is_reading());
    assert_eq!(test.reply(ubf!(pong), "start"), ["{'pong''start'}$", "close: the server closes"]);
    let mut test = Test::in_door();
    test.send("'ping'$");
    test.tell(Input::Close { within: Duration::from_secs(1) });
    assert!(test.at(999).is_empty());
    assert_eq!(test.at(1000), ["close: the server closes, a call is cut"]);
}

#[test]
fn times_are_limited() {
    let limits = Config {
        max_idle_time: Duration::from_secs(10),
        max_packet_time: Duration::from_secs(3),
        max_write_time: Duration::from_secs(2),
        ..quiet()
    };
    let test = || Test::new(limits.clone(), House::of_one(door()));

    let mut idle = test();
    assert!(idle.at(9_999).is_empty());
    assert_eq!(idle.at(10_000), ["close: no traffic (max_idle_time)"]);

    // Half a packet is traffic, too, but has to become whole.
    let mut slow = test();
    slow.at(9_000);
    assert!(slow.send("'pi").is_empty());
    assert!(slow.at(11_999).is_empty());
    assert_eq!(slow.at(12_000), ["close: a packet took too long (max_packet_time)"]);

    // A call that takes its time is no idle time, and a line feed begins no packet.
    let mut busy = test();
    busy.send("'ping'$\n");
    assert!(busy.at(60_000).is_empty());
    assert_eq!(busy.reply(ubf!(pong), "start"), ["{'pong''start'}$"]);
    busy.tell(Input::Written("{'pong''start'}$\n".len()));
    assert!(busy.at(69_999).is_empty());

    let mut deaf = test();
    deaf.send("'ping'$");
    deaf.reply(ubf!(pong), "start");
    assert!(deaf.at(1_999).is_empty());
    assert_eq!(deaf.at(2_000), ["close: the client does not read (max_write_time)"]);
}

#[test]
fn what_waits_behind_a_call_is_bounded() {
    let config = Config { max_waiting_bytes: 16, max_unread_bytes: 40, ..quiet() };
    let mut test = Test::new(config, House::of_one(door()));
    test.send("'ping'$");
    assert!(test.session.is_reading());
    test.send("'ping'$'ping'$");
    assert!(test.session.is_reading());
    test.send("'p");
    assert!(!test.session.is_reading());
    // 17 bytes a reply: with the third no more is taken in until some are written.
    assert_eq!(test.reply(ubf!(pong), "start").len(), 2);
    assert_eq!(test.reply(ubf!(pong), "start").len(), 2);
    assert_eq!(test.reply(ubf!(pong), "start").len(), 1);
    assert!(!test.session.is_reading());
    test.send("ing'$");
    assert_eq!(test.tell(Input::Written(20)), ["request 4 of door in start: ping"]);
}

#[test]
fn every_cut_gives_the_same_answers() {
    let stream = "'ping'$\n{'open',1}$ % x % 'close'$'nonsense'$";
    let run = |cuts: &[usize]| {
        let mut test = Test::in_door();
        let mut lines = Vec::new();
        let mut from = 0;
        for &cut in cuts.iter().chain([&stream.len()]) {
            let mut new = test.send(stream.get(from..cut).unwrap());
            from = cut;
            while let Some(line) = new.pop() {
                let answer = match line.split(": ").nth(1) {
                    Some("ping") => Some((ubf!(pong), "start")),
                    Some("{open,1}") => Some((ubf!(ok), "opened")),
                    Some("close") => Some((ubf!(ok), "start")),
                    _ => None,
                };
                lines.push(line);
                if let Some((reply, state)) = answer {
                    new.extend(test.reply(reply, state).into_iter().rev());
                }
            }
        }
        lines
    };
    let whole = run(&[]);
    assert_eq!(whole.len(), 7);
    for cut in 0..=stream.len() {
        assert_eq!(run(&[cut]), whole, "cut at {cut}");
    }
    let all: Vec<usize> = (0..stream.len()).collect();
    assert_eq!(run(&all), whole);
}

#[test]
fn notices_say_who_broke_the_contract() {
    let mut session =
        ServerSession::new(Arc::new(quiet()), Arc::new(House::of_one(door())), Time::ZERO);
    session.handle(Input::Received(b"'close'$"[..].into()), Time::ZERO);
    let Some(Output::Notice(Notice::ClientBroke(broken))) = session.poll_output() else { panic!() };
    assert_eq!(broken.state_name.unwrap(), "start");
}

#[test]
fn u2_a_frozen_session_answers_and_begins_nothing() {
    let mut test = Test::in_door();
    test.send("'ping'$'ping'$");
    test.tell(Input::EventOut(ubf!(bell)));
    assert!(test.tell(Input::Freeze).is_empty());
    assert!(test.session.export().is_none());
    // The event and the second request wait.
    assert_eq!(test.reply(ubf!(pong), "start"), ["{'pong''start'}$"]);
    assert!(!test.session.is_reading());
    // Nothing is too late while it is frozen.
    assert_eq!(test.session.poll_timeout(), None);
    assert!(test.at(1 << 40).is_empty());
    assert!(test.session.export().is_some());
    assert_eq!(test.tell(Input::Thaw), ["request 2 of door in start: ping"]);
    assert_eq!(test.reply(ubf!(pong), "start"), ["{'pong''start'}$", "apart {'event_out''bell'}$"]);
}

#[test]
fn u2_a_session_goes_on_where_it_was_in_another_process() {
    let mut old = Test::in_door();
    old.send("{'open',1}$");
    old.reply(ubf!(ok), "opened");
    old.send("'close'$'clo");
    old.tell(Input::EventOut(ubf!(bell)));
    old.tell(Input::Freeze);
    old.reply(ubf!(ok), "start");
    let carried = old.session.export().unwrap();
    assert_eq!(carried.place, Some(("door".into(), "start".into())));
    assert_eq!(&carried.unread[..], b"'clo");
    assert_eq!(carried.events, [ubf!(bell)]);

    let (config, house) = (Arc::new(quiet()), Arc::new(House::of_one(door())));
    let session = ServerSession::carried(config, house, carried.clone(), 7, Time::ZERO).unwrap();
    let mut new = Test { session, now: Time::ZERO, calls: Vec::new() };
    // There is no hello. Bytes of the old process are still to be written.
    assert_eq!(new.tell(Input::Tick), ["apart {'event_out''bell'}$"]);
    assert_eq!(new.session.poll_timeout(), Some(Time::from_millis(30_000)));
    assert!(new.send("se'$")[0].starts_with("{{'clientBrokeContract''close'"));
    assert_eq!(new.send("{'open',2}$"), ["request 1 of door in start: {open,2}"]);

    let other = Arc::new(House::of_one(HouseService::new("other")));
    let config = Arc::new(quiet());
    assert!(ServerSession::carried(config, other, carried, 0, Time::ZERO).is_none());
}

#[test]
fn u2_a_session_at_its_stop_is_there_in_the_next_process_too() {
    let config = Arc::new(Config { after_stop: AfterStop::Wait, ..quiet() });
    let carried = Carried {
        place: Some(("door".into(), "stop".into())),
        unread: Bytes::new(),
        events: Vec::new(),
    };
    let house = Arc::new(House::of_one(door()));
    let session = ServerSession::carried(config, house, carried, 0, Time::ZERO).unwrap();
    let mut test = Test { session, now: Time::ZERO, calls: Vec::new() };
    assert_eq!(test.send("'ping'$"), ["close: the session is in the state stop"]);
}

#[test]
fn u2_a_session_that_ends_goes_nowhere() {
    let mut ended = Test::in_door();
    ended.send("'ping'$");
    ended.tell(Input::EndOfStream);
    ended.tell(Input::Freeze);
    ended.reply(ubf!(pong), "start");
    assert!(ended.session.export().is_none());
    let mut broken = Test::in_door();
    broken.send("}$");
    assert!(broken.session.export().is_none());
}

#[test]
fn an_encoded_reply_is_the_same_as_one_in_terms() {
    let encoded = |body: &str| {
        let mut test = Test::in_door();
        test.send("'ping'$");
        let number = *test.calls.last().unwrap();
        test.tell(Input::EncodedReply { number, body: Bytes::copy_from_slice(body.as_bytes()) })
    };
    // However it is written.
    for body in ["{'pong''start'}$", "'pong'>p {p, 'start'}$", "{'pong'\n'start'} $"] {
        assert_eq!(encoded(body), ["{'pong''start'}$"], "{body}");
    }
    assert!(encoded("{'no''start'}$")[0].starts_with("{{'serverBrokeContract'"));
    // What is none ends the session as a crash does.
    for body in ["'pong'$", "{'pong'\"start\"}$", "{'pong'", "{1 2 'start'}$", ""] {
        assert_eq!(encoded(body), ["close: the service crashed, a call is cut"], "{body}");
    }
    // Tags are tuples for a stock client, and a stateless service is in no state.
    let mut bare = Test::new(quiet(), House::of_one(HouseService::new("bare")));
    bare.send("1$");
    let body = Bytes::from_static(b"{1`t` 'next'}$");
    assert_eq!(bare.tell(Input::EncodedReply { number: 1, body }), ["{{'$TYPE'#116&1}'next'}$"]);
}

#[test]
fn an_idle_session_does_without_its_decoders() {
    let mut one = Test::in_door();
    one.send("'ping'$\n");
    assert_eq!(one.wire_bytes(), 0, "a line feed holds on to no block");
    let number = *one.calls.last().unwrap();
    let body = Bytes::from_static(b"{'pong''start'}$");
    one.tell(Input::EncodedReply { number, body });
    let scratch = one.session.release().unwrap();
    assert!(one.session.release().is_none());
    let mut other = Test::in_door();
    other.session.attach(scratch);
    assert_eq!(other.send("'ping'$ 'pi"), ["request 1 of door in start: ping"]);
    assert!(other.session.release().is_none(), "a packet has begun");
    // What is wrong is where its own stream has it.
    other.reply(ubf!(pong), "start");
    let closed = other.send("ng'$}$");
    assert_eq!(closed, ["request 2 of door in start: ping"]);
    let closed = other.reply(ubf!(pong), "start");
    assert!(closed[1].contains("at byte 15"), "{closed:?}");
}

impl Test {
    fn wire_bytes(&self) -> usize {
        self.session.wire.waiting()
    }
}
