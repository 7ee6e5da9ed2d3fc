//! Both ends of a passage as literal bytes.

use proptest::prelude::*;

use super::*;

/// The other nodes: what all offer together, and what others than this one speak.
struct Others {
    offered: Versions,
    elsewhere: Versions,
}

impl Directory for Others {
    fn offered(&self, _: &Service) -> Versions {
        self.offered.clone()
    }

    fn takes_instead(&self, _: NodeId, _: &Service, versions: &Versions) -> bool {
        versions.choose(&self.elsewhere).is_some()
    }

    fn is_better_elsewhere(&self, _: NodeId, service: &Service, versions: &Versions) -> bool {
        // This node speaks 10 of the default service.
        let here = versions.iter().find(|version| version.get() == 10 && service.name().is_none());
        versions.choose(&self.elsewhere) > here
    }
}

/// A passage, its others, and what waits in between.
struct Talk {
    passage: Passage,
    others: Others,
    from_client: BytesMut,
    from_node: BytesMut,
    to_node: VecDeque<Bytes>,
    to_client: VecDeque<Bytes>,
}

impl Talk {
    fn new(elsewhere: &[u32]) -> Self {
        let elsewhere = Versions::of(elsewhere.iter().copied());
        let offered = elsewhere.iter().chain(Versions::of([10]).iter()).collect();
        let own = "192.0.2.9:4000".parse().ok();
        let words = Words { own, ..Words::default() };
        Self {
            passage: Passage::new(NodeId(0), Arc::new(words), 0),
            others: Others { offered, elsewhere },
            from_client: BytesMut::new(),
            from_node: BytesMut::new(),
            to_node: VecDeque::new(),
            to_client: VecDeque::new(),
        }
    }

    /// What the node hears of what the client says.
    fn client(&mut self, bytes: &str) -> String {
        self.from_client.extend_from_slice(bytes.as_bytes());
        self.passage.hear_client(&mut self.from_client, &mut self.to_node, &self.others);
        text(&mut self.to_node)
    }

    /// What the client hears of what the node says.
    fn node(&mut self, bytes: &str) -> String {
        self.from_node.extend_from_slice(bytes.as_bytes());
        self.passage.hear_node(&mut self.from_node, &mut self.to_client, &self.others);
        text(&mut self.to_client)
    }

    fn passes(&mut self, bytes: &str) {
        assert_eq!(self.client(bytes), bytes);
    }

    fn effects(&mut self) -> Vec<Effect> {
        self.passage.effects().collect()
    }
}

fn text(pieces: &mut VecDeque<Bytes>) -> String {
    pieces.drain(..).map(|piece| String::from_utf8(piece.to_vec()).unwrap()).collect()
}

const NEGOTIATE: &str = "0 {'negotiate',1,?,#3&10&,#}$";
const AGREED: &str = "10 ? {'agreed'1?#10&#}$";

/// A client that has agreed on 10.
fn agreed(elsewhere: &[u32]) -> Talk {
    let mut talk = Talk::new(elsewhere);
    talk.passes(NEGOTIATE);
    talk.node(AGREED);
    talk.effects();
    talk
}

#[test]
fn f5_3_the_list_of_an_answer_speaks_for_all_nodes() {
    let mut talk = Talk::new(&[2, 3, 12]);
    talk.passes(NEGOTIATE);
    assert_eq!(talk.node(AGREED), "10 ? {'agreed'1?#2&3&10&12&#}$");
    assert!(matches!(&talk.effects()[..], [Effect::Speaks(_, spoken)] if spoken.len() == 1));
    let mut talk = agreed(&[2]);
    assert_eq!(
        talk.node("0 ? {'refused',{'version',8},#10&,2}$"),
        "0 ? {'refused'{'version'8}#2&10&2}$"
    );
    assert_eq!(talk.node("0 ? {'failed','crash',#10&,3}$"), "0 ? {'failed''crash'#2&10&3}$");
    // Where there is nothing to add, bytes stay as they are.
    let mut talk = agreed(&[]);
    let refused = "0 ? {'refused',{'version',8},#10&,2}$";
    assert_eq!(talk.node(refused), refused);
}

#[test]
fn f5_1_messages_and_their_answers_pass_as_they_are() {
    let mut talk = agreed(&[3]);
    for bytes in ["10 {'event_in', \"$\"}$\n", "10 %$% 5~$$$$$~ $", "0 'ping'$", " 0 {'later',1}$"]
    {
        talk.passes(bytes);
    }
    for bytes in
        ["10 ? {\"$\",'s'}$", "10 ? {'event_out' 1}$", "\n0 ? 'pong'$", "0 ? {'error','x',7}$"]
    {
        assert_eq!(talk.node(bytes), bytes);
    }
    assert_eq!(talk.passage.packets(), 5);
}

