//! The specification's dialogues of classic sessions, run against both ends.

#![allow(clippy::panic, reason = "the functions that tests share are not seen as tests")]

use ubf_conformance::classic::{load, play};
use ubf_conformance::files::Files;
use ubf_conformance::ours::Machines;
use ubf_conformance::outcome::Side;

/// All failures at once, so that a change of the rules shows all that it changes.
fn follows(side: Side) {
    let dialogues = load(&Files::built_in()).unwrap_or_else(|problem| panic!("{problem}"));
    let failure = |dialogue: &ubf_conformance::classic::ClassicDialogue| {
        let refusal = play(&mut Machines::default(), dialogue).err()?;
        Some(format!("{}: {refusal:?}", dialogue.name))
    };
    let of_side = dialogues.iter().filter(|dialogue| dialogue.side == side);
    let failures: Vec<String> = of_side.filter_map(failure).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_server_does_what_the_vectors_say() {
    follows(Side::Server);
}

#[test]
fn the_client_does_what_the_vectors_say() {
    follows(Side::Client);
}
