//! Answers that leave at once: they are those that would leave in their turn, or they do not.

use bytes::Bytes;
use ubf_codec::Version;
use ubf_proto::server::Input;
use ubf_proto::{Offer, Service, Versions};

use super::server_end::{Server, config};

/// The header and the body of the answer that leaves at once.
fn at_once(server: &mut Server, packet: u64, body: &str) -> Option<String> {
    let head = server.session.answer_at_once(packet, body.as_bytes())?;
    Some(format!("send {}{body}", String::from_utf8_lossy(&head)))
}

fn after(inputs: &[&str]) -> Server {
    let mut server = Server::new(&[3, 10]);
    for input in inputs {
        server.receive(input);
    }
    server
}

const LIMITED: &str = "0 {'negotiate'10?#3&10&#{'max_packet'60}&{'max_depth'2}&}$";

#[test]
fn an_answer_leaves_at_once_as_it_would_in_its_turn() {
    let next_ip = || Input::NextIp("b.example:4000".parse().ok());
    for (inputs, packet, is_sent_on) in [
        (&["3 'get'$"][..], 1, false),
        (&["10 'get'$"], 1, true),
        (&["0 'ping'$", "10 'get'$"], 2, false),
        (&[LIMITED, "10 'get'$"], 2, false),
        (&["0 {'negotiate'10?#3&10&#}$", "3 'get'$3 'g"], 2, true),
    ] {
        let (mut one, mut other) = (after(inputs), after(inputs));
        if is_sent_on {
            one.tell(next_ip());
            other.tell(next_ip());
        }
        let body = "{{'ok'\"a_b\"}'start'}$";
        let sent = at_once(&mut one, packet, body).map(|sent| vec![sent]);
        assert_eq!(sent, Some(other.reply(packet, body)), "{inputs:?}");
        one.tell(Input::Written(sent.map_or(0, |sent| sent[0].len() - "send ".len())));
        // It has left: an answer that comes late is dropped, and all goes on as it would.
        assert_eq!(at_once(&mut one, packet, body), None);
        for bytes in ["et'$0 'ping'$", "10 {'event_in'1}$", "3 'more'$"] {
            assert_eq!(one.receive(bytes), other.receive(bytes), "{inputs:?}");
        }
        one.now = 40_000;
        other.now = 40_000;
        assert_eq!(one.session.poll_timeout(), other.session.poll_timeout());
        assert_eq!(one.wait(900_000), other.wait(900_000));
    }
}

#[test]
fn what_has_to_be_looked_at_or_is_not_due_does_not_leave_at_once() {
    let reply = "{'ok''start'}$";
    let large = format!("{{~{}~'start'}}$", "a".repeat(1_100));
    for (inputs, packet, body) in [
        // P5
        (&["3 'get'$3 'get'$"][..], 1, reply),
        (&["3 'get'$3 'get'$"], 2, reply),
        (&["3 'get'$0 'ping'$"], 1, reply),
        // There is no such request, or no longer.
        (&["3 'get'$"], 2, reply),
        (&["3 {'event_in'1}$"], 1, reply),
        (&[], 0, reply),
        // P3
        (&["3 'get'$"], 1, "{'event_out''start'}$"),
        (&["3 'get'$"], 1, "{'event_out'>e e 1}$"),
        // N12
        (
            &[LIMITED, "3 'get'$"],
            2,
            "{\"012345678901234567890123456789012345678901234567890\"'s'}$",
        ),
        (&[LIMITED, "3 'get'$"], 2, "{{{{{'deep'}}}}'start'}$"),
        (&[LIMITED, "3 'get'$"], 2, "{{{1}>a a}'start'}$"),
        // It is shared, and not copied.
        (&["3 'get'$"], 1, &large),
    ] {
        let (mut one, mut other) = (after(inputs), after(inputs));
        assert_eq!(at_once(&mut one, packet, body), None, "{body} to {inputs:?}");
        // Nothing has happened.
        assert_eq!(one.session.running(), other.session.running());
        assert_eq!(one.reply(packet, body), other.reply(packet, body), "{body} to {inputs:?}");
    }
}

#[test]
fn nothing_leaves_at_once_before_what_was_made_before_it() {
    let mut server = after(&["3 'get'$"]);
    // An event waits in the machine.
    let body = Bytes::from_static(b"{'event_out'1}$");
    let input = Input::EventOut { version: Version::new(3).unwrap(), body };
    server.session.handle(input, ubf_proto::Time::ZERO);
    assert_eq!(at_once(&mut server, 1, "{'ok''start'}$"), None);
    let all = ["send 3 ? {'event_out'1}$", "send 3 ? {'ok''start'}$"];
    assert_eq!(server.reply(1, "{'ok''start'}$"), all);
    // A connection that is gone takes nothing.
    let mut server = after(&["3 'get'$"]);
    server.tell(Input::Lost);
    assert_eq!(at_once(&mut server, 1, "{'ok''start'}$"), None);
}

#[test]
fn t11_the_state_in_an_answer_of_a_pinned_service_is_looked_at() {
    let offer = Offer::from(Versions::of([3])).with_pinned(&Service::DEFAULT, "start");
    let mut server = Server::with(config(), offer);
    server.receive("3 'get'$");
    assert_eq!(at_once(&mut server, 1, "{'ok''away'}$"), None);
    assert_eq!(server.reply(1, "{'ok''away'}$"), ["send 3 ? {'ok''away'}$"]);
}

#[test]
fn r8_an_answer_that_leaves_at_once_may_be_the_last_one() {
    let mut server = after(&["3 'get'$"]);
    assert_eq!(server.tell(Input::EndOfStream), [""; 0]);
    let sent = at_once(&mut server, 1, "{'ok''start'}$");
    assert_eq!(sent.as_deref(), Some("send 3 ? {'ok''start'}$"));
    let closed = server.tell(Input::Written(24));
    assert_eq!(closed, ["close, 0 cut: closed by the client"]);
}
