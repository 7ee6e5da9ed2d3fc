//! Sessions held against a contract.

use ubf_codec::Term;
use ubf_contract::{
    BrokenBy, Checker, ContractDialect, Reader, SessionChecker, SessionState, Strings,
};

const LIFT: &str = "+NAME(\"lift\"). +VSN(\"1\").
+TYPES call() :: {call, floor()}; floor() :: 0..9; coming() :: coming; full() :: full;
  enter() :: enter; in() :: in; to() :: {call, 0..99}; moving() :: {moving, floor()};
  ask() :: where; at() :: {at, floor()}; ding() :: ding; alarm() :: {alarm, ubfstring()}.
+STATE start call() => coming() & waiting | full() & start; EVENT => ding().
+STATE waiting enter() => in() & inside | full() & stop.
+STATE inside to() => moving() & inside; EVENT <= alarm().
+ANYSTATE ask() => at(); call() => full(); EVENT => at().";

fn sessions(dialect: ContractDialect, text: &str) -> SessionChecker {
    let contract = Reader::new().with_dialect(dialect).read(text);
    SessionChecker::new(Checker::new(contract.unwrap_or_else(|error| panic!("{error}: {text}"))))
}

fn lift() -> SessionChecker {
    sessions(ContractDialect::V2, LIFT)
}

