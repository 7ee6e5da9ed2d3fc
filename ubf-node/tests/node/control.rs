//! The control socket: its file, and its contract in literal bytes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use ubf_net::testing::{ScriptedPeer, within};
use ubf_node::control::Control;
use ubf_server::{Phase, Report, Server, ServerHandle};

use crate::support::{Running, start};

struct Operator {
    peer: ScriptedPeer<UnixStream>,
    path: PathBuf,
    handle: ServerHandle,
    running: JoinHandle<Report>,
    version: u32,
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ubf-{}-{name}.socket", std::process::id()))
}

impl Operator {
    /// Connects to a server that runs, by a socket of this name.
    async fn of(server: &Running, name: &str) -> Self {
        Self::speaking(1, server, name).await
    }

    /// The same in a version of the contract.
    async fn speaking(version: u32, server: &Running, name: &str) -> Self {
        let path = path(name);
        let control = Server::builder()
            .listen_unix(&path)
            .service(Control::NAME, Control::new(server.handle.clone()));
        let control = control.bind().await.unwrap();
        let (handle, running) = (control.handle(), tokio::spawn(control.run()));
        let mut peer = ScriptedPeer { stream: UnixStream::connect(&path).await.unwrap() };
        let negotiate = format!("0 {{'negotiate'1\"control\"#{version}&#}}$");
        let agreed =
            format!("{version} ? {{'agreed'1\"control\"#1&2&#{{'max_packet'16777216}}&}}$");
        peer.exchange(&negotiate, &agreed).await;
        Self { peer, path, handle, running, version }
    }

    async fn ask(&mut self, request: &str) -> String {
        self.peer.send(&format!("{} {request}$", self.version)).await;
        self.peer.packet().await
    }

    /// Each request has this response, in this phase.
    async fn asks(&mut self, exchanges: &[(&str, &str)]) {
        for (request, response) in exchanges {
            let expected = format!("{} ? {response}$", self.version);
            assert_eq!(self.ask(request).await, expected, "{request}");
        }
    }

    async fn end(self) {
        self.handle.stop();
        assert!(self.running.await.unwrap().is_clean());
        assert!(!self.path.exists(), "the file is removed");
    }
}

#[tokio::test]
async fn an_operator_withdraws_and_restores_versions_by_hand() {
    let server = start(Server::builder()).await;
    let mut client = server.connect().await;
    let mut operator = Operator::of(&server, "versions").await;
    client.exchange("10 'here'$", "10 ? {'here''start'}$").await;
    operator
        .asks(&[
            ("{'withdraw'?10}", "{'ok''serving'}"),
            ("{'withdraw''all'10}", "{'ok''serving'}"),
            ("{'withdraw''all'11}", "{{'error''unknown_version'}'serving'}"),
            ("{'withdraw'\"kv\"10}", "{{'error''unknown_version'}'serving'}"),
        ])
        .await;
    client.exchange("10 'here'$", "0 ? {'refused'{'version'10}#1&2&3&4&5&9&14&2}$").await;
    let status = operator.ask("'status'").await;
    assert!(status.contains("{'services'#{?#14&9&5&4&3&2&1&#10&}&}"), "{status}");
    operator.asks(&[("{'restore'?10}", "{'ok''serving'}")]).await;
    assert!(server.handle.status().withdrawn.values().all(ubf_server::Versions::is_empty));
    operator.end().await;
    server.stop().await;
}

