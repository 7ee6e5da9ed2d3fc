//! What a caller hands in: something that can be written for the version in force (N8).

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Bytes, BytesMut};
use ubf_codec::{Encoder, Term, TermRef, Version, View};

/// What bodies are written into. Chosen: holds some dozens, and a call that is open for long keeps
/// no more than that.
const BLOCK_BYTES: usize = 4 * 1024;
/// A block with less room than this left is given up. Chosen: most requests fit.
const MIN_BODY_BYTES: usize = 256;

thread_local! {
    static BLOCK: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// A request or an event that can be written for a version of the contract.
///
/// Which version it is sent in is known only at that moment, and after a fallback it is written
/// anew. So it may be asked several times, for any version of the program's, and on other threads
/// than the caller's: it should only look at what it holds, and not block.
///
/// If it panics, the version is put into quarantine, and it is asked for the next lower one (N6).
/// That takes a program that unwinds: one built with `panic = "abort"` aborts.
///
/// A [`Term`] is the same in all versions. A closure tells them apart:
///
/// ```
/// use ubf_client::{Request, Unsupported};
/// use ubf_codec::{Term, Version, ubf};
///
/// let get = |version: Version| -> Result<Term, Unsupported> {
///     match version.get() {
///         1 => Err(Unsupported),
///         2..=5 => Ok(ubf!({fetch, "a.txt"})),
///         _ => Ok(ubf!({get, "a.txt"})),
///     }
/// };
/// assert_eq!(get.render(Version::new(3).unwrap())?, ubf!({fetch, "a.txt"}));
/// # Ok::<(), Unsupported>(())
/// ```
pub trait Request: Any + Send {
    /// The request, or the event, in `version`.
    ///
    /// # Errors
    /// [`Unsupported`] if this version has no words for it. Then this call ends with
    /// [`CallError::Inexpressible`](crate::CallError::Inexpressible), and nothing else happens.
    fn render(&self, version: Version) -> Result<Term, Unsupported>;

    /// What [`render`](Self::render) gives for all versions, if that is always the same and at
    /// hand: then it is not asked.
    fn constant(&self) -> Option<&Term> {
        None
    }
}

impl Request for Term {
    fn render(&self, _: Version) -> Result<Term, Unsupported> {
        Ok(self.clone())
    }

    fn constant(&self) -> Option<&Term> {
        Some(self)
    }
}

impl<F> Request for F
where
    F: Fn(Version) -> Result<Term, Unsupported> + Send + 'static,
{
    fn render(&self, version: Version) -> Result<Term, Unsupported> {
        self(version)
    }
}

/// A version has no words for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported;

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot be expressed in this version")
    }
}

impl std::error::Error for Unsupported {}

/// Whether something has a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Event,
}

/// What a message is written from.
pub(crate) enum Source {
    Request(Box<dyn Request>),
    /// A request, or an event with its `event_in`, that is the same in all versions and written
    /// already.
    Body(Bytes),
}

/// What came of the attempt to write a request.
#[derive(Debug)]
pub(crate) enum Rendering {
    Body(Bytes),
    Unsupported,
    Crashed,
}

impl Source {
    /// What is the same in all versions is written once, here, and not kept.
    pub(crate) fn new(request: impl Request, kind: Kind) -> Self {
        // Code that crashes here crashes again when it is asked for a version, and there it is an
        // answer.
        let constant = catch_unwind(AssertUnwindSafe(|| body(request.constant()?, kind).ok()));
        constant.ok().flatten().map_or_else(|| Self::Request(Box::new(request)), Self::Body)
    }
}

/// Writes a request for a version. The caller's code may crash.
pub(crate) fn render(request: &dyn Request, kind: Kind, version: Version) -> Rendering {
    // What the request holds is looked at again after a crash, in another version: that is the
    // caller's promise, not memory safety.
    let rendering = catch_unwind(AssertUnwindSafe(|| body(&request.render(version)?, kind)));
    match rendering {
        Ok(Ok(body)) => Rendering::Body(body),
        Ok(Err(Unsupported)) => Rendering::Unsupported,
        Err(_panic) => Rendering::Crashed,
    }
}

/// The body of a packet, up to and with its `$`.
fn body(term: &Term, kind: Kind) -> Result<Bytes, Unsupported> {
    match kind {
        // P3: the server would take it for an event, and never reply.
        Kind::Request if is_event_in(term.as_ref()) => Err(Unsupported),
        Kind::Request => Ok(encoded(term)),
        Kind::Event => Ok(as_event(&encoded(term)).into()),
    }
}

/// Bodies of requests lie side by side: to take memory for each costs as much as to write it.
fn encoded(term: &Term) -> Bytes {
    let long = term.as_ref().long_bytes();
    if long > 0 {
        let mut body = Vec::with_capacity(long + MIN_BODY_BYTES);
        Encoder::new().encode_to(term, &mut body);
        return body.into();
    }
    let encode = |block: &mut BytesMut| {
        if block.capacity() < MIN_BODY_BYTES {
            *block = BytesMut::with_capacity(BLOCK_BYTES);
        }
        Encoder::new().encode_to(term, block);
        block.split().freeze()
    };
    // A thread that is about to end has no block any more.
    BLOCK
        .try_with(|block| encode(&mut block.borrow_mut()))
        .unwrap_or_else(|_ended| encode(&mut BytesMut::new()))
}

/// Puts `{'event_in',Event}` around an event that is written.
pub(crate) fn as_event(event: &[u8]) -> Vec<u8> {
    [b"{'event_in'", event.strip_suffix(b"$").unwrap_or(event), b"}$"].concat()
}

pub(crate) fn is_event_in(term: TermRef<'_>) -> bool {
    let View::Tuple(tuple) = term.view() else { return false };
    tuple.to_array().is_some_and(|[name, _event]| name.is_atom("event_in"))
}

#[cfg(test)]
mod tests {
    use ubf_codec::ubf;

    use super::*;

    fn rendered(request: &Term, kind: Kind) -> Option<Bytes> {
        match render(request, kind, Version::MIN) {
            Rendering::Body(body) => Some(body),
            Rendering::Unsupported | Rendering::Crashed => None,
        }
    }

    #[test]
    fn an_event_is_wrapped_and_a_request_is_not() {
        assert_eq!(rendered(&ubf!({a, 1}), Kind::Request).unwrap(), &b"{'a'1}$"[..]);
        assert_eq!(rendered(&ubf!({a, 1}), Kind::Event).unwrap(), &b"{'event_in'{'a'1}}$"[..]);
    }

    #[test]
    fn p3_a_request_that_looks_like_an_event_is_not_sent() {
        assert!(rendered(&ubf!({event_in, 1}), Kind::Request).is_none());
        assert!(rendered(&ubf!({event_in, 1, 2}), Kind::Request).is_some());
        assert!(rendered(&ubf!({event_in, 1}), Kind::Event).is_some());
    }

    #[test]
    fn n6_a_panic_is_an_answer() {
        let crashing = |_: Version| -> Result<Term, Unsupported> { panic!("as the test wants it") };
        assert!(matches!(render(&crashing, Kind::Request, Version::MIN), Rendering::Crashed));
    }
}
