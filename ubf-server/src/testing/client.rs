//! A client of a test: it says what the test wants, and keeps apart what comes back.

use std::collections::VecDeque;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use ubf_codec::{
    ClientHeader, Encoder, Mode, NextIp, ServerHeader, Term, Text, Version, VersionedDecoder, View,
};
use ubf_proto::control::{Agreed, ClientControl, Negotiate, Options, ServerControl};
use ubf_proto::{Service, Versions};

use super::TestError;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It was answered.
    Reply {
        /// The response.
        response: Term,
        /// The state in which the service is after it.
        state: Term,
    },
    /// It may have run: its handler panicked, took too long, or says so.
    Failed {
        /// The reason.
        why: Term,
    },
    /// It was not executed.
    Refused {
        /// The reason.
        why: Term,
    },
}

impl Answer {
    /// A reply of this response, in this state.
    #[must_use]
    pub fn reply(response: impl Into<Term>, state: impl Into<Text>) -> Self {
        Self::Reply { response: response.into(), state: Term::atom(state) }
    }

    /// The response, if there is one.
    #[must_use]
    pub const fn response(&self) -> Option<&Term> {
        match self {
            Self::Reply { response, .. } => Some(response),
            Self::Failed { .. } | Self::Refused { .. } => None,
        }
    }
}

/// An event from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The version that it is written in.
    pub version: Version,
    /// The event, without the `event_out` around it.
    pub event: Term,
}

/// A client that does what a test says, one thing after the other. It believes what the server says
/// and follows no NextIP.
#[derive(Debug)]
pub struct TestClient {
    stream: DuplexStream,
    buffer: BytesMut,
    decoder: VersionedDecoder<ServerHeader>,
    /// What it says that it speaks, which may be no version.
    version: u32,
    /// What came while something else was waited for.
    answers: VecDeque<Came>,
    events: VecDeque<Event>,
    next_ip: Option<NextIp>,
}

/// An answer that came.
#[derive(Debug)]
enum Came {
    Answer(Answer),
    Agreed(Version),
    NoCommonVersion(Versions),
}

