//! Stock peers, played byte for byte over sockets, at a server that serves versioned clients too.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and its handlers, too"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use ubf_codec::{Term, ubf};
use ubf_contract::{Contract, Reader};
use ubf_net::testing::{ScriptedPeer, within};
use ubf_proto::classic::server::{Config, EventTiming};
use ubf_server::{
    BindError, Call, Classic, ClassicService, Client, Failure, Handler, Handlers, OwnerInput,
    OwnerLink, Reply, Report, Server, ServerHandle, ServerLimits, Service, SessionOwner, Versions,
};

const HELLO: &str = "{'ubf1.0'\"meta_server\"\"\n\n Type 'info'$ for information\n\n\"}$\n";

fn contract() -> Contract {
    let text = "+NAME(\"door\"). +VSN(\"1\").
        +TYPES open() :: {open, 0..9999}; ok() :: ok; no() :: no; close() :: close;
               quit() :: quit; crash() :: crash; ring() :: ring; bell() :: {bell, integer()};
               knock() :: {knock, integer()}.
        +STATE start open() => ok() & opened | no() & start; ring() => ok() & start;
               crash() => ok() & start; quit() => ok() & stop;
               EVENT => bell(); EVENT <= knock().
        +STATE opened close() => ok() & start.";
    Reader::new().read(text).unwrap()
}

async fn door(call: Call<()>) -> Result<Reply, Failure> {
    let term = call.term();
    if term.as_atom().is_some_and(|word| word == "ring") {
        // It leaves when the reply is out, since a call is in progress.
        call.events().send(call.version(), ubf!({bell, 1})).await?;
        return Ok(Reply::new(ubf!(ok), "start"));
    }
    if term.as_atom().is_some_and(|word| word == "crash") {
        panic!("as a test wants it");
    }
    if term.as_atom().is_some_and(|word| word == "quit") {
        return Ok(Reply::new(ubf!(ok), "stop"));
    }
    let is_open = term.get(1).is_some_and(|pin| pin.as_u64() == Some(7));
    let is_close = term.as_atom().is_some();
    Ok(match (is_open, is_close) {
        (true, _) => Reply::new(ubf!(ok), "opened"),
        (false, true) => Reply::new(ubf!(ok), "start"),
        (false, false) => Reply::new(ubf!(no), "start"),
    })
}

struct Running {
    server: JoinHandle<Report>,
    handle: ServerHandle,
    versioned: std::net::SocketAddr,
    classic: std::net::SocketAddr,
}

async fn start(classic: Classic, limits: ServerLimits) -> Running {
    let handlers = Handlers::new().on([1, 2], door).on_event(1, |event: Call<()>| async move {
        let number = event.term().get(1).and_then(|number| number.as_u64()).unwrap();
        event.events().send(event.version(), ubf!({bell, (number)})).await.ok();
    });
    let server = Server::builder()
        .listen("127.0.0.1:0")
        .limits(limits)
        .service(Service::named("door"), handlers)
        .classic(classic.listen("127.0.0.1:0"))
        .bind()
        .await
        .unwrap();
    let versioned = *server.addresses().first().unwrap();
    let classic = *server.classic_addresses().first().unwrap();
    let handle = server.handle();
    Running { server: tokio::spawn(server.run()), handle, versioned, classic }
}

fn service() -> ClassicService {
    ClassicService::new("door", 1).with_contract(contract())
}

fn usual() -> Classic {
    let mut config = Config::default();
    config.events = EventTiming::AtOnce;
    Classic::new().config(config).service(service())
}

async fn greeted(running: &Running) -> ScriptedPeer<TcpStream> {
    let mut peer = ScriptedPeer::connect(running.classic).await;
    peer.expect(HELLO).await;
    peer
}

async fn in_door(running: &Running) -> ScriptedPeer<TcpStream> {
    let mut peer = greeted(running).await;
    peer.exchange("{'startSession',\"door\",#}$\n", "{{'ok''ok'}'start'}$\n").await;
    peer
}

async fn ended(running: Running) -> Report {
    running.handle.shut_down(Duration::from_secs(5));
    within(running.server).await.unwrap()
}

