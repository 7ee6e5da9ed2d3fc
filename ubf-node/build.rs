//! Tells the programs which commit they are made from: from a package, from a checkout with git, or
//! not at all. It asks no network.

use std::path::Path;
use std::process::Command;

/// Digits of a commit that are enough to find it.
const DIGITS: usize = 12;

fn main() {
    println!("cargo:rerun-if-env-changed=UBF_COMMIT");
    let commit =
        std::env::var("UBF_COMMIT").ok().or_else(of_the_package).or_else(of_the_repository);
    let commit: String = commit.unwrap_or_default().trim().chars().take(DIGITS).collect();
    println!("cargo:rustc-env=UBF_COMMIT={commit}");
    let of_commit = if commit.is_empty() { String::new() } else { format!(" ({commit})") };
    println!("cargo:rustc-env=UBF_VERSION={}{of_commit}", env!("CARGO_PKG_VERSION"));
}

/// Cargo writes it into the packages that it makes.
fn of_the_package() -> Option<String> {
    let info = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = info.split_once("\"sha1\":")?;
    rest.split('"').nth(1).map(str::to_owned)
}

/// Git knows it where the source is worked on. A checkout without git has none.
fn of_the_repository() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // A package may lie in a repository of something else.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo:rerun-if-changed={log}");
    }
    git(&["rev-parse", "HEAD"])
}
