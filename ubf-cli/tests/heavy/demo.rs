//! `ubf demo`, as it is called.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{bad, ubf};
use serde_json::Value;

#[test]
fn keeps_all_promises_and_says_so_in_numbers() {
    let keep = folder("keep");
    let args = ["demo", "--fast", "--json", "--seed", "7", "--keep", keep.to_str().unwrap()];
    let ran = ubf(&args, "");
    assert_eq!(ran.status, 0, "{ran:?}");
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["kept_all_promises"], true);
    assert_eq!(
        (&report["lost"], &report["executed_twice"], &report["seed"]),
        (&0.into(), &0.into(), &7.into())
    );
    let number = |name: &str| report[name].as_u64().unwrap();
    assert_eq!((number("sent"), number("indeterminate")), (number("answered"), 0));
    // Each client had a call refused when its code crashed.
    assert!(number("refused_and_sent_again") >= number("clients"));
    let promises = report["promises"].as_array().unwrap();
    assert!(
        promises.len() == 15 && promises.iter().all(|promise| promise["kept"] == true),
        "{report}"
    );
    let phases = report["phases"].as_array().unwrap();
    let names: Vec<_> = phases.iter().map(|phase| phase["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "negotiate",
            "fall back",
            "drain",
            "share load",
            "cut",
            "upgrade",
            "roll back",
            "hand off",
            "kill",
            "finalize",
            "proof"
        ]
    );
    let lost: Vec<_> =
        phases.iter().map(|phase| phase["lost_connections"].as_u64().unwrap()).collect();
    assert!(lost[..4].iter().all(|lost| *lost == 0), "planned work loses no connection: {lost:?}");
    assert!(lost[4] >= 3 * 20, "each connection is cut three times: {lost:?}");
    assert!(
        phases[2]["moved"].as_u64() == Some(20) && phases[3]["moved"].as_u64() > Some(0),
        "{report}"
    );

    // What is shown meanwhile is for people, and is plain where nobody draws.
    for line in
        ["1/11 Negotiate", "next message is in 8", "agreed version: 3", "kill -9", "11/11 Proof"]
    {
        assert!(ran.err.contains(line), "{line}: {}", ran.err);
    }
    assert!(
        !ran.err.contains('\x1b') && ran.err.lines().all(|line| line.chars().count() <= 80),
        "{}",
        ran.err
    );

    // The journals say the same.
    let mut records = 0;
    for name in ["a1", "a2", "b1"] {
        let journal = std::fs::read_to_string(keep.join(name).with_extension("journal")).unwrap();
        records += journal.lines().filter(|line| line.starts_with("{'executed'")).count() as u64;
    }
    assert!(0 < records && records < number("answered"), "the ledger's calls are in its rows");
    let message = bad(2, &args, "");
    assert!(message.contains("the folder is not empty\n\nhint: --keep"), "{message}");
    std::fs::remove_dir_all(keep).unwrap();
}

#[test]
fn an_interrupt_leaves_no_process_and_no_file_behind() {
    for signal in ["INT", "TERM"] {
        let mut demo = Demo::start(signal);
        let servers = demo.servers();
        send(signal, &demo.child.id().to_string());
        let said = demo.end();
        assert!(said.ends_with("error: interrupted; the servers are ended\n"), "{said}");
        assert!(servers.iter().all(|pid| !is_alive(pid)), "{said}");
    }
}

#[test]
fn a_demo_that_is_killed_leaves_no_server_behind() {
    let mut demo = Demo::start("killed");
    let servers = demo.servers();
    demo.child.kill().unwrap();
    demo.child.wait().unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while servers.iter().any(|pid| is_alive(pid)) {
        assert!(Instant::now() < end, "{servers:?} live");
        std::thread::yield_now();
    }
}

#[test]
fn a_server_that_ends_unasked_ends_the_demo_and_is_named() {
    let mut demo = Demo::start("unasked");
    let servers = demo.servers();
    send("KILL", &servers[1]);
    let said = demo.end();
    assert!(
        said.contains("error: server B ended (signal: 9 (SIGKILL)), unasked\n  its last words: "),
        "{said}"
    );
    assert!(servers.iter().all(|pid| !is_alive(pid)), "{said}");
}

