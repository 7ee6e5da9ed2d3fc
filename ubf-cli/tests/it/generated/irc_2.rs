//! The service `irc`, as its contract says.
//!
//! Written by `ubf contract rust`.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use ubf_client::CallError;
use ubf_codec::serde::{Error, from_term, to_term};
use ubf_codec::{Term, TermRef, View};
use ubf_contract::{ReadError, Reader};
use ubf_server::{Call, Client, Contracts, Failure, Handler, Reply, Versions};

/// `logon`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "logon")]
pub struct Logon;

/// `{logon, nick()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "logon")]
pub struct LogonAs {
    /// `nick()`
    pub nick: Nick,
}

/// the nickname, which the server chose if the client did not
///
/// `{ok, nick()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "ok")]
pub struct Welcome {
    /// `nick()`
    pub nick: Nick,
}

/// `groups`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "groups")]
pub struct Groups;

/// with the number of members
///
/// `[{group(), pos_integer()}]`
pub type GroupList = Vec<(Group, u64)>;

/// `{join, group()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "join")]
pub struct Join {
    /// `group()`
    pub group: Group,
}

/// `{leave, group()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "leave")]
pub struct Leave {
    /// `group()`
    pub group: Group,
}

/// `{nick, nick()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "nick")]
pub struct Rename {
    /// `nick()`
    pub nick: Nick,
}

/// `{msg, group(), text()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "msg")]
pub struct Say {
    /// `group()`
    pub group: Group,
    /// `text()`
    pub text: Text,
}

/// `{members, group()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "members")]
pub struct Members {
    /// `group()`
    pub group: Group,
}

/// `[nick()]`
pub type Nicks = Vec<Nick>;

/// `{private, nick(), text()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "private")]
pub struct Whisper {
    /// `nick()`
    pub nick: Nick,
    /// `text()`
    pub text: Text,
}

/// `logoff`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "logoff")]
pub struct Logoff;

/// `ok`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "ok")]
pub struct OkType;

/// `{error, why()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "error")]
pub struct ErrorType {
    /// `why()`
    pub why: Why,
}

/// `bad_name | bad_text | full | nick_taken | no_such_group | no_such_nick | not_a_member | too_old`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Why {
    #[serde(rename = "bad_name")]
    BadName,
    #[serde(rename = "bad_text")]
    BadText,
    #[serde(rename = "full")]
    Full,
    #[serde(rename = "nick_taken")]
    NickTaken,
    #[serde(rename = "no_such_group")]
    NoSuchGroup,
    #[serde(rename = "no_such_nick")]
    NoSuchNick,
    #[serde(rename = "not_a_member")]
    NotAMember,
    #[serde(rename = "too_old")]
    TooOld,
}

/// the client did not read, and was logged off
///
/// `{clientBrokeContract, any(), [ubfstring()]}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "clientBrokeContract")]
pub struct Gone {
    /// `any()`
    pub term: Term,
    /// `[ubfstring()]`
    pub items: Vec<String>,
}

/// `{joins, nick(), group()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "joins")]
pub struct Joins {
    /// `nick()`
    pub nick: Nick,
    /// `group()`
    pub group: Group,
}

/// `{leaves, nick(), group()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "leaves")]
pub struct Leaves {
    /// `nick()`
    pub nick: Nick,
    /// `group()`
    pub group: Group,
}

/// old and new, of somebody in a group of the client's
///
/// `{renamed, nick(), nick()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "renamed")]
pub struct Renamed {
    /// `nick()`
    pub nick: Nick,
    /// `nick()`
    pub nick_2: Nick,
}

/// `{msg, nick(), group(), text()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "msg")]
pub struct Said {
    /// `nick()`
    pub nick: Nick,
    /// `group()`
    pub group: Group,
    /// `text()`
    pub text: Text,
}

/// `{private, nick(), text()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "private")]
pub struct Whispered {
    /// `nick()`
    pub nick: Nick,
    /// `text()`
    pub text: Text,
}

/// `ubfstring()`
pub type Nick = String;

/// `ubfstring()`
pub type Group = String;

/// `ubfstring()`
pub type Text = String;

/// The states of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// `start`
    Start,
    /// `active`
    Active,
}

impl State {
    /// The state in which sessions begin.
    pub const ENTRY: Self = Self::Start;

