//! One connection or several: pipelining, head-of-line blocking, and pools.
//!
//! # One connection carries many calls
//! All clones of a [`Client`](crate::Client) share one connection. Calls from many tasks are
//! pipelined: they are written one behind the other, in batches, without waiting for replies. So a
//! client needs no pool to be fast, and a pool of connections to one server is mostly slower than
//! one connection, since batches are smaller.
//!
//! # What waits for what
//! Replies come in the order of the requests (P5), so a slow call holds up the *replies* of those
//! behind it on the same connection. The server does not wait: it runs handlers side by side, and
//! what is behind a slow call is done when its turn comes. A large reply holds up those behind it
//! for as long as it takes to be sent.
//!
//! Calls that matter to a person and calls that take seconds should not share a connection. Give
//! the slow ones a client of their own:
//!
//! ```no_run
//! use ubf_client::{Builder, Client, ConnectError};
//!
//! fn builder() -> Builder {
//!     Client::builder().address("a.example:4000").service("kv").versions([1, 2])
//! }
//!
//! # async fn example() -> Result<(), ConnectError> {
//! let quick = builder().connect().await?;
//! // Reports take long, and there are never more than four at once.
//! let reports = builder().max_in_flight(4).connect().await?;
//! # drop((quick, reports));
//! # Ok(())
//! # }
//! ```
//!
//! # When a pool helps
//! - **Several processors.** A server runs the handlers of one connection in one task. A client
//!   whose handlers compute for long gets more of the server with a few connections.
//! - **Several servers.** A client talks to one server at a time, and follows it. To spread work
//!   over servers that share their state, take a client for each and choose among them.
//!
//! A pool is a `Vec` of clients and a counter: there is nothing to check out or to give back.
//!
//! ```no_run
//! use std::sync::atomic::{AtomicUsize, Ordering};
//! use ubf_client::Client;
//!
//! struct Pool {
//!     clients: Vec<Client>,
//!     next: AtomicUsize,
//! }
//!
//! impl Pool {
//!     fn client(&self) -> Option<&Client> {
//!         let turn = self.next.fetch_add(1, Ordering::Relaxed);
//!         self.clients.get(turn.checked_rem(self.clients.len())?)
//!     }
//! }
//! # let pool = Pool { clients: Vec::new(), next: AtomicUsize::new(0) };
//! # assert!(pool.client().is_none());
//! ```
//!
//! Calls of two clients have no order between them. What must happen in order goes through one.
//!
//! # Limits that bound a connection
//! [`max_in_flight`](crate::Builder::max_in_flight) bounds the pipeline,
//! [`max_pending`](crate::Builder::max_pending) what waits in front of it. Further calls wait until
//! one ends, within their own time.
