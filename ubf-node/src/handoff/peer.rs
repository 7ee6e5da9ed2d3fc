//! Another node, as this one speaks to it.

use std::time::Duration;

use tokio::time::timeout;
use ubf_client::Client;

use super::words::{Answer, NAME, Request, VERSION};
use crate::rows::Causes;

/// To find the other node. Chosen: less than an attempt has.
const CONNECT_TIME: Duration = Duration::from_secs(1);

/// A connection to another node.
#[derive(Clone, Debug)]
pub(super) struct Peer(Client);

impl Peer {
    /// Connects to where nodes speak to it: `unix:PATH`.
    pub(super) async fn connect(to: &str) -> Result<Self, String> {
        let client = Client::builder()
            .address(to)
            .service(NAME)
            .versions([VERSION])
            .agent(concat!("ubf-node/", env!("CARGO_PKG_VERSION")))
            .connect_within(CONNECT_TIME);
        match timeout(CONNECT_TIME, client.connect()).await {
            Ok(Ok(client)) => Ok(Self(client)),
            Ok(Err(error)) => Err(format!("{to}: {}", Causes(&error))),
            Err(_) => Err(format!("{to}: nobody answers there")),
        }
    }

    /// Asks it for something.
    pub(super) async fn ask(&self, request: &Request, within: Duration) -> Result<Answer, String> {
        let reply = match timeout(within, self.0.call(request.to_term())).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => {
                return Err(format!("the other node does not answer: {}", Causes(&error)));
            }
            Err(_) => return Err("the other node did not answer in time".to_owned()),
        };
        Answer::read(reply.response()).ok_or_else(|| {
            let said = ubf_proto::Truncated(reply.response());
            format!("the other node answers what is not known: {said}")
        })
    }
}
