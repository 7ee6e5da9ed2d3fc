//! What a journal says, and when.

use ubf_codec::ubf;
use ubf_node::Journal;
use ubf_server::{Call, Handlers, Reply, Server, Service, Versions};

use crate::support::Peer;

/// A file that is removed again.
struct TempFile(std::path::PathBuf);

impl TempFile {
    fn new(name: &str) -> Self {
        let file =
            Self(std::env::temp_dir().join(format!("ubf-{}-{name}.journal", std::process::id())));
        let _is_there = std::fs::remove_file(&file.0).is_ok();
        file
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _is_removed = std::fs::remove_file(&self.0).is_ok();
    }
}

#[tokio::test]
async fn a_call_is_in_the_journal_before_it_begins_and_however_it_ends() {
    let file = TempFile::new("before");
    let path = file.0.clone();
    // Each call answers with what the journal says when it runs.
    let service = Handlers::new()
        .on_now(3, {
            let path = path.clone();
            move |_: &Call<()>| Reply::new(std::fs::read_to_string(&path).unwrap(), "start")
        })
        .on(Versions::of([1, 2]), move |call: Call<()>| {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!call.term().is_atom("crash"));
            async move { Reply::new(text, "start") }
        })
        .on_event(Versions::of([1]), |event: Call<()>| async move {
            event.events().send(event.version(), ubf!(seen)).await.unwrap();
        });
    let journal = Journal::append_to(&file.0).unwrap();
    let server = Server::builder()
        .listen("127.0.0.1:0")
        .service(Service::DEFAULT, journal.clone().of(service));
    let server =
        server.service("other", journal.of(ubf_node::services::Echo::new(Versions::of([7]))));
    let server = server.bind().await.unwrap();
    let address = server.addresses()[0];
    let running = tokio::spawn(server.run());

    let mut client = Peer { stream: tokio::net::TcpStream::connect(address).await.unwrap() };
    // Registers of the request stay in it, and its white space.
    client.exchange("1 'x'>a{a 1,a}$", "1 ? {\"{'executed'?1 'x'>a{a 1,a}}$\n\"'start'}$").await;
    client.send("2 'crash'$").await;
    assert!(client.packet().await.starts_with("0 ? {'failed'"));
    // So it is if it is answered at once.
    let before = "{'executed'?1 'x'>a{a 1,a}}$\n{'executed'?2 'crash'}$\n{'executed'?3 'now'}$\n";
    client.exchange("3 'now'$", &format!("3 ? {{\"{before}\"'start'}}$")).await;
    client.exchange("1 {'event_in'{'tick'7}}$", "1 ? {'event_out''seen'}$").await;
    client.send("0 {'negotiate'1\"other\"#7&#}$7 8$").await;
    client.packet().await;
    client.expect("7 ? {8'start'}$").await;
    let expected = "{'executed'?1 'x'>a{a 1,a}}$\n{'executed'?2 'crash'}$\n{'executed'?3 'now'}$\n{'event'?1 {'tick'7}}$\n{'executed'\"other\"7 8}$\n";
    assert_eq!(file.text(), expected);
    running.abort();
}

#[test]
fn a_journal_goes_on_where_it_ended_and_what_was_torn_is_set_aside() {
    let file = TempFile::new("again");
    let whole = "{'executed'?1 'a'}$\n";
    std::fs::write(&file.0, [whole, "{'executed'?1 {'b"].concat()).unwrap();
    drop(Journal::append_to(&file.0).unwrap());
    assert_eq!(file.text(), whole);
    let torn = TempFile(file.0.with_extension("journal.torn"));
    assert_eq!(torn.text(), "{'executed'?1 {'b\n");
    assert!(Journal::append_to("/nonexistent/journal").is_err());
}

#[test]
fn a_file_of_something_else_and_a_device_are_no_journals() {
    let file = TempFile::new("foreign");
    std::fs::write(&file.0, "precious\n").unwrap();
    let error = Journal::append_to(&file.0).unwrap_err();
    assert_eq!(error.to_string(), "it is no journal, and stays as it is");
    assert_eq!(file.text(), "precious\n");
    let error = Journal::append_to("/dev/null").unwrap_err();
    assert_eq!(error.to_string(), "it is no regular file");
}

#[test]
fn one_server_at_a_time_writes_a_journal_and_only_its_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let file = TempFile::new("owner");
    let journal = Journal::append_to(&file.0).unwrap();
    assert_eq!(file.0.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let error = Journal::append_to(&file.0).unwrap_err();
    assert_eq!(error.to_string(), "another server writes this journal");
    // The same file stays open, and a new one is made when it was moved away.
    journal.reopen().unwrap();
    let moved = TempFile(file.0.with_extension("moved"));
    std::fs::rename(&file.0, &moved.0).unwrap();
    journal.reopen().unwrap();
    assert!(file.0.exists());
    drop(Journal::append_to(&moved.0).unwrap());
}