fn term(text: &str) -> Term {
    text.parse().unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A request and its answer in a state: the next state's name, or what is broken.
fn step(state: &str, request: &str, reply: &str, next: &str) -> String {
    let lift = lift();
    let state = lift.state(state).unwrap();
    let accepted = match lift.request(state, &term(request)) {
        Ok(accepted) => accepted,
        Err(broken) => {
            assert_eq!((broken.by, broken.state), (BrokenBy::Client, state));
            return format!("client: {broken}");
        }
    };
    match lift.reply(&accepted, &term(reply), lift.state(next)) {
        Ok(next) => lift.name(next).unwrap().to_latin1(),
        Err(broken) => {
            assert_eq!(broken.state, state, "the state stays");
            format!("server: {broken}")
        }
    }
}

#[test]
fn each_state_has_its_requests_and_outcomes() {
    for (state, request, reply, next, expected) in [
        ("start", "{call,3}", "coming", "waiting", "waiting"),
        ("start", "{call,3}", "full", "start", "start"),
        (
            "start",
            "{call,3}",
            "full",
            "waiting",
            "server: in state start: expected coming(), found full",
        ),
        (
            "start",
            "{call,3}",
            "coming",
            "inside",
            "server: in state start: no answer to the request goes to state inside",
        ),
        (
            "start",
            "{call,3}",
            "coming",
            "roof",
            "server: in state start: the server went to a state that the contract does not have",
        ),
        (
            "start",
            "{call,10}",
            "full",
            "start",
            "client: in state start: element 2: expected 0..9, found 10 (nearest is {call, floor()})",
        ),
        (
            "start",
            "enter",
            "in",
            "start",
            "client: in state start: expected call() or ask(), found enter",
        ),
        ("waiting", "enter", "full", "stop", "stop"),
        ("inside", "{call,99}", "{moving,9}", "inside", "inside"),
    ] {
        assert_eq!(step(state, request, reply, next), expected, "{request} in {state}");
    }
}

#[test]
fn any_state_counts_where_no_rule_of_the_state_takes_the_request() {
    // In `start` and `inside` a rule of the state takes it, so that ANYSTATE's answer is wrong.
    assert_eq!(step("waiting", "{call,1}", "full", "waiting"), "waiting");
    assert!(step("inside", "{call,1}", "full", "inside").starts_with("server: "));
    assert_eq!(step("stop", "where", "{at,0}", "stop"), "stop");
    assert!(step("inside", "where", "{at,0}", "start").starts_with("server: "));
}

#[test]
fn in_1_12_any_state_counts_beside_the_state() {
    let text = "+NAME(\"m\"). +VSN(\"1\"). +TYPES a() = a; b() = b; c() = c.
        +STATE start a() => b() & start. +ANYSTATE a() => c().";
    for (dialect, text, expected) in [
        (ContractDialect::V1_12, text.to_owned(), true),
        (ContractDialect::V2, text.replace(" = ", " :: "), false),
    ] {
        let sessions = sessions(dialect, &text);
        let accepted = sessions.request(sessions.entry(), &term("a")).unwrap();
        let start = sessions.state("start");
        assert!(sessions.reply(&accepted, &term("b"), start).is_ok());
        assert_eq!(sessions.reply(&accepted, &term("c"), start).is_ok(), expected);
    }
}

#[test]
fn replies_that_name_no_state_go_to_that_of_the_first_outcome_that_fits() {
    let lift = lift();
    let accepted = lift.request(lift.entry(), &term("{call,1}")).unwrap();
    assert_eq!(
        lift.reply_unnamed(&accepted, &term("coming")).unwrap(),
        lift.state("waiting").unwrap()
    );
    let broken = lift.reply_unnamed(&accepted, &term("going")).unwrap_err();
    assert_eq!(broken.to_string(), "in state start: expected coming() or full(), found going");
}

#[test]
fn events_have_a_direction() {
    let lift = lift();
    let inside = lift.state("inside").unwrap();
    assert!(lift.event_out(lift.entry(), &term("ding")).is_ok());
    assert!(lift.event_out(inside, &term("{at,3}")).is_ok(), "in any state");
    assert!(lift.event_in(inside, &term("{alarm,\"help\"}")).is_ok());
    let broken = lift.event_out(inside, &term("{alarm,\"help\"}")).unwrap_err();
    assert_eq!(broken.by, BrokenBy::EventOut);
    let broken = lift.event_in(lift.entry(), &term("ding")).unwrap_err();
    assert_eq!(broken.to_string(), "in state start: no event is allowed");
}

#[test]
fn a_contract_without_states_has_only_the_rules_of_any_state() {
    let text = "+NAME(\"m\"). +VSN(\"1\"). +TYPES a() :: a; b() :: b. +ANYSTATE a() => b().";
    let sessions = sessions(ContractDialect::V2, text);
    assert_eq!(sessions.entry(), SessionState::Stateless);
    let accepted = sessions.request(SessionState::Stateless, &term("a")).unwrap();
    let stays = Some(SessionState::Stateless);
    assert!(sessions.reply(&accepted, &term("b"), stays).is_ok());
    assert!(sessions.reply(&accepted, &term("b"), sessions.state("stop")).is_err());
}

#[test]
fn broken_contracts_are_told_as_existing_servers_tell_them() {
    let lift = lift();
    let waiting = lift.state("waiting").unwrap();
    assert_eq!(
        lift.client_broke_term(waiting, &term("jump")).to_string(),
        "{clientBrokeContract,jump,[{input,{prim,1,1,enter},\
         [{output,{prim,1,1,in},inside},{output,{prim,1,1,full},stop}]}]}"
    );
    let accepted = lift.request(waiting, &term("enter")).unwrap();
    assert_eq!(
        lift.server_broke_term(&accepted, &term("enter"), &term("oops")).to_string(),
        "{serverBrokeContract,{enter,oops},[{prim,1,1,in},{prim,1,1,full}]}"
    );
    let old = sessions(
        ContractDialect::V1_12,
        "+NAME(\"m\"). +VSN(\"1\"). +TYPES a() = a. +STATE start a() => a() & start. +ANYSTATE a() => a().",
    );
    assert_eq!(
        old.client_broke_term(old.entry(), &term("b")).to_string(),
        "{clientBrokeContract,{state,start},[{input,{prim,a},[{output,{prim,a},start}]}]}"
    );
}

#[test]
fn strings_may_be_tuples_in_sessions_too() {
    let text = "+NAME(\"m\"). +VSN(\"1\"). +TYPES a() :: tuple(). +ANYSTATE a() => a().";
    let contract = Reader::new().read(text).unwrap();
    let sessions = SessionChecker::new(Checker::with_strings(contract, Strings::AsTuples));
    assert!(sessions.request(sessions.entry(), &term("\"s\"")).is_ok());
}
