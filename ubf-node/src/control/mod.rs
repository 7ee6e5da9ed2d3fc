//! The contract by which an operator looks at a server and steers it: service `control`, version 1.
//!
//! It is a service like any other, so it can be served wherever an operator, and nobody else, can
//! reach it. The reference server has it on a Unix socket (`--control PATH`). Chapter "The control
//! socket" of the specification has a table of all requests and responses.
//!
//! ```
//! use std::time::Duration;
//! use ubf_node::control::Control;
//! use ubf_node::services::Echo;
//! use ubf_server::{Server, Service, Versions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let echo = Echo::new(Versions::of([1, 2]));
//! let server = Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, echo).bind().await?;
//! let control = Control::new(server.handle()).drains(Duration::from_secs(30), Duration::from_secs(10));
//! let socket = std::env::temp_dir().join(format!("ubf-doc-{}.socket", std::process::id()));
//! let operator = Server::builder().listen_unix(&socket).service(Control::NAME, control).bind().await?;
//! # drop((server, operator));
//! # Ok(())
//! # }
//! ```

mod request;
mod status;

use std::time::Duration;

use ubf_codec::{NextIp, Term, ubf};
use ubf_proto::{DrainPlan, Versions};
use ubf_server::{Call, Client, Failure, Handler, LoadPlan, Reply, ServerHandle};

use self::request::{Request, SHAPES, Which};

/// The service for operators of a server.
#[derive(Clone, Debug)]
pub struct Control {
    server: ServerHandle,
    grace: Duration,
    hard_stop: Duration,
}

impl Control {
    /// The name under which `ubf admin` asks for it.
    pub const NAME: &'static str = "control";
    /// The version of the contract.
    pub const VERSION: u32 = 1;

    /// The service for this server.
    #[must_use]
    pub const fn new(server: ServerHandle) -> Self {
        Self { server, grace: Duration::from_secs(30), hard_stop: Duration::from_secs(10) }
    }

    /// Says how long a drain takes if the operator does not: by default 30 s, and 10 s for calls in
    /// progress.
    #[must_use]
    pub const fn drains(mut self, grace: Duration, hard_stop: Duration) -> Self {
        (self.grace, self.hard_stop) = (grace, hard_stop);
        self
    }

    fn answer(&self, request: Request) -> Term {
        match request {
            Request::Status => status::term(&self.server.status()),
            Request::Sessions => status::sessions(&self.server.status()),
            Request::Drain { next_ip, grace, hard_stop } => {
                let Some(next_ip) = next_ip.or_else(|| self.peers()) else {
                    return ubf!({error, no_peers});
                };
                let (grace, hard_stop) =
                    (grace.unwrap_or(self.grace), hard_stop.unwrap_or(self.hard_stop));
                let is_done =
                    self.server.drain(DrainPlan { next_ip: Some(next_ip), grace, hard_stop });
                if is_done { ubf!(ok) } else { ubf!({error, closing}) }
            }
            Request::Undrain => match self.server.undrain() {
                true => ubf!(ok),
                false if self.server.status().is_listening => ubf!({error, not_draining}),
                false => ubf!({error, not_listening}),
            },
            Request::Withdraw(which, version) => self.each(&which, version, ServerHandle::withdraw),
            Request::Restore(which, version) => self.each(&which, version, ServerHandle::restore),
            Request::SetLoadMarks { unit, low, high, next_ip } => {
                let Some(next_ip) = next_ip.or_else(|| self.peers()) else {
                    return ubf!({error, no_peers});
                };
                self.server.set_load_marks(Some(LoadPlan { unit, low, high, next_ip }));
                ubf!(ok)
            }
            Request::ClearLoadMarks => {
                self.server.set_load_marks(None);
                ubf!(ok)
            }
            Request::SetPeers(peers) => {
                self.server.set_peers(peers);
                ubf!(ok)
            }
            Request::ShutDown { hard_stop } => {
                self.server.shut_down(hard_stop.unwrap_or(self.hard_stop));
                ubf!(ok)
            }
        }
    }

    fn peers(&self) -> Option<NextIp> {
        NextIp::new(self.server.status().peers)
    }

    /// Withdraws or restores a version of one service, or of all that have it. Twice is once.
    fn each(
        &self,
        which: &Which,
        version: ubf_codec::Version,
        change: fn(&ServerHandle, &ubf_proto::Service, ubf_codec::Version) -> bool,
    ) -> Term {
        let status = self.server.status();
        let mut is_known = false;
        for (service, spoken) in &status.spoken {
            let withdrawn =
                status.withdrawn.get(service).is_some_and(|withdrawn| withdrawn.contains(version));
            let is_meant = match which {
                Which::All => true,
                Which::One(name) => name == service,
            };
            if is_meant && (withdrawn || spoken.contains(version)) {
                is_known = true;
                // `false` if it was done before.
                let _is_changed = change(&self.server, service, version);
            }
        }
        if is_known { ubf!(ok) } else { ubf!({error, unknown_version}) }
    }
}

impl Handler for Control {
    type State = ();

    fn versions(&self) -> Versions {
        Versions::of([Self::VERSION])
    }

    fn connect(&self, _: &Client) {}

    async fn request(&self, call: Call<()>) -> Result<Reply, Failure> {
        let response = Request::read(call.term()).map(|request| self.answer(request));
        let phase = self.server.status().phase.as_str();
        Ok(match response {
            Some(response) => Reply::new(response, phase),
            None => Reply::broken_contract(call.term(), SHAPES, phase),
        })
    }
}
