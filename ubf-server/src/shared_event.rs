//! One event for many receivers, in as many versions as they speak.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use ubf_codec::{Encoder, Term, Text, Version};

/// An event that many receive, and that is written once for each version that they speak, not once
/// for each of them.
///
/// ```
/// use ubf_codec::ubf;
/// use ubf_server::{EventSender, SharedEvent};
///
/// /// Tells all members of a group, and forgets those who are gone or do not read.
/// fn tell_all(members: &mut Vec<EventSender>, nick: &str) {
///     let joins = SharedEvent::new(|version| match version.get() {
///         1 => ubf!({joins, (nick)}),
///         _ => ubf!({joins, (nick), chat}),
///     });
///     members.retain(|member| member.try_send_shared(&joins).is_ok());
/// }
/// ```
pub struct SharedEvent<F> {
    event: F,
    /// Few: as many as there are versions in use.
    bodies: Mutex<Vec<(Version, Bytes)>>,
}

impl<F, T> SharedEvent<F>
where
    F: Fn(Version) -> T,
    T: Into<Term>,
{
    /// An event that is made by `event` for each version.
    #[must_use]
    pub const fn new(event: F) -> Self {
        Self { event, bodies: Mutex::new(Vec::new()) }
    }

    /// `{'event_out',Event}` in this version, encoded.
    pub(crate) fn body(&self, version: Version) -> Bytes {
        if let Some(body) = self.known(version) {
            return body;
        }
        // Not under the lock: this is code of the author.
        let body = event_out((self.event)(version).into());
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.push((version, body.clone()));
        body
    }

    fn known(&self, version: Version) -> Option<Bytes> {
        let bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.iter().find(|(known, _)| *known == version).map(|(_, body)| body.clone())
    }
}

/// `{'event_out',Event}`, encoded.
pub(crate) fn event_out(event: Term) -> Bytes {
    let body = Term::tuple([Term::Atom(Text::from_static("event_out")), event]);
    Encoder::new().encode(&body).into()
}

impl<F> fmt::Debug for SharedEvent<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedEvent").field("bodies", &self.bodies).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn it_is_written_once_a_version() {
        let count = Cell::new(0);
        let event = SharedEvent::new(|version: Version| {
            count.set(count.get() + 1);
            version.get()
        });
        let [one, two] = [1, 2].map(|number| Version::new(number).unwrap());
        let bodies = [one, two, one, two].map(|version| event.body(version));
        assert_eq!(&bodies[0][..], b"{'event_out'1}$");
        assert_eq!(&bodies[1][..], b"{'event_out'2}$");
        assert_eq!(bodies[2].as_ptr(), bodies[0].as_ptr());
        assert_eq!(bodies[3].as_ptr(), bodies[1].as_ptr());
        assert_eq!(count.get(), 2);
    }
}
