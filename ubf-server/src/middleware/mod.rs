//! What stands between the server and a handler: whatever is to be done for each call of a service,
//! or of several.
//!
//! # A handler around a handler
//! A handler that holds another one sees each call before it and each reply after it. It needs
//! nothing but [`Handler`](crate::Handler):
//!
//! ```
//! use std::time::Instant;
//! use ubf_server::{Call, Client, Failure, Handler, HandlerError, Reply, Versions};
//!
//! /// Writes down how long calls take.
//! struct Timed<H>(H);
//!
//! impl<H: Handler> Handler for Timed<H> {
//!     type State = H::State;
//!
//!     fn versions(&self) -> Versions {
//!         self.0.versions()
//!     }
//!
//!     fn check(&self) -> Result<(), HandlerError> {
//!         self.0.check()
//!     }
//!
//!     fn connect(&self, client: &Client) -> H::State {
//!         self.0.connect(client)
//!     }
//!
//!     async fn request(&self, call: Call<H::State>) -> Result<Reply, Failure> {
//!         let began = Instant::now();
//!         let result = self.0.request(call).await;
//!         println!("{:?}, answered: {}", began.elapsed(), result.is_ok());
//!         result
//!     }
//!
//!     async fn event(&self, event: Call<H::State>) {
//!         self.0.event(event).await;
//!     }
//! }
//! ```
//!
//! If the handlers inside may answer without waiting
//! ([`request_now`](crate::Handler::request_now)), one around them does the same there, and gives
//! on [`answers_now`](crate::Handler::answers_now). Otherwise their `request` is called, and nothing
//! is missing but some speed.
//!
//! # Where to refuse
//! A request that is not to be executed ends with [`Failure::refused`](crate::Failure::refused),
//! before the inner handler is called: then the client knows that nothing ran. Whoever may connect
//! at all is decided earlier, in the program's own acceptor
//! ([`serve_stream`](crate::ServerHandle::serve_stream)); how many, by
//! [`ServerLimits`](crate::ServerLimits).
//!
//! # Logs and traces
//! A handler runs in a `tracing` span of level `debug`, target `ubf_server`, called `request` or
//! `event`, with the fields `peer`, `service`, `version` and `packet`. What a handler logs is told
//! with them, if the program wants spans of that level; otherwise it costs nothing. Panics,
//! failures and times that are over are lines of the server itself.
//!
//! # Layers of tower
//! With the feature `tower`, a layer of the tower crates goes around a handler: `layered`. Its
//! service is cloned for each request, as everywhere with tower, so that what limits and counts
//! must be shared by clones, as tower's own are. Events go by layers. An error of a layer is a
//! [`Failure`](crate::Failure): `failed`, since a layer does not say whether the request ran; one
//! that it gives before it takes the request is `refused`.

#[cfg(feature = "tower")]
mod layered;

#[cfg(feature = "tower")]
pub use self::layered::{HandlerService, Layered, layered};
