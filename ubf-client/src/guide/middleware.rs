//! What is put around calls: retries, limits, metrics.
//!
//! # Without a framework
//! A call is a future, and a function that makes one is middleware enough. To make a call again is
//! safe only if it has not run: [`CallError::may_have_run`](crate::CallError::may_have_run) tells.
//!
//! ```no_run
//! use ubf_client::{CallError, Client, Reply};
//! use ubf_codec::Term;
//!
//! /// Makes a call up to three times, as long as it has certainly not run.
//! async fn call(client: &Client, request: &Term) -> Result<Reply, CallError> {
//!     let mut attempt = 1;
//!     loop {
//!         match client.call(request.clone()).await {
//!             Err(error) if !error.may_have_run() && attempt < 3 => attempt += 1,
//!             outcome => return outcome,
//!         }
//!     }
//! }
//! # drop(call);
//! ```
//!
//! A call that may be executed more than once says so with
//! [`Call::idempotent`](crate::Call::idempotent), and the client does the rest.
//!
//! # With tower
//! With the feature `tower`, a [`Client`](crate::Client) is a `tower_service::Service` of
//! [`Request`](crate::Request)s. `tower`'s layers fit around it: a limit of calls at once, a rate,
//! a timeout, a retry with a budget.
//!
//! ```text
//! let service = tower::ServiceBuilder::new()
//!     .concurrency_limit(64)
//!     .timeout(Duration::from_secs(2))
//!     .service(client);
//! ```
//!
//! Two things are the client's already, and are better left to it: which server to talk to, since
//! it follows NextIP and fails over by itself, and the wait for a place in the pipeline.
//!
//! # On every connection
//! [`Builder::on_session`](crate::Builder::on_session) runs calls on each new connection before all
//! others: to log in, to subscribe. [`Builder::on_notice`](crate::Builder::on_notice) is shown each
//! decision of the client, and [`Client::status`](crate::Client::status) its counters, for metrics.