    /// Its name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Active => "active",
        }
    }

    /// The state of that name, which is an atom.
    #[must_use]
    pub fn of_term(name: TermRef<'_>) -> Option<Self> {
        let View::Atom(name) = name.view() else { return None };
        Some(match name.to_latin1().as_str() {
            "start" => Self::Start,
            "active" => Self::Active,
            _ => return None,
        })
    }
}

/// How `logon` ends in [`State::Start`].
#[derive(Clone, Debug, PartialEq)]
pub enum LogonAnswer {
    /// `welcome()`: the nickname, which the server chose if the client did not
    /// Then the state is [`State::Active`].
    Welcome(Welcome),
    /// `error()`
    /// Then the state is [`State::Start`].
    Error(ErrorType),
}

impl LogonAnswer {
    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
            Self::Welcome(response) => (to_term(response)?, State::Active),
            Self::Error(response) => (to_term(response)?, State::Start),
        })
    }

    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Welcome(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Error(response));
        }
        None
    }
}

/// How `logon_as` ends in [`State::Start`].
#[derive(Clone, Debug, PartialEq)]
pub enum LogonAsAnswer {
    /// `welcome()`: the nickname, which the server chose if the client did not
    /// Then the state is [`State::Active`].
    Welcome(Welcome),
    /// `error()`
    /// Then the state is [`State::Start`].
    Error(ErrorType),
}

impl LogonAsAnswer {
    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
            Self::Welcome(response) => (to_term(response)?, State::Active),
            Self::Error(response) => (to_term(response)?, State::Start),
        })
    }

    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Welcome(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Error(response));
        }
        None
    }
}

/// How `groups` ends in [`State::Active`].
#[derive(Clone, Debug, PartialEq)]
pub enum GroupsAnswer {
    /// `group_list()`: with the number of members
    /// Then the state is [`State::Active`].
    GroupList(GroupList),
    /// `gone()`: the client did not read, and was logged off
    /// Then the state is [`State::Start`].
    Gone(Gone),
}

impl GroupsAnswer {
    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
            Self::GroupList(response) => (to_term(response)?, State::Active),
            Self::Gone(response) => (to_term(response)?, State::Start),
        })
    }

    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::GroupList(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Gone(response));
        }
        None
    }
}

/// How `join` ends in [`State::Active`].
#[derive(Clone, Debug, PartialEq)]
pub enum JoinAnswer {
    /// `ok()`
    /// Then the state is [`State::Active`].
    Ok(OkType),
    /// `error()`
    /// Then the state is [`State::Active`].
    Error(ErrorType),
    /// `gone()`: the client did not read, and was logged off
    /// Then the state is [`State::Start`].
    Gone(Gone),
}

impl JoinAnswer {
    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
            Self::Ok(response) => (to_term(response)?, State::Active),
            Self::Error(response) => (to_term(response)?, State::Active),
            Self::Gone(response) => (to_term(response)?, State::Start),
        })
    }

    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Ok(response));
        }
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Error(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Gone(response));
        }
        None
    }
}

/// How `leave` ends in [`State::Active`].
#[derive(Clone, Debug, PartialEq)]
pub enum LeaveAnswer {
    /// `ok()`
    /// Then the state is [`State::Active`].
    Ok(OkType),
    /// `error()`
    /// Then the state is [`State::Active`].
    Error(ErrorType),
    /// `gone()`: the client did not read, and was logged off
    /// Then the state is [`State::Start`].
    Gone(Gone),
}

impl LeaveAnswer {
    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
            Self::Ok(response) => (to_term(response)?, State::Active),
            Self::Error(response) => (to_term(response)?, State::Active),
            Self::Gone(response) => (to_term(response)?, State::Start),
        })
    }

    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Ok(response));
        }
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Error(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Gone(response));
        }
        None
    }
}

/// How `rename` ends in [`State::Active`].
#[derive(Clone, Debug, PartialEq)]
pub enum RenameAnswer {
    /// `ok()`
    /// Then the state is [`State::Active`].
    Ok(OkType),
    /// `error()`
    /// Then the state is [`State::Active`].
    Error(ErrorType),
    /// `gone()`: the client did not read, and was logged off
    /// Then the state is [`State::Start`].
    Gone(Gone),
}

