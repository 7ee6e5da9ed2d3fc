//! What is wrong with the options: all of it at once, each with its place.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// How alike two words must be for one to be taken for the other: what `clap` takes for its flags.
const ALIKE: f64 = 0.7;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nobody has said anything.
    Default,
    /// This line of a file.
    File(Arc<Path>, usize),
    /// This variable of the environment.
    Variable(String),
    /// This flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// What is wrong with a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    text: String,
    hint: Option<&'static str>,
}

impl Wrong {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None }
    }

    /// What is wrong, without the hint.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

/// All that is wrong, or all that is to be mended later.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Problems {
    lines: Vec<String>,
    hints: Vec<&'static str>,
}

impl Problems {
    pub(super) fn add(&mut self, place: impl fmt::Display, wrong: Wrong) {
        let Wrong { text, hint } = wrong;
        self.lines.push(format!("{place}: {text}"));
        self.hints.extend(hint.filter(|hint| !self.hints.contains(hint)));
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// A line for each, without the hints.
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// What is printed: a line for each, which begins with the name of the program, then the hints.
    pub(crate) fn to_text(&self, program: &str) -> String {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(&format!("{program}: {line}\n"));
        }
        for (index, hint) in self.hints.iter().enumerate() {
            let blank = if index == 0 { "\n" } else { "" };
            text.push_str(&format!("{blank}hint: {hint}\n"));
        }
        text
    }
}

/// In one line, for a log.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("; "))
    }
}

/// The word that is most like this one, if it is alike.
pub(super) fn did_you_mean<'a>(
    word: &str,
    known: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let likeness = |known: &&str| strsim::jaro(word, known);
    let (likeness, known) = known
        .map(|known| (likeness(&known), known))
        .max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (likeness > ALIKE).then_some(known)
}
