//! A conversation with a server of either kind.

use std::sync::{Arc, Mutex};

use super::classic::ClassicSession;
use super::line::{CLASSIC_COMMANDS, COMMANDS, CommandLine};
use super::session::{Done, Screen, Session, Words};
use crate::args::Repl;
use crate::network;
use crate::ui::palette::Palette;
use crate::ui::report::Report;

pub(crate) enum Talk<'a> {
    Versioned(Box<Session<'a>>),
    Classic(Box<ClassicSession<'a>>),
}

impl<'a> Talk<'a> {
    /// Connects.
    ///
    /// # Errors
    /// If no server can be used.
    pub(crate) async fn connect(
        args: &'a Repl,
        screen: Screen,
        palette: Palette,
    ) -> Result<Self, Report> {
        if args.classic.classic {
            let session = ClassicSession::connect(args, screen, palette).await?;
            return Ok(Self::Classic(Box::new(session)));
        }
        let session = Session::connect(args, screen, palette).await;
        let session = session.map_err(|error| network::cannot_connect(&error))?;
        Ok(Self::Versioned(Box::new(session)))
    }

    pub(crate) const fn commands(&self) -> &'static [CommandLine] {
        match self {
            Self::Versioned(_) => &COMMANDS,
            Self::Classic(_) => &CLASSIC_COMMANDS,
        }
    }

    /// Words to complete from, latest last.
    pub(crate) fn words(&self) -> Arc<Mutex<Words>> {
        match self {
            Self::Versioned(session) => session.words(),
            Self::Classic(session) => session.words(),
        }
    }

    pub(crate) fn prompt(&self) -> String {
        match self {
            Self::Versioned(session) => session.prompt(),
            Self::Classic(session) => session.prompt(),
        }
    }

    /// Does what a line says.
    pub(crate) async fn obey(&mut self, text: &str) -> Done {
        match self {
            Self::Versioned(session) => session.obey(text).await,
            Self::Classic(session) => session.obey(text).await,
        }
    }

    pub(crate) fn note(&self, text: String) {
        match self {
            Self::Versioned(session) => session.note(text),
            Self::Classic(session) => session.note(text),
        }
    }

    /// Says goodbye.
    pub(crate) async fn close(self) {
        match self {
            Self::Versioned(session) => session.close().await,
            Self::Classic(session) => session.close().await,
        }
    }
}