impl RenameAnswer {
    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
            Self::Ok(response) => (to_term(response)?, State::Active),
            Self::Error(response) => (to_term(response)?, State::Active),
            Self::Gone(response) => (to_term(response)?, State::Start),
        })
    }

    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Ok(response));
        }
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Error(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Gone(response));
        }
        None
    }
}

/// How `say` ends in [`State::Active`].
#[derive(Clone, Debug, PartialEq)]
pub enum SayAnswer {
    /// `ok()`
    /// Then the state is [`State::Active`].
    Ok(OkType),
    /// `error()`
    /// Then the state is [`State::Active`].
    Error(ErrorType),
    /// `gone()`: the client did not read, and was logged off
    /// Then the state is [`State::Start`].
    Gone(Gone),
}

impl SayAnswer {
    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
            Self::Ok(response) => (to_term(response)?, State::Active),
            Self::Error(response) => (to_term(response)?, State::Active),
            Self::Gone(response) => (to_term(response)?, State::Start),
        })
    }

    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Ok(response));
        }
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Error(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Gone(response));
        }
        None
    }
}

/// How `members` ends in [`State::Active`].
#[derive(Clone, Debug, PartialEq)]
pub enum MembersAnswer {
    /// `nicks()`
    /// Then the state is [`State::Active`].
    Nicks(Nicks),
    /// `error()`
    /// Then the state is [`State::Active`].
    Error(ErrorType),
    /// `gone()`: the client did not read, and was logged off
    /// Then the state is [`State::Start`].
    Gone(Gone),
}

impl MembersAnswer {
    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
            Self::Nicks(response) => (to_term(response)?, State::Active),
            Self::Error(response) => (to_term(response)?, State::Active),
            Self::Gone(response) => (to_term(response)?, State::Start),
        })
    }

    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Nicks(response));
        }
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Error(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Gone(response));
        }
        None
    }
}

/// How `whisper` ends in [`State::Active`].
#[derive(Clone, Debug, PartialEq)]
pub enum WhisperAnswer {
    /// `ok()`
    /// Then the state is [`State::Active`].
    Ok(OkType),
    /// `error()`
    /// Then the state is [`State::Active`].
    Error(ErrorType),
    /// `gone()`: the client did not read, and was logged off
    /// Then the state is [`State::Start`].
    Gone(Gone),
}

impl WhisperAnswer {
    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
            Self::Ok(response) => (to_term(response)?, State::Active),
            Self::Error(response) => (to_term(response)?, State::Active),
            Self::Gone(response) => (to_term(response)?, State::Start),
        })
    }

    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Ok(response));
        }
        if state == State::Active
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Error(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Gone(response));
        }
        None
    }
}

/// How `logoff` ends in [`State::Active`].
#[derive(Clone, Debug, PartialEq)]
pub enum LogoffAnswer {
    /// `ok()`
    /// Then the state is [`State::Start`].
    Ok(OkType),
    /// `gone()`: the client did not read, and was logged off
    /// Then the state is [`State::Start`].
    Gone(Gone),
}

impl LogoffAnswer {
    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
            Self::Ok(response) => (to_term(response)?, State::Start),
            Self::Gone(response) => (to_term(response)?, State::Start),
        })
    }

    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Ok(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Gone(response));
        }
        None
    }
}

/// An event from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum EventOut {
    /// `whispered()`
    Whispered(Whispered),
    /// `joins()`
    Joins(Joins),
    /// `leaves()`
    Leaves(Leaves),
    /// `renamed()`: old and new, of somebody in a group of the client's
    Renamed(Renamed),
    /// `said()`
    Said(Said),
}

impl EventOut {
    /// The event that a term is.
    ///
    /// # Errors
    /// It is none of them.
    pub fn read(event: TermRef<'_>) -> Result<Self, Error> {
        if let Ok(event) = from_term(event) {
            return Ok(Self::Whispered(event));
        }
        if let Ok(event) = from_term(event) {
            return Ok(Self::Joins(event));
        }
        if let Ok(event) = from_term(event) {
            return Ok(Self::Leaves(event));
        }
        if let Ok(event) = from_term(event) {
            return Ok(Self::Renamed(event));
        }
        from_term(event).map(Self::Said)
    }

