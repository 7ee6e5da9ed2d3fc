//! What people say to `irc` and what it answers, in two versions of its contract.

use ubf_codec::{Term, TermRef, Text, Version, Versioned, VersionedError, View, ubf};

pub(super) const MAX_PEOPLE: usize = 10_000;
pub(super) const MAX_GROUPS: usize = 1_024;
pub(super) const MAX_MEMBERS: usize = 1_000;
pub(super) const MAX_GROUPS_EACH: usize = 16;
pub(super) const MAX_TEXT_BYTES: usize = 4_096;
const MAX_NAME_BYTES: usize = 32;

/// The version of the contract, as far as this service is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contract {
    One,
    Two,
}

impl Contract {
    pub(super) const fn of(version: Version) -> Self {
        if version.get() == 1 { Self::One } else { Self::Two }
    }

    pub(super) const fn number(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }
}

/// What is asked.
#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    /// Somebody is there, under a name or under one of the server's choice.
    Logon(Option<Text>),
    /// Which groups there are.
    Groups,
    /// Be in a group.
    Join(Text),
    /// Be in it no more.
    Leave(Text),
    /// Have another name.
    Nick(Text),
    /// Tell the others in a group.
    Message {
        /// The group.
        group: Text,
        /// What they are told.
        text: Text,
    },
    /// Who is in a group.
    Members(Text),
    /// Tell one person.
    Private {
        /// The person's name.
        nick: Text,
        /// What it is told.
        text: Text,
    },
    /// Be there no more.
    Logoff,
}

/// What is answered.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// The name of somebody who is there from here on.
    Welcome(Text),
    /// The groups and how many are in each.
    Groups(Vec<(Text, usize)>),
    /// The names of those in a group, in order.
    Members(Vec<Text>),
    /// It is done, or not.
    Done(Result<(), Why>),
    /// The contract has no such request in the state of the session.
    Broken {
        /// What was asked.
        request: Box<Request>,
        /// Whether the caller is logged on.
        is_active: bool,
    },
}

/// Why something cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A name has 1 to 32 bytes without control bytes.
    BadName,
    /// A text has at most 4,096 bytes.
    BadText,
    /// There is no room.
    Full,
    /// Somebody else has the name.
    NickTaken,
    /// Nobody is in such a group.
    NoSuchGroup,
    /// Nobody has that name.
    NoSuchNick,
    /// The caller is not in the group.
    NotAMember,
    /// The addressee speaks a version without private messages.
    TooOld,
}

impl Why {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::BadName => "bad_name",
            Self::BadText => "bad_text",
            Self::Full => "full",
            Self::NickTaken => "nick_taken",
            Self::NoSuchGroup => "no_such_group",
            Self::NoSuchNick => "no_such_nick",
            Self::NotAMember => "not_a_member",
            Self::TooOld => "too_old",
        }
    }
}

/// People are to see what a name is.
pub(super) fn is_name(name: &Text) -> bool {
    let name: &[u8] = name.as_bytes();
    (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.iter().any(u8::is_ascii_control)
}

/// The requests of a version in a state.
pub(super) const fn shapes(contract: Contract, is_active: bool) -> &'static [&'static str] {
    match (contract, is_active) {
        (Contract::One, false) => &["logon"],
        (Contract::Two, false) => &["logon", "{logon,Nick}"],
        (Contract::One, true) => {
            &["groups", "{join,Group}", "{leave,Group}", "{nick,Nick}", "{msg,Group,Text}"]
        }
        (Contract::Two, true) => &[
            "groups",
            "{join,Group}",
            "{leave,Group}",
            "{nick,Nick}",
            "{msg,Group,Text}",
            "{members,Group}",
            "{private,Nick,Text}",
            "logoff",
        ],
    }
}

/// The versions of the contract: 1 and 2.
const VERSIONS: [Version; 2] = [version(1), version(2)];

pub(super) const fn version(number: u32) -> Version {
    match Version::new(number) {
        Some(version) => version,
        None => Version::MIN,
    }
}

impl Versioned for Request {
    const VERSIONS: &'static [Version] = &VERSIONS;

    fn to_term(&self, version: Version) -> Result<Term, VersionedError> {
        let is_of_two = matches!(
            self,
            Self::Logon(Some(_)) | Self::Members(_) | Self::Private { .. } | Self::Logoff
        );
        if is_of_two && Contract::of(version) == Contract::One {
            return Err(VersionedError::no_form(version));
        }
        let string = Term::String;
        Ok(match self.clone() {
            Self::Logon(None) => ubf!(logon),
            Self::Logon(Some(nick)) => ubf!({logon, (string(nick))}),
            Self::Groups => ubf!(groups),
            Self::Join(group) => ubf!({join, (string(group))}),
            Self::Leave(group) => ubf!({leave, (string(group))}),
            Self::Nick(nick) => ubf!({nick, (string(nick))}),
            Self::Message { group, text } => ubf!({msg, (string(group)), (string(text))}),
            Self::Members(group) => ubf!({members, (string(group))}),
            Self::Private { nick, text } => ubf!({private, (string(nick)), (string(text))}),
            Self::Logoff => ubf!(logoff),
        })
    }

