//! Contracts of rules, and what is said of those that are none.

use serde::{Deserialize, Serialize};
use ubf_contract::{Contract, ContractBuilder, Described, Message, Reader};

#[derive(Serialize, Deserialize, Described)]
#[serde(rename_all = "snake_case")]
enum Request {
    Ring(u8),
    Stop,
}

#[derive(Serialize, Deserialize, Described)]
#[serde(rename_all = "snake_case")]
enum Response {
    Done,
    No(String),
}

fn bell() -> ContractBuilder {
    let done = || Message::variant::<Response>("done");
    ContractBuilder::new("bell", "1")
        .state("start", |rules| {
            rules.call(Message::variant::<Request>("ring"), [(Message::of::<Response>(), "start")]);
            rules.call(Message::variant::<Request>("stop"), [(done(), "stop"), (done(), "start")]);
            rules.event_out(Message::of::<u8>());
            rules.event_in(Message::of::<(u8, u8)>());
        })
        .any_state(|rules| {
            rules.call(Message::of::<bool>(), done());
            rules.event_out(Message::of::<bool>());
            rules.event_in(Message::of::<bool>());
        })
}

const BELL: &str = r#"+NAME("bell").
+VSN("1").

+TYPES
  ring() :: {ring, byte()};
  response() :: done | {no, ubfstring()};
  stop() :: stop;
  done() :: done;
  message() :: {byte(), byte()}.

+STATE start
  ring() => response() & start;
  stop() => done() & stop | done() & start;
  EVENT => byte();
  EVENT <= message().

+ANYSTATE
  boolean() => done();
  EVENT => boolean();
  EVENT <= boolean().
"#;

#[test]
fn all_kinds_of_rules_are_written() {
    let contract = bell().build().unwrap();
    assert_eq!(String::from_utf8(contract.print()).unwrap(), BELL);
    assert_eq!(contract.position(contract.types()[1].name_span.start).line, 6);
}

fn read(text: &str) -> Contract {
    Reader::new().read(text).unwrap()
}

/// What differs if the file has `to` where the code would have `from`.
fn differences(from: &str, to: &str) -> Vec<String> {
    let text = BELL.replace(from, to);
    assert_ne!(text, BELL);
    match read(&text).agrees_with(&bell().build().unwrap()) {
        Ok(()) => Vec::new(),
        Err(error) => error.differences().to_vec(),
    }
}

#[test]
fn what_is_written_otherwise_is_no_difference() {
    assert_eq!(differences("byte(), byte()", "0..100 | 101..255, byte()"), [""; 0]);
    assert_eq!(
        differences("  EVENT => byte();\n", "  EVENT => byte();\n  EVENT => byte();\n"),
        [""; 0]
    );
    assert_eq!(differences("+VSN(\"1\")", "+VSN(\"2\")"), [""; 0]);
}

#[test]
fn what_one_side_allows_alone_is_told_with_its_place() {
    assert_eq!(
        differences("{ring, byte()}", "{ring, 0..256}"),
        [
            "in state start, the contract allows the request {ring,256}, the code does not (contract 12:3)"
        ]
    );
    assert_eq!(
        differences("{ring, byte()}", "{ring, 1..255}"),
        ["in state start, the code allows the request {ring,0}, the contract does not (code 12:3)"]
    );
    assert_eq!(
        differences(" | done() & start", ""),
        ["in state start, the code allows the answer done with next state start to stop, \
          the contract does not (contract 13:3, code 13:3)"]
    );
    assert_eq!(
        differences("  EVENT => byte();\n", ""),
        [
            "in state start, the code allows the event 0 of the server, the contract does not (code 14:3)"
        ]
    );
    assert_eq!(
        differences("EVENT <= message()", "EVENT <= message();\n  EVENT <= byte()"),
        [
            "in state start, the contract allows the event 0 of the client, the code does not (contract 16:3)"
        ]
    );
    assert_eq!(
        differences("NAME(\"bell\")", "NAME(\"gong\")"),
        ["the service is gong in the contract and bell in the code"; 2]
    );
}

#[test]
fn a_disagreement_shows_the_contract_of_the_code() {
    let file = read(&BELL.replace("{ring, byte()}", "{ring, 0..256}"));
    let error = file.agrees_with(&bell().build().unwrap()).unwrap_err();
    assert_eq!(error.code(), BELL);
    assert!(
        error.to_string().ends_with(&format!("the contract of the code is:\n{}", BELL.trim_end()))
    );
}

#[derive(Serialize, Deserialize, Described)]
struct Bad {
    #[contract(type = "1..x")]
    field: u8,
}

#[derive(Serialize, Deserialize, Described)]
#[serde(rename = "it's")]
struct Quoted;

#[test]
fn what_is_no_contract_is_told_at_once() {
    let error = |contract: ContractBuilder| contract.build().unwrap_err().to_string();
    let ring = |next: &'static str| {
        ContractBuilder::new("bell", "1").state("start", move |rules| {
            rules.call(Message::variant::<Request>("ring"), [(Message::of::<u8>(), next)]);
        })
    };
    let gone = error(ring("gone"));
    assert!(gone.starts_with("6:22: state gone does not exist\nin what was written"), "{gone}");
    let missing =
        ring("start").any_state(|rules| rules.event_out(Message::variant::<Request>("rang")));
    assert_eq!(error(missing), "described::builder::Request has no variant rang, but ring, stop");
    let bad = ContractBuilder::new("a\"b", "1")
        .with_type(Message::of::<Quoted>())
        .with_type(Message::of::<Bad>());
    assert_eq!(
        error(bad),
        "the name it's has a quote, which cannot be written\n\
         the name a\"b has a \", which cannot be written"
    );
    let bad = ContractBuilder::new("a", "1").with_type(Message::of::<Bad>());
    assert!(error(bad).contains("\nin what was written from the code:\n+NAME(\"a\")."));
}
