//! The socket between two processes: packets in both directions, and descriptors with some of them.
//!
//! A descriptor goes with a packet of its own (`SCM_RIGHTS`). The system hands it over together
//! with bytes of that packet or, if the receiver has no room for it, without: then it says so
//! (`MSG_CTRUNC`), and that ends the line.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use bytes::BytesMut;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use ubf_codec::{DecodeError, DecodeOptions, Encoder, Limits, StreamDecoder};

use super::words::Word;

/// The most bytes of one packet, which is a session at most. Chosen: more than a session keeps by
/// default, with room for what it is written in.
pub(super) const MAX_PACKET_BYTES: u32 = 64 << 20;
/// Room for one read. Chosen: more makes nothing faster.
const READ_BYTES: usize = 64 << 10;
/// Descriptors that have come before their packets. One comes with each packet, so that more are
/// the fault of the other end.
const MAX_WAITING: usize = 64;

/// One end of the line.
#[derive(Debug)]
pub(super) struct Line {
    stream: UnixStream,
    decoder: StreamDecoder,
    buffer: BytesMut,
    /// Descriptors whose packets are not whole yet.
    descriptors: VecDeque<OwnedFd>,
}

/// Why nothing more can be said or heard.
#[derive(Debug)]
pub(crate) enum LineError {
    /// The socket fails.
    Io(io::Error),
    /// What comes is no packet, or too large.
    Syntax(DecodeError),
    /// It is a packet, and none of the contract.
    Unknown(String),
    /// A descriptor was cut off.
    Truncated,
    /// A packet has come without its descriptor, or a descriptor without a packet.
    Descriptors,
    /// A session is too large for a packet.
    TooLarge(usize),
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the socket between the processes fails: {error}"),
            Self::Syntax(error) => write!(f, "the other process speaks no UBF: {error}"),
            Self::Unknown(word) => write!(f, "the other process says what is not known: {word}"),
            Self::Truncated => f.write_str(
                "a descriptor was cut off: this process may not have so many (ulimit -n)",
            ),
            Self::Descriptors => f.write_str("a descriptor and its packet did not come together"),
            Self::TooLarge(bytes) => {
                write!(f, "a packet of {bytes} bytes is above the limit of {MAX_PACKET_BYTES}")
            }
        }
    }
}

impl std::error::Error for LineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Syntax(error) => Some(error),
            Self::Unknown(_) | Self::Truncated | Self::Descriptors | Self::TooLarge(_) => None,
        }
    }
}

impl From<io::Error> for LineError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Line {
    pub(super) fn new(stream: UnixStream) -> Self {
        let limits = Limits::default()
            .with_max_packet_bytes(MAX_PACKET_BYTES)
            .with_max_expanded_bytes(u64::from(MAX_PACKET_BYTES));
        let options = DecodeOptions::default().with_limits(limits);
        Self {
            stream,
            decoder: StreamDecoder::new().with_options(options),
            buffer: BytesMut::new(),
            descriptors: VecDeque::new(),
        }
    }

