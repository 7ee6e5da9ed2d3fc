//! The page for people: one document, whole without JavaScript, and live with it.
//!
//! What others say becomes text in it and never markup: here by [`Html`](html::Html), in the script
//! since it makes elements and parses none. The policy that goes with it lets the browser run this
//! one script and nothing else.

mod html;
mod render;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Response;
use hyper::header::{self, HeaderValue};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::body::Body;
use super::response::typed;
pub(crate) use render::{Node, ROWS, items};

const DOCUMENT: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");
const HTML: &str = "text/html; charset=utf-8";

/// The document, cut where something is put in, and the policy that goes with it.
struct Template {
    pieces: Vec<Piece>,
    policy: HeaderValue,
}

enum Piece {
    Text(String),
    Place(&'static str),
}

static TEMPLATE: LazyLock<Template> = LazyLock::new(Template::new);

impl Template {
    fn new() -> Self {
        let script = lean(SCRIPT);
        let mut pieces = Vec::new();
        let (mut style_hash, mut before) = (String::new(), DOCUMENT);
        if let Some((head, rest)) = DOCUMENT.split_once("<style>")
            && let Some((style, rest)) = rest.split_once("</style>")
        {
            let style = lean(style);
            style_hash = hash(&style);
            cut(head, &mut pieces);
            pieces.push(Piece::Text(format!("<style>{style}</style>")));
            before = rest;
        }
        cut(before, &mut pieces);
        // What stands between the tags is what is hashed.
        let policy = format!(
            "default-src 'none'; style-src '{style_hash}'; script-src '{}'; connect-src 'self'; \
             img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            hash(&script)
        );
        // Hashes are letters, digits, and what base64 has besides.
        let policy = HeaderValue::from_str(&policy)
            .unwrap_or(HeaderValue::from_static("default-src 'none'"));
        let script_place = |piece: &mut Piece| {
            if matches!(piece, Piece::Place("script")) {
                *piece = Piece::Text(script.clone());
            }
        };
        pieces.iter_mut().for_each(script_place);
        Self { pieces, policy }
    }
}

/// Cuts a text at the places for what is put in: `{{name}}`.
fn cut(text: &'static str, pieces: &mut Vec<Piece>) {
    for (index, part) in text.split("{{").enumerate() {
        match part.split_once("}}") {
            Some((name, after)) if index > 0 => {
                pieces.extend([Piece::Place(name), Piece::Text(after.to_owned())]);
            }
            Some(_) | None => pieces.push(Piece::Text(part.to_owned())),
        }
    }
}

/// Without indentation, and without lines that are comments.
fn lean(code: &str) -> String {
    let lines = code.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("// "));
    lines.collect::<Vec<_>>().join("\n")
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// The page about these nodes. `bases` are where its script asks for more of each, relative to the
/// page.
pub(crate) fn page(nodes: &[Node], bases: &[String], lets_act: bool) -> Response<Body> {
    let mut response = typed(HTML, text(nodes, bases, lets_act).into());
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, TEMPLATE.policy.clone());
    response
}

