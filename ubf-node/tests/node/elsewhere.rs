//! Rows go to a node of another machine, by mutual TLS, through links that are cut at each step;
//! and no node gives rows to a stranger, or takes them from one (U5).

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use ubf_client::tls::ClientTls;
use ubf_client::{CallError, Client, Reply};
use ubf_codec::{Term, ubf};
use ubf_net::testing::{Authority, within};

use crate::handoff::{Load, stage};
use crate::process::Program;

/// A network between two machines, which can be cut.
pub(crate) struct Link {
    port: u16,
    state: Arc<watch::Sender<State>>,
    running: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct State {
    to: String,
    is_cut: bool,
    /// Connections that are carried.
    open: u64,
    /// Connections that were not let through.
    refused: u64,
}

impl Link {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(watch::Sender::new(State::default()));
        let running = tokio::spawn(Self::carry(listener, Arc::clone(&state)));
        Self { port, state, running }
    }

    /// Where nodes find what is behind it.
    pub(crate) fn place(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// It leads to this address from here on.
    pub(crate) fn lead_to(&self, to: &str) {
        self.state.send_modify(|state| to.clone_into(&mut state.to));
    }

    /// Nothing comes through any more when this has ended.
    pub(crate) async fn cut(&self) {
        self.state.send_modify(|state| (state.is_cut, state.refused) = (true, 0));
        let mut carried = self.state.subscribe();
        within(carried.wait_for(|state| state.open == 0)).await.unwrap();
    }

    pub(crate) fn mend(&self) {
        self.state.send_modify(|state| state.is_cut = false);
    }

    async fn carry(listener: TcpListener, state: Arc<watch::Sender<State>>) {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let now = state.borrow().clone();
            if now.is_cut {
                state.send_modify(|state| state.refused += 1);
                continue;
            }
            let mut cut = state.subscribe();
            state.send_modify(|state| state.open += 1);
            let state = Arc::clone(&state);
            tokio::spawn(async move {
                let carried = async move {
                    let Ok(mut far) = TcpStream::connect(&now.to).await else { return };
                    let _ended = copy_bidirectional(&mut near, &mut far).await;
                };
                tokio::select! {
                    () = carried => {}
                    _cut = cut.wait_for(|state| state.is_cut) => {}
                }
                state.send_modify(|state| state.open -= 1);
            });
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Who has certificates, and who may do what.
pub(crate) struct Hall {
    authority: Authority,
}

pub(crate) const POLICY: &str =
    "[control]\nsee = [\"viewer.example\"]\nsteer = [\"ops-*.example\"]\nnode = [\"localhost\"]\n";

impl Hall {
    pub(crate) fn new(name: &str) -> Self {
        let authority = Authority::new(name);
        for who in ["ops-1.example", "viewer.example", "localhost"] {
            authority.sign_host(who, who);
        }
        let hall = Self { authority };
        for node in ["a", "b"] {
            hall.say(node, POLICY);
        }
        hall
    }

    /// The policy of a node.
    fn say(&self, node: &str, policy: &str) {
        fs::write(self.file(&format!("{node}-policy.toml")), policy).unwrap();
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.authority.file(name)
    }

    pub(crate) fn client(&self) -> ClientTls {
        self.authority.client()
    }

    /// What a node is started with that other machines reach by a link.
    pub(crate) fn arguments(&self, node: &str, link: &Link) -> Vec<String> {
        let file = |name: &str| self.file(name).display().to_string();
        let all = [
            ("--tls-cert", file("localhost.pem")),
            ("--tls-key", file("localhost.key")),
            ("--control-listen", "127.0.0.1:0".to_owned()),
            ("--control-client-ca", file("ca.pem")),
            ("--control-advertise", link.place()),
            ("--control", file(&format!("{node}-control"))),
            ("--policy", file(&format!("{node}-policy.toml"))),
            ("--audit", file(&format!("{node}-audit"))),
        ];
        all.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }
}

/// A node of a machine.
pub(crate) struct Node {
    control: String,
    link: Link,
    /// What it is to do by itself: a fault at a step.
    fault: PathBuf,
    pub(crate) program: Program,
}

impl Node {
    pub(crate) async fn start(hall: &Hall, name: &str, more: &[&str]) -> Self {
        let (link, fault) = (Link::new().await, hall.file(&format!("{name}-fault")));
        let said_by = format!("@{}", fault.display());
        let own = hall.arguments(name, &link);
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let arguments = [&own[..], &["--service", "kv"], more].concat();
        let (program, operators) = Program::start_with_operators_and_fault(&arguments, &said_by);
        link.lead_to(&operators);
        let control = format!("unix:{}", hall.file(&format!("{name}-control")).display());
        Self { control, link, fault, program }
    }

    async fn with_data(hall: &Hall, name: &str, more: &[&str]) -> Self {
        let data = hall.file(&format!("{name}-data")).display().to_string();
        Self::start(hall, name, &[&["--data", &data], more].concat()).await
    }

    /// Where nodes of other machines speak to it.
    fn place(&self) -> String {
        format!("ubfs://{}", self.link.place())
    }

    async fn operator(&self) -> Client {
        let client = Client::builder()
            .address(&self.control)
            .service("control")
            .versions([2])
            .call_time(Duration::from_secs(20));
        within(client.connect()).await.unwrap()
    }

    async fn ask(&self, request: Term) -> Term {
        let reply = self.operator().await.call(request).await;
        reply.map_or_else(|error| Term::string(error.to_string()), |reply| reply.response().into())
    }

    async fn hand_off_to(&self, to: &str) -> Term {
        self.ask(ubf!({hand_off, all, (to), (Term::Undefined)})).await
    }

    #[cfg(feature = "postgres")]
    pub(crate) async fn hand_off(&self, to: &Self) -> Term {
        self.hand_off_to(&to.place()).await
    }

    pub(crate) async fn owns(&self) -> bool {
        self.ask(ubf!({rows, all})).await.to_string().starts_with("{rows,")
    }
}

/// When a link is mended that was cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mended {
    /// When the hand-off is over, and nothing came of it.
    TooLate,
    /// When somebody has noticed.
    Soon,
}

/// A hand-off that was asked for, and in which a node has stopped at a step.
async fn asked_and_stopped(
    step: &str,
    [giver, taker]: [&Node; 2],
    stops: &Node,
) -> JoinHandle<Result<Reply, CallError>> {
    // On a machine that has much else to do an attempt may take too long, and nothing comes of it.
    for _ in 0..10 {
        fs::write(&stops.fault, format!("stop:{step}")).unwrap();
        let (operator, to) = (giver.operator().await, taker.place());
        let asked = tokio::spawn(async move {
            operator.call(ubf!({hand_off, all, (to.as_str()), (Term::Undefined)})).await
        });
        while !asked.is_finished() {
            if stops.program.is_stopped() {
                return asked;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let report = asked.await.unwrap().unwrap().response().to_string();
        assert!(report.starts_with("{error,"), "{step} was not met: {report}");
    }
    panic!("no attempt came to {step}");
}

/// The links of both nodes are cut while one of them is stopped at a step of a hand-off, which is
/// asked for in this moment.
pub(crate) async fn cut_at(step: &str, nodes: [&Node; 2], mended: Mended, load: &mut Load) {
    let [giver, taker] = nodes;
    let stops = if step.starts_with("a-") { giver } else { taker };
    let mut asked = asked_and_stopped(step, nodes, stops).await;
    for node in nodes {
        node.link.cut().await;
    }
    stops.program.signal("CONT");
    let mut is_given = false;
    match mended {
        Mended::TooLate => {
            let report = within(asked).await.unwrap().unwrap();
            is_given = !report.response().to_string().starts_with("{error,");
        }
        Mended::Soon => {
            let noticed = nodes.map(|node| node.link.state.subscribe());
            let [mut by_asking, mut by_coming] = noticed;
            tokio::select! {
                // It was over before.
                _ended = &mut asked => {}
                _asks = by_asking.wait_for(|state| state.refused > 0) => {}
                _comes = by_coming.wait_for(|state| state.refused > 0) => {}
            }
        }
    }
    for node in nodes {
        node.link.mend();
    }
    load.goes_on(20).await;
    let owners = [giver.owns().await, taker.owns().await];
    assert!(owners[0] != owners[1], "{step}: {owners:?}");
    // In a database the other node may have claimed the rows, while this one hesitated.
    assert!(!is_given || owners[1], "{step}: given, and still here");
}

/// Two nodes with data and links, and clients that speak TLS, too.
async fn two(hall: &Hall) -> (Node, Node, Load) {
    let a = Node::with_data(hall, "a", &[]).await;
    let b = Node::with_data(hall, "b", &["--standby"]).await;
    let mut load = Load::by_tls([&a, &b].map(|node| node.program.address()), hall.client()).await;
    load.goes_on(20).await;
    (a, b, load)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u5_a_link_that_is_cut_before_the_commit_point_leaves_the_rows_where_they_are() {
    let hall = Hall::new("before");
    let (a, b, mut load) = two(&hall).await;
    for step in ["b-offered", "a-suspended", "a-sent", "b-copied", "b-prepared"] {
        cut_at(step, [&a, &b], Mended::TooLate, &mut load).await;
        assert!(a.owns().await, "{step}");
    }
    // When it has heard of the copy it depends on nobody else.
    cut_at("a-prepared", [&a, &b], Mended::Soon, &mut load).await;
    assert!(b.owns().await);
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u5_a_link_that_is_cut_behind_the_commit_point_is_waited_for() {
    let hall = Hall::new("behind");
    let (a, b, mut load) = two(&hall).await;
    let mut nodes = [&a, &b];
    for step in ["a-moved", "b-activating", "b-owned", "b-active", "a-active"] {
        cut_at(step, nodes, Mended::Soon, &mut load).await;
        let [giver, taker] = nodes;
        assert!(!giver.owns().await && taker.owns().await, "{step}");
        nodes.reverse();
    }
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u5_rows_go_by_mutual_tls_to_nodes_that_both_policies_name_and_to_no_others() {
    let hall = Hall::new("named");
    let mut a = Node::with_data(&hall, "a", &[]).await;
    let mut b = Node::with_data(&hall, "b", &["--standby"]).await;
    let refused = async |hall: &Hall, a: &mut Node, b: &mut Node, policies: [&str; 2], to: &str| {
        for (node, policy) in [("a", policies[0]), ("b", policies[1])] {
            hall.say(node, policy);
        }
        for node in [&mut *a, &mut *b] {
            node.program.signal("HUP");
            node.program.logs("policy reloaded");
        }
        let report = a.hand_off_to(to).await.to_string();
        assert!(report.starts_with("{error,"), "{report}");
        assert!(a.owns().await && !b.owns().await);
        report
    };
    let to = b.place();
    let said = refused(&hall, &mut a, &mut b, ["", POLICY], &to).await;
    assert!(said.contains("localhost is no node that the policy of this one names"), "{said}");
    let said = refused(&hall, &mut a, &mut b, [POLICY, ""], &to).await;
    assert!(said.contains("not_allowed"), "{said}");
    // B could not ask A what became of them: a name that A's certificate has not.
    let other = POLICY.replace("localhost", "localhost from 127.0.0.0/8");
    let said = refused(&hall, &mut a, &mut b, [POLICY, &other], "ubfs://127.0.0.1:1").await;
    assert!(said.contains("127.0.0.1 is no node"), "{said}");
    let plain = to.replace("ubfs://", "");
    let said = refused(&hall, &mut a, &mut b, [POLICY, POLICY], &plain).await;
    assert!(said.contains("nodes of other machines speak by TLS alone"), "{said}");
    // Who may see, or whose files are not here, may not.
    let by_network = async |who: &str, service: &str, request: Term| {
        let client = Client::builder().address(a.place()).tls(hall.authority.client_as(who));
        let client =
            client.service(service).versions([1, 2]).connect_within(Duration::from_secs(5));
        match within(client.connect()).await {
            Ok(client) => within(client.call(request)).await.unwrap().response().to_string(),
            Err(error) => format!("{error:?}"),
        }
    };
    let order = |to: &str| ubf!({hand_off, all, (to), (Term::Undefined)});
    for (who, request) in [("viewer.example", order(&to)), ("ops-1.example", order(&b.control))] {
        assert_eq!(by_network(who, "control", request).await, "{error,not_allowed}", "{who}");
    }
    let claim: Term = "{claim,\"kv\",{5,1,77}}".parse().unwrap();
    let said = by_network("ops-1.example", "handoff", claim.clone()).await;
    assert!(said.contains("not_allowed"), "{said}");
    let said = by_network("localhost", "control", ubf!(status)).await;
    assert!(said.contains("not_allowed"), "{said}");
    // A node may speak, and no other node of its machine is meant with a file of its own.
    let offer = "{offer,\"kv\",{5,1,77},{{2,2,2},{1,1,1}},9,\"unix:/a\",\"a.example:4000\"}";
    let said = by_network("localhost", "handoff", offer.parse().unwrap()).await;
    assert!(said.contains("unix:/a is no address by which this machine"), "{said}");
    // Whoever steers gives them to a node that is named.
    assert_eq!(
        stage(&by_network("ops-1.example", "control", order(&to)).await.parse().unwrap()),
        "given"
    );
    assert!(!a.owns().await && b.owns().await);
    let audit = fs::read_to_string(hall.file("b-audit")).unwrap();
    let records: Vec<_> =
        audit.lines().filter(|line| line.contains("\"who\":\"localhost\"")).collect();
    assert_eq!(records.len(), 2, "{audit}");
    assert!(records[0].contains("{offer,") && records[1].contains("{activate,"), "{audit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u5_a_node_with_a_certificate_of_another_authority_gets_no_rows_and_gives_none() {
    let (hall, other) = (Hall::new("ours"), Hall::new("theirs"));
    let a = Node::with_data(&hall, "a", &[]).await;
    let b = Node::with_data(&other, "b", &["--standby"]).await;
    let report = a.hand_off_to(&b.place()).await.to_string();
    assert!(report.contains("nvalid peer certificate: UnknownIssuer"), "{report}");
    // A trusts B's authority, and B does not know A's.
    let trusting = other.file("ca.pem").display().to_string();
    drop(a);
    let a = Node::with_data(&hall, "a", &["--node-ca", &trusting]).await;
    let report = a.hand_off_to(&b.place()).await.to_string();
    assert!(report.contains("received fatal alert"), "{report}");
    assert!(a.owns().await && !b.owns().await);
}
