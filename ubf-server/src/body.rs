//! The bytes of a reply, and the memory that they are written into.

use std::cell::Cell;
use std::mem::take;
use std::ops::Deref;

use bytes::Bytes;

/// Memory for longer bodies is not kept. Chosen: most are far shorter.
const MAX_SPARE: usize = 4 << 10;

thread_local! {
    /// Memory of the last body that was written on this thread and is not needed any longer.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The body of a packet, up to and with its `$`.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Made by whoever has it, or shared with others.
    Shared(Bytes),
    /// Written on this thread. The next body has its memory.
    Written(Written),
}

/// Bytes whose memory is kept for the next ones when they are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Written(Vec<u8>);

impl Body {
    /// The body that `write` writes into what is empty.
    pub(crate) fn write(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        // A thread that is about to end has no place for it; nor is it there for a body that is
        // written while another one is.
        let mut bytes = SPARE.try_with(Cell::take).unwrap_or_default();
        bytes.clear();
        write(&mut bytes);
        Self::Written(Written(bytes))
    }

    /// The body, to be kept: a small one takes no more memory than it has bytes.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Written(Written(ref bytes)) if bytes.len() <= MAX_SPARE => {
                Bytes::copy_from_slice(bytes)
            }
            Self::Written(mut written) => take(&mut written.0).into(),
        }
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Written(Written(bytes)) => bytes,
        }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let bytes = take(&mut self.0);
        if (1..=MAX_SPARE).contains(&bytes.capacity()) {
            SPARE.try_with(|spare| spare.set(bytes)).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_written_into_the_memory_of_the_last_one() {
        let body = |len| Body::write(|bytes| bytes.resize(len, b'a'));
        let first = body(100);
        let place = first.as_ptr();
        drop(first);
        let second = body(50);
        assert_eq!((second.as_ptr(), &*second), (place, &[b'a'; 50][..]));
        // While it is there, others have memory of their own.
        let third = body(50);
        assert_ne!(third.as_ptr(), place);
        // What is kept holds on to none of it.
        assert_ne!(second.into_bytes().as_ptr(), place);
        let large = body(MAX_SPARE + 1);
        let place = large.as_ptr();
        assert_eq!(large.into_bytes().as_ptr(), place, "it is not copied");
    }
}