    fn from_term(version: Version, term: TermRef<'_>) -> Result<Self, VersionedError> {
        read(Contract::of(version), term).ok_or_else(|| {
            VersionedError::unreadable(
                version,
                match Contract::of(version) {
                    Contract::One => {
                        "logon, groups, {join,Group}, {leave,Group}, {nick,Nick} or {msg,Group,Text} is expected"
                    }
                    Contract::Two => {
                        "logon, {logon,Nick}, groups, {join,Group}, {leave,Group}, {nick,Nick}, {msg,Group,Text}, {members,Group}, {private,Nick,Text} or logoff is expected"
                    }
                },
            )
        })
    }
}

/// `None`: the contract has no such request in any state.
fn read(contract: Contract, term: TermRef<'_>) -> Option<Request> {
    let is_two = contract == Contract::Two;
    let View::Tuple(tuple) = term.view() else {
        return match term.as_atom()?.to_bytes().as_ref() {
            b"logon" => Some(Request::Logon(None)),
            b"groups" => Some(Request::Groups),
            b"logoff" if is_two => Some(Request::Logoff),
            _ => None,
        };
    };
    let name = tuple.get(0)?.as_atom()?.to_bytes();
    let mut parts = tuple.iter().skip(1).map(string).collect::<Option<Vec<_>>>()?.into_iter();
    match (&*name, parts.next()?, parts.next(), parts.next()) {
        (b"logon", nick, None, None) if is_two => Some(Request::Logon(Some(nick))),
        (b"join", group, None, None) => Some(Request::Join(group)),
        (b"leave", group, None, None) => Some(Request::Leave(group)),
        (b"nick", nick, None, None) => Some(Request::Nick(nick)),
        (b"members", group, None, None) if is_two => Some(Request::Members(group)),
        (b"msg", group, Some(text), None) => Some(Request::Message { group, text }),
        (b"private", nick, Some(text), None) if is_two => Some(Request::Private { nick, text }),
        _ => None,
    }
}

/// What is kept must not hold on to the buffer that it was read into: it is copied.
fn string(term: TermRef<'_>) -> Option<Text> {
    if let View::String(text) = term.view() { Some(text.to_text()) } else { None }
}

impl Versioned for Reply {
    const VERSIONS: &'static [Version] = &VERSIONS;

    fn to_term(&self, version: Version) -> Result<Term, VersionedError> {
        let contract = Contract::of(version);
        let string = |text: &Text| Term::String(text.clone());
        Ok(match self {
            Self::Welcome(nick) => ubf!({ok, (string(nick))}),
            Self::Groups(groups) => {
                Term::list(groups.iter().map(|(group, count)| match contract {
                    Contract::One => string(group),
                    Contract::Two => ubf!({(string(group)), (*count as u64)}),
                }))
            }
            Self::Members(nicks) => Term::list(nicks.iter().map(string)),
            Self::Done(done) => match (contract, done) {
                (Contract::One, done) => Term::from(done.is_ok()),
                (Contract::Two, Ok(())) => ubf!(ok),
                (Contract::Two, Err(why)) => ubf!({error, (Term::atom(why.as_str()))}),
            },
            Self::Broken { request, is_active } => {
                let expected = shapes(contract, *is_active).iter().map(|&shape| Term::from(shape));
                let request = request.to_term(version)?;
                ubf!({clientBrokeContract, (request), (Term::list(expected))})
            }
        })
    }

    /// Clients read replies, and this is no client.
    fn from_term(version: Version, _: TermRef<'_>) -> Result<Self, VersionedError> {
        Err(VersionedError::no_form(version))
    }
}

/// What somebody is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    Joins {
        nick: &'a Text,
        group: &'a Text,
    },
    Leaves {
        nick: &'a Text,
        group: &'a Text,
    },
    /// Version 1 is told for each group that both are in, and version 2 once.
    Renamed {
        old: &'a Text,
        new: &'a Text,
        group: &'a Text,
    },
    Said {
        nick: &'a Text,
        group: &'a Text,
        text: &'a Text,
    },
    Whispered {
        nick: &'a Text,
        text: &'a Text,
    },
}

impl Event<'_> {
    /// As somebody hears it who speaks this version.
    pub(super) fn to_term(self, contract: Contract) -> Term {
        let string = |text: &Text| Term::String(text.clone());
        match self {
            Self::Joins { nick, group } => ubf!({joins, (string(nick)), (string(group))}),
            Self::Leaves { nick, group } => ubf!({leaves, (string(nick)), (string(group))}),
            Self::Renamed { old, new, group } => match contract {
                Contract::One => ubf!({changesName, (string(old)), (string(new)), (string(group))}),
                Contract::Two => ubf!({renamed, (string(old)), (string(new))}),
            },
            Self::Said { nick, group, text } => {
                ubf!({msg, (string(nick)), (string(group)), (string(text))})
            }
            Self::Whispered { nick, text } => ubf!({private, (string(nick)), (string(text))}),
        }
    }
}
