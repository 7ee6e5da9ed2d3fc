//! What the servers say of themselves: a line of their logs that is an error is a break, unless a
//! fault of the run explains it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

/// What servers say when the run has done it to them.
const EXPECTED: [&str; 4] = [
    // The disk is full.
    "nobody can be served any more",
    "the rows cannot be kept any more: nothing is answered",
    "the store has failed",
    // A successor is killed.
    "the successor has failed: this process listens again",
];

/// How often each error is in the log of a node.
pub(crate) fn errors(log: &Path) -> BTreeMap<String, u64> {
    let mut errors = BTreeMap::new();
    let Ok(file) = File::open(log) else { return errors };
    for line in BufReader::new(file).lines().map_while(Result::ok) {
        if let Some(message) = error(&line) {
            *errors.entry(message).or_default() += 1;
        }
    }
    errors
}

/// Whether a fault of the run explains an error.
pub(crate) fn is_expected(message: &str) -> bool {
    EXPECTED.contains(&message)
}

/// What a line says, if it is an error.
fn error(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_error = line.get("level")?.as_str()? == "ERROR";
    line.get("message")?.as_str().filter(|_| is_error).map(str::to_owned)
}
