//! A service made of closures, some for each version.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
#[cfg(feature = "serde")]
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use ubf_codec::{Text, Version};
use ubf_proto::Versions;

use crate::failure::Failure;
use crate::handler::{Call, Client, Handler};
use crate::reply::{IntoReply, Reply};
use crate::turns::Turn;
use crate::versions::{HandlerError, IntoVersions};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Replied = Result<Reply, Failure>;
type LaterFn<S> = dyn Fn(Call<S>, &Arc<StateName<S>>) -> Boxed<Replied> + Send + Sync;
type NowFn<S> = dyn Fn(&Call<S>, &StateName<S>) -> Replied + Send + Sync;
/// A closure that answers requests.
enum RequestFn<S> {
    /// It may wait.
    Later(Arc<LaterFn<S>>),
    /// It does not.
    Now(Arc<NowFn<S>>),
}

impl<S> Clone for RequestFn<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Later(handler) => Self::Later(Arc::clone(handler)),
            Self::Now(handler) => Self::Now(Arc::clone(handler)),
        }
    }
}

/// Names the state in which a service is.
pub(crate) type StateName<S> = dyn Fn(&S) -> Text + Send + Sync;
type EventFn<S> = Arc<dyn Fn(Call<S>) -> Boxed<()> + Send + Sync>;

/// A [`Handler`] made of closures.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use ubf_codec::ubf;
/// use ubf_server::{Call, Handlers, Reply};
///
/// // Version 1 counts the requests of a connection; version 2 says where they come from, too.
/// let service = Handlers::with_state(|_client| AtomicU64::new(0))
///     .on(1, |call: Call<AtomicU64>| async move {
///         Reply::ok(call.state().fetch_add(1, Ordering::Relaxed))
///     })
///     .on(2, |call: Call<AtomicU64>| async move {
///         let count = call.state().fetch_add(1, Ordering::Relaxed);
///         Reply::ok(ubf!({(count), (call.peer().to_string())}))
///     });
/// # drop(service);
/// ```
///
/// What is wrong with it, two handlers for one version for example, is an error when the server is
/// [bound](crate::ServerBuilder::bind).
pub struct Handlers<S> {
    connect: Box<dyn Fn(&Client) -> S + Send + Sync>,
    requests: BTreeMap<Version, RequestFn<S>>,
    events: BTreeMap<Version, EventFn<S>>,
    state_name: Arc<StateName<S>>,
    is_in_order: bool,
    is_stateless: bool,
    /// U2: how what is kept for a client goes to another process.
    carry: Option<Carry<S>>,
    /// The first thing that was found to be wrong.
    error: Option<HandlerError>,
}

/// Writes down what is kept for a client, and reads it again.
struct Carry<S> {
    export: Box<ExportFn<S>>,
    import: Box<ImportFn<S>>,
}

type ExportFn<S> = dyn Fn(&S) -> Option<Bytes> + Send + Sync;
type ImportFn<S> = dyn Fn(&Client, Bytes) -> Option<S> + Send + Sync;