#[tokio::test]
async fn an_operator_drains_undrains_and_shuts_down_by_hand() {
    let server = start(Server::builder()).await;
    let mut operator = Operator::of(&server, "drain").await;
    let mut client = server.connect().await;
    client
        .exchange(
            "0 {'negotiate'1?#3&#}$",
            "3 ? {'agreed'1?#1&2&3&4&5&9&10&14&#{'max_packet'16777216}&}$",
        )
        .await;
    operator
        .asks(&[
            ("'sessions'", "{{'sessions'1#{?3 1}&}'serving'}"),
            ("'undrain'", "{{'error''not_draining'}'serving'}"),
            ("{'drain'???}", "{{'error''no_peers'}'serving'}"),
            ("{'drain'\"b.example:4000\"100000?}", "{'ok''draining'}"),
        ])
        .await;
    client.send("3 'work'$").await;
    while !client.packet().await.starts_with("3 \"b.example:4000\" {'work'") {}
    operator.asks(&[("'undrain'", "{'ok''serving'}")]).await;
    client.exchange("3 'work'$", "3 ? {'work''start'}$").await;
    operator
        .asks(&[
            ("{'shut_down'5000}", "{'ok''closing'}"),
            ("{'drain'\"b:1\"??}", "{{'error''closing'}'closing'}"),
        ])
        .await;
    client.expect_end("0 ? {'closing''shutdown'3}$").await;
    assert!(server.report().await.is_clean());
    operator.asks(&[("'undrain'", "{{'error''not_listening'}'stopped'}")]).await;
    operator.end().await;
}

#[tokio::test]
async fn an_operator_lists_sessions_by_hand() {
    let server = start(Server::builder()).await;
    let mut operator = Operator::speaking(2, &server, "list-sessions").await;
    operator.asks(&[("{'list_sessions'0 10}", "{{'sessions'#}'serving'}")]).await;
    let mut client = server.connect().await;
    client.send("0 {'negotiate'1?#3&#{'session'16~0123456789abcdef~8 4096 60000}&}$").await;
    assert!(client.packet().await.contains("{'session'8 4096 16777216 60000'memory'}"));
    let one = operator.ask("{'list_sessions'0 10}").await;
    let peer = format!("?\"{}\"1 ", client.stream.local_addr().unwrap());
    assert!(one.starts_with("2 ? {{'sessions'#{1\"") && one.contains(&peer), "{one}");
    assert!(one.ends_with("'false'0 0}&}'serving'}$"), "{one}");
    operator.asks(&[("{'list_sessions'1 10}", "{{'sessions'#}'serving'}")]).await;
    let status = operator.ask("'status'").await;
    assert!(status.contains("{'sessions'1}"), "{status}");
    client.send("0 {'seen'0 0'end'}$").await;
    while operator.ask("{'list_sessions'0 10}").await != "2 ? {{'sessions'#}'serving'}$" {}
    operator.end().await;
    server.stop().await;
}

#[tokio::test]
async fn peers_that_change_are_told_to_old_and_new_sessions() {
    let server = start(Server::builder()).await;
    let mut operator = Operator::of(&server, "peers").await;
    let mut old = server.connect().await;
    old.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    let peers = format!("{{'set_peers'\"b.example:4000,{}\"}}", server.address);
    operator.asks(&[(&peers, "{'ok''serving'}")]).await;
    let mut new = server.connect().await;
    for client in [&mut old, &mut new] {
        client.send("0 {'negotiate'1?#3&#}$").await;
        // The server itself is none of them.
        assert!(client.packet().await.contains("{'peers'\"b.example:4000\"}"));
    }
    operator
        .asks(&[
            ("{'set_load_marks''calls'0 0?}", "{'ok''serving'}"),
            ("'clear_load_marks'", "{'ok''serving'}"),
            ("{'set_peers'?}", "{'ok''serving'}"),
            ("{'set_load_marks''calls'0 0?}", "{{'error''no_peers'}'serving'}"),
        ])
        .await;
    assert!(server.handle.status().peers.is_empty());
    operator.end().await;
    drop((old, new));
    server.stop().await;
}

#[tokio::test]
async fn l3_what_is_no_request_gets_an_answer_that_lists_them() {
    let server = start(Server::builder()).await;
    let mut operator = Operator::of(&server, "unknown").await;
    let answer = operator.ask("{'drain'\"nowhere\"??}").await;
    assert!(answer.starts_with("1 ? {{'clientBrokeContract'{'drain'\"nowhere\"??}#"), "{answer}");
    assert!(answer.contains("\"{set_load_marks,Unit,Low,High,NextIp}\""), "{answer}");
    operator.asks(&[("'undrain'", "{{'error''not_draining'}'serving'}")]).await;
    operator.end().await;
    server.stop().await;
}

