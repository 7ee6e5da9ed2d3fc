//! The arguments of the program.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use ubf_conformance::capability::Capability;
use ubf_conformance::selection::Selection;

/// Runs the test vectors of UBF with versions over an implementation, and reports by rule.
///
/// The implementation is a program in any language that reads requests from its standard input, a
/// line each, and writes answers to its standard output: the book's chapter "The line protocol".
/// What it does not do it answers with `unsupported`. Without --command the implementation of this
/// project is examined.
///
/// The status is 0 if something was answered, nothing wrongly, and all that is required is
/// supported; 1 if not; 2 if the arguments, the vectors or the program are not as they must be.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The program to examine and its arguments; the last option
    #[arg(long, num_args = 1.., value_names = ["PROGRAM", "ARGS"], allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,

    /// Examine a server that runs there, as far as it can be seen from outside
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["command", "serve", "client"])]
    pub(crate) server: Option<String>,

    /// The service to ask for at --server; the default one if none is named
    #[arg(long, value_name = "NAME", requires = "server")]
    pub(crate) service: Option<String>,

    /// A request that --server answers with a reply, as UBF(A): more can be seen then
    #[arg(long, value_name = "TERM", requires = "server")]
    pub(crate) request: Option<String>,

    /// Examine a client: the program to start and its arguments, in which {} is the address to
    /// connect to; the last option
    #[arg(long, num_args = 1.., value_names = ["PROGRAM", "ARGS"], allow_hyphen_values = true)]
    #[arg(conflicts_with_all = ["command", "serve"])]
    pub(crate) client: Vec<String>,

    /// Answer the line protocol with the implementation of this project
    #[arg(long, conflicts_with_all = ["command", "vectors", "only", "without", "require", "junit", "json"])]
    pub(crate) serve: bool,

    /// Take the vectors from this folder, laid out as spec/vectors is; else those built in
    #[arg(long, value_name = "DIR")]
    pub(crate) vectors: Option<PathBuf>,

    /// Only what cites one of these, joined by commas: W4.2, W4 for all of W4, or W
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    pub(crate) only: Vec<String>,

    /// Nothing that cites one of these, since the implementation leaves them out
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    pub(crate) without: Vec<String>,

    /// What must be supported, joined by commas; `all` for everything
    ///
    /// decode, one, encode, cached, packets, classic, limits, escapes, connections-client,
    /// connections-server, sessions-client, sessions-server, contracts, classic-client,
    /// classic-server, notices. A request that needs several
    /// of them may be unsupported unless all of those are in the list.
    #[arg(long, value_name = "LIST", value_parser = list)]
    pub(crate) require: Option<Required>,

    /// How long an answer may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Write a report for build servers, as `JUnit` writes its own, to this file as well
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,

    /// Name each check that is unsupported, too
    #[arg(long)]
    pub(crate) verbose: bool,

    /// Write the report as JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    pub(crate) fn selection(&self) -> Selection {
        Selection { only: self.only.clone(), without: self.without.clone() }
    }
}

const EXAMPLES: &str = "\
Examples:
  ubf-conformance --command python3 adapter.py
  ubf-conformance --require decode,packets,classic,limits --command ./my-codec --conformance
  ubf-conformance --only W4,W5 --timeout 2 --command node adapter.js
  ubf-conformance --server localhost:4000 --service kv --request \"{'get''a'}\"
  ubf-conformance --without N9,R2 --client ./my-client --connect {}
  ubf-conformance --junit report.xml --require sessions-client --command ./my-client";

/// What must be supported.
#[derive(Debug, Clone, Default)]
pub(crate) struct Required(pub(crate) Vec<Capability>);

fn list(text: &str) -> Result<Required, String> {
    match text {
        "all" => Ok(Required(Capability::ALL.to_vec())),
        list => list.split(',').map(str::parse).collect::<Result<_, _>>().map(Required),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is no number of seconds"))?;
    let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero());
    time.ok_or_else(|| format!("`{text}` is no time to wait"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a command line, as a shell takes them: text in double quotes is one word.
    fn words(line: &str) -> Vec<String> {
        let parts = line.split('"').enumerate();
        let words = parts.flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        words.collect()
    }

    #[test]
    fn every_example_is_spelled_right() {
        let mut lines: Vec<String> = Vec::new();
        lines
            .extend(EXAMPLES.lines().filter_map(|line| line.strip_prefix("  ").map(str::to_owned)));
        let book = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec");
        for file in ["src/line-protocol.md", "src/profile.md", "adapters/README.md"] {
            let text = std::fs::read_to_string(format!("{book}/{file}")).unwrap();
            lines
                .extend(text.lines().filter_map(|line| line.strip_prefix("$ ").map(str::to_owned)));
        }
        assert!(lines.len() > 8, "{lines:?}");
        for line in lines {
            let parsed = Args::try_parse_from(words(&line));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }

    #[test]
    fn the_command_takes_all_that_follows_it() {
        let args = Args::parse_from(words("ubf-conformance --json --command sh -c --json x"));
        assert_eq!(args.command, ["sh", "-c", "--json", "x"]);
        assert!(args.json);
    }
}