#[test]
fn f5_7_a_client_learns_no_address_of_a_node() {
    let mut talk = agreed(&[3, 10]);
    assert_eq!(talk.node("10 \"192.0.2.2:4000\" {1,'s'}$"), "10 \"192.0.2.9:4000\" {1,'s'}$");
    assert_eq!(talk.effects(), [Effect::NodeSendsAway]);
    assert_eq!(
        talk.node("0 \"192.0.2.2:4000\" {'moved',9500}$"),
        "0 \"192.0.2.9:4000\" {'moved',9500}$"
    );
    let mut talk = Talk::new(&[10]);
    talk.passes(NEGOTIATE);
    let answer = "10 \"192.0.2.2:4000\" {'agreed',1,?,#10&,#{'peers',\"192.0.2.2:4000\"}&}$";
    assert_eq!(talk.node(answer), "10 \"192.0.2.9:4000\" {'agreed'1?#10&#}$");
}

#[test]
fn f5_8_a_client_that_no_other_node_would_take_stays() {
    let mut talk = agreed(&[]);
    assert_eq!(talk.node("10 \"192.0.2.2:4000\" {1,'s'}$"), "10 ? {1,'s'}$");
    assert_eq!(talk.node("0 \"192.0.2.2:4000\" {'moved',9500}$"), "");
    assert_eq!(talk.node("0 \"192.0.2.2:4000\" {'closing','bye',2}$"), "0 ? {'closing','bye',2}$");
    assert!(talk.passage.has_ended() && talk.passage.is_settled());
}

#[test]
fn f5_7_next_ip_is_passed_on_where_that_is_wished_for() {
    let mut talk = Talk::new(&[3]);
    talk.passage.words = Arc::new(Words { passes_next_ip: true, ..Words::default() });
    talk.passes(NEGOTIATE);
    let answer = "10 \"192.0.2.2:4000\" {'agreed'1?#10&#{'peers'\"192.0.2.2:4000\"}&}$";
    assert_eq!(
        talk.node(answer),
        "10 \"192.0.2.2:4000\" {'agreed'1?#3&10&#{'peers'\"192.0.2.2:4000\"}&}$"
    );
    let reply = "10 \"192.0.2.2:4000\" {1,'s'}$";
    assert_eq!(talk.node(reply), reply);
}

#[test]
fn f5_6_a_version_that_another_node_speaks_parts_the_two_behind_what_is_due() {
    let mut talk = agreed(&[3]);
    talk.passes("10 'a'$");
    // The message does not pass: the node is asked how far it is.
    assert_eq!(talk.client("3 'b'$3 'c'$"), "0 {'switch'}$");
    assert_eq!(talk.effects(), [Effect::LedElsewhere]);
    assert!(!talk.passage.takes_from_client());
    assert_eq!(talk.node("10 ? {1,'s'}$"), "10 ? {1,'s'}$");
    assert!(!talk.passage.has_ended());
    assert_eq!(
        talk.node("0 ? {'refused','unknown_packet',#10&,3}$"),
        "0 ? {'closing''other_node'2}$"
    );
    assert!(talk.passage.has_ended() && talk.passage.is_settled());
}

#[test]
fn f5_6_a_negotiation_that_another_node_answers_better_parts_them_too() {
    for negotiate in ["0 {'negotiate',1,?,#3&,#}$", "0 {'negotiate',1,\"kv\",#3&,#}$"] {
        let mut talk = agreed(&[3]);
        assert_eq!(talk.client(negotiate), "0 {'switch'}$");
        assert_eq!(
            talk.node("0 ? {'refused','unknown_packet',#10&,2}$"),
            "0 ? {'closing''other_node'1}$"
        );
    }
    // What this node does as well stays here.
    let mut talk = agreed(&[3]);
    talk.passes(NEGOTIATE);
    // So does a version that nobody speaks.
    talk.node(AGREED);
    talk.passes("4 'x'$");
}

#[test]
fn f5_6_refusals_of_the_client_s_own_packets_are_not_taken_for_the_switch_s() {
    let mut talk = agreed(&[3]);
    talk.passes("0 {'later'}$");
    assert_eq!(talk.client("3 'b'$"), "0 {'switch'}$");
    let refused = "0 ? {'refused'{'version'10}#3&10&2}$";
    assert_eq!(talk.node("0 ? {'refused'{'version'10}#10&2}$"), refused);
    assert!(!talk.passage.has_ended());
    talk.node("0 ? {'refused''unknown_packet'#10&3}$");
    assert!(talk.passage.has_ended());
}

