//! Programs that hang, crash, lie or talk too much are told apart, and none of them passes.
#![cfg(unix)]
#![allow(clippy::panic, reason = "the functions that tests share are not seen as tests")]

use std::process::Output;

use assert_cmd::Command;

/// Runs the suite over a program that is given as a script of the shell.
fn examine(options: &[&str], script: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_ubf-conformance");
    let mut command = Command::new(program);
    command.args(options).args(["--command", "sh", "-c", script]);
    command.output().unwrap_or_else(|error| panic!("{error}"))
}

/// The last line: how many checks ended in which way.
fn total(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("all ")).unwrap_or_else(|| {
        panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
    });
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_program_that_supports_nothing_does_not_pass() {
    let output = examine(&["--only", "W2"], "while read -r line; do echo unsupported; done");
    assert_eq!(output.status.code(), Some(1));
    let total = total(&output);
    assert!(total.starts_with("all 0 passed 0 failed 0 hung 0 crashed "), "{total}");
    assert!(!total.contains(" 0 unsupported"), "{total}");
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("nothing was answered rightly\n"));
}

#[test]
fn a_program_that_hangs_is_given_up() {
    let options = ["--only", "W2", "--timeout", "0.05"];
    let output = examine(&options, "while read -r line; do sleep 3600; done");
    assert_eq!(output.status.code(), Some(1));
    let total = total(&output);
    assert!(total.starts_with("all 0 passed 0 failed "), "{total}");
    assert!(total.contains(" 0 crashed 0 unsupported"), "{total}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("no answer within 0.05 s"), "{text}");
    assert!(text.contains("not asked: it has hung 10 times"), "{text}");
}

#[test]
fn a_program_that_crashes_is_started_again() {
    let output = examine(&["--only", "W1"], "read -r line; exit 3");
    assert_eq!(output.status.code(), Some(1));
    let total = total(&output);
    assert!(total.starts_with("all 0 passed 0 failed 0 hung "), "{total}");
    assert!(!total.contains(" 0 crashed"), "{total}");
}

#[test]
fn garbage_is_wrong_and_not_fatal() {
    for script in [
        "while read -r line; do echo; done",
        "while read -r line; do printf '\\377\\376 ; x\\n'; done",
        "while read -r line; do echo complete; done",
        "while read -r line; do echo failed; done",
    ] {
        let output = examine(&["--only", "W2", "--only", "N1"], script);
        assert_eq!(output.status.code(), Some(1), "{script}");
        let total = total(&output);
        assert!(!total.contains(" 0 failed") && total.contains(" 0 hung 0 crashed"), "{total}");
    }
}

#[test]
fn endless_output_ends() {
    for script in ["yes unsupported", "yes | tr -d '\\n'"] {
        let output = examine(&["--only", "W1", "--timeout", "0.2"], script);
        assert_eq!(output.status.code(), Some(1), "{script}");
        let total = total(&output);
        assert!(total.starts_with("all 0 passed 0 failed "), "{total}");
    }
}

#[test]
fn what_is_required_must_be_supported() {
    let serve = format!("exec '{}' --serve", env!("CARGO_BIN_EXE_ubf-conformance"));
    let without = |word: &str| {
        let filter = format!(
            "while read -r line; do case $line in {word}*) echo unsupported ;; \
             *) printf '%s\\n' \"$line\" | {serve} ;; esac; done",
            serve = serve.trim_start_matches("exec ")
        );
        filter
    };
    let only = ["--only", "P6"];
    let status = |require: &str, script: &str| {
        let output = examine(&[only.as_slice(), &["--require", require]].concat(), script);
        output.status.code()
    };
    assert_eq!(status("all", &serve), Some(0));
    assert_eq!(status("packets", &without("begin")), Some(0));
    assert_eq!(status("connections-client", &without("begin")), Some(1));
}

#[test]
fn what_cannot_be_used_is_told_apart_from_what_fails() {
    let program = env!("CARGO_BIN_EXE_ubf-conformance");
    for arguments in [
        &["--command", "/no/such/program"][..],
        &["--vectors", "/no/such/folder"],
        &["--only", "W99"],
        &["--require", "patience"],
        &["--timeout", "0"],
        &["--timeout", "-1"],
        &["--junit", "/no/such/folder/report.xml", "--only", "W1"],
        &["--no-such-option"],
    ] {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn reports_for_machines_say_the_same() {
    let program = env!("CARGO_BIN_EXE_ubf-conformance");
    let file = std::env::temp_dir().join(format!("ubf-conformance-{}.xml", std::process::id()));
    let output = Command::new(program)
        .args(["--only", "W3", "--json", "--junit"])
        .arg(&file)
        .args(["--command", "sh", "-c", "while read -r line; do echo '<&>'; done"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap().len();
    assert_eq!(report["passed"], false);
    assert_eq!(report["counts"]["failed"], checks);
    let xml = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(xml.contains(&format!("tests=\"{checks}\" failures=\"{checks}\" errors=\"0\"")));
    assert!(xml.contains("&lt;&amp;&gt;") && !xml.contains("<&>"), "{xml}");
}

#[test]
fn who_is_not_there_is_told_apart_from_who_says_nothing() {
    let program = env!("CARGO_BIN_EXE_ubf-conformance");
    let run = |arguments: &[&str]| Command::new(program).args(arguments).output().unwrap();
    // Bound and not listening: nobody else gets this port, and nobody is there.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let output = run(&["--server", &format!("127.0.0.1:{port}"), "--timeout", "5"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(total(&output).starts_with("all 0 passed 0 failed 0 hung 1 crashed"));
    let output = run(&["--timeout", "0.01", "--client", "sh", "-c", "read line # {}"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(total(&output).contains("0 passed 0 failed 14 hung"), "{}", total(&output));
    assert_eq!(run(&["--server", "no port"]).status.code(), Some(2));
}
