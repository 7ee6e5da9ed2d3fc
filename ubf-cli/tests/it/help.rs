//! Every example in the help does what the help says.

use std::path::Path;
use std::process::Command;

use crate::common::good;
use crate::common::server::Server;

/// The examples of a help text: command line and output, without the indent.
fn examples(help: &str) -> Vec<(String, String)> {
    let (_, examples) = help.split_once("Examples:\n").expect("examples");
    let mut found: Vec<(String, String)> = Vec::new();
    for line in examples.lines().take_while(|line| line.is_empty() || line.starts_with("  ")) {
        let line = line.strip_prefix("  ").unwrap_or(line);
        if let Some(command) = line.strip_prefix("$ ") {
            found.push((command.to_owned(), String::new()));
        } else if let Some((_, output)) = found.last_mut() {
            output.push_str(line);
            output.push('\n');
        }
    }
    found
}

/// Where the examples say that a server is.
const EXAMPLE_ADDRESS: &str = "127.0.0.1:4000";

fn run(command: &str) -> (i32, String) {
    let folder = Path::new(env!("CARGO_BIN_EXE_ubf")).parent().expect("ubf is in a folder");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("a PATH"));
    let output = Command::new("sh")
        .args(["-c", &format!("{{ {command}; }} 2>&1")])
        .env("PATH", path)
        .output()
        .expect("a shell");
    (
        output.status.code().expect("it ends by itself"),
        String::from_utf8(output.stdout).expect("UTF-8"),
    )
}

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
];

#[test]
fn every_example_does_what_the_help_says() {
    let server = Server::of_2003();
    for &command in COMMANDS {
        let help = good(&[command, &["--help"]].concat(), "");
        let examples = examples(&help);
        assert!(examples.len() >= 3, "{command:?}");
        for (line, expected) in examples {
            let (status, output) = run(&line.replace(EXAMPLE_ADDRESS, &server.address));
            assert!(status < 2, "{line}: {output}");
            if !expected.trim().is_empty() {
                let expected = expected.replace(EXAMPLE_ADDRESS, &server.address);
                assert_eq!(output.trim_end(), expected.trim_end(), "{line}");
            }
        }
    }
}

#[test]
fn help_lines_fit_the_screen() {
    for &command in COMMANDS {
        let help = good(&[command, &["--help"]].concat(), "");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        let short = good(&[command, &["-h"]].concat(), "");
        assert!(short.lines().count() <= 30, "{short}");
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
