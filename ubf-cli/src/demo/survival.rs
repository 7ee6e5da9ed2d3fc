//! A server with `--data` is killed under load, again and again: it has clients of its own, and
//! what they were told is held against its rows.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use ubf_client::{CallError, Client, Level, SessionPlan};
use ubf_codec::{Address, TermRef, View, ubf};
use ubf_node::control::Request;

use super::node::{Kind, Node};
use super::stage::{Stage, Stop};
use crate::ui::report::Report;

/// How often it is killed.
const KILLS: u32 = 3;
const CLIENTS: u64 = 4;
/// Calls in flight of one client.
const WRITERS: u64 = 4;
/// Between two kills, so many calls at least are answered.
const ANSWERS: u64 = 32;
/// For a call. Longer than the machine can be busy with other things.
const CALL_TIME: Duration = Duration::from_secs(60);
const HARD_STOP: Duration = Duration::from_secs(10);

/// What clients of a server saw that was killed and lost nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survival {
    pub(crate) kills: u64,
    /// Calls that were answered.
    pub(crate) answered: u64,
    /// Calls that ended otherwise.
    pub(crate) not_answered: u64,
    /// Numbers of changes that no answer has, or more than one: each change is one call.
    pub(crate) not_once: u64,
}

impl Survival {
    fn of(kills: u64, mut revisions: Vec<u64>, not_answered: u64) -> Self {
        revisions.sort_unstable();
        let answered = revisions.len() as u64;
        let is_other = |(revision, expected): &(&u64, u64)| *revision != expected;
        let not_once = revisions.iter().zip(1..).filter(is_other).count() as u64;
        Self { kills, answered, not_answered, not_once }
    }

    pub(crate) const fn is_good(&self) -> bool {
        self.kills > 0 && self.answered > 0 && self.not_answered == 0 && self.not_once == 0
    }
}

/// What one writer was told.
#[derive(Debug, Default)]
struct Written {
    revisions: Vec<u64>,
    not_answered: u64,
}

/// Starts the server and its clients, kills it, and proves that nothing was lost.
pub(super) async fn play(stage: &mut Stage<'_>, at_c: &Address) -> Result<(Survival, Node), Stop> {
    let mut node = Node::start(Kind::Rows, "C", 1, at_c, &stage.folder)?;
    let pid = node.pid();
    stage.event(&format!("server C (process {pid}) keeps its rows, and its clients' sessions"))?;
    let (stop, stopped) = watch::channel(false);
    let answers = Arc::new(watch::Sender::new(0_u64));
    let mut writers = JoinSet::new();
    for number in 0..CLIENTS {
        let client = client(at_c)?;
        for writer in 0..WRITERS {
            let (client, stopped) = (client.clone(), stopped.clone());
            let key = number * WRITERS + writer;
            writers.spawn(write(client, key, stopped, Arc::clone(&answers)));
        }
    }
    for kill in 1..=KILLS {
        let before = *answers.borrow();
        stage.until("C has answered", |_| *answers.borrow() >= before + ANSWERS).await?;
        node.kill().map_err(|error| {
            Report::new(format!("cannot kill server C: {}", crate::ui::reason::reason(&error)))
        })?;
        node = Node::start(Kind::Rows, "C", kill + 1, at_c, &stage.folder)?;
    }
    let before = *answers.borrow();
    stage.until("C has answered", |_| *answers.borrow() >= before + ANSWERS).await?;
    stop.send_replace(true);
    let (mut revisions, mut not_answered) = (Vec::new(), 0);
    while let Some(written) = writers.join_next().await {
        let written = written.map_err(|error| Report::new(format!("a client of C: {error}")))?;
        revisions.extend(written.revisions);
        not_answered += written.not_answered;
    }
    let survival = Survival::of(KILLS.into(), revisions, not_answered);
    let Survival { answered, not_once, .. } = survival;
    stage.event(&format!(
        "{KILLS} times kill -9, and a new process each time; {answered} calls, {not_answered} in doubt, {not_once} run otherwise than once"
    ))?;
    end(stage, &mut node).await?;
    Ok((survival, node))
}

/// A client that is connected when there is a server, and not before.
fn client(address: &Address) -> Result<Client, Report> {
    Client::builder()
        .addresses([address.clone()])
        .service("kv")
        .versions([3])
        .session(SessionPlan::demanded(Level::Durable))
        .call_time(CALL_TIME)
        .start()
        .map_err(|error| Report::new(format!("cannot start a client of C: {error}")))
}

/// Writes values until it is told to stop, each when the one before is there.
async fn write(
    client: Client,
    key: u64,
    stopped: watch::Receiver<bool>,
    answers: Arc<watch::Sender<u64>>,
) -> Written {
    let mut written = Written::default();
    let mut number = 0_u64;
    while !*stopped.borrow() && written.not_answered == 0 {
        number += 1;
        match put(&client, key, number).await {
            Ok(Some(revision)) => written.revisions.push(revision),
            Ok(None) | Err(_) => written.not_answered += 1,
        }
        answers.send_modify(|answers| *answers += 1);
    }
    written
}

/// The number of the change that a call made.
async fn put(client: &Client, key: u64, number: u64) -> Result<Option<u64>, CallError> {
    let reply = client.call(ubf!({put, (key), (number)})).await?;
    Ok(revision(reply.response()))
}

/// That in `{'ok',Revision}`.
fn revision(response: TermRef<'_>) -> Option<u64> {
    let View::Tuple(parts) = response.view() else { return None };
    parts.get(1)?.as_u64()
}

/// Ends the server in peace: what it keeps stays.
async fn end(stage: &mut Stage<'_>, node: &mut Node) -> Result<(), Stop> {
    let shut_down = |admin: &mut crate::admin::Admin| {
        admin.order(&Request::ShutDown { hard_stop: Some(HARD_STOP) })
    };
    let ordered = node.operator.order(shut_down).await;
    ordered.map_err(|error| Report::new(format!("server C: {error}")))?;
    while !node.has_ended() {
        stage.tick().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_two_answers_have_and_one_that_none_has_are_found() {
        let good = Survival::of(1, vec![2, 1, 3], 0);
        assert_eq!(good, Survival { kills: 1, answered: 3, not_answered: 0, not_once: 0 });
        assert!(good.is_good());
        for bad in [
            Survival::of(1, vec![1, 1, 2], 0),
            Survival::of(1, vec![1, 3], 0),
            Survival::of(1, vec![1, 2], 1),
            Survival::of(1, Vec::new(), 0),
            Survival::of(0, vec![1], 0),
        ] {
            assert!(!bad.is_good(), "{bad:?}");
        }
    }
}
