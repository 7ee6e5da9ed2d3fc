//! What is answered to a request.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tracing::info;
use ubf_net::Peer;
use ubf_server::{Phase, Status};

use super::acting;
use super::body::Body;
use super::events::events;
use super::facts::{Facts, Rows, Times, bounds_us, name_of};
use super::guard::Guard;
use super::lists;
use super::metrics::{self, Sight};
use super::page;
use super::pauses::Pauses;
use super::process::Process;
use super::response::{EVENTS, JSON, OPENMETRICS, only_get, text, typed};
use super::serving::{Door, Site};
use crate::control::{ConnectionReport, Control, SessionReport};
use crate::log::Feed;

/// Readers of events at a time. Chosen: some people who look, and a place to collect them; the rest
/// of the connections is for those who ask and go.
const MAX_READERS: usize = 8;
/// How old a status may be that a reader of events gets: all of them look together.
const MAX_AGE: Duration = Duration::from_millis(400);

const INDEX: &str = "\
/             a page for people
/metrics      what is counted, as OpenMetrics
/livez        200: the process works
/readyz       200: new clients are taken; 503: they are not, and why
/status.json  the server at this moment
/connections.json, /sessions.json  page by page: after, limit, filter
/events       its status every second, and its log, as server-sent events
/admin        POST, with the token: a request of the operator's contract, as a term
";

/// What the page says of the server beside its status.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    /// What it is called in logs.
    pub(crate) node: String,
    /// Its control socket.
    pub(crate) control: Option<String>,
}

/// What answers need.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) control: Control,
    pub(super) guard: Guard,
    pub(super) feed: Option<Feed>,
    pub(super) about: About,
    pub(super) pauses: Pauses,
    pub(super) door: Door,
    /// One after the other: to look at ten thousand connections holds up those that come and go.
    looks: Mutex<()>,
    /// The last status that readers of events got, and when.
    recent: Mutex<Option<(Instant, Arc<str>)>>,
    readers: Arc<Semaphore>,
}

impl Site for Answers {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        if request.uri().path() == "/admin" && *request.method() == Method::POST {
            return self.act(request, peer).await;
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return only_get();
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
            path => match self.guard.refuses_look(request.headers()) {
                Some(refusal) => refusal,
                None => self.look(path, request.uri().query()).await,
            },
        }
    }
}

impl Answers {
    pub(super) fn new(
        control: Control,
        guard: Guard,
        feed: Option<Feed>,
        about: About,
        pauses: Pauses,
        door: Door,
    ) -> Self {
        let readers = Arc::new(Semaphore::new(MAX_READERS));
        let (looks, recent) = (Mutex::default(), Mutex::default());
        Self { control, guard, feed, about, pauses, door, looks, recent, readers }
    }

    /// What is for those only who may look.
    async fn look(self: Arc<Self>, path: &str, query: Option<&str>) -> Response<Body> {
        match path {
            "/" => self.page().await,
            "/metrics" => typed(OPENMETRICS, self.metrics().await.into()),
            "/status.json" => typed(JSON, self.status().await.into()),
            "/connections.json" => listed(self.list::<ConnectionReport>(query).await),
            "/sessions.json" => listed(self.list::<SessionReport>(query).await),
            "/events" => match Arc::clone(&self.readers).try_acquire_owned() {
                Ok(permit) => typed(EVENTS, self.events(permit)),
                Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "too many readers of events\n"),
            },
            "/admin" => {
                let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only POST acts here\n");
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
                response
            }
            _ => text(StatusCode::NOT_FOUND, INDEX),
        }
    }

    async fn act(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        if let Some(refusal) = self.guard.refuses_act(request.headers()) {
            info!(%peer, status = refusal.status().as_u16(), "an order by HTTP is refused");
            return refusal;
        }
        let body = match acting::body(request.into_body()).await {
            Ok(body) => body,
            Err(refusal) => return refusal,
        };
        match acting::read(&body) {
            Ok(request) => {
                info!(%peer, order = %String::from_utf8_lossy(&body).trim(), "an order by HTTP");
                acting::act(&self.control, request, &peer).await
            }
            Err(why) => text(StatusCode::BAD_REQUEST, &why),
        }
    }

    async fn list<T: lists::Listed>(
        &self,
        query: Option<&str>,
    ) -> Result<String, (StatusCode, String)> {
        let _turn = self.looks.lock().await;
        lists::page::<T>(&self.control, query).await
    }

    async fn page(self: Arc<Self>) -> Response<Body> {
        let status = self.status().await;
        let query = format!("limit={}", page::ROWS);
        let connections = self.list::<ConnectionReport>(Some(&query)).await.unwrap_or_default();
        let sessions = self.list::<SessionReport>(Some(&query)).await.unwrap_or_default();
        let node = page::Node::new(&status, connections.as_bytes(), sessions.as_bytes());
        page::page(&[node], &[String::new()], self.guard.lets_act())
    }

    async fn metrics(self: &Arc<Self>) -> String {
        self.made(|answers| {
            let server = answers.control.server();
            let status = server.status();
            metrics::text(&Sight {
                report: answers.control.report_of(&status),
                status,
                call_times: server.call_times(),
                process: Process::look(),
                worst_pause: answers.pauses.worst(),
                takeover: answers.control.last_takeover(),
                certificate_end: answers.control.certificate_end(),
                rows: answers.rows(),
                hand_offs: answers.control.last_hand_offs(),
            })
        })
        .await
    }

    /// One line.
    async fn status(self: &Arc<Self>) -> String {
        self.made(|answers| {
            let status = answers.control.status_report();
            let server = answers.control.server();
            let facts = Facts {
                node: name_of(&status, &answers.about.node),
                control: answers.about.control.clone(),
                status,
                call_bounds_us: bounds_us(),
                call_times: server.call_times().iter().map(Times::from).collect(),
                worst_pause_us: u64::try_from(answers.pauses.worst().as_micros())
                    .unwrap_or(u64::MAX),
                process: Process::look(),
                takeover: answers.control.last_takeover(),
                hand_offs: answers.control.last_hand_offs(),
                rows: answers.rows(),
            };
            // Its keys are texts, and nothing in it can fail to be written.
            serde_json::to_string(&facts).unwrap_or_default()
        })
        .await
    }

    fn rows(&self) -> Vec<Rows> {
        self.control.kept().iter().map(|kept| Rows::from(&**kept)).collect()
    }

    /// The status for readers of events.
    pub(super) async fn recent_status(self: &Arc<Self>) -> Arc<str> {
        let mut recent = self.recent.lock().await;
        if let Some((at, status)) = &*recent
            && at.elapsed() < MAX_AGE
        {
            return Arc::clone(status);
        }
        let status: Arc<str> = self.status().await.into();
        *recent = Some((Instant::now(), Arc::clone(&status)));
        status
    }

    /// Makes a text on a thread that may take its time.
    async fn made(self: &Arc<Self>, make: fn(&Self) -> String) -> String {
        let _turn = self.looks.lock().await;
        let answers = Arc::clone(self);
        tokio::task::spawn_blocking(move || make(&answers)).await.unwrap_or_default()
    }

    fn events(self: Arc<Self>, permit: OwnedSemaphorePermit) -> Body {
        let (lines, door) = (self.feed.as_ref().map(Feed::subscribe), self.door.clone());
        Body::events(events(self, lines, door, permit))
    }
}

fn listed(page: Result<String, (StatusCode, String)>) -> Response<Body> {
    match page {
        Ok(page) => typed(JSON, page.into()),
        Err((status, why)) => text(status, &why),
    }
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
