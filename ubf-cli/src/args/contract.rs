//! Arguments of `ubf contract`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use ubf_contract::{ContractDialect, Import, Strings};

use super::classic::ClassicArgs;
use super::connect::ConnectArgs;
use super::units::some_time;

/// Read, check, print, compare and use contracts in UBF(B).
///
/// A contract says which message may be sent in which state of a session, and which answers may
/// come back.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_long_help = include_str!("../help/contract.txt"))]
pub(crate) struct Contract {
    #[command(subcommand)]
    pub(crate) command: ContractCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContractCommand {
    Check(CheckContract),
    Fmt(FmtContract),
    Show(ShowContract),
    Diff(DiffContracts),
    Test(TestTerms),
    Fake(FakeTerms),
    Rust(RustOfContract),
}

/// How contracts are read.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// The dialect of UBF(B): 2, 1.16 or 1.12
    #[arg(long, value_name = "DIALECT", default_value = "2")]
    pub(crate) dialect: ContractDialect,

    /// Types from other contracts, as Erlang modules write it
    ///
    /// All of them `lib`, some `{lib,[a]}`, or all but some `{lib,{except,[a]}}`.
    ///
    /// Library `lib` is read from the file `lib.con` beside the contract. May be given several
    /// times.
    #[arg(long = "import", value_name = "IMPORT", value_parser = imports)]
    pub(crate) imports: Vec<Imports>,
}

/// What one `--import` says: it may be a list.
#[derive(Clone, Debug)]
pub(crate) struct Imports(pub(crate) Vec<Import>);

fn imports(text: &str) -> Result<Imports, ubf_contract::ImportError> {
    Import::parse(text).map(Imports)
}

/// How strings are understood.
#[derive(Debug, Args)]
pub(crate) struct StringArgs {
    /// A string is a tuple, and a tag too: as existing Erlang services have it
    #[arg(long)]
    pub(crate) as_stock: bool,
}

impl StringArgs {
    pub(crate) const fn strings(&self) -> Strings {
        if self.as_stock { Strings::AsTuples } else { Strings::Apart }
    }
}

/// How a server is asked for its contract.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// How long a server may take
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "10s")]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) connect: ConnectArgs,

    #[command(flatten)]
    pub(crate) classic: ClassicArgs,
}

/// Say whether contracts are good: all errors, and warnings.
#[derive(Debug, Args)]
pub(crate) struct CheckContract {
    /// Files to read; `-` is stdin, and so is no file at all
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Show the result as one JSON document for each file
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// Print contracts in the one canonical form, with their comments.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("result").args(["check", "write"]))]
pub(crate) struct FmtContract {
    /// Files to read; `-` is stdin, and so is no file at all
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Write nothing; the exit status is 1 if a file is not in this form
    #[arg(long)]
    pub(crate) check: bool,

    /// Write the files instead of stdout
    #[arg(long)]
    pub(crate) write: bool,

    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// Show the states of a contract and what leads from one to another.
///
/// Of a server it is the contract of the version on which the two agree, as the server tells it.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("form").args(["text", "mermaid", "graphviz"]))]
pub(crate) struct ShowContract {
    /// The file to read, `-` for stdin; or the address of a server, as host:port or `unix:/path`
    #[arg(value_name = "FILE|ADDRESS")]
    pub(crate) file: PathBuf,

    /// The contract itself, in the one canonical form
    #[arg(long)]
    pub(crate) text: bool,

    /// A diagram for Mermaid
    #[arg(long)]
    pub(crate) mermaid: bool,

    /// A diagram for Graphviz
    #[arg(long)]
    pub(crate) graphviz: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// Say whether a new contract serves the clients of the old one, and the other way round.
///
/// Either may be the address of a server, as host:port or `unix:/path`: then it is the contract of
/// the version on which the two agree, as the server tells it.
#[derive(Debug, Args)]
pub(crate) struct DiffContracts {
    /// The contract that is in use: a file, or the address of a server that has it
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,

    /// The contract that is to replace it: a file, or the address of a server that has it
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,

    /// What has to hold for the exit status 0
    #[arg(long, value_name = "WAYS", value_enum, default_value_t = Want::Both)]
    pub(crate) want: Want,

    /// Old requests must have all the results that they had
    #[arg(long)]
    pub(crate) same_results: bool,

    /// A state in which sessions may begin. May be given several times
    #[arg(long, value_name = "STATE")]
    pub(crate) entry: Vec<String>,

    /// Replies do not tell the next state, as with `simplerpc`
    #[arg(long)]
    pub(crate) hidden_states: bool,

    /// What is written
    #[arg(long, value_name = "FORM", value_enum, default_value_t = DiffForm::Text)]
    pub(crate) format: DiffForm,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) strings: StringArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// Which clients have to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Want {
    /// Old clients by new servers
    Backward,
    /// New clients by old servers
    Forward,
    /// Both
    Both,
}

/// How differences are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffForm {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// Annotations of GitHub's workflows
    Github,
    /// SARIF, which code scanners read
    Sarif,
}

/// Say whether terms are of a type, and if not, where and why.
#[derive(Debug, Args)]
pub(crate) struct TestTerms {
    /// The contract
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The name of a type
    #[arg(value_name = "TYPE")]
    pub(crate) type_name: String,

    /// Terms; without any, one a line from stdin, each answered at once
    #[arg(value_name = "TERM", allow_negative_numbers = true)]
    pub(crate) terms: Vec<String>,

    #[command(flatten)]
    pub(crate) strings: StringArgs,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// Make random terms of a type.
#[derive(Debug, Args)]
pub(crate) struct FakeTerms {
    /// The contract
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The name of a type
    #[arg(value_name = "TYPE")]
    pub(crate) type_name: String,

    /// How many terms
    #[arg(short = 'n', long, default_value_t = 1)]
    pub(crate) count: u64,

    /// The same seed makes the same terms
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,

    #[command(flatten)]
    pub(crate) strings: StringArgs,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// Write Rust code for a contract: types for serde, states, and traits for servers and clients.
///
/// The code is formatted by rustfmt, with the settings of the folder in which this runs.
#[derive(Debug, Args)]
pub(crate) struct RustOfContract {
    /// The contract; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Only what one side needs
    #[arg(long, value_name = "SIDE", value_enum)]
    pub(crate) only: Option<CodeSide>,

    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// Whose code is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CodeSide {
    /// What a server needs
    Server,
    /// What a client needs
    Client,
}
