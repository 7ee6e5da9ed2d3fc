//! What the tool says about itself. Its examples are in `examples`.

use crate::common::good;

const COMMANDS: &[&[&str]] = &[
    &[],
    &["decode"],
    &["encode"],
    &["to-json"],
    &["from-json"],
    &["check"],
    &["fmt"],
    &["trace"],
    &["call"],
    &["repl"],
    &["load"],
    &["attack"],
    &["demo"],
    &["contract"],
    &["admin"],
    &["dashboard"],
    &["upgrade"],
    &["agent"],
    &["release"],
    &["rollout"],
    &["switch"],
];

#[test]
fn help_lines_fit_the_screen() {
    for &command in COMMANDS {
        let help = good(&[command, &["--help"]].concat(), "");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        let short = good(&[command, &["-h"]].concat(), "");
        // A list of commands has a line for each.
        let most = if matches!(command, [] | ["admin"]) { 36 } else { 30 };
        assert!(short.lines().count() <= most, "{short}");
    }
}

#[test]
fn the_tool_says_which_commit_it_is_of() {
    let version = good(&["--version"], "");
    assert!(version.starts_with(concat!("ubf ", env!("CARGO_PKG_VERSION"))), "{version}");
    let document: serde_json::Value =
        serde_json::from_str(&good(&["version", "--json"], "")).expect("JSON");
    assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
    if let Some(commit) = document["commit"].as_str() {
        assert!(commit.bytes().all(|digit| digit.is_ascii_hexdigit()), "{commit}");
        assert!(version.contains(&format!("({commit})")), "{version}");
        assert!(good(&["version"], "").contains(&format!("\ncommit {commit}\n")));
    }
}

#[test]
fn shells_and_man_know_each_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = good(&["completions", shell], "");
        for name in ["decode", "call", "admin", "--max-wait", "--idempotent"] {
            let name = if shell == "fish" { name.trim_start_matches("--") } else { name };
            assert!(script.contains(name), "{shell}: {name}");
        }
    }
    let folder = std::env::temp_dir().join(format!("ubf-man-{}", std::process::id()));
    good(&["man", folder.to_str().expect("UTF-8")], "");
    for page in ["ubf.1", "ubf-call.1", "ubf-admin.1", "ubf-admin-drain.1"] {
        let text = std::fs::read_to_string(folder.join(page)).expect(page);
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}");
    }
    std::fs::remove_dir_all(folder).expect("it is there");
    let message = crate::common::bad(2, &["man", "/dev/null/x"], "");
    assert!(message.starts_with("error: cannot write manual pages to /dev/null/x: "), "{message}");
}
