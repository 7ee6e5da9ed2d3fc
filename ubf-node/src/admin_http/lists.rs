//! Connections and sessions, page by page.
//!
//! The server filters, so that a page is full of what is looked for; and looks at a bounded number
//! of them for it, so that nobody is held up for long.

use std::ops::ControlFlow;

use hyper::StatusCode;
use serde::Serialize;

use crate::control::{Asker, ConnectionReport, Control, Request, Response, SessionReport};

/// Rows of a page.
const MAX_ROWS: usize = 200;
const ROWS: usize = 50;
/// In one look: what one request of the operator's contract lists.
const LOOK: u64 = 1_000;
/// Looks for one page. Chosen: twenty thousand connections.
const MAX_LOOKS: usize = 20;
/// Bytes of a filter. Chosen: more than anybody types.
const MAX_FILTER: usize = 100;

/// What is asked for: `after=7&limit=50&filter=kv`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    after: u64,
    limit: usize,
    /// In lower case.
    filter: String,
}

impl Query {
    pub(super) fn read(query: Option<&str>) -> Result<Self, &'static str> {
        let mut read = Self { after: 0, limit: ROWS, filter: String::new() };
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "after" => read.after = value.parse().map_err(|_| "after is a number")?,
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MAX_ROWS).contains(limit));
                    read.limit = limit.ok_or("limit is 1 to 200")?;
                }
                "filter" => {
                    let filter = decoded(value).ok_or("filter is not percent-encoded UTF-8")?;
                    if filter.len() > MAX_FILTER {
                        return Err("filter is at most 100 bytes");
                    }
                    read.filter = filter.to_lowercase();
                }
                _ => return Err("what is asked for is after, limit and filter"),
            }
        }
        Ok(read)
    }
}

/// A value of a query in plain text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// A page.
#[derive(Debug, Serialize)]
pub(super) struct Page<T> {
    items: Vec<T>,
    /// What to ask for to see further: numbers after this one. `None`: there are none.
    next: Option<u64>,
}

/// One of many.
pub(super) trait Listed: Serialize + Sized {
    fn number(&self) -> u64;
    /// What is looked through, in lower case.
    fn words(&self) -> String;
    fn request(after: u64) -> Request;
    fn read(response: Response) -> Option<Vec<Self>>;
}

impl Listed for ConnectionReport {
    fn number(&self) -> u64 {
        self.number
    }

    fn words(&self) -> String {
        let Self { number, peer, service, version, agent, .. } = self;
        let version = version.map(|version| version.to_string()).unwrap_or_default();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{number} {peer} {} {version} {}", text(service), text(agent)).to_lowercase()
    }

    fn request(after: u64) -> Request {
        Request::ListConnections { after, at_most: LOOK }
    }

    fn read(response: Response) -> Option<Vec<Self>> {
        if let Response::List(items) = response { Some(items) } else { None }
    }
}

impl Listed for SessionReport {
    fn number(&self) -> u64 {
        self.number
    }

    fn words(&self) -> String {
        let Self { number, name, service, peer, connection, .. } = self;
        let service = service.as_deref().unwrap_or_default();
        let state = if self.parked { "parked" } else { "attached" };
        format!("{number} {name} {service} {peer} {connection} {state}").to_lowercase()
    }

    fn request(after: u64) -> Request {
        Request::ListSessions { after, at_most: LOOK }
    }

    fn read(response: Response) -> Option<Vec<Self>> {
        if let Response::Sessions(items) = response { Some(items) } else { None }
    }
}

/// The page that is asked for, as JSON.
pub(super) async fn page<T: Listed>(
    control: &Control,
    query: Option<&str>,
) -> Result<String, (StatusCode, String)> {
    let query = Query::read(query).map_err(|why| (StatusCode::BAD_REQUEST, format!("{why}\n")))?;
    let page = look::<T>(control, query).await;
    // Its keys are texts, and nothing in it can fail to be written.
    Ok(serde_json::to_string(&page).unwrap_or_default())
}

async fn look<T: Listed>(control: &Control, query: Query) -> Page<T> {
    let mut search = Search::new(query);
    loop {
        let response = control.ask(&Asker::who_looks(), T::request(search.after)).await;
        match search.take(T::read(response).unwrap_or_default()) {
            ControlFlow::Break(page) => return page,
            // Others have their turn.
            ControlFlow::Continue(()) => tokio::task::yield_now().await,
        }
    }
}

