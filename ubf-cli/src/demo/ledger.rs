//! The second half of a demo: a server that keeps accounts in rows, under load. Its connections are
//! cut, it is upgraded in place, a bad release is rolled back, its rows are handed off to another
//! node, which is killed, and they go on to the next state version.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use ubf_client::{Client, Level, SessionPlan};
use ubf_codec::{Address, TermRef, Version, View, ubf};
use ubf_load::load::{Load, Outcome, Plan, Requests};
use ubf_node::control::{Request, Which};

use super::Settings;
use super::node::Begins;
use super::stage::{PATIENCE, Stage, Stop};
use super::story::PHASES;
use crate::ui::report::Report;
use crate::ui::text::counted;

/// Chosen: some, so that money moves in all directions.
const ACCOUNTS: u64 = 16;
/// What is put on each account. Chosen: more than the load can take from one.
const CENTS: i64 = 1_000_000_000;
/// The release before, and the one after it: the state versions that they know.
const OLD: &str = "32-34";
const NEW: &str = "32-35";
/// How often every connection is broken, and how often the server is killed.
const CUTS: u64 = 3;
const KILLS: u64 = 3;
/// Calls in flight of one client.
const DEPTH: usize = 4;
/// Of the calls that are made a second where nothing is stored. Chosen: also a slow disk keeps up, so
/// that what is shown is pauses and not a queue.
const SHARE: f64 = 0.25;
/// For a call. Longer than the machine can be busy with other things.
const CALL_TIME: Duration = Duration::from_secs(60);
const HARD_STOP: Duration = Duration::from_secs(10);
/// For rows to be on their way. Chosen: a machine that is busy with other things is no reason to
/// give up.
const HAND_OFF: Duration = Duration::from_secs(20);
const MAX_NOTICES: usize = 1 << 16;
/// The most entries of a page.
const PAGE: u64 = 1_000;

/// What is known of the ledger and of its clients when all is over.
#[derive(Clone, Debug, Default)]
pub(crate) struct LedgerEvidence {
    /// How each call ended, for the clients that know, and the number that it was told; 0 is none.
    pub(crate) told: Vec<Vec<Outcome>>,
    pub(crate) numbers: Vec<Vec<u64>>,
    /// The number of the transfer that was made to show what only the newest rows can hold.
    pub(crate) shown: Option<u64>,
    /// The transfers that stand in rows: from, to, and cents.
    pub(crate) rows: BTreeMap<u64, (String, String, u64)>,
    pub(crate) sum: Sum,
    /// What was put on all accounts.
    pub(crate) put: i64,
    pub(crate) accounts: u64,
    /// Connections that were broken, and whose sessions went on.
    pub(crate) resumed: u64,
    /// The state versions in which rows were written: at first, after the upgrade, after the
    /// roll-back, and in the end.
    pub(crate) written: [u32; 4],
    /// Whether the release from before serves after the bad one.
    pub(crate) is_rolled_back: bool,
    /// What went to the other node.
    pub(crate) handed: Handed,
    pub(crate) kills: u64,
}

/// A hand-off, as the node that gave saw it, and who has followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Handed {
    pub(crate) rows: u64,
    pub(crate) sessions: u64,
    /// Clients at the other node, and all of them.
    pub(crate) followed: [u64; 2],
    pub(crate) pause_us: Option<u64>,
}

/// What the ledger adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) accounts: u64,
    pub(crate) cents: i64,
    pub(crate) made: i64,
    pub(crate) transfers: u64,
}

/// Who asks for which transfer.
pub(crate) const fn requests() -> Requests {
    Requests::Transfers { accounts: ACCOUNTS }
}

