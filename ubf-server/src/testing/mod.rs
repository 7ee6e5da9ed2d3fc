//! Services tested without sockets: a server in memory, and a client that sees what clients see.
//!
//! The server is the real one: it negotiates, puts replies in order, contains panics, keeps limits
//! and drains. Only its connections are pairs of streams in memory, so a test needs no port, and
//! can let time pass as it likes.
//!
//! ```
//! use ubf_codec::ubf;
//! use ubf_server::testing::{Answer, TestServer};
//! use ubf_server::{Call, Failure, Handlers, Reply};
//!
//! async fn half(call: Call<()>) -> Result<Reply, Failure> {
//!     let number = call.term().as_i64().ok_or_else(|| Failure::refused("not a number"))?;
//!     if number == 0 {
//!         tokio::time::sleep(std::time::Duration::from_secs(30)).await;
//!     }
//!     Ok(Reply::ok(number / 2))
//! }
//!
//! # // Time is paused: as in a test with #[tokio::test(start_paused = true)].
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = TestServer::of(Handlers::new().on(1, half)).await?;
//! let mut client = server.client(1);
//! assert_eq!(client.call(14).await?, Answer::reply(7, "start"));
//! assert_eq!(client.call(ubf!(x)).await?, Answer::Refused { why: "not a number".into() });
//! // This takes half a minute of the server's time, and none of ours.
//! assert_eq!(client.call(0).await?, Answer::reply(0, "start"));
//! assert!(server.stop().await.is_clean());
//! # Ok(())
//! # }
//! ```
//!
//! # What to test, and with what
//! | question | with |
//! |---|---|
//! | Does a request get the right reply, in each version? | [`TestServer::client`], [`TestClient::call`] |
//! | Which events does it cause, and for whom? | several clients, [`TestClient::event`] |
//! | What do clients of two versions do to each other? | [`TestClient::speak`], [`TestClient::negotiate`] |
//! | Does it wait, and give up, when it should? | `#[tokio::test(start_paused = true)]`: time goes on by itself when all tasks wait |
//! | Do replies of slow handlers come in order? | [`TestClient::send`] several times, then [`TestClient::answer`] |
//! | What happens when a client goes, or when the server does? | `drop(client)`, [`TestServer::handle`], [`TestClient::end`] |
//! | Does the client's side of my program work with it? | [`TestServer::connect`]: a stream for any client |
//! | Which bytes are on the wire? | [`TestServer::connect`], too |
//!
//! A panic in a handler does not fail a test by itself, since the server contains it: the answer
//! says so ([`Answer::Failed`]), and `server.handle().status().counts.failed` counts.
//!
//! Paused time needs tokio's feature `test-util`. A test that sleeps waits for an event instead.

mod client;
mod error;
mod server;

pub use self::client::{Answer, Event, TestClient};
pub use self::error::TestError;
pub use self::server::TestServer;
