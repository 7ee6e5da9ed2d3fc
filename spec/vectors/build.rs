//! Lists the files of vectors: a file that is added is built in without a line anywhere else.
#![allow(clippy::unwrap_used, reason = "a build that cannot read its own folder fails")]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let mut list = String::from("&[\n");
    for folder in entries(&root).into_iter().filter(|path| path.is_dir()) {
        println!("cargo:rerun-if-changed={}", folder.display());
        for file in entries(&folder).into_iter().filter(|path| is_toml(path)) {
            let name = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            writeln!(list, "({name:?}, include_str!({file:?})),").unwrap();
        }
    }
    list.push(']');
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap()).join("files.rs"), list).unwrap();
    // A folder that is added is noticed by its parent.
    println!("cargo:rerun-if-changed={}", root.display());
}

fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
