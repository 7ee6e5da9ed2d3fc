//! Stock servers, played byte for byte.

use std::time::Duration;

use tokio::net::TcpListener;
use ubf_client::Client;
use ubf_client::classic::{
    CallError, ClassicBuilder, ClassicClient, ClassicConnectError, ClassicIncoming, EndReason,
    Flavour, HelloMode, Level, Refusal,
};
use ubf_codec::ubf;
use ubf_net::testing::{ScriptedPeer, within};

const HELLO: &str = "{'ubf1.0',\"meta_server\",\"help\"}$\n";
/// What a server tells of a door whose only request is `{x}`.
fn contract() -> String {
    let text = "+NAME(\"door\"). +VSN(\"1\"). +TYPES x() :: {x}; ok() :: ok.
        +STATE open x() => ok() & open.";
    let contract = ubf_contract::Reader::new().read(text).unwrap();
    String::from_utf8(ubf_codec::Encoder::new().encode(&contract.to_term())).unwrap()
}

struct Server(TcpListener);

impl Server {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn client(&self, flavour: Flavour) -> ClassicBuilder {
        let address = self.0.local_addr().unwrap().to_string();
        Client::builder().address(address).keep_events().classic(flavour)
    }

    async fn accept(&self) -> ScriptedPeer {
        ScriptedPeer { stream: within(self.0.accept()).await.unwrap().0 }
    }

    /// A client that has heard the hello.
    async fn greeted(&self) -> (ClassicClient, ScriptedPeer) {
        let client = self.client(Flavour::Erl2).connect();
        let greeting = async {
            let mut peer = self.accept().await;
            peer.send(HELLO).await;
            peer
        };
        let (client, peer) = tokio::join!(client, greeting);
        (client.unwrap(), peer)
    }
}

#[tokio::test]
async fn a_service_is_started_and_called_and_its_state_is_known() {
    let server = Server::new().await;
    let (client, mut peer) = server.greeted().await;
    assert_eq!(client.status().borrow().hello.as_ref().unwrap().name, ubf!("meta_server"));
    let playing = async {
        peer.expect("{'startSession'\"door\"#}$\n").await;
        peer.send("{{'ok','welcome'},'shut'}$\n").await;
        peer.expect("{'open'7}$\n").await;
        peer.send("'ok'>!{{!,7},'opened'}$\n").await;
        peer
    };
    let calling = async {
        let started = client.start("door", ubf!([])).await.unwrap();
        assert_eq!(started.into_parts(), (ubf!(welcome), Some(ubf!(shut))));
        assert_eq!(client.status().borrow().level, Level::Service);
        let reply = client.call(ubf!({open, 7})).await.unwrap();
        assert_eq!((reply.response(), reply.state()), (&ubf!({ok, 7}), Some(&ubf!(opened))));
        assert_eq!(client.status().borrow().state, Some(ubf!(opened)));
    };
    let (peer, ()) = tokio::join!(playing, calling);
    client.close(Duration::from_secs(5)).await;
    peer.expect_end("").await;
}

#[tokio::test]
async fn one_call_is_under_way_and_the_next_waits_for_its_answer() {
    let server = Server::new().await;
    let (client, mut peer) = server.greeted().await;
    let (one, two) = (client.call(ubf!(one)), client.call(ubf!(two)));
    let playing = async {
        peer.expect("'one'$\n").await;
        assert!(peer.has_heard_all());
        // An event is never a reply.
        peer.send("{'event_out',{'news',1}}$\n{1,'s'}$\n").await;
        peer.expect("'two'$\n").await;
        peer.send("{2,'s'}$\n").await;
    };
    let (one, two, ()) = tokio::join!(one, two, playing);
    assert_eq!((one.unwrap().response(), two.unwrap().response()), (&ubf!(1), &ubf!(2)));
    let mut events = client.events().unwrap();
    let Some(ClassicIncoming::Event(event)) = within(events.recv()).await else { panic!() };
    assert_eq!(event.event(), ubf!({news, 1}));
    within(client.cast(ubf!({knock, 1}))).await.unwrap();
    peer.expect("{'event_in'{'knock'1}}$\n").await;
    assert!(client.events().is_none());
    drop(peer);
    assert!(within(events.recv()).await.is_none());
}

#[tokio::test]
async fn a_lost_connection_ends_each_call_once_and_none_is_sent_again() {
    let server = Server::new().await;
    let (client, mut peer) = server.greeted().await;
    let losing = async {
        peer.expect("'sent'$\n").await;
        drop(peer);
    };
    let (sent, waits, ()) = tokio::join!(client.call(ubf!(sent)), client.call(ubf!(waits)), losing);
    let (sent, waits) = (sent.unwrap_err(), waits.unwrap_err());
    assert!(matches!(sent, CallError::Indeterminate(_)) && sent.may_have_run(), "{sent}");
    assert!(matches!(waits, CallError::NotSent(_)) && !waits.may_have_run(), "{waits}");
    assert_eq!(within(client.ended()).await, EndReason::ByServer);
    let late = within(client.call(ubf!(late))).await.unwrap_err();
    assert_eq!(late, CallError::NotSent(EndReason::ByServer));
    // Nobody connects again.
    let nobody = tokio::time::timeout(Duration::from_millis(50), server.0.accept()).await;
    assert!(nobody.is_err());
}

#[tokio::test]
async fn a_call_that_takes_too_long_ends_the_connection() {
    let server = Server::new().await;
    let (client, mut peer) = server.greeted().await;
    let call = client.call(ubf!(slow)).within(Duration::from_millis(20));
    let (ended, ()) = tokio::join!(call, peer.expect("'slow'$\n"));
    assert_eq!(ended.unwrap_err(), CallError::Indeterminate(EndReason::Deadline));
    peer.expect_end("").await;
}

