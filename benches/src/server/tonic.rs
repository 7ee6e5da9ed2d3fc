//! tonic: gRPC over HTTP/2, its messages being plain bytes, so that no protobuf compiler is needed
//! and none of its time is measured.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use benches::Error;
use bytes::{Buf as _, BufMut as _, Bytes};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use super::load::{self, Load};
use super::peer::{Peer, TEXT, Target, check};

pub(crate) struct Tonic;

impl Peer for Tonic {
    type Client = Channel;

    async fn serve(listener: TcpListener) -> Result<(), Error> {
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Ok(Server::builder().serve_with_incoming(EchoServer, incoming).await?)
    }

    async fn connect(target: Target) -> Result<Self::Client, Error> {
        let endpoint = Endpoint::from_shared(format!("http://{}", target.address))?;
        Ok(endpoint.tcp_nodelay(true).connect().await?)
    }

    async fn call(channel: &mut Self::Client) -> Result<(), Error> {
        let mut grpc = Grpc::new(channel);
        grpc.ready().await?;
        let request = Request::new(Bytes::from_static(TEXT.as_bytes()));
        let reply =
            grpc.unary(request, PathAndQuery::from_static("/bench.Echo/Echo"), Plain).await?;
        check(&**reply.get_ref(), TEXT.as_bytes())
    }

    async fn pipeline(channel: Self::Client, depth: usize, load: &Load) -> Result<(), Error> {
        load::callers(channel, depth, load, Self::call).await
    }
}

#[derive(Clone)]
pub(crate) struct EchoServer;

impl Service<http::Request<Body>> for EchoServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move { Ok(tonic::server::Grpc::new(Plain).unary(Method, request).await) })
    }
}

struct Method;

impl Service<Request<Bytes>> for Method {
    type Response = Response<Bytes>;
    type Error = Status;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

/// Messages as they are.
#[derive(Clone, Copy, Debug)]
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(message);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}