    /// The event as a term.
    ///
    /// # Errors
    /// It has no form in UBF.
    pub fn to_term(&self) -> Result<Term, Error> {
        match self {
            Self::Whispered(event) => to_term(event),
            Self::Joins(event) => to_term(event),
            Self::Leaves(event) => to_term(event),
            Self::Renamed(event) => to_term(event),
            Self::Said(event) => to_term(event),
        }
    }
}

/// The contract in UBF(B).
pub const CONTRACT: &str = r#"% Groups of people, version 2: errors say why, people choose their names, write to one another, and
% leave.
+NAME("irc").
+VSN("2").

+TYPES
  logon() :: logon;
  logon_as() :: {logon, nick()};
  welcome() :: {ok, nick()} "the nickname, which the server chose if the client did not";
  groups() :: groups;
  group_list() :: [{group(), pos_integer()}] "with the number of members";
  join() :: {join, group()};
  leave() :: {leave, group()};
  rename() :: {nick, nick()};
  say() :: {msg, group(), text()};
  members() :: {members, group()};
  nicks() :: [nick()];
  whisper() :: {private, nick(), text()};
  logoff() :: logoff;
  ok() :: ok;
  error() :: {error, why()};
  why() ::
    bad_name | bad_text | full | nick_taken | no_such_group | no_such_nick | not_a_member | too_old;
  gone() :: {
    clientBrokeContract,
    any(),
    [ubfstring()]
  } "the client did not read, and was logged off";
  joins() :: {joins, nick(), group()};
  leaves() :: {leaves, nick(), group()};
  renamed() :: {renamed, nick(), nick()} "old and new, of somebody in a group of the client's";
  said() :: {msg, nick(), group(), text()};
  whispered() :: {private, nick(), text()};
  nick() :: ubfstring();
  group() :: ubfstring();
  text() :: ubfstring().

+STATE start
  logon() => welcome() & active | error() & start;
  logon_as() => welcome() & active | error() & start;
  % A private message may overtake the answer to logon.
  EVENT => whispered().

+STATE active
  groups() => group_list() & active | gone() & start;
  join() => ok() & active | error() & active | gone() & start;
  leave() => ok() & active | error() & active | gone() & start;
  rename() => ok() & active | error() & active | gone() & start;
  say() => ok() & active | error() & active | gone() & start;
  members() => nicks() & active | error() & active | gone() & start;
  whisper() => ok() & active | error() & active | gone() & start;
  logoff() => ok() & start | gone() & start;
  EVENT => joins();
  EVENT => leaves();
  EVENT => renamed();
  EVENT => said();
  EVENT => whispered().
"#;

/// What a service does under this contract.
pub trait Service: Send + Sync + 'static {
    /// What is kept for each connection.
    type Session: Send + Sync + 'static;

    /// A client uses the service for the first time on its connection.
    fn connect(&self, client: &Client) -> Self::Session;

    /// `logon()`
    ///
    /// In [`State::Start`].
    fn logon(
        &self,
        session: &Self::Session,
        request: Logon,
    ) -> impl Future<Output = Result<LogonAnswer, Failure>> + Send;

    /// `logon_as()`
    ///
    /// In [`State::Start`].
    fn logon_as(
        &self,
        session: &Self::Session,
        request: LogonAs,
    ) -> impl Future<Output = Result<LogonAsAnswer, Failure>> + Send;

    /// `groups()`
    ///
    /// In [`State::Active`].
    fn groups(
        &self,
        session: &Self::Session,
        request: Groups,
    ) -> impl Future<Output = Result<GroupsAnswer, Failure>> + Send;

    /// `join()`
    ///
    /// In [`State::Active`].
    fn join(
        &self,
        session: &Self::Session,
        request: Join,
    ) -> impl Future<Output = Result<JoinAnswer, Failure>> + Send;

    /// `leave()`
    ///
    /// In [`State::Active`].
    fn leave(
        &self,
        session: &Self::Session,
        request: Leave,
    ) -> impl Future<Output = Result<LeaveAnswer, Failure>> + Send;

    /// `rename()`
    ///
    /// In [`State::Active`].
    fn rename(
        &self,
        session: &Self::Session,
        request: Rename,
    ) -> impl Future<Output = Result<RenameAnswer, Failure>> + Send;

    /// `say()`
    ///
    /// In [`State::Active`].
    fn say(
        &self,
        session: &Self::Session,
        request: Say,
    ) -> impl Future<Output = Result<SayAnswer, Failure>> + Send;

    /// `members()`
    ///
    /// In [`State::Active`].
    fn members(
        &self,
        session: &Self::Session,
        request: Members,
    ) -> impl Future<Output = Result<MembersAnswer, Failure>> + Send;

    /// `whisper()`
    ///
    /// In [`State::Active`].
    fn whisper(
        &self,
        session: &Self::Session,
        request: Whisper,
    ) -> impl Future<Output = Result<WhisperAnswer, Failure>> + Send;

    /// `logoff()`
    ///
    /// In [`State::Active`].
    fn logoff(
        &self,
        session: &Self::Session,
        request: Logoff,
    ) -> impl Future<Output = Result<LogoffAnswer, Failure>> + Send;
}

