//! Handlers whose requests, responses and events are Rust values, by way of serde (feature
//! `serde`).

use std::cell::Cell;

use bytes::Bytes;
use serde_core::Serialize;
use serde_core::de::DeserializeOwned;
use ubf_codec::serde::{Error, Serializer, from_term};
use ubf_codec::{Encoder, Term, Text, Version};

use crate::body::Body;
use crate::event::EventSender;
use crate::event_error::EventError;
use crate::handler::Call;
use crate::handlers::{Handlers, StateName};
use crate::log::debug;
use crate::reply::{IntoReply, Reply};
use crate::versions::IntoVersions;

impl<S: Send + Sync + 'static> Handlers<S> {
    /// Answers requests in these versions with `handler`, which is given the request as a `Q` and
    /// answers with [`Reply::typed`].
    ///
    /// A request that is no `Q` is answered `{'clientBrokeContract',Request,Expected}`, where
    /// `Expected` says what was expected and where; the handler is not called, and the session
    /// goes on (L3). A response that cannot be written, a NaN say, is answered
    /// `{'failed','error',…}`, and is no crash (N6).
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use ubf_server::{Call, Handlers, Reply};
    ///
    /// #[derive(Deserialize)]
    /// #[serde(rename_all = "snake_case")]
    /// enum Request {
    ///     Add(i64, i64),
    ///     Divide { dividend: i64, divisor: i64 },
    /// }
    ///
    /// #[derive(Serialize)]
    /// #[serde(rename_all = "snake_case")]
    /// enum Response {
    ///     Result(i64),
    ///     Error(String),
    /// }
    ///
    /// fn answer(request: Request) -> Response {
    ///     match request {
    ///         Request::Add(a, b) => Response::Result(a.wrapping_add(b)),
    ///         Request::Divide { dividend, divisor } => match dividend.checked_div(divisor) {
    ///             Some(quotient) => Response::Result(quotient),
    ///             None => Response::Error("no such number".into()),
    ///         },
    ///     }
    /// }
    ///
    /// // 1 {'add'1 2}$ is answered 1 ? {{'result'3}'start'}$
    /// let service = Handlers::new().on_typed(1, |_: Call<()>, request: Request| async {
    ///     Reply::typed(&answer(request), "start")
    /// });
    /// # drop(service);
    /// ```
    #[must_use]
    pub fn on_typed<Q, F>(
        self,
        versions: impl IntoVersions,
        handler: impl Fn(Call<S>, Q) -> F + Send + Sync + 'static,
    ) -> Self
    where
        Q: DeserializeOwned + 'static,
        F: Future<Output: IntoReply> + Send + 'static,
    {
        self.on_either(versions, move |call, state_name| match from_term(call.term()) {
            Ok(request) => Ok(handler(call, request)),
            Err(error) => Err(broken(&call, &error, state_name)),
        })
    }

    /// As [`on_typed`](Self::on_typed), with a handler that does not wait: see
    /// [`on_now`](Self::on_now).
    ///
    /// ```
    /// use ubf_server::{Call, Handlers, Reply};
    ///
    /// // 1 {1 2}$ is answered 1 ? {3'start'}$
    /// let service = Handlers::new().on_typed_now(1, |_: &Call<()>, (a, b): (i64, i64)| {
    ///     Reply::typed(&a.wrapping_add(b), "start")
    /// });
    /// # drop(service);
    /// ```
    #[must_use]
    pub fn on_typed_now<Q, R>(
        self,
        versions: impl IntoVersions,
        handler: impl Fn(&Call<S>, Q) -> R + Send + Sync + 'static,
    ) -> Self
    where
        Q: DeserializeOwned + 'static,
        R: IntoReply,
    {
        self.on_named_now(versions, move |call, state_name| match from_term(call.term()) {
            Ok(request) => handler(call, request).into_reply(),
            Err(error) => Ok(broken(call, &error, state_name)),
        })
    }

    /// Takes events in these versions with `handler`, which is given the event as an `E`. An event
    /// that is no `E` is a line in the log, since events have no answers.
    ///
    /// To the client, events go with [`EventSender::send_typed`]:
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use ubf_server::{Call, Handlers};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// #[serde(rename = "joined")]
    /// struct Joined(String);
    ///
    /// let service = Handlers::new().on_event_typed(1, |call: Call<()>, joined: Joined| async move {
    ///     if let Err(error) = call.events().send_typed(|_version| joined).await {
    ///         println!("{}: {error}", call.peer());
    ///     }
    /// });
    /// # drop(service);
    /// ```
    #[must_use]
    pub fn on_event_typed<E, F>(
        self,
        versions: impl IntoVersions,
        handler: impl Fn(Call<S>, E) -> F + Send + Sync + 'static,
    ) -> Self
    where
        E: DeserializeOwned + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.on_event(versions, move |call| {
            let taken = match from_term(call.term()) {
                Ok(event) => Some(handler(call, event)),
                Err(error) => {
                    debug!(peer = %call.peer(), version = %call.version(), %error, "an event broke the contract");
                    None
                }
            };
            async move {
                if let Some(taken) = taken {
                    taken.await;
                }
            }
        })
    }
}

