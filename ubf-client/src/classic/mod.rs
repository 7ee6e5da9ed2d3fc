//! Clients of stock servers: Erlang's ubf 2.x and 1.16, Armstrong's 1.12, and programs of this
//! project that serve stock peers (feature `classic`).
//!
//! ```no_run
//! use ubf_client::Client;
//! use ubf_client::classic::Flavour;
//! use ubf_codec::ubf;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let builder = Client::builder().address("old.example:4001").classic(Flavour::Erl2);
//! let client = builder.connect().await?;
//! client.start("file_server", ubf!([])).await?;
//! // From here on what the contract does not allow is not sent.
//! client.fetch_contract().await?;
//! let reply = client.call(ubf!(ls)).await?;
//! println!("{} in state {:?}", reply.response(), reply.state());
//! # Ok(())
//! # }
//! ```
//!
//! # What is different from a versioned [`Client`](crate::Client)
//! - One client is one connection and one session. When it ends, all its calls end, and it is of no
//!   use any more: [`ClassicBuilder::connect`] makes another one, whose session begins anew.
//! - **Nothing is ever sent twice.** A call whose connection is lost before its answer is
//!   [indeterminate](CallError::Indeterminate), and so is one whose deadline passes: replies have
//!   no numbers, so that ends the connection.
//! - One request is under way at a time, unless [`ClassicBuilder::pipelining`] is set.
//!
//! The rules are those of the chapter on classic sessions, Q1 to Q15: `ubf_proto::classic` decides,
//! and this module has the socket, the clock and the task.

mod builder;
mod client;
mod events;
mod task;

pub use self::builder::{ClassicBuilder, ClassicConnectError, Refusal};
pub use self::client::{ClassicCall, ClassicClient, ClassicReply, ClassicStatus, ContractError};
pub use self::events::{ClassicEvent, ClassicEvents, ClassicIncoming};
pub use ubf_proto::classic::client::{CallError, Config, EndReason, HelloMode, Level};
pub use ubf_proto::classic::{Flavour, Hello, Tags, Writing};
