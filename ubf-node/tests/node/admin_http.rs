//! What monitors and people see by HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use prometheus_parse::{Sample, Scrape, Value};

use crate::folder::Folder;
use crate::process::{Program, exchange, rest, run};

/// Head and body of the answer to a request for a path.
fn get_with(address: &str, path: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\n{headers}\r\n").as_bytes()).unwrap();
    let answer = rest(stream);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

pub(crate) fn get(address: &str, path: &str) -> (String, String) {
    get_with(address, path, "Host: localhost\r\n")
}

fn scrape(address: &str) -> Vec<Sample> {
    let (head, text) = get(address, "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.contains(kind), "{head}");
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    // The parser knows no exemplars: `… 3 # {session="…"} 0.07 1796000000.250`.
    let plain = |line: &str| line.split_once(" # {").map_or(line, |(line, _)| line).to_owned();
    let lines = text.lines().map(|line| Ok(plain(line)));
    let scrape = Scrape::parse(lines).unwrap();
    // Each line that is no comment was read as a sample; a histogram's are read as one.
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let of_histograms = |line: &&str| line.contains("_seconds_bucket{");
    let plain = lines.filter(|line| !of_histograms(line)).count();
    let histograms =
        scrape.samples.iter().filter(|sample| matches!(sample.value, Value::Histogram(_)));
    assert_eq!(scrape.samples.len() - histograms.count(), plain, "{text}");
    scrape.samples
}

/// The value of the one sample that has these labels, among others perhaps.
fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    let has =
        |sample: &&Sample| labels.iter().all(|(name, is)| sample.labels.get(name) == Some(is));
    let mut found = samples.iter().filter(|sample| sample.metric == name).filter(has);
    let (Some(sample), None) = (found.next(), found.next()) else {
        panic!(
            "{name} {labels:?}: {:?}",
            samples.iter().filter(|one| one.metric == name).collect::<Vec<_>>()
        )
    };
    match sample.value {
        Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => value,
        Value::Histogram(_) | Value::Summary(_) => panic!("{name} is one number"),
    }
}

#[test]
fn what_clients_do_is_seen_in_the_metrics() {
    let (program, admin) = Program::start_watched(&["--service", "kv,echo", "--versions", "1-3"]);
    let mut client = program.connect();
    let wish = "0 {'negotiate'1\"echo\"#1&2&#{'agent'\"till\\\"\n7\"}&}$";
    exchange(&mut client, wish, "2 ? {'agreed'1\"echo\"#1&2&3&#");
    let mut unknown = program.connect();
    exchange(
        &mut unknown,
        "0 {'negotiate'1\"echo\"#77&#}$",
        "0 ? {'no_common_version'1\"echo\"#1&2&3&}$",
    );
    let before = scrape(&admin);
    assert_eq!(value(&before, "ubf_requests_total", &[]), 0.0);
    let requests: String = (0..100).map(|number| format!("2 {number}$")).collect();
    let replies: String = (0..100).map(|number| format!("2 ? {{{number}'start'}}$")).collect();
    // What the agreement ends with came before.
    client.write_all(requests.as_bytes()).unwrap();
    let mut seen = String::new();
    while !seen.ends_with(&replies) {
        let mut more = [0; 4096];
        let count = client.read(&mut more).unwrap();
        seen.push_str(std::str::from_utf8(&more[..count]).unwrap());
    }
    let samples = scrape(&admin);
    let echo = [("service", "echo"), ("version", "2")];
    for (name, labels, wanted) in [
        ("ubf_requests_total", &[][..], 100.0),
        ("ubf_agreed_total", &[], 1.0),
        ("ubf_no_common_version_total", &[], 1.0),
        ("ubf_connections_open", &[], 2.0),
        ("ubf_connections_by_version", &echo, 1.0),
        // The parser leaves what is escaped as it is.
        ("ubf_connections_by_agent", &[("agent", "till\\\"\u{fffd}7")], 1.0),
        ("ubf_version_spoken", &echo, 1.0),
        ("ubf_phase", &[("ubf_phase", "serving")], 1.0),
        ("ubf_phase", &[("ubf_phase", "draining")], 0.0),
        ("ubf_log_missing_total", &[], 0.0),
        ("ubf_call_seconds_count", &echo, 100.0),
    ] {
        assert_eq!(value(&samples, name, labels), wanted, "{name}");
    }
    assert!(value(&samples, "ubf_call_seconds_sum", &echo) < 20.0);
    let times = samples.iter().find_map(|sample| match &sample.value {
        Value::Histogram(counts) => Some(counts),
        Value::Counter(_) | Value::Gauge(_) | Value::Untyped(_) | Value::Summary(_) => None,
    });
    let times = times.unwrap();
    assert_eq!((times.len(), times.last().unwrap().count), (19, 100.0));
    assert!(times.iter().zip(&times[1..]).all(|(less, more)| less.count <= more.count));
    let (_, text) = get(&admin, "/metrics");
    let exemplars = text.lines().filter(|line| line.contains(" # {connection=\"1\"} 0."));
    assert!(exemplars.clone().count() > 0, "{text}");
    assert!(exemplars.clone().all(|line| line.starts_with("ubf_call_seconds_bucket{")), "{text}");
    program.signal("INT");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn the_status_is_the_operators_as_json() {
    let (program, admin) = Program::start_watched(&["--peers", "b.example:4000"]);
    let mut client = program.connect();
    exchange(&mut client, "1 'here'$", "1 ? {'here''start'}$");
    let (head, body) = get(&admin, "/status.json");
    assert!(head.contains("content-type: application/json"), "{head}");
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&status["phase"], &status["connections"]), (&"serving".into(), &1.into()));
    assert_eq!(
        (&status["peers"], &status["pid"]),
        (&"b.example:4000".into(), &program.id().into())
    );
    assert_eq!(status["counters"]["requests"], 1);
}

