//! `ubf-torture` finds each rule that its servers do without, and nothing in servers that have all.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A run of the program: its exit status and its report.
fn torture(arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    // Names of sockets are short.
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let out = std::env::temp_dir().join(format!("ubf-torture-test-{}-{run}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_ubf-torture"))
        .args(["--json", "--seed", "14", "--out"])
        .arg(&out)
        .args(arguments)
        .output()
        .unwrap();
    let _is_gone = std::fs::remove_dir_all(&out).is_ok();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| String::from_utf8_lossy(&output.stderr).into_owned().into());
    (output.status.code(), report)
}

fn has_postgres() -> bool {
    let is_here = ubf_store::testing::programs().is_some();
    if !is_here {
        println!("skipped: there is no PostgreSQL on this machine");
    }
    is_here
}

/// The run ends within its bound, with a break that says one of these things: the wrong itself that
/// the rule is there to prevent, and not that something took too long.
fn finds(mutant: &str, wrongs: &[&str], more: &[&str]) -> serde_json::Value {
    let arguments = ["--minutes", "1.5", "--mutant", mutant];
    let (status, report) = torture(&[&arguments[..], more].concat());
    assert_eq!(status, Some(1), "{mutant} is not found: {report}");
    let breaks = report["breaks"].to_string();
    assert!(wrongs.iter().any(|wrong| breaks.contains(wrong)), "{mutant}: {report}");
    report
}

#[test]
fn t3_answers_that_leave_before_their_commit_are_found() {
    let report = finds("reply-before-commit", &["lost: element"], &[]);
    assert!(report["lost"].as_u64() > Some(0), "{report}");
}

#[test]
fn t3_one_answer_in_fifty_that_leaves_before_its_commit_is_found() {
    finds("reply-before-commit-once-in50", &["lost: element"], &[]);
}

#[test]
fn t3_a_session_that_is_not_written_with_its_calls_is_found() {
    // What ran is there, and its session is not: nobody can tell its client.
    let report = finds("session-outside", &["the connection was lost; the call may have run"], &[]);
    assert!(report["indeterminate"].as_u64() > Some(0), "{report}");
}

#[test]
fn s5_a_late_turn_that_wins_is_found() {
    finds("no-turn", &["'overtaken' was to come"], &[]);
}

#[test]
fn t7_a_step_down_that_lies_is_found() {
    finds("down-lies", &["money"], &["--max-faults", "5"]);
}

#[test]
fn t6_a_state_version_that_nodes_do_not_know_is_found() {
    finds("finalizes-too-early", &["in state version 35, which no node knows"], &[]);
}

#[test]
fn u2_ready_as_the_commit_point_is_found() {
    finds("ready-commits", &["UpgradeKilledReady"], &[]);
}

#[test]
fn u2_truncated_descriptors_that_are_taken_for_whole_are_found() {
    finds("truncated-is-whole", &["stock client"], &[]);
}

#[test]
fn t5_a_fence_without_a_lock_is_found() {
    if !has_postgres() {
        return;
    }
    // What the fenced owner wrote is under what its successor has answered.
    let wrongs = ["lost: ", "twice: ", "and has the number", "is missing", "money"];
    let more = ["--store", "postgres", "--max-faults", "12"];
    let report = finds("fence-without-lock", &wrongs, &more);
    let raced = &report["counts"]["claims that did not wait for a commit"];
    assert!(raced.as_u64() > Some(0), "{report}");
}

#[test]
fn t5_with_its_lock_a_fence_keeps_claims_waiting() {
    if !has_postgres() {
        return;
    }
    let more = ["--store", "postgres", "--only", "fence-race,kill-anywhere", "--max-faults", "4"];
    let (status, report) = torture(&[&["--minutes", "3"][..], &more].concat());
    assert_eq!(status, Some(0), "{report}");
    let counts = &report["counts"];
    assert!(counts["claims that waited for a commit"].as_u64() > Some(0), "{report}");
    assert!(counts["claims that did not wait for a commit"].is_null(), "{report}");
}

#[test]
fn servers_with_all_rules_survive_each_fault() {
    let once = "kill-uncommitted,kill-committed,kill-twice,hand-off,hand-off-killed,upgrade,\
                upgrade-killed-ready,upgrade-truncated,state-version,late-turn,cut,link,disk-full,\
                no-space";
    let (status, report) = torture(&["--minutes", "3", "--only", once, "--max-faults", "14"]);
    assert_eq!(status, Some(0), "{report}");
    assert_eq!(report["faults"], 14, "{report}");
    if !report["counts"]["skipped: disks without space"].is_null() {
        println!("skipped: disks without space cannot be had on this machine");
    }
    assert!(report["appends"].as_u64().unwrap() > 100, "{report}");
}
