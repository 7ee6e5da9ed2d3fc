//! A connection to a node, and its answer to a `negotiate`.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use ubf_codec::{Decoder, Mode, NextIp, ServerHeader, Term};
use ubf_net::{DialErrorKind, Stream, Target, dial};
use ubf_proto::Versions;
use ubf_proto::control::{Agreed, Options, ServerControl};

use crate::counters::count;
use crate::cut::{Cut, Cutter};
use crate::fleet::{Failure, NodeId};
use crate::opening::MAX_CONTROL_BYTES;
use crate::shared::Shared;
use crate::skim::Skimmed;

/// A node, connected.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: Stream,
    /// What it has said and nobody has taken out.
    pub(crate) input: BytesMut,
    cutter: Cutter<ServerHeader>,
}

/// What a node answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) next_ip: Option<NextIp>,
    pub(crate) said: Said,
}

#[derive(Debug)]
pub(crate) enum Said {
    Agreed(Box<Options>),
    NoCommonVersion(Versions, Box<Options>),
    /// N14, N10: it does not answer.
    Refused,
    /// It turns the client away: packets after this number were not executed.
    Closing(Term, u64),
    Pong,
    /// It has no place here.
    Anything,
}

/// Connects to a node.
pub(crate) async fn connect(shared: &Shared, node: NodeId) -> Result<Link, Failure> {
    let target = shared.fleet().target(node).cloned();
    let Some(target) = target else { return Err(Failure::Silent) };
    let connected = reach(shared, &target).await;
    match connected {
        Ok(stream) => Ok(Link { stream, input: BytesMut::new(), cutter: Cutter::new() }),
        Err(failure) => {
            failed(shared, node, failure);
            Err(failure)
        }
    }
}

/// Notes that a node was not reached.
pub(crate) fn failed(shared: &Shared, node: NodeId, failure: Failure) {
    count(&shared.counters.node_failures);
    let now = shared.now();
    let mut fleet = shared.fleet();
    if fleet.failed(node, failure, now)
        && let Some(target) = fleet.target(node)
    {
        tracing::warn!(node = %target, ?failure, "a node is passed over");
    }
}

pub(crate) async fn reach(shared: &Shared, target: &Target) -> Result<Stream, Failure> {
    let within = shared.limits.max_connect_time;
    let connecting = async {
        let (place, tls) = if let Target::Tls(address) = target {
            (Target::Network(address.clone()), Some(&address.host))
        } else {
            (target.clone(), None)
        };
        let (stream, _peer) = dial(&place, |_| true, within).await.map_err(|error| {
            let is_refusal =
                matches!(error.kind(), DialErrorKind::Refused | DialErrorKind::NoSuchSocket);
            if is_refusal { Failure::Refused } else { Failure::Silent }
        })?;
        match (tls, &shared.node_tls) {
            (None, _) => Ok(stream),
            (Some(host), Some(tls)) => tls.connect(host, stream).await.map_err(|_| Failure::Silent),
            (Some(_), None) => Err(Failure::Silent),
        }
    };
    timeout(within, connecting).await.unwrap_or(Err(Failure::Silent))
}

impl Link {
    /// Sends these packets, the last of which wants the answer that is given, and takes out the
    /// answers to the pings before it.
    pub(crate) async fn ask(&mut self, packets: &[u8], within: Duration) -> io::Result<Answer> {
        let asking = async {
            self.stream.write_all(packets).await?;
            loop {
                let (answer, len) = self.answer().await?;
                if !matches!(answer.said, Said::Pong) {
                    return Ok(answer);
                }
                drop(self.input.split_to(len));
                self.cutter = Cutter::new();
            }
        };
        timeout(within, asking).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// The answers to so many packets, taken out.
    pub(crate) async fn ask_all(
        &mut self,
        packets: &[u8],
        answers: usize,
        within: Duration,
    ) -> io::Result<Vec<Answer>> {
        let asking = async {
            self.stream.write_all(packets).await?;
            let mut all = Vec::with_capacity(answers);
            while all.len() < answers {
                let (answer, len) = self.answer().await?;
                drop(self.input.split_to(len));
                self.cutter = Cutter::new();
                let is_last = matches!(answer.said, Said::Closing(..));
                all.push(answer);
                if is_last {
                    break;
                }
            }
            Ok(all)
        };
        timeout(within, asking).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// The next packet, which stays in the buffer, and its length there.
    async fn answer(&mut self) -> io::Result<(Answer, usize)> {
        let (mut seen, mut body, mut header) = (0, 0, None);
        loop {
            let window = self.input.get(seen..).unwrap_or_default();
            let bad = |_| io::Error::from(io::ErrorKind::InvalidData);
            match self.cutter.cut(window).map_err(bad)? {
                Cut::Nothing => {
                    if self.input.len() > MAX_CONTROL_BYTES {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    if self.stream.read_buf(&mut self.input).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Cut::Blank(len) => seen += len,
                Cut::Head(head, len) => {
                    seen += len;
                    body = seen;
                    header = Some(head);
                }
                Cut::Body(Skimmed { len, is_end }) => {
                    seen += len;
                    if is_end && let Some(header) = header.take() {
                        let bytes = self.input.get(body..seen).unwrap_or_default();
                        let said = said(header.mode, bytes);
                        return Ok((Answer { next_ip: header.next_ip, said }, seen));
                    }
                }
            }
        }
    }
}

fn said(mode: Mode, body: &[u8]) -> Said {
    let Ok(document) = Decoder::new().decode(body) else { return Said::Anything };
    if let Mode::Version(_) = mode {
        return Agreed::from_term(document.root())
            .map_or(Said::Anything, |agreed| Said::Agreed(Box::new(agreed.options)));
    }
    match ServerControl::from_term(document.root()) {
        Ok(ServerControl::NoCommonVersion { versions, options, .. }) => {
            Said::NoCommonVersion(versions, options)
        }
        Ok(ServerControl::Refused { .. }) => Said::Refused,
        Ok(ServerControl::Closing { why, packet }) => Said::Closing(why, packet),
        Ok(ServerControl::Pong) => Said::Pong,
        Ok(
            ServerControl::Failed { .. }
            | ServerControl::Moved { .. }
            | ServerControl::Error { .. },
        )
        | Err(_) => Said::Anything,
    }
}

/// The packets of clients as one piece: used where the switch speaks for itself.
pub(crate) fn client_packet(body: &Term) -> Bytes {
    let mut bytes = Vec::new();
    let header = ubf_codec::ClientHeader { mode: Mode::Negotiation };
    ubf_codec::Encoder::new().encode_versioned(&header, body, &mut bytes);
    bytes.into()
}
