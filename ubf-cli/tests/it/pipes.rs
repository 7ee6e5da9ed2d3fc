//! `ubf` between other programs: closed pipes, live streams, long streams, no terminal.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use crate::common::ubf;

fn start(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_ubf"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ubf starts")
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    for args in [
        &["decode"][..],
        &["encode"],
        &["to-json"],
        &["to-json", "--pretty"],
        &["from-json"],
        &["from-json", "--lines"],
        &["fmt"],
        &["check", "--json"],
        &["trace", "--limit", "0"],
    ] {
        let mut child = start(args);
        drop(child.stdout.take());
        let mut stdin = child.stdin.take().unwrap();
        let text: &[u8] = match args {
            ["encode"] => b"{1,2}.\n",
            ["from-json", ..] => b"[1,2]\n",
            _ => b"{1 2}$\n",
        };
        // It may be gone before all is written: that is the point.
        stdin.write_all(&text.repeat(50_000)).ok();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn the_help_too() {
    let mut child = start(&["decode", "--help"]);
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_packet_is_shown_as_soon_as_it_is_whole() {
    for (args, packet, line) in [
        (&["decode"][..], "{1 2}$", "{1,2}\n"),
        (&["decode", "--client"], "3 {1 2}$", "3 {1,2}\n"),
        (&["decode", "--hex"], "3124", "1\n"),
        (&["fmt", "--minimal"], "{1,2}$", "{1 2}$\n"),
        (&["encode"], "{1,2}\n", "{1 2}$\n"),
        (&["to-json"], "{1 2}$", "{\"$tuple\":[1,2]}\n"),
        (&["from-json"], "[1,\n2]", "#2&1&$\n"),
        (&["from-json"], "\"a\"", "\"a\"$\n"),
        (&["from-json"], "12 ", "12$\n"),
        (&["from-json", "--lines"], "[1]\n", "#1&$\n"),
        (&["trace", "--json"], "1$", ""),
    ] {
        let mut child = start(args);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(packet.as_bytes()).unwrap();
        let mut shown = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        // Stdin stays open here: this ends only if the line comes without more input.
        stdout.read_line(&mut shown).unwrap();
        assert!(shown.starts_with(line), "{args:?}: {shown}");
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }
}

/// The most memory that the process has had, in KiB.
#[cfg(target_os = "linux")]
fn peak_kib(child: &Child) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("the process lives");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a line about memory");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
}

/// The most memory, in KiB, that the tool takes for a stream of so many megabytes.
#[cfg(target_os = "linux")]
fn peak_of_stream(args: &[&str], megabytes: usize) -> u64 {
    let mut child = start(args);
    let mut stdout = child.stdout.take().expect("the tool works");
    let reader = std::thread::spawn(move || {
        std::io::copy(&mut stdout, &mut std::io::sink()).expect("the tool works")
    });
    let packet = match args {
        ["encode"] => format!("{{\"{}\",[1,2,3]}}.\n", "x".repeat(1000)),
        ["from-json"] => format!("{{\"{}\":\n[1,2,3]}}", "x".repeat(1000)),
        ["decode", "--client", ..] => format!("7 {{\"{}\" #1&2&3&}}$\n", "x".repeat(1000)),
        _ => format!("{{\"{}\" #1&2&3&}}$\n", "x".repeat(1000)),
    };
    let mut stdin = child.stdin.take().expect("the tool works");
    let chunk = packet.repeat(1000);
    for _ in 0..megabytes {
        stdin.write_all(chunk.as_bytes()).expect("the tool works");
    }
    let peak = peak_kib(&child);
    drop(stdin);
    assert!(child.wait().expect("the tool works").success());
    reader.join().expect("the tool works");
    peak
}

#[cfg(target_os = "linux")]
#[test]
fn a_long_stream_needs_no_more_memory_than_a_short_one() {
    for args in [
        &["decode", "--postfix"][..],
        &["decode", "--client", "--json"],
        &["check"],
        &["fmt", "--cached"],
        &["encode"],
        &["to-json", "--pretty"],
        &["from-json"],
    ] {
        let short = peak_of_stream(args, 1);
        let long = peak_of_stream(args, 16);
        assert!(long < short + (2 << 10), "{args:?}: {long} KiB for 16 MB, {short} KiB for 1 MB");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ubf"))
        .args(["encode", "1"])
        .stdin(Stdio::null())
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut message = String::new();
    child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert_eq!(message, "error: cannot write to stdout: No space left on device\n");
}

#[test]
fn no_colours_where_there_is_no_terminal() {
    for args in [&["check"][..], &["trace"], &["decode"]] {
        let ran = ubf(args, "{1 'a'>p p}$ q$");
        assert!(!ran.out.contains('\x1b') && !ran.err.contains('\x1b'), "{args:?}");
    }
}

#[test]
fn usage_errors_have_status_2() {
    for args in [
        &["nonsense"][..],
        &["decode", "--json", "--postfix"],
        &["decode", "--client", "--server"],
        &[],
        &["trace", "--limit", "x"],
        &["to-json", "--lines", "--pretty"],
        &["to-json", "--client", "--classic"],
        &["from-json", "--cached", "--pretty"],
    ] {
        let ran = ubf(args, "");
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{args:?}");
    }
    assert_eq!(ubf(&["decode", "."], "").status, 2, "a folder is no file");
}
