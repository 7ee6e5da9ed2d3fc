//! A service to be called, and a client that calls it.

use std::error::Error;
use std::net::SocketAddr;

use tracing::{Instrument as _, info_span};
use ubf_client::Client;
use ubf_codec::ubf;
use ubf_server::{Call, Handlers, Reply, Server, Service};

use crate::traced::{Traced, span_of_the_moment};

/// Serves orders on a port that is free, until the runtime ends.
///
/// # Errors
/// If no port is free.
pub async fn serve() -> Result<SocketAddr, Box<dyn Error>> {
    let handlers = Handlers::new().on(1, async |call: Call<()>| {
        // Whatever a handler does is below the span of its call.
        let pens = async { call.term().get(1).and_then(|pens| pens.as_u64()).unwrap_or_default() };
        let pens = pens.instrument(info_span!("look in the store")).await;
        Reply::ok(ubf!({sold, (pens)}))
    });
    let server = Server::builder().listen("127.0.0.1:0");
    let server = server.service(Service::DEFAULT, Traced(handlers)).bind().await?;
    let address = *server.addresses().first().ok_or("it listens nowhere")?;
    tokio::spawn(server.run());
    Ok(address)
}

/// Orders pens, in a span of its own.
///
/// # Errors
/// If the server cannot be reached, or does not answer.
pub async fn order(address: SocketAddr, pens: u64) -> Result<(), Box<dyn Error>> {
    // The connection outlives the order, and is no part of its span.
    let client = Client::builder().address(address.to_string()).versions([1]);
    let client = client.trace(span_of_the_moment).connect().await?;
    let order = async { client.call(ubf!({pens, (pens)})).await };
    order.instrument(info_span!("order", pens)).await?;
    Ok(())
}
