#![forbid(unsafe_code)]
//! Servers that speak versioned UBF: the rules of [`ubf_proto::ServerSession`], with sockets, tasks
//! and time of tokio.
//!
//! A service says what it does in each version of its contract. The rest is done here: clients
//! agree on a version, are told when one is withdrawn, and are sent to another address without the
//! loss of a call when the server goes away.
//!
//! # Example
//! ```
//! use ubf_codec::ubf;
//! use ubf_server::{Call, Handlers, Reply, Server, Service};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The reply of version 1 is an atom. Version 2 says more.
//! let greeter = Handlers::new()
//!     .on(1, |_: Call<()>| async { Reply::ok(ubf!(hello)) })
//!     .on(2, |call: Call<()>| async move {
//!         Reply::ok(ubf!({hello, (call.peer().to_string())}))
//!     });
//! let server = Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, greeter).bind().await?;
//! println!("listening on {:?}", server.addresses());
//!
//! let handle = server.handle();
//! let running = tokio::spawn(server.run());
//! // A real server waits for a signal here.
//! handle.shut_down(std::time::Duration::from_secs(10));
//! assert!(running.await?.is_clean(), "no call was cut");
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
//! - **No client can make the server wait or grow without bound** (L1, L2): [`ServerLimits`] and
//!   [`Config`] name all limits.
//!
//! # Concepts
//! - A [`Handler`] is the code of a service, and [`Handlers`] makes one out of closures. A [`Call`]
//!   is what it is given: the term, the version that it is written in, the client's address, what
//!   the service keeps for the connection, and a way to send events.
//! - A [`Reply`] is a response and the state in which the service is after it, as UBF(C) has it.
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
//! It speaks through [`tracing`], with the words of the session's notices. [`Counts`] has the same
//! words.
//!
//! # What it does not do
//! - There is no TLS, and no authentication.
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
//! | `serde` | handlers whose requests and responses are Rust values |

mod contain;
mod log;

mod clock;
mod counters;
mod settings;

mod event;
mod event_error;
mod failure;
mod handler;
mod handlers;
mod reply;
mod shared_event;
mod turns;
#[cfg(feature = "serde")]
mod typed;
mod versions;

mod erased;
mod mailbox;

mod bind_error;
mod connection;
mod endpoint;
mod entry;
mod handle;
mod server;
mod welcome;

pub mod testing;

pub use self::bind_error::BindError;
pub use self::counters::Counts;
pub use self::event::EventSender;
pub use self::event_error::EventError;
pub use self::failure::Failure;
pub use self::handle::{Fault, Report, ServerHandle, Status};
pub use self::handler::{Call, Client, Handler};
pub use self::handlers::Handlers;
pub use self::reply::{IntoReply, Reply};
pub use self::server::{Server, ServerBuilder};
pub use self::settings::{LoadPlan, LoadUnit, ServerLimits};
pub use self::shared_event::SharedEvent;
pub use self::versions::{HandlerError, IntoVersions};
pub use ubf_net::Peer;
pub use ubf_proto::server::Config;
pub use ubf_proto::{CrashRule, DrainPlan, Phase, Service, Versions};
