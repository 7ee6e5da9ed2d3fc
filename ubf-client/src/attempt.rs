//! An attempt to make a connection: by the library, or by a connector of the program's own.

use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tracing::warn;
use ubf_codec::Host;
use ubf_net::{DialError, Peer, Stream, Target, dial};
use ubf_proto::RedirectPolicy;

/// A connection and who is at its other end, or why there is none.
pub(crate) type Dialled = Result<(Stream, Peer), DialError>;

/// A connection in the making. It never panics.
pub(crate) type Connecting = Pin<Box<dyn Future<Output = Dialled> + Send>>;

/// What makes the program's own connections.
pub(crate) type Connector = Box<dyn Fn(Attempt) -> Connecting + Send>;

/// A connection that a client wants, as [`Builder::connector`](crate::Builder::connector) is told
/// of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    target: Target,
    tls_name: Option<Host>,
    /// R7: the rules, and the IP address of the server that named this one; `None` if the program
    /// did.
    named_by: Option<(RedirectPolicy, Option<IpAddr>)>,
    within: Duration,
}

impl Attempt {
    pub(crate) const fn new(
        target: Target,
        tls_name: Option<Host>,
        named_by: Option<(RedirectPolicy, Option<IpAddr>)>,
        within: Duration,
    ) -> Self {
        Self { target, tls_name, named_by, within }
    }

    /// Where to.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The name that the server's certificate must be for, if the client was told that connections
    /// must be TLS (`Config::tls`). Then a connector promises that the stream is TLS, with a
    /// certificate for this name; it is one of those that the program named, whoever named the
    /// target (R7).
    #[must_use]
    pub const fn tls_name(&self) -> Option<&Host> {
        self.tls_name.as_ref()
    }

    /// How long it may take. After that, the client drops the connector's future.
    #[must_use]
    pub const fn within(&self) -> Duration {
        self.within
    }

    /// R7: whether the policy allows a connection to an IP address that the target's name stands
    /// for. A connector that looks up names itself asks for each of them; [`dial`](Self::dial)
    /// does.
    #[must_use]
    pub fn allows(&self, ip: IpAddr) -> bool {
        let Some((policy, from)) = &self.named_by else { return true };
        match policy.judge_ip(*from, ip) {
            Ok(()) => true,
            Err(refusal) => {
                warn!(target = %self.target, %ip, why = refusal.as_str(), "redirect refused");
                false
            }
        }
    }

    /// Makes the connection as the library does, without TLS: see [`ubf_net::dial`].
    ///
    /// # Errors
    /// If there is none in time.
    pub async fn dial(&self) -> Result<(Stream, Peer), DialError> {
        dial(&self.target, |ip| self.allows(ip), self.within).await
    }

    /// Makes it with the program's connector, or with the library's own.
    pub(crate) fn begin(self, connector: Option<&Connector>) -> Connecting {
        match connector {
            Some(connector) => connector(self),
            None if self.tls_name.is_some() => Box::pin(std::future::ready(Err(DialError::other(
                io::Error::other("TLS needs a connector"),
            )))),
            None => Box::pin(async move { self.dial().await }),
        }
    }
}

/// The program's code as a connector that never panics.
pub(crate) fn connector<F>(connect: impl Fn(Attempt) -> F + Send + 'static) -> Connector
where
    F: Future<Output = Dialled> + Send + 'static,
{
    Box::new(move |attempt| {
        // What the code holds is not looked at again after a crash of the future; after one of the
        // function itself, that is the program's promise, not memory safety.
        let Ok(connecting) = catch_unwind(AssertUnwindSafe(|| connect(attempt))) else {
            return Box::pin(std::future::ready(Err(crashed())));
        };
        let mut connecting = Box::pin(connecting);
        Box::pin(poll_fn(move |cx| {
            catch_unwind(AssertUnwindSafe(|| connecting.as_mut().poll(cx)))
                .unwrap_or_else(|_panic| Poll::Ready(Err(crashed())))
        }))
    })
}

/// TLS on the connections of another connector, or of the library.
#[cfg(feature = "tls")]
pub(crate) fn over_tls(tls: ubf_net::tls::ClientTls, below: Option<Connector>) -> Connector {
    Box::new(move |attempt| {
        let tls = tls.clone();
        // R7: `Config::tls` is set, so each attempt has a name.
        let name = attempt.tls_name.clone();
        let is_of_network = matches!(attempt.target, Target::Network(_));
        let below: Connecting = match &below {
            Some(connector) => connector(attempt),
            None if is_of_network => Box::pin(async move { attempt.dial().await }),
            None => Box::pin(std::future::ready(Err(DialError::other(io::Error::other(
                "TLS is spoken over the network, and this is a Unix socket",
            ))))),
        };
        Box::pin(async move {
            let (stream, peer) = below.await?;
            let without_name = || DialError::other(io::Error::other("nobody has named the server"));
            let stream = tls.connect(&name.ok_or_else(without_name)?, stream).await?;
            Ok((stream, peer))
        })
    })
}

fn crashed() -> DialError {
    DialError::other(io::Error::other("the program's connector crashed"))
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
        let target = format!("localhost:{port}").parse().unwrap();
        let attempt = Attempt::new(target, None, named_by, Duration::from_secs(5));
        attempt.dial().await.map(|_made| ()).map_err(|error| error.kind())
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

    #[tokio::test]
    async fn a_connector_that_crashes_is_a_connection_that_was_not_made() {
        let attempt = Attempt::new("[::1]:1".parse().unwrap(), None, None, Duration::ZERO);
        let at_once = connector(|_attempt| -> Connecting { panic!("as the test wants it") });
        assert!(attempt.clone().begin(Some(&at_once)).await.is_err());
        let later = connector(|_attempt| async { panic!("as the test wants it") });
        assert!(attempt.begin(Some(&later)).await.is_err());
    }
}