/// The service as a handler for `ubf-server`, held against the contract.
///
/// # Errors
/// Never: the contract was well-formed when this code was written.
pub fn service<S: Service>(
    service: S,
    versions: &Versions,
) -> Result<Contracts<Served<S>>, ReadError> {
    let contract = Reader::new().read(CONTRACT)?;
    let served = Served { service, versions: versions.clone() };
    Ok(Contracts::new(served).version(versions, contract))
}

/// What calls a [`Service`].
#[derive(Debug)]
pub struct Served<S> {
    service: S,
    versions: Versions,
}

/// What is kept for a connection.
#[derive(Debug)]
pub struct Connection<S> {
    session: S,
    state: Mutex<State>,
}

impl<S> Connection<S> {
    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply(&self, response: Term, next: State) -> Reply {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Reply::new(response, next.name())
    }
}

impl<S: Service> Handler for Served<S> {
    type State = Connection<S::Session>;

    fn versions(&self) -> Versions {
        self.versions.clone()
    }

    fn connect(&self, client: &Client) -> Self::State {
        let session = self.service.connect(client);
        Connection { session, state: Mutex::new(State::ENTRY) }
    }

    async fn request(&self, call: Call<Self::State>) -> Result<Reply, Failure> {
        let connection = call.state();
        let state = connection.state();
        if state == State::Start
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.logon(&connection.session, request).await?;
            let (response, next) = answer.write()?;
            return Ok(connection.reply(response, next));
        }
        if state == State::Start
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.logon_as(&connection.session, request).await?;
            let (response, next) = answer.write()?;
            return Ok(connection.reply(response, next));
        }
        if state == State::Active
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.groups(&connection.session, request).await?;
            let (response, next) = answer.write()?;
            return Ok(connection.reply(response, next));
        }
        if state == State::Active
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.join(&connection.session, request).await?;
            let (response, next) = answer.write()?;
            return Ok(connection.reply(response, next));
        }
        if state == State::Active
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.leave(&connection.session, request).await?;
            let (response, next) = answer.write()?;
            return Ok(connection.reply(response, next));
        }
        if state == State::Active
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.rename(&connection.session, request).await?;
            let (response, next) = answer.write()?;
            return Ok(connection.reply(response, next));
        }
        if state == State::Active
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.say(&connection.session, request).await?;
            let (response, next) = answer.write()?;
            return Ok(connection.reply(response, next));
        }
        if state == State::Active
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.members(&connection.session, request).await?;
            let (response, next) = answer.write()?;
            return Ok(connection.reply(response, next));
        }
        if state == State::Active
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.whisper(&connection.session, request).await?;
            let (response, next) = answer.write()?;
            return Ok(connection.reply(response, next));
        }
        if state == State::Active
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.logoff(&connection.session, request).await?;
            let (response, next) = answer.write()?;
            return Ok(connection.reply(response, next));
        }
        Ok(Reply::broken_contract(call.term(), &[], state.name()))
    }
}

