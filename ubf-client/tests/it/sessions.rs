//! Sessions that survive their connections (S1 to S11), against scripted servers.

use std::time::{Duration, Instant};

use ubf_client::{
    BackoffTimes, Builder, CallError, Client, ConnectError, Incoming, Level, Notice, SessionPlan,
    Status,
};
use ubf_codec::ubf;

use crate::script::{Peer, Script, builder, within};

const GRANT: &str = "{'session'64 65536 16777216 60000'memory'}";

fn wishing(address: &str) -> Builder {
    builder(address).session(SessionPlan::wanted()).backoff(BackoffTimes {
        first: Duration::from_millis(5),
        longest: Duration::from_millis(9),
    })
}

/// A client in a session, the server's end of its connection, and the session's name.
async fn in_session(script: &Script) -> (Client, Peer, Vec<u8>) {
    let server = async {
        let mut peer = script.accept().await;
        let id = peer.hears_a_wish().await;
        peer.agrees(GRANT).await;
        (peer, id)
    };
    let (client, (peer, id)) = tokio::join!(wishing(&script.address()).connect(), server);
    (client.unwrap(), peer, id)
}

#[tokio::test]
async fn s9_each_session_has_a_name_that_no_seed_foretells() {
    let script = Script::new().await;
    let mut names = Vec::new();
    for _ in 0..2 {
        let server = async { script.accept().await.hears_a_wish().await };
        let client = wishing(&script.address()).seed(7).start().unwrap();
        names.push(within(server).await);
        drop(client);
    }
    assert_ne!(names[0], names[1]);
}

#[tokio::test]
async fn s4_a_cut_in_mid_packet_loses_no_call_and_repeats_none() {
    let script = Script::new().await;
    let (client, mut peer, id) = in_session(&script).await;
    let calls = async {
        tokio::join!(client.call(ubf!(one)), client.call(ubf!(two)), client.call(ubf!(three)))
    };
    let server = async {
        peer.hears("3 'one'$3 'two'$3 'thr").await;
        peer.says("3 ? {1's'}$3 ? {2").await;
        peer.cut();
        let mut peer = script.accept().await;
        peer.hears_a_resume(&id, "1 0 2").await;
        peer.agrees("{'resumed'2 0}").await;
        peer.says("3 ? {2's'}$").await;
        peer.hears("3 'three'$").await;
        peer.says("3 ? {3's'}$").await;
        peer
    };
    let ((one, two, three), _peer) = within(async { tokio::join!(calls, server) }).await;
    let replies = [one.unwrap(), two.unwrap(), three.unwrap()];
    let told: Vec<_> = replies
        .iter()
        .map(|reply| {
            let session = reply.session().unwrap();
            (reply.response().to_string(), session.ordinal, session.is_resumed)
        })
        .collect();
    let expected = [("1", false), ("2", true), ("3", false)];
    assert_eq!(told, expected.map(|(reply, is_resumed)| (reply.to_owned(), 1, is_resumed)));
    let status = client.status().borrow().clone();
    let session = status.session.unwrap();
    assert_eq!((session.ordinal, session.level, session.parked_since), (1, Level::Memory, None));
    let counts = status.statistics;
    assert_eq!((counts.sessions, counts.resumes, counts.repeats), (1, 1, 1));
    assert_eq!((counts.errors, counts.indeterminate), (0, 0));
}

#[tokio::test]
async fn a_status_says_since_when_a_session_is_parked_and_counts_the_time_when_it_goes_on() {
    let script = Script::new().await;
    let (client, peer, id) = in_session(&script).await;
    let mut status = client.status();
    let is_parked =
        |status: &Status| status.session.is_some_and(|session| session.parked_since.is_some());
    let before = Instant::now();
    peer.cut();
    let parked = within(status.wait_for(is_parked)).await.unwrap().session.unwrap();
    let since = parked.parked_since.unwrap();
    assert!(before <= since + Duration::from_millis(1) && since <= Instant::now());
    // So long at least it is parked.
    while since.elapsed() < Duration::from_millis(2) {
        tokio::task::yield_now().await;
    }
    let mut peer = script.accept().await;
    peer.hears_a_resume(&id, "0 0 2").await;
    peer.agrees("{'resumed'0 0}").await;
    let status = within(status.wait_for(|status| !is_parked(status))).await.unwrap().clone();
    assert_eq!((parked.ordinal, status.session.unwrap().id), (1, parked.id));
    assert!(status.statistics.parked >= Duration::from_millis(1), "{:?}", status.statistics);
}

