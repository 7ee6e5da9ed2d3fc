//! L1, packet by packet: what is exactly at a limit is answered, what is one past it is told where,
//! and nobody else notices.

use ubf_codec::{Decoder, Limits};
use ubf_server::Server;

use crate::support::{Running, start};

/// A limit by name, set to a small value; a body at it and one that is one past it; which byte of
/// the packet is too much.
struct Case {
    name: &'static str,
    value: u64,
    limits: fn(Limits) -> Limits,
    at: String,
    past: String,
    code: &'static str,
    offset: usize,
}

fn cases() -> Vec<Case> {
    let case = |name, value, limits, at: &str, past: &str, code, offset| {
        let (at, past) = (at.to_owned(), past.to_owned());
        Case { name, value, limits, at, past, code, offset }
    };
    vec![
        // `1 "…"$`, sixteen bytes.
        case(
            "max_packet_bytes",
            16,
            |it| it.with_max_packet_bytes(16),
            "\"01234567890\"",
            "\"012345678901\"",
            "limit-packet-bytes",
            16,
        ),
        case("max_depth", 2, |it| it.with_max_depth(2), "{{}}", "{{{}}}", "limit-depth", 4),
        case(
            "max_expanded_nodes",
            5,
            |it| it.with_max_expanded_nodes(5),
            "{1}>a{aa}",
            "{1}>a{aa?}",
            "limit-expanded-nodes",
            10,
        ),
        case(
            "max_expanded_bytes",
            8,
            |it| it.with_max_expanded_bytes(8),
            "\"four\">a{aa}",
            "\"four\">a{aa\"x\"}",
            "limit-expanded-bytes",
            13,
        ),
        case(
            "max_integer_digits",
            4,
            |it| it.with_max_integer_digits(4),
            "-0012",
            "-00123",
            "limit-integer-digits",
            7,
        ),
        case(
            "max_tag_bytes",
            3,
            |it| it.with_max_tag_bytes(3),
            "7`abc`",
            "7`abcd`",
            "limit-tag-bytes",
            7,
        ),
    ]
}

async fn server(case: &Case) -> Running {
    start(Server::builder().packet_limits((case.limits)(Limits::default()))).await
}

#[tokio::test]
async fn each_limit_of_a_packet_is_met_exactly_and_then_passed_and_others_notice_nothing() {
    for case in cases() {
        let Case { name, at, past, code, offset, .. } = &case;
        let server = server(&case).await;
        let mut beside = server.connect().await;
        beside.exchange("1 1$", "1 ? {1'start'}$").await;
        let mut client = server.connect().await;
        client.send(&format!("1 {at}$")).await;
        let reply = client.packet().await;
        assert!(reply.starts_with("1 ? {") && reply.ends_with("'start'}$"), "{name}: {reply}");
        let start = format!("1 {at}$").len();
        client.send(&format!("1 {past}$")).await;
        beside.exchange("1 2$", "1 ? {2'start'}$").await;
        client.expect_end(&format!("0 ? {{'error''{code}'{}}}$", start + offset)).await;
        beside.exchange("1 3$", "1 ? {3'start'}$").await;
        assert_eq!(server.handle.status().counts.bad_syntax, 1, "{name}");
        drop(beside);
        server.stop().await;
    }
}

#[test]
fn the_error_of_a_limit_has_its_name_and_its_value() {
    for Case { name, value, limits, at, past, code, .. } in cases() {
        // Without its header a packet is two bytes shorter.
        let limits = limits(Limits::default());
        let limits = limits.with_max_packet_bytes(limits.max_packet_bytes - 2);
        let value = if name == "max_packet_bytes" { value - 2 } else { value };
        let decoder = || Decoder::new().with_limits(limits);
        assert!(decoder().decode(format!("{at}$").as_bytes()).is_ok(), "{name}");
        let error = decoder().decode(format!("{past}$").as_bytes()).unwrap_err();
        assert!(error.is_limit() && error.kind().code() == code, "{name}: {error}");
        let text = error.to_string();
        assert!(
            text.contains(&format!("({name})")) && text.contains(&format!(" {value} ")),
            "{text}"
        );
    }
}
