//! The soak finds what it looks for: each fault that it makes on purpose, and none without.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]
#![cfg(target_os = "linux")]

use std::process::{Command, Output};
use std::thread;

/// A few seconds of it.
fn soak(more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ubf-soak"));
    command.args(["--seed=11", "--clients=8", "--strangers=2"]).args(more).output().unwrap()
}

#[test]
fn each_sabotage_is_found_and_nothing_else() {
    let cases = [
        (None, "all is well"),
        (Some("task"), "BROKEN        1 tasks are left, 0 were there at the start"),
        (Some("descriptor"), " descriptors are open, "),
        (Some("memory"), " KiB of memory are taken at the end, "),
        (Some("panic"), "BROKEN        1 panics that nobody asked for"),
        (Some("twice"), " is executed 2 times"),
        (Some("never"), " was answered and not executed"),
        (Some("unclean"), " calls in a drain"),
        (Some("events"), " came twice"),
        (Some("forgetful"), "a call is indeterminate, its session was lost, and server "),
        (Some("sessionless"), " connections were cut, and no session went on"),
        (Some("stranded"), "a session is parked for "),
        (Some("mute"), "a call had no answer in "),
        (Some("stray"), " ended by a fault: the server answers what was not asked"),
    ];
    let runs = cases.map(|(sabotage, words)| {
        let run = thread::spawn(move || match sabotage {
            // What is warm after so short a time is a matter of luck.
            None => soak(&["--minutes=0.1", "--margin-percent=1000"]),
            // Servers are seldom stopped.
            Some("unclean") => {
                soak(&["--minutes=1", "--margin-percent=1000", "--sabotage=unclean"])
            }
            // It takes many cuts to be sure that a session should have gone on.
            Some("sessionless") => {
                soak(&["--minutes=0.7", "--margin-percent=1000", "--sabotage=sessionless"])
            }
            // A server is to be there for the five seconds that are too long.
            Some("stranded") => {
                soak(&["--minutes=0.5", "--margin-percent=1000", "--sabotage=stranded"])
            }
            Some("mute") => soak(&["--minutes=0.3", "--margin-percent=1000", "--sabotage=mute"]),
            Some("memory") => soak(&["--minutes=0.1", "--sabotage=memory"]),
            Some(other) => soak(&["--minutes=0.1", "--margin-percent=1000", "--sabotage", other]),
        });
        (sabotage, words, run)
    });
    for (sabotage, words, run) in runs {
        let Output { status, stdout, stderr } = run.join().unwrap();
        let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert_eq!(status.code(), Some(i32::from(sabotage.is_some())), "{sabotage:?}\n{out}{err}");
        assert!(out.contains(words), "{sabotage:?}\n{out}{err}");
        // No other fault is found: the run ends at the first of its kind, and calls that go on may
        // add theirs.
        let broken = out.lines().filter(|line| line.starts_with("BROKEN"));
        assert!(
            broken.clone().all(|line| line.contains(words.trim_start_matches("BROKEN        "))),
            "{sabotage:?}\n{out}"
        );
    }
}
