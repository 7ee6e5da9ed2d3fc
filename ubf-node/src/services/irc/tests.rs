//! Requests and events in Erlang's notation.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;

/// Events that were sent, and how many there may be.
#[derive(Clone)]
struct Inbox(Rc<RefCell<Vec<String>>>, usize);

impl Sink for Inbox {
    fn send(&self, contract: Contract, event: Term) -> bool {
        let mut events = self.0.borrow_mut();
        events.push(format!("{} {event}", contract.number()));
        events.len() <= self.1
    }
}

struct Someone {
    id: u64,
    contract: Contract,
    inbox: Inbox,
}

impl Someone {
    fn new(world: &mut World<Inbox>, contract: Contract, max_events: usize) -> Self {
        Self { id: world.next_id(), contract, inbox: Inbox(Rc::default(), max_events) }
    }

    /// Logs on under this name, which is a way of version 2.
    fn named(world: &mut World<Inbox>, contract: Contract, nick: &str) -> Self {
        let someone = Self::new(world, contract, 9);
        world.log_on(someone.id, contract, Some(nick.into()), someone.inbox.clone()).unwrap();
        someone
    }

    fn ask(&self, world: &mut World<Inbox>, request: &str) -> String {
        let request: Term = request.parse().unwrap();
        let response =
            answer(world, self.id, self.contract, request.as_ref(), || self.inbox.clone());
        response.map_or_else(|| "none".into(), |response| response.to_string())
    }

    #[track_caller]
    fn asks(&self, world: &mut World<Inbox>, exchanges: &[(&str, &str)]) {
        for (request, response) in exchanges {
            assert_eq!(self.ask(world, request), *response, "{request}");
        }
    }

    #[track_caller]
    fn got(&self, events: &[&str]) {
        assert_eq!(self.inbox.0.take(), events);
    }
}

#[test]
fn version_one_logs_on_and_writes_to_groups() {
    let world = &mut World::default();
    let one = Someone::new(world, Contract::One, 9);
    one.asks(
        world,
        &[
            ("groups", "none"),
            ("{join,\"a\"}", "none"),
            ("{logon,\"joe\"}", "none"),
            ("{logon}", "none"),
            ("logon", "{ok,\"guest1\"}"),
            ("logon", "none"),
            ("{nick,\"joe\"}", "true"),
            ("{nick,\"\"}", "false"),
            ("{nick,joe}", "none"),
            ("{join,\"erlang\"}", "true"),
            ("{join,\"erlang\"}", "true"),
            ("groups", "[\"erlang\"]"),
            ("{msg,\"erlang\",\"anyone?\"}", "true"),
            ("{msg,\"prolog\",\"anyone?\"}", "false"),
            ("{members,\"erlang\"}", "none"),
            ("{private,\"joe\",\"x\"}", "none"),
            ("logoff", "none"),
            ("{leave,\"erlang\"}", "true"),
            ("{leave,\"erlang\"}", "false"),
            ("groups", "[]"),
        ],
    );
    one.got(&[]);
}

#[test]
fn version_two_says_why_not_and_knows_members_and_private_messages() {
    let world = &mut World::default();
    let joe = Someone::named(world, Contract::Two, "joe");
    let two = Someone::new(world, Contract::Two, 9);
    let old = Someone::named(world, Contract::One, "old");
    two.asks(
        world,
        &[
            ("{logon,\"joe\"}", "{error,nick_taken}"),
            ("{logon,\"a\\nb\"}", "{error,bad_name}"),
            ("{logon,\"mike\"}", "{ok,\"mike\"}"),
            ("{msg,\"erlang\",\"x\"}", "{error,not_a_member}"),
            ("{members,\"erlang\"}", "{error,no_such_group}"),
            ("{join,\"erlang\"}", "ok"),
            ("{members,\"erlang\"}", "[\"mike\"]"),
            ("groups", "[{\"erlang\",1}]"),
            ("{private,\"joe\",\"psst\"}", "ok"),
            ("{private,\"old\",\"psst\"}", "{error,too_old}"),
            ("{private,\"ann\",\"psst\"}", "{error,no_such_nick}"),
            ("logoff", "ok"),
            ("groups", "none"),
        ],
    );
    joe.got(&["2 {private,\"mike\",\"psst\"}"]);
    old.got(&[]);
}

#[test]
fn events_are_written_for_the_version_of_who_reads_them() {
    let world = &mut World::default();
    let old = Someone::named(world, Contract::One, "old");
    let new = Someone::named(world, Contract::Two, "new");
    let joe = Someone::named(world, Contract::Two, "joe");
    for someone in [&old, &new, &joe] {
        let done = if someone.contract == Contract::One { "true" } else { "ok" };
        someone.asks(world, &[("{join,\"a\"}", done), ("{join,\"b\"}", done)]);
    }
    old.inbox.0.take();
    new.inbox.0.take();
    joe.asks(
        world,
        &[
            ("{nick,\"joseph\"}", "ok"),
            ("{msg,\"a\",\"hi\"}", "ok"),
            ("{leave,\"a\"}", "ok"),
            ("logoff", "ok"),
        ],
    );
    old.got(&[
        "1 {changesName,\"joe\",\"joseph\",\"a\"}",
        "1 {changesName,\"joe\",\"joseph\",\"b\"}",
        "1 {msg,\"joseph\",\"a\",\"hi\"}",
        "1 {leaves,\"joseph\",\"a\"}",
        "1 {leaves,\"joseph\",\"b\"}",
    ]);
    new.got(&[
        "2 {renamed,\"joe\",\"joseph\"}",
        "2 {msg,\"joseph\",\"a\",\"hi\"}",
        "2 {leaves,\"joseph\",\"a\"}",
        "2 {leaves,\"joseph\",\"b\"}",
    ]);
    // After a fallback, events are written for the older version.
    let fallen = Someone { contract: Contract::One, ..new };
    fallen.asks(world, &[("groups", "[\"a\",\"b\"]")]);
    old.asks(world, &[("{msg,\"b\",\"still there?\"}", "true")]);
    fallen.got(&["1 {msg,\"old\",\"b\",\"still there?\"}"]);
}

