//! The log of this program, for other programs of the tool.

use std::io;

use crate::log::{Log, LogForm, filter};

/// A log on stderr as the server's own: it never makes the program wait. What cannot be written is
/// counted and told.
#[derive(Clone, Debug)]
pub struct ProgramLog(Log);

/// Why a program cannot log.
#[derive(Debug)]
#[non_exhaustive]
pub enum LogError {
    /// The text is no filter.
    Filter(String),
    /// The log cannot begin, or the process has one already.
    Install(io::Error),
}

impl std::fmt::Display for LogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Filter(why) => write!(f, "--log-filter: {why}"),
            Self::Install(error) => write!(f, "cannot log: {error}"),
        }
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Filter(_) => None,
            Self::Install(error) => Some(error),
        }
    }
}

impl ProgramLog {
    /// Begins to log, in the whole process: lines for people, or JSON objects with this name of the
    /// program; what the filter lets through, as `info` or `info,ubf_switch=debug`.
    ///
    /// # Errors
    /// If the filter is none, or the process has a log already.
    pub fn begin(is_json: bool, filter_text: &str, name: &str) -> Result<Self, LogError> {
        let filter = filter(filter_text).map_err(LogError::Filter)?;
        let form = if is_json { LogForm::Json } else { LogForm::Text };
        Log::install(form, filter, name).map(Self).map_err(LogError::Install)
    }

    /// Waits for the last lines, but not for long.
    pub fn finish(&self) {
        self.0.finish();
    }
}
