//! Runs the real `ubf`. The one place that knows how.

pub(crate) mod server;
pub(crate) mod stooge;

use std::path::PathBuf;

use assert_cmd::Command;

/// What a run of `ubf` left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `ubf` with these arguments and this on stdin.
pub(crate) fn ubf(args: &[&str], stdin: impl Into<Vec<u8>>) -> Ran {
    let ran = run_raw(args, stdin);
    Ran {
        status: ran.0,
        out: String::from_utf8(ran.1).expect("UTF-8 on stdout"),
        err: String::from_utf8(ran.2).expect("UTF-8 on stderr"),
    }
}

/// As [`ubf`], for output that may be any bytes.
pub(crate) fn run_raw(args: &[&str], stdin: impl Into<Vec<u8>>) -> (i32, Vec<u8>, Vec<u8>) {
    let output = Command::new(env!("CARGO_BIN_EXE_ubf"))
        .args(args)
        .write_stdin(stdin)
        .output()
        .expect("ubf starts");
    let status = output.status.code().expect("ubf ends by itself");
    (status, output.stdout, output.stderr)
}

/// The stdout of a run in which nothing went wrong.
#[track_caller]
pub(crate) fn good(args: &[&str], stdin: impl Into<Vec<u8>>) -> String {
    let ran = ubf(args, stdin);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "stdout: {}", ran.out);
    ran.out
}

/// The stderr of a run that ended with this status and wrote nothing to stdout.
#[track_caller]
pub(crate) fn bad(status: i32, args: &[&str], stdin: impl Into<Vec<u8>>) -> String {
    let ran = ubf(args, stdin);
    assert_eq!((ran.status, ran.out.as_str()), (status, ""), "stderr: {}", ran.err);
    ran.err
}

/// A file that holds `bytes`, in a folder of this run.
pub(crate) fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).expect("the folder for tests can be written");
    path
}