#[tokio::test]
async fn a_stock_client_is_served_from_the_hello_to_the_stop() {
    let running = start(usual(), ServerLimits::default()).await;
    let mut peer = greeted(&running).await;
    peer.exchange("'services'$\n", "{#\"door\"&'start'}$\n").await;
    peer.exchange("{'startSession',\"absent\",#}$\n", "{{'error''noSuchService'}'start'}$\n").await;
    peer.exchange("{'startSession',\"door\",#}$\n", "{{'ok''ok'}'start'}$\n").await;
    peer.exchange("{'open',6}$\n", "{'no''start'}$\n").await;
    peer.exchange("{'open',7}$\n", "{'ok''opened'}$\n").await;
    peer.exchange(
        "{'open',7}$\n",
        "{{'clientBrokeContract'{'open'7}#{'input'{'prim'1 1'close'}#{'output'{'prim'1 1'ok'}'start'}&}&}'opened'}$\n",
    )
    .await;
    peer.exchange("'close'$'ring'$", "{'ok''start'}$\n{'ok''start'}$\n{'event_out'{'bell'1}}$\n")
        .await;
    peer.exchange("{'event_in',{'knock',5}}$\n", "{'event_out'{'bell'5}}$\n").await;
    peer.send("'quit'$\n").await;
    peer.expect_end("{'ok''stop'}$\n").await;
    let counts = ended(running).await.counts;
    assert_eq!((counts.events_in, counts.events_out), (1, 2));
    assert_eq!((counts.classic_connections, counts.classic_client_broke), (1, 1));
}

#[tokio::test]
async fn what_is_not_said_to_stock_clients_is_counted() {
    let contract = Reader::new().read(
        "+NAME(\"bells\"). +VSN(\"1\"). +TYPES ring() :: ring; ok() :: ok; bell() :: bell.
        +STATE start ring() => ok() & start; EVENT => bell().",
    );
    let handlers = Handlers::new().on(1, |call: Call<()>| async move {
        call.events().send(call.version(), ubf!(gong)).await?;
        call.events().send(call.version(), ubf!(bell)).await?;
        Ok::<_, Failure>(Reply::ok(ubf!(of_course)))
    });
    let mut config = Config::default();
    config.events = EventTiming::AtOnce;
    let service = ClassicService::new("bells", 1).with_contract(contract.unwrap());
    let classic = Classic::new().config(config).listen("127.0.0.1:0").service(service);
    let server = Server::builder()
        .service(Service::named("bells"), handlers)
        .classic(classic)
        .bind()
        .await
        .unwrap();
    let (address, handle) = (*server.classic_addresses().first().unwrap(), server.handle());
    let running = tokio::spawn(server.run());
    let mut peer = ScriptedPeer::connect(address).await;
    peer.expect(HELLO).await;
    peer.send("{'event_in',1}$").await;
    peer.exchange("{'startSession',\"bells\",#}$\n", "{{'ok''ok'}'start'}$\n").await;
    peer.send("{'event_in',1}$'ring'$").await;
    peer.expect(
        "{{'serverBrokeContract'{'ring''of_course'}#{'prim'1 1'ok'}&}'start'}$\n\
         {'event_out''bell'}$\n",
    )
    .await;
    handle.shut_down(Duration::from_secs(5));
    let counts = within(running).await.unwrap().counts;
    assert_eq!((counts.classic_server_broke, counts.classic_client_broke), (1, 0));
    assert_eq!((counts.classic_events_dropped, counts.classic_events_ignored), (1, 2));
}

#[tokio::test]
async fn a_restart_is_decided_by_the_service() {
    let restartable = service().with_restart(|argument: &Term| match argument.is_atom("now") {
        true => Ok(()),
        false => Err(ubf!(later)),
    });
    let never = ClassicService::of("other", Service::named("door"), 2);
    let classic = Classic::new().service(restartable).service(never);
    let running = start(classic, ServerLimits::default()).await;
    let mut peer = greeted(&running).await;
    peer.exchange("{'restartService',\"door\",'now'}$", "{{'ok''ok'}'start'}$\n").await;
    peer.exchange("{'restartService',\"door\",1}$", "{{'error''later'}'start'}$\n").await;
    let refused = "{{'error''notRestartable'}'start'}$\n";
    peer.exchange("{'restartService',\"other\",'now'}$", refused).await;
    assert!(ended(running).await.is_clean());
}

