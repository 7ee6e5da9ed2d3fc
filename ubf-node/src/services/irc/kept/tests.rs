//! Requests and events in Erlang's notation.

use std::cell::RefCell;
use std::rc::Rc;

use proptest::prelude::*;
use ubf_codec::{Term, Versioned as _};
use ubf_service::{Bench, Reason};

use super::super::rows::{self, Member};
use super::super::world::{Sink, World};
use super::super::{answer, words};
use super::*;

/// The same for one person in each test.
const fn session(person: u8) -> SessionKey {
    Bench::<IrcRows>::session(person)
}

/// What a person is answered; `none` if the request is not of the contract, or not in this state.
fn ask(irc: &mut Bench<IrcRows>, person: u8, number: u32, request: &str) -> String {
    let request: Term = request.parse().unwrap();
    let version = words::version(number);
    let Ok(request) = Request::from_term(version, request.as_ref()) else { return "none".into() };
    let caller = Caller::new(version).in_session(session(person));
    let reply = irc.call_as(&caller, request).unwrap();
    if matches!(reply, Reply::Broken { .. }) {
        return "none".into();
    }
    reply.to_term(version).unwrap().to_string()
}

#[track_caller]
fn asks(irc: &mut Bench<IrcRows>, person: u8, number: u32, exchanges: &[(&str, &str)]) {
    for (request, response) in exchanges {
        assert_eq!(ask(irc, person, number, request), *response, "{request}");
    }
}

/// What was told since last asked, in the order of telling: to whom, in which version, what.
fn told(irc: &mut Bench<IrcRows>) -> Vec<(SessionKey, String)> {
    let event = |(whom, body): (SessionKey, bytes::Bytes)| {
        let text = std::str::from_utf8(&body).unwrap();
        let (version, packet) = text.split_once(' ').unwrap();
        let packet = ubf_codec::decode(packet.as_bytes()).unwrap().root().to_term().to_string();
        let event = packet.strip_prefix("{event_out,").unwrap().strip_suffix('}').unwrap();
        (whom, format!("{version} {event}"))
    };
    irc.events().into_iter().map(event).collect()
}

#[test]
fn members_stay_while_their_sessions_do_and_leave_with_them() {
    let mut irc = Bench::new(IrcRows::default());
    asks(&mut irc, 1, 2, &[("{logon,\"joe\"}", "{ok,\"joe\"}"), ("{join,\"erlang\"}", "ok")]);
    asks(&mut irc, 2, 1, &[("logon", "{ok,\"guest1\"}"), ("{join,\"erlang\"}", "true")]);
    asks(&mut irc, 3, 2, &[("groups", "none"), ("{logon,\"joe\"}", "{error,nick_taken}")]);
    told(&mut irc);
    irc.restart();
    asks(
        &mut irc,
        1,
        2,
        &[
            ("{members,\"erlang\"}", "[\"guest1\",\"joe\"]"),
            ("{msg,\"erlang\",\"still there?\"}", "ok"),
        ],
    );
    assert_eq!(
        told(&mut irc),
        [(session(2), "1 {msg,\"joe\",\"erlang\",\"still there?\"}".into())]
    );
    irc.end(1);
    assert_eq!(told(&mut irc), [(session(2), "1 {leaves,\"joe\",\"erlang\"}".into())]);
    asks(&mut irc, 3, 2, &[("{logon,\"joe\"}", "{ok,\"joe\"}"), ("groups", "[{\"erlang\",1}]")]);
    irc.end(2);
    asks(&mut irc, 3, 2, &[("groups", "[]"), ("{members,\"erlang\"}", "{error,no_such_group}")]);
    assert_eq!(irc.rows(|tx| tx.get(&TOTAL, &())).unwrap().unwrap().people, 1);
}

#[test]
fn a_client_without_a_session_is_refused() {
    let mut irc = Bench::new(IrcRows::default());
    let refused = irc.call_as(&Caller::new(words::version(2)), Request::Logon(None));
    assert_eq!(refused, Err(Reason::NoSession));
}

