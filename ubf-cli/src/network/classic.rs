//! What the commands that talk to stock servers have in common.

use std::error::Error as _;

use ubf_client::classic::{CallError, ClassicConnectError, ClassicReply, EndReason, Refusal};
use ubf_codec::Term;

use crate::ui::reason::causes;
use crate::ui::report::Report;

/// Why there is no session, and what to look at.
pub(crate) fn cannot_connect(error: &ClassicConnectError) -> Report {
    let ClassicConnectError::Unreachable { failures } = error else {
        return Report::new(causes(error));
    };
    let in_words = |why: &Refusal| match why {
        Refusal::Dial(error) => super::dial_hint(error.kind()),
        Refusal::Session(EndReason::NoHello) => {
            Some("--no-hello is for servers that do not speak first, as those of ubf 2.x")
        }
        Refusal::Session(EndReason::NotHello(_) | EndReason::BadSyntax(_)) => Some(
            "is that a server of the time before versions? Others are called without --classic",
        ),
        Refusal::Session(_) | _ => None,
    };
    let hint = failures.iter().find_map(|(_, why)| in_words(why));
    Report::new(error.to_string()).with_hint(hint)
}

/// A call that failed, and what to do about it.
pub(crate) fn failed(error: &CallError) -> Report {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Report::new(format!("{error}{cause}")).with_hint(hint(error))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "there is no hint for most, nor for new ones")]
fn hint(error: &CallError) -> Option<&'static str> {
    match error {
        CallError::NoSuchService { .. } => Some("--start SERVICE begins the session of a service"),
        CallError::Indeterminate(EndReason::Deadline) => Some("--timeout gives it more time"),
        CallError::Indeterminate(EndReason::NoReply(_)) => {
            Some("--simplerpc is for servers whose replies name no state")
        }
        CallError::NoEvents => Some("servers of the flavour joe take no events"),
        CallError::NotAllowed(_) => Some(":contract off sends it all the same"),
        _ => None,
    }
}

/// The response and the state, also where the server says that a contract was broken: that is an
/// answer like others, as it is from versioned servers.
#[expect(clippy::result_large_err, reason = "it is the error of the library, passed on")]
pub(crate) fn answer(
    outcome: Result<ClassicReply, CallError>,
) -> Result<(Term, Option<Term>), CallError> {
    let broken = |word, rest: [Term; 2]| Term::tuple([Term::atom(word)].into_iter().chain(rest));
    match outcome {
        Ok(reply) => Ok(reply.into_parts()),
        Err(CallError::ClientBroke { request, rules, state }) => {
            Ok((broken("clientBrokeContract", [request, rules]), state))
        }
        Err(CallError::ServerBroke { request, reply, types, state }) => {
            let pair = Term::tuple([request, reply]);
            Ok((broken("serverBrokeContract", [pair, types]), state))
        }
        Err(error) => Err(error),
    }
}

/// A name for programs, which does not change.
#[expect(clippy::wildcard_enum_match_arm, reason = "what comes with later versions has no name")]
pub(crate) const fn kind(error: &CallError) -> &'static str {
    match error {
        CallError::NotAllowed(_) | CallError::NoEvents => "not_allowed",
        CallError::ReplyNotAllowed { .. } => "reply_not_allowed",
        CallError::Rejected { .. } => "rejected",
        CallError::NoSuchService { .. } => "no_such_service",
        CallError::TooManyCalls => "overloaded",
        CallError::NotSent(_) => "not_sent",
        CallError::Indeterminate(_) => "indeterminate",
        _ => "failed",
    }
}