/// Looks through all there are, part by part.
struct Search<T> {
    /// Numbers up to this one were looked at.
    after: u64,
    limit: usize,
    filter: String,
    found: Vec<T>,
    looks: usize,
}

impl<T: Listed> Search<T> {
    fn new(Query { after, limit, filter }: Query) -> Self {
        Self { after, limit, filter, found: Vec::new(), looks: 0 }
    }

    /// Takes the next ones, in the order of their numbers: fewer than were asked for are the last.
    fn take(&mut self, items: Vec<T>) -> ControlFlow<Page<T>> {
        let is_last = (items.len() as u64) < LOOK;
        for item in items {
            let is_wanted = self.filter.is_empty() || item.words().contains(&self.filter);
            if is_wanted && self.found.len() == self.limit {
                let next = self.found.last().map(T::number);
                return self.end(next);
            }
            self.after = item.number();
            if is_wanted {
                self.found.push(item);
            }
        }
        self.looks += 1;
        if is_last {
            self.end(None)
        } else if self.looks == MAX_LOOKS {
            self.end(Some(self.after))
        } else {
            ControlFlow::Continue(())
        }
    }

    fn end(&mut self, next: Option<u64>) -> ControlFlow<Page<T>> {
        ControlFlow::Break(Page { items: std::mem::take(&mut self.found), next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_or_refused_with_a_reason() {
        let read = |query: &str| Query::read(Some(query)).map(|it| (it.after, it.limit, it.filter));
        assert_eq!(read(""), Ok((0, 50, String::new())));
        assert_eq!(read("after=7&limit=200"), Ok((7, 200, String::new())));
        assert_eq!(read("filter=K%C3%A4se+1%2f2"), Ok((0, 50, "käse 1/2".into())));
        for wrong in [
            "after=x",
            "after=-1",
            "limit=0",
            "limit=201",
            "limit=",
            "filter=%f",
            "filter=%zz",
            "filter=%ff",
            "sort=age",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read(&format!("filter={}", "x".repeat(100))).is_ok());
        assert!(read(&format!("filter={}", "x".repeat(101))).is_err());
    }

    /// One of many, with its number and nothing else.
    #[derive(Debug, Serialize)]
    struct Numbered(u64);

    impl Listed for Numbered {
        fn number(&self) -> u64 {
            self.0
        }

        fn words(&self) -> String {
            self.0.to_string()
        }

        fn request(after: u64) -> Request {
            Request::ListConnections { after, at_most: LOOK }
        }

        fn read(_: Response) -> Option<Vec<Self>> {
            None
        }
    }

    /// What a search finds among this many, and in how many looks.
    fn search(query: &str, all: u64) -> (Vec<u64>, Option<u64>, usize) {
        let mut search = Search::new(Query::read(Some(query)).unwrap());
        loop {
            let from = search.after + 1;
            let items = (from..=all).take(1_000).map(Numbered).collect();
            if let ControlFlow::Break(Page { items, next }) = search.take(items) {
                return (items.iter().map(Numbered::number).collect(), next, search.looks);
            }
        }
    }

    #[test]
    fn pages_follow_each_other_without_a_gap() {
        let (mut after, mut seen) = (0, Vec::new());
        loop {
            let (found, next, _) = search(&format!("after={after}&limit=200"), 2_050);
            seen.extend(found);
            let Some(next) = next else { break };
            after = next;
        }
        assert!(seen.iter().copied().eq(1..=2_050));
        // As many as a page holds, and none more.
        assert_eq!(search("limit=50", 50).1, None);
        assert_eq!(search("limit=50", 51).1, Some(50));
        assert_eq!(search("limit=50", 0), (Vec::new(), None, 1));
    }

    #[test]
    fn one_request_looks_at_so_many_and_says_where_to_go_on() {
        assert_eq!(search("filter=44444", 100_000), (vec![], Some(20_000), MAX_LOOKS));
        assert_eq!(search("filter=44444&after=20000", 100_000), (vec![], Some(40_000), MAX_LOOKS));
        let (found, next, _) = search("filter=44444&after=40000", 100_000);
        assert_eq!((found, next), (vec![44_444], Some(60_000)));
        // What is found on the way is a page, however many there are behind.
        let (found, next, looks) = search("filter=7&limit=3", 100_000);
        assert_eq!((found, next, looks), (vec![7, 17, 27], Some(27), 0));
    }
}