/// The phases of the ledger: at the first address, and after the hand-off at the second one. Gives
/// what was seen, the servers that have ended as they were told, and the one that lives.
pub(super) async fn play(
    stage: &mut Stage<'_>,
    settings: &Settings,
    [at, other]: [&Address; 2],
) -> Result<(LedgerEvidence, Vec<usize>, usize), Stop> {
    let mut seen = LedgerEvidence {
        put: CENTS * i64::try_from(ACCOUNTS).unwrap_or(0),
        accounts: ACCOUNTS,
        ..LedgerEvidence::default()
    };
    let old = cut(stage, settings, [at, other], &mut seen).await?;
    let new = upgrade(stage, settings, at, old, &mut seen).await?;
    roll_back(stage, settings, at, new, &mut seen).await?;
    let next = hand_off(stage, settings, other, new, &mut seen).await?;
    let last = kill(stage, settings, other, next, &mut seen).await?;
    finalize(stage, settings, other, last, &mut seen).await?;
    Ok((seen, vec![old, new], last))
}

/// S4.
async fn cut(
    stage: &mut Stage<'_>,
    settings: &Settings,
    [at, other]: [&Address; 2],
    seen: &mut LedgerEvidence,
) -> Result<usize, Stop> {
    stage.begin(
        "cut",
        PHASES,
        "Cut: every connection to a ledger breaks, again and again",
        "Server C keeps accounts on the disk. Clients move money in sessions, which outlive connections: what had not arrived is sent again, what was answered was kept.",
    )?;
    let server = stage.start_ledger(OLD, Begins::Alone, "C", at).await?;
    let pid = stage.actor(server)?.node.pid();
    open_accounts(at).await?;
    connect(stage, settings, [at, other]).await?;
    stage.until("all clients are ready", |stage| is_calm(stage)).await?;
    seen.written[0] = written(stage, server).await?;
    stage.event(&format!(
        "server C (process {pid}) has {ACCOUNTS} accounts; {} move money between them",
        counted(settings.clients, "client")
    ))?;
    let resumes = |stage: &Stage<'_>| -> Vec<u64> {
        stage.clients.iter().map(|client| client.statistics.resumes).collect()
    };
    let before = resumes(stage);
    for round in 1..=CUTS {
        if let Some(load) = &stage.load {
            load.cut();
        }
        stage
            .until("all clients go on", |stage| {
                let now = resumes(stage);
                stage.is_calm() && now.iter().zip(&before).all(|(now, old)| *now >= old + round)
            })
            .await?;
    }
    go_on(stage, settings).await?;
    seen.resumed = resumes(stage).iter().sum::<u64>() - before.iter().sum::<u64>();
    let repeats = stage.clients.iter().map(|client| client.statistics.repeats).sum();
    stage.event(&format!(
        "{} broke, and each session went on; {} had not arrived: sent again",
        counted(seen.resumed, "connection"),
        counted(repeats, "message")
    ))?;
    stage.dwell(settings.dwell).await?;
    Ok(server)
}

/// U2.
async fn upgrade(
    stage: &mut Stage<'_>,
    settings: &Settings,
    at: &Address,
    old: usize,
    seen: &mut LedgerEvidence,
) -> Result<usize, Stop> {
    stage.begin(
        "upgrade",
        PHASES,
        "Upgrade: a new release takes over in place",
        "It gets the listening sockets, the rows and the sessions. It knows one state version more, and writes what the old one reads: there is a way back.",
    )?;
    // From here on it may go.
    stage.actor_mut(old)?.may_end = true;
    let new = stage.start_ledger(NEW, Begins::TakesOver, "C", at).await?;
    let pid = stage.actor(new)?.node.pid();
    stage.event(&format!("process {pid} serves in the place of the first one"))?;
    stage
        .until("the release before has ended", |stage| {
            stage.actor(old).is_ok_and(|actor| actor.node.ended.is_some())
        })
        .await?;
    go_on(stage, settings).await?;
    seen.written[1] = written(stage, new).await?;
    stage.event(&format!(
        "every session went on; rows are written in state version {}, as before",
        seen.written[1]
    ))?;
    stage.dwell(settings.dwell).await?;
    Ok(new)
}

