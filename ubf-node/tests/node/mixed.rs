//! Releases that know different state versions, one after the other over the same rows, under load:
//! any order, given up at any point, back before finalizing without loss and after it with the
//! losses that are declared (T6, T7, U2).

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use ubf_client::{Client, Level, SessionPlan};
use ubf_codec::{Term, TermRef, View, ubf};
use ubf_net::testing::within;
use ubf_proto::Random;

use crate::folder::Folder;
use crate::process::{Program, command, run};

const ACCOUNTS: u64 = 4;
const CENTS: u64 = 1_000_000;
const CALLERS: u64 = 4;

/// Where releases come and go: the same address, control socket and rows.
struct Place {
    folder: Folder,
    address: String,
}

impl Place {
    fn new(name: &str) -> Self {
        Self { folder: Folder::new(&format!("mixed-{name}")), address: "127.0.0.1:0".into() }
    }

    fn command(&self, knows: &str, more: &[&str]) -> Command {
        let (control, data) = (self.folder.file("control"), self.folder.file("data"));
        let arguments = [
            "--listen",
            &self.address,
            "--log",
            "json",
            "--service",
            "ledger",
            "--data",
            &data,
            "--control",
            &control,
            "--hard-stop",
            "5s",
            "--knows",
            knows,
        ];
        command(&[&arguments[..], more].concat())
    }

    /// The first release. Its rows are of the newest state version that it knows, if nothing else is
    /// said.
    fn first(&mut self, knows: &str, more: &[&str]) -> Program {
        let program = Program::spawn(self.command(knows, more));
        self.address = program.address().to_owned();
        program
    }

    /// A release takes over, and dies at that step if one is named.
    fn successor(&self, knows: &str, fault: &str) -> Command {
        let mut command = self.command(knows, &["--take-over"]);
        command.env("UBF_FAULT", fault);
        command
    }

    /// An operator's request, and the response to it.
    fn operator(&self, request: &str) -> String {
        let mut operator = UnixStream::connect(self.folder.file("control")).unwrap();
        operator.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        operator.write_all(format!("2 {request}$").as_bytes()).unwrap();
        let mut answer = Vec::new();
        BufReader::new(operator).read_until(b'$', &mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let response = answer.strip_prefix("2 ? {").and_then(|rest| rest.split_once('\''));
        assert!(response.is_some(), "{request}: {answer}");
        answer
    }

    /// The write version of the rows, and the oldest and the newest that rows may have.
    fn versions(&self) -> (u64, u64, u64) {
        let answer = self.operator("{'rows''all'}");
        let after = answer.split_once("\"ledger\"{").unwrap().1;
        let numbers = after.split_once('}').unwrap().0;
        let numbers: Vec<u64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
        (numbers[0], numbers[1], numbers[2])
    }

    /// Rewrites all rows.
    fn migrate(&self) {
        for _ in 0..1_000 {
            self.operator("{'migrate''all'}");
            let (_, lowest, highest) = self.versions();
            if lowest == highest {
                return;
            }
        }
        panic!("rows are left");
    }

    async fn connect(&self, versions: impl IntoIterator<Item = u32>) -> Client {
        let client = Client::builder()
            .address(&self.address)
            .service("ledger")
            .versions(versions)
            .session(SessionPlan::demanded(Level::Durable))
            .call_time(Duration::from_secs(60))
            .connect();
        within(client).await.unwrap()
    }
}

async fn ask(client: &Client, request: &str) -> String {
    let request: Term = request.parse().unwrap();
    within(client.call(request)).await.unwrap().response().to_string()
}

/// Clients that move money all the time.
struct Load {
    client: Client,
    is_over: Arc<AtomicBool>,
    done: watch::Receiver<u64>,
    callers: JoinSet<Vec<u64>>,
}

impl Load {
    async fn start(place: &Place) -> Self {
        let client = place.connect([1, 2]).await;
        for account in 0..ACCOUNTS {
            let opened = ask(&client, &format!("{{open,\"{account}\",{CENTS}}}")).await;
            assert_eq!(opened, "ok");
        }
        let (is_over, counts) = (Arc::new(AtomicBool::new(false)), watch::Sender::new(0));
        let (done, counts) = (counts.subscribe(), Arc::new(counts));
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (client, is_over) = (client.clone(), Arc::clone(&is_over));
            callers.spawn(transfer(client, caller, is_over, Arc::clone(&counts)));
        }
        Self { client, is_over, done, callers }
    }

    /// Waits until so many more transfers are made.
    async fn goes_on(&mut self) {
        let goal = *self.done.borrow() + 40;
        within(self.done.wait_for(|done| *done >= goal)).await.unwrap();
    }

    /// Every transfer was made once, and no money was made or lost. Others have made those numbers.
    async fn end(mut self, others: &[u64]) {
        self.is_over.store(true, Ordering::Relaxed);
        let mut numbers = others.to_vec();
        while let Some(told) = within(self.callers.join_next()).await {
            numbers.extend(told.unwrap());
        }
        numbers.sort_unstable();
        let transfers = numbers.len() as u64;
        assert!(numbers.iter().copied().eq(1..=transfers), "each transfer was made once");
        let all = ACCOUNTS * CENTS;
        let sum = format!("{{sum,{ACCOUNTS},{all},{all},{transfers}}}");
        assert_eq!(ask(&self.client, "sum").await, sum);
    }
}

