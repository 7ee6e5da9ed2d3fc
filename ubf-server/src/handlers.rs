//! A service made of closures, some for each version.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
#[cfg(feature = "serde")]
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use ubf_codec::{Text, Version};
use ubf_proto::Versions;

use crate::handler::{Call, Client, Handler, Reply};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type RequestFn<S> = Arc<dyn Fn(Call<S>, &StateName<S>) -> Boxed<Reply> + Send + Sync>;
/// Names the state in which a service is.
pub(crate) type StateName<S> = dyn Fn(&S) -> Text + Send + Sync;
type EventFn<S> = Arc<dyn Fn(Call<S>) -> Boxed<()> + Send + Sync>;

/// A [`Handler`] made of closures.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use ubf_codec::ubf;
/// use ubf_proto::Versions;
/// use ubf_server::{Call, Handlers, Reply};
///
/// // Version 1 counts the requests of a connection; version 2 says where they come from, too.
/// let service = Handlers::with_state(|_client| AtomicU64::new(0))
///     .on(Versions::of([1]), |call: Call<AtomicU64>| async move {
///         Reply::new(call.state().fetch_add(1, Ordering::Relaxed), "start")
///     })
///     .on(Versions::of([2]), |call: Call<AtomicU64>| async move {
///         let count = call.state().fetch_add(1, Ordering::Relaxed);
///         Reply::new(ubf!({(count), (call.peer().to_string())}), "start")
///     });
/// # drop(service);
/// ```
pub struct Handlers<S> {
    connect: Box<dyn Fn(&Client) -> S + Send + Sync>,
    requests: BTreeMap<Version, RequestFn<S>>,
    events: BTreeMap<Version, EventFn<S>>,
    state_name: Box<StateName<S>>,
}

impl Handlers<()> {
    /// No version yet, and nothing kept for a connection.
    #[must_use]
    pub fn new() -> Self {
        Self::with_state(|_| ())
    }
}

impl Default for Handlers<()> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Send + Sync + 'static> Handlers<S> {
    /// No version yet; `connect` makes what is kept for a connection.
    #[must_use]
    pub fn with_state(connect: impl Fn(&Client) -> S + Send + Sync + 'static) -> Self {
        Self {
            connect: Box::new(connect),
            requests: BTreeMap::new(),
            events: BTreeMap::new(),
            state_name: Box::new(|_| Text::from_static("start")),
        }
    }

    /// Names the state in which the service is, for the answers that it does not give itself: those
    /// to requests that break the contract. Default: `start`.
    #[must_use]
    pub fn state_name<N: Into<Text>>(
        mut self,
        name: impl Fn(&S) -> N + Send + Sync + 'static,
    ) -> Self {
        self.state_name = Box::new(move |state| name(state).into());
        self
    }

    /// Answers requests in these versions with `handler`.
    #[must_use]
    pub fn on<F>(
        self,
        versions: impl Borrow<Versions>,
        handler: impl Fn(Call<S>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let handler: RequestFn<S> = Arc::new(move |call, _| Box::pin(handler(call)));
        self.insert(versions.borrow(), &handler)
    }

    /// As [`on`](Self::on), with a handler that may have its reply at once, and knows the name of
    /// the state.
    #[cfg(feature = "serde")]
    pub(crate) fn on_either<F>(
        self,
        versions: impl Borrow<Versions>,
        handler: impl Fn(Call<S>, &StateName<S>) -> Result<F, Reply> + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let handler: RequestFn<S> =
            Arc::new(move |call, state_name| match handler(call, state_name) {
                Ok(reply) => Box::pin(reply),
                Err(reply) => Box::pin(ready(reply)),
            });
        self.insert(versions.borrow(), &handler)
    }

    fn insert(mut self, versions: &Versions, handler: &RequestFn<S>) -> Self {
        self.requests.extend(versions.iter().map(|version| (version, Arc::clone(handler))));
        self
    }

    /// Takes events in these versions with `handler`. It adds no version: one without requests is
    /// not spoken.
    #[must_use]
    pub fn on_event<F>(
        mut self,
        versions: impl Borrow<Versions>,
        handler: impl Fn(Call<S>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handler: EventFn<S> = Arc::new(move |call| Box::pin(handler(call)));
        self.events.extend(versions.borrow().iter().map(|version| (version, Arc::clone(&handler))));
        self
    }
}

impl<S: Send + Sync + 'static> Handler for Handlers<S> {
    type State = S;

    fn versions(&self) -> Versions {
        self.requests.keys().copied().collect()
    }

    fn connect(&self, client: &Client) -> S {
        (self.connect)(client)
    }

    async fn request(&self, call: Call<S>) -> Reply {
        match self.requests.get(&call.version()) {
            Some(handler) => handler(call, &*self.state_name).await,
            // The session hands over no request in a version that is not offered.
            None => Reply::broken_contract(call.term(), &[], (self.state_name)(call.state())),
        }
    }

    async fn event(&self, event: Call<S>) {
        if let Some(handler) = self.events.get(&event.version()) {
            handler(event).await;
        }
    }
}

impl<S> fmt::Debug for Handlers<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers").field("versions", &self.requests.keys()).finish_non_exhaustive()
    }
}
