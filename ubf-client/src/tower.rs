//! A client as a service of `tower` (feature `tower`).

use std::task::{Context, Poll};

use tower_service::Service;
use ubf_proto::client::CallError;

use crate::call::Call;
use crate::handle::Client;
use crate::reply::Reply;
use crate::request::Request;

/// What `tower`'s layers put around calls: limits, retries, timeouts, metrics. The crate's page on
/// [middleware](crate::guide::middleware) has an example.
///
/// It is always ready: a call waits for its place in the pipeline itself, within its time. A layer
/// that makes a call again must ask [`CallError::may_have_run`] first.
impl<R: Request> Service<R> for Client {
    type Response = Reply;
    type Error = CallError;
    type Future = Call;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Call {
        Self::call(self, request)
    }
}