#[test]
fn a_server_is_ready_until_it_drains_and_alive_for_longer() {
    let (mut program, admin) =
        Program::start_watched(&["--peers", "b.example:4000", "--grace", "1000s"]);
    let mut client = program.connect();
    exchange(&mut client, "1 'here'$", "1 ? {'here''start'}$");
    let (head, body) = get(&admin, "/readyz");
    assert!(head.starts_with("HTTP/1.1 200 ") && body == "ready\n", "{head} {body}");
    program.signal("TERM");
    program.logs("drain");
    let (head, body) = get(&admin, "/readyz");
    assert!(head.starts_with("HTTP/1.1 503 ") && body == "draining\n", "{head} {body}");
    let (head, body) = get(&admin, "/livez");
    assert!(head.starts_with("HTTP/1.1 200 ") && body == "alive\n", "{head} {body}");
    drop(client);
    assert_eq!(program.status(), Some(0));
}

#[test]
fn who_looks_from_elsewhere_has_to_show_the_token() {
    let file = std::env::temp_dir().join(format!("ubf-admin-{}.token", std::process::id()));
    std::fs::write(&file, "a-secret-that-nobody-guesses\n").unwrap();
    let (mut program, admin) = Program::start_watched(&["--admin-token", file.to_str().unwrap()]);
    let status =
        |path, header: &str| get_with(&admin, path, header).0.lines().next().unwrap().to_owned();
    let right = "Host: x\r\nAuthorization: Bearer a-secret-that-nobody-guesses\r\n";
    for path in ["/metrics", "/status.json", "/", "/events", "/nothing"] {
        let wrong = right.replace("guesses", "guessed");
        for header in ["Host: localhost\r\n", &wrong, &right.replace("Bearer", "Basic")] {
            assert_eq!(status(path, header), "HTTP/1.1 401 Unauthorized", "{path} {header}");
        }
    }
    assert_eq!(status("/metrics", right), "HTTP/1.1 200 OK");
    assert_eq!(status("/nothing", right), "HTTP/1.1 404 Not Found");
    // Who asks whether the server lives need not know it.
    assert_eq!(status("/livez", "Host: x\r\n"), "HTTP/1.1 200 OK");
    assert_eq!(status("/readyz", "Host: x\r\n"), "HTTP/1.1 200 OK");
    // A new secret in the file is the one from SIGHUP on; what is none changes nothing.
    std::fs::write(&file, "a-secret-that-nobody-knows\n").unwrap();
    program.signal("HUP");
    program.logs("token reloaded");
    assert_eq!(status("/metrics", right), "HTTP/1.1 401 Unauthorized");
    let right = right.replace("guesses", "knows");
    assert_eq!(status("/metrics", &right), "HTTP/1.1 200 OK");
    std::fs::write(&file, "short\n").unwrap();
    program.signal("HUP");
    program.logs("the token is not reloaded: the one from before stays");
    assert_eq!(status("/metrics", &right), "HTTP/1.1 200 OK");
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn without_a_token_only_this_machine_may_look() {
    for (arguments, wanted) in [
        (
            &["--admin-http", "0.0.0.0:9464"][..],
            "--admin-http: others could look there without a token",
        ),
        (&["--admin-http", "a.example:9464"], "--admin-http: others could look there"),
        (&["--admin-http", "9464"], "--admin-http: 9464: an address is wanted: HOST:PORT"),
        (&["--admin-token", "/nonexistent"], "--admin-token: /nonexistent: cannot be read: "),
        (
            &["--admin-http", "[::]:1", "--admin-token", "/dev/null"],
            "--admin-token: /dev/null: a token is 16 to ",
        ),
    ] {
        let output = run(arguments);
        let seen = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{seen}");
        assert!(seen.starts_with(&format!("ubf-server: {wanted}")), "{seen}");
    }
    // Nor may a site that a browser of this machine shows.
    let (_program, admin) = Program::start_watched(&[]);
    for (host, status) in
        [("127.0.0.1:9464", "200 OK"), ("evil.example", "421 Misdirected Request")]
    {
        let (head, _) = get_with(&admin, "/metrics", &format!("Host: {host}\r\n"));
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
    }
}

#[test]
fn nothing_is_steered_without_a_token_and_what_is_no_request_is_refused() {
    let (program, admin) = Program::start_watched(&[]);
    let said = |request: &[u8]| {
        let mut stream = TcpStream::connect(&admin).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request).unwrap();
        rest(stream).lines().next().unwrap_or_default().to_owned()
    };
    // Without --admin-token nobody can act.
    let order = "POST /admin HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\nundrain";
    assert_eq!(said(order.as_bytes()), "HTTP/1.1 403 Forbidden");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "DRAIN"] {
        let request = format!("{method} /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(said(request.as_bytes()), "HTTP/1.1 405 Method Not Allowed", "{method}");
    }
    assert_eq!(said(b"1 {'hello'}$\r\n\r\n"), "HTTP/1.1 400 Bad Request");
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(65));
    assert_eq!(said(many.as_bytes()), "HTTP/1.1 431 Request Header Fields Too Large");
    let endless = format!("GET /{} HTTP/1.1\r\n", "x".repeat(16 << 10));
    assert!(said(endless.as_bytes()).starts_with("HTTP/1.1 4"));
    exchange(&mut program.connect(), "1 'here'$", "1 ? {'here''start'}$");
}

