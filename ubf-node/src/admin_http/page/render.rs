//! What is known of servers, as parts of the page: the same facts that its script shows live.
//!
//! It is made of `/status.json`, so that the servers may be of other releases: what one of them
//! does not say is left out.

#![expect(clippy::indexing_slicing, reason = "where JSON lacks a field, there is null")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::html::Html;

/// Rows of connections, and of sessions: the script asks for more.
pub(crate) const ROWS: usize = 8;

const LINKS: &str = "Facts for programs: <a href=\"status.json\">/status.json</a>, \
                     <a href=\"metrics\">/metrics</a>, <a href=\"readyz\">/readyz</a>, \
                     <a href=\"livez\">/livez</a>";

/// A server.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// `/status.json`, or why it is not known.
    pub(crate) status: Result<Value, String>,
    /// Of `/connections.json`.
    pub(crate) connections: Vec<Value>,
    /// Of `/sessions.json`.
    pub(crate) sessions: Vec<Value>,
}

/// What is on a page of connections or sessions.
pub(crate) fn items(page: &[u8]) -> Vec<Value> {
    let page: Value = serde_json::from_slice(page).unwrap_or_default();
    page["items"].as_array().cloned().unwrap_or_default()
}

impl Default for Node {
    fn default() -> Self {
        let (connections, sessions) = (Vec::new(), Vec::new());
        Self { name: String::new(), status: Ok(Value::Null), connections, sessions }
    }
}

impl Node {
    /// One that has said this of itself.
    pub(crate) fn new(status: &str, connections: &[u8], sessions: &[u8]) -> Self {
        let status: Value = serde_json::from_str(status).unwrap_or_default();
        Self {
            name: status["node"].as_str().unwrap_or_default().to_owned(),
            status: Ok(status),
            connections: items(connections),
            sessions: items(sessions),
        }
    }

    fn known(&self) -> Option<&Value> {
        self.status.as_ref().ok()
    }
}

/// The parts of the page, by the names of the places for them.
pub(super) fn parts(nodes: &[Node]) -> BTreeMap<&'static str, String> {
    let (title, about) = match nodes {
        [node] => (node.name.clone(), node.known().map(about).unwrap_or_default()),
        _ => (format!("{} nodes", nodes.len()), String::new()),
    };
    let one = |text: String| {
        let mut html = Html::default();
        html.text(text);
        html.finish()
    };
    [
        ("footer", if nodes.len() == 1 { LINKS } else { "" }.to_owned()),
        ("title", one(format!("{title} · UBF"))),
        ("heading", one(title)),
        ("about", one(about)),
        ("tiles", tiles(nodes)),
        ("nodes", all(nodes, node_row)),
        ("matrix", if let [node] = nodes { versions(node) } else { matrix(nodes) }),
        ("matrix-kind", if nodes.len() == 1 { "one" } else { "many" }.to_owned()),
        ("changes", changes(nodes)),
        ("connections", rows(nodes.iter().flat_map(|node| &node.connections), connection, 7)),
        ("sessions", rows(nodes.iter().flat_map(|node| &node.sessions), session, 9)),
    ]
    .into()
}

fn about(status: &Value) -> String {
    let agent = status["agent"].as_str().unwrap_or_default();
    format!("{agent} · process {}", number(&status["pid"]))
}

