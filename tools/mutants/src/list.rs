//! The mutants, as `cargo mutants --list --json` names them.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// A place in a file: lines and columns (in characters) from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Span {
    pub start: Place,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Function {
    pub return_type: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum Genre {
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Mutant {
    pub name: String,
    pub file: String,
    pub genre: Genre,
    pub replacement: String,
    pub span: Span,
    pub function: Option<Function>,
}

impl Mutant {
    /// What a switch cannot do: constants are the compiler's, and a function that returns `impl
    /// Trait` has one type of result, though a mutant of it may have another. Of those, `cargo
    /// mutants` has to build each.
    pub fn needs_own_build(&self) -> bool {
        let function = self.function.as_ref();
        function.is_none_or(|function| {
            self.genre == Genre::FnValue && function.return_type.contains("impl ")
        })
    }
}

/// All mutants of a package. A mutant's number is its place in the list.
pub fn of_package(root: &Path, package: &str) -> Result<Vec<Mutant>, String> {
    let listed = Command::new("cargo")
        .args(["mutants", "--list", "--json", "--package", package])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run cargo mutants: {error}"))?;
    if !listed.status.success() {
        return Err(format!("cargo mutants --list: {}", String::from_utf8_lossy(&listed.stderr)));
    }
    serde_json::from_slice(&listed.stdout)
        .map_err(|error| format!("cargo mutants --list --json is not understood: {error}"))
}
