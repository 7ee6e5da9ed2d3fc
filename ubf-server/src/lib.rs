#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! Servers whose contract changes while they are in use: the server's half of versioned UBF, over
//! tokio.
//!
//! # What it is for
//! A service is in use for years, and what its messages mean changes. Its clients do not change on
//! the same day. With this library a service says what it does *in each version* of its contract;
//! clients agree with it on one, go back to a lower one when theirs or its code for it crashes, and
//! are sent to another server without the loss of a call when this one goes away. So a new release
//! is tried beside the old one, under load, and taken back without anybody noticing.
//!
//! It is not the right choice for
//! - a service and clients that are always released together: versions cost a little thought each,
//!   and nobody would gain by them;
//! - browsers, which do not speak it, and messages of hundreds of megabytes: a packet is in memory
//!   as a whole;
//! - networks that others listen to or write to, as it is: it has no TLS and no authentication of
//!   its own. [`ServerHandle::serve_stream`] takes streams that have.
//!
//! # Example
//! A service in two versions, and a server of it:
//!
//! ```
//! use std::time::Duration;
//!
//! use ubf_codec::ubf;
//! use ubf_server::{Call, Failure, Handlers, Reply, Server, Service};
//!
//! /// Version 1 knows prices in cents.
//! async fn price_1(call: Call<()>) -> Result<Reply, Failure> {
//!     match call.term().is_atom("price") {
//!         true => Ok(Reply::ok(480)),
//!         false => Err(Failure::broken_contract(call.term(), &["price"], "start")),
//!     }
//! }
//!
//! /// Version 2 says the currency, too.
//! async fn price_2(call: Call<()>) -> Result<Reply, Failure> {
//!     match call.term().is_atom("price") {
//!         true => Ok(Reply::ok(ubf!({480, "EUR"}))),
//!         false => Err(Failure::broken_contract(call.term(), &["price"], "start")),
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let shop = Handlers::new().on(1, price_1).on(2, price_2);
//! let server = Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, shop).bind().await?;
//! println!("listening on {:?}", server.addresses());
//!
//! # let ctrl_c = async {};
//! // In a program, let ctrl_c = tokio::signal::ctrl_c();
//! let report = server.run_until(ctrl_c, Duration::from_secs(10)).await;
//! assert!(report.is_clean(), "no call was cut");
//! # Ok(())
//! # }
//! ```
//!
//! Its test needs no socket, see [`testing`]:
//!
//! ```
//! # use ubf_codec::ubf;
//! # use ubf_server::{Call, Handlers, Reply};
//! use ubf_server::testing::{Answer, TestServer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let shop = Handlers::new()
//! #     .on(1, |_: Call<()>| async { Reply::ok(480) })
//! #     .on(2, |_: Call<()>| async { Reply::ok(ubf!({480, "EUR"})) });
//! let server = TestServer::of(shop).await?;
//! assert_eq!(server.client(1).call(ubf!(price)).await?, Answer::reply(480, "start"));
//! assert_eq!(server.client(2).call(ubf!(price)).await?, Answer::reply(ubf!({480, "EUR"}), "start"));
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//! - **Replies come in the order of the requests** (P5), one for each, though handlers that wait
//!   run side by side.
//! - **A panic costs one call,** which is answered `failed`. All else lives on; a version that
//!   panics again and again is withdrawn for a while, and clients negotiate (N6).
//! - **A drain loses no call** (R8): clients are told where to go, in replies and by notice, and a
//!   call that was begun is answered. [`Report::is_clean`] says whether the hard stop cut one.
//! - **Nothing that it needs dies unseen:** if a task that accepts connections or runs the server
//!   ends unexpectedly, the server shuts down and the report names the [`Fault`]. A logger that
//!   panics, or a value that does as it is dropped, costs a line of the log.
//! - **No client can make the server wait or grow without bound** (L1, L2): [`ServerLimits`] and
//!   [`Config`] name all limits.
//!
//! # Concepts
//! - A [`Handler`] is the code of a service, and [`Handlers`] makes one out of closures. A [`Call`]
//!   is what it is given: the term, the version that it is written in, the client's address, what
//!   the service keeps for the connection, and a way to send events.
//! - A [`Reply`] is a response and the state in which the service is after it, as UBF(C) has it. A
//!   [`Failure`] says whether a request that was not answered has run; `?` makes one of any error.
//! - An [`EventSender`] tells a client something that it has not asked for, in the version that it
//!   speaks by then; a [`SharedEvent`] is for many.
//! - A [`Server`] listens, and [`Server::run`] serves. A [`ServerHandle`] shows its [`Status`],
//!   drains it, withdraws versions, sets load marks ([`LoadPlan`], R9) and stops it.
//!
//! With the feature `serde`, requests and responses are Rust values: `Handlers::on_typed`,
//! `Reply::typed`.
//!
//! # How it runs
//! One task serves a connection. It reads what is there, runs the handlers of all requests in it,
//! and writes all replies that are ready together, or 16 KiB of them. Large bodies are not copied
//! between the socket and the handler; small replies are put together. An idle connection
//! holds no buffer and no decoder, less than 2 KiB in all (`tests/memory.rs`), and no two
//! connections share a lock in the course of a call. A client that does not read its replies is not
//! read from, and is cut off in the end.
//!
//! Decisions of the protocol are made by the session, so that all of them are tested without
//! sockets.
//!
//! # Logs
//! It speaks through [`tracing`], with the words of the session's notices, and runs handlers in
//! spans: see [`middleware`]. [`Counts`] has the same
//! words.
//!
//! # What it does not do
//! - Without the feature `tls` there is no TLS; what a client may do that has shown who it is, is
//!   its service's to say: `call.peer().identity()`.
//! - Handlers of one connection share one task, so one that blocks its thread stops the others of
//!   that connection, and no time limit ends it.
//!
//! # The reference server
//! The crate `ubf-node` has the program `ubf-server`, with example services, a contract for
//! operators and a journal.
//!
//! # Features
//! | feature | adds |
//! |---|---|
//! | `classic` | `Classic`: stock peers, which know no versions, are served on listeners of their own |
//! | `contract` | `Contracts`: what clients and handlers say is held against contracts in UBF(B) |
//! | `metrics` | `MetricsFacade`: the program's recorder for the crate `metrics` is told what was counted |
//! | `serde` | handlers and events that are Rust values: `Handlers::on_typed`, `Reply::typed`, `EventSender::send_typed`; settings by serde |
//! | `tls` | `ServerBuilder::tls`: connections that nobody on the path can read or change, and clients that show who they are |
//! | `tower` | [`middleware`] made of tower's layers |