#[test]
fn slow_readers_hold_up_nobody() {
    let (program, admin) = Program::start_watched(&[]);
    // Some say nothing, some take nothing of what they are told.
    let _silent: Vec<TcpStream> = (0..12).map(|_| TcpStream::connect(&admin).unwrap()).collect();
    let request = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let _deaf: Vec<TcpStream> = (0..12)
        .map(|_| {
            let mut stream = TcpStream::connect(&admin).unwrap();
            stream.write_all(request).unwrap();
            stream
        })
        .collect();
    assert_eq!(get(&admin, "/livez").1, "alive\n");
    assert_eq!(value(&scrape(&admin), "ubf_listening", &[]), 1.0);
    // Readers of events have places of their own.
    let (head, _) = get(&admin, "/events");
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    exchange(&mut program.connect(), "1 'here'$", "1 ? {'here''start'}$");
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

/// The answer to an order, with these headers.
fn order(address: &str, headers: &str, body: &str) -> (String, String) {
    order_at(address, "/admin", headers, body)
}

pub(crate) fn order_at(address: &str, path: &str, headers: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    let request =
        format!("POST {path} HTTP/1.1\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let answer = rest(stream);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[test]
fn who_has_the_token_steers_as_the_operators_contract_does() {
    let file = std::env::temp_dir().join(format!("ubf-steer-{}.token", std::process::id()));
    std::fs::write(&file, "a-secret-that-nobody-guesses\n").unwrap();
    let arguments = ["--admin-token", file.to_str().unwrap(), "--versions", "1-3"];
    let (mut program, admin) = Program::start_watched(&arguments);
    std::fs::remove_file(&file).unwrap();
    let right = "Host: x:1\r\nAuthorization: Bearer a-secret-that-nobody-guesses\r\n";
    let done = ("HTTP/1.1 200 OK".to_owned(), "done\n".to_owned());
    assert_eq!(order(&admin, right, "{withdraw,?,3}"), done);
    let (_, body) = get_with(&admin, "/status.json", right);
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status["services"][0]["withdrawn"], serde_json::json!([3]));
    program.logs("an order by HTTP");
    for (headers, body, wanted) in [
        (right, "{kick,7,?}", "HTTP/1.1 409 Conflict"),
        (right, "{kick,7}", "HTTP/1.1 400 Bad Request"),
        (right, "{take_over,\"/x\"}", "HTTP/1.1 400 Bad Request"),
        (right, &"x".repeat(4097), "HTTP/1.1 413 Payload Too Large"),
        ("Host: x:1\r\n", "{restore,?,3}", "HTTP/1.1 401 Unauthorized"),
        (&right.replace("guesses", "guessed"), "{restore,?,3}", "HTTP/1.1 401 Unauthorized"),
        // As a browser would send it that another site has got hold of.
        (
            &format!("{right}Origin: http://evil.example\r\n"),
            "{restore,?,3}",
            "HTTP/1.1 403 Forbidden",
        ),
        (
            &format!("{right}Sec-Fetch-Site: cross-site\r\n"),
            "{restore,?,3}",
            "HTTP/1.1 403 Forbidden",
        ),
    ] {
        assert_eq!(order(&admin, headers, body).0, wanted, "{headers} {body}");
    }
    let (_, body) = get_with(&admin, "/status.json", right);
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status["services"][0]["withdrawn"], serde_json::json!([3]), "nothing has changed");
    assert_eq!(order(&admin, &format!("{right}Origin: http://X:1\r\n"), "{restore,?,3}"), done);
}

#[test]
fn the_page_has_the_facts_without_any_script_and_lists_come_in_pages() {
    let (program, admin) = Program::start_watched(&["--service", "echo", "--versions", "1-3"]);
    let agent = "{'agent'\"<b>'\\\"&\"}";
    let clients: Vec<TcpStream> = (0..5)
        .map(|_| {
            let mut client = program.connect();
            let wish = format!("0 {{'negotiate'1\"echo\"#1&2&#{agent}&}}$");
            exchange(&mut client, &wish, "2 ? {'agreed'1\"echo\"#1&2&3&#");
            client
        })
        .collect();
    let (head, page) = get(&admin, "/");
    assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");
    assert!(
        head.contains("content-security-policy: default-src 'none'; style-src 'sha256-"),
        "{head}"
    );
    assert!(page.contains("<td class=\"clip\">&lt;b&gt;&#39;&quot;&amp;</td>"), "{page}");
    assert!(!page.contains("<b>'"), "{page}");
    let look = |query: &str| {
        let (head, body) = get(&admin, &format!("/connections.json{query}"));
        assert!(head.starts_with("HTTP/1.1 200 "), "{head} {body}");
        serde_json::from_str::<serde_json::Value>(&body).unwrap()
    };
    let numbers = |page: &serde_json::Value| -> Vec<u64> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["number"].as_u64().unwrap()).collect()
    };
    let first = look("?limit=2");
    assert_eq!((numbers(&first), &first["next"]), (vec![1, 2], &2.into()));
    let last = look("?limit=3&after=2");
    assert_eq!((numbers(&last), last["next"].is_null()), (vec![3, 4, 5], true));
    assert_eq!(numbers(&look("?filter=ECHO&limit=200")).len(), 5);
    assert_eq!(numbers(&look("?filter=nobody")), Vec::<u64>::new());
    let (head, why) = get(&admin, "/connections.json?limit=1000");
    assert!(head.starts_with("HTTP/1.1 400 ") && why == "limit is 1 to 200\n", "{head} {why}");
    drop(clients);
}

