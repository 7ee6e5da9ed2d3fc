//! Follows the events of a server, for as long as it takes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::broadcast;
use tokio::time::{sleep, timeout};

use super::client::{MAX_ANSWER, Node, NodeError};

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// Where there is no place for one more reader of events.
const LONGER_PAUSE: Duration = Duration::from_secs(2);
/// A server says something every second.
const MAX_SILENCE: Duration = Duration::from_secs(10);
/// Events that wait for a reader of all servers; who is slower loses the oldest, and is told.
const MAX_WAITING: usize = 1_024;
/// What is handed on.
const KNOWN: [&str; 3] = ["status", "log", "missed"];

/// What all servers say, for those who look.
#[derive(Debug)]
pub(super) struct News {
    events: broadcast::Sender<Bytes>,
    /// Of each: its last status, or why there is none.
    last: Mutex<Vec<Result<Arc<str>, String>>>,
}

impl News {
    pub(super) fn new(nodes: usize) -> Self {
        let asked = Err("nothing was heard of it yet".to_owned());
        Self { events: broadcast::Sender::new(MAX_WAITING), last: Mutex::new(vec![asked; nodes]) }
    }

    /// What was said last, and what is said from here on.
    pub(super) fn subscribe(&self) -> (Vec<Bytes>, broadcast::Receiver<Bytes>) {
        // A status that comes between is told twice, and none is missed.
        let events = self.events.subscribe();
        let last = self.last().into_iter().enumerate();
        let told = |(index, last): (usize, Result<Arc<str>, String>)| match last {
            Ok(status) => of_node(index, "status", &status),
            Err(why) => of_node(index, "gone", &text(&why)),
        };
        (last.map(told).collect(), events)
    }

    pub(super) fn last(&self) -> Vec<Result<Arc<str>, String>> {
        self.lock().clone()
    }

    fn take(&self, index: usize, name: &str, data: &str) {
        if name == "status"
            && let Some(last) = self.lock().get_mut(index)
        {
            *last = Ok(data.into());
        }
        // The error is that nobody looks.
        self.events.send(of_node(index, name, data)).ok();
    }

    fn lose(&self, index: usize, why: &str) {
        if let Some(last) = self.lock().get_mut(index) {
            *last = Err(why.to_owned());
        }
        self.events.send(of_node(index, "gone", &text(why))).ok();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Result<Arc<str>, String>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The event's id says of which server it is.
fn of_node(index: usize, name: &str, data: &str) -> Bytes {
    format!("id: {index}\nevent: {name}\ndata: {data}\n\n").into()
}

/// As JSON, on one line.
fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Follows a server until it is dropped.
pub(super) async fn watch(node: Arc<Node>, index: usize, news: Arc<News>) {
    loop {
        let pause = match follow(&node, index, &news).await {
            Err(NodeError::Refused(StatusCode::SERVICE_UNAVAILABLE, _)) => {
                if let Err(error) = look(&node, index, &news).await {
                    news.lose(index, &error.to_string());
                }
                LONGER_PAUSE
            }
            Err(error) => {
                news.lose(index, &error.to_string());
                PAUSE
            }
            Ok(never) => match never {},
        };
        sleep(pause).await;
    }
}

/// Its status, once.
async fn look(node: &Node, index: usize, news: &News) -> Result<(), NodeError> {
    let (_, status) = node.look("/status.json").await?.good().await?.whole().await?;
    let status = String::from_utf8_lossy(&status);
    news.take(index, "status", status.lines().next().unwrap_or_default());
    Ok(())
}

async fn follow(
    node: &Node,
    index: usize,
    news: &News,
) -> Result<std::convert::Infallible, NodeError> {
    let mut answer = node.look("/events").await?.good().await?;
    let mut events = Events::default();
    loop {
        let more = timeout(MAX_SILENCE, answer.next()).await.unwrap_or(Err(NodeError::TooLate))?;
        let more = more.ok_or(NodeError::Ended)?;
        events.take(&more, |name, data| news.take(index, name, data))?;
    }
}

/// Lines of server-sent events, however they are cut.
#[derive(Debug, Default)]
struct Events {
    /// A line that has not ended.
    line: Vec<u8>,
    name: String,
    data: String,
}

impl Events {
    fn take(&mut self, bytes: &[u8], mut on: impl FnMut(&str, &str)) -> Result<(), NodeError> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, after) = rest.split_at(end);
            self.add(line)?;
            rest = after.get(1..).unwrap_or_default();
            let line = std::mem::take(&mut self.line);
            self.end_line(&String::from_utf8_lossy(&line), &mut on);
        }
        self.add(rest)
    }

    fn add(&mut self, part: &[u8]) -> Result<(), NodeError> {
        if self.line.len() + part.len() > MAX_ANSWER {
            return Err(NodeError::TooLong);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self, line: &str, on: &mut impl FnMut(&str, &str)) {
        if line.is_empty() {
            // What is handed on is one line of JSON, and nothing that begins another event.
            let is_known = KNOWN.contains(&self.name.as_str()) && !self.data.contains('\r');
            if is_known && serde_json::from_str::<serde_json::Value>(&self.data).is_ok() {
                on(&self.name, &self.data);
            }
            (self.name, self.data) = (String::new(), String::new());
        } else if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut self.name);
        } else if let Some(data) = line.strip_prefix("data: ") {
            data.clone_into(&mut self.data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let (mut events, mut heard) = (Events::default(), Vec::new());
        for piece in pieces {
            let on = |name: &str, data: &str| heard.push((name.to_owned(), data.to_owned()));
            events.take(piece, on).unwrap();
        }
        heard
    }

    #[test]
    fn events_are_read_however_they_are_cut() {
        let text = b"retry: 1000\n\nevent: status\ndata: {\"a\":1}\n\nevent: missed\ndata: 7\n\n";
        let wanted = [("status", "{\"a\":1}"), ("missed", "7")]
            .map(|(name, data)| (name.to_owned(), data.to_owned()));
        for cut in 0..=text.len() {
            let (start, end) = text.split_at(cut);
            assert_eq!(heard(&[start, end]), wanted, "{cut}");
        }
    }

    #[test]
    fn what_is_no_event_of_a_server_is_not_handed_on() {
        for text in [
            "event: gone\ndata: \"x\"\n\n",
            "event: status\ndata: no json\n\n",
            "event: log\ndata: \"a\rb\"\n\n",
            "data: 1\n\n",
            "event: status\ndata: 1\n",
        ] {
            assert_eq!(heard(&[text.as_bytes()]), [], "{text:?}");
        }
    }

    #[test]
    fn a_line_has_an_end() {
        let mut events = Events::default();
        let piece = vec![b'x'; MAX_ANSWER];
        assert!(events.take(&piece, |_, _| ()).is_ok());
        assert!(matches!(events.take(b"x", |_, _| ()), Err(NodeError::TooLong)));
    }

    #[test]
    fn who_comes_later_hears_what_was_said_last() {
        let news = News::new(2);
        news.take(1, "status", "{\"pid\":7}");
        news.take(1, "log", "{}");
        let (last, mut later) = news.subscribe();
        assert_eq!(last[0], "id: 0\nevent: gone\ndata: \"nothing was heard of it yet\"\n\n");
        assert_eq!(last[1], "id: 1\nevent: status\ndata: {\"pid\":7}\n\n");
        assert!(later.try_recv().is_err());
        news.lose(1, "a\n\"b\"");
        assert_eq!(later.try_recv().unwrap(), "id: 1\nevent: gone\ndata: \"a\\n\\\"b\\\"\"\n\n");
    }
}
