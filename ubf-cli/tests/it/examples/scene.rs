//! Where examples are run: with a folder, ports and servers of their own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::common::server::Server;

/// No example takes so long.
const PATIENCE: Duration = Duration::from_secs(120);
/// Clients that are connected to each server of an operator: an example names the eighth.
const CLIENTS: usize = 8;

/// One after the other, examples of one text are run in it: what one leaves, the next one finds.
pub(super) struct Scene {
    folder: PathBuf,
    ports: [u16; 2],
    /// `export` of the examples so far.
    variables: Vec<(String, String)>,
    /// The last example that was a server, and its process.
    serving: Option<(String, Child)>,
    clients: Vec<TcpStream>,
    /// The server of examples that start none.
    own: Option<Server>,
}

impl Scene {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // The paths of sockets are short.
        let folder = std::env::temp_dir().join(format!("ubf-{}-x{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = free.map(|listener| listener.local_addr().unwrap().port());
        let mut scene = Self {
            folder,
            ports,
            variables: Vec::new(),
            serving: None,
            clients: Vec::new(),
            own: None,
        };
        scene.write_settings();
        scene
    }

    /// The files that the help of the server shows.
    fn write_settings(&mut self) {
        let help = crate::common::good(&["serve", "--help"], "");
        let (_, shown) = help.split_once("A server.toml:\n\n").expect("a file is shown");
        let lines = shown.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
        let text = lines.map(str::trim_start).collect::<Vec<_>>().join("\n");
        std::fs::write(self.folder.join("server.toml"), self.adapted(&text)).unwrap();
        let (_, shown) = help.split_once("A door.script:\n\n").expect("a script is shown");
        let (script, _) = shown.split_once("\n\n").expect("more follows");
        std::fs::write(self.folder.join("door.script"), script).unwrap();
        let contract = "+NAME(\"door\"). +VSN(\"1\"). +TYPES open() :: {open,any()}; ok() :: any().
            +STATE shut open() => ok() & open. +STATE open open() => ok() & open.";
        std::fs::write(self.folder.join("door.con"), contract).unwrap();
    }

    /// A text of an example with the ports and the folder of this scene.
    pub(super) fn adapted(&self, text: &str) -> String {
        let folder = format!("{}/", self.folder.display());
        let [first, second] = self.ports.map(|port| format!(":{port}"));
        let (own, classic) = match &self.own {
            Some(own) => (own.address.clone(), own.classic.clone()),
            None => (format!("127.0.0.1{first}"), format!("127.0.0.1{second}")),
        };
        // What stands for something is put in at the end, all at once: a port, or the folder's own
        // name, may begin as something else that is looked for.
        let all = [
            ("127.0.0.1:4000", own),
            ("127.0.0.1:4001", classic),
            (":4000", first),
            (":4001", second),
            ("/run/", folder.clone()),
            ("/tmp/", folder),
        ];
        let marked = (0_u8..).zip(&all).fold(text.to_owned(), |text, (number, (known, _))| {
            text.replace(known, &format!("\0{number}\0"))
        });
        (0_u8..)
            .zip(&all)
            .fold(marked, |text, (number, (_, own))| text.replace(&format!("\0{number}\0"), own))
            .replace("ubf-server ", "ubf serve ")
    }

    /// Runs an example: its exit status and what it writes, or `None` if it is to go on, or only
    /// sets a variable.
    pub(super) fn run(&mut self, line: &str) -> Option<(i32, String)> {
        if let Some((name, value)) =
            line.strip_prefix("export ").and_then(|set| set.split_once('='))
        {
            self.variables.push((name.to_owned(), self.adapted(value)));
            return None;
        }
        let is_server = line.starts_with("ubf serve ") || line.starts_with("ubf-server ");
        if is_server && !line.contains("--check-config") {
            self.end_server();
            self.start_server(line);
            return None;
        }
        // An example may have ended the server that the next one speaks to.
        if let Some((line, mut child)) = self.serving.take() {
            if child.try_wait().unwrap().is_some() {
                self.clients.clear();
                self.start_server(&line);
            } else {
                self.serving = Some((line, child));
            }
        } else if self.own.is_none() && line.contains("127.0.0.1:400") {
            self.own = Some(Server::of_2003());
        }
        let is_the_end = line.contains(" drain ") && line.contains(" --wait=");
        if is_the_end {
            // Real clients would have gone.
            self.clients.clear();
        }
        let ran = self.shell(&self.adapted(line));
        if let (true, Some((_, child))) = (is_the_end, &mut self.serving) {
            child.wait().unwrap();
        }
        Some(ran)
    }

    fn shell(&self, line: &str) -> (i32, String) {
        let mut command = self.command(&format!("{{ {line}\n}} 2>&1"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let (done, read) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).unwrap();
            done.send(text).ok();
        });
        let read = read.recv_timeout(PATIENCE);
        if read.is_err() {
            child.kill().ok();
        }
        let status = child.wait().unwrap().code();
        let text = read.unwrap_or_else(|_| panic!("it does not end: {line}"));
        reader.join().unwrap();
        (status.expect("it ends by itself"), text)
    }

    fn command(&self, line: &str) -> Command {
        let folder = Path::new(env!("CARGO_BIN_EXE_ubf")).parent().expect("ubf is in a folder");
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("a PATH"));
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .current_dir(&self.folder)
            .env("PATH", path)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Starts a server, and waits until it listens.
    fn start_server(&mut self, line: &str) {
        let adapted = self.adapted(line);
        let exec = format!("exec {}", adapted.trim_end().trim_end_matches('&'));
        let mut child = self.command(&exec).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        loop {
            let mut entry = String::new();
            assert!(log.read_line(&mut entry).unwrap() > 0, "the server ended: {adapted}");
            if entry.contains("listening") {
                break;
            }
            assert!(!entry.contains("hint:"), "{adapted}: {entry}");
        }
        // What it logs from here on is read, and is of no interest.
        drop(std::thread::spawn(move || log.read_to_end(&mut Vec::new())));
        self.serving = Some((line.to_owned(), child));
        if line.contains("--control") {
            self.connect();
        }
    }

    fn connect(&mut self) {
        for _ in 0..CLIENTS {
            let mut client = TcpStream::connect(("127.0.0.1", self.ports[0])).unwrap();
            client.write_all(b"0 'ping'$").unwrap();
            client.read_exact(&mut [0; 11]).unwrap();
            self.clients.push(client);
        }
    }

    fn end_server(&mut self) {
        self.clients.clear();
        if let Some((_, mut child)) = self.serving.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Nothing is left behind.
impl Drop for Scene {
    fn drop(&mut self) {
        self.end_server();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
