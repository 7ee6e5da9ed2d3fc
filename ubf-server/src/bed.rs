//! Where a session lies that rests, and how it is taken from there: by its mail, by a connection
//! that goes on with it, when its time is over. Whoever is first has it.
//!
//! ```text
//! lie down: the bell is hung up, the session laid down, and then one look for mail
//! mail:     is put in, then the bell rings: take
//! ```

use std::sync::PoisonError;
use std::task::Waker;

use crate::mailbox::Mailbox;
use crate::sync::Mutex;

/// The place for one session at rest.
#[derive(Debug)]
pub(crate) struct Bed<T>(Mutex<Option<Box<T>>>);

impl<T> Bed<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Lays a session down that has nobody else. Mail for it rings this bell from here on. It comes
    /// back if there is mail already.
    pub(crate) fn lie_down(
        &self,
        session: Box<T>,
        mailbox: &Mailbox,
        bell: &Waker,
    ) -> Option<Box<T>> {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The task that it had is not woken any more. Under the lock: whoever takes the session has
        // its mailbox for itself.
        mailbox.unregister();
        mailbox.register(bell);
        *place = Some(session);
        drop(place);
        if mailbox.has_mail() { self.take(mailbox) } else { None }
    }

    /// Takes the session, if it lies here. Its mailbox rings no bell then.
    pub(crate) fn take(&self, mailbox: &Mailbox) -> Option<Box<T>> {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = place.take()?;
        mailbox.unregister();
        Some(session)
    }
}