#[tokio::test]
async fn the_contract_is_fetched_and_holds_from_there_on() {
    let server = Server::new().await;
    let (client, mut peer) = server.greeted().await;
    let playing = async {
        peer.expect("{'startSession'\"door\"#}$\n").await;
        peer.send("{{'ok','ok'},'open'}$\n").await;
        peer.expect("'contract'$\n").await;
        peer.send(&contract()).await;
        peer.expect("{'x'}$\n").await;
        peer.send("{'no','open'}$\n").await;
        peer.expect("'anything'$\n").await;
        peer.send("{'ok','open'}$\n").await;
    };
    let calling = async {
        client.start("door", ubf!([])).await.unwrap();
        let contract = client.fetch_contract().await.unwrap();
        assert_eq!(contract.name().text, "door");
        let error = client.call(ubf!(anything)).await.unwrap_err();
        assert!(matches!(error, CallError::NotAllowed(_)), "{error}");
        let error = client.call(ubf!({ x })).await.unwrap_err();
        assert!(matches!(error, CallError::ReplyNotAllowed { .. }) && error.may_have_run());
        client.hold_to(None);
        client.call(ubf!(anything)).await.unwrap();
    };
    tokio::join!(playing, calling);
}

#[tokio::test]
async fn each_address_is_tried_and_what_is_wrong_with_it_is_said() {
    let nobody = Server::new().await.0.local_addr().unwrap();
    let (other, good) = (Server::new().await, Server::new().await);
    let [other_at, good_at] = [&other, &good].map(|server| server.0.local_addr().unwrap());
    let builder = |addresses: &[std::net::SocketAddr]| {
        let builder = addresses
            .iter()
            .fold(Client::builder(), |builder, address| builder.address(address.to_string()));
        builder.classic(Flavour::Erl116)
    };
    let playing = async {
        let mut peer = other.accept().await;
        peer.send("{'ebf1.0',1,2}$").await;
        let mut peer = good.accept().await;
        peer.send(HELLO).await;
        peer
    };
    let (client, _peer) = tokio::join!(builder(&[nobody, other_at, good_at]).connect(), playing);
    assert_eq!(client.unwrap().status().borrow().target.to_string(), good_at.to_string());

    let playing = async {
        let mut peer = other.accept().await;
        peer.send("{'ebf1.0',1,2}$").await;
        peer
    };
    let (error, _peer) = tokio::join!(builder(&[nobody, other_at]).connect(), playing);
    let error = error.unwrap_err();
    let ClassicConnectError::Unreachable { failures } = &error else { panic!("{error}") };
    assert!(matches!(failures[0].1, Refusal::Dial(_)), "{error}");
    assert_eq!(
        failures[1].1,
        Refusal::Session(EndReason::NotHello("{'ebf1.0',1,2}".parse().unwrap()))
    );
}

#[tokio::test]
async fn a_server_may_be_silent_until_it_is_spoken_to() {
    let server = Server::new().await;
    let builder = server.client(Flavour::Joe).hello(HelloMode::None).simple_rpc();
    let connecting = builder.without_meta_level().pipelining().connect();
    let (client, mut peer) = tokio::join!(connecting, server.accept());
    let client = client.unwrap();
    let playing = async {
        peer.expect("'one'$\n'two'$\n").await;
        peer.send("1${'event','e'}$2$").await;
    };
    let (one, two, ()) = tokio::join!(client.call(ubf!(one)), client.call(ubf!(two)), playing);
    assert_eq!(one.unwrap().into_parts(), (ubf!(1), None));
    assert_eq!(two.unwrap().into_parts(), (ubf!(2), None));
    let error = within(client.cast(ubf!(x))).await.unwrap_err();
    assert_eq!(error, CallError::NoEvents);
}

#[tokio::test]
async fn calls_beyond_the_limit_wait_for_a_place() {
    let server = Server::new().await;
    let address = server.0.local_addr().unwrap().to_string();
    let builder = Client::builder().address(address).max_pending(1).classic(Flavour::Erl2);
    let (client, mut peer) =
        tokio::join!(builder.hello(HelloMode::None).connect(), server.accept());
    let client = client.unwrap();
    let first = tokio::spawn(client.call(ubf!(first)));
    peer.expect("'first'$\n").await;
    let second = client.call(ubf!(second)).within(Duration::from_millis(20));
    assert_eq!(within(second).await.unwrap_err(), CallError::TooManyCalls);
    peer.send("{1,'s'}$").await;
    assert!(within(first).await.unwrap().is_ok());
}

#[cfg(feature = "serde")]
#[tokio::test]
async fn requests_replies_and_events_can_be_values() {
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        Price(String),
        Cents(u32),
    }

    let server = Server::new().await;
    let (client, mut peer) = server.greeted().await;
    let playing = async {
        peer.expect("{'price'\"tea\"}$\n").await;
        peer.send("{{'cents',480},'start'}$\n{'event_out',{'price',\"tea\"}}$\n").await;
    };
    let call = client.call_typed(&Word::Price("tea".into())).unwrap();
    let (reply, ()) = tokio::join!(call, playing);
    let reply = reply.unwrap();
    assert_eq!(reply.response_as::<Word>().unwrap(), Word::Cents(480));
    assert!(reply.response_as::<u32>().is_err());
    let event = within(client.events().unwrap().next_event()).await.unwrap();
    assert_eq!(event.event_as::<Word>().unwrap(), Word::Price("tea".into()));
}