#[test]
fn what_is_not_of_the_state_is_answered_with_what_is() {
    let mut irc = Bench::new(IrcRows::default());
    let caller = Caller::new(words::version(1)).in_session(session(1));
    let broken = irc.call_as(&caller, Request::Groups).unwrap().to_term(caller.version).unwrap();
    assert_eq!(broken.to_string(), "{clientBrokeContract,groups,[\"logon\"]}");
    irc.call_as(&caller, Request::Logon(None)).unwrap();
    let broken = irc.call_as(&caller, Request::Logon(None)).unwrap();
    let broken = broken.to_term(caller.version).unwrap().to_string();
    assert!(broken.starts_with("{clientBrokeContract,logon,[\"groups\","), "{broken}");
}

/// As full as it may be, but for one place.
fn with_total(total: &rows::Total) -> Bench<IrcRows> {
    let mut irc = Bench::new(IrcRows::default());
    irc.rows(|tx| tx.put(&TOTAL, &(), total)).unwrap();
    irc
}

#[test]
fn l1_people_groups_and_members_are_bounded() {
    let mut irc = with_total(&rows::Total { people: 9_999, groups: 1_023, guests: 0 });
    asks(&mut irc, 1, 2, &[("{logon,\"joe\"}", "{ok,\"joe\"}")]);
    asks(&mut irc, 2, 2, &[("logon", "{error,full}"), ("{logon,\"mike\"}", "{error,full}")]);
    asks(&mut irc, 2, 1, &[("logon", "false")]);
    asks(
        &mut irc,
        1,
        2,
        &[
            ("{join,\"a\"}", "ok"),
            ("{join,\"b\"}", "{error,full}"),
            ("{leave,\"a\"}", "ok"),
            ("{join,\"b\"}", "ok"),
            ("logoff", "ok"),
        ],
    );
    asks(&mut irc, 2, 2, &[("{logon,\"mike\"}", "{ok,\"mike\"}"), ("{join,\"a\"}", "ok")]);
    let group = Name(Text::from("large"));
    irc.rows(|tx| tx.put(&GROUPS, &group, &Group { members: 999 })).unwrap();
    asks(&mut irc, 2, 2, &[("{join,\"large\"}", "ok"), ("{join,\"large\"}", "ok")]);
    irc.rows(|tx| tx.put(&GROUPS, &group, &Group { members: 1_000 })).unwrap();
    asks(&mut irc, 2, 2, &[("{leave,\"large\"}", "ok")]);
    irc.rows(|tx| tx.put(&GROUPS, &group, &Group { members: 1_000 })).unwrap();
    asks(&mut irc, 2, 2, &[("{join,\"large\"}", "{error,full}")]);
    let text = "t".repeat(MAX_TEXT_BYTES);
    asks(
        &mut irc,
        2,
        2,
        &[
            (&format!("{{msg,\"a\",\"{text}\"}}"), "ok"),
            (&format!("{{msg,\"a\",\"{text}t\"}}"), "{error,bad_text}"),
            (&format!("{{nick,\"{}\"}}", "n".repeat(32)), "ok"),
            (&format!("{{nick,\"{}\"}}", "n".repeat(33)), "{error,bad_name}"),
            ("{nick,\"a\\nb\"}", "{error,bad_name}"),
        ],
    );
}