/// Tells how the session began.
#[derive(Debug)]
struct Beginnings;

impl Handler for Beginnings {
    type State = Term;

    fn versions(&self) -> Versions {
        Versions::of([1])
    }

    fn connect(&self, client: &Client) -> Term {
        client.started().map_or_else(
            || ubf!(versioned),
            |started| Term::tuple([started.argument.clone(), Term::Atom(started.state.clone())]),
        )
    }

    async fn request(&self, call: Call<Term>) -> Result<Reply, Failure> {
        Ok(Reply::new(call.state().clone(), "on"))
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_handler_sees_how_a_session_began_also_over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("ubf-classic-{}.socket", std::process::id()));
    let service = ClassicService::new("tells", 1).with_first_state("off");
    let server = Server::builder()
        .listen("127.0.0.1:0")
        .service(Service::named("tells"), Beginnings)
        .classic(Classic::new().listen_unix(&path).service(service))
        .bind()
        .await
        .unwrap();
    let (versioned, handle) = (*server.addresses().first().unwrap(), server.handle());
    let running = tokio::spawn(server.run());
    let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let mut peer = ScriptedPeer { stream };
    peer.expect(HELLO).await;
    peer.exchange("{'startSession',\"tells\",{7}}$\n", "{{'ok''ok'}'off'}$\n").await;
    peer.exchange("'how'$", "{{{7}'off'}'on'}$\n").await;
    let mut other = ScriptedPeer::connect(versioned).await;
    other.send("0 {'negotiate'1\"tells\"#1&#}$").await;
    other.packet().await;
    other.exchange("1 'how'$", "1 ? {'versioned''on'}$").await;
    handle.shut_down(Duration::from_secs(5));
    assert!(within(running).await.unwrap().is_clean());
    assert!(!path.exists());
}

/// Answers from a thread of its own, as a store does. `'no'` is refused, and `'lost'` ends it.
#[derive(Debug)]
struct Owner;

impl SessionOwner for Owner {
    fn versions(&self) -> Versions {
        Versions::of([1])
    }

    fn take(&self, from: &Arc<OwnerLink>, input: OwnerInput) {
        let OwnerInput::Message { message, is_event } = input else {
            assert!(matches!(input, OwnerInput::Closed), "a stock client has no session");
            return;
        };
        assert_eq!(message.number, None);
        let link = Arc::clone(from);
        std::thread::spawn(move || {
            if is_event {
                link.event(message.version, Bytes::from_static(b"{'event_out''heard'}$"));
                link.taken(message.packet);
            } else if message.body.root().is_atom("no") {
                link.refused(message.packet, ubf!(not_today));
            } else if message.body.root().is_atom("lost") {
                link.cut();
            } else {
                link.reply(message.packet, Bytes::from_static(b"{'kept''start'}$"));
            }
        });
    }
}

#[tokio::test]
async fn a_service_with_an_owner_answers_stock_clients_without_a_session() {
    let mut config = Config::default();
    config.events = EventTiming::AtOnce;
    let classic = Classic::new().config(config).listen("127.0.0.1:0");
    let server = Server::builder()
        .listen("127.0.0.1:0")
        .owned_service(Service::named("rows"), Arc::new(Owner))
        .classic(classic.service(ClassicService::new("rows", 1)))
        .bind()
        .await
        .unwrap();
    let (address, handle) = (*server.classic_addresses().first().unwrap(), server.handle());
    let running = tokio::spawn(server.run());
    for last in ["'no'$", "'lost'$"] {
        let mut peer = ScriptedPeer::connect(address).await;
        peer.expect(HELLO).await;
        peer.exchange("{'startSession',\"rows\",#}$\n", "{{'ok''ok'}'start'}$\n").await;
        peer.exchange("{'put',1}${'put',2}$", "{'kept''start'}$\n{'kept''start'}$\n").await;
        peer.exchange("{'event_in',1}$", "{'event_out''heard'}$\n").await;
        peer.send(last).await;
        peer.expect_end("").await;
    }
    // What is not offered any more begins no session.
    assert!(handle.withdraw(&Service::named("rows"), 1.try_into().unwrap()));
    let mut peer = ScriptedPeer::connect(address).await;
    peer.expect(HELLO).await;
    let refused = "{{'error''notOffered'}'start'}$\n";
    peer.exchange("{'startSession',\"rows\",#}$\n", refused).await;
    handle.shut_down(Duration::from_secs(5));
    assert!(within(running).await.unwrap().is_clean());
}

