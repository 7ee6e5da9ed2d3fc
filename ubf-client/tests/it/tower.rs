//! A client as a service of `tower`.

use std::future::poll_fn;

use tower_service::Service;
use ubf_codec::{Term, ubf};

use crate::script::{Script, within};

/// What a layer does: it waits until the service is ready, and calls it.
async fn layered<S>(service: &mut S, request: Term) -> Result<S::Response, S::Error>
where
    S: Service<Term>,
{
    poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(request).await
}

#[tokio::test]
async fn a_client_is_a_service_that_layers_can_call() {
    let script = Script::new().await;
    let (mut client, mut peer) = script.client().await;
    let server = async {
        peer.hears("3 {'get'1}$").await;
        peer.says("3 ? {'ok''start'}$").await;
    };
    let (reply, ()) =
        within(async { tokio::join!(layered(&mut client, ubf!({get, 1})), server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "ok");
}
