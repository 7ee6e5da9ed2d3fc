//! The one way out: data on stdout, messages on stderr.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Stderr, Stdout, StdoutLock, Write};

use anstream::{AutoStream, ColorChoice};

use crate::ui::palette::Palette;
use crate::ui::report::Report;

/// Columns of a table when stdout is no terminal.
const DEFAULT_COLUMNS: usize = 100;

/// To the upper left corner of a screen on which nothing is left.
const CLEAR_SCREEN: &[u8] = b"\x1b[H\x1b[2J";
/// To the beginning of the line, and nothing is left of it.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Stdout and stderr.
///
/// Every error that a method returns comes from stdout. What cannot be said on stderr is lost:
/// there is nobody to tell.
pub(crate) struct Output {
    data: BufWriter<StdoutLock<'static>>,
    palette: Palette,
    messages: AutoStream<Stderr>,
    message_palette: Palette,
    is_terminal: bool,
}

impl Output {
    pub(crate) fn new() -> Self {
        // Bytes of a packet may look like escape sequences, so nothing may ever be filtered out of
        // stdout: colours are decided here, and the stream itself is left alone.
        let colours =
            AutoStream::<Stdout>::auto(io::stdout()).current_choice() == ColorChoice::AlwaysAnsi;
        Self {
            is_terminal: io::stdout().is_terminal(),
            data: BufWriter::with_capacity(1 << 16, io::stdout().lock()),
            palette: Palette::new(colours),
            messages: AutoStream::auto(io::stderr()),
            message_palette: Palette::new(true),
        }
    }

    /// Writes bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.data.write_all(bytes)
    }

    /// Writes text as it is.
    pub(crate) fn text(&mut self, text: impl fmt::Display) -> io::Result<()> {
        write!(self.data, "{text}")
    }

    /// Writes text and ends the line.
    pub(crate) fn line(&mut self, text: impl fmt::Display) -> io::Result<()> {
        writeln!(self.data, "{text}")
    }

    /// The styles for text on stdout: all plain if it is no terminal.
    pub(crate) const fn palette(&self) -> Palette {
        self.palette
    }

    /// How wide a table on stdout may be.
    pub(crate) fn columns(&self) -> usize {
        if !self.is_terminal {
            return DEFAULT_COLUMNS;
        }
        terminal_size::terminal_size().map_or(DEFAULT_COLUMNS, |(width, _)| usize::from(width.0))
    }

    /// What follows takes the place of what was written before: on a terminal that is cleared for
    /// it, and elsewhere it stands below.
    pub(crate) fn next_page(&mut self) -> io::Result<()> {
        if self.is_terminal { self.bytes(CLEAR_SCREEN) } else { Ok(()) }
    }

    /// Gives away all that was written so far.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.data.flush()
    }

    /// Says on stderr what is wrong, after all that stdout was told before.
    pub(crate) fn report(&mut self, report: &Report) -> io::Result<()> {
        let flushed = self.data.flush();
        // Best effort, see above.
        self.messages.write_all(report.render(self.message_palette).as_bytes()).ok();
        flushed
    }

    /// Writes text to stderr as it is, in the styles of [`Self::message_palette`].
    #[cfg(unix)]
    pub(crate) fn aside(&self, text: &str) {
        io::stderr().write_all(text.as_bytes()).ok();
    }

    /// The styles for text on stderr that nobody filters: all plain if it is no terminal.
    #[cfg(unix)]
    pub(crate) fn message_palette(&self) -> Palette {
        Palette::new(self.messages.current_choice() == ColorChoice::AlwaysAnsi)
    }

    /// Whether stderr is a terminal on which a line can be written anew.
    pub(crate) fn messages_move(&self) -> bool {
        io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// Says a line on stderr that the next one takes the place of. It is cut to the terminal.
    pub(crate) fn passing_note(&mut self, text: impl fmt::Display) {
        let text = text.to_string();
        let width = terminal_size::terminal_size_of(io::stderr())
            .map_or(DEFAULT_COLUMNS, |(width, _)| usize::from(width.0));
        let text = crate::ui::text::shorten(&text, width.saturating_sub(1));
        let Palette { faint, .. } = self.message_palette;
        write!(io::stderr(), "{CLEAR_LINE}").ok();
        write!(self.messages, "{faint}{text}{faint:#}").ok();
    }

    /// Takes the line of [`Self::passing_note`] away.
    pub(crate) fn clear_passing_note(&mut self) {
        write!(io::stderr(), "{CLEAR_LINE}").ok();
    }

    /// Says a line on stderr that is no error.
    pub(crate) fn note(&mut self, text: impl fmt::Display) {
        let Palette { faint, .. } = self.message_palette;
        writeln!(self.messages, "{faint}{text}{faint:#}").ok();
    }
}