impl TestClient {
    /// A client on a stream of [`TestServer::connect`](super::TestServer::connect), which speaks
    /// version 1.
    #[must_use]
    pub fn new(stream: DuplexStream) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            decoder: VersionedDecoder::new(),
            version: 1,
            answers: VecDeque::new(),
            events: VecDeque::new(),
            next_ip: None,
        }
    }

    /// Writes what follows in this version.
    pub const fn speak(&mut self, version: u32) {
        self.version = version;
    }

    /// Where the last packet of the server sends the next message.
    #[must_use]
    pub const fn next_ip(&self) -> Option<&NextIp> {
        self.next_ip.as_ref()
    }

    /// Agrees with the server on a service and a version, and speaks that one from here on. All
    /// answers that are due must have been taken.
    ///
    /// # Errors
    /// [`TestError::NoCommonVersion`], and all that [`answer`](Self::answer) says.
    pub async fn negotiate(
        &mut self,
        service: impl Into<Service>,
        versions: impl IntoIterator<Item = u32>,
    ) -> Result<Version, TestError> {
        let negotiate = ClientControl::Negotiate(Box::new(Negotiate {
            service: service.into(),
            versions: Versions::of(versions),
            options: Options::default(),
        }));
        self.write(Mode::Negotiation, &negotiate.to_term()).await?;
        match self.take_answer().await? {
            Came::Agreed(version) => {
                self.version = version.get();
                Ok(version)
            }
            Came::NoCommonVersion(spoken) => Err(TestError::NoCommonVersion { spoken }),
            Came::Answer(answer) => Err(TestError::Unexpected(match answer {
                Answer::Reply { response, .. } => response,
                Answer::Failed { why } | Answer::Refused { why } => why,
            })),
        }
    }

    /// Sends a request and waits for its answer. All answers that are due must have been taken.
    ///
    /// # Errors
    /// As [`send`](Self::send) and [`answer`](Self::answer).
    pub async fn call(&mut self, request: impl Into<Term>) -> Result<Answer, TestError> {
        self.send(request).await?;
        self.answer().await
    }

    /// Sends a request, and does not wait for its answer.
    ///
    /// # Errors
    /// If the connection is gone, or the number of the version is none.
    pub async fn send(&mut self, request: impl Into<Term>) -> Result<(), TestError> {
        self.write(self.mode()?, &request.into()).await
    }

    /// Sends an event.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_event(&mut self, event: impl Into<Term>) -> Result<(), TestError> {
        let event = Term::tuple([Term::atom("event_in"), event.into()]);
        self.write(self.mode()?, &event).await
    }

    /// Waits for the answer to the oldest request that has none. Events that come meanwhile are
    /// kept.
    ///
    /// # Errors
    /// If the connection ends before, or the server sends what it should not.
    pub async fn answer(&mut self) -> Result<Answer, TestError> {
        match self.take_answer().await? {
            Came::Answer(answer) => Ok(answer),
            Came::Agreed(version) => Err(TestError::Unexpected(Term::from(version.get()))),
            Came::NoCommonVersion(spoken) => Err(TestError::NoCommonVersion { spoken }),
        }
    }

    /// Waits for the next event. Answers that come meanwhile are kept.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub async fn event(&mut self) -> Result<Event, TestError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            self.read().await?;
        }
    }

    /// Waits until the server closes the connection, and tells what it said. What comes before that
    /// is dropped.
    ///
    /// # Errors
    /// If the server sends what it should not.
    pub async fn end(mut self) -> Result<Option<Term>, TestError> {
        loop {
            match self.read().await {
                Ok(()) => {}
                Err(TestError::Closed { why }) => return Ok(why),
                Err(error) => return Err(error),
            }
        }
    }

    fn mode(&self) -> Result<Mode, TestError> {
        Version::new(self.version).map(Mode::from).ok_or(TestError::NotAVersion(self.version))
    }

    async fn write(&mut self, mode: Mode, body: &Term) -> Result<(), TestError> {
        let mut packet = Vec::new();
        Encoder::new().encode_versioned(&ClientHeader { mode }, body, &mut packet);
        self.stream.write_all(&packet).await?;
        Ok(())
    }

    async fn take_answer(&mut self) -> Result<Came, TestError> {
        loop {
            if let Some(came) = self.answers.pop_front() {
                return Ok(came);
            }
            self.read().await?;
        }
    }

    /// Reads a packet, and puts it where it belongs.
    async fn read(&mut self) -> Result<(), TestError> {
        let packet = loop {
            if let Some(packet) = self.decoder.decode(&mut self.buffer)? {
                break packet;
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                self.decoder.finish(&self.buffer)?;
                return Err(TestError::Closed { why: None });
            }
        };
        let ServerHeader { mode, next_ip } = packet.header;
        self.next_ip = next_ip;
        match mode {
            Mode::Negotiation => self.take_control(&packet.body.root().to_term()),
            Mode::Version(version) => self.take_message(version, packet.body.root().to_term()),
        }
    }

    fn take_message(&mut self, version: Version, body: Term) -> Result<(), TestError> {
        if Agreed::from_term(body.as_ref()).is_ok() {
            self.answers.push_back(Came::Agreed(version));
            return Ok(());
        }
        let parts =
            if let View::Tuple(tuple) = body.as_ref().view() { tuple.to_array() } else { None };
        let Some([first, second]) = parts else { return Err(TestError::Unexpected(body)) };
        if first.is_atom("event_out") {
            self.events.push_back(Event { version, event: second.to_term() });
        } else {
            let (response, state) = (first.to_term(), second.to_term());
            self.answers.push_back(Came::Answer(Answer::Reply { response, state }));
        }
        Ok(())
    }

    fn take_control(&mut self, body: &Term) -> Result<(), TestError> {
        let unexpected = || TestError::Unexpected(body.clone());
        let came = match ServerControl::from_term(body.as_ref()).map_err(|_| unexpected())? {
            ServerControl::NoCommonVersion { versions, .. } => Came::NoCommonVersion(versions),
            ServerControl::Refused { why, .. } => Came::Answer(Answer::Refused { why }),
            ServerControl::Failed { why, .. } => Came::Answer(Answer::Failed { why }),
            // Told by `next_ip`.
            ServerControl::Moved { .. } => return Ok(()),
            ServerControl::Closing { why, .. } | ServerControl::Error { why, .. } => {
                return Err(TestError::Closed { why: Some(why) });
            }
            // Nobody has asked.
            ServerControl::Pong => return Err(unexpected()),
        };
        self.answers.push_back(came);
        Ok(())
    }
}
