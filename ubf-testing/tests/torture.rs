//! `ubf-torture` finds each rule that its servers do without, and nothing in servers that have all.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::process::Command;

/// A run of the program: its exit status and its report.
fn torture(arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    let name = arguments.join("").replace(['-', ','], "");
    let out = std::env::temp_dir().join(format!("ubf-torture-test-{}-{name}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_ubf-torture"))
        .args(["--json", "--seed", "14", "--out"])
        .arg(&out)
        .args(arguments)
        .output()
        .unwrap();
    let _is_gone = std::fs::remove_dir_all(&out).is_ok();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), report)
}

/// The run ends within its bound, with a break in these words.
fn finds(mutant: &str, word: &str, more: &[&str]) {
    let arguments = ["--minutes", "1.5", "--mutant", mutant];
    let (status, report) = torture(&[&arguments[..], more].concat());
    assert_eq!(status, Some(1), "{mutant} is not found: {report}");
    assert!(report["breaks"].to_string().contains(word), "{mutant}: {report}");
}

fn has_postgres() -> bool {
    let Ok(folders) = std::fs::read_dir("/usr/lib/postgresql") else { return false };
    folders.filter_map(Result::ok).any(|folder| folder.path().join("bin/initdb").exists())
}

#[test]
fn t3_answers_that_leave_before_their_commit_are_found() {
    finds("reply-before-commit", "lost", &[]);
}

#[test]
fn t3_one_answer_in_fifty_that_leaves_before_its_commit_is_found() {
    finds("reply-before-commit-once-in50", "lost", &[]);
}

#[test]
fn t3_a_session_that_is_not_written_with_its_calls_is_found() {
    finds("session-outside", "", &[]);
}

#[test]
fn s5_a_late_turn_that_wins_is_found() {
    finds("no-turn", "'overtaken'", &[]);
}

#[test]
fn t7_a_step_down_that_lies_is_found() {
    finds("down-lies", "money", &["--max-faults", "5"]);
}

#[test]
fn t6_a_state_version_that_nodes_do_not_know_is_found() {
    finds("finalizes-too-early", "", &[]);
}

#[test]
fn u2_ready_as_the_commit_point_is_found() {
    finds("ready-commits", "UpgradeKilledReady", &[]);
}

#[test]
fn u2_truncated_descriptors_that_are_taken_for_whole_are_found() {
    finds("truncated-is-whole", "stock client", &[]);
}

#[test]
fn t5_a_fence_without_a_lock_is_found() {
    if has_postgres() {
        finds("fence-without-lock", "", &["--store", "postgres"]);
    } else {
        println!("skipped: there is no PostgreSQL on this machine");
    }
}

#[test]
fn servers_with_all_rules_survive_each_fault() {
    let once = "kill-uncommitted,kill-committed,kill-twice,hand-off,hand-off-killed,upgrade,\
                upgrade-killed-ready,upgrade-truncated,state-version,late-turn,cut,link,disk-full";
    let (status, report) = torture(&["--minutes", "3", "--only", once, "--max-faults", "13"]);
    assert_eq!(status, Some(0), "{report}");
    assert_eq!(report["faults"], 13, "{report}");
    assert!(report["appends"].as_u64().unwrap() > 100, "{report}");
}
