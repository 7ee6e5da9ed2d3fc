//! What people are told: each error says what it is, and names the setting that it is about.

use core::time::Duration;

use ubf_codec::{Decoder, ubf};
use ubf_proto::client::{CallError, LossReason, Violation};
use ubf_proto::{RedirectRefusal, Versions};

use super::client_end::version;

#[test]
fn why_a_call_ended() {
    for (error, words) in [
        (CallError::Overloaded { max_pending: 7 }, "more than 7 calls are open (max_pending)"),
        (
            CallError::Deadline { may_have_run: true, last_loss: None },
            "no reply in time; the call may have run",
        ),
        (CallError::Deadline { may_have_run: false, last_loss: None }, "not sent in time"),
        (CallError::Cancelled { may_have_run: true }, "cancelled; the call may have run"),
        (CallError::Cancelled { may_have_run: false }, "cancelled before it was sent"),
        (CallError::Indeterminate { loss: None }, "the connection was lost; the call may have run"),
        (CallError::Inexpressible { version: version(3) }, "cannot be expressed in version 3"),
        (
            CallError::Crashed { version: version(3) },
            "the code for version 3 crashed, and no other is left",
        ),
        (
            CallError::Failed { version: version(3), why: ubf!(oh) },
            "the server's handler for version 3 crashed: oh",
        ),
        (CallError::Refused { why: ubf!({version, 3}) }, "refused by the server: {version,3}"),
        (CallError::TooLarge { max_packet: 9 }, "the server accepts packets of 9 bytes at most"),
        (
            CallError::Unacceptable { error: Decoder::new().decode(b"}$").unwrap_err() },
            "the server does not accept it: '}' with no tuple open, at byte 0",
        ),
        (
            CallError::Rejected { why: ubf!("limit-depth") },
            "the server cannot read it: \"limit-depth\"",
        ),
        (
            CallError::NoCommonVersion { spoken: Versions::of([1, 2]) },
            "no common version: the server speaks 1,2",
        ),
        (
            CallError::NoCommonVersion { spoken: Versions::new() },
            "no common version: the server speaks no version of this service",
        ),
        (CallError::Closed, "the session is closed"),
    ] {
        assert_eq!(error.to_string(), words);
        // What is said and what is promised are the same.
        let says_so = words.contains("may have run") || words.contains("handler");
        assert_eq!(error.may_have_run(), says_so, "{words}");
    }
}

#[test]
fn why_a_connection_ended() {
    let (five, short) = (Duration::from_secs(5), Duration::from_millis(30));
    let syntax = Decoder::new().decode(b"}$").unwrap_err();
    for (reason, words) in [
        (LossReason::ConnectFailed { cause: None }, "cannot connect"),
        (LossReason::ConnectTime { max: five }, "not connected in 5 s (max_connect_time)"),
        (LossReason::MoveTime { max: short }, "not connected in 30 ms, a share of max_move_time"),
        (LossReason::Closed, "closed by the server, or lost"),
        (
            LossReason::Closing { why: ubf!(drained), last: 4 },
            "the server closes after packet 4: drained",
        ),
        (LossReason::NegotiationTime { max: five }, "no agreement in 5 s (max_negotiation_time)"),
        (LossReason::PongTime { max: five }, "no answer to ping in 5 s (max_pong_time)"),
        (
            LossReason::Silence { max: five },
            "no answer received for 5 s while a reply is due (max_silence)",
        ),
        (LossReason::PacketTime { max: short }, "a packet took more than 30 ms (max_packet_time)"),
        (LossReason::WriteTime { max: five }, "nothing could be written for 5 s (max_write_time)"),
        (
            LossReason::BadSyntax(syntax),
            "the server broke the syntax: '}' with no tuple open, at byte 0",
        ),
        (
            LossReason::ReportedError { why: ubf!(oh), offset: 5 },
            "the server reports broken syntax: oh, at byte 5",
        ),
        (
            LossReason::NoCommonVersion { spoken: Versions::of([4]) },
            "no common version: the server speaks 4",
        ),
        (
            LossReason::NegotiationRefused { why: ubf!(rate) },
            "the server refuses to negotiate: rate",
        ),
        (
            LossReason::Unanswered { after: five },
            "no answer for 5 s (ask_after), and none on a second connection",
        ),
        (LossReason::Downgrade, "the server offers only lower versions than before"),
        (LossReason::Policy(RedirectRefusal::LowPort), "redirected to a port below 1024"),
        (LossReason::Violation(Violation::WrongService), "the server agreed on another service"),
    ] {
        assert_eq!(reason.to_string(), words);
    }
}

#[test]
fn which_rule_a_server_broke() {
    let (three, ten) = (version(3), version(10));
    for (violation, code, words) in [
        (
            Violation::WrongChoice { expected: Some(ten), found: three },
            "wrong-choice",
            "the server chose version 3, and 10 is the highest in both lists",
        ),
        (
            Violation::WrongChoice { expected: None, found: three },
            "wrong-choice",
            "the server chose version 3, and there is none in both lists",
        ),
        (
            Violation::ChoseGrease { grease: ten },
            "chose-grease",
            "the server chose version 10, which nobody has",
        ),
        (Violation::WrongService, "wrong-service", "the server agreed on another service"),
        (Violation::UnexpectedAnswer, "unexpected-answer", "the server answers what was not asked"),
        (
            Violation::WrongVersion { expected: ten, found: three },
            "wrong-version",
            "a reply in version 3 to a request in version 10",
        ),
        (
            Violation::WrongPacketNumber { found: 9 },
            "wrong-packet-number",
            "the server speaks of packet 9, which cannot be meant",
        ),
    ] {
        assert_eq!((violation.code(), violation.to_string().as_str()), (code, words));
    }
}
