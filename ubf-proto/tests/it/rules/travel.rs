//! The client: NextIP, moves, failover, policy.

use ubf_proto::RedirectRefusal;
use ubf_proto::client::{LossReason, NamedBy, Notice, State};

use super::client_end::{Client, config};

const ADDRESS: &str = "192.0.2.1:4000";
const NONE: [&str; 0] = [];
const NEGOTIATE: &str = "0 {'negotiate'1?#3&#{'max_packet'999}&}$";
const AGREED: &str = "3 ? {'agreed'1?#3&#}$";

fn ready() -> Client {
    Client::agreed(config(ADDRESS, &[3]), 3, "#3&")
}

/// A client that has just moved from the first address to the second.
fn moved() -> Client {
    let mut client = ready();
    client.send(1, 3, "1$");
    client.receive(0, "3 \"192.0.2.2:4000\" {1's'}$");
    client.connected(1);
    assert_eq!(client.receive(1, AGREED), ["close 0"]);
    client
}

fn is_refused(client: &Client, expected: RedirectRefusal) -> bool {
    client.has_notice(
        |notice| matches!(notice, Notice::RedirectRefused { refusal, .. } if *refusal == expected),
    )
}

#[test]
fn r1_a_reply_with_a_next_ip_is_a_good_reply() {
    let mut client = ready();
    client.send(1, 3, "1$");
    let lines = client.receive(0, "3 \"192.0.2.2:4000\" {1's'}$");
    assert_eq!(lines, ["end 1 3 {1,s}", "connect 1 192.0.2.2:4000"]);
}

#[test]
fn r2_nothing_more_is_sent_what_is_due_is_read_and_the_old_one_closed_last() {
    let mut client = ready();
    client.send(1, 3, "1$");
    client.send(2, 3, "2$");
    client.receive(0, "3 \"192.0.2.2:4000\" {1's'}$");
    assert_eq!(client.send(3, 3, "3$"), NONE);
    assert_eq!(client.connected(1), [format!("send 1 {NEGOTIATE}")]);
    assert_eq!(client.session.state(), State::Moving);
    // Call 3 must not overtake call 2.
    assert_eq!(client.receive(1, AGREED), NONE);
    assert_eq!(
        client.receive(0, "3 \"192.0.2.2:4000\" {2's'}$"),
        ["end 2 3 {2,s}", "close 0", "send 1 3 3$"]
    );
    assert_eq!(client.session.address().unwrap().to_string(), "192.0.2.2:4000");
}

#[test]
fn r2_an_optimistic_move_sends_before_the_new_server_has_agreed() {
    let mut settings = config(ADDRESS, &[3]);
    settings.optimistic_moves = true;
    let mut client = Client::agreed(settings, 3, "#3&");
    client.send(1, 3, "1$");
    client.receive(0, "3 \"192.0.2.2:4000\" {1's'}$");
    client.send(2, 3, "2$");
    assert_eq!(client.connected(1), [format!("send 1 {NEGOTIATE}"), "send 1 3 2$".to_owned()]);
}

#[test]
fn r3_a_silent_client_moves_in_the_first_half_of_the_grace() {
    let mut moments = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let settings = config(ADDRESS, &[3]);
        let mut client = Client::new(settings.clone());
        client.session = ubf_proto::ClientSession::new(settings, seed, ubf_proto::Time::ZERO);
        client.poll();
        client.connected(0);
        client.receive(0, AGREED);
        assert_eq!(client.receive(0, "0 \"192.0.2.2:4000\" {'moved'10000}$"), NONE);
        let (waited, lines) = client.wait_until_woken();
        assert!(waited.as_millis() <= 5_000);
        assert_eq!(lines, ["connect 1 192.0.2.2:4000"]);
        moments.insert(waited);
    }
    // No two clients move together, and the whole half is made use of.
    assert!(moments.len() > 40, "{moments:?}");
    assert!(
        moments.first().unwrap().as_millis() < 1_000 && moments.last().unwrap().as_millis() > 4_000,
        "{moments:?}"
    );
}