impl Handlers<()> {
    /// No version yet, and nothing kept for a connection.
    #[must_use]
    pub fn new() -> Self {
        let is_empty = |exported: Bytes| exported.is_empty().then_some(());
        let handlers = Self { is_stateless: true, ..Self::with_state(|_| ()) };
        handlers.carried(|()| Some(Bytes::new()), move |_, bytes| is_empty(bytes))
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
            state_name: Arc::new(|_| Text::from_static("start")),
            is_in_order: false,
            is_stateless: false,
            carry: None,
            error: None,
        }
    }

    /// Names the state in which the service is, for the answers that it does not give itself: those
    /// to requests that break the contract. Default: `start`.
    #[must_use]
    pub fn state_name<N: Into<Text>>(
        mut self,
        name: impl Fn(&S) -> N + Send + Sync + 'static,
    ) -> Self {
        self.state_name = Arc::new(move |state| name(state).into());
        self
    }

    /// U2: says how what is kept for a client is written down when another process takes over, and
    /// how it is read there: see [`Handler::export_state`]. Without this, and unless nothing is
    /// kept, sessions do not go along.
    #[must_use]
    pub fn carried(
        mut self,
        export: impl Fn(&S) -> Option<Bytes> + Send + Sync + 'static,
        import: impl Fn(&Client, Bytes) -> Option<S> + Send + Sync + 'static,
    ) -> Self {
        self.carry = Some(Carry { export: Box::new(export), import: Box::new(import) });
        self
    }

    /// Runs the handlers of a connection one after the other, requests and events alike: each
    /// begins when the one before it is done. By default those that wait run side by side, and only
    /// their replies are put in order.
    ///
    /// A handler's [`max_call_time`](crate::ServerLimits::max_call_time) includes the wait for its
    /// turn.
    #[must_use]
    pub const fn in_order(mut self) -> Self {
        self.is_in_order = true;
        self
    }

    /// Answers requests in these versions with `handler`, which ends with a [`Reply`] or with a
    /// `Result<Reply, Failure>`.
    #[must_use]
    pub fn on<F>(
        self,
        versions: impl IntoVersions,
        handler: impl Fn(Call<S>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output: IntoReply> + Send + 'static,
    {
        self.on_named(versions, move |call, _| {
            let reply = handler(call);
            Box::pin(async move { reply.await.into_reply() })
        })
    }

    /// Answers requests in these versions with `handler`, which does not wait, and ends with a
    /// [`Reply`] or with a `Result<Reply, Failure>`. It takes less of a processor than one that may
    /// wait: see [`Handler::request_now`].
    ///
    /// ```
    /// use ubf_server::{Call, Handlers, Reply};
    ///
    /// // Echo: what came is the response.
    /// let service = Handlers::new().on_now(1, |call: &Call<()>| {
    ///     Reply::written(|body| {
    ///         body.extend_from_slice(b"{");
    ///         body.extend_from_slice(call.source());
    ///         body.extend_from_slice(b"'start'}$");
    ///     })
    /// });
    /// # drop(service);
    /// ```
    #[must_use]
    pub fn on_now<R: IntoReply>(
        self,
        versions: impl IntoVersions,
        handler: impl Fn(&Call<S>) -> R + Send + Sync + 'static,
    ) -> Self {
        self.on_named_now(versions, move |call, _| handler(call).into_reply())
    }

    /// As [`on_now`](Self::on_now), with a handler that knows the name of the state.
    pub(crate) fn on_named_now(
        self,
        versions: impl IntoVersions,
        handler: impl Fn(&Call<S>, &StateName<S>) -> Replied + Send + Sync + 'static,
    ) -> Self {
        self.insert(versions, &RequestFn::Now(Arc::new(handler)))
    }

    /// As [`on`](Self::on), with a handler that may have its reply at once, and knows the name of
    /// the state.
    #[cfg(feature = "serde")]
    pub(crate) fn on_either<F>(
        self,
        versions: impl IntoVersions,
        handler: impl Fn(Call<S>, &StateName<S>) -> Result<F, Reply> + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output: IntoReply> + Send + 'static,
    {
        self.on_named(versions, move |call, state_name| match handler(call, &**state_name) {
            Ok(reply) => Box::pin(async move { reply.await.into_reply() }),
            Err(reply) => Box::pin(ready(Ok(reply))),
        })
    }

    /// As [`on`](Self::on), with a handler that can name the state when it is done.
    pub(crate) fn on_named(
        self,
        versions: impl IntoVersions,
        handler: impl Fn(Call<S>, &Arc<StateName<S>>) -> Boxed<Replied> + Send + Sync + 'static,
    ) -> Self {
        self.insert(versions, &RequestFn::Later(Arc::new(handler)))
    }

    fn insert(mut self, versions: impl IntoVersions, handler: &RequestFn<S>) -> Self {
        let versions = self.known(versions);
        for version in versions.iter() {
            match self.requests.entry(version) {
                Entry::Vacant(place) => {
                    place.insert(handler.clone());
                }
                Entry::Occupied(_) => self.is_wrong(HandlerError::VersionTwice(version)),
            }
        }
        self
    }

    /// Takes events in these versions with `handler`. It adds no version: one without requests is
    /// not spoken.
    #[must_use]
    pub fn on_event<F>(
        mut self,
        versions: impl IntoVersions,
        handler: impl Fn(Call<S>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handler: EventFn<S> = Arc::new(move |call| Box::pin(handler(call)));
        let versions = self.known(versions);
        for version in versions.iter() {
            match self.events.entry(version) {
                Entry::Vacant(place) => {
                    place.insert(Arc::clone(&handler));
                }
                Entry::Occupied(_) => self.is_wrong(HandlerError::EventsTwice(version)),
            }
        }
        self
    }

    fn known(&mut self, versions: impl IntoVersions) -> Versions {
        versions.into_versions().unwrap_or_else(|error| {
            self.is_wrong(error);
            Versions::new()
        })
    }

    fn is_wrong(&mut self, error: HandlerError) {
        self.error.get_or_insert(error);
    }

    /// Waits for the call's turn, if it has one. Until the result is dropped, it is.
    async fn turn(&self, call: &Call<S>) -> Option<Turn> {
        // A place is taken before anything is waited for: calls are begun in their order.
        let turn = self.is_in_order.then(|| call.take_turn());
        if let Some(turn) = &turn {
            turn.come().await;
        }
        turn
    }
}

impl<S: Send + Sync + 'static> Handler for Handlers<S> {
    type State = S;

    /// None, if something is wrong: a half of a service is not to be offered.
    fn versions(&self) -> Versions {
        if self.error.is_some() { Versions::new() } else { self.requests.keys().copied().collect() }
    }

    fn check(&self) -> Result<(), HandlerError> {
        self.error.map_or(Ok(()), Err)
    }

    fn connect(&self, client: &Client) -> S {
        (self.connect)(client)
    }

    fn is_stateless(&self) -> bool {
        self.is_stateless
    }

    fn export_state(&self, state: &S) -> Option<Bytes> {
        (self.carry.as_ref()?.export)(state)
    }

    fn import_state(&self, client: &Client, exported: Bytes) -> Option<S> {
        (self.carry.as_ref()?.import)(client, exported)
    }

    fn request_now(&self, call: &Call<S>) -> Option<Result<Reply, Failure>> {
        // Those that stand in a line may have to wait for their turn.
        match self.requests.get(&call.version())? {
            RequestFn::Now(handler) if !self.is_in_order => Some(handler(call, &*self.state_name)),
            RequestFn::Now(_) | RequestFn::Later(_) => None,
        }
    }

    fn answers_now(&self, version: Version) -> bool {
        !self.is_in_order && matches!(self.requests.get(&version), Some(RequestFn::Now(_)))
    }

    async fn request(&self, call: Call<S>) -> Result<Reply, Failure> {
        let _turn = self.turn(&call).await;
        match self.requests.get(&call.version()) {
            Some(RequestFn::Later(handler)) => handler(call, &self.state_name).await,
            Some(RequestFn::Now(handler)) => handler(&call, &*self.state_name),
            // The session hands over no request in a version that is not offered.
            None => Ok(Reply::broken_contract(call.term(), &[], (self.state_name)(call.state()))),
        }
    }

    async fn event(&self, event: Call<S>) {
        let _turn = self.turn(&event).await;
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
