//! Another node, as this one speaks to it.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use ubf_client::{Client, RedirectPolicy, SessionPlan, Target};
use ubf_codec::Address;
use ubf_net::dial;

use super::Own;
use super::words::{Answer, EVENTS_SINCE, NAME, Request, VERSIONS};
use crate::rows::Causes;

/// To find the other node, before anything is suspended or while it is asked again. Chosen: a
/// handshake of TLS with a far and busy machine.
const CONNECT_TIME: Duration = Duration::from_secs(3);

/// For a server that has seen a certificate to refuse it. Chosen: a way there and back.
const VERDICT_TIME: Duration = Duration::from_millis(500);

/// A connection to another node.
#[derive(Clone, Debug)]
pub(super) struct Peer(Client);

impl Peer {
    /// Connects to where nodes speak to it: `unix:PATH` on this machine, `ubfs://HOST:PORT` on
    /// another one. Rows never go without TLS over a network.
    pub(super) async fn connect(own: &Own, to: &str) -> Result<Self, String> {
        let builder = Client::builder()
            .address(to)
            .service(NAME)
            .versions(VERSIONS)
            // A message that is late belongs to an attempt that was given up: the machines repeat
            // what is to be repeated, and a giver goes on as soon as the link is lost.
            .session(SessionPlan::off())
            // Rows go to the node that an operator, or a record in the store, has named.
            .redirect_policy(RedirectPolicy::PINNED)
            .agent(concat!("ubf-node/", env!("CARGO_PKG_VERSION")))
            .connect_within(CONNECT_TIME);
        let target = own.checked(to)?;
        let builder = match &target {
            Target::Tls(_) => builder.tls(own.elsewhere()?.tls()?),
            #[cfg(unix)]
            Target::Unix(_) => builder,
            Target::Network(_) | _ => return Err(wants_tls(to)),
        };
        match timeout(CONNECT_TIME, builder.connect()).await {
            Ok(Ok(client)) => Ok(Self(client)),
            Ok(Err(error)) => {
                let mut why = format!("{to}: {}", Causes(&error));
                if let Target::Tls(address) = &target
                    && let Some(fault) = fault_of_tls(own, address).await
                {
                    why.push_str(&format!(" ({fault})"));
                }
                Err(why)
            }
            Err(_) => Err(format!("{to}: nobody answers there")),
        }
    }

    /// Whether it can be told of events: a release before this one cannot.
    pub(super) fn knows_events(&self) -> bool {
        self.0.status().borrow().version.is_some_and(|version| version.get() >= EVENTS_SINCE)
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

/// What is wrong with TLS at an address, if that is wrong: a client that tries again and again says
/// less.
async fn fault_of_tls(own: &Own, address: &Address) -> Option<String> {
    let tls = own.elsewhere().ok()?.tls().ok()?;
    let handshake = async {
        let (stream, _) = dial(&address.clone().into(), |_| true, CONNECT_TIME).await?;
        tls.connect(&address.host, stream).await
    };
    let mut stream = match timeout(CONNECT_TIME, handshake).await.ok()? {
        Ok(stream) => stream,
        Err(error) => return Some(Causes(&error).to_string()),
    };
    // A server that does not like the certificate says so behind its own handshake.
    let heard = timeout(VERDICT_TIME, stream.read(&mut [0])).await.ok()?;
    heard.err().map(|error| Causes(&error).to_string())
}

/// What is said of an address without TLS.
pub(super) fn wants_tls(to: &str) -> String {
    format!("{to}: nodes of other machines speak by TLS alone: ubfs://HOST:PORT")
}