#[test]
fn r4_after_a_loss_next_ip_peers_and_start_are_tried_in_this_order() {
    let mut client = Client::new(config("192.0.2.1:4000,192.0.2.9:4000", &[3]));
    client.poll();
    client.connected(0);
    client.receive(0, "3 ? {'agreed'1?#3&#{'peers'\"192.0.2.3:4000\"}&}$");
    client.receive(0, "0 \"192.0.2.2:4000\" {'moved'10000}$");
    assert_eq!(client.lose(0), ["connect 1 192.0.2.2:4000"]);
    let mut order = Vec::new();
    for connection in 1..=4 {
        let connection = ubf_proto::client::ConnectionId(connection);
        order.extend(
            client.tell(ubf_proto::client::Input::ConnectFailed { connection, cause: None }),
        );
    }
    assert_eq!(
        order,
        ["connect 2 192.0.2.3:4000", "connect 3 192.0.2.1:4000", "connect 4 192.0.2.9:4000"]
    );
    assert_eq!(client.session.state(), State::BackingOff);
    let (waited, lines) = client.wait_until_woken();
    assert!((50..=200).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(lines, ["connect 5 192.0.2.2:4000"]);
}

#[test]
fn r4_a_herd_spreads_its_first_dials_over_a_tenth_of_a_second() {
    let mut moments = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let mut settings = config(ADDRESS, &[3]);
        settings.failover_spread = std::time::Duration::from_millis(100);
        let mut client = Client::new(settings.clone());
        client.session = ubf_proto::ClientSession::new(settings, seed, ubf_proto::Time::ZERO);
        // Where there is no loss there is no herd.
        assert_eq!(client.poll(), ["connect 0 192.0.2.1:4000"]);
        client.connected(0);
        client.receive(0, AGREED);
        let lines = client.lose(0);
        let (waited, lines) = match lines.is_empty() {
            true => client.wait_until_woken(),
            false => (std::time::Duration::ZERO, lines),
        };
        assert_eq!(lines, ["connect 1 192.0.2.1:4000"]);
        moments.insert(waited.as_millis());
    }
    assert!(moments.len() > 30 && moments.last() <= Some(&100), "{moments:?}");
    assert!(moments.first() < Some(&20) && moments.last() > Some(&80), "{moments:?}");
}

