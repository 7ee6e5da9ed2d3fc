//! What helps those who type: completion, hints, and lines that go on until their brackets are
//! closed.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::line::CommandLine;
use super::session::Words;
use crate::packets::passage::Split as _;
use crate::packets::terms::TermSplitter;
use crate::ui::palette::Palette;

/// Knows the commands, the words that were seen, and the requests of a contract.
pub(super) struct LineHelper {
    pub(super) words: Arc<Mutex<Words>>,
    pub(super) palette: Palette,
    commands: &'static [CommandLine],
    history: HistoryHinter,
}

impl LineHelper {
    pub(super) fn new(
        words: Arc<Mutex<Words>>,
        palette: Palette,
        commands: &'static [CommandLine],
    ) -> Self {
        Self { words, palette, commands, history: HistoryHinter::new() }
    }
}

impl Helper for LineHelper {}

impl Completer for LineHelper {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..pos).unwrap_or(line);
        if before.starts_with(':') && !before.contains(char::is_whitespace) {
            let names = self
                .commands
                .iter()
                .map(|(name, ..)| *name)
                .filter(|name| name.starts_with(before));
            return Ok((0, names.map(ToOwned::to_owned).collect()));
        }
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let requests: Vec<String> =
            words.requests_beginning_with(before).map(ToOwned::to_owned).collect();
        if !requests.is_empty() {
            return Ok((0, requests));
        }
        let is_part = |character: char| {
            character.is_ascii_alphanumeric() || character == '_' || character == '@'
        };
        let start = before.trim_end_matches(is_part).len();
        let word = before.get(start..).unwrap_or_default();
        if word.is_empty() {
            return Ok((pos, Vec::new()));
        }
        Ok((start, words.beginning_with(word).map(ToOwned::to_owned).collect()))
    }
}

impl Hinter for LineHelper {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<String> {
        if pos < line.len() || !line.starts_with(':') {
            return self.history.hint(line, pos, context);
        }
        let mut matching = self.commands.iter().filter(|(name, ..)| name.starts_with(line));
        match (matching.next(), matching.next()) {
            (Some((name, usage, _)), None) => Some(format!("{}{usage}", name.get(line.len()..)?)),
            _ => None,
        }
    }
}

impl Highlighter for LineHelper {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        let faint = self.palette.faint;
        Cow::Owned(format!("{faint}{hint}{faint:#}"))
    }
}

impl Validator for LineHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_whole(context.input()) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

/// Whether all brackets and quotes of a line are closed.
fn is_whole(text: &str) -> bool {
    let mut splitter = TermSplitter::new();
    splitter.buffer().extend_from_slice(text.as_bytes());
    splitter.buffer().extend_from_slice(b"\n");
    while splitter.next(false).is_some() {}
    // Nothing but white space and comments is left.
    splitter.next(true).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_on_until_its_brackets_are_closed() {
        for whole in ["", "{a,1}", "{a,\n1}", ":fail 10", "\"a b\"", "% {", "}"] {
            assert!(is_whole(whole), "{whole}");
        }
        for open in ["{a,", "[1,\n2", "\"a", "<<1,", ":event {a,"] {
            assert!(!is_whole(open), "{open}");
        }
    }
}