#[tokio::test]
async fn the_same_service_answers_versioned_clients_at_the_same_time() {
    let running = start(usual(), ServerLimits::default()).await;
    let mut stock = in_door(&running).await;
    let mut versioned = ScriptedPeer::connect(running.versioned).await;
    versioned.send("0 {'negotiate'1\"door\"#2&#}$").await;
    assert!(versioned.packet().await.starts_with("2 ? {'agreed'"));
    versioned.exchange("2 {'open'7}$", "2 ? {'ok''opened'}$").await;
    stock.exchange("{'open',7}$", "{'ok''opened'}$\n").await;
    assert!(ended(running).await.is_clean());
}

#[tokio::test]
async fn what_a_stock_client_breaks_is_its_own() {
    let running = start(usual(), ServerLimits::default()).await;
    let mut other = in_door(&running).await;
    let mut broken = in_door(&running).await;
    broken.send("'ring'}$\n").await;
    broken.expect_end("").await;
    let mut crashed = in_door(&running).await;
    crashed.send("'crash'$\n").await;
    crashed.expect_end("").await;
    other.exchange("{'open',7}$", "{'ok''opened'}$\n").await;
    let report = ended(running).await;
    assert_eq!((report.counts.bad_syntax, report.counts.failed), (1, 1));
}

/// What hostile peers send, each of which costs its connection and not a word.
fn attacks() -> Vec<String> {
    let fixed = [
        "}",
        "a$",
        "1 2$",
        "$",
        "'a'&$",
        "&$",
        "9999999999999~",
        "-$",
        "\u{0}",
        "0 {'negotiate'1?#1&#}$",
        "1 {'open'7}$",
        "GET / HTTP/1.1\r\n\r\n",
    ];
    let deep = "{".repeat(600);
    let large = format!("\"{}\"$", "x".repeat(5000));
    let digits = format!("{}$", "9".repeat(4000));
    let many = format!("{{{}}}$", "1 ".repeat(2000));
    // Each use of a register counts: eight times eight times eight times …
    let bomb = format!("#1&>a{}a$", "{aaaaaaaa}>a".repeat(30));
    let slow = "{'open',";
    let fixed = fixed.into_iter().map(str::to_owned);
    fixed.chain([deep, large, digits, many, bomb, slow.to_owned()]).collect()
}

#[tokio::test]
async fn attacks_of_one_peer_cost_it_its_connection_and_others_nothing() {
    let mut config = Config::default();
    config.limits = config
        .limits
        .with_max_packet_bytes(4096)
        .with_max_expanded_nodes(1000)
        .with_max_integer_digits(1000);
    config.max_packet_time = Duration::from_millis(100);
    let classic = Classic::new().config(config).service(service());
    let running = start(classic, ServerLimits::default()).await;
    let mut other = in_door(&running).await;
    let attacks = attacks();
    let count = attacks.len() as u64;
    for attack in attacks {
        for is_in_service in [false, true] {
            let mut hostile =
                if is_in_service { in_door(&running).await } else { greeted(&running).await };
            hostile.send(&attack).await;
            hostile.expect_end("").await;
        }
        other.exchange("{'open',6}$", "{'no''start'}$\n").await;
    }
    let counts = ended(running).await.counts;
    // One of them was slow, and no more.
    assert_eq!((counts.bad_syntax, counts.too_slow), (2 * (count - 1), 2));
}

#[tokio::test]
async fn a_half_close_waits_for_the_answers() {
    let running = start(usual(), ServerLimits::default()).await;
    let mut peer = in_door(&running).await;
    peer.send("{'open',7}$'close'$").await;
    peer.end().await;
    peer.expect_end("{'ok''opened'}$\n{'ok''start'}$\n").await;
    assert!(ended(running).await.is_clean());
}

