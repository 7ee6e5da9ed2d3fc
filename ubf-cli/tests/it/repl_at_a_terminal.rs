//! `ubf repl` as someone has it who types: the program runs at a terminal of its own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::common::server::Server;

/// What no answer should take: only a broken tool does.
const PATIENCE: Duration = Duration::from_secs(30);

/// `ubf repl` at a terminal. It ends with this.
struct Typist {
    keys: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    repl: Child,
}

impl Typist {
    fn start(term: &str, args: &[&str]) -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let name = ptsname(&keys, Vec::new()).unwrap();
        let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let stdio = || Stdio::from(terminal.try_clone().unwrap());
        let repl = Command::new(env!("CARGO_BIN_EXE_ubf"))
            .args(["repl", "--no-history"])
            .args(args)
            .env("TERM", term)
            .env("NO_COLOR", "1")
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .unwrap();
        let keys = File::from(keys);
        let mut reader = keys.try_clone().unwrap();
        let (sender, screen) = channel();
        // It ends when the terminal is closed.
        drop(thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut piece) {
                if sender.send(piece[..count].to_vec()).is_err() {
                    break;
                }
            }
        }));
        Self { keys, screen, seen: String::new(), repl }
    }

    fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until a text is on the screen, after all that was waited for before.
    #[track_caller]
    fn sees(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(piece) => self.seen.push_str(&String::from_utf8_lossy(&piece)),
                Err(error) => panic!("{error}: {text:?} does not come, but {:?}", self.seen),
            }
        }
    }

    #[track_caller]
    fn ends(mut self) {
        let end = Instant::now() + PATIENCE;
        while self.repl.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it does not end; the screen has {:?}", self.seen);
            thread::yield_now();
        }
        assert!(self.repl.wait().unwrap().success());
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        self.repl.kill().ok();
        self.repl.wait().ok();
    }
}

#[test]
fn lines_that_are_typed_ahead_are_all_carried_out() {
    let server = Server::of_2003();
    let mut typist = Typist::start("xterm", &[&server.address]);
    typist.sees("> ");
    typist.types("{line,1}\r{line,2}\r{line,\r3}\r{line,4}\r:quit\r");
    for answer in ["\n{line,1}", "\n{line,2}", "\n{line,3}", "\n{line,4}"] {
        typist.sees(answer);
    }
    typist.ends();
}

#[test]
fn lines_that_are_pasted_are_all_carried_out() {
    let server = Server::of_2003();
    let mut typist = Typist::start("xterm", &[&server.address]);
    typist.sees("> ");
    // A terminal marks what is pasted. Enter ends it.
    typist.types("\x1b[200~one\r{two,\r2}\r:event three\rfour\x1b[201~\r");
    for answer in ["\none", "\n{two,2}", "\nfour"] {
        typist.sees(answer);
    }
    typist.types(":quit\r");
    typist.ends();
}

#[test]
fn a_terminal_that_can_do_nothing_is_enough() {
    let server = Server::of_2003();
    let mut typist = Typist::start("dumb", &[&server.address]);
    typist.sees("agreed on version 14");
    typist.sees("> ");
    typist.types("{one,\n1}\n");
    typist.sees("\n{one,1}");
    typist.types(":quit\n");
    typist.ends();
}

#[test]
fn a_command_without_its_colon_is_sent_and_gets_a_hint() {
    let server = Server::of_2003();
    let mut typist = Typist::start("xterm", &[&server.address]);
    typist.sees("> ");
    typist.types("exit\r");
    typist.sees("\nexit");
    typist.sees("Did you mean :quit?");
    typist.types(":quit\r");
    typist.ends();
}

#[test]
fn a_line_without_a_server_is_given_up_soon() {
    let server = Server::of_2003();
    let mut typist = Typist::start("xterm", &["--timeout", "60s", &server.address]);
    typist.sees("> ");
    typist.types("here\r");
    typist.sees("\nhere");
    drop(server);
    typist.sees("cannot connect");
    typist.types("late\r");
    // Within `PATIENCE`, and so long before the time of the call is over.
    typist.sees("error: not sent, no server is there: ");
    typist.types(":quit\r");
    typist.ends();
}
