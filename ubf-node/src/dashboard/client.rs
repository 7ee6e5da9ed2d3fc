//! What a server is asked by HTTP: one request a connection.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::poll_fn;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use ubf_net::Stream;
use ubf_net::tls::ClientTls;

use super::DashboardToken;
use super::address::NodeAddress;
use crate::admin_http::Body;

/// For a connection, TLS, and the head of an answer. Chosen: a server answers within 10 s, and
/// whoever looks does not wait longer for one of many.
const MAX_TIME: Duration = Duration::from_secs(5);
/// For the rest of an answer that ends.
const MAX_BODY_TIME: Duration = Duration::from_secs(10);
/// Bytes of an answer, and of one event. Chosen: ten times what a large server says of itself.
pub(super) const MAX_ANSWER: usize = 1 << 20;

/// A server, and what is shown to it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) address: NodeAddress,
    token: Option<DashboardToken>,
    tls: Option<ClientTls>,
}

/// An answer of which the head has come. The connection ends with it.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    _driving: JoinSet<()>,
}

impl Node {
    pub(super) const fn new(
        address: NodeAddress,
        token: Option<DashboardToken>,
        tls: Option<ClientTls>,
    ) -> Self {
        Self { address, token, tls }
    }

    pub(super) const fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Looks at a path, with the token if there is one.
    pub(super) async fn look(&self, path: &str) -> Result<Answer, NodeError> {
        let mut request = self.request(Method::GET, path, Body::from(String::new()))?;
        if let Some(DashboardToken(token)) = &self.token {
            request.headers_mut().insert(header::AUTHORIZATION, token.header());
        }
        self.ask(request).await
    }

    /// Acts as whoever has shown this.
    pub(super) async fn act(
        &self,
        shown: Option<HeaderValue>,
        body: Vec<u8>,
    ) -> Result<Answer, NodeError> {
        let mut request = self.request(Method::POST, "/admin", Body::from(Bytes::from(body)))?;
        if let Some(shown) = shown {
            request.headers_mut().insert(header::AUTHORIZATION, shown);
        }
        self.ask(request).await
    }

    fn request(&self, method: Method, path: &str, body: Body) -> Result<Request<Body>, NodeError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string());
        request.body(body).map_err(|_| NodeError::NoPath)
    }

    async fn ask(&self, request: Request<Body>) -> Result<Answer, NodeError> {
        let asked = async {
            let stream = self.connect().await?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            let mut driving = JoinSet::new();
            driving.spawn(async move {
                // What goes wrong is what the answer says.
                let _has_ended = connection.await.is_ok();
            });
            let response = sender.send_request(request).await?;
            Ok(Answer { response, _driving: driving })
        };
        timeout(MAX_TIME, asked).await.unwrap_or(Err(NodeError::TooLate))
    }

    async fn connect(&self) -> Result<Stream, NodeError> {
        let stream = TcpStream::connect(self.address.to_string()).await?;
        stream.set_nodelay(true)?;
        let stream = Stream::own(stream);
        if !self.address.is_https() {
            return Ok(stream);
        }
        let tls = self.tls.as_ref().ok_or(NodeError::NoAuthority)?;
        let connected = tls.connect(self.address.host(), stream).await;
        connected.map_err(|error| NodeError::Io(io::Error::other(error)))
    }
}

impl Answer {
    /// The answer, if it is 200; else why not, in the words of the server.
    pub(super) async fn good(self) -> Result<Self, NodeError> {
        let status = self.response.status();
        if status == StatusCode::OK {
            return Ok(self);
        }
        let (_, body) = self.whole().await?;
        let words = String::from_utf8_lossy(&body);
        let words = words.lines().next().unwrap_or_default().chars().take(200).collect();
        Err(NodeError::Refused(status, words))
    }

    /// Its status and all of its body, which ends.
    pub(super) async fn whole(mut self) -> Result<(StatusCode, Bytes), NodeError> {
        let mut body = Vec::new();
        let all = async {
            while let Some(data) = self.next().await? {
                if body.len() + data.len() > MAX_ANSWER {
                    return Err(NodeError::TooLong);
                }
                body.extend_from_slice(&data);
            }
            Ok(())
        };
        timeout(MAX_BODY_TIME, all).await.unwrap_or(Err(NodeError::TooLate))?;
        Ok((self.response.status(), body.into()))
    }

    /// More of its body.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, NodeError> {
        let body = self.response.body_mut();
        loop {
            let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
            let Some(frame) = frame.transpose()? else { return Ok(None) };
            // Trailers say nothing here.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

/// Why a server does not say what it is asked.
#[derive(Debug)]
pub(super) enum NodeError {
    Io(io::Error),
    Http(hyper::Error),
    Refused(StatusCode, String),
    TooLate,
    TooLong,
    NoPath,
    NoAuthority,
    /// Events have ended.
    Ended,
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Http(error) => error.fmt(f),
            Self::Refused(status, words) => write!(f, "it answers {}: {words}", status.as_u16()),
            Self::TooLate => f.write_str("it takes too long"),
            Self::TooLong => f.write_str("it says too much"),
            Self::NoPath => f.write_str("nobody can be asked that"),
            Self::NoAuthority => f.write_str("https wants --ca: whose certificates are trusted"),
            Self::Ended => f.write_str("its events have ended"),
        }
    }
}

impl std::error::Error for NodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            Self::Http(error) => error.source(),
            Self::Refused(..)
            | Self::TooLate
            | Self::TooLong
            | Self::NoPath
            | Self::NoAuthority
            | Self::Ended => None,
        }
    }
}

impl From<io::Error> for NodeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<hyper::Error> for NodeError {
    fn from(error: hyper::Error) -> Self {
        Self::Http(error)
    }
}