#[tokio::test]
async fn a_start_is_decided_by_the_service() {
    let service = service().with_start(|argument: &Term| match argument.is_atom("key") {
        true => Ok((ubf!({welcome, 1}), "opened".into())),
        false => Err(ubf!({wrong, "key"})),
    });
    let classic = Classic::new().service(service);
    let running = start(classic, ServerLimits::default()).await;
    let mut peer = greeted(&running).await;
    let refused = "{{'error'{'wrong'\"key\"}}'start'}$\n";
    peer.exchange("{'startSession',\"door\",'guess'}$", refused).await;
    peer.exchange("{'startSession',\"door\",'key'}$", "{{'ok'{'welcome'1}}'opened'}$\n").await;
    peer.exchange("'close'$", "{'ok''start'}$\n").await;
    assert!(ended(running).await.is_clean());
}

#[tokio::test]
async fn a_server_of_one_service_has_no_meta_level() {
    let classic = Classic::new()
        .service(ClassicService::of("a door", Service::named("door"), 2))
        .without_meta_level();
    let running = start(classic, ServerLimits::default()).await;
    let mut peer = greeted(&running).await;
    peer.exchange("{'open',7}$", "{'ok''opened'}$\n").await;
    peer.exchange(
        "'contract'$",
        "{'contract'{{'name'\"a door\"}{'states'#}{'anystate'#}{'types'#}}}$\n",
    )
    .await;
    assert!(ended(running).await.is_clean());
}

#[tokio::test]
async fn one_too_many_is_closed_without_a_word() {
    let mut limits = ServerLimits::default();
    limits.max_connections = 1;
    let running = start(usual(), limits).await;
    let mut peer = in_door(&running).await;
    ScriptedPeer::connect(running.classic).await.expect_end("").await;
    peer.exchange("{'open',7}$", "{'ok''opened'}$\n").await;
    assert!(ended(running).await.is_clean());
}

#[tokio::test]
async fn a_call_in_progress_is_answered_before_the_server_ends() {
    let (entered, has_entered) = oneshot::channel();
    let (go, may_go) = oneshot::channel::<()>();
    let once = std::sync::Mutex::new(Some((entered, may_go)));
    let handlers = Handlers::new().on(1, move |_: Call<()>| {
        let (entered, may_go) = once.lock().unwrap().take().unwrap();
        async move {
            entered.send(()).unwrap();
            may_go.await.unwrap();
            Reply::ok(ubf!(late))
        }
    });
    let classic = Classic::new().listen("127.0.0.1:0").service(ClassicService::new("door", 1));
    let server = Server::builder()
        .listen_nowhere()
        .service(Service::named("door"), handlers)
        .classic(classic)
        .bind()
        .await
        .unwrap();
    let (address, handle) = (*server.classic_addresses().first().unwrap(), server.handle());
    let running = tokio::spawn(server.run());
    let mut peer = ScriptedPeer::connect(address).await;
    peer.expect(HELLO).await;
    peer.exchange("{'startSession',\"door\",#}$", "{{'ok''ok'}'start'}$\n").await;
    peer.send("'slow'$").await;
    within(has_entered).await.unwrap();
    handle.shut_down(Duration::from_secs(30));
    go.send(()).unwrap();
    peer.expect_end("{'late''start'}$\n").await;
    assert!(within(running).await.unwrap().is_clean());
}

#[tokio::test]
async fn one_address_serves_both_kinds_and_tells_them_apart_by_the_first_byte() {
    let shared = usual().share_addresses(Duration::from_millis(300));
    let running = start(shared, ServerLimits::default()).await;
    let mut versioned = ScriptedPeer::connect(running.versioned).await;
    versioned.send("0 {'negotiate'1\"door\"#2&#}$").await;
    assert!(versioned.packet().await.starts_with("2 ? {'agreed'"));
    versioned.exchange("2 {'open'7}$", "2 ? {'ok''opened'}$").await;
    // It waits for the hello.
    let mut waits = ScriptedPeer::connect(running.versioned).await;
    waits.expect(HELLO).await;
    waits.exchange("'services'$", "{#\"door\"&'start'}$\n").await;
    // It speaks at once, and gets the hello all the same.
    let mut speaks = ScriptedPeer::connect(running.versioned).await;
    speaks.send("'services'$").await;
    speaks.expect(HELLO).await;
    speaks.expect("{#\"door\"&'start'}$\n").await;
    assert!(ended(running).await.is_clean());
}