/// The checks are no show: a journal that tells another story than the clients fails the demo.
#[test]
fn a_journal_with_a_second_record_or_without_one_breaks_a_promise() {
    fn doubled(journal: &str) -> String {
        format!("{journal}{}\n", journal.lines().next().unwrap())
    }
    fn shortened(journal: &str) -> String {
        journal.split_once('\n').unwrap().1.to_owned()
    }
    type Change = fn(&str) -> String;
    let cases = [
        ("doubled", "executed twice", doubled as Change),
        ("shortened", "lost", shortened as Change),
    ];
    for (name, count, change) in cases {
        let mut demo = Demo::start_with(name, &["--fast"]);
        let mut report = demo.child.stdout.take().unwrap();
        // The first A has written all that it will.
        demo.read_until("ended with exit status 0");
        let journal = demo.file("a1.journal");
        let said = std::fs::read_to_string(&journal).unwrap();
        std::fs::write(&journal, change(&said)).unwrap();
        let (mut text, mut shown) = (String::new(), String::new());
        demo.shown.read_to_string(&mut shown).unwrap();
        report.read_to_string(&mut text).unwrap();
        assert_eq!(demo.child.wait().unwrap().code(), Some(1), "{shown}{text}");
        let line = text.lines().find(|line| line.starts_with(count)).unwrap();
        assert_eq!(line.split_whitespace().nth(count.split(' ').count()), Some("1"), "{text}");
        assert!(text.lines().any(|line| line.starts_with('✗')), "{text}");
    }
}

#[test]
fn arguments_that_are_of_no_use_are_refused() {
    assert!(bad(2, &["demo", "--clients", "3"], "").contains("4..=400"));
    let message = bad(2, &["demo", "--clients", "50", "--rate", "10"], "");
    assert!(
        message.contains("50 clients, and only 10 calls a second\n\nhint: --rate"),
        "{message}"
    );
}

/// A demo that runs. A test that fails leaves none behind, and the demo no server.
struct Demo {
    child: Child,
    shown: BufReader<ChildStderr>,
    text: String,
    folder: PathBuf,
}

impl Demo {
    /// Starts one, and waits until its clients are connected.
    fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    fn start_with(name: &str, args: &[&str]) -> Self {
        let folder = folder(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_ubf"));
        command.arg("demo").args(args).env("TMPDIR", &folder).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let shown = BufReader::new(child.stderr.take().unwrap());
        let mut demo = Self { child, shown, text: String::new(), folder };
        demo.read_until("are connected to A");
        demo
    }

    /// Reads on until it has said this.
    fn read_until(&mut self, words: &str) {
        while !self.text.contains(words) {
            assert!(self.shown.read_line(&mut self.text).unwrap() > 0, "{}", self.text);
        }
    }

    /// A file of this name in its own folder.
    fn file(&self, name: &str) -> PathBuf {
        let folders = std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        folders.map(|folder| folder.join(name)).find(|file| file.exists()).unwrap()
    }

    /// The processes of its servers, A first.
    fn servers(&self) -> Vec<String> {
        let servers = processes(&self.text);
        assert!(servers.len() == 2 && servers.iter().all(|pid| is_alive(pid)), "{}", self.text);
        servers
    }

    /// All that it has said, when it has ended and has left no file.
    fn end(&mut self) -> String {
        self.shown.read_to_string(&mut self.text).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(2), "{}", self.text);
        assert_eq!(std::fs::read_dir(&self.folder).unwrap().count(), 0, "its folder is gone");
        std::mem::take(&mut self.text)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            send("TERM", &self.child.id().to_string());
            let _has_ended = self.child.wait().is_ok();
        }
        let _is_removed = std::fs::remove_dir_all(&self.folder).is_ok();
    }
}

fn send(signal: &str, pid: &str) {
    assert!(Command::new("kill").args(["-s", signal, pid]).status().unwrap().success());
}

/// The numbers in `(process 123)`.
fn processes(text: &str) -> Vec<String> {
    let found = text.split("(process ").skip(1).filter_map(|rest| rest.split_once(')'));
    found.map(|(pid, _)| pid.to_owned()).collect()
}

fn is_alive(pid: &str) -> bool {
    Command::new("kill").args(["-0", pid]).stderr(Stdio::null()).status().unwrap().success()
}

/// An empty folder.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("ubf-test-{}-{name}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    folder
}
