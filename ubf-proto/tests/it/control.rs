//! Every packet of version 0, whole and malformed in every way: a table of shapes, tried on the
//! types and on both sessions.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ubf_codec::{Encoder, Limits, decode};
use ubf_proto::client::{self, ConnectionId, LossReason, Notice};
use ubf_proto::control::{Agreed, ClientControl, ControlError, Options, ServerControl};
use ubf_proto::server::{self, CloseReason, ServerSession};
use ubf_proto::session::{
    Grant, Level, NoSession, Resume, Resumed, SessionId, SessionOption, Wish,
};
use ubf_proto::{ClientSession, Offer, Time, Versions};

/// A packet, its fields in order with their names, and for each what it may not be.
struct Shape {
    name: &'static str,
    fields: &'static [(&'static str, &'static str, &'static [&'static str])],
    /// Fields at the end that may be left out.
    optional: usize,
}

const NOT_A_NUMBER: &[&str] =
    &["?", "'a'", "\"1\"", "-1", "18446744073709551616", "{}", "#", "1`t`"];
const NOT_A_MESSAGE_NUMBER: &[&str] =
    &["?", "'a'", "\"1\"", "0", "-1", "18446744073709551616", "{}", "#"];
/// It may be 0 if the number of a message follows (S2).
const NOT_A_PACKET_NUMBER: &[&str] =
    &["?", "'a'", "\"1\"", "-1", "18446744073709551616", "{}", "#"];
const NOT_A_UBF_VERSION: &[&str] = &["?", "'a'", "\"1\"", "0", "-1", "{}", "#"];
const NOT_A_SERVICE: &[&str] = &["'files'", "5~files~", "1", "{}", "#", "\"files\"`t`"];
const NOT_VERSIONS: &[&str] =
    &["?", "1", "{1}", "#0&", "#-1&", "#2147483648&", "#'1'&", "#1&1&", "#1&?&", "#\"1\"&"];
const NOT_OPTIONS: &[&str] = &[
    "?",
    "1",
    "{}",
    "{'agent'\"a\"}",
    "#'agent'&",
    "#{}&",
    "#{\"agent\"\"a\"}&",
    "#{'agent'}&",
    "#{'agent''a'}&",
    "#{'peers'\"\"}&",
    "#{'peers'\"a\"}&",
    "#{'peers''a:1'}&",
    "#{'max_packet'-1}&",
    "#{'max_packet'?}&",
    "#{'max_depth'\"1\"}&",
    "#{'max_expanded_nodes'-1}&",
    "#{'max_expanded_bytes'{}}&",
    "#{'max_integer_digits'18446744073709551616}&",
    "#{'max_idle_ms'?}&",
    "#{'quarantined'1}&",
    "#{'quarantined'#1&}&",
    "#{'quarantined'#{10}&}&",
    "#{'quarantined'#{0'crash'}&}&",
];
/// Of a client, which wishes for a session or wants to go on with one.
const NOT_WISHES: &[&str] = &[
    "#{'session'}&",
    "#{'session'16~0123456789abcdef~1 1}&",
    "#{'session'16~0123456789abcdef~0 1 1}&",
    "#{'session'16~0123456789abcdef~1 0 1}&",
    "#{'session'16~0123456789abcdef~1 1?}&",
    "#{'session'15~0123456789abcde~1 1 1}&",
    "#{'session'\"0123456789abcdef\"1 1 1}&",
    "#{'resume'16~0123456789abcdef~0 0}&",
    "#{'resume'16~0123456789abcdef~0 0 0}&",
    "#{'resume'17~0123456789abcdefg~0 0 1}&",
    "#{'resume'16~0123456789abcdef~-1 0 1}&",
];
/// Of a server, which grants a session, or goes on with it or not.
const NOT_GRANTS: &[&str] = &[
    "#{'session'1 1 1 1}&",
    "#{'session'0 1 1 1'memory'}&",
    "#{'session'1 0 1 1'memory'}&",
    "#{'session'1 1 0 1'memory'}&",
    "#{'session'1 1 1?'memory'}&",
    "#{'session'1 1 1 1\"memory\"}&",
    "#{'resumed'1}&",
    "#{'resumed'-1 0}&",
    "#{'resumed'1'none'}&",
    "#{'no_session'}&",
    "#{'no_session'\"unknown\"}&",
];

const FROM_CLIENT: &[Shape] = &[
    Shape {
        name: "negotiate",
        fields: &[
            ("UbfVersion", "1", NOT_A_UBF_VERSION),
            ("Service", "\"files\"", NOT_A_SERVICE),
            ("Versions", "#3&10&", NOT_VERSIONS),
            (
                "Options",
                "#{'peers'\"a:1,b:2\"}&{'agent'\"x 1\"}&{'quarantined'#{10'crash'}&}&{'max_packet'9}&{'later'?}&\
                 {'max_depth'8}&{'max_expanded_nodes'7}&{'max_expanded_bytes'6}&\
                 {'max_integer_digits'5}&{'max_idle_ms'4}&",
                NOT_OPTIONS,
            ),
        ],
        optional: 0,
    },
    Shape {
        name: "seen",
        fields: &[("Done", "0", NOT_A_NUMBER), ("Events", "7", NOT_A_NUMBER)],
        optional: 0,
    },
    Shape {
        name: "error",
        fields: &[("Why", "'any'", &[]), ("Offset", "0", NOT_A_NUMBER)],
        optional: 0,
    },
];

const FROM_SERVER: &[Shape] = &[
    Shape {
        name: "no_common_version",
        fields: &[
            ("UbfVersion", "1", NOT_A_UBF_VERSION),
            ("Service", "?", NOT_A_SERVICE),
            ("Versions", "#3&10&", NOT_VERSIONS),
            ("Options", "#{'no_session''unknown'}&", NOT_OPTIONS),
        ],
        optional: 1,
    },
    Shape {
        name: "refused",
        fields: &[
            ("Why", "{'version'8}", &[]),
            ("Versions", "#3&", NOT_VERSIONS),
            ("N", "1", NOT_A_PACKET_NUMBER),
            ("K", "7", NOT_A_MESSAGE_NUMBER),
        ],
        optional: 1,
    },
    Shape {
        name: "failed",
        fields: &[
            ("Why", "?", &[]),
            ("Versions", "#", NOT_VERSIONS),
            ("N", "1", NOT_A_PACKET_NUMBER),
            ("K", "7", NOT_A_MESSAGE_NUMBER),
        ],
        optional: 1,
    },
    Shape { name: "moved", fields: &[("GraceMs", "0", NOT_A_NUMBER)], optional: 0 },
    Shape {
        name: "closing",
        fields: &[("Why", "'bye'", &[]), ("N", "0", NOT_A_NUMBER)],
        optional: 0,
    },
    Shape {
        name: "error",
        fields: &[("Why", "\"text\"", &[]), ("Offset", "7", NOT_A_NUMBER)],
        optional: 0,
    },
];

const AGREED: Shape = Shape {
    name: "agreed",
    fields: &[
        ("UbfVersion", "1", &["?", "'a'", "0", "2", "-1", "{}"]),
        ("Service", "?", NOT_A_SERVICE),
        ("Versions", "#3&10&", NOT_VERSIONS),
        ("Options", "#", NOT_OPTIONS),
    ],
    optional: 0,
};

impl Shape {
    fn body(&self, fields: &[&str]) -> String {
        format!("{{'{}' {}}}$", self.name, fields.join(" "))
    }