#[tokio::test]
async fn a_version_that_is_not_offered_cannot_be_served_to_stock_peers() {
    let handlers = Handlers::new().on(1, |_: Call<()>| async { Reply::ok(1) });
    let error = Server::builder()
        .listen("127.0.0.1:0")
        .service(Service::named("door"), handlers)
        .classic(Classic::new().service(ClassicService::new("door", 2)))
        .bind()
        .await
        .unwrap_err();
    assert!(matches!(error, BindError::NoSuchVersion { .. }), "{error}");
}

/// U2: a stock client's connection goes from one server to another one, as between two processes.
#[cfg(unix)]
mod takeover {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::sync::Semaphore;
    use ubf_codec::{Encoder, decode};
    use ubf_server::classic::PassedConnection;
    use ubf_server::{ClassicExport, Departing, NotAdopted};

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// Counts its requests; `'wait'` waits for a permit first.
    async fn counting(gate: Arc<Semaphore>, is_moving: bool) -> Running {
        let handlers =
            Handlers::with_state(|_| AtomicU64::new(0)).on(1, move |call: Call<AtomicU64>| {
                let gate = Arc::clone(&gate);
                async move {
                    if call.term().is_atom("wait") {
                        gate.acquire().await.unwrap().forget();
                    }
                    Reply::new(call.state().fetch_add(1, Ordering::Relaxed) + 1, "counting")
                }
            });
        let write = |count: &AtomicU64| count.load(Ordering::Relaxed).to_be_bytes().to_vec();
        let write = move |count: &AtomicU64| Some(Bytes::from(write(count)));
        let read = |_: &Client, bytes: Bytes| {
            Some(AtomicU64::new(u64::from_be_bytes(bytes[..].try_into().ok()?)))
        };
        let handlers = if is_moving { handlers.carried(write, read) } else { handlers };
        let server = Server::builder()
            .listen("127.0.0.1:0")
            .service(Service::named("count"), handlers)
            .classic(Classic::new().listen("127.0.0.1:0").service(ClassicService::new("count", 1)))
            .bind()
            .await
            .unwrap();
        let versioned = *server.addresses().first().unwrap();
        let classic = *server.classic_addresses().first().unwrap();
        let handle = server.handle();
        Running { server: tokio::spawn(server.run()), handle, versioned, classic }
    }

    async fn in_count(running: &Running) -> ScriptedPeer<TcpStream> {
        let mut peer = greeted(running).await;
        peer.exchange("{'startSession',\"count\",#}$\n", "{{'ok''ok'}'start'}$\n").await;
        peer.exchange("'a'$\n", "{1'counting'}$\n").await;
        peer
    }

    /// Through the form in which it goes to the other process.
    fn sent(passed: &PassedConnection) -> PassedConnection {
        let bytes = Encoder::new().encode(&passed.export.to_term());
        let export = ClassicExport::read(decode(&bytes[..]).unwrap().root()).unwrap();
        PassedConnection { export, descriptor: passed.descriptor.try_clone().unwrap() }
    }

