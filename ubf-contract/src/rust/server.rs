//! What a server says and does under a contract, as Rust.

use alloc::format;
use alloc::string::String;

use super::items::documented;
use super::rules::{Call, Rules};
use super::session::{condition, next_of};
use super::template::{Template, fill, indented_all};

const SERVICE: &Template = "
/// What a service does under this contract.
pub trait Service: Send + Sync + 'static {
    /// What is kept for each connection.
    type Session: Send + Sync + 'static;

    /// A client uses the service for the first time on its connection.
    fn connect(&self, client: &Client) -> Self::Session;
$functions}
";

const FUNCTION: &Template = "
$doc    fn $function(
        &self,
        session: &Self::Session,
        request: $request,
    ) -> impl Future<Output = Result<$answer, Failure>> + Send;
";

const EVENT_FUNCTION: &str = "
    /// Takes an event. By default it is ignored.
    fn event(
        &self,
        session: &Self::Session,
        event: EventIn,
    ) -> impl Future<Output = ()> + Send {
        let _ = session;
        drop(event);
        async {}
    }
";

const REQUESTS: &Template = "
    async fn request(&self, call: Call<Self::State>) -> Result<Reply, Failure> {
        let connection = call.state();
        let state = connection.state();
$cases        Ok(Reply::broken_contract(call.term(), &[], state.name()))
    }
";

const REQUEST: &Template = "        if ${condition}let Ok(request) = from_term(call.term())
        {
            let answer = self.service.$function(&connection.session, request).await?;
$before            return Ok(connection.reply($response, $next));
        }
";

const EVENTS: &str = "
    async fn event(&self, event: Call<Self::State>) {
        if let Ok(read) = EventIn::read(event.term()) {
            self.service.event(&event.state().session, read).await;
        }
    }
";

/// The trait of a server's code, and what makes a handler of it.
pub(super) fn service(rules: &Rules) -> String {
    let mut functions = String::new();
    let mut cases = String::new();
    for call in &rules.calls {
        let doc = indented_all(&documented(&call.described()));
        let parts = [
            ("doc", &*doc),
            ("function", &call.function),
            ("request", &call.request),
            ("answer", &call.answer),
        ];
        functions += &fill(FUNCTION, &parts);
        cases += &request(call);
    }
    if !rules.events_in.is_empty() {
        functions += EVENT_FUNCTION;
    }
    let events = if rules.events_in.is_empty() { "" } else { EVENTS };
    let service = fill(SERVICE, &[("functions", &functions)]);
    let requests = fill(REQUESTS, &[("cases", &cases)]);
    format!("{service}{SERVED}{requests}{events}}}\n")
}

fn request(call: &Call) -> String {
    // An answer with several outcomes knows which state it leads to.
    let several = "            let (response, next) = answer.write()?;\n";
    let (before, response, next) = match call.outcomes.as_slice() {
        [one] => ("", "to_term(&answer)?", next_of(one.next.as_ref())),
        _ => (several, "response", "next".into()),
    };
    let condition = condition(call.state.as_ref());
    let parts = [
        ("condition", &*condition),
        ("function", &call.function),
        ("before", before),
        ("response", response),
        ("next", &next),
    ];
    fill(REQUEST, &parts)
}

const SERVED: &str = r#"
/// The service as a handler for `ubf-server`, held against the contract.
///
/// # Errors
/// Never: the contract was well-formed when this code was written.
pub fn service<S: Service>(
    service: S,
    versions: &Versions,
) -> Result<Contracts<Served<S>>, ReadError> {
    let contract = Reader::new().read(CONTRACT)?;
    let served = Served { service, versions: versions.clone() };
    Ok(Contracts::new(served).version(versions, contract))
}

/// What calls a [`Service`].
#[derive(Debug)]
pub struct Served<S> {
    service: S,
    versions: Versions,
}

/// What is kept for a connection.
#[derive(Debug)]
pub struct Connection<S> {
    session: S,
    state: Mutex<State>,
}

impl<S> Connection<S> {
    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply(&self, response: Term, next: State) -> Reply {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Reply::new(response, next.name())
    }
}

impl<S: Service> Handler for Served<S> {
    type State = Connection<S::Session>;

    fn versions(&self) -> Versions {
        self.versions.clone()
    }

    fn connect(&self, client: &Client) -> Self::State {
        let session = self.service.connect(client);
        Connection { session, state: Mutex::new(State::ENTRY) }
    }
"#;
