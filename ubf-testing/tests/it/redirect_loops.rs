//! R5: servers that send a client round and round. It makes five hops, stays where it is, and its
//! calls are answered.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use ubf_client::{Client, Notice, SessionPlan};
use ubf_codec::ubf;
use ubf_proto::RedirectRefusal;

const PATIENCE: Duration = Duration::from_secs(20);

/// Servers each of which names the next when it agrees, and the last the first. Each counts its
/// visitors.
async fn ring(count: usize) -> (Vec<String>, Vec<Arc<AtomicUsize>>) {
    let mut listeners = Vec::new();
    for _ in 0..count {
        listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    let addresses: Vec<_> =
        listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
    let visitors: Vec<_> = (0..count).map(|_| Arc::new(AtomicUsize::new(0))).collect();
    for (index, listener) in listeners.into_iter().enumerate() {
        let next = addresses[(index + 1) % count].clone();
        let visits = Arc::clone(&visitors[index]);
        drop(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                visits.fetch_add(1, Ordering::Relaxed);
                drop(tokio::spawn(mislead(stream, next.clone())));
            }
        }));
    }
    (addresses, visitors)
}

/// Agrees, and names the next server; answers calls.
async fn mislead(mut stream: TcpStream, next: String) {
    let mut packet = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        packet.push(byte);
        if byte == b'$' {
            let answer = if packet.starts_with(b"0 ") {
                format!("3 \"{next}\" {{'agreed'1?#3&#}}$")
            } else {
                "3 ? {'ok''start'}$".to_owned()
            };
            packet.clear();
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// The refusal with which a client of the first server ends its chase, and who was visited how
/// often until then.
async fn chase(servers: usize) -> (RedirectRefusal, Vec<usize>) {
    let (addresses, visitors) = ring(servers).await;
    let (seen, mut notices) = mpsc::unbounded_channel();
    // The servers cut what they read at each `$`, and the name of a session may have one.
    let client = Client::builder().address(&addresses[0]).versions([3]).session(SessionPlan::off());
    let client = client
        .on_notice(move |notice| {
            drop(seen.send(notice.clone()));
        })
        .configure(|config| config.move_interval = Duration::from_millis(1))
        .connect()
        .await
        .unwrap();
    let refusal = async {
        loop {
            if let Notice::RedirectRefused { refusal, .. } = notices.recv().await.unwrap() {
                return refusal;
            }
        }
    };
    let refusal = timeout(PATIENCE, refusal).await.unwrap();
    let visits = visitors.iter().map(|visits| visits.load(Ordering::Relaxed)).collect();
    let reply = timeout(PATIENCE, client.call(ubf!(here)).into_future()).await.unwrap().unwrap();
    assert_eq!(reply.response().to_string(), "ok");
    (refusal, visits)
}

#[tokio::test]
async fn r5_two_servers_that_name_each_other_are_visited_once_each() {
    assert_eq!(chase(2).await, (RedirectRefusal::Visited, vec![1, 1]));
}

#[tokio::test]
async fn r5_a_ring_of_servers_is_followed_for_five_hops_and_no_further() {
    assert_eq!(chase(8).await, (RedirectRefusal::TooManyHops, vec![1, 1, 1, 1, 1, 1, 0, 0]));
}
