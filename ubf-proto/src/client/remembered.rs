//! What is remembered of the last agreement, for the next connection (N3).

use alloc::sync::Arc;

use ubf_codec::{Limits, Version};

use super::ClientSession;
use super::output::ConnectionId;

impl ClientSession {
    /// N3: tells of an agreement that another session had with such a server, so that calls may
    /// follow `negotiate` at once: the version that both would choose, and what the server accepts
    /// (N12). What [`Config::remembered`](super::Config::remembered) says comes first, and after an
    /// agreement of its own nothing is taken from others.
    ///
    /// ```
    /// use ubf_codec::{Limits, Version};
    /// use ubf_proto::client::{Call, CallId, Config, Input, Output};
    /// use ubf_proto::{ClientSession, Time, Versions};
    ///
    /// let mut config = Config::new(vec!["a:1".parse()?], Versions::of([1]));
    /// config.session = ubf_proto::client::SessionPlan::off();
    /// let mut session = ClientSession::new(config, 0, Time::ZERO);
    /// session.remember(Version::MIN, Limits::default().into());
    ///
    /// let Some(Output::Connect { connection, .. }) = session.poll_output() else { panic!() };
    /// session.handle(Input::Connected { connection, peer: None, tls: false }, Time::ZERO);
    /// let mut call = Call::request(CallId(1));
    /// call.rendered = Some((Version::MIN, b"'ping'$"[..].into()));
    /// session.handle(Input::Call(call), Time::ZERO);
    /// let mut sent = String::new();
    /// while let Some(output) = session.poll_output() {
    ///     let Output::Transmit { packet, .. } = output else { continue };
    ///     sent += &String::from_utf8_lossy(&packet.to_bytes());
    /// }
    /// assert!(sent.starts_with("0 {'negotiate'") && sent.ends_with("1 'ping'$"));
    /// # Ok::<(), ubf_codec::AddressError>(())
    /// ```
    pub fn remember(&mut self, version: Version, accepted: Arc<Limits>) {
        if self.remembered.is_none() && self.statistics.negotiations == 0 {
            self.remembered = Some(version);
            self.remembered_limits = Some(accepted);
            self.withdrawn.was_offered(version);
        }
    }

    /// N12: what the server at the other end of a connection accepts, if it has agreed there.
    #[must_use]
    pub fn accepted(&self, connection: ConnectionId) -> Option<Arc<Limits>> {
        let links = [self.current.as_deref(), self.next.as_deref()].into_iter().flatten();
        let link = links.into_iter().find(|link| link.id == connection)?;
        link.accepted.clone().filter(|_| link.agreed_at.is_some())
    }
    /// N12: a server has agreed, and accepts this. Many sessions have to do with servers that
    /// accept the same.
    pub(super) fn accepts(&mut self, limits: Limits) -> Arc<Limits> {
        let known = self.remembered_limits.take().filter(|known| **known == limits);
        let accepted = known.unwrap_or_else(|| Arc::new(limits));
        self.remembered_limits = Some(Arc::clone(&accepted));
        accepted
    }
}