#[tokio::test]
async fn s7_calls_of_a_session_that_is_not_known_any_more_are_indeterminate() {
    let script = Script::new().await;
    let (client, mut peer, id) = in_session(&script).await;
    let call = client.call(ubf!(one));
    let server = async {
        peer.hears("3 'one'$").await;
        peer.cut();
        let mut peer = script.accept().await;
        peer.hears_a_resume(&id, "0 0 2").await;
        peer.agrees("{'no_session''unknown'}").await;
        let next = peer.hears_a_wish().await;
        assert_ne!(next, id, "S1: a name is for one session ever");
        peer.agrees(GRANT).await;
        peer.hears("3 'two'$").await;
        peer.says("3 ? {2's'}$").await;
        peer
    };
    let calls = async {
        let error = call.await.unwrap_err();
        assert!(matches!(error, CallError::Indeterminate { .. }), "{error}");
        client.call(ubf!(two)).await.unwrap()
    };
    let (reply, _peer) = within(async { tokio::join!(calls, server) }).await;
    assert_eq!(reply.session().unwrap().ordinal, 2);
    assert_eq!(client.status().borrow().statistics.unknown, 1);
}

#[tokio::test]
async fn s1_a_level_that_is_demanded_and_not_granted_is_a_clear_error() {
    let script = Script::new().await;
    let build = wishing(&script.address()).session(SessionPlan::demanded(Level::Durable));
    let server = async {
        let mut peer = script.accept().await;
        peer.hears_a_wish().await;
        peer.agrees(GRANT).await;
        peer.hears("0 {'seen'0 0'end'}$").await;
        peer.hears_the_end().await;
    };
    let (client, ()) = within(async { tokio::join!(build.connect(), server) }).await;
    let Err(ConnectError::Unreachable { losses }) = client else { panic!("it is not granted") };
    assert_eq!(
        losses[0].reason.to_string(),
        "no session: one of level durable is demanded, and memory is granted"
    );
}

#[tokio::test]
async fn s7_the_deadline_of_a_call_holds_while_its_session_has_no_connection() {
    let script = Script::new().await;
    let (client, mut peer, id) = in_session(&script).await;
    let call = client.call(ubf!(one)).within(Duration::from_millis(50));
    let server = async {
        peer.hears("3 'one'$").await;
        peer.cut();
        // The next connection hears nothing from its server.
        let mut peer = script.accept().await;
        peer.hears_a_resume(&id, "0 0 2").await;
        peer
    };
    let (outcome, _peer) = within(async { tokio::join!(call, server) }).await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, CallError::Deadline { may_have_run: true, .. }), "{error}");
}

#[tokio::test]
async fn s4_a_call_that_is_cancelled_during_a_cut_harms_no_other() {
    let script = Script::new().await;
    let (client, mut peer, id) = in_session(&script).await;
    let cancelled = tokio::spawn(client.call(ubf!(one)).into_future());
    peer.hears("3 'one'$").await;
    let call = tokio::spawn(client.call(ubf!(two)).into_future());
    peer.hears("3 'two'$").await;
    cancelled.abort();
    assert!(within(cancelled).await.unwrap_err().is_cancelled());
    peer.cut();
    let server = async {
        let mut peer = script.accept().await;
        peer.hears_a_resume(&id, "0 0 2").await;
        // 1 has arrived, and 2 has not.
        peer.agrees("{'resumed'1 0}").await;
        peer.says("3 ? {1's'}$").await;
        peer.hears("3 'two'$").await;
        peer.says("3 ? {2's'}$").await;
        peer
    };
    let (reply, _peer) = within(async { tokio::join!(call, server) }).await;
    assert_eq!(reply.unwrap().unwrap().response().to_string(), "2");
}

