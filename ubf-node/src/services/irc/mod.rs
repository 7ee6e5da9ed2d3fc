//! `irc`: people with nicknames in groups, whose messages go to the others as events. It has two
//! states and two versions.
//!
//! | state | request | version 1 | version 2 |
//! |---|---|---|---|
//! | start | `logon` | `{ok,Nick}`, a nickname of the server's choice; active | the same |
//! | start | `{logon,Nick}` | | `{ok,Nick}`; active |
//! | active | `groups` | `[Group]` | `[{Group,Count}]` |
//! | active | `{join,Group}`, `{leave,Group}` | `true` or `false` | `ok` |
//! | active | `{nick,Nick}` | `true` or `false` | `ok` |
//! | active | `{msg,Group,Text}` | `true` or `false` | `ok` |
//! | active | `{members,Group}` | | `[Nick]` |
//! | active | `{private,Nick,Text}` | | `ok` |
//! | active | `logoff` | | `ok`; start |
//!
//! What cannot be done is `false` in version 1, and `{error,Why}` in version 2: `bad_name`,
//! `bad_text`, `full`, `nick_taken`, `no_such_group`, `no_such_nick`, `not_a_member`, `too_old`.
//! All else is answered `clientBrokeContract`, with what the version knows in this state.
//!
//! | event | to | version 1 | version 2 |
//! |---|---|---|---|
//! | somebody comes, goes | the others in the group | `{joins,Nick,Group}`, `{leaves,Nick,Group}` | the same |
//! | somebody has another name | who shares a group | `{changesName,Old,New,Group}` for each group | `{renamed,Old,New}`, once |
//! | a message | the others in the group | `{msg,Nick,Group,Text}` | the same |
//! | a private message | its addressee | cannot be said: the sender gets `too_old` | `{private,Nick,Text}` |
//!
//! A client's version is the one of its last request. Nicknames, groups and texts are strings.

mod kept;
mod rows;
mod words;
mod world;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ubf_codec::{Term, TermRef, Text, Version, Versioned as _};
use ubf_proto::Versions;
use ubf_server::{Call, Client, EventSender, Failure, Handler, Reply};

pub use self::kept::IrcRows;
use self::words::{Contract, Reply as Said, Request, shapes, version};
use self::world::{Sink, World};

/// Groups of people who write to each other. The module's source has tables of its two versions.
///
/// | version | requests when logged on |
/// |---|---|
/// | 1 | `groups`, `{join,Group}`, `{leave,Group}`, `{nick,Nick}`, `{msg,Group,Text}` |
/// | 2 | also `{members,Group}`, `{private,Nick,Text}`, `logoff`; errors say why |
///
/// # Limits
/// 10,000 people, 1,024 groups with 1,000 members each, 16 groups for each of them; names of 32
/// bytes without control bytes, texts of 4,096 bytes. Who does not read is logged off when
/// [`max_events`](ubf_server::ServerLimits::max_events) events wait for it: so nobody waits for a
/// slow reader, and nobody misses an event without being told.
#[derive(Debug)]
pub struct Irc {
    versions: Versions,
    world: Arc<Mutex<World<EventSender>>>,
}

impl Irc {
    /// All versions of the contract: 1 and 2.
    pub const VERSIONS: [u32; 2] = [1, 2];

    /// Nobody is there yet. It speaks those of `versions` that the contract has.
    #[must_use]
    pub fn new(versions: &Versions) -> Self {
        let known = Versions::of(Self::VERSIONS);
        let versions = versions.iter().filter(|&version| known.contains(version)).collect();
        Self { versions, world: Arc::default() }
    }
}

/// A connection's place in the world. Who is gone is logged off.
pub struct Person {
    world: Arc<Mutex<World<EventSender>>>,
    id: u64,
}

impl Person {
    fn world(&self) -> MutexGuard<'_, World<EventSender>> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.world().log_off(self.id);
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Sink for EventSender {
    fn send(&self, contract: Contract, event: Term) -> bool {
        Version::new(contract.number()).is_some_and(|version| self.try_send(version, event).is_ok())
    }
}

impl Handler for Irc {
    type State = Person;

    fn versions(&self) -> Versions {
        self.versions.clone()
    }

    /// Who is logged on has a nickname and groups here, and nowhere else.
    fn pinned_outside(&self) -> Option<Text> {
        Some(Text::from_static("start"))
    }

    fn connect(&self, _: &Client) -> Person {
        let id = self.world.lock().unwrap_or_else(PoisonError::into_inner).next_id();
        Person { world: Arc::clone(&self.world), id }
    }

    async fn request(&self, call: Call<Person>) -> Result<Reply, Failure> {
        let contract = Contract::of(call.version());
        let person = call.state();
        let mut world = person.world();
        let response = answer(&mut world, person.id, contract, call.term(), || call.events());
        let is_active = world.is_logged_on(person.id);
        drop(world);
        let state = if is_active { "active" } else { "start" };
        Ok(match response {
            Some(response) => Reply::new(response, state),
            None => Reply::broken_contract(call.term(), shapes(contract, is_active), state),
        })
    }
}

/// `None`: the contract has no such request in this state.
fn answer<S: Sink>(
    world: &mut World<S>,
    id: u64,
    contract: Contract,
    request: TermRef<'_>,
    sink: impl FnOnce() -> S,
) -> Option<Term> {
    let version = version(contract.number());
    let request = Request::from_term(version, request).ok()?;
    let is_active = world.is_logged_on(id);
    if is_active {
        world.speaks(id, contract);
    }
    let said = match request {
        Request::Logon(nick) if !is_active => world
            .log_on(id, contract, nick, sink())
            .map_or_else(|why| Said::Done(Err(why)), Said::Welcome),
        _ if !is_active => return None,
        Request::Logon(_) => return None,
        Request::Groups => {
            Said::Groups(world.groups().map(|(group, count)| (group.clone(), count)).collect())
        }
        Request::Join(group) => Said::Done(world.join(id, &group)),
        Request::Leave(group) => Said::Done(world.leave(id, &group)),
        Request::Nick(nick) => Said::Done(world.rename(id, &nick)),
        Request::Message { group, text } => Said::Done(world.message(id, &group, &text)),
        Request::Members(group) => {
            world.members(&group).map_or_else(|why| Said::Done(Err(why)), Said::Members)
        }
        Request::Private { nick, text } => Said::Done(world.private(id, &nick, &text)),
        Request::Logoff => {
            world.log_off(id);
            Said::Done(Ok(()))
        }
    };
    said.to_term(version).ok()
}

#[cfg(test)]
mod tests;