fn tiles(nodes: &[Node]) -> String {
    let known = || nodes.iter().filter_map(Node::known);
    let sum = |of: fn(&Value) -> u64| known().map(of).sum::<u64>();
    let calls_a_second = known().map(|status| {
        let seconds = status["uptime_ms"].as_f64().unwrap_or_default() / 1000.0;
        let requests = status["counters"]["requests"].as_f64().unwrap_or_default();
        if seconds > 0.0 { requests / seconds } else { 0.0 }
    });
    let mut counts: Vec<u64> = Vec::new();
    let mut bounds: Vec<u64> = Vec::new();
    for status in known() {
        bounds = list(&status["call_bounds_us"]).filter_map(Value::as_u64).collect();
        for times in list(&status["call_times"]) {
            for (place, count) in list(&times["counts"]).enumerate() {
                counts.resize(counts.len().max(place + 1), 0);
                if let Some(sum) = counts.get_mut(place) {
                    *sum += count.as_u64().unwrap_or_default();
                }
            }
        }
    }
    let within = |percent| quantile(&counts, &bounds, percent).map_or("–".into(), micros);
    let failed = sum(|status| {
        let counters = &status["counters"];
        let of = |name: &str| counters[name].as_u64().unwrap_or_default();
        of("failed") + of("failed_by_handler") + of("timed_out")
    });
    let pause = known().filter_map(|status| status["worst_pause_us"].as_u64()).max();
    let parked = sum(|status| status["sessions"]["parked"].as_u64().unwrap_or_default());
    let calls_a_second: f64 = calls_a_second.sum();
    let mut html = Html::default();
    let mut tile = |name: &str, value: String, note: &str| {
        html.raw("<div><dt>").text(name).raw("</dt><dd>").text(value);
        if !note.is_empty() {
            html.raw("<small>").text(note).raw("</small>");
        }
        html.raw("</dd></div>");
    };
    tile("Calls a second", format!("{calls_a_second:.1}"), "since the start");
    tile("Half within", within(50), "");
    tile("99 % within", within(99), "");
    tile("Failed", grouped(failed), "");
    tile("Worst pause", pause.map_or("–".into(), micros), "");
    tile("Clients", grouped(sum(|it| it["connections"].as_u64().unwrap_or_default())), "");
    let sessions = sum(|status| status["sessions"]["present"].as_u64().unwrap_or_default());
    tile("Sessions", grouped(sessions), &format!("{} parked", grouped(parked)));
    html.finish()
}

/// The bound below which so many of a hundred are; the largest one, if that is above all.
fn quantile(counts: &[u64], bounds: &[u64], percent: u64) -> Option<u64> {
    let all: u64 = counts.iter().sum();
    let wanted = (all * percent).div_ceil(100);
    let mut before = 0;
    let place = counts.iter().position(|count| {
        before += count;
        before >= wanted
    });
    let bound = place.and_then(|place| bounds.get(place).or(bounds.last()));
    if all == 0 { None } else { bound.copied() }
}

fn node_row(html: &mut Html, node: &Node) {
    html.raw("<tr><th class=\"mono\" scope=\"row\">").text(&node.name).raw("</th>");
    let status = match &node.status {
        Ok(status) => status,
        Err(why) => {
            html.raw("<td colspan=\"10\"><span class=\"chip bad\">no answer</span> ").text(why);
            html.raw("</td></tr>");
            return;
        }
    };
    html.raw("<td>");
    phase(html, status);
    html.raw("</td><td class=\"n\">–</td>");
    let sessions = &status["sessions"];
    for value in [&status["connections"], &sessions["present"], &sessions["parked"]] {
        html.raw("<td class=\"n\">").text(count(value)).raw("</td>");
    }
    html.raw("<td>").text(status["agent"].as_str().unwrap_or_default());
    html.raw("</td><td class=\"n\">").text(number(&status["pid"]));
    html.raw("</td><td class=\"n\">").text(age(&status["uptime_ms"]));
    html.raw("</td><td class=\"n\">").text(bytes(&status["process"]["resident_bytes"]));
    html.raw("</td><td></td></tr>");
}

