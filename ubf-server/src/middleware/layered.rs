//! Layers of tower around a handler.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tower_layer::Layer;
use tower_service::Service;
use ubf_codec::Term;
use ubf_proto::Versions;

use crate::failure::Failure;
use crate::handler::{Call, Client, Handler};
use crate::reply::Reply;
use crate::versions::HandlerError;

/// A handler whose requests go through a layer of tower.
///
/// ```
/// use tower_layer::layer_fn;
/// use ubf_server::middleware::layered;
/// use ubf_server::{Call, Handlers, Reply};
///
/// let handlers = Handlers::new().on(1, |_: Call<()>| async { Reply::ok(1) });
/// // Here a layer that changes nothing; tower's ServiceBuilder makes others.
/// let service = layered(handlers, layer_fn(|inner| inner));
/// # drop(service);
/// ```
pub fn layered<H, L>(handler: H, layer: L) -> Layered<H, L::Service>
where
    H: Handler,
    L: Layer<HandlerService<H>>,
{
    let handler = Arc::new(handler);
    let service = layer.layer(HandlerService(Arc::clone(&handler)));
    Layered { handler, service }
}

/// A handler as a service of tower: the innermost one of [`layered`].
pub struct HandlerService<H>(Arc<H>);

impl<H> Clone for HandlerService<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H> fmt::Debug for HandlerService<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerService").finish_non_exhaustive()
    }
}

impl<H: Handler> Service<Call<H::State>> for HandlerService<H> {
    type Response = Reply;
    /// A [`Failure`], as what layers want. One that comes back through the layers is itself again.
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<H::State>) -> Self::Future {
        let handler = Arc::clone(&self.0);
        Box::pin(async move { handler.request(call).await.map_err(Into::into) })
    }
}

/// A handler with a layer of tower around it. [`layered`] makes one.
pub struct Layered<H, S> {
    handler: Arc<H>,
    service: S,
}

impl<H, S> fmt::Debug for Layered<H, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").finish_non_exhaustive()
    }
}

impl<H, S> Handler for Layered<H, S>
where
    H: Handler,
    S: Service<Call<H::State>, Response = Reply> + Clone + Send + Sync + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send,
{
    type State = H::State;

    fn versions(&self) -> Versions {
        self.handler.versions()
    }

    fn check(&self) -> Result<(), HandlerError> {
        self.handler.check()
    }

    fn connect(&self, client: &Client) -> H::State {
        self.handler.connect(client)
    }

    fn is_stateless(&self) -> bool {
        self.handler.is_stateless()
    }

    fn export_state(&self, state: &H::State) -> Option<Bytes> {
        self.handler.export_state(state)
    }

    fn import_state(&self, client: &Client, exported: Bytes) -> Option<H::State> {
        self.handler.import_state(client, exported)
    }

    async fn request(&self, call: Call<H::State>) -> Result<Reply, Failure> {
        let mut service = self.service.clone();
        let ready = poll_fn(|cx| service.poll_ready(cx)).await;
        // It has not seen the request.
        ready.map_err(|error| Failure::refused(Term::atom("error")).because(error))?;
        service.call(call).await.map_err(|error| Failure::from_boxed(error.into()))
    }

    async fn event(&self, event: Call<H::State>) {
        self.handler.event(event).await;
    }
}