#[test]
fn r8_a_switch_that_ends_parts_them_behind_the_packet_that_has_begun() {
    let mut talk = agreed(&[]);
    talk.passes("10 'half");
    talk.passage.leave("shutdown", &mut talk.to_node);
    assert_eq!(text(&mut talk.to_node), "");
    assert_eq!(talk.client(" of it'$10 'next'$"), " of it'$0 {'switch'}$");
    assert_eq!(talk.node("10 ? {1,'s'}$"), "10 ? {1,'s'}$");
    assert_eq!(
        talk.node("0 ? {'refused','unknown_packet',#10&,3}$"),
        "0 ? {'closing''shutdown'2}$"
    );
    // Nothing of a packet that is held back has passed.
    let mut talk = agreed(&[]);
    assert_eq!(talk.client("0 {'negot"), "");
    assert!(talk.passage.holds_a_packet());
    talk.passage.leave("shutdown", &mut talk.to_node);
    assert_eq!(text(&mut talk.to_node), "0 {'switch'}$");
    assert_eq!(
        talk.node("0 ? {'refused','unknown_packet',#10&,2}$"),
        "0 ? {'closing''shutdown'1}$"
    );
}

#[test]
fn r8_while_a_switch_drains_each_packet_names_the_next_one_and_the_silent_are_told() {
    let next: NextIp = "192.0.2.10:4000".parse().unwrap();
    let mut talk = agreed(&[]);
    assert!(talk.passage.drain(&next, &mut talk.to_client, 9500));
    assert_eq!(text(&mut talk.to_client), "0 \"192.0.2.10:4000\" {'moved'9500}$");
    assert_eq!(talk.node("10 ? {1,'s'}$"), "10 \"192.0.2.10:4000\" {1,'s'}$");
    // A notice does not stand within a packet.
    let mut talk = agreed(&[]);
    assert_eq!(talk.node("10 ? {1,"), "10 ? {1,");
    assert!(!talk.passage.drain(&next, &mut talk.to_client, 9500));
    assert_eq!(talk.node("'s'}$"), "'s'}$0 \"192.0.2.10:4000\" {'moved'9500}$");
}

#[test]
fn s_sessions_are_noted_where_they_are_granted_resumed_and_ended() {
    let mut talk = Talk::new(&[]);
    talk.passes("0 {'negotiate',1,?,#10&,#{'session',16~0123456789abcdef~,8,9,1000}&}$");
    talk.node("10 ? {'agreed',1,?,#10&,#{'session',8,9,10,500,'durable'}&}$");
    let id = SessionId::from_bytes(*b"0123456789abcdef");
    let effects = talk.effects();
    assert!(matches!(&effects[..], [Effect::Opened(opened, grant), _]
        if *opened == id && grant.keep.as_millis() == 500));
    assert_eq!(talk.passage.session(), Some(id));
    assert!(talk.node("10 \"192.0.2.2:4000\" {1,'s'}$").starts_with("10 ? "));
    talk.passes("0 {'seen',1,0}$");
    assert_eq!(talk.effects(), [Effect::NodeSendsAway]);
    talk.passes("0 {'seen',1,0,'end'}$");
    assert_eq!(talk.effects(), [Effect::Ended(id)]);

    let mut talk = Talk::new(&[]);
    talk.passes("0 {'negotiate',1,?,#10&,#{'resume',16~0123456789abcdef~,1,0,2}&}$");
    talk.node("10 ? {'agreed',1,?,#10&,#{'resumed',2,0}&}$");
    assert!(talk.effects().contains(&Effect::Resumed(id)));
    talk.node("0 \"192.0.2.2:4000\" {'closing','moved',1}$");
    let effects = talk.effects();
    assert!(matches!(&effects[0], Effect::Moved(moved, Some(_)) if *moved == id), "{effects:?}");
    assert!(!talk.passage.is_settled());
}

#[test]
fn what_cannot_be_followed_passes_and_the_other_end_says_what_is_wrong() {
    let mut talk = agreed(&[3]);
    talk.passes("10 ~x~$ 3 'b'$");
    talk.passes("01 anything");
    let mut talk = agreed(&[3]);
    assert_eq!(talk.node("10 ? ~x~$ 0 \"a:1\" {"), "10 ? ~x~$ 0 \"a:1\" {");
}

#[test]
fn l1_a_packet_of_version_0_without_end_is_not_kept() {
    let mut talk = agreed(&[]);
    let mut endless = format!("0 \"{}", "a".repeat(crate::opening::MAX_CONTROL_BYTES - 10));
    assert_eq!(talk.client(&endless), "");
    let more = "a".repeat(20);
    endless.push_str(&more);
    assert_eq!(talk.client(&more), endless);
    talk.passes("aaa\"$10 'a'$");
    let mut long = format!("0 \"b:1\" \"{}", "a".repeat(crate::opening::MAX_CONTROL_BYTES));
    long.push_str("\"$");
    let heard = talk.node(&long);
    assert_eq!(heard.len(), long.len() - "\"b:1\"".len() + "?".len());
    assert!(heard.starts_with("0 ? \"a"));
}

