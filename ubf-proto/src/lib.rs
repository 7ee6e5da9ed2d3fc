#![forbid(unsafe_code)]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! The rules of a UBF session, as data in and data out: two programs agree on a version of their
//! contract, fall back when the software of one version crashes, and move to another address
//! between two messages.
//!
//! It is the proposal that Joe Armstrong made in 2003, with what it takes to run it: a version in
//! each message, an agreement on the highest common one, and a NextIP in each answer that says
//! where the next message goes. The rules have numbers (N4, R2) and are those of the specification
//! in `spec/`.
//!
//! # What it promises
//! - **A call ends exactly once:** with its reply, or with an error that says whether it may have
//!   run ([`CallError::may_have_run`](client::CallError::may_have_run)).
//! - **No call is executed twice,** unless its caller declared that this is harmless.
//! - **Order holds:** replies come in the order of the calls, and a call that was refused and sent
//!   again is not overtaken.
//! - **A planned move loses nothing:** the old connection is given up when the new server has
//!   agreed and the old one owes nothing.
//! - **All waiting ends, and all that a peer can grow is limited** (L1, L2). No input makes it
//!   panic.
//!
//! It does no I/O: it has no sockets, clocks, threads, randomness or locks, and no `unsafe`. So a
//! whole cluster runs in one thread under a virtual clock, which is how it is tested:
//! `tests/simulation`.
//!
//! # Example
//! The loop of a shell: tell the session what happened, do what it says until that is nothing, wait
//! for one thing, repeat. Here the shell of both ends is this function, and the network is two
//! variables.
//!
//! ```
//! use std::sync::Arc;
//! use ubf_codec::ubf;
//! use ubf_proto::client::{self, Call, CallId, ClientSession, Done};
//! use ubf_proto::server::{self, ServerSession};
//! use ubf_proto::{Offer, Time, Versions, body};
//!
//! let now = Time::ZERO; // a shell passes the time since its start
//! let versions = Versions::of([1, 2, 3, 6, 8, 10, 11]);
//! let config = client::Config::new(vec!["192.0.2.1:4000".parse()?], versions);
//! let mut client = ClientSession::new(config, 42, now);
//! let offer = Offer::from(Versions::of([1, 2, 3, 4, 5, 9, 10, 14]));
//! let mut server = ServerSession::new(Arc::new(server::Config::default()), Arc::new(offer), now);
//!
//! client.handle(client::Input::Call(Call::request(CallId(1))), now);
//! let (mut link, mut reply) = (None, None);
//! while reply.is_none() {
//!     while let Some(output) = client.poll_output() {
//!         client.handle(match output {
//!             client::Output::Connect { connection, .. } => {
//!                 link = Some(connection);
//!                 client::Input::Connected { connection, peer: None, tls: false }
//!             }
//!             client::Output::Render { call, version } => {
//!                 client::Input::Rendered { call, version, body: body(&ubf!({get, "colour"})) }
//!             }
//!             client::Output::Transmit { connection, packet } => {
//!                 server.handle(server::Input::Received(packet.to_bytes().into()), now);
//!                 client::Input::Written { connection, count: packet.len() }
//!             }
//!             client::Output::Ended { outcome, .. } => { reply = Some(outcome?); continue }
//!             _ => continue,
//!         }, now);
//!     }
//!     while let Some(output) = server.poll_output() {
//!         server.handle(match output {
//!             server::Output::Request(message) => {
//!                 server::Input::Reply { packet: message.packet, body: body(&ubf!({{ok, "blue"}, start})) }
//!             }
//!             server::Output::Transmit { packet, .. } => {
//!                 let (connection, bytes) = (link.unwrap(), packet.to_bytes().into());
//!                 client.handle(client::Input::Received { connection, bytes }, now);
//!                 server::Input::Written(packet.len())
//!             }
//!             _ => continue,
//!         }, now);
//!     }
//! }
//! let Some(Done::Reply { version, body, .. }) = reply else { panic!("a request has a reply") };
//! assert_eq!((version.get(), body.to_string().as_str()), (10, "{{ok,\"blue\"},start}"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A shell with sockets also wakes its sessions with `Tick` at `poll_timeout`, reads for a server
//! only while [`ServerSession::is_reading`] says so, and keeps an [`Endpoint`] beside the sessions
//! of a server.
//!
//! # Concepts
//! - A **connection** is a pair of byte streams. A [`ServerSession`] is one end of one connection.
//!   A [`ClientSession`] outlives its connections: it follows each NextIP and replaces what was
//!   lost.
//! - A **version** is the version of the contract, not of UBF. It stands in the header of each
//!   packet; version 0 is for the two engines ([`control`]).
//! - A call is **rendered** for the version that it is sent in (N8): the session asks for its body,
//!   and asks again after a fallback. A caller that knows the version gives the body with the call.
//! - **Quarantine** keeps a version out of use after a crash ([`Quarantine`], N7); an [`Offer`] is
//!   what a server speaks, with the versions that repeated crashes have withdrawn (N6).
//! - An **endpoint** is what concerns all connections of a server ([`Endpoint`]): whom it admits,
//!   what it offers, how it drains without loss (R8), when its load sends clients elsewhere (R9).
//! - **Notices** are what people want to see: each decision that is not a call's own outcome.
//!   Counters use the same words.
//!
//! # Limits
//! [`client::Config`] and [`server::Config`] name all of them, with their defaults. Bodies are
//! passed through as they are, shared and not copied: [`Packet`] has them apart from the header,
//! and bytes that continue the last ones in memory are joined without a copy.
//!
//! # What it does not do
//! - It looks into bodies of the application only to tell events from the rest (`event_in`,
//!   `event_out`); contracts are checked elsewhere.
//! - It resolves no names. A shell that does asks [`RedirectPolicy::judge_ip`] about each IP
//!   address before it connects, with the server that [`NamedBy`](client::NamedBy) says; the
//!   session judges the address of a connection before it sends anything.
//! - Calls without a reply when a connection is lost are indeterminate, unless they were made in a
//!   session that survives it (S1 to S11).
//! - Quarantine is kept by each client session, which is the one that tries a version again (N7); a
//!   shell with several of the same service passes the notice
//!   [`QuarantineOpened`](client::Notice::QuarantineOpened) on with
//!   [`Input::Quarantined`](client::Input::Quarantined).