    fn good(&self) -> Vec<&'static str> {
        self.fields.iter().map(|(_, good, _)| *good).collect()
    }

    /// All malformed bodies, with the field that is wrong: fields left out at the end, and each
    /// field replaced.
    fn bad(&self) -> Vec<(String, &'static str)> {
        let good = self.good();
        let required = self.fields.len() - self.optional;
        let cut = self.fields[..required]
            .iter()
            .enumerate()
            .map(|(count, (name, ..))| (self.body(&good[..count]), *name));
        let replaced = self.fields.iter().enumerate().flat_map(|(index, (name, _, bad))| {
            let good = good.clone();
            bad.iter().map(move |bad| {
                let mut fields = good.clone();
                fields[index] = bad;
                (self.body(&fields), *name)
            })
        });
        cut.chain(replaced).collect()
    }
}

fn check<T>(
    shapes: &[Shape],
    read: impl Fn(&str) -> Result<T, ControlError>,
    write: impl Fn(T) -> Vec<u8>,
) {
    for shape in shapes {
        let good = shape.body(&shape.good());
        let value = read(&good).unwrap_or_else(|error| panic!("{good}: {error}"));
        // What is written is read again as the same.
        let written = String::from_utf8(write(value)).unwrap();
        assert_eq!(written, String::from_utf8(write(read(&written).unwrap())).unwrap());
        // P4: terms at the end are ignored.
        let mut grown = shape.good();
        grown.extend(["'later'", "{1 2}"]);
        assert!(read(&shape.body(&grown)).is_ok(), "{}", shape.body(&grown));
        for (bad, field) in shape.bad() {
            let Err(error) = read(&bad) else { panic!("{bad} is accepted") };
            let ControlError::Malformed { packet, field: found } = error else {
                panic!("{bad}: {error}")
            };
            assert_eq!(packet, shape.name, "{bad}");
            let is_option =
                field == "Options" && found.starts_with(|letter: char| letter.is_lowercase());
            assert!(found == field || is_option, "{bad}: {found}");
        }
    }
}

