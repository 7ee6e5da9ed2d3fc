//! `ubf load`, as it is called.

use crate::common::server::{Server, nobody};
use crate::common::{bad, good, ubf};
use serde_json::Value;

fn json(args: &[&str]) -> (i32, Value) {
    let ran = ubf(&[&["load", "--json"], args].concat(), "");
    (ran.status, serde_json::from_str(&ran.out).unwrap())
}

#[test]
fn makes_the_calls_and_says_how_long_they_took() {
    let server = Server::of_2003();
    let args = ["--calls", "500", "--connections", "3", "--depth", "4", "--check", &server.address];
    let (status, report) = json(&[&args[..], &["--versions", "1-3,6,8,10,11"]].concat());
    assert_eq!(status, 0);
    for (key, value) in
        [("calls", 500), ("answered", 500), ("errors", 0), ("indeterminate", 0), ("behind", 0)]
    {
        assert_eq!(report[key], value, "{key}");
    }
    assert_eq!(report["versions"], serde_json::json!({"10": 500}));
    assert_eq!(report["clients_by_address"], serde_json::json!({ &server.address: 3 }));
    let latency = |name: &str| report["latency_us"][name].as_f64().unwrap();
    let rising = ["p50", "p90", "p99", "p99.9", "max"].map(latency);
    assert!(rising[0] > 0.0 && rising.is_sorted(), "{report}");

    let report = good(&[&["load"], &args[..]].concat(), "");
    assert!(report.starts_with("clients    3 with 4 in flight each, at 127.0.0.1:"), "{report}");
    assert!(
        report.contains("answered   500 in version 14\nerrors     0\nunknown    0\n"),
        "{report}"
    );
}

#[test]
fn connections_that_are_cut_lose_no_call_in_a_session_and_are_counted() {
    let server = Server::of_2003();
    let args = ["--duration", "2s", "--connections", "4", "--depth", "8", "--check"];
    let (status, report) = json(&[&args[..], &["--cut", "200ms", &server.address]].concat());
    assert_eq!((status, &report["errors"]), (0, &0.into()), "{report}");
    assert_eq!(report["indeterminate"], 0, "{report}");
    let number = |name: &str| report[name].as_u64().unwrap();
    assert!(number("cuts") >= 8 && number("resumes") >= 8, "{report}");
    assert_eq!((number("sessions"), number("sessions_unknown")), (4, 0), "{report}");
    assert_eq!(number("answered"), number("calls"), "{report}");

    // Without sessions, the same loses calls.
    let more = ["--cut", "200ms", "--no-session", &server.address];
    let (status, report) = json(&[&args[..], &more].concat());
    assert_eq!((status, &report["sessions"]), (1, &0.into()), "{report}");
    assert!(report["indeterminate"].as_u64() > Some(0), "{report}");
}

#[test]
fn keeps_to_a_rate_and_shows_progress_if_asked() {
    let server = Server::of_2003();
    let args = [
        "load",
        "--rate",
        "100",
        "--duration",
        "1.2s",
        "--progress",
        "--request",
        "{a,1}",
        &server.address,
    ];
    let ran = ubf(&args, "");
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(
        ran.err.contains(" calls/s  p50 ") && ran.err.contains("versions 14  at 127.0.0.1:"),
        "{}",
        ran.err
    );
    assert!(ran.out.contains("100 a second were due"), "{}", ran.out);
}

#[test]
fn calls_that_fail_are_counted_by_kind_and_show_in_the_exit_status() {
    let server = Server::of_2003();
    let (status, report) = json(&["--calls", "3", "--service", "crash", &server.address]);
    assert_eq!((status, &report["answered"]), (1, &Value::from(0)));
    assert_eq!(report["errors"], 3, "{report}");
    assert!(report["by_kind"]["failed"].as_u64() >= Some(1), "{report}");
}

#[test]
fn errors_say_what_to_look_at() {
    let server = Server::of_2003();
    let message = bad(2, &["load", &nobody()], "");
    assert!(
        message.contains(": cannot connect: Connection refused\n\nhint: is the server running"),
        "{message}"
    );
    let message = bad(2, &["load", "--versions", "7,8", &server.address], "");
    assert!(message.contains("the server speaks 1-5,9,10,14\n\nhint: --versions"), "{message}");
    let message = bad(1, &["load", "--request", "{a,", &server.address], "");
    assert!(message.contains("\n  {a,\n     ^\n"), "{message}");
    assert!(bad(2, &["load", "--rate", "0", &server.address], "").contains("0.001"));
    assert!(bad(2, &["load", "nowhere"], "").contains("nowhere"));
}

#[cfg(unix)]
#[test]
fn a_load_that_is_told_to_stop_reports_what_it_has() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    let server = Server::of_2003();
    let mut load = Command::new(env!("CARGO_BIN_EXE_ubf"))
        .args(["load", "--duration", "1h", "--progress", &server.address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It runs.
    let mut progress = BufReader::new(load.stderr.take().unwrap());
    let mut line = String::new();
    progress.read_line(&mut line).unwrap();
    assert!(line.contains(" calls/s "), "{line}");
    let pid = load.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    let ended = load.wait_with_output().unwrap();
    let report = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{report}");
    assert!(report.contains("answered   ") && report.contains("latency    p50"), "{report}");
}
