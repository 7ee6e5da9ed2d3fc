//! An agent, as a controller speaks to it.

use std::fmt;
use std::time::Duration;

use ubf_agent_core::{Refusal, Reply, Request, Status, VERSION};
use ubf_client::tls::ClientTls;
use ubf_codec::{Mode, Version};

use crate::admin::{AdminError, Channel, ControlPlace};

/// A connection to an agent.
#[derive(Debug)]
pub(crate) struct Agent {
    channel: Channel,
    version: Mode,
}

/// Why an agent did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum AgentError {
    /// It cannot be reached, or the connection broke: what it was asked for may be done.
    Lost(AdminError),
    /// What is there is no agent.
    Stranger(String),
    /// It says no, and all is as it was.
    Refused(Refusal, String),
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(error) => write!(f, "its agent: {error}"),
            Self::Stranger(what) => write!(f, "what answers is no agent: {what}"),
            Self::Refused(why, text) => write!(f, "{why}: {text}"),
        }
    }
}

impl Agent {
    /// Connects. The agent may not be silent for longer than `within`.
    pub(crate) fn connect(
        place: &ControlPlace,
        tls: Option<&ClientTls>,
        within: Duration,
    ) -> Result<Self, AgentError> {
        let channel = match (place, tls) {
            (ControlPlace::Socket(path), _) => Channel::to_socket(path, within),
            (ControlPlace::Network(address), Some(tls)) => {
                Channel::to_address(tls, address, within)
            }
            (ControlPlace::Network(_), None) => {
                Err(AdminError::Stranger("the plan has no certificates for it".to_owned()))
            }
        };
        let version = Version::new(VERSION).map_or(Mode::Negotiation, Mode::Version);
        Ok(Self { channel: channel.map_err(AgentError::Lost)?, version })
    }

    pub(crate) fn ask(&mut self, request: &Request) -> Result<Reply, AgentError> {
        let answered = self.channel.exchange(self.version, &request.to_term());
        let (mode, body) = answered.map_err(AgentError::Lost)?;
        let reply = body.root().get(0).filter(|_| mode == self.version).and_then(Reply::read);
        match reply {
            Some(Reply::Error(why, text)) => Err(AgentError::Refused(why, text)),
            Some(reply) => Ok(reply),
            None => Err(AgentError::Stranger(body.to_string())),
        }
    }

    pub(crate) fn status(&mut self) -> Result<Status, AgentError> {
        let reply = self.ask(&Request::Status)?;
        if let Reply::Status(status) = reply { Ok(*status) } else { Err(not_meant(&reply)) }
    }
}

/// An answer to another request.
pub(crate) fn not_meant(reply: &Reply) -> AgentError {
    AgentError::Stranger(reply.to_term().to_string())
}