const UNKNOWN: &[&str] = &[
    "?$",
    "1$",
    "\"ping\"$",
    "'pang'$",
    "{}$",
    "{1}$",
    "{'ping'}$",
    "{\"moved\" 1}$",
    "#$",
    "'ping'`t`$",
];

#[test]
fn p4_client_packets_are_read_and_malformed_ones_named() {
    let read = |body: &str| ClientControl::from_term(decode(body.as_bytes()).unwrap().root());
    check(FROM_CLIENT, read, |control| Encoder::new().encode(&control.to_term()));
    assert_eq!(read("'ping'$"), Ok(ClientControl::Ping));
    for unknown in UNKNOWN {
        assert_eq!(read(unknown), Err(ControlError::Unknown), "{unknown}");
    }
}

#[test]
fn p4_server_packets_are_read_and_malformed_ones_named() {
    let read = |body: &str| ServerControl::from_term(decode(body.as_bytes()).unwrap().root());
    check(FROM_SERVER, read, |control| Encoder::new().encode(&control.to_term()));
    assert_eq!(read("'pong'$"), Ok(ServerControl::Pong));
    for unknown in UNKNOWN {
        assert_eq!(read(unknown), Err(ControlError::Unknown), "{unknown}");
    }
    // S2: outside of a session, each answer is to a packet of this connection.
    for name in ["refused", "failed"] {
        let found = read(&format!("{{'{name}''why'#3&0}}$"));
        assert_eq!(found, Err(ControlError::Malformed { packet: name, field: "N" }));
        assert!(read(&format!("{{'{name}''why'#3&0 1}}$")).is_ok());
    }
    let read = |body: &str| Agreed::from_term(decode(body.as_bytes()).unwrap().root());
    check(&[AGREED], read, |agreed| Encoder::new().encode(&agreed.to_term()));
}

#[test]
fn n12_limits_that_are_not_told_have_their_defaults_and_others_are_told() {
    let default = Limits::default();
    let told = Options::default().with_limits(&default);
    assert_eq!(told, {
        let mut options = Options::default();
        options.max_packet = Some(16 << 20);
        options
    });
    let limits = [
        default.with_max_packet_bytes(1),
        default.with_max_depth(0),
        default.with_max_expanded_nodes(u64::MAX),
        default.with_max_expanded_bytes(7),
        default.with_max_integer_digits(u32::MAX),
    ];
    for limits in limits {
        assert_eq!(Options::default().with_limits(&limits).limits(), limits);
    }
    // More than this program can count is as much as it can.
    let mut options = Options::default();
    options.max_packet = Some(1 << 40);
    assert_eq!(options.limits(), default.with_max_packet_bytes(u32::MAX));
}

#[test]
fn n12_options_are_written_in_the_order_of_the_book_and_the_last_of_two_counts() {
    let text = "{'agreed'1?#3&#{'quarantined'#{10'crash'}&}&{'max_idle_ms'4}&{'max_integer_digits'5}&\
        {'max_expanded_bytes'6}&{'max_expanded_nodes'7}&{'max_depth'8}&{'max_packet'9}&\
        {'peers'\"a:1\"}&{'agent'\"x 1\"}&}$";
    let read = |text: &str| Agreed::from_term(decode(text.as_bytes()).unwrap().root()).unwrap();
    let options = read(text).options;
    assert_eq!(options.max_idle, Some(Duration::from_millis(4)));
    let written = Encoder::new().encode(&read(text).to_term());
    assert_eq!(String::from_utf8(written).unwrap(), text);
    // `&` puts a term in front of a list, so the first one written is the last one.
    let twice = read("{'agreed'1?#3&#{'max_depth'1}&{'max_depth'2}&}$").options;
    assert_eq!(twice.max_depth, Some(1));
}

