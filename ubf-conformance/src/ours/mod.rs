//! The implementation of this project: its codec, and its two ends of a connection.

mod classic;
mod client;
mod codec;
mod contracts;
pub mod postfix;
mod server;

use self::classic::Classic;
use self::client::Client;
use self::server::Server;
use crate::dialogue::{Act, Beginning, Machine, Told};
use crate::implementation::{Answer, Refusal};
use crate::outcome::Side;

pub use self::codec::{
    Codec, CodecStream, decoder, end_of, one_versioned, stream, stream_decoder, versioned_stream,
};

/// The machines of `ubf_proto`, one dialogue at a time.
#[derive(Debug, Default)]
pub struct Machines {
    end: End,
    classic: Option<Classic>,
}

#[derive(Debug, Default)]
enum End {
    /// No dialogue has begun.
    #[default]
    None,
    Client(Box<Client>),
    Server(Box<Server>),
}

impl Machine for Machines {
    fn classic(&mut self, line: &str) -> Answer<Vec<String>> {
        let acts = match (line.split_once(' '), &mut self.classic) {
            (Some(("begin", words)), _) => Classic::begin(words).map(|(end, acts)| {
                self.classic = Some(end);
                acts
            }),
            (Some(("tell", words)), Some(end)) => end.tell(words),
            (Some(("tell", _)), None) => Err("no dialogue has begun".to_owned()),
            _ => Err(format!("`{line}` is neither `begin` nor `tell`")),
        };
        acts.map_err(Refusal::Failed)
    }

    fn begin(&mut self, beginning: &Beginning) -> Answer<Vec<Act>> {
        let (end, acts) = match beginning.side {
            Side::Client => {
                let (client, acts) = Client::begin(beginning).map_err(Refusal::Failed)?;
                (End::Client(Box::new(client)), acts)
            }
            Side::Server => {
                let (server, acts) = Server::begin(beginning).map_err(Refusal::Failed)?;
                (End::Server(Box::new(server)), acts)
            }
        };
        self.end = end;
        Ok(acts)
    }

    fn tell(&mut self, told: &Told) -> Answer<Vec<Act>> {
        let acts = match &mut self.end {
            End::None => Err("no dialogue has begun".to_owned()),
            End::Client(client) => client.told(told),
            End::Server(server) => server.told(told),
        };
        acts.map_err(Refusal::Failed)
    }
}

/// A version, which is never 0.
fn version(number: u32) -> Result<ubf_codec::Version, String> {
    ubf_codec::Version::new(number).ok_or_else(|| format!("{number} is no version"))
}

/// One end that says nothing: for implementations of the codec alone.
#[derive(Debug, Default)]
pub struct NoMachine;

impl Machine for NoMachine {
    fn begin(&mut self, _: &Beginning) -> Answer<Vec<Act>> {
        Err(Refusal::Unsupported)
    }

    fn tell(&mut self, _: &Told) -> Answer<Vec<Act>> {
        Err(Refusal::Unsupported)
    }
}