#[cfg(target_os = "linux")]
#[test]
fn a_reader_of_events_goes_to_the_successor_of_an_upgrade_in_place() {
    let control = std::env::temp_dir().join(format!("ubf-follow-{}.sock", std::process::id()));
    let control = control.to_str().unwrap();
    let (old, admin) = Program::start_watched(&["--control", control]);
    let mut stream = TcpStream::connect(&admin).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let (new, same) = Program::start_watched(&["--control", control, "--take-over"]);
    assert_eq!(same, admin);
    // The stream ends while the old process guards the new one.
    let told = rest(stream);
    assert!(told.contains("\nretry: 1000\n") && told.contains(&format!("\"pid\":{}", old.id())));
    let (_, body) = get(&admin, "/status.json");
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status["pid"], new.id());
    assert_eq!(status["takeover"]["role"], "successor");
    assert_eq!(status["takeover"]["other"], old.id());
    assert_eq!(value(&scrape(&admin), "ubf_takeover", &[("ubf_takeover", "none")]), 0.0);
    assert_eq!(old.status(), Some(0));
}

#[test]
fn what_the_dashboard_and_the_alerts_ask_for_is_told() {
    let file = |name| {
        let file = std::env::temp_dir().join(format!("ubf-{}-{name}", std::process::id()));
        file.to_str().unwrap().to_owned()
    };
    let (journal, audit) = (file("told.journal"), file("told.audit"));
    let authority = ubf_net::testing::Authority::new("node-told");
    authority.sign_host("server", "127.0.0.1");
    let [cert, key] =
        ["server.pem", "server.key"].map(|file| authority.file(file).display().to_string());
    let folder = Folder::new("told");
    let data = folder.file("data");
    let writing = ["--journal", &journal, "--audit", &audit, "--service", "kv", "--data", &data];
    let (_program, admin) =
        Program::start_watched(&[&writing[..], &["--tls-cert", &cert, "--tls-key", &key]].concat());
    let (_, told) = get(&admin, "/metrics");
    let mut count = 0;
    for document in ["grafana-dashboard.json", "alerts.yml"] {
        let path = format!("{}/../docs/{document}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| line.contains("expr\":") || line.contains("expr:")) {
            let is_name = |byte: char| byte.is_ascii_lowercase() || byte == '_';
            let words = line.split(|byte| !is_name(byte));
            for name in words.filter(|it| it.starts_with("ubf_") || it.starts_with("process_")) {
                let family = ["_total", "_bucket"].iter().find_map(|end| name.strip_suffix(end));
                let family = format!("# TYPE {} ", family.unwrap_or(name));
                assert!(told.contains(&family), "{document} asks for {name}");
                count += 1;
            }
        }
    }
    assert!(count > 20, "{count} names: they are no longer found");
    for file in [journal, audit] {
        let _is_removed = std::fs::remove_file(file).is_ok();
    }
}

