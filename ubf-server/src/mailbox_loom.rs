//! The mailbox of a connection under all interleavings of its threads, as far as loom tells them
//! apart.
//!
//! ```text
//! RUSTFLAGS="--cfg ubf_loom" cargo test -p ubf-server --lib loom --target-dir target/loom
//! ```
//!
//! A wake-up that is lost is a deadlock, which loom finds: nothing here waits for a time.

use std::convert::Infallible;
use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;
use ubf_codec::Version;

use crate::bed::Bed;
use crate::mailbox::{Command, Event, Mailbox, Unsent};
use crate::sync::{AtomicU64, Ordering};

fn event() -> Result<Event, Infallible> {
    Ok(Event { version: Version::MIN, body: Bytes::from_static(b"{'event_out'1}$") })
}

/// Waits for mail as the connection's task does: it registers before it looks, and looks whether it
/// is worth it before it takes the lock.
async fn take(mailbox: &Mailbox) -> Command {
    poll_fn(|cx| {
        mailbox.register(cx.waker());
        if !mailbox.has_mail() {
            return Poll::Pending;
        }
        mailbox.take(true).map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

#[test]
fn loom_a_command_wakes_a_task_that_waits_for_mail() {
    loom::model(|| {
        let mailbox = Arc::new(Mailbox::new(1));
        let of_endpoint = Arc::clone(&mailbox);
        let endpoint = thread::spawn(move || of_endpoint.command(Command::EndSession));
        assert!(matches!(block_on(take(&mailbox)), Command::EndSession));
        endpoint.join().unwrap();
    });
}

#[test]
fn loom_an_event_and_a_command_are_both_heard() {
    // Of three threads, all interleavings with up to two preemptions: more take minutes.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let mailbox = Arc::new(Mailbox::new(1));
        let (of_endpoint, of_sender) = (Arc::clone(&mailbox), Arc::clone(&mailbox));
        let endpoint = thread::spawn(move || of_endpoint.command(Command::EndSession));
        let sender = thread::spawn(move || assert_eq!(of_sender.try_send(event), Ok(())));
        // In one task, as the connection is: the mailbox knows one waker.
        let heard = block_on(async { [take(&mailbox).await, take(&mailbox).await] });
        let is_event = |command: &Command| matches!(command, Command::Send(_));
        assert_eq!(heard.iter().filter(|command| is_event(command)).count(), 1);
        endpoint.join().unwrap();
        sender.join().unwrap();
    });
}

#[test]
fn loom_events_that_are_held_back_are_not_forgotten() {
    loom::model(|| {
        let mailbox = Arc::new(Mailbox::new(1));
        let of_sender = Arc::clone(&mailbox);
        let sender = thread::spawn(move || assert_eq!(of_sender.try_send(event), Ok(())));
        // The client does not read: events stay where they are, and nothing else is there.
        assert!(mailbox.take(false).is_none());
        sender.join().unwrap();
        assert!(mailbox.has_mail());
        assert!(matches!(mailbox.take(true), Some(Command::Send(_))));
        assert!(mailbox.take(true).is_none() && !mailbox.has_mail());
    });
}

/// S6: the session goes on in a task of its own, with the same mailbox.
#[test]
fn loom_mail_that_comes_while_a_session_changes_its_task_is_heard_by_the_next_one() {
    loom::model(|| {
        let mailbox = Arc::new(Mailbox::new(1));
        let is_pending = block_on(poll_fn(|cx| {
            mailbox.register(cx.waker());
            Poll::Ready(!mailbox.has_mail())
        }));
        assert!(is_pending);
        let of_endpoint = Arc::clone(&mailbox);
        let endpoint = thread::spawn(move || of_endpoint.command(Command::EndSession));
        mailbox.unregister();
        assert!(matches!(block_on(take(&mailbox)), Command::EndSession));
        endpoint.join().unwrap();
    });
}

#[test]
fn loom_who_sends_while_a_connection_ends_is_told_or_has_sent() {
    loom::model(|| {
        let mailbox = Arc::new(Mailbox::new(1));
        let of_sender = Arc::clone(&mailbox);
        let sender = thread::spawn(move || of_sender.try_send(event));
        mailbox.close();
        let sent = sender.join().unwrap();
        assert!(matches!(sent, Ok(()) | Err(Unsent::Closed)), "{sent:?}");
        assert!(mailbox.is_closed());
        assert_eq!(mailbox.try_send(event), Err(Unsent::Closed));
    });
}

/// Goes on with a session that rests, as its task does, and counts how often.
struct Bell {
    bed: Bed<()>,
    mailbox: Mailbox,
    taken: AtomicU64,
}

impl futures_util::task::ArcWake for Bell {
    fn wake_by_ref(bell: &std::sync::Arc<Self>) {
        if bell.bed.take(&bell.mailbox).is_some() {
            bell.taken.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// S6: mail and a connection come while a session lies down: one of the three goes on with it, and
/// the mail is there.
#[test]
fn loom_a_session_that_lies_down_is_taken_once_and_its_mail_is_heard() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let (bed, mailbox) = (Bed::new(), Mailbox::new(1));
        let bell = std::sync::Arc::new(Bell { bed, mailbox, taken: AtomicU64::new(0) });
        let (of_endpoint, of_client) = (bell.clone(), bell.clone());
        let endpoint = thread::spawn(move || of_endpoint.mailbox.command(Command::EndSession));
        let client = thread::spawn(move || of_client.bed.take(&of_client.mailbox).is_some());
        let waker = futures_util::task::waker(bell.clone());
        // Its task has waited for mail.
        bell.mailbox.register(futures_util::task::noop_waker_ref());
        let is_back = bell.bed.lie_down(Box::new(()), &bell.mailbox, &waker).is_some();
        endpoint.join().unwrap();
        let is_resumed = client.join().unwrap();
        let taken = bell.taken.load(Ordering::SeqCst);
        assert_eq!(u64::from(is_back) + u64::from(is_resumed) + taken, 1);
        // Whoever has it finds the mail, and its own waker is the one that is called for the next.
        let next = block_on(take(&bell.mailbox));
        assert!(matches!(next, Command::EndSession));
        bell.mailbox.close();
    });
}
