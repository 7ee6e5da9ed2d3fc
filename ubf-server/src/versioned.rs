//! Handlers and events whose messages say by themselves how they are written in each version.

use std::future::ready;
use std::sync::Arc;

use ubf_codec::Versioned;
use ubf_proto::Versions;

use crate::event::EventSender;
use crate::event_error::EventError;
use crate::failure::Failure;
use crate::handler::Call;
use crate::handlers::Handlers;
use crate::log::debug;
use crate::reply::Reply;
use crate::shared_event::event_out;

impl<S: Send + Sync + 'static> Handlers<S> {
    /// Answers requests with `handler` in all versions in which both `Q` and `R` have a form: how
    /// they are written there is theirs to say ([`Versioned`]), and `handler` does not see it.
    ///
    /// A request that is no `Q` in its version is answered `clientBrokeContract`, and `handler` is
    /// not called (L3). A response that has no form in the version of its request is answered
    /// `{'failed','error',…}`, and is no crash (N6). The state is the one that
    /// [`state_name`](Self::state_name) names after the handler has run.
    #[must_use]
    pub fn on_versioned<Q, R, F>(
        self,
        handler: impl Fn(Call<S>, Q) -> F + Send + Sync + 'static,
    ) -> Self
    where
        Q: Versioned + 'static,
        R: Versioned + 'static,
        F: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        let in_both = |version| R::VERSIONS.contains(version);
        let versions: Versions = Q::VERSIONS.iter().filter(|v| in_both(v)).copied().collect();
        self.on_named(versions, move |call, state_name| {
            let version = call.version();
            match Q::from_term(version, call.term()) {
                Ok(request) => {
                    let (state_name, connection) =
                        (Arc::clone(state_name), Arc::clone(&call.connection));
                    let response = handler(call, request);
                    Box::pin(async move {
                        let response = response.await?.to_term(version)?;
                        Ok(Reply::new(response, state_name(&connection.state)))
                    })
                }
                Err(error) => {
                    debug!(peer = %call.peer(), %version, %error, "the client broke the contract");
                    let (expected, state) = (error.to_string(), state_name(call.state()));
                    let reply = Reply::broken_contract(call.term(), &[&expected], state);
                    Box::pin(ready(Ok(reply)))
                }
            }
        })
    }
}

impl EventSender {
    /// Sends an event in the form that it has in the version that the client speaks now. Waits
    /// while the client does not read.
    ///
    /// # Errors
    /// As [`send_with`](Self::send_with), and [`EventError::NoForm`] if that version has no words
    /// for it.
    pub async fn send_versioned(&self, event: &impl Versioned) -> Result<(), EventError> {
        self.put(|| {
            self.made(|version| event.to_term(version).map(event_out).map_err(EventError::NoForm))
        })
        .await
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// As [`try_send_with`](Self::try_send_with), and [`EventError::NoForm`] if that version has no
    /// words for it.
    pub fn try_send_versioned(&self, event: &impl Versioned) -> Result<(), EventError> {
        self.try_put(|| {
            self.made(|version| event.to_term(version).map(event_out).map_err(EventError::NoForm))
        })
    }
}