/// What is said in turns, by the client and by the node.
fn said(talk: &mut Talk, (from_client, from_node): (&str, &str), piece: usize) -> (String, String) {
    let (mut up, mut down) = (String::new(), String::new());
    for part in from_client.as_bytes().chunks(piece) {
        up.push_str(&talk.client(std::str::from_utf8(part).unwrap()));
    }
    for part in from_node.as_bytes().chunks(piece) {
        down.push_str(&talk.node(std::str::from_utf8(part).unwrap()));
    }
    (up, down)
}

const CLIENT: &str = "10 'a'$ 0 'ping'$10 5~$$$$$~$10 {'event_in',1}$3 1$";
const NODE: &str = "10 ? {1,'s'}$0 \"192.0.2.2:4000\" 'pong'$\n10 \"192.0.2.2:4000\" 5~$$$$$~$\
    0 ? {'failed','crash',#10&,9}$0 \"b:1\" {'moved',3}$\
    0 ? {'refused','unknown_packet',#10&,6}$";
const NEGOTIATES: &str = "10 'a'$0 {'negotiate',1,?,#3&10&,#}$0 'ping'$3 'b'$";
const AGREES: &str = "10 \"b:1\" {'agreed','s'}$10 ? {'agreed',1,?,#10&,#{'peers',\"b:1\"}&}$\
    0 ? 'pong'$0 ? {'refused',{'version',3},#10&,5}$";

#[test]
fn f5_it_does_not_matter_where_bytes_are_cut() {
    let whole = said(&mut agreed(&[3]), (CLIENT, NODE), usize::MAX);
    assert!(whole.0.ends_with("0 {'switch'}$"), "{}", whole.0);
    assert!(whole.1.ends_with("{'closing''other_node'5}$"), "{}", whole.1);
    let other = said(&mut agreed(&[3]), (NEGOTIATES, AGREES), usize::MAX);
    assert_eq!(other.0, NEGOTIATES);
    assert!(other.1.contains("$10 ? {'agreed'1?#3&10&#}$0 ? 'pong'$"), "{}", other.1);
    for piece in 1..NODE.len() {
        assert_eq!(said(&mut agreed(&[3]), (CLIENT, NODE), piece), whole, "{piece}");
        assert_eq!(said(&mut agreed(&[3]), (NEGOTIATES, AGREES), piece), other, "{piece}");
    }
}

/// A body without versions and addresses, and with everything that looks like its end.
fn body() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "1$",
        "\"$\\\"$\"$",
        "3~$$$~$",
        "{'a$',#1&2&}$",
        "%$%1`$`$",
        "2>a{a~$$~}$",
        "?$",
        "'$'>q{q,q}$",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn f5_1_every_byte_of_every_message_and_reply_comes_out_as_it_went_in(
        bodies in prop::collection::vec(body(), 1..20),
        piece in 1_usize..40,
    ) {
        let from_client: String = bodies.iter().map(|body| format!("10 {body}")).collect();
        let from_node: String = bodies.iter().map(|body| format!("10 ? {body}\n")).collect();
        let mut talk = agreed(&[3]);
        let (up, down) = said(&mut talk, (&from_client, &from_node), piece);
        prop_assert_eq!(up, from_client);
        prop_assert_eq!(down, from_node);
        prop_assert_eq!(talk.passage.packets(), bodies.len() as u64 + 1);
    }

    #[test]
    fn no_bytes_make_it_panic_and_all_of_the_client_s_reach_the_node(
        from_client in prop::collection::vec(any::<u8>(), 0..200),
        from_node in prop::collection::vec(any::<u8>(), 0..200),
        piece in 1_usize..50,
    ) {
        let mut talk = agreed(&[]);
        let mut up = Vec::new();
        for part in from_client.chunks(piece) {
            talk.from_client.extend_from_slice(part);
            talk.passage.hear_client(&mut talk.from_client, &mut talk.to_node, &talk.others);
            up.extend(talk.to_node.drain(..).flatten());
        }
        up.extend_from_slice(&talk.from_client);
        prop_assert_eq!(up, from_client);
        for part in from_node.chunks(piece) {
            talk.from_node.extend_from_slice(part);
            talk.passage.hear_node(&mut talk.from_node, &mut talk.to_client, &talk.others);
        }
    }
}
