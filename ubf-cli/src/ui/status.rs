//! How a command ended, worst last.

use std::process::ExitCode;

/// The exit status. The larger one wins when there are several inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// All is well.
    Good,
    /// The input is wrong, or a call failed.
    WrongInput,
    /// The command line is wrong, or something could not be read, written or reached.
    Trouble,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Good => 0,
            Status::WrongInput => 1,
            Status::Trouble => 2,
        })
    }
}