fn text(nodes: &[Node], bases: &[String], lets_act: bool) -> String {
    let known = nodes.iter().zip(bases);
    let nodes_json: Vec<_> =
        known.map(|(node, base)| json!({ "name": node.name, "base": base })).collect();
    let mut config = html::Html::default();
    config.text(json!({ "nodes": nodes_json, "act": lets_act }));
    let mut parts = render::parts(nodes);
    parts.insert("config", config.finish());
    let mut page = String::with_capacity(64 << 10);
    for piece in &TEMPLATE.pieces {
        match piece {
            Piece::Text(text) => page.push_str(text),
            Piece::Place(name) => page.push_str(parts.get(name).map_or("", String::as_str)),
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// A server of which everything is said by somebody else.
    fn node(said: &str) -> Node {
        let status = json!({
            "phase": said, "agent": said, "next_ip": said, "pid": 7, "uptime_ms": 7,
            "time_left_ms": 9, "connections": 3, "cordon": {}, "overloaded": true,
            "services": [{ "service": said, "spoken": [3], "withdrawn": [2] }],
            "quarantines": [{ "service": said, "version": 3, "peer": said, "left_ms": 4 }],
            "connections_by_version": [{ "service": said, "version": 3, "connections": 2 }],
            "takeover": {
                "role": said, "other": 8, "why": said,
                "phases": [{ "stage": said, "after_us": 5 }],
            },
            "hand_offs": [{
                "service": said, "role": said, "other": said, "why": said, "rows": 3,
                "phases": [{ "stage": said, "after_us": 5 }],
            }],
        });
        let connection = json!({
            "number": 1, "peer": said, "service": said, "version": 3, "agent": said, "calls": 0,
            "age_ms": 1,
        });
        let session = json!({
            "number": 1, "name": said, "service": said, "peer": said, "connection": 1,
            "age_ms": 1, "parked": true, "resumes": 0, "kept": 0,
        });
        Node {
            name: said.to_owned(),
            status: Ok(status),
            connections: vec![connection],
            sessions: vec![session],
        }
    }

    fn page_of(nodes: &[Node]) -> String {
        text(nodes, &vec![String::new(); nodes.len()], true)
    }

    /// All tags with their attributes' names, in order.
    fn tags(page: &str) -> Vec<String> {
        let tag = |rest: &str| {
            let tag = rest.split_once('>').map_or(rest, |(tag, _)| tag);
            // Each second piece is a value.
            tag.split('"').step_by(2).collect::<Vec<_>>().join("")
        };
        let outside = page.split("<script>").next().unwrap();
        outside.split('<').skip(1).map(tag).collect()
    }

    proptest! {
        #[test]
        fn whatever_is_said_the_page_has_the_same_elements(
            said in "(?s)(</?(script|td|dialog)[ >]|[<>&\"'=/ a-z\u{0}]){1,12}|.{1,30}"
        ) {
            let nodes = [node(&said), Node { name: said.clone(), status: Err(said.clone()), ..Node::default() }];
            let plain = "x".to_owned();
            let others = [node(&plain), Node { name: plain.clone(), status: Err(plain), ..Node::default() }];
            prop_assert_eq!(tags(&page_of(&nodes)), tags(&page_of(&others)));
        }
    }

    #[test]
    fn the_page_stays_small_with_all_rows_that_it_comes_with() {
        let mut full = node("a service of a name that is not short");
        for rows in [&mut full.connections, &mut full.sessions] {
            let row = rows[0].clone();
            rows.resize(200, row);
        }
        let page = page_of(&[full]);
        assert!(page.len() < 60 << 10, "{} bytes", page.len());
        assert!(page.len() > 30 << 10, "{} bytes: something is missing", page.len());
        assert!(!page.contains("{{"));
    }

    #[test]
    fn the_policy_lets_this_script_and_this_style_run_and_nothing_else() {
        let response = page(&[node("x")], &[String::new()], false);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        let page = page_of(&[node("x")]);
        for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
            let begin = page.split_once(&format!("<{tag}>")).unwrap().1;
            let code = begin.split_once(&format!("</{tag}>")).unwrap().0;
            assert!(policy.contains(&format!("{directive} '{}'", hash(code))), "{tag}: {policy}");
            assert_eq!(page.matches(&format!("<{tag}")).count(), 1);
        }
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
        for inline in [" style=", " onclick=", " onload=", "javascript:"] {
            assert!(!DOCUMENT.contains(inline), "{inline}");
        }
        for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!SCRIPT.contains(sink), "{sink}");
        }
    }

    #[test]
    fn what_a_server_does_not_say_is_left_out() {
        let page =
            page_of(&[Node { name: "a".into(), status: Ok(Value::Null), ..Node::default() }]);
        assert!(page.contains("<span class=\"chip bad\">?</span>"), "{page}");
        let page = page_of(&[]);
        assert!(page.contains("<h1>0 nodes</h1>"));
    }
}
