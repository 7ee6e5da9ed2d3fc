//! A client of bytes, which keeps what it knows of a session apart from its connection.

use std::net::SocketAddr;

use benches::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use ubf_codec::{Encoder, ubf};

use crate::server::peer::{TEXT, check};

pub(super) struct Raw {
    stream: TcpStream,
    request: Vec<u8>,
    reply: Vec<u8>,
}

/// The name of a session: 16 letters.
pub(super) fn id(number: usize) -> String {
    format!("{number:016}")
}

impl Raw {
    pub(super) async fn connect(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = ubf!({call, 4711, (TEXT)});
        let reply = ubf!({(request.clone()), start});
        let packet = |head: &[u8], term| [head, &*Encoder::new().encode(&term)].concat();
        Ok(Self { stream, request: packet(b"1 ", request), reply: packet(b"1 ? ", reply) })
    }

    /// Agrees on the version, without a session.
    pub(super) async fn negotiate(&mut self) -> Result<(), Error> {
        self.ask("", "{'agreed'1?#1&#{'max_packet'").await
    }

    pub(super) async fn open(&mut self, id: &str) -> Result<(), Error> {
        let wish = format!("{{'session'16~{id}~4096 4194304 60000}}&");
        self.ask(&wish, "{'agreed'1?#1&#{'session'4096 4194304 ").await
    }

    /// Goes on with a session of which nothing was acknowledged, and reads so many answers again.
    pub(super) async fn resume(
        &mut self,
        id: &str,
        turn: u64,
        answers: usize,
    ) -> Result<(), Error> {
        let resume = format!("{{'resume'16~{id}~0 0 {turn}}}&");
        self.ask(&resume, &format!("{{'agreed'1?#1&#{{'resumed'{answers} 0}}")).await?;
        self.read_replies(answers).await
    }

    async fn ask(&mut self, option: &str, start: &str) -> Result<(), Error> {
        let negotiate = format!("0 {{'negotiate'1?#1&#{option}}}$");
        self.stream.write_all(negotiate.as_bytes()).await?;
        let mut answer = String::new();
        while !answer.ends_with('$') {
            answer.push(self.stream.read_u8().await?.into());
        }
        if answer.starts_with(&format!("1 ? {start}")) {
            return Ok(());
        }
        Err(format!("the server has answered {answer} to {negotiate}").into())
    }

    /// Makes so many calls together, and reads the replies.
    pub(super) async fn call(&mut self, count: usize) -> Result<(), Error> {
        let requests = self.request.repeat(count);
        self.stream.write_all(&requests).await?;
        self.read_replies(count).await
    }

    /// Says that so many answers have come.
    pub(super) async fn acknowledge(&mut self, done: u64) -> Result<(), Error> {
        Ok(self.stream.write_all(format!("0 {{'seen'{done} 0}}$").as_bytes()).await?)
    }

    async fn read_replies(&mut self, count: usize) -> Result<(), Error> {
        let mut replies = vec![0; self.reply.len() * count];
        self.stream.read_exact(&mut replies).await?;
        replies.chunks(self.reply.len()).try_for_each(|reply| check(reply, &*self.reply))
    }
}