#[test]
fn r4_a_server_that_agrees_and_then_closes_again_and_again_is_waited_for() {
    let mut client = ready();
    assert_eq!(client.lose(0), ["connect 1 192.0.2.1:4000"]);
    client.connected(1);
    client.receive(1, "3 ? {'agreed'1?#3&#}$");
    assert_eq!(client.lose(1), [""; 0]);
    assert_eq!(client.session.state(), State::BackingOff);
    let (waited, lines) = client.wait_until_woken();
    assert!((50..=200).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(lines, ["connect 2 192.0.2.1:4000"]);
}

#[test]
fn r5_a_second_voluntary_move_waits_a_second() {
    let mut client = moved();
    client.send(2, 3, "2$");
    assert_eq!(client.receive(1, "3 \"192.0.2.3:4000\" {2's'}$"), ["end 2 3 {2,s}"]);
    assert_eq!(client.wait(999), NONE);
    assert_eq!(client.wait(1), ["connect 2 192.0.2.3:4000"]);
}

#[test]
fn r5_no_address_is_visited_twice_without_a_call() {
    let mut client = moved();
    client.now += 1_000;
    assert_eq!(client.receive(1, "0 \"192.0.2.1:4000\" {'moved'0}$"), NONE);
    assert!(is_refused(&client, RedirectRefusal::Visited));
    // After an executed call it may be.
    client.send(2, 3, "2$");
    let lines = client.receive(1, "3 \"192.0.2.1:4000\" {2's'}$");
    assert_eq!(lines, ["end 2 3 {2,s}", "connect 2 192.0.2.1:4000"]);
}

#[test]
fn r5_the_sixth_hop_without_a_call_is_not_made() {
    let mut client = ready();
    for hop in 1..=6_u64 {
        client.now += 1_000;
        let lines =
            client.receive(hop - 1, &format!("0 \"192.0.2.{}:4000\" {{'moved'0}}$", hop + 1));
        if hop == 6 {
            assert_eq!(lines, NONE);
            break;
        }
        assert_eq!(lines, [format!("connect {hop} 192.0.2.{}:4000", hop + 1)]);
        client.connected(hop);
        client.receive(hop, AGREED);
        assert_eq!(u64::from(client.session.hops()), hop);
    }
    assert!(is_refused(&client, RedirectRefusal::TooManyHops));
}

#[test]
fn r5_the_same_address_means_to_connect_again() {
    let mut client = ready();
    assert_eq!(client.receive(0, "0 \"192.0.2.1:4000\" {'moved'0}$"), ["connect 1 192.0.2.1:4000"]);
    client.connected(1);
    assert_eq!(client.receive(1, AGREED), ["close 0"]);
}

#[test]
fn r6_a_dead_host_leaves_the_client_where_it_is() {
    let mut client = ready();
    client.send(1, 3, "1$");
    client.receive(0, "3 \"192.0.2.2:4000\" {1's'}$");
    client.send(2, 3, "2$");
    assert_eq!(client.wait(4_999), NONE);
    assert_eq!(client.wait(1), ["close 1", "send 0 3 2$"]);
    assert!(client.has_notice(|notice| matches!(notice, Notice::RedirectFailed { .. })));
    assert_eq!(client.receive(0, "3 \"192.0.2.2:4000\" {2's'}$"), ["end 2 3 {2,s}"]);
    // Tried again later, and this time nothing is held back for it.
    let (waited, lines) = client.wait_until_woken();
    assert!((400..=1_000).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(lines, ["connect 2 192.0.2.2:4000"]);
    assert_eq!(client.send(3, 3, "3$"), ["send 0 3 3$"]);
}

#[test]
fn r6_the_next_address_of_the_list_is_tried() {
    let mut client = ready();
    client.receive(0, "0 \"192.0.2.2:4000,192.0.2.3:4000\" {'moved'0}$");
    let connection = ubf_proto::client::ConnectionId(1);
    let lines = client.tell(ubf_proto::client::Input::ConnectFailed { connection, cause: None });
    assert_eq!(lines, ["connect 2 192.0.2.3:4000"]);
}

#[test]
fn r6_the_time_of_a_move_is_divided_among_the_addresses_that_are_left() {
    let mut client = ready();
    client.receive(0, "0 \"192.0.2.2:4000,192.0.2.3:4000,192.0.2.4:4000\" {'moved'0}$");
    assert_eq!(client.wait(1_665), NONE);
    assert_eq!(client.wait(1), ["close 1", "connect 2 192.0.2.3:4000"]);
    let words = "not connected in 1.666 s, a share of max_move_time";
    assert!(client.has_notice(
        |notice| matches!(notice, Notice::Lost { reason, .. } if reason.to_string() == words)
    ));
    // What one does not need is for the others.
    let connection = ubf_proto::client::ConnectionId(2);
    let lines = client.tell(ubf_proto::client::Input::ConnectFailed { connection, cause: None });
    assert_eq!(lines, ["connect 3 192.0.2.4:4000"]);
    assert_eq!(client.wait(3_333), NONE);
    assert_eq!(client.wait(1), ["close 3"]);
    assert!(client.has_notice(|notice| matches!(notice, Notice::RedirectFailed { .. })));
}

#[test]
fn r6_an_address_that_connects_and_never_agrees_does_not_keep_the_next_one_from_its_turn() {
    let mut client = ready();
    client.receive(0, "0 \"192.0.2.2:4000,192.0.2.3:4000\" {'moved'0}$");
    client.connected(1);
    client.send(1, 3, "1$");
    let lines = client.wait(5_000);
    // A target that has failed does not slow down a server that answers.
    assert_eq!(lines, ["close 1", "connect 2 192.0.2.3:4000", "send 0 3 1$"]);
    client.receive(0, "3 \"192.0.2.2:4000,192.0.2.3:4000\" {1's'}$");
    client.connected(2);
    assert_eq!(client.send(2, 3, "2$"), ["send 0 3 2$"]);
    assert_eq!(client.receive(2, AGREED), NONE);
    assert_eq!(client.send(3, 3, "3$"), NONE);
    assert_eq!(client.receive(0, "3 ? {2's'}$"), ["end 2 3 {2,s}", "close 0", "send 2 3 3$"]);
}

#[test]
fn r7_the_shell_is_told_who_named_an_address() {
    let mut client = Client::new(config("192.0.2.1:4000,d.example:4000", &[3]));
    client.poll();
    client.connected_to(0, "198.51.100.1", false);
    client.receive(0, "3 ? {'agreed'1?#3&#{'peers'\"c.example:4000,d.example:4000\"}&}$");
    client.receive(0, "0 \"b.example:4000\" {'moved'0}$");
    for connection in 1..=4 {
        if connection == 2 {
            client.lose(0);
        }
        client.tell(ubf_proto::client::Input::ConnectFailed {
            connection: ubf_proto::client::ConnectionId(connection),
            cause: None,
        });
    }
    let server = "198.51.100.1".parse().ok();
    let named = [
        ("192.0.2.1:4000", NamedBy::Program),
        ("b.example:4000", NamedBy::NextIp { server }),
        ("b.example:4000", NamedBy::NextIp { server }),
        ("c.example:4000", NamedBy::Peers { server }),
        // The program named it too, and nobody is to judge it.
        ("d.example:4000", NamedBy::Program),
        ("192.0.2.1:4000", NamedBy::Program),
    ];
    assert_eq!(client.dials, named.map(|(address, named_by)| (address.to_owned(), named_by)));
}

#[test]
fn r7_a_refused_redirection_is_seen_and_the_client_stays() {
    let mut client = Client::new(config(ADDRESS, &[3]));
    client.poll();
    client.connected_to(0, "198.51.100.1", false);
    client.receive(0, AGREED);
    client.send(1, 3, "1$");
    assert_eq!(client.receive(0, "3 \"10.0.0.1:4000\" {1's'}$"), ["end 1 3 {1,s}"]);
    assert!(is_refused(&client, RedirectRefusal::PublicToPrivate));
    assert_eq!(client.send(2, 3, "2$"), ["send 0 3 2$"]);
}

#[test]
fn r7_a_name_is_judged_by_what_it_stands_for() {
    let mut client = Client::new(config(ADDRESS, &[3]));
    client.poll();
    client.connected_to(0, "198.51.100.1", false);
    client.receive(0, AGREED);
    assert_eq!(client.receive(0, "0 \"b.example:4000\" {'moved'0}$"), ["connect 1 b.example:4000"]);
    // Nothing was sent there.
    assert_eq!(client.connected_to(1, "127.0.0.1", false), ["close 1"]);
    assert!(is_refused(&client, RedirectRefusal::PublicToPrivate));
    assert_eq!(client.session.state(), State::Ready);
}

#[test]
fn r7_tls_stays_tls_and_the_certificate_is_for_the_original_name() {
    let mut settings = config("a.example:4000", &[3]);
    settings.tls = true;
    let mut client = Client::new(settings);
    assert_eq!(client.poll(), ["connect 0 a.example:4000 tls a.example"]);
    client.connected_to(0, "192.0.2.1", true);
    client.receive(0, AGREED);
    let lines = client.receive(0, "0 \"b.example:4000\" {'moved'0}$");
    assert_eq!(lines, ["connect 1 b.example:4000 tls a.example"]);
    assert_eq!(client.connected_to(1, "192.0.2.2", false), ["close 1"]);
    assert!(is_refused(&client, RedirectRefusal::TlsToPlain));
}

#[test]
fn r7_peers_are_judged_like_redirections() {
    let mut client = Client::new(config(ADDRESS, &[3]));
    client.poll();
    client.connected_to(0, "198.51.100.1", false);
    client.receive(0, "3 ? {'agreed'1?#3&#{'peers'\"127.0.0.1:4000,198.51.100.2:4000\"}&}$");
    assert_eq!(client.lose(0), ["connect 1 198.51.100.2:4000"]);
}

#[test]
fn r8_what_the_server_did_not_execute_is_sent_elsewhere() {
    let mut client = ready();
    client.send(1, 3, "1$");
    client.send(2, 3, "2$");
    client.send(3, 3, "3$");
    // `negotiate` was packet 1.
    let lines = client.receive(0, "3 ? {1's'}$0 \"192.0.2.2:4000\" {'closing''bye'2}$");
    assert_eq!(lines, ["end 1 3 {1,s}", "close 0", "connect 1 192.0.2.2:4000"]);
    let flight = client.connected(1);
    assert_eq!(flight[1..], ["send 1 3 2$", "send 1 3 3$"]);
}

#[test]
fn r8_what_the_server_cut_is_indeterminate() {
    let mut client = ready();
    client.send(1, 3, "1$");
    client.send(2, 3, "2$");
    let lines = client.receive(0, "0 ? {'closing''bye'2}$");
    assert_eq!(lines[1], "end 1 error: the connection was lost; the call may have run");
    assert_eq!(lines.len(), 3);
    assert!(client.has_notice(|notice| matches!(
        notice,
        Notice::Lost { reason: LossReason::Closing { last: 2, .. }, .. }
    )));
}

#[test]
fn r5_a_chase_ends_after_a_minute_without_a_move() {
    for (waited, is_followed) in [(59_999, false), (60_000, true)] {
        let mut client = moved();
        client.now += waited;
        let lines = client.receive(1, "0 \"192.0.2.1:4000\" {'moved'0}$");
        assert_eq!(
            lines.contains(&"connect 2 192.0.2.1:4000".to_owned()),
            is_followed,
            "{waited}: {lines:?}"
        );
    }
}