async fn transfer(
    client: Client,
    caller: u64,
    is_over: Arc<AtomicBool>,
    done: Arc<watch::Sender<u64>>,
) -> Vec<u64> {
    let (mut numbers, mut random) = (Vec::new(), Random::new(caller));
    while !is_over.load(Ordering::Relaxed) {
        let from = random.below(ACCOUNTS);
        let to = (from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
        let [from, to] = [from, to].map(|account| account.to_string());
        let request = ubf!({transfer, (from.as_str()), (to.as_str()), (1_u64)});
        let reply = client.call(request).await.unwrap();
        numbers.push(number(reply.response()));
        done.send_modify(|done| *done += 1);
    }
    numbers
}

/// That in `{'ok',Number}`.
fn number(response: TermRef<'_>) -> u64 {
    let View::Tuple(parts) = response.view() else { panic!("{response}") };
    parts.get(1).and_then(|number| number.as_u64()).unwrap_or_else(|| panic!("{response}"))
}

/// The next release takes over, or gives up at a step and the one before goes on.
async fn next(place: &Place, load: &mut Load, old: Program, knows: &str, fault: &str) -> Program {
    load.goes_on().await;
    if fault.is_empty() {
        let mut new = Program::spawn(place.successor(knows, ""));
        load.goes_on().await;
        new.logs("this process has taken over");
        assert_eq!(old.status(), Some(0), "{knows}: the release before has lost nothing");
        return new;
    }
    let mut failing = place.successor(knows, fault).spawn().unwrap();
    let ended = tokio::task::spawn_blocking(move || failing.wait());
    assert!(!within(ended).await.unwrap().unwrap().success(), "{knows} {fault}");
    load.goes_on().await;
    old
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t6_releases_change_in_any_order_and_before_finalizing_the_old_one_comes_back() {
    let mut place = Place::new("order");
    let mut program = place.first("34", &[]);
    let mut load = Load::start(&place).await;
    for (knows, fault) in [
        ("34-35", "abort:s-given"),
        ("34-35", ""),
        // Back, without loss: nothing was finalized.
        ("34", "abort:s-opened"),
        ("34", ""),
        ("32-35", "abort:s-ready"),
        ("32-35", ""),
    ] {
        program = next(&place, &mut load, program, knows, fault).await;
        assert_eq!(place.versions(), (34, 34, 34), "{knows} {fault}");
    }
    load.end(&[]).await;
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t6_what_was_finalized_is_not_owned_by_whoever_does_not_know_it() {
    let mut place = Place::new("finalized");
    let mut program = place.first("34-35", &["--state-version", "34"]);
    let mut load = Load::start(&place).await;
    load.goes_on().await;
    // T6: what rows cannot hold is not offered.
    let newest = Client::builder().address(&place.address).service("ledger").versions([3]);
    assert!(within(newest.connect()).await.is_err());
    assert!(place.operator("{'finalize''all'}").contains("'finalized'"));
    assert_eq!(place.versions(), (35, 34, 35));
    let newest = place.connect([3]).await;
    let made = ask(&newest, "{transfer,\"0\",\"1\",1,\"for a book\"}").await;
    assert!(made.starts_with("{ok,"), "{made}");

    // One that is a state version behind, and one that is three behind: they say so, and end, and
    // the one that serves goes on.
    for knows in ["34", "32"] {
        let mut late = place.successor(knows, "").spawn().unwrap();
        let mut said = String::new();
        std::io::Read::read_to_string(late.stderr.as_mut().unwrap(), &mut said).unwrap();
        assert!(!late.wait().unwrap().success());
        let expected = format!("has state version 35, and this program knows {knows} to {knows}");
        assert!(said.contains(&expected), "{said}");
        load.goes_on().await;
    }
    // It catches up as a release that knows more.
    program = next(&place, &mut load, program, "33-35", "").await;
    place.migrate();
    assert_eq!(place.versions(), (35, 35, 35));

    // The way back, with the loss that is declared: version 3 is withdrawn, and memos are lost.
    assert!(place.operator("{'lower''all'}").contains("'lowered'"));
    place.migrate();
    assert_eq!(place.versions(), (34, 34, 34));
    program = next(&place, &mut load, program, "34", "").await;
    let made: u64 = made.trim_matches(['{', '}']).split(',').nth(1).unwrap().parse().unwrap();
    let page = ask(&load.client, &format!("{{transfers,{},1}}", made - 1)).await;
    assert!(page.starts_with(&format!("{{transfers,[{{{made},\"0\",\"1\",1}}],")), "{page}");
    load.end(&[made]).await;
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[tokio::test]
async fn a_program_that_cannot_own_the_rows_says_what_it_knows() {
    let mut place = Place::new("behind");
    let program = place.first("32-35", &[]);
    let client = place.connect([1]).await;
    // A store without rows has no version yet.
    assert_eq!(ask(&client, "{open,\"a\",1}").await, "ok");
    drop(client);
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
    let data = place.folder.file("data");
    let arguments = ["--listen", "127.0.0.1:0", "--service", "ledger", "--data", &data];
    let output = run(&[&arguments[..], &["--knows", "32"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let expected = "has state version 35, and this program knows 32 to 32";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn q28_a_successor_says_which_settings_are_others_than_before() {
    let mut place = Place::new("settings");
    let program = place.first("34-35", &[]);
    let mut command = place.successor("34-35", "");
    command.args(["--max-sessions", "77"]);
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let entry = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "the program ended");
        let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
        if entry["setting"] == "sessions.max-sessions" {
            break entry;
        }
    };
    assert_eq!(entry["message"], "a setting is another one than before");
    assert_eq!((&entry["before"], &entry["now"]), (&"20000".into(), &"77".into()));
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    assert_eq!(program.status(), Some(0));
    crate::process::signal(child.id(), "TERM");
    assert!(child.wait().unwrap().success());
}
