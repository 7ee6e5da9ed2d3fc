//! From an address to a connection: names are looked up, and their IP addresses judged, before
//! anything is sent there.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tracing::{debug, warn};
use ubf_codec::{Address, Host};
use ubf_proto::RedirectPolicy;

/// The IP addresses of one name that are tried. Chosen: more than any sensible name has.
const MAX_IPS: usize = 16;

/// A connection, and the IP address at its other end.
pub(crate) type Dialed = Option<(TcpStream, IpAddr)>;

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
    /// Makes the connection to the first IP address that answers, and tells which one it is.
    pub(crate) async fn connect(self) -> Dialed {
        let port = self.address.port;
        match &self.address.host {
            // The session has judged these. It gives up in time what it has asked for.
            Host::V4(ip) => self.try_one((*ip, port).into()).await,
            Host::V6(ip) => self.try_one((*ip, port).into()).await,
            Host::Name(name) => self.try_all(self.look_up(name).await).await,
        }
    }

    async fn try_all(&self, candidates: Vec<SocketAddr>) -> Dialed {
        let share = self.within / u32::try_from(candidates.len()).unwrap_or(1).max(1);
        for candidate in candidates {
            match timeout(share, self.try_one(candidate)).await {
                Ok(Some(made)) => return Some(made),
                Ok(None) => {}
                Err(_elapsed) => {
                    debug!(address = %self.address, %candidate, "not connected in time")
                }
            }
        }
        None
    }

    async fn try_one(&self, candidate: SocketAddr) -> Dialed {
        match TcpStream::connect(candidate).await {
            Ok(stream) => {
                // Whole batches are written: there is nothing to wait for. A socket that cannot be
                // told works all the same.
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%candidate, %error, "cannot set nodelay");
                }
                Some((stream, candidate.ip()))
            }
            Err(error) => {
                debug!(address = %self.address, %candidate, %error, "cannot connect");
                None
            }
        }
    }

    async fn look_up(&self, name: &str) -> Vec<SocketAddr> {
        let port = self.address.port;
        match lookup_host((name, port)).await {
            Ok(found) => {
                found.filter(|candidate| self.is_allowed(candidate.ip())).take(MAX_IPS).collect()
            }
            Err(error) => {
                warn!(address = %self.address, %error, "name not found");
                Vec::new()
            }
        }
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
    use super::*;

    async fn found(named_by: Option<(RedirectPolicy, Option<IpAddr>)>) -> usize {
        let dial = Dial {
            address: "localhost:4000".parse().unwrap(),
            named_by,
            within: Duration::from_secs(1),
        };
        dial.look_up("localhost").await.len()
    }

    #[tokio::test]
    async fn r7_a_name_is_judged_by_its_ip_addresses() {
        let public = Some("198.51.100.1".parse().unwrap());
        assert!(found(None).await > 0);
        assert_eq!(found(Some((RedirectPolicy::default(), public))).await, 0);
        assert_eq!(found(Some((RedirectPolicy::default(), None))).await, 0);
        assert!(found(Some((RedirectPolicy::PERMISSIVE, public))).await > 0);
    }
}
