//! The other end of a connection in a test: it says and hears literal bytes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it fails the test that uses it"
)]

#[cfg(feature = "tls")]
mod authority;

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::timeout;

#[cfg(feature = "tls")]
pub use self::authority::Authority;

/// How long anything may take. Nothing waits for it unless a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for what a test expects.
///
/// # Panics
/// If that takes longer than [`PATIENCE`].
#[track_caller]
pub fn within<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        let done = timeout(PATIENCE, future).await;
        done.unwrap_or_else(|_| panic!("it takes too long, at {place}"))
    }
}

/// A peer that knows nothing but bytes, and fails its test when they are others.
///
/// ```
/// use ubf_net::testing::ScriptedPeer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (client, server) = tokio::io::duplex(64);
/// let mut client = ScriptedPeer { stream: client };
/// let mut server = ScriptedPeer { stream: server };
/// client.send("1 'ask'$").await;
/// server.expect("1 'ask'$").await;
/// server.send("1 ? {'ok''start'}$").await;
/// assert_eq!(client.packet().await, "1 ? {'ok''start'}$");
/// drop(client);
/// server.expect_end("").await;
/// # }
/// ```
#[derive(Debug)]
pub struct ScriptedPeer<S = TcpStream> {
    /// The connection.
    pub stream: S,
}

impl ScriptedPeer {
    /// Connects to a server.
    ///
    /// # Panics
    /// If nobody listens there.
    pub async fn connect(address: impl ToSocketAddrs) -> Self {
        Self { stream: within(TcpStream::connect(address)).await.unwrap() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ScriptedPeer<S> {
    /// Says these bytes.
    ///
    /// # Panics
    /// If the connection does not take them.
    pub async fn send(&mut self, bytes: &str) {
        within(self.stream.write_all(bytes.as_bytes())).await.unwrap();
        // A stream of the program's own may have a buffer.
        within(self.stream.flush()).await.unwrap();
    }

    /// Nothing more is said.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn end(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// The next bytes are these.
    ///
    /// # Panics
    /// If others come, or the end: as soon as that is seen.
    pub async fn expect(&mut self, bytes: &str) {
        let mut seen = vec![0; bytes.len()];
        let mut count = 0;
        while count < seen.len() && bytes.as_bytes().starts_with(&seen[..count]) {
            match within(self.stream.read(&mut seen[count..])).await.unwrap() {
                0 => break,
                more => count += more,
            }
        }
        assert_eq!(String::from_utf8_lossy(&seen[..count]), bytes);
    }

    /// The next bytes up to the first `$`.
    ///
    /// # Panics
    /// If none comes, or if they are no UTF-8.
    pub async fn packet(&mut self) -> String {
        let mut seen = Vec::new();
        while seen.last() != Some(&b'$') {
            seen.push(within(self.stream.read_u8()).await.unwrap());
        }
        String::from_utf8(seen).unwrap()
    }

    /// Says something, and hears the answer.
    ///
    /// # Panics
    /// As [`send`](Self::send) and [`expect`](Self::expect).
    pub async fn exchange(&mut self, request: &str, reply: &str) {
        self.send(request).await;
        self.expect(reply).await;
    }

    /// These bytes are the last ones.
    ///
    /// # Panics
    /// If others come, or no end.
    pub async fn expect_end(mut self, bytes: &str) {
        let mut seen = Vec::new();
        within(self.stream.read_to_end(&mut seen)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&seen), bytes);
    }

    /// Nothing more comes, and the connection closes or is reset.
    ///
    /// # Panics
    /// If a byte comes, or no end.
    pub async fn expect_closed(mut self) {
        let mut byte = [0];
        assert!(matches!(within(self.stream.read(&mut byte)).await, Ok(0) | Err(_)));
    }

    /// Whether nothing has come that was not heard. A byte that has come is gone then.
    pub fn has_heard_all(&mut self) -> bool {
        let mut byte = [0];
        let mut read = pin!(self.stream.read(&mut byte));
        read.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> [ScriptedPeer<tokio::io::DuplexStream>; 2] {
        let (one, other) = tokio::io::duplex(64);
        [one, other].map(|stream| ScriptedPeer { stream })
    }

    #[tokio::test]
    async fn what_was_heard_is_told_from_what_was_not() {
        let [mut one, mut other] = pair();
        assert!(other.has_heard_all());
        one.send("ab$c").await;
        assert_eq!(other.packet().await, "ab$");
        assert!(!other.has_heard_all());
        one.end().await;
        other.expect_end("").await;
    }

    #[tokio::test]
    async fn other_bytes_fail_the_test_before_all_have_come() {
        let [mut one, mut other] = pair();
        one.send("ax").await;
        let failed = tokio::spawn(async move { other.expect("abcdef").await }).await;
        assert!(failed.unwrap_err().is_panic());
    }
}