fn phase(html: &mut Html, status: &Value) {
    let phase = status["phase"].as_str().unwrap_or("?");
    let mut chip = |kind: &'static str, words: String| {
        html.raw("<span class=\"chip ").raw(kind).raw("\">").text(words).raw("</span>");
    };
    let kind = match phase {
        "serving" => "good",
        "draining" | "closing" => "warn",
        _ => "bad",
    };
    let left = &status["time_left_ms"];
    let left = if left.is_null() { String::new() } else { format!(", {} left", age(left)) };
    chip(kind, format!("{phase}{left}"));
    for (is, kind, words) in [
        (!status["cordon"].is_null(), "warn", "cordoned"),
        (status["overloaded"] == true, "warn", "overloaded"),
        (status["listening"] == false && phase == "serving", "bad", "not listening"),
        (status["journal"]["failing"] == true, "bad", "journal fails"),
        (status["log"]["failing"] == true, "bad", "log fails"),
        (status["audit"]["failing"] == true, "bad", "audit fails"),
        (list(&status["rows"]).any(|rows| rows["failing"] == true), "bad", "store fails"),
        (status["policy"]["failing"] == true, "bad", "policy unusable"),
        (status["tls"]["failing"] == true, "bad", "certificate unusable"),
    ] {
        if is {
            chip(kind, words.to_owned());
        }
    }
}

/// The versions of each service.
fn versions_by_service<'s>(
    statuses: impl Iterator<Item = &'s Value>,
) -> BTreeMap<Option<&'s str>, BTreeSet<u64>> {
    let mut rows: BTreeMap<Option<&str>, BTreeSet<u64>> = BTreeMap::new();
    for status in statuses {
        for service in list(&status["services"]) {
            let versions = list(&service["spoken"]).chain(list(&service["withdrawn"]));
            let row = rows.entry(service["service"].as_str()).or_default();
            row.extend(versions.filter_map(Value::as_u64));
        }
    }
    rows
}

/// Services of one node, a row each.
fn versions(node: &Node) -> String {
    let mut html = Html::default();
    html.raw("<tbody>");
    for (service, versions) in versions_by_service(node.known().into_iter()) {
        html.raw("<tr><th scope=\"row\">").text(service.unwrap_or("(default)")).raw("</th><td>");
        for version in versions.into_iter().rev() {
            if let Some(status) = node.known() {
                cell(&mut html, status, service, version, true);
                html.raw(" ");
            }
        }
        html.raw("</td></tr>");
    }
    html.raw("</tbody>");
    html.finish()
}

/// Services and versions, a row each, and a column for each node.
fn matrix(nodes: &[Node]) -> String {
    let known: Vec<(&Node, &Value)> =
        nodes.iter().filter_map(|node| Some((node, node.known()?))).collect();
    let rows = versions_by_service(known.iter().map(|(_, status)| *status));
    let mut html = Html::default();
    html.raw("<thead><tr><th>Version</th>");
    for (node, _) in &known {
        html.raw("<th class=\"mono\">").text(&node.name).raw("</th>");
    }
    html.raw("</tr></thead><tbody>");
    for (service, versions) in rows {
        html.raw("<tr class=\"name\"><th scope=\"row\" colspan=\"").text(known.len() + 1);
        html.raw("\">").text(service.unwrap_or("(default)")).raw("</th></tr>");
        for version in versions.into_iter().rev() {
            html.raw("<tr><th scope=\"row\">").text(version).raw("</th>");
            for (_, status) in &known {
                html.raw("<td>");
                cell(&mut html, status, service, version, false);
                html.raw("</td>");
            }
            html.raw("</tr>");
        }
    }
    html.raw("</tbody>");
    html.finish()
}

fn cell(html: &mut Html, status: &Value, service: Option<&str>, version: u64, is_named: bool) {
    let is_service = |one: &&Value| one["service"].as_str() == service;
    let is_it = |one: &&Value| is_service(one) && one["version"].as_u64() == Some(version);
    let of = list(&status["services"]).find(is_service);
    let has = |name: &str| of.is_some_and(|of| list(&of[name]).any(|one| *one == version));
    let is_withdrawn = has("withdrawn");
    if !is_withdrawn && !has("spoken") {
        html.raw("<span class=\"soft\">·</span>");
        return;
    }
    let quarantine = list(&status["quarantines"]).find(is_it);
    let clients = list(&status["connections_by_version"]).find(is_it);
    let clients = clients.and_then(|it| it["connections"].as_u64()).unwrap_or_default();
    let (kind, words) = match (quarantine, is_withdrawn) {
        (Some(one), true) => (" quarantined", format!("{} left", age(&one["left_ms"]))),
        (Some(_), false) => (" quarantined", "for some".to_owned()),
        (None, true) => (" withdrawn", "withdrawn".to_owned()),
        (None, false) if clients == 0 => (" none", String::new()),
        (None, false) => ("", String::new()),
    };
    html.raw("<span class=\"cell").raw(kind).raw("\">");
    if is_named {
        html.raw("<b>").text(version).raw("</b>");
    }
    html.text(grouped(clients));
    if !words.is_empty() {
        html.raw("<small>").text(words).raw("</small>");
    }
    html.raw("</span>");
}

