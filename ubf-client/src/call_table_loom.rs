//! The table of calls under all interleavings of its threads, as far as loom tells them apart.
//!
//! ```text
//! RUSTFLAGS="--cfg ubf_loom" cargo test -p ubf-client --lib loom --target-dir target/loom
//! ```
//!
//! A wake-up that is lost is a deadlock, which loom finds: nothing here waits for a time.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;
use ubf_codec::{StreamDecoder, Version};
use ubf_proto::client::{Call, CallError, CallId};

use crate::call_table::{Answer, CallTable, Outcome, Waiter};
use crate::command::{Command, Submission};
use crate::reply::{Connection, Reply};

fn submit(table: &CallTable, waiter: Waiter) -> Result<CallId, CallError> {
    table.submit(waiter, |id| {
        Command::Call(Submission { call: Call::request(id), request: None, is_awaited: true })
    })
}

/// Takes commands as the driver does: it looks before it asks.
async fn take(table: &CallTable) -> Vec<Command> {
    let mut commands = Vec::new();
    poll_fn(|cx| {
        if table.is_quiet() {
            return Poll::Pending;
        }
        table.poll_commands(cx, &mut commands).map(|_are_open| ())
    })
    .await;
    commands
}

async fn outcome(table: &CallTable, call: CallId) -> Outcome {
    poll_fn(|cx| table.poll_outcome(call, cx)).await
}

/// A reply, as small as can be.
fn reply() -> Outcome {
    let body = StreamDecoder::new().decode(&mut BytesMut::from("1$")).unwrap().unwrap();
    let connection = Connection { number: 1, address: "[::1]:4000".parse().unwrap() };
    let connection = std::sync::Arc::new(connection);
    Ok(Answer::Reply(Reply { version: Version::MIN, body, connection, session: None }))
}

fn publish(table: &CallTable, call: CallId) {
    table.publish(&mut vec![(call, Err(CallError::Closed))], 0, &mut Vec::new());
}

#[test]
fn loom_a_command_wakes_a_driver_that_waits_and_its_outcome_a_caller() {
    loom::model(|| {
        let table = Arc::new(CallTable::new(9, usize::MAX));
        let of_caller = Arc::clone(&table);
        let caller = thread::spawn(move || {
            let call = submit(&of_caller, Waiter::Caller(None)).unwrap();
            block_on(outcome(&of_caller, call))
        });
        let commands = block_on(take(&table));
        let [Command::Call(submission)] = &commands[..] else { panic!("one call was handed in") };
        publish(&table, submission.call.id);
        assert!(matches!(caller.join().unwrap(), Err(CallError::Closed)));
        assert!(table.is_empty());
    });
}

#[test]
fn loom_two_callers_are_both_heard() {
    // Of three threads, all interleavings with up to two preemptions: more take minutes.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let table = Arc::new(CallTable::new(9, usize::MAX));
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let table = Arc::clone(&table);
                thread::spawn(move || submit(&table, Waiter::Nobody).unwrap())
            })
            .collect();
        // In one task, as the driver is: the table knows the waker of the task that asked last.
        block_on(async {
            let mut count = 0;
            while count < 2 {
                count += take(&table).await.len();
            }
        });
        for caller in callers {
            publish(&table, caller.join().unwrap());
        }
        assert!(table.is_empty());
    });
}

#[test]
fn loom_a_call_that_is_forgotten_while_it_ends_leaves_nothing_behind() {
    loom::model(|| {
        let table = Arc::new(CallTable::new(9, usize::MAX));
        let call = submit(&table, Waiter::Caller(None)).unwrap();
        let of_caller = Arc::clone(&table);
        let caller = thread::spawn(move || of_caller.forget(call));
        publish(&table, call);
        caller.join().unwrap();
        assert!(table.is_empty());
    });
}

#[test]
fn loom_a_call_that_is_handed_in_while_the_driver_goes_is_refused_or_ends() {
    loom::model(|| {
        let table = Arc::new(CallTable::new(9, usize::MAX));
        let of_caller = Arc::clone(&table);
        let caller = thread::spawn(move || {
            let Ok(call) = submit(&of_caller, Waiter::Caller(None)) else { return };
            // It ends, and it has not run: nobody had taken it.
            assert!(matches!(block_on(outcome(&of_caller, call)), Err(CallError::Closed)));
        });
        table.abandon();
        caller.join().unwrap();
        assert!(table.is_empty());
    });
}

/// The driver reads again when the table is not full; it looks once more when the table knows its
/// waker, as [`Driver`](crate::driver) does.
#[test]
fn loom_a_driver_that_reads_nothing_since_nobody_takes_a_reply_is_woken_when_it_is_taken() {
    loom::model(|| {
        let table = Arc::new(CallTable::new(9, 1));
        let call = submit(&table, Waiter::Caller(None)).unwrap();
        table.publish(&mut vec![(call, reply())], 0, &mut Vec::new());
        assert!(table.is_full());
        let of_caller = Arc::clone(&table);
        let caller = thread::spawn(move || block_on(outcome(&of_caller, call)).unwrap());
        block_on(poll_fn(|cx| {
            let is_paused = table.is_full();
            if !table.is_quiet() {
                // The call's command is there the first time; the table has the waker either way.
                let _have_come = table.poll_commands(cx, &mut Vec::new());
            }
            if is_paused && table.is_full() { Poll::Pending } else { Poll::Ready(()) }
        }));
        assert!(matches!(caller.join().unwrap(), Answer::Reply(_)));
        assert!(table.is_empty() && !table.is_full());
    });
}

#[test]
fn loom_the_end_of_the_last_handle_wakes_a_driver_that_waits() {
    loom::model(|| {
        let table = Arc::new(CallTable::new(9, usize::MAX));
        assert!(
            table
                .poll_commands(&mut Context::from_waker(Waker::noop()), &mut Vec::new())
                .is_pending()
        );
        let of_handle = Arc::clone(&table);
        let handle = thread::spawn(move || of_handle.leave());
        let are_open = block_on(poll_fn(|cx| table.poll_commands(cx, &mut Vec::new())));
        assert!(!are_open);
        handle.join().unwrap();
    });
}
