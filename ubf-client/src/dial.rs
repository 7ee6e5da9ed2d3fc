//! From an address to a connection: the IP addresses that a name stands for are judged before
//! anything is sent there.

use std::net::IpAddr;
use std::time::Duration;

use tracing::warn;
use ubf_codec::Address;
use ubf_net::{DialError, Peer, Stream, Target, dial};
use ubf_proto::RedirectPolicy;

/// A connection and who is at its other end, or why there is none.
pub(crate) type Dialed = Result<(Stream, Peer), DialError>;

/// What has to be known to make a connection.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    pub(crate) address: Address,
    /// R7: the rules, and the IP address of the server that named this one; `None` if the program
    /// did.
    pub(crate) named_by: Option<(RedirectPolicy, Option<IpAddr>)>,
    /// For all attempts together.
    pub(crate) within: Duration,
}

impl Dial {
    /// Makes the connection. An address that is a number was judged by the session.
    pub(crate) async fn connect(self) -> Dialed {
        let target = Target::Network(self.address.clone());
        dial(&target, |ip| self.is_allowed(ip), self.within).await
    }

    /// R7: a name that leads where its server may not send us.
    fn is_allowed(&self, ip: IpAddr) -> bool {
        let Some((policy, from)) = &self.named_by else { return true };
        match policy.judge_ip(*from, ip) {
            Ok(()) => true,
            Err(refusal) => {
                warn!(address = %self.address, %ip, why = refusal.as_str(), "redirect refused");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use ubf_net::DialErrorKind;

    use super::*;

    async fn dialled(
        port: u16,
        named_by: Option<(RedirectPolicy, Option<IpAddr>)>,
    ) -> Result<(), DialErrorKind> {
        let address = format!("localhost:{port}").parse().unwrap();
        let dial = Dial { address, named_by, within: Duration::from_secs(5) };
        dial.connect().await.map(|_made| ()).map_err(|error| error.kind())
    }

    #[tokio::test]
    async fn r7_a_name_is_judged_by_its_ip_addresses() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let public = Some("198.51.100.1".parse().unwrap());
        let not_allowed = Err(DialErrorKind::NotAllowed);
        assert_eq!(dialled(port, None).await, Ok(()));
        assert_eq!(dialled(port, Some((RedirectPolicy::default(), public))).await, not_allowed);
        assert_eq!(dialled(port, Some((RedirectPolicy::default(), None))).await, not_allowed);
        assert_eq!(dialled(port, Some((RedirectPolicy::PERMISSIVE, public))).await, Ok(()));
    }
}
