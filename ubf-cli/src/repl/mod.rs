//! A conversation with a server, line by line: typed at a terminal, or written down before.

mod classic;
mod contract;
mod editor;
mod line;
mod news;
mod session;
mod talk;
mod terminal;

pub(crate) use self::line::command_hint;
pub(crate) use self::session::{Done, Screen, Shown};
pub(crate) use self::talk::Talk;
pub(crate) use self::terminal::{Terminal, Typed};