mod contain;
mod log;

mod call_times;
mod clock;
mod counters;
mod settings;
mod spares;
mod takeover;

#[cfg(feature = "contract")]
mod contracts;
mod event;
mod event_error;
mod failure;
mod handler;
mod handlers;
mod origin;
mod reply;
mod shared_event;
mod turns;
#[cfg(feature = "serde")]
mod typed;
mod versioned;
mod versions;

mod bed;
mod erased;
mod mailbox;
#[cfg(all(test, ubf_loom))]
mod mailbox_loom;
mod owner;
mod sync;

mod acceptors;
mod admission;
mod bind_error;
mod body;
mod builder;
mod connection;
mod endpoint;
mod entry;
#[cfg(feature = "metrics")]
mod facade;
mod front;
mod handle;
mod passage;
mod server;
mod session;
mod welcome;

#[cfg(feature = "classic")]
pub mod classic;
pub mod middleware;
pub mod testing;

pub use self::admission::AdmissionRule;
pub use self::bind_error::BindError;
pub use self::builder::ServerBuilder;
pub use self::call_times::{CallExemplar, CallTimes};
#[cfg(feature = "classic")]
pub use self::classic::{Classic, ClassicService};
#[cfg(unix)]
pub use self::connection::{AdoptedLive, PassedLive};
#[cfg(feature = "contract")]
pub use self::contracts::{ContractRules, ContractState, Contracts, Verdict};
pub use self::counters::Counts;
pub use self::event::EventSender;
pub use self::event_error::EventError;
#[cfg(feature = "metrics")]
pub use self::facade::MetricsFacade;
pub use self::failure::Failure;
pub use self::handle::{
    ConnectionStatus, Fault, QuarantineStatus, Report, ServerHandle, SessionCounts, SessionStatus,
    Status,
};
#[doc(hidden)]
pub use self::handler::Offered;
pub use self::handler::{Call, Client, Handler};
pub use self::handlers::Handlers;
pub use self::owner::{OwnerInput, OwnerLink, SessionOwner};
pub use self::reply::{IntoReply, Reply};
pub use self::server::Server;
pub use self::settings::{Cordon, LoadPlan, LoadUnit, ServerLimits, SessionLimits};
pub use self::shared_event::SharedEvent;
pub use self::takeover::{Departing, Departure, NotAdopted, Suspension};
pub use self::versions::{HandlerError, IntoVersions};
#[cfg(feature = "contract")]
pub use ubf_contract::{ContractCounts, Enforcement};
pub use ubf_net::{Identity, Network, Peer};
#[cfg(feature = "classic")]
pub use ubf_proto::export::{ClassicExport, ClassicKept};
pub use ubf_proto::export::{LiveExport, SessionExport};
pub use ubf_proto::server::Config;
pub use ubf_proto::session::SessionId;
pub use ubf_proto::{Context, CrashRule, DrainPlan, Phase, Service, TraceParent, Versions};