    /// Says a word, and gives the descriptor that belongs to it.
    ///
    /// # Errors
    /// If the other process has ended, or the word is too large.
    pub(super) async fn say(
        &self,
        word: &Word,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), LineError> {
        let packet = Encoder::new().encode(&word.to_term());
        if packet.len() > MAX_PACKET_BYTES as usize {
            return Err(LineError::TooLarge(packet.len()));
        }
        let mut rest = packet.as_slice();
        // It goes with the first bytes, and never again.
        let mut descriptor = descriptor;
        while !rest.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_io(Interest::WRITABLE, || self.send(rest, descriptor)) {
                Ok(sent) => {
                    rest = rest.get(sent..).unwrap_or_default();
                    descriptor = None;
                }
                Err(error) if is_to_be_tried_again(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn send(&self, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<usize> {
        let mut space = [const { MaybeUninit::uninit() }; rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<_> = descriptor.into_iter().collect();
        if !descriptors.is_empty() {
            let is_pushed = control.push(SendAncillaryMessage::ScmRights(&descriptors));
            debug_assert!(is_pushed, "there is room for one");
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        Ok(sendmsg(self.stream.as_fd(), &[IoSlice::new(bytes)], &mut control, flags)?)
    }

    /// The next word, with its descriptor if it has one. `None`: the other process has ended.
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// What comes is not as it should be. Then nothing more is to be heard.
    pub(super) async fn hear(&mut self) -> Result<Option<(Word, Option<OwnedFd>)>, LineError> {
        loop {
            if let Some(packet) =
                self.decoder.decode(&mut self.buffer).map_err(LineError::Syntax)?
            {
                let unknown =
                    || LineError::Unknown(ubf_proto::Truncated(packet.root()).to_string());
                let word = Word::read(packet.root()).ok_or_else(unknown)?;
                let descriptor = if word.has_descriptor() {
                    let came = self.descriptors.pop_front();
                    if came.is_none() && !is_truncated_taken() {
                        return Err(LineError::Descriptors);
                    }
                    came
                } else {
                    None
                };
                return Ok(Some((word, descriptor)));
            }
            self.stream.readable().await?;
            match self.stream.try_io(Interest::READABLE, || {
                receive(&self.stream, &mut self.buffer, &mut self.descriptors)
            }) {
                Ok((0, _)) => return Ok(None),
                Ok((_, true)) if !is_truncated_taken() => return Err(LineError::Truncated),
                Ok(_) if self.descriptors.len() > MAX_WAITING => {
                    return Err(LineError::Descriptors);
                }
                Ok(_) => {}
                Err(error) if is_to_be_tried_again(&error) => {}
                // The other process was killed with something unread.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// U2: what lost descriptors ends the attempt, unless this rule is taken away.
fn is_truncated_taken() -> bool {
    crate::fault::is_taken_away("truncated-is-whole")
}

/// Reads once. How many bytes came, and whether descriptors were cut off.
fn receive(
    stream: &UnixStream,
    buffer: &mut BytesMut,
    descriptors: &mut VecDeque<OwnedFd>,
) -> io::Result<(usize, bool)> {
    let mut space = [const { MaybeUninit::uninit() }; rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = vec![0; READ_BYTES];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received =
        recvmsg(stream.as_fd(), &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?;
    buffer.extend_from_slice(bytes.get(..received.bytes).unwrap_or_default());
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(came) = message {
            descriptors.extend(came);
        }
    }
    Ok((received.bytes, received.flags.contains(ReturnFlags::CTRUNC)))
}

fn is_to_be_tried_again(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (Line, Line) {
        let (one, other) = UnixStream::pair().unwrap();
        (Line::new(one), Line::new(other))
    }

    #[tokio::test]
    async fn words_come_with_their_descriptors_in_order() {
        let (one, mut other) = pair();
        let listeners = [(); 20].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        for (index, listener) in listeners.iter().enumerate() {
            let word = Word::Listener(index.to_string());
            one.say(&word, Some(listener.as_fd())).await.unwrap();
            one.say(&Word::Go, None).await.unwrap();
        }
        for (index, listener) in listeners.iter().enumerate() {
            let (word, descriptor) = other.hear().await.unwrap().unwrap();
            assert_eq!(word, Word::Listener(index.to_string()));
            let came = TcpListener::from(descriptor.unwrap());
            assert_eq!(came.local_addr().unwrap(), listener.local_addr().unwrap());
            let (word, none) = other.hear().await.unwrap().unwrap();
            assert!(word == Word::Go && none.is_none());
        }
        drop(one);
        assert!(other.hear().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn u2_a_word_that_lost_its_descriptor_is_an_error() {
        let (one, mut other) = pair();
        one.say(&Word::Listener("a".into()), None).await.unwrap();
        assert!(matches!(other.hear().await, Err(LineError::Descriptors)));
    }

    #[tokio::test]
    async fn u2_descriptors_that_are_cut_off_are_an_error() {
        let (one, mut other) = pair();
        // Many at once, for which the receiver has no room.
        let streams = [(); 9].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let descriptors: Vec<_> = streams.iter().map(std::os::fd::AsFd::as_fd).collect();
        let mut space = [const { MaybeUninit::uninit() }; rustix::cmsg_space!(ScmRights(9))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let packet = [IoSlice::new(b"{'listener'\"a\"}$")];
        one.stream.writable().await.unwrap();
        sendmsg(one.stream.as_fd(), &packet, &mut control, SendFlags::empty()).unwrap();
        assert!(matches!(other.hear().await, Err(LineError::Truncated)));
    }

    #[tokio::test]
    async fn l1_a_packet_above_the_limit_is_neither_said_nor_heard() {
        let (one, mut other) = pair();
        let name = "a".repeat(MAX_PACKET_BYTES as usize);
        assert!(matches!(one.say(&Word::Listener(name), None).await, Err(LineError::TooLarge(_))));
        let long = format!("{}~", u64::from(MAX_PACKET_BYTES) + 1);
        one.stream.writable().await.unwrap();
        one.stream.try_write(long.as_bytes()).unwrap();
        assert!(matches!(other.hear().await, Err(LineError::Syntax(_))));
    }
}
