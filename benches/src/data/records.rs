//! `records`: ten thousand tuples of five, with atoms that come again and again.

use serde::{Deserialize, Serialize};

use super::Value;

const COUNT: u32 = 10_000;

/// A user: what the record is, a number, a name, a role, and when the user was created.
pub type Record = (Kind, u32, String, Role, (Event, u32));

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A user.
    User,
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// All.
    Admin,
    /// Write.
    Editor,
    /// Read.
    Reader,
    /// Look.
    Guest,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Editor => "editor",
            Self::Reader => "reader",
            Self::Guest => "guest",
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The user was created.
    Created,
}

/// The records as Rust values.
#[must_use]
pub fn typed() -> Vec<Record> {
    let roles = [Role::Admin, Role::Editor, Role::Reader, Role::Guest];
    let record = |(number, role)| {
        let name = format!("user-{}", number % 500);
        (Kind::User, number, name, role, (Event::Created, 1_577_000_000 + number * 61))
    };
    (0..COUNT).zip(roles.into_iter().cycle()).map(record).collect()
}

pub(super) fn document() -> Value {
    Value::list(typed().into_iter().map(
        |(Kind::User, number, name, role, (Event::Created, time))| {
            let created = Value::tuple([Value::name("created"), time.into()]);
            Value::tuple([
                Value::name("user"),
                number.into(),
                name.into(),
                Value::name(role.as_str()),
                created,
            ])
        },
    ))
}