/// U4.
async fn roll_back(
    stage: &mut Stage<'_>,
    settings: &Settings,
    at: &Address,
    good: usize,
    seen: &mut LedgerEvidence,
) -> Result<(), Stop> {
    stage.begin(
        "roll back",
        PHASES,
        "Roll back: the next release crashes as soon as it serves",
        "The one before has stayed, and guards it. It takes its place again by itself: no operator is there, and no supervisor.",
    )?;
    let bad = stage.start_ledger(NEW, Begins::TakesOver, "C", at).await?;
    let actor = stage.actor_mut(bad)?;
    actor.may_end = true;
    let pid = actor.node.pid();
    actor.node.crash().map_err(|error| cannot("crash server C", &error))?;
    stage.event(&format!("process {pid} served, and crashed"))?;
    stage.until_serves(good).await?;
    go_on(stage, settings).await?;
    seen.is_rolled_back = stage.actor(good)?.node.ended.is_none();
    seen.written[2] = written(stage, good).await?;
    let pid = stage.actor(good)?.node.pid();
    stage.event(&format!("process {pid} serves again, and all clients go on"))?;
    stage.dwell(settings.dwell).await
}

/// U5. Gives the server that has the rows.
async fn hand_off(
    stage: &mut Stage<'_>,
    settings: &Settings,
    at: &Address,
    from: usize,
    seen: &mut LedgerEvidence,
) -> Result<usize, Stop> {
    stage.begin(
        "hand off",
        PHASES,
        "Hand off: all rows and sessions go to another node",
        "Server D has a disk of its own. C sends it the accounts, the transfers, and what it keeps for its clients, while they call; they follow, and C is taken out of service.",
    )?;
    let next = stage.start_ledger(NEW, Begins::StandsBy, "D", at).await?;
    let to = format!("unix:{}", stage.actor(next)?.node.operator.socket.display());
    let reports =
        stage.order(from, move |admin| admin.hand_off(Which::All, to, Some(HAND_OFF))).await?;
    let report =
        reports.into_iter().next().ok_or_else(|| Report::new("C has handed nothing off"))?;
    let has_followed =
        |stage: &Stage<'_>| is_calm(stage) && stage.clients_at(at).len() == stage.clients.len();
    stage.until("all clients are at D", has_followed).await?;
    let pause_us = report.pause_us();
    let followed = [stage.clients_at(at).len() as u64, stage.clients.len() as u64];
    seen.handed = Handed { rows: report.rows, sessions: report.sessions, followed, pause_us };
    stage.event(&format!(
        "{} with {} went in {} ms; {} followed to D (process {})",
        counted(report.rows, "row"),
        counted(report.sessions, "session"),
        pause_us.unwrap_or(0) / 1_000,
        counted(followed[0], "client"),
        stage.actor(next)?.node.pid()
    ))?;
    end(stage, from).await?;
    go_on(stage, settings).await?;
    stage.dwell(settings.dwell).await?;
    Ok(next)
}

/// T3. Gives the server that lives in the end.
async fn kill(
    stage: &mut Stage<'_>,
    settings: &Settings,
    at: &Address,
    first: usize,
    seen: &mut LedgerEvidence,
) -> Result<usize, Stop> {
    stage.begin(
        "kill",
        PHASES,
        "Kill: the server is killed (kill -9), three times",
        "What it has answered is on the disk, and so is who asked. The next process goes on with the calls in flight: each has run once, and none is in doubt.",
    )?;
    let mut server = first;
    for _ in 0..KILLS {
        let actor = stage.actor_mut(server)?;
        actor.may_end = true;
        actor.node.kill().map_err(|error| cannot("kill server D", &error))?;
        server = stage.start_ledger(NEW, Begins::Alone, "D", at).await?;
        go_on(stage, settings).await?;
        seen.kills += 1;
    }
    let pid = stage.actor(server)?.node.pid();
    let doubt = stage.counts.indeterminate();
    stage.event(&format!(
        "{KILLS} times kill -9, and a new process each time, now {pid}; calls in doubt: {doubt}"
    ))?;
    stage.dwell(settings.dwell).await?;
    Ok(server)
}

