//! All clients of a server lose their connections at one moment, and go on with their sessions.

use std::time::Instant;

use benches::Error;
use benches::measure::percentile;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use ubf_client::{Client, DialError, Peer, Stream};
use ubf_codec::{Term, ubf};

use super::Herd;
use super::cut::Scissors;
use crate::server::child::{Child, Place};
use crate::server::peer::{Kind, TEXT};
use crate::server::ubf::builder;

/// The median of so many cuts.
pub(super) async fn measure(clients: usize, cuts: usize, place: &Place) -> Result<Herd, Error> {
    let mut child = Child::start(Kind::Ubf, place)?;
    let scissors = Scissors::default();
    let mut herd = Vec::with_capacity(clients);
    for _ in 0..clients {
        let (scissors, address) = (scissors.clone(), child.address);
        let builder = builder(address).connector(move |_| {
            let scissors = scissors.clone();
            async move {
                let connected = TcpStream::connect(address).await;
                let stream = connected.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
                let stream = scissors.lay_around(stream.map_err(DialError::other)?);
                Ok((Stream::own(stream), Peer::Tcp(address)))
            }
        });
        herd.push(builder.connect().await?);
    }
    let request = ubf!({call, 4711, (TEXT)});
    call_all(&herd, &request).await?;
    let (mut last_ms, mut server_cpu_us) = (Vec::with_capacity(cuts), Vec::with_capacity(cuts));
    for _ in 0..cuts {
        let before = child.used()?;
        let start = Instant::now();
        if scissors.cut() != clients {
            return Err("a client had no connection, or more than one".into());
        }
        call_all(&herd, &request).await?;
        last_ms.push(start.elapsed().as_secs_f64() * 1e3);
        let used = child.used()?.cpu.saturating_sub(before.cpu);
        #[expect(clippy::cast_precision_loss, reason = "no process has 2^52 connections")]
        server_cpu_us.push(used.as_secs_f64() * 1e6 / clients as f64);
    }
    let (mut last_ms, mut server_cpu_us) = (last_ms, server_cpu_us);
    Ok(Herd {
        last_ms: percentile(&mut last_ms, 50),
        server_cpu_us: percentile(&mut server_cpu_us, 50),
    })
}

/// A call of each, all at the same time. Each is answered in the client's first session.
async fn call_all(herd: &[Client], request: &Term) -> Result<(), Error> {
    let mut calls = JoinSet::new();
    for client in herd {
        let (client, request) = (client.clone(), request.clone());
        calls.spawn(async move { client.call(request).await });
    }
    while let Some(ended) = calls.join_next().await {
        let reply = ended??;
        if reply.session().is_none_or(|session| session.ordinal != 1) {
            return Err("a session did not outlive its connection".into());
        }
    }
    Ok(())
}