/// What a client may say under this contract.
pub trait Calls: Sync {
    /// `logon()`
    ///
    /// In [`State::Start`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn logon(
        &self,
        request: &Logon,
    ) -> impl Future<Output = Result<LogonAnswer, CallFailed>> + Send;

    /// `logon_as()`
    ///
    /// In [`State::Start`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn logon_as(
        &self,
        request: &LogonAs,
    ) -> impl Future<Output = Result<LogonAsAnswer, CallFailed>> + Send;

    /// `groups()`
    ///
    /// In [`State::Active`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn groups(
        &self,
        request: &Groups,
    ) -> impl Future<Output = Result<GroupsAnswer, CallFailed>> + Send;

    /// `join()`
    ///
    /// In [`State::Active`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn join(&self, request: &Join) -> impl Future<Output = Result<JoinAnswer, CallFailed>> + Send;

    /// `leave()`
    ///
    /// In [`State::Active`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn leave(
        &self,
        request: &Leave,
    ) -> impl Future<Output = Result<LeaveAnswer, CallFailed>> + Send;

    /// `rename()`
    ///
    /// In [`State::Active`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn rename(
        &self,
        request: &Rename,
    ) -> impl Future<Output = Result<RenameAnswer, CallFailed>> + Send;

    /// `say()`
    ///
    /// In [`State::Active`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn say(&self, request: &Say) -> impl Future<Output = Result<SayAnswer, CallFailed>> + Send;

    /// `members()`
    ///
    /// In [`State::Active`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn members(
        &self,
        request: &Members,
    ) -> impl Future<Output = Result<MembersAnswer, CallFailed>> + Send;

    /// `whisper()`
    ///
    /// In [`State::Active`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn whisper(
        &self,
        request: &Whisper,
    ) -> impl Future<Output = Result<WhisperAnswer, CallFailed>> + Send;

    /// `logoff()`
    ///
    /// In [`State::Active`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn logoff(
        &self,
        request: &Logoff,
    ) -> impl Future<Output = Result<LogoffAnswer, CallFailed>> + Send;
}

impl Calls for ubf_client::Client {
    async fn logon(&self, request: &Logon) -> Result<LogonAnswer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        LogonAnswer::read(reply.response(), state).ok_or_else(|| CallFailed::unexpected(&reply))
    }

    async fn logon_as(&self, request: &LogonAs) -> Result<LogonAsAnswer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        LogonAsAnswer::read(reply.response(), state).ok_or_else(|| CallFailed::unexpected(&reply))
    }

    async fn groups(&self, request: &Groups) -> Result<GroupsAnswer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        GroupsAnswer::read(reply.response(), state).ok_or_else(|| CallFailed::unexpected(&reply))
    }

    async fn join(&self, request: &Join) -> Result<JoinAnswer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        JoinAnswer::read(reply.response(), state).ok_or_else(|| CallFailed::unexpected(&reply))
    }

    async fn leave(&self, request: &Leave) -> Result<LeaveAnswer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        LeaveAnswer::read(reply.response(), state).ok_or_else(|| CallFailed::unexpected(&reply))
    }

    async fn rename(&self, request: &Rename) -> Result<RenameAnswer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        RenameAnswer::read(reply.response(), state).ok_or_else(|| CallFailed::unexpected(&reply))
    }

    async fn say(&self, request: &Say) -> Result<SayAnswer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        SayAnswer::read(reply.response(), state).ok_or_else(|| CallFailed::unexpected(&reply))
    }

    async fn members(&self, request: &Members) -> Result<MembersAnswer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        MembersAnswer::read(reply.response(), state).ok_or_else(|| CallFailed::unexpected(&reply))
    }

    async fn whisper(&self, request: &Whisper) -> Result<WhisperAnswer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        WhisperAnswer::read(reply.response(), state).ok_or_else(|| CallFailed::unexpected(&reply))
    }

    async fn logoff(&self, request: &Logoff) -> Result<LogoffAnswer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        LogoffAnswer::read(reply.response(), state).ok_or_else(|| CallFailed::unexpected(&reply))
    }
}

/// Why a call has no answer that can be used.
#[derive(Debug)]
pub enum CallFailed {
    /// The call failed.
    Call(CallError),
    /// The request has no form in UBF. It was not sent.
    Unwritable(Error),
    /// The server answered what the contract does not say. The call has run.
    Unexpected {
        /// All that it sent.
        reply: Term,
    },
}

impl CallFailed {
    fn unexpected(reply: &ubf_client::Reply) -> Self {
        Self::Unexpected { reply: reply.body().to_term() }
    }
}

impl std::fmt::Display for CallFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Unwritable(error) => write!(f, "the request has no form: {error}"),
            Self::Unexpected { reply } => write!(f, "no answer that the contract knows: {reply}"),
        }
    }
}

impl std::error::Error for CallFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(error) => Some(error),
            Self::Unwritable(error) => Some(error),
            Self::Unexpected { .. } => None,
        }
    }
}