#[test]
fn who_does_not_read_is_logged_off_and_the_others_see_it() {
    let world = &mut World::default();
    let joe = Someone::named(world, Contract::Two, "joe");
    let slow = Someone::new(world, Contract::Two, 1);
    slow.asks(world, &[("{logon,\"slow\"}", "{ok,\"slow\"}"), ("{join,\"a\"}", "ok")]);
    joe.asks(
        world,
        &[
            ("{join,\"a\"}", "ok"),
            ("{msg,\"a\",\"one too many\"}", "ok"),
            ("{members,\"a\"}", "[\"joe\"]"),
        ],
    );
    joe.got(&["2 {leaves,\"slow\",\"a\"}"]);
    slow.asks(world, &[("{msg,\"a\",\"x\"}", "none")]);
    assert!(!world.is_logged_on(slow.id));
}

#[test]
fn l1_names_texts_and_groups_are_bounded() {
    let world = &mut World::default();
    let joe = Someone::named(world, Contract::Two, "joe");
    let (longest, longer) = ("n".repeat(32), "n".repeat(33));
    joe.asks(
        world,
        &[
            (&format!("{{nick,\"{longest}\"}}"), "ok"),
            (&format!("{{nick,\"{longer}\"}}"), "{error,bad_name}"),
        ],
    );
    for group in 0..16 {
        assert_eq!(joe.ask(world, &format!("{{join,\"{group}\"}}")), "ok");
    }
    let (text, more) = ("t".repeat(4096), "t".repeat(4097));
    joe.asks(
        world,
        &[
            ("{join,\"16\"}", "{error,full}"),
            (&format!("{{msg,\"1\",\"{text}\"}}"), "ok"),
            (&format!("{{msg,\"1\",\"{more}\"}}"), "{error,bad_text}"),
        ],
    );
}

#[test]
fn l1_ten_thousand_people_are_logged_on_and_no_more() {
    let world = &mut World::default();
    let first = Someone::named(world, Contract::Two, "first");
    for _ in 1..10_000 {
        let id = world.next_id();
        world.log_on(id, Contract::Two, None, first.inbox.clone()).unwrap();
    }
    let old = Someone::new(world, Contract::One, 9);
    let late = Someone::new(world, Contract::Two, 9);
    old.asks(world, &[("logon", "false"), ("groups", "none")]);
    late.asks(
        world,
        &[("logon", "{error,full}"), ("{logon,\"late\"}", "{error,full}"), ("groups", "none")],
    );
    first.asks(world, &[("logoff", "ok")]);
    late.asks(world, &[("{logon,\"late\"}", "{ok,\"late\"}")]);
    first.asks(world, &[("logon", "{error,full}")]);
}

#[test]
fn l1_a_group_has_a_thousand_members_and_no_more() {
    let world = &mut World::default();
    // Each hears of all who come later.
    let member = |world: &mut World<Inbox>| {
        let someone = Someone::new(world, Contract::Two, 1_000);
        assert!(someone.ask(world, "logon").starts_with("{ok,"));
        someone
    };
    let first = member(world);
    first.asks(world, &[("{join,\"erlang\"}", "ok")]);
    for _ in 1..1_000 {
        member(world).asks(world, &[("{join,\"erlang\"}", "ok")]);
    }
    let late = member(world);
    late.asks(world, &[("groups", "[{\"erlang\",1000}]"), ("{join,\"erlang\"}", "{error,full}")]);
    // Who is a member is not turned away, and another group has room.
    first.asks(world, &[("{join,\"erlang\"}", "ok")]);
    late.asks(
        world,
        &[("{join,\"prolog\"}", "ok"), ("groups", "[{\"erlang\",1000},{\"prolog\",1}]")],
    );
    first.asks(world, &[("{leave,\"erlang\"}", "ok")]);
    late.asks(world, &[("{join,\"erlang\"}", "ok")]);
}

#[test]
fn l1_there_are_1024_groups_and_no_more() {
    let world = &mut World::default();
    let mut people = Vec::new();
    for group in 0..1_024 {
        // Sixteen groups are the most that one is in.
        if group % 16 == 0 {
            people.push(Someone::named(world, Contract::Two, &format!("nick{group}")));
        }
        let request = format!("{{join,\"{group}\"}}");
        assert_eq!(people.last().unwrap().ask(world, &request), "ok", "{group}");
    }
    let late = Someone::named(world, Contract::Two, "late");
    late.asks(world, &[("{join,\"1024\"}", "{error,full}"), ("{join,\"1023\"}", "ok")]);
    // An empty group is none.
    people[0].asks(world, &[("{leave,\"0\"}", "ok")]);
    late.asks(world, &[("{join,\"1024\"}", "ok"), ("{join,\"0\"}", "{error,full}")]);
}
