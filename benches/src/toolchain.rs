//! What the figures depend on: the compiler, and the versions of the peers.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use benches::Error;

/// The folder of this package, where results are kept.
pub(crate) fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the workspace.
pub(crate) fn workspace() -> PathBuf {
    folder().parent().unwrap_or_else(|| folder()).to_owned()
}

/// `rustc 1.88.0 (6b00bc388 2025-06-23)`, and for which target.
pub(crate) fn rustc() -> Result<String, Error> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-Vv")
        .current_dir(workspace())
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let version = text.lines().next().ok_or("rustc does not say its version")?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    Ok(format!("{version} for {host}"))
}

/// A command of cargo in this workspace.
#[cfg(feature = "peers")]
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace());
    cargo
}

/// The version of a package in Cargo.lock.
#[cfg(feature = "peers")]
pub(crate) fn version_of(package: &str, lock: &toml::Table) -> Option<String> {
    let packages = lock.get("package")?.as_array()?;
    let found = packages
        .iter()
        .find(|entry| entry.get("name").and_then(toml::Value::as_str) == Some(package))?;
    found.get("version")?.as_str().map(str::to_owned)
}
