//! Arguments of `ubf release`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Make releases of nodes, which agents take: keys, manifests and signatures.
///
/// A release is one static binary and a signed manifest. The manifest says what it is and what it
/// speaks, and has the hash of the binary; it holds no time and no path, so that the same binary
/// has the same manifest wherever it is built. The chapter "The agent" of the specification has its
/// form.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/release.txt"), subcommand_value_name = "COMMAND")]
pub(crate) struct Release {
    #[command(subcommand)]
    pub(crate) command: ReleaseCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReleaseCommand {
    /// Make a key to sign releases with: NAME.key, which stays secret, and NAME.pub for agents
    Keygen(Keygen),
    /// Write the manifest of a binary
    Build(Build),
    /// Sign a manifest
    Sign(Sign),
    /// Say what a signed manifest is, and whether binary and signature are good
    Check(Check),
}

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// The files without their endings; neither may be there
    pub(crate) name: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The binary
    pub(crate) binary: PathBuf,

    /// The program's name
    #[arg(long)]
    pub(crate) name: String,

    /// The number of the release: each has a higher one than the one before
    #[arg(long)]
    pub(crate) number: u64,

    /// Versions of the contract of a service, as kv=1,2,3. May be given several times
    #[arg(long = "contract", value_name = "SERVICE=VERSIONS", value_parser = versions)]
    pub(crate) contracts: Vec<(String, Vec<u32>)>,

    /// State versions of the rows of a service that are read, as ledger=32,33,34; the last one is
    /// the newest that is written
    #[arg(long = "rows", value_name = "SERVICE=VERSIONS", value_parser = versions)]
    pub(crate) rows: Vec<(String, Vec<u32>)>,

    /// An argument of the node, behind those of its machine. May be given several times
    #[arg(long = "argument", value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,

    /// Where the manifest is written
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The manifest
    pub(crate) manifest: PathBuf,

    /// The secret key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,

    /// Where the signed manifest is written
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The signed manifest
    pub(crate) signed: PathBuf,

    /// The binary
    pub(crate) binary: PathBuf,

    /// A public key that is trusted. May be given several times
    #[arg(long = "key", value_name = "FILE", required = true)]
    pub(crate) keys: Vec<PathBuf>,
}

/// `ledger=32,33,34`.
fn versions(text: &str) -> Result<(String, Vec<u32>), String> {
    let (service, list) = text.split_once('=').ok_or("SERVICE=VERSIONS is expected")?;
    let numbers: Result<Vec<u32>, _> = list.split(',').map(str::parse).collect();
    let numbers = numbers.map_err(|error| format!("{list}: {error}"))?;
    if numbers.is_sorted_by(|one, next| one < next) && !service.is_empty() {
        Ok((service.to_owned(), numbers))
    } else {
        Err("versions go up, and a service has a name".to_owned())
    }
}
