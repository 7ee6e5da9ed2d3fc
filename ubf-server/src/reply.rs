//! What a handler answers.

#[cfg(feature = "contract")]
use std::cell::Cell;

use bytes::Bytes;
#[cfg(feature = "contract")]
use ubf_codec::Decoder;
use ubf_codec::{Elements, Encoder, Term, TermRef, Text};

use crate::body::Body;
#[cfg(feature = "contract")]
use crate::contracts::{state_of, state_of_term};
use crate::failure::Failure;

/// An answer: `{Response,State}`, where the state is the one that UBF(C) is in.
///
/// ```
/// use ubf_codec::ubf;
/// use ubf_server::Reply;
///
/// assert_eq!(&Reply::new(ubf!({ok, 1}), "active").into_body()[..], b"{{'ok'1}'active'}$");
/// assert_eq!(&Reply::ok(7).into_body()[..], b"{7'start'}$");
/// ```
///
/// Two replies are equal if they have the same bytes.
#[derive(Clone, Debug)]
pub struct Reply(Form);

/// Room beside what is long in a reply. Chosen: most of the rest is some names and numbers.
const BEHIND_LONG: usize = 512;

#[derive(Clone, Debug)]
enum Form {
    /// `{Response,State}`, which is written when it is sent: until then, who wants to look at it
    /// need not read it again.
    Term(Term),
    /// A packet, up to and with its `$`.
    Encoded(Body),
}

impl Reply {
    /// A response, and the name of the state in which the service is after it.
    #[must_use]
    pub fn new(response: impl Into<Term>, state: impl Into<Text>) -> Self {
        Self(Form::Term(Term::tuple([response.into(), Term::atom(state)])))
    }

    /// The response of a service that has one state, which is called `start`.
    #[must_use]
    pub fn ok(response: impl Into<Term>) -> Self {
        Self::new(response, Text::from_static("start"))
    }

    /// `{Response,State}` that is encoded already, up to and with its `$`. It is sent as it is, and
    /// not checked, but for the one form that its client would take for an event (P3): that call is
    /// answered `failed`.
    #[must_use]
    pub fn encoded(body: impl Into<Bytes>) -> Self {
        Self(Form::Encoded(Body::Shared(body.into())))
    }

    /// As [`encoded`](Self::encoded), written by `write` into memory that is there already.
    ///
    /// ```
    /// use ubf_server::Reply;
    ///
    /// let reply = Reply::written(|body| body.extend_from_slice(b"{'ok''start'}$"));
    /// assert_eq!(&reply.into_body()[..], b"{'ok''start'}$");
    /// ```
    #[must_use]
    pub fn written(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        Self(Form::Encoded(Body::write(write)))
    }

    /// What an event ends with.
    pub(crate) const fn nothing() -> Self {
        Self(Form::Encoded(Body::Shared(Bytes::new())))
    }

    /// L3: the client sent what its contract does not allow in this version; `expected` says what
    /// it does. The connection goes on.
    #[must_use]
    pub fn broken_contract(
        request: TermRef<'_>,
        expected: &[&str],
        state: impl Into<Text>,
    ) -> Self {
        let expected: Elements = expected.iter().map(|&shape| Term::from(shape)).collect();
        let name = Term::atom(Text::from_static("clientBrokeContract"));
        Self::new(Term::tuple([name, request.to_term(), Term::List(expected)]), state)
    }

    /// What `look` finds in the reply, as a term; nothing, if it is no packet.
    #[cfg(feature = "contract")]
    pub(crate) fn look<T>(&self, look: impl FnOnce(TermRef<'_>) -> T) -> Option<T> {
        match &self.0 {
            Form::Term(reply) => Some(look(reply.as_ref())),
            Form::Encoded(body) => look_into(body, look),
        }
    }

    /// The name of the state that the reply names, if it names one.
    #[cfg(feature = "contract")]
    pub(crate) fn state(&self) -> Option<Text> {
        match &self.0 {
            Form::Term(reply) => state_of_term(reply.as_ref()),
            Form::Encoded(body) => state_of(body),
        }
    }

    /// The body of the reply's packet.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.encode().into_bytes()
    }

    pub(crate) fn encode(self) -> Body {
        match self.0 {
            Form::Term(reply) => Body::write(|body| {
                let long = reply.as_ref().long_bytes();
                if long > 0 {
                    body.reserve(long + BEHIND_LONG);
                }
                Encoder::new().encode_to(&reply, body);
            }),
            Form::Encoded(body) => body,
        }
    }
}

#[cfg(feature = "contract")]
thread_local! {
    /// Has memory for the next reply.
    static DECODER: Cell<Option<Box<Decoder>>> = const { Cell::new(None) };
}

/// The memory for a longer packet is given back. Chosen: most replies are far shorter.
#[cfg(feature = "contract")]
const LONGEST_KEPT: usize = 64 << 10;

#[cfg(feature = "contract")]
fn look_into<T>(body: &[u8], look: impl FnOnce(TermRef<'_>) -> T) -> Option<T> {
    // A thread that is about to end has no place for it.
    let kept = DECODER.try_with(Cell::take).ok().flatten();
    let mut decoder = kept.unwrap_or_default();
    let packet = decoder.decode(body).ok()?;
    let found = look(packet.root());
    if body.len() <= LONGEST_KEPT {
        decoder.recycle(packet);
        DECODER.try_with(|place| place.set(Some(decoder))).ok();
    }
    Some(found)
}

impl PartialEq for Reply {
    fn eq(&self, other: &Self) -> bool {
        self.clone().into_body() == other.clone().into_body()
    }
}

impl Eq for Reply {}

/// What a closure in [`Handlers`](crate::Handlers) may end with: a [`Reply`], or a `Result` whose
/// error is a [`Failure`] or becomes one.
#[diagnostic::on_unimplemented(
    message = "a handler ends with a `Reply` or with a `Result<Reply, Failure>`, not with `{Self}`",
    label = "this is neither"
)]
pub trait IntoReply {
    /// The reply, or why there is none.
    ///
    /// # Errors
    /// If the handler failed, or refused the request.
    fn into_reply(self) -> Result<Reply, Failure>;
}

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Reply, Failure> {
        Ok(self)
    }
}

impl<E: Into<Failure>> IntoReply for Result<Reply, E> {
    fn into_reply(self) -> Result<Reply, Failure> {
        self.map_err(Into::into)
    }
}
