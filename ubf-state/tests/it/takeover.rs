//! The vectors of `spec/vectors/takeover/courses.toml`: how a take-over ends (U2, U4).

use std::fs;

use serde::Deserialize;
use ubf_state::Time;
use ubf_state::takeover::{
    Back, LettingGo, Message, Predecessor, PredecessorInput, PredecessorOutput, Successor,
    SuccessorInput, SuccessorOutput, TakeoverTimes,
};

#[derive(Deserialize)]
struct Courses {
    old: Vec<Old>,
    new: Vec<New>,
}

#[derive(Deserialize)]
struct Old {
    name: String,
    hears: Vec<String>,
    does: Vec<String>,
}

#[derive(Deserialize)]
struct New {
    name: String,
    version: u32,
    hears: Vec<String>,
    does: Vec<String>,
}

fn courses() -> Courses {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/takeover/courses.toml");
    toml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn message(word: &str) -> Option<Message> {
    [Message::Ready, Message::Go, Message::Taking, Message::Abort, Message::Served]
        .into_iter()
        .find(|message| format!("{message:?}").to_lowercase() == word)
}

fn said(message: Message) -> String {
    format!("says {message:?}").to_lowercase()
}

/// What the old process does, as words of the vectors.
fn old_does(machine: &mut Predecessor, did: &mut Vec<String>) {
    while let Some(output) = machine.poll_output() {
        did.push(match output {
            PredecessorOutput::Send(message) => said(message),
            PredecessorOutput::LetGoOfConnections => "lets go of connections".into(),
            PredecessorOutput::Kill => "kills".into(),
            PredecessorOutput::Open => {
                machine.handle(PredecessorInput::Opened, Time::ZERO);
                "opens".into()
            }
            PredecessorOutput::GoOn(Back::Connections) => "goes on with all connections".into(),
            PredecessorOutput::GoOn(Back::Listeners) => "goes on with listeners alone".into(),
            PredecessorOutput::End => "ends".into(),
            other => panic!("{other:?}"),
        });
    }
}

#[test]
fn u2_u4_the_old_process_goes_on_as_the_vectors_say() {
    for Old { name, hears, does } in courses().old {
        let mut machine = Predecessor::new(TakeoverTimes::default());
        machine.handle(PredecessorInput::Heard(Message::Warm), Time::ZERO);
        assert_eq!(machine.poll_output(), Some(PredecessorOutput::Suspend));
        machine.handle(PredecessorInput::Suspended { descriptors: 2 }, Time::ZERO);
        let given = PredecessorOutput::Send(Message::Give { descriptors: 2 });
        assert_eq!(machine.poll_output(), Some(given));
        let mut did = Vec::new();
        for heard in hears {
            let (input, now) = match heard.as_str() {
                "end" => (PredecessorInput::StreamEnded, Time::ZERO),
                "nonsense" => (PredecessorInput::Garbled, Time::ZERO),
                "dead" => (PredecessorInput::Dead, Time::ZERO),
                "timer" => (PredecessorInput::Tick, machine.poll_timeout().unwrap()),
                word => (PredecessorInput::Heard(message(word).unwrap()), Time::ZERO),
            };
            machine.handle(input, now);
            old_does(&mut machine, &mut did);
        }
        assert_eq!(did, does, "{name}");
    }
}

#[test]
fn u2_the_new_process_serves_as_the_vectors_say() {
    for New { name, version, hears, does } in courses().new {
        let mut machine = Successor::new(LettingGo::of_version(version));
        machine.handle(SuccessorInput::Checked { is_well: true }, Time::ZERO);
        assert_eq!(machine.poll_output(), Some(SuccessorOutput::Send(Message::Warm)));
        let message_given = Message::Give { descriptors: 2 };
        let given = SuccessorInput::Heard { message: message_given, descriptors: 2 };
        machine.handle(given, Time::ZERO);
        assert_eq!(machine.poll_output(), Some(SuccessorOutput::Open));
        machine.handle(SuccessorInput::Opened, Time::ZERO);
        for heard in hears {
            let input = match heard.as_str() {
                "end" => SuccessorInput::StreamEnded,
                word => SuccessorInput::Heard { message: message(word).unwrap(), descriptors: 0 },
            };
            machine.handle(input, Time::ZERO);
        }
        let mut did = Vec::new();
        while let Some(output) = machine.poll_output() {
            did.push(match output {
                SuccessorOutput::Send(message) => said(message),
                SuccessorOutput::Serve => "serves".into(),
                SuccessorOutput::End => "ends".into(),
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(did, does, "{name}");
    }
}