/// T6.
async fn finalize(
    stage: &mut Stage<'_>,
    settings: &Settings,
    at: &Address,
    server: usize,
    seen: &mut LedgerEvidence,
) -> Result<(), Stop> {
    stage.begin(
        "finalize",
        PHASES,
        "Finalize: no way back is wanted any more",
        "An operator says that rows are written in the next state version. What only that can hold, a memo with each transfer, is offered from this moment on.",
    )?;
    let before = seen.written[2];
    stage.order(server, |admin| admin.finalize(Which::All)).await?;
    seen.written[3] = written(stage, server).await?;
    seen.shown = transfer_with_memo(at).await?;
    loop {
        let all = stage.order(server, |admin| admin.migrate(Which::All)).await?;
        if all.iter().all(ubf_node::control::MigrationReport::is_done) {
            break;
        }
        stage.tick().await?;
    }
    go_on(stage, settings).await?;
    stage.event(&format!(
        "state version {before} became {}; all rows are rewritten, and version 3 is spoken",
        seen.written[3]
    ))?;
    stage.dwell(settings.dwell).await
}

/// Ends the load and the server, and takes down what both say.
pub(super) async fn settle(
    stage: &mut Stage<'_>,
    at: &Address,
    server: usize,
    seen: &mut LedgerEvidence,
) -> Result<ubf_load::load::Summary, Stop> {
    let Some(load) = stage.load.take() else {
        return Err(Report::new("the ledger has no clients").into());
    };
    let summary = load.finish(PATIENCE).await;
    (seen.told, seen.numbers) = (summary.journals.clone(), summary.numbers.clone());
    (seen.rows, seen.sum) = read_rows(at).await?;
    end(stage, server).await?;
    Ok(summary)
}

/// Tells a server to end, and waits for that.
async fn end(stage: &mut Stage<'_>, server: usize) -> Result<(), Stop> {
    stage.actor_mut(server)?.may_end = true;
    stage
        .order(server, |admin| admin.order(&Request::ShutDown { hard_stop: Some(HARD_STOP) }))
        .await?;
    stage
        .until("the server has ended", |stage| {
            stage.actor(server).is_ok_and(|actor| actor.node.ended.is_some())
        })
        .await
}

async fn connect(
    stage: &mut Stage<'_>,
    settings: &Settings,
    at: [&Address; 2],
) -> Result<(), Stop> {
    let (notices, noticed) = mpsc::channel(MAX_NOTICES);
    stage.listen(noticed);
    let mut plan = Plan::new(at.map(Clone::clone));
    plan.service = "ledger".into();
    plan.versions = [1, 2].into_iter().filter_map(Version::new).collect();
    plan.requests = requests();
    plan.connections = usize::try_from(settings.clients).unwrap_or(usize::MAX);
    plan.depth = DEPTH;
    plan.rate = Some(settings.calls_per_second * SHARE);
    plan.call_time = CALL_TIME;
    plan.keeps_journal = true;
    plan.keeps_numbers = true;
    plan.session = SessionPlan::demanded(Level::Durable);
    plan.can_cut = true;
    plan.seed = settings.seed;
    plan.notices = Some(notices);
    let load = Load::start(plan).await.map_err(|error| crate::commands::cannot_start(&error))?;
    stage.load = Some(load);
    stage.look()
}

fn is_calm(stage: &Stage<'_>) -> bool {
    stage.is_calm() && !stage.clients.is_empty()
}

/// Waits until each client has been answered again.
async fn go_on(stage: &mut Stage<'_>, settings: &Settings) -> Result<(), Stop> {
    let all = (1..=settings.clients).collect();
    stage.until_answered(&all, DEPTH as u64 + 1).await?;
    stage.until("all clients go on", is_calm).await
}

/// The state version in which rows are written.
async fn written(stage: &Stage<'_>, server: usize) -> Result<u32, Stop> {
    let rows = stage.order(server, |admin| admin.rows(Which::All)).await?;
    Ok(rows.first().map_or(0, |rows| rows.versions.write))
}

fn cannot(what: &str, error: &std::io::Error) -> Report {
    Report::new(format!("cannot {what}: {}", crate::ui::reason::reason(error)))
}

/// A client for what is asked once.
async fn client(at: &Address, version: u32) -> Result<Client, Report> {
    let client = Client::builder()
        .addresses([at.clone()])
        .service("ledger")
        .versions([version])
        .session(SessionPlan::demanded(Level::Durable))
        .call_time(CALL_TIME)
        .connect();
    client.await.map_err(|error| crate::network::cannot_connect(&error))
}