    #[tokio::test]
    async fn u2_a_stock_client_notices_nothing_as_another_process_goes_on() {
        let gate = Arc::new(Semaphore::new(0));
        let old = counting(Arc::clone(&gate), true).await;
        let new = counting(gate, true).await;
        let mut peer = in_count(&old).await;
        let mut on_meta = greeted(&old).await;
        // Half a request, and a line feed alone, have come.
        peer.exchange("'b'$'c", "{2'counting'}$\n").await;
        let suspension = within(old.handle.suspend(LONG)).await;
        assert_eq!(suspension.connections().len(), 2);
        peer.send("'$\n").await;
        let adopted =
            suspension.connections().iter().map(|passed| new.handle.adopt_connection(sent(passed)));
        let adopted: Vec<_> = adopted.collect::<Result<_, _>>().unwrap();
        let departure = suspension.commit(LONG);
        for connection in adopted {
            connection.serve();
        }
        peer.expect("{3'counting'}$\n").await;
        peer.exchange("'d'$\n", "{4'counting'}$\n").await;
        on_meta.exchange("'services'$\n", "{#\"count\"&'start'}$\n").await;
        drop(departure);
        // The one that is gone from it does not keep the old server.
        let report = ended(old).await;
        assert_eq!((report.counts.connections_given, report.counts.lost), (2, 0));
        peer.exchange("'e'$\n", "{5'counting'}$\n").await;
        drop((peer, on_meta));
        assert_eq!(ended(new).await.counts.connections_taken, 2);
    }

    #[tokio::test]
    async fn u2_a_stock_client_whose_call_runs_goes_when_it_is_answered() {
        let gate = Arc::new(Semaphore::new(0));
        let old = counting(Arc::clone(&gate), true).await;
        let new = counting(Arc::clone(&gate), true).await;
        let mut peer = in_count(&old).await;
        peer.send("'wait'$'b'$").await;
        running(&old, 1).await;
        let suspension = within(old.handle.suspend(Duration::ZERO)).await;
        assert!(suspension.connections().is_empty());
        let mut departure = suspension.commit(LONG);
        gate.add_permits(1);
        let Some(Departing::Connection(passed)) = within(departure.next()).await else { panic!() };
        assert!(within(departure.next()).await.is_none());
        new.handle.adopt_connection(sent(&passed)).unwrap().serve();
        drop(passed);
        peer.expect("{2'counting'}$\n{3'counting'}$\n").await;
        let _report = ended(old).await;
        peer.exchange("'c'$\n", "{4'counting'}$\n").await;
        drop(peer);
        let _report = ended(new).await;
    }

    /// Waits until so many handlers run.
    async fn running(server: &Running, count: usize) {
        while server.handle.status().calls != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn u2_a_stock_client_stays_as_if_nothing_had_been_when_nobody_takes_over() {
        let gate = Arc::new(Semaphore::new(0));
        let server = counting(gate, true).await;
        let mut peer = in_count(&server).await;
        let suspension = within(server.handle.suspend(LONG)).await;
        assert_eq!(suspension.connections().len(), 1);
        peer.send("'b'$\n").await;
        suspension.undo();
        peer.expect("{2'counting'}$\n").await;
        drop(peer);
        let _report = ended(server).await;
    }

    #[tokio::test]
    async fn u2_a_stock_client_that_cannot_go_is_answered_and_closed() {
        let gate = Arc::new(Semaphore::new(0));
        // What its service keeps has no form outside of the process.
        let old = counting(Arc::clone(&gate), false).await;
        let mut peer = in_count(&old).await;
        let suspension = within(old.handle.suspend(LONG)).await;
        assert!(suspension.connections().is_empty());
        // It is served until the other process does.
        peer.exchange("'b'$\n", "{2'counting'}$\n").await;
        peer.send("'wait'$").await;
        running(&old, 1).await;
        let departure = suspension.commit(LONG);
        gate.add_permits(1);
        peer.expect_end("{3'counting'}$\n").await;
        drop(departure);
        let _report = ended(old).await;
    }

    #[tokio::test]
    async fn u2_what_a_successor_does_not_serve_it_does_not_take() {
        let gate = Arc::new(Semaphore::new(0));
        let old = counting(gate, true).await;
        let new = start(usual(), ServerLimits::default()).await;
        let mut peer = in_count(&old).await;
        let suspension = within(old.handle.suspend(LONG)).await;
        let [passed] = suspension.connections() else { panic!("{suspension:?}") };
        let refused = new.handle.adopt_connection(sent(passed)).map(drop);
        assert_eq!(refused, Err(NotAdopted::NoStockService("count".into())));
        suspension.undo();
        peer.exchange("'b'$\n", "{2'counting'}$\n").await;
        drop(peer);
        let _report = ended(old).await;
        let _report = ended(new).await;
    }
}
