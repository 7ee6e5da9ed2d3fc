//! Dialogues of classic sessions: what one end is told, and what it must do, a line each.
//!
//! They are apart from other [dialogues](crate::dialogue), since a classic session has other words:
//! terms in place of bodies, names of states, services that are started.

mod script;

use serde::Deserialize;

use crate::dialogue::Machine;
use crate::files::Files;
use crate::implementation::{Answer, Refusal};
use crate::outcome::Side;

use self::script::{Raw, RawDialogue};

/// A dialogue of one end of a classic session.
#[derive(Debug, Clone)]
pub struct ClassicDialogue {
    /// The file, from the folder of vectors on: `classic/server.toml`.
    pub file: String,
    /// A sentence that says what is shown.
    pub name: String,
    /// The requirements that it shows, the chief one first.
    pub rules: Vec<String>,
    /// The end that is run.
    pub side: Side,
    /// How it begins, a line.
    begin: String,
    parts: Vec<Part>,
}

/// What a step is to the end that is run: a line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// It is told.
    Told(String),
    /// It does this.
    Does(String),
}

/// All dialogues of classic sessions.
///
/// # Errors
///
/// A sentence that names the file and what is wrong with it.
pub fn load(files: &Files) -> Result<Vec<ClassicDialogue>, String> {
    let mut dialogues = Vec::new();
    for (file, text) in files.folder("classic") {
        let side = match file {
            "classic/server.toml" => Side::Server,
            "classic/client.toml" => Side::Client,
            _ => return Err(format!("{file}: nobody knows whose end it is about")),
        };
        let raw: Raw = toml::from_str(text).map_err(|error| format!("{file}: {error}"))?;
        for dialogue in raw.dialogue {
            let problem = |problem| format!("{file}: `{}`: {problem}", dialogue.name);
            let parts = dialogue.parts(side).map_err(problem)?;
            let begin = dialogue.begin(side, &raw.contract);
            let RawDialogue { name, rules, .. } = dialogue;
            dialogues.push(ClassicDialogue {
                file: file.to_owned(),
                name,
                rules,
                side,
                begin,
                parts,
            });
        }
    }
    Ok(dialogues)
}

/// Runs a dialogue.
///
/// # Errors
///
/// The end does not do what the dialogue says, or does more; or it does not answer.
pub fn play(machine: &mut dyn Machine, dialogue: &ClassicDialogue) -> Answer<()> {
    let mut acts = machine.classic(&format!("begin {}", dialogue.begin))?.into_iter();
    for (index, part) in dialogue.parts.iter().enumerate() {
        let problem = match part {
            Part::Does(expected) => match acts.next() {
                Some(act) if act == *expected => None,
                act => Some(format!("got `{}`, expected `{expected}`", act.unwrap_or_default())),
            },
            Part::Told(told) => match acts.next() {
                None => {
                    acts = machine.classic(&format!("tell {told}"))?.into_iter();
                    None
                }
                Some(act) => Some(format!("got `{act}`, expected nothing before it")),
            },
        };
        if let Some(problem) = problem {
            return Err(Refusal::Failed(format!("step {}: {problem}", index + 1)));
        }
    }
    match acts.next() {
        None => Ok(()),
        Some(act) => Err(Refusal::Failed(format!("at the end: got `{act}`"))),
    }
}

/// What the hello of a dialogue is.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Hello {
    /// What the server says: name and help.
    Said([String; 2]),
    /// Whether the client waits for one.
    Awaited(String),
}