/// One person in sixteen groups of a thousand: what tells the most people that one call can tell.
#[test]
fn l1_who_is_in_the_most_and_the_largest_groups_can_have_another_name_and_leave() {
    let mut irc = Bench::new(IrcRows::default());
    asks(&mut irc, 1, 1, &[("logon", "{ok,\"guest1\"}")]);
    let groups: Vec<String> = (0..MAX_GROUPS_EACH).map(|group| group.to_string()).collect();
    for group in &groups {
        asks(&mut irc, 1, 1, &[(&format!("{{join,\"{group}\"}}"), "true")]);
        let name = Name(Text::from(group.as_str()));
        let other = Member { nick: Name(Text::from("other")), version: 1 };
        let put = |tx: &mut Tx<'_>| {
            for number in 1..MAX_MEMBERS as u128 {
                tx.put(&MEMBERS, &(name.clone(), number.to_be_bytes()), &other)?;
            }
            Ok(())
        };
        irc.rows(put).unwrap();
        let members = MAX_MEMBERS as u64;
        irc.rows(|tx| tx.put(&GROUPS, &name, &Group { members })).unwrap();
    }
    // Nobody listens, so nothing leaves: what counts is that it is not too much.
    asks(&mut irc, 1, 1, &[("{nick,\"joe\"}", "true")]);
    irc.end(1);
    let left = irc.rows(|tx| tx.range(&GROUPS, .., MAX_GROUPS)).unwrap();
    assert!(left.len() == 16 && left.iter().all(|(_, group)| group.members == 999), "{left:?}");
    assert!(irc.rows(|tx| tx.range(&PEOPLE, .., 1)).unwrap().is_empty());
}

/// The events of one person.
#[derive(Clone, Default)]
struct Inbox(Rc<RefCell<Vec<String>>>);

impl Sink for Inbox {
    fn send(&self, contract: Contract, event: Term) -> bool {
        self.0.borrow_mut().push(format!("{} {event}", contract.number()));
        true
    }
}

const PEOPLE_OF_THE_MODEL: u8 = 4;

fn request(what: u8, group: u8, nick: u8) -> String {
    let (group, nick) =
        (["a", "b"][usize::from(group)], ["joe", "mike", "robert"][usize::from(nick)]);
    match what {
        0 | 1 => format!("{{logon,\"{nick}\"}}"),
        2 | 3 => format!("{{join,\"{group}\"}}"),
        4 => format!("{{leave,\"{group}\"}}"),
        5 => format!("{{nick,\"{nick}\"}}"),
        6 => format!("{{msg,\"{group}\",\"hi\"}}"),
        7 => format!("{{members,\"{group}\"}}"),
        8 => format!("{{private,\"{nick}\",\"psst\"}}"),
        9 => "groups".into(),
        _ => "logoff".into(),
    }
}

proptest! {
    /// With rows or without, people see the same; also when the process was another one meanwhile.
    #[test]
    fn people_see_what_they_see_in_memory(
        steps in prop::collection::vec(
            (0_u8..13, 0..PEOPLE_OF_THE_MODEL, 1_u32..=2, 0_u8..2, 0_u8..3), 1..60,
        ),
    ) {
        let (mut irc, mut world) = (Bench::new(IrcRows::default()), World::default());
        let inboxes: Vec<Inbox> = (0..PEOPLE_OF_THE_MODEL).map(|_| Inbox::default()).collect();
        for (what, person, version, group, nick) in steps {
            let (id, inbox) = (u64::from(person), &inboxes[usize::from(person)]);
            match what {
                11 => irc.restart(),
                12 => {
                    // One that was never there cannot be gone.
                    ask(&mut irc, person, 2, "groups");
                    irc.end(person);
                    world.log_off(id);
                }
                _ => {
                    // Names of the server's choice are others.
                    let version = if what < 2 { 2 } else { version };
                    let request = request(what, group, nick);
                    let contract = Contract::of(words::version(version));
                    let term: Term = request.parse().unwrap();
                    let expected = answer(&mut world, id, contract, term.as_ref(), || inbox.clone());
                    let expected = expected.map_or_else(|| "none".into(), |term| term.to_string());
                    prop_assert_eq!(ask(&mut irc, person, version, &request), expected, "{}", request);
                }
            }
            let seen = told(&mut irc);
            for (person, inbox) in (0_u8..).zip(&inboxes) {
                let seen = seen.iter().filter(|(whom, _)| *whom == session(person));
                let seen: Vec<&String> = seen.map(|(_, event)| event).collect();
                let expected = inbox.0.take();
                prop_assert_eq!(seen, expected.iter().collect::<Vec<_>>());
            }
        }
    }
}
