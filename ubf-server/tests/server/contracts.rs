//! Handlers that are held against contracts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use ubf_codec::{Term, Text, Version, ubf};
use ubf_contract::{Contract, Reader};
use ubf_server::testing::{Answer, TestServer};
use ubf_server::{
    Call, Client, Contracts, Enforcement, EventError, Failure, Handler, Handlers, Reply, Versions,
};

const DOOR: &str = "+NAME(\"door\"). +VSN(\"1\").
+TYPES open() :: open; close() :: close; ok() :: ok; no() :: {no, ubfstring()}; bell() :: {bell, 1..3}; hum() :: hum.
+STATE start open() => ok() & opened | no() & start; EVENT <= bell().
+STATE opened close() => ok() & start; EVENT => hum().
+ANYSTATE hum() => ok().";

fn reply(response: &str, state: &str) -> Answer {
    Answer::reply(Term::atom(response), state)
}

fn door() -> Contract {
    Reader::new().read(DOOR).unwrap()
}

/// Says `{ok}` and goes where the request says, whatever the contract thinks of it: `open` and
/// `close` as they should, `hum` with a reply that is not allowed.
async fn careless(call: Call<Seen>) -> Reply {
    call.state().0.store(true, Ordering::Relaxed);
    if call.term().is_atom("open") {
        Reply::new(ubf!(ok), "opened")
    } else if call.term().is_atom("hum") {
        Reply::new(ubf!(hum), "start")
    } else {
        Reply::new(ubf!(ok), "start")
    }
}

/// Whether the handler was run.
struct Seen(Arc<AtomicBool>);

fn handlers(seen: &Arc<AtomicBool>) -> Handlers<Seen> {
    let seen = Arc::clone(seen);
    Handlers::with_state(move |_| Seen(Arc::clone(&seen))).on([1, 2], careless)
}

#[tokio::test]
async fn a_request_that_its_state_does_not_allow_reaches_no_handler() {
    let seen = Arc::new(AtomicBool::new(false));
    let service = Contracts::new(handlers(&seen)).version(1, door());
    let counts = service.counts();
    let server = TestServer::of(service).await.unwrap();
    let mut client = server.client(1);
    let refused = client.call(ubf!(close)).await.unwrap();
    let Answer::Reply { response, state } = &refused else { panic!("{refused:?}") };
    assert!(
        response.to_string().starts_with("{clientBrokeContract,close,[{input,{prim,1,1,open},")
    );
    assert_eq!(*state, ubf!(start), "the state stays");
    assert!(!seen.load(Ordering::Relaxed), "the handler did not run");
    assert_eq!(counts().client_broke, 1);

    // And the next request is held against the state that the last reply named.
    assert_eq!(client.call(ubf!(open)).await.unwrap(), reply("ok", "opened"));
    assert_eq!(client.call(ubf!(close)).await.unwrap(), reply("ok", "start"));
    assert_eq!(counts().client_broke, 1);
}

#[tokio::test]
async fn a_reply_that_is_not_allowed_is_not_sent_and_the_state_stays() {
    let service = Contracts::new(handlers(&Arc::default())).version(1, door());
    let counts = service.counts();
    let server = TestServer::of(service).await.unwrap();
    let mut client = server.client(1);
    client.call(ubf!(open)).await.unwrap();
    let answer = client.call(ubf!(hum)).await.unwrap();
    let instead = ubf!({serverBrokeContract, {hum, hum}, [{prim, 1, 1, ok}]});
    assert_eq!(answer, Answer::reply(instead, "opened"));
    assert_eq!(counts().server_broke, 1);
    assert_eq!(client.call(ubf!(close)).await.unwrap(), reply("ok", "start"));
}

#[tokio::test]
async fn what_is_only_logged_goes_its_way() {
    let service = Contracts::new(handlers(&Arc::default()))
        .version(1, door())
        .with_enforcement(Enforcement::Log);
    let counts = service.counts();
    let server = TestServer::of(service).await.unwrap();
    let mut client = server.client(1);
    assert_eq!(client.call(ubf!(close)).await.unwrap(), reply("ok", "start"));
    assert_eq!(client.call(ubf!(hum)).await.unwrap(), reply("hum", "start"));
    assert_eq!((counts().client_broke, counts().server_broke), (1, 1));
}

