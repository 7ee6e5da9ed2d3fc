//! The specification's dialogues: what one end is given, and what it must do.
//!
//! Each end is run alone: it is given what the other one sends according to the vector, and must
//! send exactly its own bytes. So a mistake that both make is found too. That each requirement of the
//! book has a vector is a matter of the suite (`ubf-conformance/tests/requirements.rs`).

#[cfg(feature = "mutants")]
mod mutants;
mod takeover;

use ubf_conformance::dialogue::{Dialogue, Folder, Strictness, load, play};
use ubf_conformance::files::Files;
use ubf_conformance::implementation::Refusal;
use ubf_conformance::ours::Machines;
use ubf_conformance::outcome::Side;

fn dialogues(folder: Folder) -> Vec<Dialogue> {
    load(&Files::built_in(), folder).unwrap_or_else(|problem| panic!("{problem}"))
}

/// The name of a dialogue's file, without the folder and the end.
fn file(dialogue: &Dialogue) -> &str {
    let name = dialogue.file.strip_suffix(".toml").unwrap_or(&dialogue.file);
    name.split_once('/').map_or(name, |(_, name)| name)
}

/// The dialogues that an end does not follow, each with the reason. All at once, so that a change
/// of the rules shows all that it changes.
fn failures(folder: Folder, side: Side) -> Vec<String> {
    let strictness = Strictness { with_notices: true, in_one_order: true };
    let mut failures = Vec::new();
    for dialogue in dialogues(folder).iter().filter(|dialogue| dialogue.is_for(side)) {
        if let Err(refusal) = play(&mut Machines::default(), dialogue, side, strictness) {
            let problem = match refusal {
                Refusal::Failed(problem) => problem,
                other => format!("{other:?}"),
            };
            failures.push(format!("{}: {}: {problem}", file(dialogue), dialogue.name));
        }
    }
    failures
}

/// It does what all vectors of the folder say.
fn follows(folder: Folder, side: Side) {
    let failures = failures(folder, side);
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_client_does_what_the_vectors_of_connections_say() {
    follows(Folder::Connections, Side::Client);
}

#[test]
fn the_server_does_what_the_vectors_of_connections_say() {
    follows(Folder::Connections, Side::Server);
}

#[test]
fn the_client_does_what_the_vectors_of_sessions_say() {
    follows(Folder::Sessions, Side::Client);
}

#[test]
fn the_server_does_what_the_vectors_of_sessions_say() {
    follows(Folder::Sessions, Side::Server);
}
