//! Clients as there have been since 2002: one connection each, which must not break while the
//! server is changed in order.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::node::until_dollar;

/// For an answer, the pause of an upgrade included.
const ANSWER_TIME: Duration = Duration::from_secs(20);

pub(crate) struct Stock {
    stream: TcpStream,
    calls: u64,
}

impl Stock {
    /// So many of them.
    pub(crate) async fn some(count: usize, at: SocketAddr) -> Result<Vec<Self>, String> {
        let mut some = Vec::new();
        for _ in 0..count {
            some.push(Self::connect(at).await?);
        }
        Ok(some)
    }

    async fn connect(at: SocketAddr) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("a stock client cannot connect: {error}");
        let stream = TcpStream::connect(at).await.map_err(failed)?;
        let mut stock = Self { stream, calls: 0 };
        // The server begins with its hello, in which there is a dollar sign.
        stock.hear().await?;
        stock.hear().await?;
        stock.say("{'startSession',\"echo\",#}$").await?;
        let started = stock.hear().await?;
        if !started.contains("'ok'") {
            return Err(format!("a stock client is not let in: {started}"));
        }
        stock.call().await?;
        Ok(stock)
    }

    async fn say(&mut self, text: &str) -> Result<(), String> {
        let said = self.stream.write_all(text.as_bytes()).await;
        said.map_err(|error| format!("the connection of a stock client broke: {error}"))
    }

    async fn hear(&mut self) -> Result<String, String> {
        let heard = timeout(ANSWER_TIME, until_dollar(&mut self.stream)).await;
        let heard = heard.map_err(|_| "a stock client is not answered".to_owned())?;
        heard.map_err(|error| format!("the connection of a stock client broke: {error}"))
    }

    /// One call, on the connection that it has had from the beginning.
    pub(crate) async fn call(&mut self) -> Result<(), String> {
        self.calls += 1;
        let calls = self.calls;
        self.say(&format!("{{'say',{calls}}}$")).await?;
        let answer = self.hear().await?;
        if answer.contains(&format!("'say'{calls}}}")) {
            return Ok(());
        }
        Err(format!("a stock client said {calls} and was answered {answer}"))
    }
}
