//! The terminal of a conversation: a line that is being edited, and text that comes in the
//! meantime.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Config, Editor, ExternalPrinter};

use super::editor::LineHelper;
use super::line::CommandLine;
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
    Lines(String),
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
        let screen = match editor.create_external_printer() {
            Ok(printer) => above_the_line(printer, palette),
            // A terminal that cannot move its cursor: lines are read as it gives them.
            Err(_) => plain(own_stdout()?, palette),
        };
        Ok((Self { editor, history }, screen))
    }

    /// Helps with these words from here on.
    pub(crate) fn help_with(
        &mut self,
        words: Arc<Mutex<Words>>,
        palette: Palette,
        commands: &'static [CommandLine],
    ) {
        self.editor.set_helper(Some(LineHelper::new(words, palette, commands)));
    }

    /// The next lines: several if they were pasted.
    pub(crate) fn read(&mut self, prompt: &str) -> rustyline::Result<Typed> {
        match self.editor.readline(prompt) {
            Ok(line) => {
                self.keep(&line);
                Ok(Typed::Lines(line))
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

/// Shows text above the line that is being edited.
fn above_the_line(printer: impl ExternalPrinter + Send + 'static, palette: Palette) -> Screen {
    let printer = Mutex::new(printer);
    Arc::new(move |shown| {
        let text = rendered(&shown, palette);
        // What cannot be shown is lost: there is nobody to tell.
        printer.lock().unwrap_or_else(PoisonError::into_inner).print(text).ok();
    })
}

fn rendered(shown: &Shown, palette: Palette) -> String {
    match shown {
        Shown::Data(text) => format!("{text}\n"),
        Shown::Note(text) => format!("{0}{text}{0:#}\n", palette.faint),
    }
}

/// Shows text where the cursor is.
fn plain(stdout: File, palette: Palette) -> Screen {
    let stdout = Mutex::new(stdout);
    Arc::new(move |shown| {
        let text = rendered(&shown, palette);
        let mut stdout = stdout.lock().unwrap_or_else(PoisonError::into_inner);
        // One write for the whole text: others may write at the same time.
        stdout.write_all(text.as_bytes()).ok();
    })
}

/// The standard output for text that comes from any thread: the thread that reads lines holds the
/// lock of `io::stdout` all the time.
fn own_stdout() -> io::Result<File> {
    #[cfg(unix)]
    let stdout = std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned()?;
    #[cfg(windows)]
    let stdout = std::os::windows::io::AsHandle::as_handle(&io::stdout()).try_clone_to_owned()?;
    Ok(stdout.into())
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
