//! What is set for all classic sessions of a server.

use core::time::Duration;

use ubf_codec::Limits;

use crate::classic::{Flavour, Hello, Writing};

/// Settings of a classic server session, limits included (L1).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Limits of one packet.
    pub limits: Limits,
    /// Which implementation this server is like (Q3).
    pub flavour: Flavour,
    /// Q2: what it says first. `None`: nothing, as servers of 2.x do by default, for clients that
    /// are told so.
    pub hello: Option<Hello>,
    /// Q6: whether both words for a start are understood. Default true.
    pub both_start_words: bool,
    /// Q5: replies do not name the next state.
    pub simple_rpc: bool,
    /// How packets are written.
    pub writing: Writing,
    /// Q8: when events leave.
    pub events: EventTiming,
    /// Q10: what becomes of a session in the state `stop`.
    pub after_stop: AfterStop,
    /// Q7: what becomes of the state when the service broke its contract.
    pub broken_reply: BrokenReply,
    /// Bytes of packets that wait for the call in progress. Beyond it nothing is read. Default 64
    /// KiB.
    pub max_waiting_bytes: usize,
    /// Bytes that were handed out and not written. Beyond it no packet is taken in; events beyond
    /// it wait. Default 1 MiB.
    pub max_unread_bytes: usize,
    /// Events that wait for their moment. Further ones are dropped. Default 1024.
    pub max_held_events: usize,
    /// Bytes of these events. Default 1 MiB.
    pub max_held_event_bytes: usize,
    /// From the first byte of a packet to its `$`. Default 30 s.
    pub max_packet_time: Duration,
    /// Without a byte from the client or a reply. Stock clients do not ping, so it is long: default
    /// 1 h.
    pub max_idle_time: Duration,
    /// Without a byte written, while there are some to write. Default 30 s.
    pub max_write_time: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            flavour: Flavour::default(),
            hello: Some(Hello::new("meta_server", "\n\n Type 'info'$ for information\n\n")),
            both_start_words: true,
            simple_rpc: false,
            writing: Writing::default(),
            events: EventTiming::default(),
            after_stop: AfterStop::default(),
            broken_reply: BrokenReply::default(),
            max_waiting_bytes: 64 << 10,
            max_unread_bytes: 1 << 20,
            max_held_events: 1024,
            max_held_event_bytes: 1 << 20,
            max_packet_time: Duration::from_secs(30),
            max_idle_time: Duration::from_secs(60 * 60),
            max_write_time: Duration::from_secs(30),
        }
    }
}

/// When events leave (Q8). They never do while a call of their session is in progress.
///
/// An event that crosses the next request on the wire is taken for its reply by all stock Erlang
/// clients. A server can only make that rarer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventTiming {
    /// Right after the reply: for Java's client, and for clients that only listen.
    AtOnce,
    /// When nothing has come or gone for so long. Default, with 20 ms.
    WhenQuiet(Duration),
    /// Not at all: the client of ubf 2.x takes any event that comes while it is idle for the reply
    /// to its next call.
    Never,
}

impl Default for EventTiming {
    fn default() -> Self {
        Self::WhenQuiet(Duration::from_millis(20))
    }
}

/// What becomes of a session in the state `stop` (Q10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AfterStop {
    /// The server closes when the reply is out.
    #[default]
    Close,
    /// As stock servers do: the next packet closes it, but `'contract'` is answered.
    Wait,
}

/// What becomes of the state when the service's reply breaks the contract (Q7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BrokenReply {
    /// It stays, and the answer says so.
    #[default]
    Stay,
    /// As stock servers do: it becomes the one that the service named.
    Advance,
}
