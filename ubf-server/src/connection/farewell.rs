//! How a connection is closed so that its client can read the last words.
//!
//! A socket that is closed with unread bytes of the client resets the connection, and the client's
//! system may throw away what it had received. So the end of our stream is announced first, and the
//! client's bytes are read and forgotten for a while.

use std::future::poll_fn;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use ubf_net::Stream;

use super::outbox::Outbox;

/// The most bytes that are read and forgotten: chosen, a client that floods is not listened to.
const MAX_FORGOTTEN: usize = 1 << 20;

/// Writes what is left, as far as the client reads it in time. `false` if something is left.
pub(super) async fn flush(stream: &mut Stream, outbox: &mut Outbox, within: Duration) -> bool {
    let write = async {
        while outbox.bytes() > 0 {
            if poll_fn(|cx| outbox.poll_write(stream, cx)).await.is_err() {
                return false;
            }
        }
        stream.shutdown().await.is_ok()
    };
    timeout(within, write).await.unwrap_or(false)
}

/// Waits until the client has closed, too.
pub(super) async fn linger(stream: &mut Stream, within: Duration) {
    let read = async {
        let mut forgotten = 0;
        let mut buffer = BytesMut::with_capacity(4096);
        while forgotten < MAX_FORGOTTEN {
            buffer.clear();
            match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => forgotten += count,
            }
        }
    };
    // Whether the client closes in time makes no difference.
    let _is_closed = timeout(within, read).await.is_ok();
}
