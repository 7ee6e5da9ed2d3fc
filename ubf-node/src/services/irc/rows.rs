//! The rows of `irc`, which are all of sessions: they go with them, and are in no backup.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use ubf_codec::{Term, Text};
use ubf_service::{Index, Key, KeyError, Row, Table};

use super::words::Contract;

/// The key of a person's session.
pub(super) type Id = [u8; 16];

/// A nickname, or the name of a group: whatever bytes a string has.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "Term", into = "Term")]
pub(super) struct Name(pub(super) Text);

impl From<Name> for Term {
    fn from(name: Name) -> Self {
        Self::String(name.0)
    }
}

impl TryFrom<Term> for Name {
    type Error = &'static str;

    fn try_from(term: Term) -> Result<Self, Self::Error> {
        if let Term::String(name) = term { Ok(Self(name)) } else { Err("a name is a string") }
    }
}

impl Key for Name {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.as_bytes().to_vec().put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, KeyError> {
        Vec::<u8>::take(from).map(|name| Self(Text::from(name)))
    }
}

/// Somebody who is logged on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "person")]
pub(super) struct Person {
    pub(super) nick: Name,
    /// Of the last request: events are written in it.
    pub(super) version: u32,
    /// In their order.
    pub(super) groups: Vec<Name>,
}

/// Somebody in a group: what those who write to it have to know of a person.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "member")]
pub(super) struct Member {
    pub(super) nick: Name,
    pub(super) version: u32,
}

/// A group, which is there while somebody is in it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "group")]
pub(super) struct Group {
    pub(super) members: u64,
}

/// How many there are of each, and the number of the last name of the server's choice.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename = "total")]
pub(super) struct Total {
    pub(super) people: u64,
    pub(super) groups: u64,
    pub(super) guests: u64,
}

impl Person {
    pub(super) fn contract(&self) -> Contract {
        of_number(self.version)
    }

    pub(super) fn as_member(&self) -> Member {
        Member { nick: self.nick.clone(), version: self.version }
    }
}

impl Member {
    pub(super) fn contract(&self) -> Contract {
        of_number(self.version)
    }
}

const fn of_number(version: u32) -> Contract {
    Contract::of(super::words::version(version))
}

impl Row for Person {
    const VERSION: u32 = 1;
    type Before = ();
}
impl Row for Member {
    const VERSION: u32 = 1;
    type Before = ();
}
impl Row for Group {
    const VERSION: u32 = 1;
    type Before = ();
}
impl Row for Total {
    const VERSION: u32 = 1;
    type Before = ();
}

pub(super) static BY_NICK: Index<Id, Person, Name> =
    Index::new("nick", 1, |_, person| Some(person.nick.clone()));
pub(super) static PEOPLE: Table<Id, Person> =
    Table::new("people").indexed_by(&[&BY_NICK]).of_sessions();
pub(super) static GROUPS: Table<Name, Group> = Table::new("groups").of_sessions();
pub(super) static MEMBERS: Table<(Name, Id), Member> = Table::new("members").of_sessions();
pub(super) static TOTAL: Table<(), Total> = Table::new("total").of_sessions();

/// The keys of those in a group.
pub(super) fn members_of(group: &Name) -> RangeInclusive<(Name, Id)> {
    (group.clone(), [0; 16])..=(group.clone(), [u8::MAX; 16])
}
