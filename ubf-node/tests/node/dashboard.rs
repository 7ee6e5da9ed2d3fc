//! Several servers on one page.

use std::net::TcpStream;
use std::time::Duration;

use ubf_node::dashboard::{Dashboard, DashboardToken};

use crate::admin_http::{get, order_at};
use crate::browser::Browser;
use crate::process::{Program, exchange};

const TOKEN: &str = "a-secret-that-nobody-guesses";

/// A dashboard of these servers, and where it is. It ends with the runtime.
struct Shown {
    address: String,
    _runtime: tokio::runtime::Runtime,
}

fn show(servers: &[&str], token: Option<&DashboardToken>) -> Shown {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let nodes = servers.iter().fold(Dashboard::new(), |dashboard, address| {
        dashboard.node(address.parse().unwrap(), token.cloned())
    });
    let running = runtime.block_on(nodes.listen("127.0.0.1:0")).unwrap();
    let address = running.address().to_string();
    runtime.spawn(running.run());
    Shown { address, _runtime: runtime }
}

fn token_file(name: &str) -> String {
    let file = std::env::temp_dir().join(format!("ubf-{name}-{}.token", std::process::id()));
    std::fs::write(&file, TOKEN).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn two_servers_are_on_one_page_and_one_that_ends_stays_on_it() {
    let Some(mut browser) = Browser::find() else { return };
    let (program, first) = Program::start_watched(&["--service", "echo", "--versions", "1-3"]);
    let (mut other, second) = Program::start_watched(&["--service", "echo", "--versions", "3-5"]);
    let mut client = program.connect();
    exchange(&mut client, "0 {'negotiate'1\"echo\"#2&#}$", "2 ? {'agreed'1\"echo\"#1&2&3&#");
    let shown = show(&[&first, &second], None);
    browser.open(&format!("http://{}/", shown.address));
    browser.wait("document.querySelector('#live').textContent === 'live'");
    let cell = |node: usize, version: u32| {
        format!(
            "document.querySelector('[data-act=version][data-node=\"{node}\"][data-service=\\'\"echo\"\\'][data-version=\"{version}\"]')"
        )
    };
    browser.wait(&format!("{}.textContent === '1'", cell(0, 2)));
    browser.wait(&format!("{} && !{} && {}", cell(0, 3), cell(0, 5), cell(1, 5)));
    // Connections are those of the server that is chosen.
    browser.wait("document.querySelectorAll('#connections button').length === 1");
    browser.value("(() => { const choice = document.querySelector('#connections-node'); choice.value = '1'; choice.dispatchEvent(new Event('change')); })()");
    browser.wait("document.querySelector('#connections').textContent === 'There is none.'");
    other.kill();
    browser.wait("document.querySelector('#live').textContent === '1 of 2 do not answer'");
    browser.wait("document.querySelectorAll('#nodes .chip.bad').length === 1");
    browser.wait(&format!("{}.textContent === '1'", cell(0, 2)));
    let arguments = ["--listen", "127.0.0.1:0", "--log", "json", "--admin-http", &second];
    let next = Program::spawn(crate::process::command(&arguments));
    browser.wait("document.querySelector('#live').textContent === 'live'");
    browser
        .wait(&format!("document.querySelector('#nodes').textContent.includes('{}')", next.id()));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_dashboard_looks_with_a_token_and_acts_only_with_one_that_is_typed() {
    let file = token_file("dashboard");
    let arguments = ["--admin-token", &file, "--versions", "1-3"];
    let (_program, server) = Program::start_watched(&arguments);
    let token = DashboardToken::read(file.as_ref()).unwrap();
    std::fs::remove_file(&file).unwrap();
    let shown = show(&[&server], Some(&token));
    let (head, body) = get(&shown.address, "/nodes/0/status.json");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head} {body}");
    let (head, body) = get(&shown.address, "/nodes/0/connections.json?limit=7&filter=x");
    assert!(head.starts_with("HTTP/1.1 200 ") && body.contains("\"items\":[]"), "{head} {body}");
    let (head, _) = get(&shown.address, "/nodes/0/connections.json?limit=0");
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    for path in ["/nodes/1/status.json", "/nodes/0/metrics", "/nodes/x/status.json", "/nodes/0"] {
        let (head, _) = get(&shown.address, path);
        assert!(head.starts_with("HTTP/1.1 404 "), "{path}: {head}");
    }
    let host = "Host: localhost\r\n";
    let bearer = format!("{host}Authorization: Bearer {TOKEN}\r\n");
    let path = "/nodes/0/admin";
    let status = |headers: &str| order_at(&shown.address, path, headers, "{withdraw,?,3}").0;
    assert_eq!(status(host), "HTTP/1.1 401 Unauthorized");
    assert_eq!(
        status(&format!("{bearer}Origin: http://evil.example\r\n")),
        "HTTP/1.1 403 Forbidden"
    );
    assert_eq!(
        status(&bearer.replace("localhost", "evil.example")),
        "HTTP/1.1 421 Misdirected Request"
    );
    assert_eq!(status(&bearer), "HTTP/1.1 200 OK");
}

#[test]
fn a_server_that_is_not_there_or_says_nonsense_is_shown_as_that() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shown = show(&[&address], None);
    let (mut stream, _) = listener.accept().unwrap();
    std::io::Write::write_all(&mut stream, b"no HTTP at all\r\n\r\n").unwrap();
    drop((stream, listener));
    let mut stream = TcpStream::connect(&shown.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    std::io::Write::write_all(&mut stream, request).unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(stream)).map(Result::unwrap);
    let gone = lines.skip_while(|line| line != "event: gone").nth(1).unwrap();
    assert!(gone.starts_with("data: \""), "{gone}");
    let (_, page) = get(&shown.address, "/");
    assert!(page.contains("no answer"), "{page}");
}
