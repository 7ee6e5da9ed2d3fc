//! A client of three connections, of which an older one comes late (S5).

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use ubf_testing::random::Random;

use super::node::{Node, until_dollar};

const ANSWER_TIME: Duration = Duration::from_secs(20);

/// Opens a session, resumes it with turn 3, and then with turn 2: that one is turned away, and the
/// one with turn 3 goes on.
pub(crate) async fn late_turn(node: &Node, random: &mut Random) -> Result<(), String> {
    let id: String = (0..16).map(|_| char::from(b'a' + random.byte() % 26)).collect();
    let negotiate = |option: String| format!("0 {{'negotiate'1\"ledger\"#1&#{{{option}}}&}}$");
    let mut first = node.dial().await?;
    say(&mut first, &negotiate(format!("'session'16~{id}~8 100000 60000"))).await?;
    expect(&mut first, "'session'").await?;
    let resume = |turn| negotiate(format!("'resume'16~{id}~0 0 {turn}"));
    let mut newest = node.dial().await?;
    say(&mut newest, &resume(3)).await?;
    expect(&mut newest, "'resumed'").await?;
    let mut late = node.dial().await?;
    say(&mut late, &resume(2)).await?;
    expect(&mut late, "'overtaken'").await?;
    say(&mut newest, "1 {'balance'\"nobody\"}$").await?;
    expect(&mut newest, "no_account").await
}

async fn say(stream: &mut TcpStream, text: &str) -> Result<(), String> {
    stream.write_all(text.as_bytes()).await.map_err(|error| format!("turns: {error}"))
}

async fn expect(stream: &mut TcpStream, word: &str) -> Result<(), String> {
    let heard = timeout(ANSWER_TIME, until_dollar(stream)).await;
    let heard = heard.map_err(|_| format!("turns: {word} does not come"))?;
    let heard = heard.map_err(|error| format!("turns: {word} does not come: {error}"))?;
    if heard.contains(word) {
        return Ok(());
    }
    Err(format!("turns: {word} was to come, and not {heard}"))
}