#[test]
fn l1_peers_are_1024_bytes_at_most() {
    let read = |length: usize| {
        let rest = length - "a.example:1".len();
        // The name of the last address is as long as is needed.
        let names = ",b:1".repeat(rest / 4) + &"1".repeat(rest % 4);
        let text = format!("{{'agreed'1?#3&#{{'peers'\"a.example:1{names}\"}}&}}$");
        Agreed::from_term(decode(text.as_bytes()).unwrap().root()).map(|_| ())
    };
    assert_eq!(read(1024), Ok(()));
    let malformed = ControlError::Malformed { packet: "agreed", field: "peers" };
    assert_eq!(read(1025), Err(malformed));
}

#[test]
fn n2_a_list_has_1_to_1024_versions() {
    let list =
        |count: u32| (1..=count).fold("#".to_owned(), |list, number| format!("{list}{number}&"));
    let read = |list: &str| {
        ClientControl::from_term(
            decode(format!("{{'negotiate'1?{list} #}}$").as_bytes()).unwrap().root(),
        )
        .is_ok()
    };
    assert_eq!([0, 1, 1024, 1025].map(|count| read(&list(count))), [false, true, true, false]);
}

#[test]
fn l3_a_server_tells_what_is_malformed_and_closes() {
    for (bad, _) in FROM_CLIENT.iter().flat_map(Shape::bad) {
        let config = Arc::new(server::Config::default());
        let mut session =
            ServerSession::new(config, Arc::new(Offer::from(Versions::of([3, 10]))), Time::ZERO);
        session.handle(
            server::Input::Received(BytesMut::from(format!("0 {bad}").as_bytes())),
            Time::ZERO,
        );
        let mut sent = Vec::new();
        let mut reason = None;
        while let Some(output) = session.poll_output() {
            match output {
                server::Output::Transmit { packet, .. } => {
                    sent.extend_from_slice(&packet.to_bytes());
                }
                server::Output::Close { reason: found, .. } => reason = Some(found),
                other => panic!("{bad}: {other:?}"),
            }
        }
        assert_eq!(reason, Some(CloseReason::BadControl), "{bad}");
        let sent = String::from_utf8(sent).unwrap();
        // The body begins after `0 `.
        assert!(
            sent.starts_with("0 ? {'error'{'malformed'") && sent.ends_with("2}$"),
            "{bad}: {sent}"
        );
    }
}

#[test]
fn l3_a_server_refuses_a_packet_that_it_does_not_know_and_goes_on() {
    for unknown in UNKNOWN {
        let config = Arc::new(server::Config::default());
        let mut session =
            ServerSession::new(config, Arc::new(Offer::from(Versions::of([3, 10]))), Time::ZERO);
        session.handle(
            server::Input::Received(BytesMut::from(format!("0 {unknown}0 'ping'$").as_bytes())),
            Time::ZERO,
        );
        let mut sent = Vec::new();
        while let Some(output) = session.poll_output() {
            let server::Output::Transmit { packet, .. } = output else {
                panic!("{unknown}: {output:?}")
            };
            sent.extend_from_slice(&packet.to_bytes());
        }
        let sent = String::from_utf8(sent).unwrap();
        assert_eq!(sent, "0 ? {'refused''unknown_packet'#3&10&1}$0 ? 'pong'$", "{unknown}");
    }
}

