//! Arguments of the commands about the tool itself.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Show which version of the tool this is, and of what it speaks.
#[derive(Debug, Args)]
pub(crate) struct AboutVersion {
    /// Show it as one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// Write a script that makes a shell complete the tool's commands and options.
///
/// For bash: `ubf completions bash >~/.local/share/bash-completion/completions/ubf`.
/// For zsh: `ubf completions zsh >DIR/_ubf`, where DIR is in the fpath.
/// For fish: `ubf completions fish >~/.config/fish/completions/ubf.fish`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

/// Write the manual pages of the tool and of each command into a folder.
///
/// `man -l DIR/ubf-call.1` shows one; in `~/.local/share/man/man1` they are found by name.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder, which is made if it is not there
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}
