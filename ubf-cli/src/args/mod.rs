//! The command line.

pub(crate) mod about;
#[cfg(unix)]
pub(crate) mod admin;
#[cfg(target_os = "linux")]
pub(crate) mod agent;
pub(crate) mod attack;
pub(crate) mod call;
pub(crate) mod classic;
pub(crate) mod connect;
pub(crate) mod contract;
pub(crate) mod dashboard;
#[cfg(unix)]
mod demo;
pub(crate) mod kv;
mod load;
pub(crate) mod packets;
pub(crate) mod release;
mod repl;
#[cfg(unix)]
pub(crate) mod rollout;
pub(crate) mod switch;
pub(crate) mod units;
#[cfg(unix)]
pub(crate) mod upgrade;
pub(crate) mod verbs;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};

pub(crate) use self::call::Call;
#[cfg(unix)]
pub(crate) use self::demo::Demo;
pub(crate) use self::load::Load;
use self::packets::{DialectArgs, InputArgs, LimitArgs, PacketArgs, SideArgs};
pub(crate) use self::repl::Repl;

/// Read, check, write, rewrite and explain UBF packets, and talk to servers.
///
/// UBF(A) is Joe Armstrong's Universal Binary Format: a text of one-byte operators for a small
/// stack machine that builds integers, atoms, strings, binaries, tuples and lists. A packet is one
/// such text, up to its `$`.
#[derive(Debug, Parser)]
#[command(
    name = "ubf",
    version = ubf_node::VERSION,
    arg_required_else_help = true,
    max_term_width = 100,
    after_long_help = include_str!("../help/ubf.txt")
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Decode(Decode),
    Encode(Encode),
    ToJson(ToJson),
    FromJson(FromJson),
    Check(Check),
    Fmt(Fmt),
    Trace(Trace),
    /// Run a server that speaks versions, fallback and NextIP.
    ///
    /// Clients and this server agree on the highest version that both speak. Each packet says its
    /// version, and each reply says where the next message goes: so clients can be moved to
    /// another server between two messages. The program `ubf-server` is the same.
    #[command(version = ubf_node::VERSION, after_long_help = ubf_node::examples("ubf serve"))]
    Serve(Box<ubf_node::Options>),
    Call(Call),
    Repl(Repl),
    Load(Load),
    Kv(kv::Kv),
    Attack(attack::Options),
    Contract(contract::Contract),
    #[cfg(unix)]
    Admin(Box<admin::AdminArgs>),
    Dashboard(dashboard::Dashboard),
    #[cfg(unix)]
    Upgrade(upgrade::Upgrade),
    #[cfg(target_os = "linux")]
    Agent(agent::Agent),
    Release(release::Release),
    Switch(Box<switch::Switch>),
    #[cfg(unix)]
    Rollout(rollout::RolloutArgs),
    #[cfg(unix)]
    Demo(Demo),
    Version(about::AboutVersion),
    Completions(about::Completions),
    Man(about::Man),
}

/// Show packets as terms, one line a packet.
///
/// Terms are shown in Erlang's notation: `{person,"Joe",123}` is a tuple of an atom, a string and
/// an integer, `[1,2]` a list, `<<"abc">>` a binary, `?` the undefined value, and a semantic tag
/// stands in backticks after its term. The input is read as it arrives: a packet is shown as soon
/// as its `$` is there.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/decode.txt"))]
#[command(group = ArgGroup::new("form").args(["json", "postfix"]))]
pub(crate) struct Decode {
    /// Show each packet as one JSON document; nothing is lost
    ///
    /// Atoms, strings, binaries, tuples and tags stay apart, and integers of any size are exact.
    /// As `ubf to-json` does.
    #[arg(long)]
    pub(crate) json: bool,

    /// Show each packet in postfix: i:1 a:6f6b t:2
    ///
    /// Tokens, each for one term: i:DECIMAL, a:HEX (atom), s:HEX (string), b:HEX (binary), u
    /// (undefined), t:N and l:N (the tuple or list of the last N terms), g:HEX (a tag on the
    /// last term). Every value has exactly one such line.
    #[arg(long)]
    pub(crate) postfix: bool,

    #[command(flatten)]
    pub(crate) side: SideArgs,
    #[command(flatten)]
    pub(crate) dialect: DialectArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// Write terms as UBF packets.
///
/// Terms are read in Erlang's notation, as `ubf decode` writes it, from the command line (one term
/// an argument), from files, or from stdin. In a file a term ends where its line ends, or, with
/// brackets or quotes still open, at the end of the line that closes them. As in Erlang's own
/// files, `.` and white space end a term too, and % begins a comment.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/encode.txt"))]
pub(crate) struct Encode {
    /// Terms to write; without any, terms come from --file or from stdin
    #[arg(value_name = "TERM", allow_negative_numbers = true)]
    pub(crate) terms: Vec<String>,