#[test]
fn upgrades_pauses_and_descriptors_are_metrics() {
    let (_program, admin) = Program::start_watched(&[]);
    let samples = scrape(&admin);
    assert!(samples.iter().all(|sample| sample.metric != "ubf_quarantine_left_seconds"));
    assert_eq!(value(&samples, "ubf_takeover", &[("ubf_takeover", "none")]), 1.0);
    assert!(value(&samples, "ubf_worst_pause_seconds", &[]) < 60.0);
    assert!(value(&samples, "process_open_fds", &[]) > 3.0);
}

#[test]
fn rows_and_the_times_of_their_commits_are_metrics() {
    let folder = Folder::new("commits");
    let data = folder.file("data");
    let (program, admin) = Program::start_watched(&["--service", "kv", "--data", &data]);
    let kv = [("service", "kv")];
    let before = value(&scrape(&admin), "ubf_commit_seconds_count", &kv);
    let mut client = program.connect();
    exchange(&mut client, "1 {'put'\"a\"1}$", "1 ? {'ok''start'}$");
    let samples = scrape(&admin);
    assert!(value(&samples, "ubf_commit_seconds_count", &kv) > before);
    for (name, labels, wanted) in [
        ("ubf_rows_owned", &kv[..], 1.0),
        ("ubf_store_failing", &kv, 0.0),
        ("ubf_not_committed_total", &kv, 0.0),
        ("ubf_rows_lost_fields_total", &[], 0.0),
        ("ubf_state_version", &[("service", "kv"), ("rows", "written")], 2.0),
    ] {
        assert_eq!(value(&samples, name, labels), wanted, "{name}");
    }
    let status: serde_json::Value = serde_json::from_str(&get(&admin, "/status.json").1).unwrap();
    let rows = &status["rows"][0];
    assert_eq!((&rows["service"], &rows["here"]), (&"kv".into(), &true.into()));
    program.signal("INT");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn events_are_the_status_and_the_lines_of_the_log() {
    let (program, admin) = Program::start_watched(&[]);
    let mut stream = TcpStream::connect(&admin).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let mut next = |name: &str| {
        lines.find(|line| *line == format!("event: {name}")).unwrap();
        let data = lines.next().unwrap();
        let data = data.strip_prefix("data: ").unwrap();
        serde_json::from_str::<serde_json::Value>(data).unwrap()
    };
    assert_eq!(next("status")["phase"], "serving");
    program.signal("USR1");
    // The server may have begun to serve meanwhile, and says so.
    let is_wanted =
        |line: &serde_json::Value| line["message"] == "a signal without a meaning here: ignored";
    let line = std::iter::repeat_with(|| next("log")).find(is_wanted).unwrap();
    assert_eq!((&line["level"], &line["pid"]), (&"INFO".into(), &program.id().into()));
    assert_eq!(next("status")["connections"], 0);
}