#[tokio::test]
async fn a_version_without_a_contract_and_one_that_is_off_are_not_checked() {
    let service = Contracts::new(handlers(&Arc::default())).version(1, door());
    let server = TestServer::of(service).await.unwrap();
    assert_eq!(server.client(2).call(ubf!(close)).await.unwrap(), reply("ok", "start"));

    let service = Contracts::new(handlers(&Arc::default()))
        .version(1, door())
        .with_enforcement(Enforcement::Off);
    let counts = service.counts();
    let server = TestServer::of(service).await.unwrap();
    assert_eq!(server.client(1).call(ubf!(close)).await.unwrap(), reply("ok", "start"));
    assert_eq!(counts(), Default::default());
}

#[tokio::test]
async fn an_event_that_the_contract_does_not_allow_is_told_to_its_sender() {
    let handlers = Handlers::new().on(1, |call: Call<()>| async move {
        let hum = call.events().try_send(call.version(), ubf!(hum));
        let allowed = match hum {
            Ok(()) => ubf!(ok),
            Err(EventError::BreaksContract(why)) => ubf!({no, (why)}),
            Err(other) => panic!("{other}"),
        };
        let next = if allowed == ubf!(ok) { "start" } else { "opened" };
        if call.term().is_atom("close") {
            return Reply::new(allowed, next);
        }
        // In `start` no `hum` is allowed, and the door opens all the same.
        assert_eq!(allowed, ubf!({no, "in state start: no event is allowed"}));
        Reply::new(ubf!(ok), next)
    });
    let service = Contracts::new(handlers).version(1, door());
    let counts = service.counts();
    let server = TestServer::of(service).await.unwrap();
    let mut client = server.client(1);
    assert_eq!(client.call(ubf!(open)).await.unwrap(), reply("ok", "opened"));
    assert_eq!(counts().events_out, 1);
    assert_eq!(client.call(ubf!(close)).await.unwrap(), reply("ok", "start"));
    assert_eq!(client.event().await.unwrap().event, ubf!(hum));
    assert_eq!(counts().events_out, 1);
}

#[tokio::test]
async fn a_pipeline_is_checked_in_the_states_that_its_replies_lead_to() {
    let handlers = Handlers::new().on(1, |call: Call<()>| async move {
        // The second request is there before the first one is answered.
        tokio::task::yield_now().await;
        let next = if call.term().is_atom("open") { "opened" } else { "start" };
        Reply::new(ubf!(ok), next)
    });
    let server = TestServer::of(Contracts::new(handlers).version(1, door())).await.unwrap();
    let mut client = server.client(1);
    for request in [ubf!(open), ubf!(close), ubf!(open)] {
        client.send(request).await.unwrap();
    }
    for state in ["opened", "start", "opened"] {
        assert_eq!(client.answer().await.unwrap(), reply("ok", state));
    }
}

#[tokio::test]
async fn whoever_asks_for_the_contract_is_told_it_in_every_state_and_mode() {
    for enforcement in [Enforcement::Off, Enforcement::Log, Enforcement::Enforce] {
        let seen = Arc::new(AtomicBool::new(false));
        let service =
            Contracts::new(handlers(&seen)).version(1, door()).with_enforcement(enforcement);
        let server = TestServer::of(service).await.unwrap();
        let mut client = server.client(1);
        let told = door().to_term();
        let answer = client.call(ubf!(contract)).await.unwrap();
        assert_eq!(answer, Answer::reply(told.clone(), "start"), "{enforcement:?}");
        assert!(!seen.load(Ordering::Relaxed), "the handler did not run");
        client.call(ubf!(open)).await.unwrap();
        let answer = client.call(ubf!(contract)).await.unwrap();
        assert_eq!(answer, Answer::reply(told, "opened"), "{enforcement:?}");
        // A version without a contract has none to tell: the request is the handler's.
        let mut other = server.client(2);
        assert_eq!(other.call(ubf!(contract)).await.unwrap(), reply("ok", "start"));
    }
}

