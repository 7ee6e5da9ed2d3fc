//! `ubf dashboard`: what the tool says, and how it ends. What is on the page has tests in ubf-node.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::common::bad;

#[test]
fn the_page_is_there_until_ctrl_c() {
    // Nobody answers at this address: the page says so.
    let mut child = Command::new(env!("CARGO_BIN_EXE_ubf"))
        .args(["dashboard", "127.0.0.1:1,a.invalid:9464", "--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ubf starts");
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    out.read_line(&mut line).expect("UTF-8");
    let address = line.trim().strip_prefix("http://").and_then(|it| it.strip_suffix('/'));
    let address = address.unwrap_or_else(|| panic!("{line}"));
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("UTF-8");
    assert!(page.contains("<h1>2 nodes</h1>") && page.contains("a.invalid:9464"), "{page}");
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-s", "INT", &id]).status().expect("kill is there");
    assert!(sent.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn what_cannot_be_shown_is_said_before_anything_is() {
    for (arguments, wanted) in [
        (&["a.example"][..], "a.example: HOST:PORT, http://HOST:PORT or https://HOST:PORT"),
        (&["https://a.example:1"], "https://a.example:1: nobody says whose certificates"),
        (&["a.example:1", "--token", "/nonexistent"], "/nonexistent: cannot be read: "),
        (&["a.example:1", "--token", "/a", "--token", "/b"], "2 tokens for 1 servers"),
        (&["a.example:1", "--listen", "0.0.0.0:0"], "cannot listen on 0.0.0.0:0: "),
        (&["a.example:1", "--ca", "/nonexistent"], "/nonexistent"),
        (&[], "required arguments were not provided"),
    ] {
        let message = bad(2, &[&["dashboard"], arguments].concat(), "");
        assert!(message.contains(wanted), "{arguments:?}: {message}");
    }
}
