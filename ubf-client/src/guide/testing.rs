//! How to test a program that uses a client.
//!
//! # In memory, without ports
//! [`Builder::connector`](crate::Builder::connector) takes streams from the test, so that no port
//! is opened. The other end is a server of the crate `ubf-server`, which takes streams too, or a
//! script of literal bytes:
//!
//! ```
//! use std::sync::Mutex;
//!
//! use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
//! use ubf_client::{Client, Peer, SessionPlan, Stream};
//! use ubf_codec::ubf;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (ours, mut server) = tokio::io::duplex(4096);
//! let ours = Mutex::new(Some(ours));
//! let client = Client::builder()
//!     .address("in.memory:1")
//!     .versions([3])
//!     // All bytes are known: no random version is added (N9), and no session has a random name (S1).
//!     .configure(|config| config.grease = false)
//!     .session(SessionPlan::off())
//!     .connector(move |_to| {
//!         let stream = ours.lock().ok().and_then(|mut stream| stream.take());
//!         async move {
//!             let stream = stream.ok_or_else(|| std::io::Error::other("there is only one"))?;
//!             Ok((Stream::own(stream), Peer::Own))
//!         }
//!     })
//!     .start()?;
//!
//! let script = async {
//!     let mut heard = vec![0; 45];
//!     server.read_exact(&mut heard).await?;
//!     assert_eq!(heard, b"0 {'negotiate'1?#3&#{'max_packet'16777216}&}$");
//!     server.write_all(b"3 ? {'agreed'1?#3&#}$").await?;
//!     let mut heard = [0; 18];
//!     server.read_exact(&mut heard).await?;
//!     assert_eq!(&heard, b"3 {'get'\"colour\"}$");
//!     server.write_all(b"3 ? {\"red\"'start'}$").await
//! };
//! let (reply, done) = tokio::join!(client.call(ubf!({get, "colour"})), script);
//! done?;
//! assert_eq!(reply?.response().to_string(), "\"red\"");
//! # Ok(())
//! # }
//! ```
//!
//! # Without waiting
//! All times of a client are tokio's. In a test with `#[tokio::test(start_paused = true)]` (tokio's
//! feature `test-util`) a deadline of an hour is over at once, and exactly then.
//!
//! # What is random
//! [`Builder::seed`](crate::Builder::seed) makes waits, and the version that is added to the list
//! (N9), the same in each run.
//!
//! # What is worth a test
//! - **Each version** of each request: [`Request::render`](crate::Request::render) and
//!   `ubf_codec::Versioned` need no client.
//! - **A crash in one version.** A request that panics for the highest one shows that the program
//!   falls back (N6).
//! - **A server that dies in the middle.** Close the stream after the request was read: the call
//!   ends as [`CallError::Indeterminate`](crate::CallError::Indeterminate), and the program has to
//!   know what to do about it.
//! - **Events that are missing:** a small [`max_events`](crate::Builder::max_events), and
//!   [`Incoming::Missed`](crate::Incoming::Missed).
