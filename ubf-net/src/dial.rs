//! From a target to a stream.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use ubf_codec::{Address, Host};

use crate::dial_error::{DialError, DialErrorKind};
use crate::race::{interleave, race};
use crate::stream::{Peer, Stream};
use crate::target::Target;

/// The IP addresses of one name that are tried. Chosen: more than any sensible name has.
const MAX_IPS: usize = 16;

/// Makes a connection, and tells who is at its other end.
///
/// Names are looked up, and `is_allowed` is asked about each IP address that a name stands for,
/// before anything is sent there. It is not asked about an address that is a number: who wrote it
/// down has judged it. Of several IP addresses, the next one is tried beside the first after 250
/// ms, or as soon as that fails; the families take turns (RFC 8305). At most 16 are tried.
///
/// # Errors
/// If no connection is made `within` this time, over all attempts and the name's look-up; and for
/// [`Target::Tls`]: whoever makes TLS of the stream dials its address as [`Target::Network`].
pub async fn dial(
    target: &Target,
    is_allowed: impl FnMut(IpAddr) -> bool,
    within: Duration,
) -> Result<(Stream, Peer), DialError> {
    let connecting = async {
        match target {
            Target::Network(address) => dial_network(address, is_allowed).await,
            // R7: a program that knows nothing of TLS does not speak to it without.
            Target::Tls(_) => Err(DialError::other(io::Error::other(
                "such an address is spoken to with TLS alone",
            ))),
            #[cfg(unix)]
            Target::Unix(path) => UnixStream::connect(path)
                .await
                .map(|stream| (stream.into(), Peer::Unix))
                .map_err(DialError::of_path),
        }
    };
    timeout(within, connecting)
        .await
        .unwrap_or(Err(DialError::without_cause(DialErrorKind::TimedOut)))
}

async fn dial_network(
    address: &Address,
    is_allowed: impl FnMut(IpAddr) -> bool,
) -> Result<(Stream, Peer), DialError> {
    let port = address.port;
    let candidates = match &address.host {
        Host::V4(ip) => vec![(*ip, port).into()],
        Host::V6(ip) => vec![(*ip, port).into()],
        Host::Name(name) => look_up(name, port, is_allowed).await?,
    };
    let (stream, at) = race(candidates, connect).await?;
    Ok((stream.into(), Peer::Tcp(at)))
}

async fn connect(candidate: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(candidate).await
}

async fn look_up(
    name: &str,
    port: u16,
    mut is_allowed: impl FnMut(IpAddr) -> bool,
) -> Result<Vec<SocketAddr>, DialError> {
    let found: Vec<SocketAddr> =
        lookup_host((name, port)).await.map_err(DialError::of_name)?.collect();
    if found.is_empty() {
        return Err(DialError::without_cause(DialErrorKind::NoSuchName));
    }
    let allowed: Vec<_> = interleave(found)
        .into_iter()
        .filter(|found| is_allowed(found.ip()))
        .take(MAX_IPS)
        .collect();
    if allowed.is_empty() {
        return Err(DialError::without_cause(DialErrorKind::NotAllowed));
    }
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_name_is_judged_by_its_ip_addresses_before_anything_is_sent() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target: Target = format!("localhost:{port}").parse().unwrap();
        let mut judged = Vec::new();
        let refused = dial(
            &target,
            |ip| {
                judged.push(ip);
                false
            },
            SECOND,
        )
        .await;
        assert_eq!(refused.unwrap_err().kind(), DialErrorKind::NotAllowed);
        assert!(!judged.is_empty() && judged.iter().all(IpAddr::is_loopback));
        let (_stream, peer) = dial(&target, |ip| ip.is_ipv4(), SECOND).await.unwrap();
        assert_eq!(peer.address().unwrap().port(), port);
    }

    #[tokio::test]
    async fn who_refuses_and_what_does_not_exist_is_told_apart() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let closed: Target = listener.local_addr().unwrap().to_string().parse().unwrap();
        drop(listener);
        let error = dial(&closed, |_| true, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), DialErrorKind::Refused);
        assert!(std::error::Error::source(&error).is_some());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_unix_socket_that_does_not_exist_is_no_other_error() {
        let path = std::env::temp_dir().join(format!("ubf-net-no-{}", std::process::id()));
        let error = dial(&Target::Unix(path), |_| true, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), DialErrorKind::NoSuchSocket);
    }
}
