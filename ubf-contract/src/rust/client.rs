//! What a client says under a contract, as Rust.

use alloc::format;
use alloc::string::String;

use super::items::documented;
use super::rules::{Call, Outcome, Rules};
use super::template::{Template, fill, indented_all};

const CALLS: &Template = "
/// What a client may say under this contract.
pub trait Calls: Sync {$functions}

impl Calls for ubf_client::Client {$bodies}
";

const FUNCTION: &Template = "
$doc    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn $function(
        &self,
        request: &$request,
    ) -> impl Future<Output = Result<$answer, CallFailed>> + Send;
";

const BODY: &Template = "
    async fn $function(&self, request: &$request) -> Result<$answer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
$result    }
";

const ONE_ANSWER: &Template = "        match from_term(reply.response()) {
            Ok(response) if $condition => Ok(response),
            _ => Err(CallFailed::unexpected(&reply)),
        }
";

const SEVERAL_ANSWERS: &Template = "        $answer::read(reply.response(), state)
            .ok_or_else(|| CallFailed::unexpected(&reply))
";

const SEND: &str = "
    /// Sends an event.
    ///
    /// # Errors
    /// It was not sent.
    fn send(&self, event: &EventIn) -> impl Future<Output = Result<(), CallFailed>> + Send;
";

const SEND_BODY: &str = "
    async fn send(&self, event: &EventIn) -> Result<(), CallFailed> {
        let event = event.to_term().map_err(CallFailed::Unwritable)?;
        self.cast(event).await.map_err(CallFailed::Call)
    }
";

/// The trait of a client's calls.
pub(super) fn calls(rules: &Rules) -> String {
    let (mut functions, mut bodies) = (String::new(), String::new());
    for call in &rules.calls {
        let doc = indented_all(&documented(&call.described()));
        let result = result(call);
        let parts = [
            ("doc", &*doc),
            ("function", &call.function),
            ("request", &call.request),
            ("answer", &call.answer),
            ("result", &result),
        ];
        functions += &fill(FUNCTION, &parts);
        bodies += &fill(BODY, &parts);
    }
    if !rules.events_in.is_empty() {
        functions += SEND;
        bodies += SEND_BODY;
    }
    fill(CALLS, &[("functions", &functions), ("bodies", &bodies)]) + CALL_FAILED
}

fn result(call: &Call) -> String {
    let condition = match call.outcomes.as_slice() {
        [Outcome { next: Some(next), .. }] => format!("state == Some(State::{next})"),
        [_] => "state.is_some()".into(),
        _ => return fill(SEVERAL_ANSWERS, &[("answer", &call.answer)]),
    };
    fill(ONE_ANSWER, &[("condition", &condition)])
}

const CALL_FAILED: &str = r#"
/// Why a call has no answer that can be used.
#[derive(Debug)]
pub enum CallFailed {
    /// The call failed.
    Call(CallError),
    /// The request has no form in UBF. It was not sent.
    Unwritable(Error),
    /// The server answered what the contract does not say. The call has run.
    Unexpected {
        /// All that it sent.
        reply: Term,
    },
}

impl CallFailed {
    fn unexpected(reply: &ubf_client::Reply) -> Self {
        Self::Unexpected { reply: reply.body().to_term() }
    }
}

impl std::fmt::Display for CallFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Unwritable(error) => write!(f, "the request has no form: {error}"),
            Self::Unexpected { reply } => write!(f, "no answer that the contract knows: {reply}"),
        }
    }
}

impl std::error::Error for CallFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(error) => Some(error),
            Self::Unwritable(error) => Some(error),
            Self::Unexpected { .. } => None,
        }
    }
}
"#;
