//! Two versions of a contract, and programs of either age talking to each other.
//!
//! Version 2 of this ticket office has a request more, `move`, and a field more in two of its
//! messages. A field at the end of a record needs no version of its own where programs have said
//! that their records may grow: older programs do not see it. A request that older servers do not
//! know does.
//!
//! ```text
//! cargo run -p ubf-testing --example two_versions
//! ```

#![allow(
    clippy::print_stdout,
    clippy::panic,
    reason = "an example shows what happens, and a test fails by a panic"
)]

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ubf_client::{CallError, Client, TypedCallError, Unsupported};
use ubf_codec::serde::{Growing, to_term};
use ubf_codec::{Term, Version};
use ubf_server::{Call, Handlers, Reply, Server, ServerHandle, Service, Versions};

/// The messages as the older programs know them.
mod older {
    use super::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, Debug)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Request {
        Book { seats: u32 },
        Cancel(u32),
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Response {
        Booked { ticket: u32 },
        Cancelled,
    }
}

/// The messages as the newer programs know them.
mod newer {
    use super::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, Clone, Debug)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Request {
        Book {
            seats: u32,
            at_window: Option<bool>,
        },
        Cancel(u32),
        /// Since version 2.
        Move {
            ticket: u32,
            row: u32,
        },
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Response {
        Booked {
            ticket: u32,
            row: Option<u32>,
        },
        Cancelled,
        /// Since version 2.
        Moved,
    }
}

static TICKETS: AtomicU32 = AtomicU32::new(1);

/// The older server: version 1.
fn older_office() -> Handlers<()> {
    use older::{Request, Response};
    Handlers::new().on_typed(
        Versions::of([1]),
        |_: Call<()>, Growing(request): Growing<Request>| async move {
            let response = match request {
                Request::Book { seats: _ } => {
                    Response::Booked { ticket: TICKETS.fetch_add(1, Ordering::Relaxed) }
                }
                Request::Cancel(_) => Response::Cancelled,
            };
            Reply::typed(&response, "open")
        },
    )
}

/// The newer server: versions 1 and 2, with one piece of code.
fn newer_office() -> Handlers<()> {
    use newer::{Request, Response};
    Handlers::new().on_typed(
        Versions::of([1, 2]),
        |_: Call<()>, Growing(request): Growing<Request>| async move {
            let response = match request {
                Request::Book { seats: _, at_window } => {
                    let row = if at_window == Some(true) { 7 } else { 12 };
                    Response::Booked {
                        ticket: TICKETS.fetch_add(1, Ordering::Relaxed),
                        row: Some(row),
                    }
                }
                Request::Cancel(_) => Response::Cancelled,
                Request::Move { .. } => Response::Moved,
            };
            Reply::typed(&response, "open")
        },
    )
}

/// The older client has version 1, and knows of no other.
async fn older_client(address: &str) -> Result<(), Box<dyn Error>> {
    use older::{Request, Response};
    let client = Client::builder().address(address).versions([1]).connect().await?;
    let booked = client.call_typed::<Growing<Response>>(&Request::Book { seats: 2 }).await?;
    println!("  version {}: booked: {:?}", booked.version, booked.response.0);
    // What a newer server adds to it, this program does not see.
    let Response::Booked { ticket } = booked.response.0 else { panic!("{:?}", booked.response.0) };
    let cancelled = client.call_typed::<Growing<Response>>(&Request::Cancel(ticket)).await?;
    println!("  version {}: cancelled: {:?}", cancelled.version, cancelled.response.0);
    assert_eq!((booked.version.get(), cancelled.response.0), (1, Response::Cancelled));
    client.close(Duration::from_secs(1)).await;
    Ok(())
}

/// The newer client has versions 1 and 2, and writes a request for the version in which it is sent
/// (N8).
async fn newer_client(address: &str, agreed: u32) -> Result<(), Box<dyn Error>> {
    use newer::{Request, Response};
    let write = |request: Request| {
        move |version: Version| -> Result<Term, Unsupported> {
            match (&request, version.get()) {
                // The one thing that version 1 has no words for.
                (Request::Move { .. }, 1) => Err(Unsupported),
                _ => Ok(to_term(&request)?),
            }
        }
    };
    let client = Client::builder().address(address).versions([1, 2]).connect().await?;
    let book = Request::Book { seats: 2, at_window: Some(true) };
    let booked = client.call(write(book)).typed::<Growing<Response>>().await?;
    println!("  version {}: booked: {:?}", booked.version, booked.response.0);
    assert_eq!(booked.version.get(), agreed);
    let Response::Booked { ticket, row } = booked.response.0 else {
        panic!("{:?}", booked.response.0)
    };
    // An older server has not seen the wish, and says nothing about a row.
    assert_eq!(row, (agreed == 2).then_some(7));

    match client.call(write(Request::Move { ticket, row: 1 })).typed::<Growing<Response>>().await {
        Ok(moved) => {
            println!("  version {}: moved: {:?}", moved.version, moved.response.0);
            assert_eq!((moved.version.get(), moved.response.0), (2, Response::Moved));
        }
        Err(TypedCallError::Call(CallError::Inexpressible { version })) => {
            println!(
                "  version {version}: to move a ticket cannot be said in it, and nothing was sent"
            );
            assert_eq!(version.get(), 1);
        }
        Err(error) => return Err(error.into()),
    }
    assert_eq!(
        client.status().borrow().version.map(Version::get),
        Some(agreed),
        "that was about one call"
    );

    // A program that does not mind the version is told so by the server, and the session goes on.
    if agreed == 1 {
        let error = client.call_typed::<Growing<Response>>(&Request::Move { ticket, row: 1 }).await;
        let error = error.err().ok_or("an older server has no such request")?;
        println!("  {error}");
        assert!(matches!(error, TypedCallError::BrokeContract { .. }) && !error.may_have_run());
    }
    let cancelled = client.call_typed::<Growing<Response>>(&Request::Cancel(ticket)).await?;
    assert_eq!(cancelled.response.0, Response::Cancelled);
    client.close(Duration::from_secs(1)).await;
    Ok(())
}

/// Each client with each server.
pub(crate) async fn all_four_pairs() -> Result<(), Box<dyn Error>> {
    let (older_server, older_handle) = start(older_office()).await?;
    let (newer_server, newer_handle) = start(newer_office()).await?;
    println!("an older client and an older server");
    older_client(&older_server).await?;
    println!("an older client and a newer server");
    older_client(&newer_server).await?;
    println!("a newer client and an older server");
    newer_client(&older_server, 1).await?;
    println!("a newer client and a newer server");
    newer_client(&newer_server, 2).await?;
    for handle in [older_handle, newer_handle] {
        handle.shut_down(Duration::from_secs(1));
    }
    Ok(())
}

async fn start(office: Handlers<()>) -> Result<(String, ServerHandle), Box<dyn Error>> {
    let server =
        Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, office).bind().await?;
    let address = server.addresses().first().ok_or("no address")?.to_string();
    let handle = server.handle();
    drop(tokio::spawn(server.run()));
    Ok((address, handle))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    all_four_pairs().await
}