/// The answer to a request that is not what its handler takes.
#[cold]
fn broken<S>(call: &Call<S>, error: &Error, state_name: &StateName<S>) -> Reply {
    let version = call.version();
    debug!(peer = %call.peer(), %version, %error, "the client broke the contract");
    Reply::broken_contract(call.term(), &[&error.to_string()], state_name(&call.connection.state))
}

impl Reply {
    /// A response that is a Rust value, and the name of the state in which the service is after it.
    ///
    /// ```
    /// use ubf_server::Reply;
    ///
    /// let reply = Reply::typed(&(1, "one", None::<u8>), "start")?;
    /// assert_eq!(&reply.into_body()[..], b"{{1\"one\"?}'start'}$");
    /// # Ok::<(), ubf_codec::serde::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the response has no form in UBF: a NaN, say.
    pub fn typed(
        response: &(impl Serialize + ?Sized),
        state: impl Into<Text>,
    ) -> Result<Self, Error> {
        let state = state.into();
        let mut result = Ok(());
        let reply = Self::written(|packet| {
            result = write(b"{", response, packet).map(|()| end_with_state(state, packet));
        });
        result.map(|()| reply)
    }
}

impl EventSender {
    /// Sends the Rust value that `event` makes for the version that the client speaks now. Waits
    /// while the client does not read, and asks when there is room.
    ///
    /// # Errors
    /// As [`send_with`](Self::send_with), and [`EventError::Unwritable`] if the value has no form
    /// in UBF.
    pub async fn send_typed<T: Serialize>(
        &self,
        event: impl FnOnce(Version) -> T,
    ) -> Result<(), EventError> {
        self.put(|| self.made(|version| typed_body(&event(version)))).await
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// As [`try_send_with`](Self::try_send_with), and [`EventError::Unwritable`] if the value has
    /// no form in UBF.
    pub fn try_send_typed<T: Serialize>(
        &self,
        event: impl FnOnce(Version) -> T,
    ) -> Result<(), EventError> {
        self.try_put(|| self.made(|version| typed_body(&event(version))))
    }
}

fn typed_body(event: &impl Serialize) -> Result<Bytes, EventError> {
    let mut result = Ok(());
    let body = Body::write(|packet| {
        result = write(b"{'event_out'", event, packet);
        packet.extend_from_slice(b"}$");
    });
    result.map(|()| body.into_bytes()).map_err(EventError::Unwritable)
}

/// Writes the name of a state, and ends the reply.
fn end_with_state(state: Text, packet: &mut Vec<u8>) {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if state.as_bytes().iter().all(is_name) {
        // So are nearly all: nothing is to be escaped.
        packet.push(b'\'');
        packet.extend_from_slice(state.as_bytes());
        packet.push(b'\'');
    } else {
        Encoder::new().encode_to(&Term::Atom(state), packet);
        packet.pop();
    }
    packet.extend_from_slice(b"}$");
}

/// The memory for a longer packet is given back. Chosen: most replies are far shorter.
const LONGEST_KEPT: usize = 256 << 10;

thread_local! {
    /// What typed values are written with. Has memory for the next one.
    static SERIALIZER: Cell<Option<Box<Serializer>>> = const { Cell::new(None) };
}

/// Writes `before`, and behind it a value without a `$`.
fn write<T: Serialize + ?Sized>(
    before: &[u8],
    value: &T,
    packet: &mut Vec<u8>,
) -> Result<(), Error> {
    // A thread that is about to end has no place for it; nor is it there for a value whose own
    // `serialize` comes here.
    let kept = SERIALIZER.try_with(Cell::take).ok().flatten();
    let mut serializer = kept.unwrap_or_default();
    packet.extend_from_slice(before);
    serializer.append_to(value, packet)?;
    packet.pop();
    if packet.len() <= LONGEST_KEPT {
        SERIALIZER.try_with(|place| place.set(Some(serializer))).ok();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ubf_codec::serde::to_term;

    use super::*;
    use crate::shared_event::event_out;

    #[test]
    fn values_are_written_as_terms_are_whatever_was_written_before() {
        let long = "a".repeat(10_000);
        let lists = vec![vec![1, 2], vec![], vec![3; 300]];
        for _ in 0..2 {
            for text in ["", "one", &long] {
                let value = (text, &lists, -1);
                let reply = Reply::typed(&value, "it's").unwrap();
                let term = to_term(&value).unwrap();
                assert_eq!(reply, Reply::new(term.clone(), "it's"));
                let reply = Reply::typed(&value, "in_room_2").unwrap();
                assert_eq!(reply, Reply::new(term.clone(), "in_room_2"));
                assert_eq!(typed_body(&value).unwrap(), event_out(term));
            }
            assert!(Reply::typed(&("lost", f64::NAN), "start").is_err());
            assert_eq!(Reply::typed(&7, "start").unwrap(), Reply::ok(7));
        }
    }
}