#[tokio::test]
async fn the_status_names_all_that_an_operator_wants_to_see() {
    let server = start(Server::builder()).await;
    let mut operator = Operator::of(&server, "status").await;
    server.connect().await.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    let status = operator.ask("'status'").await;
    for part in [
        "1 ? {{'status'#",
        "{'phase''serving'}",
        "{'time_left_ms'?}",
        "{'next_ip'?}",
        "{'listening''true'}",
        "{'overloaded''false'}",
        "{'load_marks'?}",
        "{'peers'?}",
        "{'requests'1}",
        &format!("{{'pid'{}}}", std::process::id()),
        &format!("{{'addresses'#\"{}\"&}}", server.address),
        "'serving'}$",
    ] {
        assert!(status.contains(part), "{part} in {status}");
    }
    operator.end().await;
    server.stop().await;
}

async fn listen(path: &Path) -> Result<Server, String> {
    let server = start(Server::builder()).await;
    let control = Server::builder()
        .listen_unix(path)
        .service(Control::NAME, Control::new(server.handle.clone()));
    server.handle.stop();
    control.bind().await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_socket_belongs_to_its_owner_and_takes_the_place_of_a_dead_one_only() {
    let path = path("file");
    let first = listen(&path).await.unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let error = listen(&path).await.unwrap_err();
    assert_eq!(error, format!("cannot listen on {}: another server listens there", path.display()));
    drop(first);
    assert!(!path.exists());
    // As a process that was killed leaves it.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let second = loop {
        // A process that another test is about to start may hold the dead one for a moment.
        match listen(&path).await {
            Ok(server) => break server,
            Err(error) => assert!(error.ends_with("another server listens there"), "{error}"),
        }
    };
    // A file that somebody else put there stays.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    drop(second);
    let error = listen(&path).await.unwrap_err();
    assert!(error.ends_with("there is a file that is no socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn r5_a_drain_to_itself_stops_to_listen_before_it_tells_the_clients() {
    let server = start(Server::builder()).await;
    let mut operator = Operator::of(&server, "self").await;
    let mut client = server.connect().await;
    client.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    let drain = format!("{{'drain'\"{}\"100000?}}", server.address);
    operator.asks(&[(&drain, "{'ok''draining'}")]).await;
    // Whoever is told finds a successor, or nobody: never this server.
    client.expect(&format!("0 \"{}\" {{'moved'", server.address)).await;
    let closed = async {
        // A process that another test is about to start may hold the listener for a moment.
        while tokio::net::TcpStream::connect(server.address).await.is_ok() {}
    };
    within(closed).await;
    client.packet().await;
    client.exchange("1 'work'$", &format!("1 \"{}\" {{'work''start'}}$", server.address)).await;
    operator.asks(&[("'undrain'", "{{'error''not_listening'}'draining'}")]).await;
    assert_eq!(server.handle.status().phase, Phase::Draining);
    drop(client);
    assert!(server.report().await.is_clean());
    operator.end().await;
}

#[tokio::test]
async fn an_operator_lists_connections_closes_one_and_moves_one() {
    let server = start(Server::builder()).await;
    let mut operator = Operator::speaking(2, &server, "connections").await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    first.exchange("0 'ping'$", "0 ? 'pong'$").await;
    second.exchange("0 {'negotiate'1?#3&#{'agent'\"me/1\"}&}$3 'here'$", "3 ? {'agreed'").await;
    while !second.packet().await.starts_with("3 ? {'here'") {}
    let list = operator.ask("{'list_connections'0 10}").await;
    let peer = |client: &crate::support::Peer| client.stream.local_addr().unwrap();
    assert!(list.contains(&format!("{{1\"{}\"???0 ", peer(&first))), "{list}");
    assert!(list.contains(&format!("{{2\"{}\"?3\"me/1\"0 ", peer(&second))), "{list}");
    let list = operator.ask("{'list_connections'1 10}").await;
    assert!(!list.contains("{1\""), "only those after it: {list}");
    operator
        .asks(&[
            ("'connections'", "{{'connections'2#{?3 1}&}'serving'}"),
            ("{'kick'7 0}", "{{'error''unknown_connection'}'serving'}"),
            ("{'kick'1 0}", "{'ok''serving'}"),
        ])
        .await;
    first.expect_end("0 ? {'closing''operator'1}$").await;
    operator.asks(&[("{'move_connection'2\"b.example:4000\"60000}", "{'ok''serving'}")]).await;
    second.expect("0 \"b.example:4000\" {'moved'").await;
    operator.end().await;
    drop(second);
    server.stop().await;
}

#[tokio::test]
async fn a_cordon_turns_new_clients_away_and_those_there_stay() {
    let server = start(Server::builder()).await;
    let mut operator = Operator::speaking(2, &server, "cordon").await;
    let mut there = server.connect().await;
    there.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    operator
        .asks(&[
            ("'uncordon'", "{{'error''not_cordoned'}'serving'}"),
            ("{'cordon'?}", "{'ok''serving'}"),
        ])
        .await;
    server.connect().await.expect_end("0 ? {'closing''cordoned'0}$").await;
    operator.asks(&[("{'set_peers'\"b.example:4000\"}", "{'ok''serving'}")]).await;
    server.connect().await.expect_end("0 \"b.example:4000\" {'closing''cordoned'0}$").await;
    let status = operator.ask("'status'").await;
    assert!(status.contains("{'cordon'{?}}") && status.contains("{'sessions'{0 0}}"), "{status}");
    there.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    operator.asks(&[("'uncordon'", "{'ok''serving'}")]).await;
    server.connect().await.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    operator.end().await;
    server.stop().await;
}

#[tokio::test]
async fn r8_a_drain_that_stays_can_be_taken_back_when_everybody_has_gone() {
    let server = start(Server::builder()).await;
    let mut operator = Operator::speaking(2, &server, "stays").await;
    let mut client = server.connect().await;
    client.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    operator.asks(&[("{'drain_and_stay'\"b.example:4000\"0 0}", "{'ok''draining'}")]).await;
    client.expect("0 \"b.example:4000\" {'moved'").await;
    drop(client);
    while server.handle.status().connections > 0 {
        tokio::task::yield_now().await;
    }
    operator.asks(&[("'undrain'", "{'ok''serving'}")]).await;
    server.connect().await.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    operator.asks(&[("{'drain_and_stay'\"b.example:4000\"0 0}", "{'ok''draining'}")]).await;
    // How far it has come when it answers depends on who is faster.
    assert!(operator.ask("{'shut_down'0}").await.starts_with("2 ? {'ok'"));
    operator.end().await;
    assert!(server.report().await.is_clean());
}

#[tokio::test]
async fn version_2_says_connection_where_version_1_says_session_and_knows_the_journal() {
    let server = start(Server::builder()).await;
    for (version, word, other) in [(1, "sessions", "connections"), (2, "connections", "sessions")] {
        let mut operator = Operator::speaking(version, &server, &format!("words-{version}")).await;
        let status = operator.ask("'status'").await;
        assert!(status.contains(&format!("{{'{word}_by_version'#}}")), "{status}");
        assert!(!status.contains(&format!("{{'{other}_by_version'#}}")), "{status}");
        assert_eq!(status.contains("{'journal'?}"), version == 2, "{status}");
        let answer = operator.ask(&format!("'{other}'")).await;
        assert!(answer.contains("'clientBrokeContract'"), "{answer}");
        operator.end().await;
    }
    server.stop().await;
}