fn changes(nodes: &[Node]) -> String {
    let mut html = Html::default();
    for (node, status) in nodes.iter().filter_map(|node| Some((node, node.known()?))) {
        let name = if nodes.len() > 1 { format!("{}: ", node.name) } else { String::new() };
        let phase = status["phase"].as_str().unwrap_or_default();
        if phase != "serving" {
            let goal = status["next_ip"].as_str().unwrap_or("nowhere");
            html.raw("<div class=\"change\"><p>").text(&name).text(phase).raw(", to ").text(goal);
            html.raw(": ").text(count(&status["connections"])).raw(" clients left");
            if !status["time_left_ms"].is_null() {
                html.raw(", ").text(age(&status["time_left_ms"])).raw(" left");
            }
            html.raw("</p><p></p></div>");
        }
        let takeover = &status["takeover"];
        if !takeover.is_null() {
            let role = takeover["role"].as_str().unwrap_or_default();
            html.raw("<div class=\"change\"><p>").text(&name);
            html.raw("upgrade in place, this process as the ").text(role).raw(", with process ");
            html.text(number(&takeover["other"])).raw("</p>");
            steps(&mut html, takeover);
            html.raw("</div>");
        }
        for hand_off in list(&status["hand_offs"]) {
            let words = |name: &str| hand_off[name].as_str().unwrap_or_default();
            html.raw("<div class=\"change\"><p>").text(&name).raw("hand-off of ");
            html.text(words("service")).raw(", this node as the ").text(words("role"));
            html.raw(", with ").text(words("other")).raw(": ").text(count(&hand_off["rows"]));
            html.raw(" rows</p>");
            steps(&mut html, hand_off);
            html.raw("</div>");
        }
    }
    let changes = html.finish();
    if changes.is_empty() { "<p class=\"empty\">Nothing changes.</p>".into() } else { changes }
}

/// The phases of an upgrade or a hand-off, and why it came to nothing.
fn steps(html: &mut Html, change: &Value) {
    html.raw("<ol class=\"steps\">");
    for phase in list(&change["phases"]) {
        let after = phase["after_us"].as_u64().unwrap_or_default();
        html.raw("<li><b>").text(phase["stage"].as_str().unwrap_or_default());
        html.raw("</b><span>after ").text(micros(after)).raw("</span></li>");
    }
    html.raw("</ol>");
    if let Some(why) = change["why"].as_str() {
        html.raw("<p class=\"why\">").text(why).raw("</p>");
    }
}

fn connection(html: &mut Html, one: &Value) {
    let version = one["version"].as_u64();
    let service = version.map(|_| one["service"].as_str().unwrap_or("(default)"));
    html.raw("<tr><td class=\"n\">").text(number(&one["number"]));
    html.raw("</td><td class=\"mono\">").text(one["peer"].as_str().unwrap_or_default());
    html.raw("</td><td>").text(service.unwrap_or("–")).raw("</td><td class=\"n\">");
    html.text(version.map_or_else(|| "–".to_owned(), |version| version.to_string()));
    html.raw("</td><td class=\"clip\">").text(one["agent"].as_str().unwrap_or("–"));
    html.raw("</td><td class=\"n\">").text(count(&one["calls"]));
    html.raw("</td><td class=\"n\">").text(age(&one["age_ms"])).raw("</td></tr>");
}