#[test]
fn l3_a_client_tells_what_is_malformed_and_leaves() {
    let malformed = FROM_SERVER.iter().flat_map(Shape::bad).map(|(body, _)| format!("0 ? {body}"));
    let agreed = AGREED.bad().into_iter().map(|(body, _)| format!("10 ? {body}"));
    let unknown = UNKNOWN.iter().map(|body| format!("0 ? {body}"));
    for bad in malformed.chain(agreed).chain(unknown) {
        let addresses = vec!["192.0.2.1:4000".parse().unwrap()];
        let mut session = ClientSession::new(
            client::Config::new(addresses, Versions::of([3, 10])),
            1,
            Time::ZERO,
        );
        let connection = ConnectionId(0);
        assert!(matches!(session.poll_output(), Some(client::Output::NeedSessionId)));
        assert!(matches!(session.poll_output(), Some(client::Output::Connect { .. })));
        session.handle(client::Input::Connected { connection, peer: None, tls: false }, Time::ZERO);
        assert!(matches!(session.poll_output(), Some(client::Output::Transmit { .. })));
        session.handle(
            client::Input::Received { connection, bytes: BytesMut::from(bad.as_bytes()) },
            Time::ZERO,
        );
        let mut sent = Vec::new();
        let mut is_named = false;
        while let Some(output) = session.poll_output() {
            match output {
                client::Output::Transmit { packet, .. } => {
                    sent.extend_from_slice(&packet.to_bytes());
                }
                client::Output::Notice(Notice::Lost { reason, .. }) => {
                    is_named = matches!(reason, LossReason::BadControl(_));
                }
                _ => {}
            }
        }
        let sent = String::from_utf8(sent).unwrap();
        assert!(is_named && sent.starts_with("0 {'error''malformed'"), "{bad}: {sent}");
    }
}

#[test]
fn s1_s4_options_about_sessions_are_read_in_their_direction_and_malformed_ones_named() {
    let asked = |options: &str| {
        let text = format!("{{'negotiate'1?#3&{options}}}$");
        match ClientControl::from_term(decode(text.as_bytes()).unwrap().root())? {
            ClientControl::Negotiate(negotiate) => Ok(negotiate.options.session),
            other => panic!("{other:?}"),
        }
    };
    let answered = |options: &str| {
        let text = format!("{{'agreed'1?#3&{options}}}$");
        let agreed = Agreed::from_term(decode(text.as_bytes()).unwrap().root())?;
        Ok::<_, ControlError>(agreed.options.session)
    };
    let id = SessionId::from_bytes(*b"0123456789abcdef");
    let keep = Duration::from_millis(60_000);
    let wish = Wish { id, window: 1024, bytes: 1 << 22, keep };
    let resume = Resume { id, done: 7, events: 2, turn: 3 };
    for (text, expected) in [
        ("#{'session'16~0123456789abcdef~1024 4194304 60000}&", SessionOption::Open(wish)),
        ("#{'resume'16~0123456789abcdef~7 2 3}&", SessionOption::Resume(resume)),
    ] {
        assert_eq!(asked(text), Ok(Some(expected)), "{text}");
    }
    let grant = Grant { window: 64, bytes: 1, kept: 16 << 20, keep, level: Level::Memory };
    let durable = Grant { level: Level::Durable, ..grant };
    let resumed = |events_lost| SessionOption::Resumed(Resumed { received: 9, events_lost });
    for (text, expected) in [
        ("#{'session'64 1 16777216 60000'memory'}&", SessionOption::Granted(grant)),
        ("#{'session'64 1 16777216 60000'durable'}&", SessionOption::Granted(durable)),
        ("#{'session'64 1 16777216 60000'later'}&", SessionOption::Granted(grant)),
        ("#{'resumed'9 0}&", resumed(Some(0))),
        ("#{'resumed'9'unknown'}&", resumed(None)),
        ("#{'no_session''unknown'}&", SessionOption::NoSession(NoSession::Unknown)),
        ("#{'no_session''not_now'}&", SessionOption::NoSession(NoSession::NotNow)),
        ("#{'no_session''elsewhere'}&", SessionOption::NoSession(NoSession::Elsewhere)),
        ("#{'no_session''later'}&", SessionOption::NoSession(NoSession::NotNow)),
    ] {
        assert_eq!(answered(text), Ok(Some(expected)), "{text}");
    }
    for text in ["#{'resumed'9 0}&", "#{'no_session''unknown'}&"] {
        assert_eq!(asked(text), Ok(None), "{text}");
    }
    assert_eq!(answered("#{'resume'1}&"), Ok(None));
    for bad in NOT_WISHES {
        assert!(matches!(asked(bad), Err(ControlError::Malformed { .. })), "{bad}");
    }
    for bad in NOT_GRANTS {
        assert!(matches!(answered(bad), Err(ControlError::Malformed { .. })), "{bad}");
    }
}