extern crate alloc;

mod random;
mod time;
pub mod units;

mod offer;
mod origin;
mod quarantine;
mod service;
mod truncated;
mod versions;

pub mod control;
mod inbound;
mod outbound;
mod packet;
pub mod session;

mod backoff;
mod drain;
mod load;
mod rate;
mod redirect;
mod within;

#[cfg(feature = "classic")]
pub mod classic;

#[cfg(feature = "mutants")]
#[doc(hidden)]
pub mod mutant;
#[cfg(not(feature = "mutants"))]
mod mutant;

pub mod client;
pub mod endpoint;
pub mod server;

pub mod export;
#[cfg(feature = "serde")]
mod settings;

pub use self::backoff::BackoffTimes;
pub use self::client::ClientSession;
pub use self::control::{Context, TraceParent, TraceParentError};
pub use self::drain::{DrainPlan, Phase};
pub use self::endpoint::Endpoint;
pub use self::inbound::MAX_SHARED_BYTES;
pub use self::load::LoadMarks;
pub use self::offer::{CrashRule, Offer, Quarantined, Withdrawal};
pub use self::origin::Origin;
pub use self::outbound::Outbound;
pub use self::packet::{Packet, body};
pub use self::quarantine::{Quarantine, QuarantineTimes};
pub use self::random::Random;
pub use self::redirect::{RedirectPolicy, RedirectRefusal, Scope};
pub use self::server::ServerSession;
pub use self::service::Service;
#[cfg(feature = "serde")]
#[doc(hidden)]
pub use self::settings::FieldName;
pub use self::time::Time;
pub use self::truncated::Truncated;
pub use self::versions::{Versions, VersionsError};
#[cfg(feature = "serde")]
#[doc(hidden)]
pub use serde_core;
