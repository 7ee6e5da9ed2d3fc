//! What is answered to those who look at several servers.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, future, stream};
use hyper::body::Incoming;
use hyper::header;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use ubf_net::Peer;

use super::client::{Answer, Node, NodeError};
use super::watch::News;
use crate::admin_http::{Body, acting, guard, page, response, serving};

/// Readers of events at a time. Chosen: some tabs of some browsers.
const MAX_READERS: usize = 16;

/// What may be asked of a server.
const PATHS: [&str; 3] = ["status.json", "connections.json", "sessions.json"];

/// The page, and what its script asks.
#[derive(Debug)]
pub(super) struct DashboardSite {
    nodes: Vec<Arc<Node>>,
    news: Arc<News>,
    readers: Arc<Semaphore>,
}

impl serving::Site for DashboardSite {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _: Peer) -> Response<Body> {
        if !guard::is_sent_here(request.headers()) {
            let why = "ask by the address or by localhost\n";
            return response::text(StatusCode::MISDIRECTED_REQUEST, why);
        }
        let path = request.uri().path().to_owned();
        let of_node = path.strip_prefix("/nodes/").and_then(|rest| rest.split_once('/'));
        let of_node = of_node.and_then(|(index, name)| {
            let index: usize = index.parse().ok()?;
            Some((Arc::clone(self.nodes.get(index)?), name))
        });
        match (request.method(), of_node) {
            (&Method::POST, Some((node, "admin"))) => act(&node, request).await,
            (&Method::GET, Some((node, name))) if PATHS.contains(&name) => {
                let query = request.uri().query().map(|query| format!("?{query}"));
                let path = format!("/{name}{}", query.unwrap_or_default());
                handed_on(node.look(&path).await, response::JSON).await
            }
            (&Method::GET, None) => match path.as_str() {
                "/" => self.page().await,
                "/livez" => response::text(StatusCode::OK, "alive\n"),
                "/events" => match Arc::clone(&self.readers).try_acquire_owned() {
                    Ok(permit) => {
                        let (last, later) = self.news.subscribe();
                        let events = events(last.into(), later, permit);
                        response::typed(response::EVENTS, Body::events(events))
                    }
                    Err(_) => {
                        let why = "too many readers of events\n";
                        response::text(StatusCode::SERVICE_UNAVAILABLE, why)
                    }
                },
                _ => response::text(StatusCode::NOT_FOUND, "/ is the page\n"),
            },
            (&Method::GET, Some(_)) => response::text(StatusCode::NOT_FOUND, "/ is the page\n"),
            (_, _) => response::only_get(),
        }
    }
}

impl DashboardSite {
    pub(super) fn new(nodes: Vec<Arc<Node>>, news: Arc<News>) -> Self {
        Self { nodes, news, readers: Arc::new(Semaphore::new(MAX_READERS)) }
    }

    async fn page(&self) -> Response<Body> {
        let last = self.news.last();
        let nodes = self.nodes.iter().zip(last).map(|(node, last)| async move {
            let status = last.map(|status| serde_json::from_str(&status).unwrap_or_default());
            let mut shown =
                page::Node { name: node.address.to_string(), status, ..page::Node::default() };
            if shown.status.is_ok() {
                shown.connections = items(node, "connections").await;
                shown.sessions = items(node, "sessions").await;
            }
            shown
        });
        let nodes = future::join_all(nodes).await;
        let bases: Vec<String> = (0..nodes.len()).map(|index| format!("nodes/{index}/")).collect();
        let lets_act = self.nodes.iter().any(|node| node.has_token());
        page::page(&nodes, &bases, lets_act)
    }
}

/// The first of a list.
async fn items(node: &Node, list: &str) -> Vec<Value> {
    let look = async {
        let answer = node.look(&format!("/{list}.json?limit={}", page::ROWS)).await?;
        answer.good().await?.whole().await
    };
    // A server that has just gone has none to show.
    let Ok((_, body)) = look.await else { return Vec::new() };
    page::items(&body)
}

/// Hands an order on, with what was shown for it: the server is the one who judges.
async fn act(node: &Node, request: Request<Incoming>) -> Response<Body> {
    if !guard::is_of_this_site(request.headers()) {
        return response::text(StatusCode::FORBIDDEN, "another site cannot act here\n");
    }
    let shown = request.headers().get(header::AUTHORIZATION).cloned();
    let body = match acting::body(request.into_body()).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    handed_on(node.act(shown, body).await, response::TEXT).await
}

/// The answer of a server, as far as a page needs it.
async fn handed_on(answer: Result<Answer, NodeError>, kind: &'static str) -> Response<Body> {
    let whole = match answer {
        Ok(answer) => answer.whole().await,
        Err(error) => Err(error),
    };
    match whole {
        Ok((status, body)) => {
            let mut handed = response::typed(kind, body.into());
            *handed.status_mut() = status;
            handed
        }
        Err(error) => response::text(StatusCode::BAD_GATEWAY, &format!("{error}\n")),
    }
}

fn events(
    last: VecDeque<Bytes>,
    later: Receiver<Bytes>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Bytes> + Send {
    let begin = (last, later, permit);
    stream::unfold(begin, |(mut last, mut later, permit)| async move {
        let event = match last.pop_front() {
            Some(event) => event,
            None => match later.recv().await {
                Ok(event) => event,
                Err(RecvError::Lagged(count)) => format!("event: missed\ndata: {count}\n\n").into(),
                Err(RecvError::Closed) => return None,
            },
        };
        Some((event, (last, later, permit)))
    })
}
