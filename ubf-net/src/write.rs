//! Many pieces in one write.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

/// Pieces in one write. Chosen: 32 packets too large to be copied; the system's limit is 1024.
const MAX_PIECES: usize = 64;

/// Writes the pieces one behind the other, as many bytes as the stream takes in one call, and tells
/// how many that were. At most 64 pieces are looked at: call again for more.
///
/// One piece is better written with [`AsyncWrite::poll_write`].
///
/// # Errors
/// What the stream says.
#[inline(never)]
pub fn poll_write_pieces<'a>(
    stream: &mut (impl AsyncWrite + Unpin),
    pieces: impl Iterator<Item = &'a [u8]>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); MAX_PIECES];
    let mut count = 0;
    for (slice, piece) in slices.iter_mut().zip(pieces) {
        *slice = IoSlice::new(piece);
        count += 1;
    }
    Pin::new(stream).poll_write_vectored(cx, slices.get(..count).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn pieces_beyond_those_of_one_write_wait_for_the_next() {
        let pieces: Vec<[u8; 1]> = (0..100).map(|byte| [byte]).collect();
        let mut written = Vec::new();
        let mut rest = &pieces[..];
        while !rest.is_empty() {
            let slices = rest.iter().map(|piece| &piece[..]);
            let mut slices = Some(slices);
            let count = poll_fn(|cx| {
                poll_write_pieces(&mut written, slices.take().into_iter().flatten(), cx)
            })
            .await
            .unwrap();
            assert!(count > 0 && count <= MAX_PIECES);
            rest = &rest[count..];
        }
        assert_eq!(written, (0..100).collect::<Vec<u8>>());
    }
}
