//! The rows of a service: counts, finalizing, migration, backups.

use std::path::{Path, PathBuf};

use super::program::{Ran, Server, ubf};

/// A folder that is gone when the test has ended.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ubf-{}-rows-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _is_gone = std::fs::remove_dir_all(&self.0).is_ok();
    }
}

fn start(name: &str, data: &str, more: &[&str]) -> Server {
    let arguments = [&["--service", "kv", "--data", data][..], more].concat();
    Server::start(name, "127.0.0.1:0", &arguments)
}

#[track_caller]
fn good(ran: Ran) -> String {
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.out
}

fn call(server: &Server, request: &str) -> String {
    good(ubf(&["call", &server.address, request]))
}

#[test]
fn rows_go_from_one_state_version_to_the_next() {
    let folder = Folder::new("versions");
    let server = start("versions", &folder.file("kv"), &["--state-version", "1"]);
    assert_eq!(call(&server, "{put,\"a\",7}"), "ok\n", "version 2 of the contract");
    let rows = good(server.admin(&["rows"]));
    assert!(rows.starts_with("kv: rows are written in state version 1; the server knows 1 to 2\n"));
    assert!(rows.contains("\nvalues  1              1\n"), "{rows}");

    let asked = server.admin(&["finalize"]);
    assert_eq!(asked.status, 2, "{asked:?}");
    assert!(asked.err.contains("--yes says that it is meant"), "{asked:?}");
    let finalized = good(server.admin(&["finalize", "--yes", "--service", "kv"]));
    assert!(finalized.contains("kv: rows are written in state version 2"), "{finalized}");
    // Version 3 of the contract can be spoken by now, and the old row is read.
    assert_eq!(call(&server, "{get,\"a\"}"), "{value,7,0}\n");
    let again = server.admin(&["finalize", "--yes"]);
    assert_eq!(again.status, 1, "{again:?}");
    assert!(again.err.contains("rows of state version 1 are left: rewrite them first"));

    let rows = good(server.admin(&["rows", "--json"]));
    let rows: serde_json::Value = serde_json::from_str(&rows).expect("JSON");
    let versions = serde_json::json!({"write": 2, "lowest": 1, "highest": 2});
    assert_eq!(rows["services"][0]["versions"], versions);
    assert_eq!(rows["services"][0]["tables"][1]["version"], 1);
    let migrated = good(server.admin(&["migrate"]));
    assert_eq!(migrated, "kv: all rows are in state version 2, 2 rewritten\n");
    let rows = good(server.admin(&["rows"]));
    assert!(rows.contains("\nvalues  2              1\n"), "{rows}");
    let newest = server.admin(&["finalize", "--yes"]);
    assert_eq!(newest.status, 1, "{newest:?}");
    assert!(newest.err.contains("knows state version 2 at most, not 3"), "{newest:?}");
    good(server.admin(&["shutdown"]));
    assert_eq!(server.status(), Some(0));
}

#[test]
fn a_backup_becomes_another_store() {
    let folder = Folder::new("backup");
    let server = start("backup", &folder.file("kv"), &[]);
    call(&server, "{put,\"a\",7}");
    let backup = folder.file("kv.backup");
    let made = good(server.admin(&["store", "backup", &backup]));
    assert!(made.starts_with("kv: 3 rows of "), "{made}");
    let twice = server.admin(&["store", "backup", &backup]);
    assert_eq!(twice.status, 1, "{twice:?}");
    assert!(twice.err.contains("the file is there already"), "{twice:?}");
    call(&server, "{put,\"a\",8}");
    let busy = restore(&backup, &folder.file("kv"), &[]);
    assert_eq!(busy.status, 1, "{busy:?}");
    assert!(busy.err.contains("the store is open in another process"), "{busy:?}");
    good(server.admin(&["shutdown"]));
    assert_eq!(server.status(), Some(0));
    let used = restore(&backup, &folder.file("kv"), &[]);
    assert!(used.err.contains("kv.redb: the store is in use already"), "{used:?}");

    let other = folder.file("other");
    let restored: serde_json::Value =
        serde_json::from_str(&good(restore(&backup, &other, &["--json"]))).expect("JSON");
    assert_eq!((&restored["service"], &restored["rows"]), (&"kv".into(), &3.into()));
    let server = start("restored", &other, &[]);
    assert_eq!(call(&server, "{get,\"a\"}"), "{value,7,1}\n");
    drop(server);

    std::fs::write(Path::new(&backup), "{'ubf_backup'1\"kv\"}$").expect("it is written");
    let torn = restore(&backup, &folder.file("torn"), &[]);
    assert_eq!(torn.status, 1, "{torn:?}");
    assert!(torn.err.contains("kv.backup: the file is not whole: its end is missing"), "{torn:?}");
}

fn restore(backup: &str, data: &str, more: &[&str]) -> Ran {
    ubf(&[&["admin", "store", "restore", backup, "--data", data][..], more].concat())
}

#[test]
fn a_server_without_rows_says_so() {
    let server = Server::start("norows", "127.0.0.1:0", &["--service", "kv"]);
    for command in [&["rows"][..], &["migrate"], &["finalize", "--yes"], &["store", "backup", "x"]]
    {
        let ran = server.admin(command);
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.err.contains("no service that is meant keeps rows"), "{ran:?}");
    }
}

#[test]
fn durable_sessions_are_listed() {
    let folder = Folder::new("sessions");
    let server = start("durable", &folder.file("kv"), &[]);
    let arguments = ["call", &server.address, "--service", "kv", "{put,\"a\",7}"];
    good(ubf(&arguments));
    // A client that ends in peace ends its session; one that is gone leaves it.
    let mut peer = std::net::TcpStream::connect(&server.address).expect("it listens");
    let open = "0 {'negotiate'1\"kv\"#3&#{'session'16~0123456789abcdef~8 1000 60000}&}$";
    std::io::Write::write_all(&mut peer, open.as_bytes()).expect("it reads");
    let mut agreed = [0; 64];
    std::io::Read::read_exact(&mut peer, &mut agreed).expect("it answers");
    let listed = good(server.admin(&["sessions"]));
    assert!(listed.starts_with("1 session, 0 parked\n"), "{listed}");
    assert!(listed.contains("1000000000001") || listed.contains("1000000000002"), "{listed}");
    let status = good(server.admin(&["status"]));
    assert!(status.contains("sessions    1, 0 of them without a connection\n"), "{status}");
}
