//! What is known of a load while it runs, and when it is over.

use std::time::Duration;

use ubf_client::{State, Statistics};
use ubf_codec::{Address, Version};

use super::outcome::{Counts, Outcome};
use super::tally::Results;

/// One client at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientView {
    /// The client's number in its requests, counted from 1.
    pub number: u64,
    /// What the client is doing.
    pub state: State,
    /// The version in force. `None`: none is agreed on.
    pub version: Option<Version>,
    /// The server that the client is connected to.
    pub address: Option<Address>,
    /// What the client has counted since it was made, the warm-up included.
    pub statistics: Statistics,
}

/// A load at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// For how long has been measured.
    pub measured: Duration,
    /// Results since the snapshot before this one. They can be added up.
    pub recent: Results,
    /// How long ago the snapshot before this one was taken.
    pub recent_time: Duration,
    /// Calls since the beginning.
    pub counts: Counts,
    /// Calls that are due by the rate and that nobody was free to make.
    pub behind: u64,
    /// Connections that the load has broken itself.
    pub cuts: u64,
    /// Each client, in the order of their numbers.
    pub clients: Vec<ClientView>,
}

/// What a load came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// For how long was measured, the calls that were open at the end included.
    pub measured: Duration,
    /// How the calls ended, and how long they took.
    pub results: Results,
    /// Calls that were due by the rate and never made.
    pub behind: u64,
    /// Connections that the load has broken itself.
    pub cuts: u64,
    /// Each client, in the order of their numbers.
    pub clients: Vec<ClientView>,
    /// How each call of each client ended, in the order of the clients; the first is call 1. Empty
    /// unless [`Plan::keeps_journal`](super::Plan::keeps_journal).
    pub journals: Vec<Vec<Outcome>>,
    /// The number in the reply of each call of each client, likewise; 0 is none. Empty unless
    /// [`Plan::keeps_numbers`](super::Plan::keeps_numbers).
    pub numbers: Vec<Vec<u64>>,
}