#[tokio::test]
async fn s4_events_are_read_in_their_session_and_those_that_are_gone_are_told() {
    let script = Script::new().await;
    let (client, mut peer, id) = in_session(&script).await;
    let mut events = client.events().unwrap();
    peer.says("3 ? {'event_out'1}$").await;
    assert!(matches!(within(events.recv()).await, Some(Incoming::NewSession { session: 1, .. })));
    let event = within(events.recv()).await.unwrap().event().unwrap();
    assert_eq!(event.event().to_string(), "1");
    peer.cut();
    let server = async {
        let mut peer = script.accept().await;
        peer.hears_a_resume(&id, "0 1 2").await;
        peer.agrees("{'resumed'0 3}").await;
        peer.says("3 ? {'event_out'5}$").await;
        peer
    };
    let reader = async {
        let mut told = Vec::new();
        while told.len() < 3 {
            told.push(match events.recv().await.unwrap() {
                Incoming::Event(event) => event.event().to_string(),
                Incoming::Missed(count) => format!("missed {count}"),
                Incoming::Resumed { session, .. } => format!("resumed {session}"),
                other => panic!("{other:?}"),
            });
        }
        told
    };
    let (told, _peer) = within(async { tokio::join!(reader, server) }).await;
    assert_eq!(told, ["missed 3", "resumed 1", "5"]);
}

#[tokio::test]
async fn a_session_that_goes_on_is_not_opened_by_the_program_again() {
    let script = Script::new().await;
    let build = wishing(&script.address()).on_session(|opening| async move {
        opening.call(ubf!(log_in)).await?;
        Ok(())
    });
    let client = build.start().unwrap();
    let call = client.call(ubf!(one));
    let server = async {
        let mut peer = script.accept().await;
        let id = peer.hears_a_wish().await;
        peer.agrees(GRANT).await;
        peer.hears("3 'log_in'$").await;
        peer.says("3 ? {'ok''s'}$").await;
        peer.hears("3 'one'$").await;
        peer.cut();
        let mut peer = script.accept().await;
        peer.hears_a_resume(&id, "1 0 2").await;
        peer.agrees("{'resumed'1 0}").await;
        peer.hears("3 'one'$").await;
        peer.says("3 ? {1's'}$").await;
        peer
    };
    let (reply, _peer) = within(async { tokio::join!(call, server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "1");
}

#[tokio::test]
async fn s3_a_client_that_is_closed_leaves_no_session_behind() {
    let script = Script::new().await;
    let (client, mut peer, _id) = in_session(&script).await;
    let server = async {
        peer.hears("0 {'seen'0 0'end'}$").await;
        peer.hears_the_end().await;
    };
    within(async { tokio::join!(client.close(Duration::from_secs(5)), server) }).await;
}

#[tokio::test]
async fn what_becomes_of_a_session_is_told() {
    let script = Script::new().await;
    let (sender, mut notices) = tokio::sync::mpsc::unbounded_channel();
    let build = wishing(&script.address()).on_notice(move |notice| {
        sender.send(notice.clone()).unwrap();
    });
    let server = async {
        let mut peer = script.accept().await;
        let id = peer.hears_a_wish().await;
        peer.agrees(GRANT).await;
        peer.cut();
        let mut peer = script.accept().await;
        peer.hears_a_resume(&id, "0 0 2").await;
        peer.agrees("{'resumed'0 0}").await;
        peer
    };
    let reader = async {
        let mut told = Vec::new();
        while told.len() < 2 {
            match notices.recv().await.unwrap() {
                Notice::NewSession { ordinal, id, .. } => {
                    assert_eq!(id.to_string().len(), 8, "S9: a short hash");
                    told.push(format!("new {ordinal}"));
                }
                Notice::Resumed { ordinal, kept, repeats, .. } => {
                    told.push(format!("resumed {ordinal}, {kept} kept, {repeats} again"));
                }
                _ => {}
            }
        }
        told
    };
    let (client, _peer, told) =
        within(async { tokio::join!(build.connect(), server, reader) }).await;
    assert_eq!(told, ["new 1", "resumed 1, 0 kept, 0 again"]);
    drop(client);
}
