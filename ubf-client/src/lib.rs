//! A client of servers that speak versioned UBF: it agrees with them on a version of the contract,
//! falls back when the program's code for a version crashes, and follows them to another address,
//! while its callers notice nothing of it.
//!
//! # What it refuses to do
//! - **To execute a call twice,** unless its caller has declared that harmless
//!   ([`Call::idempotent`]). In a [session](Builder::session) calls survive their connection; what
//!   was sent and not answered when a server died, or without a session, ends as
//!   [`CallError::Indeterminate`].
//! - **To leave a call without an end.** Each has a deadline, and its error says whether it may
//!   have run ([`CallError::may_have_run`]).
//! - **To follow a server anywhere.** The [`RedirectPolicy`] judges each address, and each IP
//!   address that a name stands for.
//! - **To grow without a bound.** Calls, events, replies, bytes and hops have limits. Whoever makes
//!   one call too many waits; while replies that nobody takes fill their memory, nothing is read.
//!
//! # A client in ten lines
//! ```no_run
//! use ubf_client::Client;
//! use ubf_codec::ubf;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let builder = Client::builder().address("a.example:4000").address("b.example:4000");
//!     let client = builder.versions([1, 2, 3]).connect().await?;
//!     let reply = client.call(ubf!({get, "colour"})).await?;
//!     println!("in version {}: {}", reply.version(), reply.response());
//!     Ok(())
//! }
//! ```
//!
//! # Concepts
//! - A [`Client`] is a handle of a task that owns the connection. Clones are cheap; calls from many
//!   tasks share the connection and are pipelined in order. The task ends with the last handle.
//! - A **request** is written for the version in which it is sent (N8), which may be another one
//!   after a fallback. A [`Term`](ubf_codec::Term) is the same in all versions; a closure or a
//!   [`Request`] of one's own tells them apart.
//! - A **crash** of that code, by a panic, puts its version into quarantine; the same call goes out
//!   in the next lower version (N6). For code that reads replies there is [`Client::read`], and for
//!   all else [`Client::crashed`].
//! - A reply that **cannot be understood** is the caller's business, and its call has run (N11):
//!   nothing here makes it again.
//! - **Events** go to the server with [`Client::cast`] and come from it through [`Events`].
//! - [`Status`] is what people want to see, to be watched; each decision is a `tracing` event too,
//!   in a span `ubf_client` and in the words of [`Notice`], and [`Builder::on_notice`] has them for
//!   programs.
//!
//! ```no_run
//! use std::time::Duration;
//! use ubf_client::{CallError, Client, Unsupported};
//! use ubf_codec::{Term, Version, ubf};
//!
//! # async fn example(client: Client) -> Result<(), CallError> {
//! // The contract's third version gave it another name.
//! let fetch = |version: Version| -> Result<Term, Unsupported> {
//!     Ok(if version.get() < 3 { ubf!({get, "a.txt"}) } else { ubf!({fetch, "a.txt"}) })
//! };
//! match client.call(fetch).within(Duration::from_secs(2)).idempotent().await {
//!     Ok(reply) => println!("{}", reply.response()),
//!     Err(error) if error.may_have_run() => println!("nobody knows: {error}"),
//!     Err(error) => println!("certainly not: {error}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Rust values for terms
//! With the feature `serde`, a request is any `Serialize` and a response any `DeserializeOwned`
//! (`Client::call_typed`, `Call::typed`), and so are events (`Client::cast_typed`,
//! `Events::typed`). The forms are those of `ubf_codec::serde`. Errors say where a reply is not
//! what the type expects, and that the call has run (`TypedCallError`).
//!
//! # Contracts
//! With the feature `contract`, requests, replies and events are held against contracts in UBF(B):
//! `Builder::contract`.
//!
//! # Servers of the time before versions
//! With the feature `classic`, stock servers are called: `Builder::classic`, and the module
//! `classic`.
//!
//! # Where the rules are
//! Not here. `ubf_proto::ClientSession` decides all that the protocol is about, without I/O. This
//! crate has the sockets, the clock and the tasks; [`Builder::configure`] reaches all settings of
//! the session.
//!
//! # What it does not do
//! - TLS, without the feature `tls`, which has `Builder::tls`. A program that has its own makes its
//!   connections itself: [`Builder::connector`].
//!
//! # Cost
//! What is ready to be sent goes out in one write: bodies up to a kilobyte side by side, larger
//! ones where they are, without a copy. A reply shares the memory that it was read into. A
//! connection keeps a read buffer of 16 KiB.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod request;

mod events;
mod reply;
mod room;
mod status;

mod builder;
mod call;
mod connect_error;
mod handle;
mod opening;
mod start;

mod attempt;
mod call_table;
#[cfg(all(test, ubf_loom))]
mod call_table_loom;
mod calls;
mod command;
mod driver;
mod link;
mod notices;
mod remembered;
mod settings;
mod showing;
mod socket;
mod stand_in;
mod sync;
mod wire;

#[cfg(feature = "classic")]
#[cfg_attr(docsrs, doc(cfg(feature = "classic")))]
pub mod classic;
#[cfg(feature = "contract")]
mod contract;
#[cfg(feature = "tower")]
mod tower;
#[cfg(feature = "serde")]
mod typed;

pub mod guide;

pub use self::attempt::Attempt;
pub use self::builder::Builder;
pub use self::call::{Call, Cast};
pub use self::connect_error::ConnectError;
pub use self::events::{Events, Incoming};
pub use self::handle::{Client, ReadCrashed};
pub use self::opening::Opening;
pub use self::reply::{Connection, Event, Reply};
pub use self::request::{Request, Unsupported};
pub use self::status::{Loss, SessionStatus, Status};
#[cfg(feature = "serde")]
pub use self::typed::{
    TypedCall, TypedCallError, TypedEvent, TypedEvents, TypedReply, UnreadableEvent,
};
pub use self::wire::{Direction, Traffic};
#[cfg(feature = "contract")]
pub use ubf_contract::{ContractCounts, Enforcement};
#[cfg(feature = "tls")]
pub use ubf_net::tls;
pub use ubf_net::{DialError, DialErrorKind, Peer, Stream, Target, TargetError};
pub use ubf_proto::client::{
    CallError, Config, InSession, LossReason, Notice, SessionPlan, State, Statistics,
};
pub use ubf_proto::session::{Level, SessionId};
pub use ubf_proto::{
    BackoffTimes, QuarantineTimes, RedirectPolicy, Service, TraceParent, TraceParentError, Versions,
};
