//! Faults of our own: each is to be found by the run, or the run shows nothing.

#![allow(clippy::mem_forget, reason = "to leak is the point")]

use std::future::pending;
use std::mem::forget;

use clap::ValueEnum;
use tokio::net::TcpSocket;

/// What goes wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sabotage {
    /// A task that never ends.
    Task,
    /// A socket that nobody closes.
    Descriptor,
    /// Memory that is kept: 32 MiB a second.
    Memory,
    /// A panic that nobody asked for.
    Panic,
    /// Calls that are executed twice.
    Twice,
    /// Calls that are answered and not executed.
    Never,
    /// Events that are sent twice.
    Events,
    /// Servers that cut calls when they drain.
    Unclean,
    /// Servers that forget the sessions whose connections are lost.
    Forgetful,
    /// Clients without sessions.
    Sessionless,
    /// Clients that have a session and lost its connection get no other one.
    Stranded,
    /// Calls that are executed, and answered when nobody waits for it.
    Mute,
    /// Answers that nobody asked for.
    Stray,
}

/// Bytes of [`Sabotage::Memory`] at each look.
const MEMORY: usize = 32 << 20;

impl Sabotage {
    /// What is done once, at the start.
    pub(crate) fn begin(self) -> Result<(), String> {
        match self {
            Self::Task => drop(tokio::spawn(pending::<()>())),
            Self::Descriptor => {
                forget(TcpSocket::new_v4().map_err(|error| format!("no socket: {error}"))?);
            }
            #[allow(clippy::panic, reason = "it is what is asked for")]
            Self::Panic => drop(tokio::spawn(async { panic!("sabotage") })),
            Self::Memory
            | Self::Twice
            | Self::Never
            | Self::Events
            | Self::Unclean
            | Self::Forgetful
            | Self::Sessionless
            | Self::Stranded
            | Self::Mute
            | Self::Stray => {}
        }
        Ok(())
    }

    /// What is done each second.
    pub(crate) fn go_on(self) {
        if self == Self::Memory {
            // Pages that nobody has written to are not there.
            forget(vec![1_u8; MEMORY]);
        }
    }
}
