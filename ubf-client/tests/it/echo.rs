//! A small server built on the server session: it answers a request R with `{R,'start'}`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use ubf_codec::{NextIp, Term, ubf};
use ubf_proto::server::{Config, Input, Output};
use ubf_proto::{Offer, ServerSession, Time, Versions, body};

/// A server whose tasks end with it.
pub(crate) struct Echo {
    pub(crate) address: String,
    /// Requests that it executed.
    pub(crate) executed: Arc<AtomicU64>,
    next_ip: watch::Sender<Option<NextIp>>,
}

impl Echo {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let executed = Arc::new(AtomicU64::new(0));
        let (next_ip, orders) = watch::channel(None);
        let counter = Arc::clone(&executed);
        drop(tokio::spawn(async move {
            let mut end = orders.clone();
            let mut is_over = std::pin::pin!(async { while end.changed().await.is_ok() {} });
            loop {
                let stream = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    () = &mut is_over => return,
                };
                drop(tokio::spawn(serve(stream, orders.clone(), Arc::clone(&counter))));
            }
        }));
        Self { address, executed, next_ip }
    }

    /// From here on, replies send the client there.
    pub(crate) fn redirect(&self, there: Option<&str>) {
        self.next_ip.send(there.map(|there| there.parse().unwrap())).unwrap();
    }
}

async fn serve(
    mut stream: TcpStream,
    mut orders: watch::Receiver<Option<NextIp>>,
    executed: Arc<AtomicU64>,
) {
    let offer = Offer::from(Versions::of([1, 2, 3]));
    let mut session = ServerSession::new(Arc::new(Config::default()), Arc::new(offer), Time::ZERO);
    // No time passes for this server.
    let now = Time::ZERO;
    orders.mark_changed();
    loop {
        let mut unsent = Vec::new();
        while let Some(output) = session.poll_output() {
            match output {
                Output::Transmit { packet, .. } => unsent.extend_from_slice(&packet.to_bytes()),
                Output::Request(message) => {
                    executed.fetch_add(1, Ordering::Relaxed);
                    let reply = Term::tuple([message.body.to_term(), ubf!(start)]);
                    session
                        .handle(Input::Reply { packet: message.packet, body: body(&reply) }, now);
                }
                Output::Close { .. } => return,
                _ => {}
            }
        }
        if stream.write_all(&unsent).await.is_err() {
            return;
        }
        session.handle(Input::Written(unsent.len()), now);
        let mut buffer = BytesMut::with_capacity(4096);
        tokio::select! {
            biased;
            order = orders.changed() => match order {
                Ok(()) => session.handle(Input::NextIp(orders.borrow_and_update().clone()), now),
                // The server is killed.
                Err(_) => return,
            },
            count = stream.read_buf(&mut buffer) => match count {
                Ok(0) | Err(_) => session.handle(Input::EndOfStream, now),
                Ok(_) => session.handle(Input::Received(buffer), now),
            },
        }
    }
}