fn session(html: &mut Html, one: &Value) {
    html.raw("<tr><td class=\"n\">").text(number(&one["number"]));
    html.raw("</td><td class=\"mono\">").text(one["name"].as_str().unwrap_or_default());
    html.raw("</td><td>").text(one["service"].as_str().unwrap_or("(default)"));
    html.raw("</td><td class=\"mono\">").text(one["peer"].as_str().unwrap_or_default());
    html.raw("</td><td class=\"n\">").text(number(&one["connection"])).raw("</td><td>");
    html.raw(if one["parked"] == true {
        "<span class=\"chip warn\">parked</span>"
    } else {
        "<span class=\"chip good\">attached</span>"
    });
    html.raw("</td><td class=\"n\">").text(count(&one["resumes"]));
    html.raw("</td><td class=\"n\">").text(bytes(&one["kept"]));
    html.raw("</td><td class=\"n\">").text(age(&one["age_ms"])).raw("</td></tr>");
}

fn all<T>(items: &[T], write: fn(&mut Html, &T)) -> String {
    let mut html = Html::default();
    for item in items {
        write(&mut html, item);
    }
    html.finish()
}

fn rows<'v>(
    items: impl Iterator<Item = &'v Value>,
    write: fn(&mut Html, &Value),
    columns: usize,
) -> String {
    let mut html = Html::default();
    let mut count = 0;
    for item in items.take(ROWS) {
        write(&mut html, item);
        count += 1;
    }
    if count == 0 {
        html.raw("<tr><td class=\"soft\" colspan=\"")
            .text(columns)
            .raw("\">There is none.</td></tr>");
    } else if count == ROWS {
        html.raw("<tr><td class=\"soft\" colspan=\"").text(columns);
        html.raw("\">There may be more: a browser with JavaScript shows them.</td></tr>");
    }
    html.finish()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn number(value: &Value) -> String {
    value.as_u64().map_or_else(|| "–".to_owned(), |number| number.to_string())
}

fn count(value: &Value) -> String {
    value.as_u64().map_or_else(|| "–".to_owned(), grouped)
}

/// With commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn age(value: &Value) -> String {
    let Some(ms) = value.as_u64() else { return "–".into() };
    let (seconds, minutes, hours) = (ms / 1_000, ms / 60_000, ms / 3_600_000);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{seconds} s"),
        60_000..3_600_000 => format!("{minutes} min {} s", seconds % 60),
        3_600_000..86_400_000 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{} d {} h", hours / 24, hours % 24),
    }
}

fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{} s", us / 1_000_000),
    }
}

fn bytes(value: &Value) -> String {
    match value.as_u64() {
        None => "–".into(),
        Some(bytes @ 0..1_024) => format!("{bytes} B"),
        Some(bytes @ 1_024..1_048_576) => format!("{} KiB", bytes >> 10),
        Some(bytes) => format!("{} MiB", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            (grouped(0), grouped(999), grouped(1_234_567)),
            ("0".into(), "999".into(), "1,234,567".into())
        );
        let age = |ms: u64| age(&json!(ms));
        assert_eq!(
            (age(7), age(59_999), age(61_000)),
            ("7 ms".into(), "59 s".into(), "1 min 1 s".into())
        );
        assert_eq!((age(3_660_000), age(90_000_000)), ("1 h 1 min".into(), "1 d 1 h".into()));
        assert_eq!((micros(999), micros(25_000)), ("999 µs".into(), "25 ms".into()));
        assert_eq!(bytes(&json!(3 << 20)), "3 MiB");
        assert_eq!(super::age(&Value::Null), "–");
    }

    #[test]
    fn a_quantile_is_the_bound_that_so_many_do_not_pass() {
        let bounds = [25, 50, 100];
        assert_eq!(quantile(&[], &bounds, 50), None);
        assert_eq!(quantile(&[0, 0, 0, 0], &bounds, 50), None);
        assert_eq!(quantile(&[50, 49, 1, 0], &bounds, 50), Some(25));
        assert_eq!(quantile(&[50, 49, 1, 0], &bounds, 99), Some(50));
        // Longer than all bounds.
        assert_eq!(quantile(&[0, 0, 0, 9], &bounds, 99), Some(100));
    }
}