    /// Read terms from a file; `-` is stdin. May be given several times
    #[arg(short, long = "file", value_name = "FILE", conflicts_with = "terms")]
    pub(crate) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) packets: PacketArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// Write packets as JSON, one document a line.
///
/// What JSON has a word for stands as it is; everything else is an object whose keys begin with
/// `$`: {"$atom":"ok"}, `{"$tuple":[1,2]}`, `{"$binary":"AP8="}` (base64),
/// `{"$integer":"9007199254740992"}` (beyond 53 bits), {"$tag":"dt","$term":7}, and {"$latin1":"é"}
/// for a text that is no UTF-8. A list of pairs tagged `map` is an object, a number tagged `f` a
/// number, and `?` is null. Nothing is lost: `ubf from-json` makes the same terms of it. With
/// --client and --server a document holds the header, too; `jq -c .body` takes the term out.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/to-json.txt"))]
#[command(group = ArgGroup::new("layout").args(["lines", "pretty"]))]
pub(crate) struct ToJson {
    /// For people, and for programs that know nothing of UBF: the terms cannot be had back
    ///
    /// Atoms, strings and binaries are strings, tuples and lists are arrays, integers are numbers
    /// however large, property lists are objects, other tags are left out.
    #[arg(long)]
    pub(crate) plain: bool,

    /// Write each document on one line, however many there are (this is the default)
    #[arg(long)]
    pub(crate) lines: bool,

    /// Indent the documents for people, as jq does
    #[arg(long)]
    pub(crate) pretty: bool,

    #[command(flatten)]
    pub(crate) side: SideArgs,
    #[command(flatten)]
    pub(crate) dialect: DialectArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// Write JSON documents as UBF packets.
///
/// Reads what `ubf to-json` writes, and JSON from elsewhere: an object becomes a list of pairs
/// tagged `map`, a number with a point or an exponent a string tagged `f`, an integer of any size
/// itself, and null `?`. An object with a key that begins with `$` has to be one that `ubf to-json`
/// writes, unless --foreign takes it literally. Documents stand one after the other, with white
/// space between them or none, and are read as they arrive; each is a packet. Whatever the limits,
/// JSON is read to 512 levels (an object is three) and 10,000 digits.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/from-json.txt"))]
pub(crate) struct FromJson {
    /// Files to read; `-` is stdin, and so is no file at all
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Each line is one document. Blank lines are skipped
    ///
    /// Without this a document may span lines, and a line may hold several.
    #[arg(long)]
    pub(crate) lines: bool,

    /// Take the JSON literally: a key that begins with `$` is a key like others
    ///
    /// For JSON that `ubf to-json` has not written, such as schemas. Every object is a map then.
    #[arg(long)]
    pub(crate) foreign: bool,

    #[command(flatten)]
    pub(crate) packets: PacketArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// Say whether the input is valid, or show the first error.
///
/// The first error of an input is shown with the bytes around it, a caret below the byte that is
/// wrong, and the rule that it breaks. An input that ends inside a packet is wrong. Errors go to
/// stderr and verdicts to stdout; with --json an error is a part of the verdict.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/check.txt"))]
pub(crate) struct Check {
    /// Show statistics: what the packets hold and what decoding them costs
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// Show the result and the statistics as one JSON document for each input
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) side: SideArgs,
    #[command(flatten)]
    pub(crate) dialect: DialectArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// Rewrite packets: indented for people, or as short as possible.
///
/// The terms stay the same, but for the undefined value with --classic: that dialect cannot write
/// it, and it becomes the atom 'undefined'. Comments, white space and the choice of registers are
/// those of the new form.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/fmt.txt"))]
#[command(group = ArgGroup::new("style").args(["pretty", "minimal", "cached"]))]
pub(crate) struct Fmt {
    /// Indent the packets for people (this is the default)
    #[arg(long)]
    pub(crate) pretty: bool,

    /// No registers, no white space but where two integers meet: the one canonical form of a value
    #[arg(long)]
    pub(crate) minimal: bool,

    /// Put what comes twice into registers, where that saves bytes
    #[arg(long)]
    pub(crate) cached: bool,

    /// Write nothing; the exit status is 1 if an input is not in this form
    #[arg(long)]
    pub(crate) check: bool,

    #[command(flatten)]
    pub(crate) dialect: DialectArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// Explain packets operator by operator: a table of the stack and the registers.
///
/// Each row is one operator: the byte where it begins, its bytes, what it does, and the recognition
/// stack (bottom first) and the registers after it. An open { stands on the stack until its } takes
/// the terms above it. Comments have rows, other white space has none.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/trace.txt"))]
pub(crate) struct Trace {
    /// Trace a sample packet that comes with this tool
    ///
    /// The same happens without any file, if stdin is a terminal.
    #[arg(long, conflicts_with_all = ["files", "hex"])]
    pub(crate) example: bool,

    /// Show at most this many rows, and count the rest; 0 shows all
    #[arg(long, value_name = "ROWS", default_value_t = 1000)]
    pub(crate) limit: u64,

    /// Columns of the table. By default those of the terminal, or 100
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(50..))]
    pub(crate) width: Option<u16>,

    /// Show each row as one JSON document, with whole terms
    #[arg(long, conflicts_with = "width")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) dialect: DialectArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use ubf_codec::Limits;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn limits_are_the_codecs_unless_told_otherwise() {
        let Command::Decode(plain) = Arguments::parse_from(["ubf", "decode"]).command else {
            panic!("decode was asked for")
        };
        assert_eq!(plain.limits.limits(), Limits::default());
    }
}
