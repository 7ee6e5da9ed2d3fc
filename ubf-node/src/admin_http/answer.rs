//! What is answered to a request. Nothing here steers the server.

use std::sync::Arc;

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use ubf_server::{Phase, Status};

use super::body::Body;
use super::events::events;
use super::metrics::{self, Sight};
use super::process::Process;
use super::token::Token;
use crate::control::Control;
use crate::log::Feed;

/// Readers of events at a time. Chosen: some people who look, and a place to collect them; the rest
/// of the connections is for those who ask and go.
const MAX_READERS: usize = 8;

const TEXT: &str = "text/plain; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const INDEX: &str = "\
/metrics      what is counted, as OpenMetrics
/livez        200: the process works
/readyz       200: new clients are taken; 503: they are not, and why
/status.json  the server at this moment
/events       its status every second, and its log, as server-sent events
";

/// What answers need.
#[derive(Debug)]
pub(super) struct Answers {
    control: Control,
    token: Option<Token>,
    feed: Option<Feed>,
    /// One after the other: to look at ten thousand connections holds up those that come and go.
    looks: Mutex<()>,
    readers: Arc<Semaphore>,
}

impl Answers {
    pub(super) fn new(control: Control, token: Option<Token>, feed: Option<Feed>) -> Self {
        let readers = Arc::new(Semaphore::new(MAX_READERS));
        Self { control, token, feed, looks: Mutex::new(()), readers }
    }

    pub(super) async fn answer<B>(self: Arc<Self>, request: Request<B>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/livez" => text(StatusCode::OK, "alive\n"),
            "/readyz" => {
                let status = self.control.server().status();
                match why_not_ready(&status) {
                    None => text(StatusCode::OK, "ready\n"),
                    Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, why),
                }
            }
            path => match self.refusal(request.headers()) {
                Some(refusal) => refusal,
                None => self.look(path).await,
            },
        }
    }

    /// What is for those only who may look.
    async fn look(self: Arc<Self>, path: &str) -> Response<Body> {
        match path {
            "/" => text(StatusCode::OK, INDEX),
            "/metrics" => typed(OPENMETRICS, self.metrics().await.into()),
            "/status.json" => typed("application/json", self.status().await.into()),
            "/events" => match Arc::clone(&self.readers).try_acquire_owned() {
                Ok(permit) => typed("text/event-stream", self.events(permit)),
                Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "too many readers of events\n"),
            },
            _ => text(StatusCode::NOT_FOUND, INDEX),
        }
    }

    fn refusal(&self, headers: &HeaderMap) -> Option<Response<Body>> {
        match &self.token {
            Some(token) => {
                let shown = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
                let shown = shown.and_then(|shown| shown.strip_prefix(b"Bearer "));
                if shown.is_some_and(|shown| token.is(shown)) {
                    return None;
                }
                let mut refused = text(StatusCode::UNAUTHORIZED, "a token is wanted\n");
                let how = HeaderValue::from_static("Bearer");
                refused.headers_mut().insert(header::WWW_AUTHENTICATE, how);
                Some(refused)
            }
            // A page of another site can have a browser on this machine ask here, by a name of its
            // own that stands for this machine; and read the answer.
            None if !headers.get(header::HOST).is_none_or(is_here) => {
                let why = "without a token, ask by the address or by localhost\n";
                Some(text(StatusCode::MISDIRECTED_REQUEST, why))
            }
            None => None,
        }
    }

    pub(super) async fn metrics(self: &Arc<Self>) -> String {
        self.made(|answers| {
            let server = answers.control.server();
            metrics::text(&Sight {
                status: server.status(),
                call_times: server.call_times(),
                report: answers.control.status_report(),
                process: Process::look(),
            })
        })
        .await
    }

    /// One line.
    pub(super) async fn status(self: &Arc<Self>) -> String {
        self.made(|answers| {
            // Its keys are texts, and nothing in it can fail to be written.
            serde_json::to_string(&answers.control.status_report()).unwrap_or_default()
        })
        .await
    }

    /// Makes a text on a thread that may take its time.
    async fn made(self: &Arc<Self>, make: fn(&Self) -> String) -> String {
        let _turn = self.looks.lock().await;
        let answers = Arc::clone(self);
        tokio::task::spawn_blocking(move || make(&answers)).await.unwrap_or_default()
    }

    fn events(self: Arc<Self>, permit: OwnedSemaphorePermit) -> Body {
        let lines = self.feed.as_ref().map(Feed::subscribe);
        Body::Events(Box::pin(events(self, lines, permit)))
    }
}

/// Whether a request was sent to this machine by a name that no other site has.
fn is_here(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else { return false };
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
    });
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

/// Why no new client should be sent here.
fn why_not_ready(status: &Status) -> Option<&'static str> {
    match status.phase {
        Phase::Draining => Some("draining\n"),
        Phase::Closing => Some("closing\n"),
        Phase::Serving if !status.is_listening => Some("not listening\n"),
        Phase::Serving if status.cordon.is_some() => Some("cordoned\n"),
        Phase::Serving => None,
        Phase::Stopped | _ => Some("stopped\n"),
    }
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = typed(TEXT, text.to_owned().into());
    *response.status_mut() = status;
    response
}

fn typed(kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_others_can_have_is_not_this_machine() {
        for host in ["127.0.0.1:9000", "localhost", "LOCALHOST:1", "[::1]:9000", "[::1]"] {
            assert!(is_here(&HeaderValue::from_static(host)), "{host}");
        }
        for host in ["evil.example", "evil.example:9000", "localhost.evil.example", "127.0.0.1.x"] {
            assert!(!is_here(&HeaderValue::from_static(host)), "{host}");
        }
    }
}