/// Answers without waiting, as [`careless`] does, and in no other way.
struct AtOnce;

impl Handler for AtOnce {
    type State = ();

    fn versions(&self) -> Versions {
        Versions::of([1, 2])
    }

    fn connect(&self, _: &Client) {}

    fn request_now(&self, call: &Call<()>) -> Option<Result<Reply, Failure>> {
        let is_hum = call.term().is_atom("hum");
        let response = if is_hum { ubf!(hum) } else { ubf!(ok) };
        let next = if call.term().is_atom("open") { "opened" } else { "start" };
        Some(Ok(Reply::new(response, next)))
    }

    fn answers_now(&self, _: Version) -> bool {
        true
    }

    async fn request(&self, _: Call<()>) -> Result<Reply, Failure> {
        Err(Failure::refused(ubf!(not_at_once)))
    }
}

#[tokio::test]
async fn a_handler_that_does_not_wait_is_held_against_its_contract_at_once() {
    let service = Contracts::new(AtOnce).version(1, door());
    let counts = service.counts();
    let server = TestServer::of(service).await.unwrap();
    let mut client = server.client(1);
    assert_eq!(client.call(ubf!(open)).await.unwrap(), reply("ok", "opened"));
    let Answer::Reply { response, state } = client.call(ubf!(open)).await.unwrap() else {
        panic!("a reply is expected");
    };
    assert!(response.to_string().starts_with("{clientBrokeContract,open,"), "{response}");
    assert_eq!(state, ubf!(opened));
    let instead = ubf!({serverBrokeContract, {hum, hum}, [{prim, 1, 1, ok}]});
    assert_eq!(client.call(ubf!(hum)).await.unwrap(), Answer::reply(instead, "opened"));
    assert_eq!(client.call(ubf!(close)).await.unwrap(), reply("ok", "start"));
    let told = client.call(ubf!(contract)).await.unwrap();
    assert_eq!(told, Answer::reply(door().to_term(), "start"));
    assert_eq!((counts().client_broke, counts().server_broke), (1, 1));
    // A version without a contract has the door too, if the handler says so.
    assert_eq!(server.client(2).call(ubf!(close)).await.unwrap(), reply("ok", "start"));
}

#[tokio::test]
async fn a_call_that_could_be_answered_at_once_waits_for_the_state_of_the_one_before() {
    let opens = Arc::new(Notify::new());
    let told = Arc::clone(&opens);
    let handlers = Handlers::new()
        .on(2, move |_: Call<()>| {
            let opens = Arc::clone(&told);
            async move {
                opens.notified().await;
                Reply::new(ubf!(ok), "opened")
            }
        })
        .on_now(1, |_: &Call<()>| Reply::new(ubf!(ok), "start"));
    let server = TestServer::of(Contracts::new(handlers).version([1, 2], door())).await.unwrap();
    let mut client = server.client(2);
    client.send(ubf!(open)).await.unwrap();
    client.speak(1);
    // In `start` it would be a request that its contract does not allow.
    client.send(ubf!(close)).await.unwrap();
    opens.notify_one();
    for state in ["opened", "start"] {
        assert_eq!(client.answer().await.unwrap(), reply("ok", state));
    }
}

/// Keeps its clients while they are not in `start`.
struct Pinned;

impl Handler for Pinned {
    type State = ();

    fn versions(&self) -> Versions {
        Versions::of([1])
    }

    fn pinned_outside(&self) -> Option<Text> {
        Some("start".into())
    }

    fn connect(&self, _: &Client) {}

    async fn request(&self, _: Call<()>) -> Result<Reply, Failure> {
        Ok(Reply::ok(ubf!(ok)))
    }
}

#[test]
fn r1_a_pinned_service_stays_pinned_when_it_is_held_against_a_contract() {
    assert_eq!(Contracts::new(Pinned).pinned_outside(), Some("start".into()));
}
