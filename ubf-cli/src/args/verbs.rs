//! What `ubf admin` is to do, where the command line does not say it in a way that is understood.
//!
//! A word in the place of a verb may be an argument too many to clap, which then has no list of
//! what is known.

use std::ffi::OsStr;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Error, Parser as _};

use super::Arguments;

/// The same error with the verbs in it, or with the help where there is no verb; `words` are the
/// command line's.
pub(crate) fn name_verbs<'a>(error: Error, mut words: impl Iterator<Item = &'a OsStr>) -> Error {
    if words.nth(1) != Some(OsStr::new("admin")) {
        return error;
    }
    if error.kind() == ErrorKind::MissingSubcommand {
        // As where there is nothing else either.
        return Arguments::try_parse_from(["ubf", "admin"]).err().unwrap_or(error);
    }
    if !matches!(error.kind(), ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument) {
        return error;
    }
    let mut all = Arguments::command();
    all.build();
    if let Some(admin) = all.find_subcommand("admin") { with_verbs(error, admin) } else { error }
}

fn with_verbs(mut error: Error, admin: &clap::Command) -> Error {
    let invalid =
        match (error.get(ContextKind::InvalidSubcommand), error.get(ContextKind::InvalidArg)) {
            (Some(ContextValue::String(word)), _) | (None, Some(ContextValue::String(word))) => {
                word.clone()
            }
            _ => return error,
        };
    // What follows a verb is that verb's own.
    let is_verbs_own = !matches!(error.get(ContextKind::Usage), Some(ContextValue::StyledStr(usage))
        if usage.to_string().trim_end().ends_with("<COMMAND>"));
    if invalid.starts_with('-') || is_verbs_own {
        return error;
    }
    let verbs: Vec<&str> = admin.get_subcommands().map(clap::Command::get_name).collect();
    let list = if invalid.contains('/') {
        format!("the control socket is an option: --control {invalid}")
    } else {
        format!("the commands are {}", verbs.join(", "))
    };
    let list = StyledStr::from(list);
    let mut named = Error::new(ErrorKind::InvalidSubcommand).with_cmd(admin);
    named.insert(ContextKind::InvalidSubcommand, ContextValue::String(invalid));
    for kind in [ContextKind::SuggestedSubcommand, ContextKind::Usage] {
        if let Some(value) = error.remove(kind) {
            named.insert(kind, value);
        }
    }
    named.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![list]));
    named
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn says(line: &str) -> String {
        let words: Vec<&OsStr> = line.split(' ').map(OsStr::new).collect();
        let error = Arguments::try_parse_from(&words).expect_err(line);
        let error = name_verbs(error, words.into_iter());
        assert_eq!(error.exit_code(), 2, "{line}");
        error.to_string()
    }

    #[test]
    fn a_word_that_is_no_verb_is_answered_with_the_verbs() {
        for line in ["ubf admin xyzzy", "ubf admin -c a.socket --json xyzzy"] {
            let said = says(line);
            assert!(said.starts_with("error: unrecognized subcommand 'xyzzy'\n"), "{said}");
            assert!(
                said.contains(
                    "tip: the commands are status, connections, sessions, kick, move, drain, undrain, "
                ),
                "{said}"
            );
            assert!(!said.contains("similar"), "{said}");
        }
        let near = says("ubf admin -c a.socket statsu");
        assert!(near.contains("a similar subcommand exists: 'status'"), "{near}");
        assert!(near.contains("the commands are status, "), "{near}");
    }

    #[test]
    fn a_socket_in_the_place_of_a_verb_gets_a_hint() {
        let said = says("ubf admin /run/a.socket status");
        assert!(said.contains("an option: --control /run/a.socket"), "{said}");
    }

    #[test]
    fn without_a_verb_there_is_the_help() {
        let said = says("ubf admin -c a.socket");
        assert_eq!(said, says("ubf admin"));
        for verb in ["status ", "drain ", "shutdown "] {
            assert!(said.contains(&format!("\n  {verb}")), "{said}");
        }
    }

    #[test]
    fn other_errors_stay_as_they_are() {
        let lines = [
            "ubf nonsense",
            "ubf admin -c a.socket status more",
            "ubf admin -c a.socket --nope",
            "ubf call a b --nope",
        ];
        for line in lines {
            assert!(!says(line).contains("the commands are"), "{line}");
        }
    }
}
