//! `ubf release`: keys, manifests and signatures of releases.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use ubf_agent_core::{Hash, Hasher, Manifest, PublicKey, SecretKey, Signed};

use crate::args::release::{Build, Check, Keygen, Release, ReleaseCommand, Sign};
use crate::ui::output::Output;
use crate::ui::reason::reason;
use crate::ui::report::Report;
use crate::ui::status::Status;

/// What is wrong, and how bad that is.
type Problem = (Status, Report);

pub(crate) fn run(args: &Release, output: &mut Output) -> io::Result<Status> {
    let done = match &args.command {
        ReleaseCommand::Keygen(args) => keygen(args),
        ReleaseCommand::Build(args) => build(args),
        ReleaseCommand::Sign(args) => sign(args),
        ReleaseCommand::Check(args) => check(args),
    };
    match done {
        Ok(lines) => {
            output.line(lines)?;
            Ok(Status::Good)
        }
        Err((status, report)) => {
            output.report(&report)?;
            Ok(status)
        }
    }
}

fn keygen(args: &Keygen) -> Result<String, Problem> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| {
        (Status::Trouble, Report::new(format!("the system has no randomness: {error}")))
    })?;
    let secret: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    let [file, public_file] = ["key", "pub"].map(|ending| args.name.with_extension(ending));
    let public = SecretKey::read(&secret).map_err(|error| wrong(&file, &error))?.public();
    write_new(&file, &format!("{secret}\n"), true)?;
    write_new(&public_file, &format!("{public}\n"), false)?;
    Ok(format!("{} is secret, {} is for agents", file.display(), public_file.display()))
}

/// A key that is there is not written over.
fn write_new(path: &Path, text: &str, is_secret: bool) -> Result<(), Problem> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if is_secret { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _: bool = is_secret;
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| trouble(path, &error))
}

fn build(args: &Build) -> Result<String, Problem> {
    let (hash, bytes) = hash(&args.binary)?;
    let newest = |versions: &[u32]| versions.last().copied().unwrap_or_default();
    let rows = args.rows.iter().map(|(name, all)| (name.clone(), all.clone(), newest(all)));
    let manifest = Manifest {
        name: args.name.clone(),
        number: args.number,
        contracts: args.contracts.clone(),
        rows: rows.collect(),
        arguments: args.arguments.clone(),
        bytes,
        hash,
    };
    let written = fs::write(&args.output, manifest.to_bytes());
    written.map_err(|error| trouble(&args.output, &error))?;
    Ok(format!("{} {}: {bytes} bytes, {hash}", args.name, args.number))
}

fn sign(args: &Sign) -> Result<String, Problem> {
    let key = read(&args.key)?;
    let key = SecretKey::read(&String::from_utf8_lossy(&key));
    let key = key.map_err(|error| wrong(&args.key, &error))?;
    let manifest = Manifest::read(&read(&args.manifest)?);
    let manifest = manifest.map_err(|error| wrong(&args.manifest, &error))?;
    let signed = key.sign(&manifest);
    // What no agent would take is not written.
    signed.check(&[key.public()]).map_err(|error| wrong(&args.manifest, &error))?;
    let written = fs::write(&args.output, signed.to_bytes());
    written.map_err(|error| trouble(&args.output, &error))?;
    Ok(format!("{} {} is signed by {}", manifest.name, manifest.number, key.public()))
}

fn check(args: &Check) -> Result<String, Problem> {
    let key = |path| {
        let text = read(path)?;
        let key = String::from_utf8_lossy(&text).parse::<PublicKey>();
        key.map_err(|error| wrong(path, &error))
    };
    let keys = args.keys.iter().map(|path| key(path)).collect::<Result<Vec<_>, _>>()?;
    let signed = Signed::read(&read(&args.signed)?);
    let manifest = signed.and_then(|signed| signed.check(&keys));
    let manifest = manifest.map_err(|error| wrong(&args.signed, &error))?;
    let (hash, bytes) = hash(&args.binary)?;
    if (hash, bytes) != (manifest.hash, manifest.bytes) {
        let message = format!("{} is not what was signed", args.binary.display());
        let report = Report::new(message)
            .with_remark(format!("signed: {} bytes, {}", manifest.bytes, manifest.hash))
            .with_remark(format!("there:  {bytes} bytes, {hash}"));
        return Err((Status::WrongInput, report));
    }
    let mut text = format!("{} {}: {bytes} bytes, {hash}", manifest.name, manifest.number);
    for (service, versions) in &manifest.contracts {
        text.push_str(&format!("\n{service} speaks versions {}", list(versions)));
    }
    for (service, reads, writes) in &manifest.rows {
        let reads = list(reads);
        text.push_str(&format!("\n{service} reads state versions {reads}, and writes {writes}"));
    }
    Ok(text)
}

fn list(versions: &[u32]) -> String {
    versions.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

/// The hash of a file, and how long it is.
fn hash(path: &Path) -> Result<(Hash, u64), Problem> {
    let read = || {
        let (mut file, mut hasher, mut all) = (File::open(path)?, Hasher::default(), 0);
        let mut bytes = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut bytes)?;
            if count == 0 {
                return Ok((hasher.finish(), all));
            }
            hasher.update(bytes.get(..count).unwrap_or_default());
            all += count as u64;
        }
    };
    read().map_err(|error: io::Error| trouble(path, &error))
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    fs::read(path).map_err(|error| trouble(path, &error))
}

fn trouble(path: &Path, error: &io::Error) -> Problem {
    (Status::Trouble, Report::new(format!("{}: {}", path.display(), reason(error))))
}

fn wrong(path: &Path, error: &dyn std::error::Error) -> Problem {
    (Status::WrongInput, Report::new(format!("{}: {error}", path.display())))
}
