//! The terminal of a conversation: a line that is being edited, and text that comes in the
//! meantime.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Config, Editor, ExternalPrinter as _};

use super::editor::LineHelper;
use super::session::{Screen, Shown, Words};
use crate::ui::palette::Palette;

/// Lines that are kept.
const MAX_HISTORY: usize = 1000;

pub(crate) struct Terminal {
    editor: Editor<LineHelper, DefaultHistory>,
    history: Option<PathBuf>,
}

/// What was typed.
pub(crate) enum Typed {
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D.
    End,
}

impl Terminal {
    /// Takes the terminal, and gives a screen whose text stands above the line that is edited.
    pub(crate) fn open(palette: Palette, keeps_history: bool) -> rustyline::Result<(Self, Screen)> {
        let config =
            Config::builder().max_history_size(MAX_HISTORY)?.history_ignore_space(true).build();
        let mut editor = Editor::with_config(config)?;
        let history = if keeps_history { history_file() } else { None };
        if let Some(path) = &history {
            // There is none before the first time.
            editor.load_history(path).ok();
        }
        let printer = Mutex::new(editor.create_external_printer()?);
        let screen = Arc::new(move |shown| {
            let text = match shown {
                Shown::Data(text) => format!("{text}\n"),
                Shown::Note(text) => format!("{0}{text}{0:#}\n", palette.faint),
            };
            // What cannot be shown is lost: there is nobody to tell.
            printer.lock().unwrap_or_else(PoisonError::into_inner).print(text).ok();
        });
        Ok((Self { editor, history }, screen))
    }

    /// Helps with these words from here on.
    pub(crate) fn help_with(&mut self, words: Arc<Mutex<Words>>, palette: Palette) {
        self.editor.set_helper(Some(LineHelper::new(words, palette)));
    }

    /// The next line.
    pub(crate) fn read(&mut self, prompt: &str) -> rustyline::Result<Typed> {
        match self.editor.readline(prompt) {
            Ok(line) => {
                self.keep(&line);
                Ok(Typed::Line(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Typed::Interrupted),
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(error),
        }
    }

    /// A history that cannot be kept is not worth an error.
    fn keep(&mut self, line: &str) {
        if self.editor.add_history_entry(line).unwrap_or(false)
            && let Some(path) = &self.history
        {
            self.editor.append_history(path).ok();
        }
    }
}

/// `$XDG_STATE_HOME/ubf/history`, as the XDG base directory specification has it. `None` if there
/// is no such place.
fn history_file() -> Option<PathBuf> {
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| env::home_dir().map(|home| home.join(".local/state")))?;
    let folder = state.join("ubf");
    fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}
