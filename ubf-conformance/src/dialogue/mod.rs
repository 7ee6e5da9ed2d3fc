//! Dialogues: what one end is told, and what it must do, with a clock that is told too.
//!
//! A client and a server keep rules that no single packet shows. A dialogue of the vectors is run
//! over one end at a time: it is told what the other one sends, and what its program, its network
//! and its clock do; and it must do what the dialogue says, and nothing else.

mod act;
mod beginning;
mod play;
mod script;
mod told;
mod words;

use serde::Deserialize;

use crate::files::Files;
use crate::implementation::{Answer, Refusal};
use crate::outcome::Side;

pub use self::act::Act;
pub(crate) use self::act::{read_acts, read_lines_of, write_acts};
pub use self::beginning::Beginning;
pub use self::play::{Strictness, play};
pub use self::told::{Body, Told};

use self::script::Step;

/// An end of a connection that is told what happens, and says what it does.
pub trait Machine {
    /// Begins a dialogue: what went before is forgotten. It is 0 ms. Connection 0 has just been
    /// made, but for a client that has `addresses`.
    fn begin(&mut self, beginning: &Beginning) -> Answer<Vec<Act>>;

    /// Something happens: what it does about it, in order.
    fn tell(&mut self, told: &Told) -> Answer<Vec<Act>>;

    /// The same of a [classic](crate::classic) session: `begin …` or `tell …`, and what it does, a
    /// line each.
    fn classic(&mut self, line: &str) -> Answer<Vec<String>> {
        let _ = line;
        Err(Refusal::Unsupported)
    }
}

/// The folders of dialogues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// Of single connections.
    Connections,
    /// Of sessions that outlive them.
    Sessions,
}

impl Folder {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Connections, Self::Sessions];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Sessions => "sessions",
        }
    }
}

/// What a vector shows of its rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// What is usual.
    #[default]
    Usual,
    /// The last value that is allowed and the first that is not, or rules that meet.
    Edge,
    /// The other end breaks the rule, or something fails.
    Fault,
}

/// A dialogue of the vectors.
#[derive(Debug, Clone)]
pub struct Dialogue {
    /// The file, from the folder of vectors on: `connections/drain.toml`.
    pub file: String,
    /// Where it is from.
    pub folder: Folder,
    /// A sentence that says what is shown.
    pub name: String,
    /// The rules that it shows, the chief one first.
    pub rules: Vec<String>,
    /// What it shows of them.
    pub case: Case,
    /// The one end that is run; both if there is none.
    pub side: Option<Side>,
    client: Beginning,
    server: Beginning,
    steps: Vec<Step>,
}

impl Dialogue {
    /// Whether it is for that end.
    pub fn is_for(&self, side: Side) -> bool {
        self.side.is_none_or(|own| own == side)
    }

    /// How that end begins.
    pub fn beginning(&self, side: Side) -> &Beginning {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }
}

/// All dialogues of a folder, by file and in the order of each file.
///
/// # Errors
///
/// A sentence that names the file and what is wrong with it.
pub fn load(files: &Files, folder: Folder) -> Result<Vec<Dialogue>, String> {
    let mut dialogues: Vec<Dialogue> = Vec::new();
    for (file, text) in files.folder(folder.word()) {
        let parsed: File = toml::from_str(text).map_err(|error| format!("{file}: {error}"))?;
        for raw in parsed.dialogue {
            let name = raw.name.clone();
            if dialogues.iter().any(|known| known.name == name && known.file == file) {
                return Err(format!("{file}: two dialogues are called `{name}`"));
            }
            let dialogue = raw.check(file, folder);
            dialogues.push(dialogue.map_err(|error| format!("{file}: `{name}`: {error}"))?);
        }
    }
    if dialogues.is_empty() {
        return Err(format!("{}: there is no dialogue in this directory", folder.word()));
    }
    Ok(dialogues)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    dialogue: Vec<Raw>,
}

/// A dialogue as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    rules: Vec<String>,
    #[serde(default)]
    case: Case,
    side: Option<Side>,
    service: Option<String>,
    remembered: Option<u32>,
    client_versions: Vec<u32>,
    server_versions: Vec<u32>,
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    client: toml::Table,
    #[serde(default)]
    server: toml::Table,
    step: Vec<Step>,
}

impl Raw {
    fn check(self, file: &str, folder: Folder) -> Result<Dialogue, String> {
        let mut client = Beginning::new(Side::Client, &self.client_versions);
        let mut server = Beginning::new(Side::Server, &self.server_versions);
        if let Some(service) = &self.service {
            client.set("service", hex::encode(service));
            server.set("service", hex::encode(service));
        }
        if let Some(remembered) = self.remembered {
            client.set("remembered", remembered.to_string());
        }
        if !self.addresses.is_empty() {
            client.set("addresses", self.addresses.join(","));
        }
        if folder == Folder::Sessions {
            client.set("session", "wanted".to_owned());
            client.set("ids", IDS.map(hex::encode).join(","));
        }
        client.set_all(&self.client)?;
        server.set_all(&self.server)?;
        Ok(Dialogue {
            file: file.to_owned(),
            folder,
            name: self.name,
            rules: self.rules,
            case: self.case,
            side: self.side,
            client,
            server,
            steps: self.step,
        })
    }
}

/// S1: the Ids that a client draws.
const IDS: [&str; 2] = ["0123456789abcdef", "fedcba9876543210"];
