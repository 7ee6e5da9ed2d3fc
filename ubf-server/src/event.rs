//! Events for clients.

use std::sync::Arc;

use bytes::Bytes;
use ubf_codec::{Term, Version};

use crate::event_error::EventError;
use crate::mailbox::{Event, Mailbox, Unsent};
use crate::shared_event::{SharedEvent, event_out};

/// Sends events to the client of one connection. Cheap to clone, and may outlive the connection.
///
/// An event is written in a version, as all messages are. A handler that answers at once knows it
/// from its call; whoever sends later asks for the one that the client speaks now, since the client
/// may have negotiated another one meanwhile:
///
/// | | the version | many receivers |
/// |---|---|---|
/// | [`send`](Self::send), [`try_send`](Self::try_send) | the sender says | |
/// | [`send_with`](Self::send_with), [`try_send_with`](Self::try_send_with) | the client's, now | |
/// | [`send_shared`](Self::send_shared), [`try_send_shared`](Self::try_send_shared) | the client's, now | written once a version |
///
/// Those that wait do so while [`max_events`](crate::ServerLimits::max_events) events of the
/// connection have not begun their way; the others are [`EventError::Full`] then.
///
/// ```
/// use ubf_codec::ubf;
/// use ubf_server::testing::TestServer;
/// use ubf_server::{Call, Handlers, Reply};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handlers = Handlers::new().on([1, 2], |call: Call<()>| async move {
///     let client = call.events();
///     tokio::spawn(async move {
///         // Version 2 says more.
///         let price = |version: ubf_codec::Version| match version.get() {
///             1 => ubf!({price, 480}),
///             _ => ubf!({price, 480, "EUR"}),
///         };
///         client.send_with(price).await
///     });
///     Reply::ok(ubf!(subscribed))
/// });
/// let server = TestServer::of(handlers).await?;
/// let mut client = server.client(2);
/// client.call(ubf!(subscribe)).await?;
/// assert_eq!(client.event().await?.event, ubf!({price, 480, "EUR"}));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EventSender {
    mailbox: Arc<Mailbox>,
    gate: Option<Arc<dyn EventGate>>,
    /// Of the service that sends, among those of the connection.
    place: usize,
}

impl EventSender {
    pub(crate) const fn new(
        mailbox: Arc<Mailbox>,
        place: usize,
        gate: Option<Arc<dyn EventGate>>,
    ) -> Self {
        Self { mailbox, gate, place }
    }

    /// The event, if it may be sent.
    fn allowed(
        &self,
        event: impl FnOnce() -> Result<Event, EventError>,
    ) -> Result<Event, EventError> {
        let event = event()?;
        if let Some(gate) = &self.gate {
            gate.check(event.version, &event.body)?;
        }
        Ok(event)
    }

    /// The version in which the client speaks to this service now: that of its last message, or
    /// the one that it has agreed on since. `None` if the connection is gone, or the client has
    /// turned to another service.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.mailbox.spoken(self.place)
    }

    /// Whether the connection is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.mailbox.is_closed()
    }

    /// Waits until the connection is gone. Whoever keeps a list of receivers takes them out then.
    pub async fn closed(&self) {
        self.mailbox.closed().await;
    }

    /// Sends `{'event_out',Event}` in this version. Waits while the client does not read.
    ///
    /// # Errors
    /// [`EventError::Closed`] if the connection is gone.
    pub async fn send(&self, version: Version, event: impl Into<Term>) -> Result<(), EventError> {
        self.put(|| Ok(Event { version, body: event_out(event.into()) })).await
    }

    /// Sends an event without waiting.
    ///
    /// # Errors
    /// [`EventError::Full`] if the client does not read what it was sent, [`EventError::Closed`] if
    /// the connection is gone.
    pub fn try_send(&self, version: Version, event: impl Into<Term>) -> Result<(), EventError> {
        self.try_put(|| Ok(Event { version, body: event_out(event.into()) }))
    }

    /// Sends what `event` makes for the version that the client speaks now. It is asked when there
    /// is room.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`EventError::OtherService`] if the client has turned to
    /// another service.
    pub async fn send_with<T: Into<Term>>(
        &self,
        event: impl FnOnce(Version) -> T,
    ) -> Result<(), EventError> {
        self.put(|| self.made(|version| Ok(event_out(event(version).into())))).await
    }

    /// Sends what `event` makes for the version that the client speaks now, without waiting. It is
    /// not asked if there is no room.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send), and [`EventError::OtherService`] if the client has turned
    /// to another service.
    pub fn try_send_with<T: Into<Term>>(
        &self,
        event: impl FnOnce(Version) -> T,
    ) -> Result<(), EventError> {
        self.try_put(|| self.made(|version| Ok(event_out(event(version).into()))))
    }

    /// Sends an event that many receive.
    ///
    /// # Errors
    /// As [`send_with`](Self::send_with).
    pub async fn send_shared<F, T>(&self, event: &SharedEvent<F>) -> Result<(), EventError>
    where
        F: Fn(Version) -> T,
        T: Into<Term>,
    {
        self.put(|| self.made(|version| Ok(event.body(version)))).await
    }

    /// Sends an event that many receive, without waiting.
    ///
    /// # Errors
    /// As [`try_send_with`](Self::try_send_with).
    pub fn try_send_shared<F, T>(&self, event: &SharedEvent<F>) -> Result<(), EventError>
    where
        F: Fn(Version) -> T,
        T: Into<Term>,
    {
        self.try_put(|| self.made(|version| Ok(event.body(version))))
    }

    /// The event in the version that the client speaks now.
    pub(crate) fn made(
        &self,
        body: impl FnOnce(Version) -> Result<Bytes, EventError>,
    ) -> Result<Event, EventError> {
        let version = self.version().ok_or(EventError::OtherService)?;
        Ok(Event { version, body: body(version)? })
    }

    pub(crate) async fn put(
        &self,
        event: impl FnOnce() -> Result<Event, EventError>,
    ) -> Result<(), EventError> {
        self.mailbox.send(|| self.allowed(event)).await.map_err(why)
    }

    pub(crate) fn try_put(
        &self,
        event: impl FnOnce() -> Result<Event, EventError>,
    ) -> Result<(), EventError> {
        self.mailbox.try_send(|| self.allowed(event)).map_err(why)
    }
}

/// Looks at the events of a connection before they are sent.
pub(crate) trait EventGate: std::fmt::Debug + Send + Sync {
    /// Whether the event may be sent; `body` is `{'event_out',Event}`.
    fn check(&self, version: Version, body: &[u8]) -> Result<(), EventError>;
}

fn why(unsent: Unsent<EventError>) -> EventError {
    match unsent {
        Unsent::Closed => EventError::Closed,
        Unsent::Full => EventError::Full,
        Unsent::Unmade(error) => error,
    }
}