async fn call(client: &Client, request: ubf_codec::Term) -> Result<ubf_client::Reply, Report> {
    let reply = client.call(request).await;
    reply.map_err(|error| Report::new(format!("the ledger does not answer: {error}")))
}

async fn open_accounts(at: &Address) -> Result<(), Stop> {
    let client = client(at, 1).await?;
    for account in 0..ACCOUNTS {
        let account = account.to_string();
        let reply = call(&client, ubf!({open, (account.as_str()), (CENTS)})).await?;
        if !reply.response().is_atom("ok") {
            return Err(Report::new(format!("no account: {}", reply.response())).into());
        }
    }
    Ok(())
}

/// What version 3 alone can say. Its number.
async fn transfer_with_memo(at: &Address) -> Result<Option<u64>, Stop> {
    let client = client(at, 3).await?;
    let reply = call(&client, ubf!({transfer, "0", "1", 1, "a memo"})).await?;
    Ok(tuple::<2>(reply.response()).and_then(|[_, number]| number.as_u64()))
}

/// All transfers, and the sum.
async fn read_rows(at: &Address) -> Result<(BTreeMap<u64, (String, String, u64)>, Sum), Stop> {
    let client = client(at, 3).await?;
    let (mut rows, mut after) = (BTreeMap::new(), 0_u64);
    loop {
        let page = call(&client, ubf!({transfers, (after), (PAGE)})).await?;
        let page = entries(page.response());
        let page = page.ok_or_else(|| Report::new("the ledger shows no page of transfers"))?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        rows.extend(page);
    }
    let sum = call(&client, ubf!(sum)).await?;
    let sum = sum_in(sum.response()).ok_or_else(|| Report::new("the ledger has no sum"))?;
    Ok((rows, sum))
}

type Entry = (u64, (String, String, u64));

/// Those in `{transfers,[{Number,From,To,Cents,Memo}],Next}`.
fn entries(response: TermRef<'_>) -> Option<Vec<Entry>> {
    let [_, entries, _] = tuple(response)?;
    let View::List(entries) = entries.view() else { return None };
    let text = |term: TermRef<'_>| match term.view() {
        View::String(text) => text.to_str().map(std::borrow::Cow::into_owned),
        View::Integer(_)
        | View::Atom(_)
        | View::Binary(_)
        | View::Tuple(_)
        | View::List(_)
        | View::Tagged(..)
        | View::Undefined => None,
    };
    let entry = |term| {
        let [number, from, to, cents, _memo] = tuple(term)?;
        Some((number.as_u64()?, (text(from)?, text(to)?, cents.as_u64()?)))
    };
    entries.iter().map(entry).collect()
}

/// That in `{sum,Accounts,Cents,Made,Transfers}`.
fn sum_in(response: TermRef<'_>) -> Option<Sum> {
    let [_, accounts, cents, made, transfers] = tuple(response)?;
    Some(Sum {
        accounts: accounts.as_u64()?,
        cents: cents.as_i64()?,
        made: made.as_i64()?,
        transfers: transfers.as_u64()?,
    })
}

fn tuple<const N: usize>(term: TermRef<'_>) -> Option<[TermRef<'_>; N]> {
    if let View::Tuple(parts) = term.view() { parts.to_array() } else { None }
}

#[cfg(test)]
mod tests {
    use ubf_codec::Term;

    use super::*;

    #[test]
    fn pages_and_sums_are_read() {
        let page: Term = r#"{transfers,[{7,"0","1",5,"a"},{8,"1","0",1,""}],8}"#.parse().unwrap();
        let entry = |number, from: &str, to: &str, cents| (number, (from.into(), to.into(), cents));
        let expected = vec![entry(7, "0", "1", 5), entry(8, "1", "0", 1)];
        assert_eq!(entries(page.as_ref()), Some(expected));
        let sum: Term = "{sum,2,1000,1000,8}".parse().unwrap();
        let expected = Sum { accounts: 2, cents: 1_000, made: 1_000, transfers: 8 };
        assert_eq!(sum_in(sum.as_ref()), Some(expected));
        assert_eq!((sum_in(page.as_ref()), entries(sum.as_ref())), (None, None));
    }
}
