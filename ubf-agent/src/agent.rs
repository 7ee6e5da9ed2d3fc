//! The agent as a function: what the machine says, done.

use std::collections::HashMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FlockOperation, flock, statvfs};
use ubf_agent_core::{
    Answer, Hash, Input, Kept, Order, Output, Process, Refusal, Reply, Request, Status, Supervisor,
    Ticket,
};
use ubf_codec::{Encoder, Term, decode, ubf};

use crate::keeper::{self, Listeners};
use crate::line::{self, Doer};
use crate::options::{Options, USAGE};
use crate::process::{self, Launch};
use crate::store::Releases;

/// Name and version, as controllers hear it.
const AGENT: &str = concat!("ubf-agent/", env!("CARGO_PKG_VERSION"));
/// Bytes of the log from which on it begins anew; the bytes before are `log.old`.
const MAX_LOG_BYTES: u64 = 16 << 20;
/// The most bytes of the log in one answer.
const MAX_LOG_ANSWER: u64 = 64 << 10;
/// Between two looks at the log's size.
const LOOK: Duration = Duration::from_secs(60);

/// What the one thread that decides is told.
enum Event {
    Asked(Request, SyncSender<Reply>),
    Machine(Input),
    /// Nodes have said something. Who has read it says so.
    Said(SyncSender<()>),
}

/// Runs an agent, until it is killed. `own` are the arguments in front by which this program is
/// called to be one: it starts itself to launch a node, and to keep listeners.
#[must_use]
pub fn run(program: &str, own: &[OsString], arguments: &[OsString]) -> ExitCode {
    let ended = match arguments {
        [what, rest @ ..] if what == "launch" => Err(process::launch(rest).into()),
        [what, folder] if what == "keep" => keeper::keep(Path::new(folder)).map_err(Into::into),
        _ => Options::read(arguments)
            .map_err(|why| format!("{why}\n\n{USAGE}").into())
            .and_then(|options| attend(own, &options)),
    };
    let Err(error) = ended else { return ExitCode::SUCCESS };
    complain(&format!("{program}: {error}"));
    ExitCode::from(1)
}

fn complain(text: &str) {
    // If stderr is gone, there is nobody to tell.
    let _is_told = writeln!(io::stderr(), "{text}").is_ok();
}

fn attend(own: &[OsString], options: &Options) -> Result<(), Box<dyn Error>> {
    let folder = &options.folder;
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    let lock = File::create(folder.join("lock"))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| format!("another agent has {}", folder.display()))?;
    begin_keeper(own, options)?;
    let releases = Releases::open(folder, options.keys.clone())?;
    let releases = Arc::new(Mutex::new(releases));
    let (events, heard) = sync_channel(64);
    let nodes = attend_nodes(folder, events.clone())?;
    let living = process::living(folder)?;
    let began = Instant::now();
    let machine = Supervisor::new(options.times, read_kept(folder)?, &living, began.elapsed());
    let mut agent = Agent {
        own,
        options,
        releases: Arc::clone(&releases),
        machine,
        nodes,
        processes: HashMap::new(),
        waiting: HashMap::new(),
        tickets: 0,
        events: events.clone(),
    };
    for node in living {
        // One that ends meanwhile is gone for the next agent, and for this one at once.
        match process::descriptor(node.process.pid) {
            Ok(descriptor) => agent.watch(node.process, descriptor, None)?,
            Err(_) => events.send(ended(node.process)("it has ended".into()))?,
        }
    }
    serve(options, releases, events)?;
    agent.decide(&heard, began);
    Ok(())
}

/// Takes the listeners of the keeper before this one, opens those that it does not have, and leaves
/// all to a new keeper.
fn begin_keeper(own: &[OsString], options: &Options) -> Result<(), Box<dyn Error>> {
    let mut found = keeper::fetch(&options.folder).unwrap_or_default();
    let mut listeners = Listeners::new();
    for (name, address) in &options.listeners {
        let place = found.iter().position(|(present, _)| present == name);
        let listener = match place.map(|place| found.swap_remove(place).1) {
            Some(listener) => listener,
            None => {
                TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?.into()
            }
        };
        listeners.push((name.clone(), listener));
    }
    let (here, there) = UnixStream::pair()?;
    // It is not waited for: it ends when its socket is gone, and this process does not see that.
    let mut child = Command::new("/proc/self/exe")
        .args(own)
        .arg("keep")
        .arg(&options.folder)
        .stdin(Stdio::from(OwnedFd::from(there)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    keeper::send(&here, &listeners)?;
    drop(here);
    let wanted: Vec<String> = listeners.into_iter().map(|(name, _)| name).collect();
    let until = Instant::now() + Duration::from_secs(5);
    let is_kept = || {
        let kept = keeper::fetch(&options.folder).unwrap_or_default();
        kept.into_iter().map(|(name, _)| name).eq(wanted.iter().cloned())
    };
    while !is_kept() {
        if child.try_wait()?.is_some() || Instant::now() > until {
            return Err("the process that keeps the listeners does not begin".into());
        }
        thread::sleep(Duration::from_millis(2));
    }
    thread::spawn(move || child.wait());
    Ok(())
}

/// A node says by `NOTIFY_SOCKET` that it serves, as services of systemd do. The thread that decides
/// reads it, so that what a process has said comes before its end.
fn attend_nodes(folder: &Path, events: SyncSender<Event>) -> io::Result<UnixDatagram> {
    let path = folder.join("notify");
    let _is_gone = fs::remove_file(&path).is_ok();
    let socket = UnixDatagram::bind(path)?;
    socket.set_nonblocking(true)?;
    let said = socket.try_clone()?;
    thread::spawn(move || {
        loop {
            let (reads, has_read) = sync_channel(1);
            while poll(&mut [PollFd::new(&said, PollFlags::IN)], None).is_err() {}
            if events.send(Event::Said(reads)).is_err() || has_read.recv().is_err() {
                return;
            }
        }
    });
    Ok(socket)
}

fn serve(
    options: &Options,
    releases: Arc<Mutex<Releases>>,
    events: SyncSender<Event>,
) -> Result<(), Box<dyn Error>> {
    let folder = options.folder.clone();
    let doer: Doer = Arc::new(move |request| {
        let lock = || releases.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = if let Request::Put(signed) = request {
            lock().put(&signed)
        } else if let Request::Chunk(hash, offset, bytes) = request {
            lock().chunk(hash, offset, &bytes)
        } else if let Request::Log(bytes) = request {
            read_log(&folder, bytes.min(MAX_LOG_ANSWER))
        } else {
            let (asked, answered) = sync_channel(1);
            let is_sent = events.send(Event::Asked(request, asked)).is_ok();
            let reply = answered.recv().ok().filter(|_| is_sent);
            reply.ok_or_else(|| (Refusal::Busy, "the agent ends".to_owned()))
        };
        answer.unwrap_or_else(|(why, text)| Reply::Error(why, text))
    });
    let _is_gone = fs::remove_file(&options.socket).is_ok();
    let listener = UnixListener::bind(&options.socket)
        .map_err(|error| format!("{}: {error}", options.socket.display()))?;
    fs::set_permissions(&options.socket, Permissions::from_mode(0o600))?;
    line::serve_unix(listener, AGENT, Arc::clone(&doer));
    if let Some((address, [certificate, key, clients])) = &options.tls {
        let config = line::tls(certificate, key, clients)?;
        let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
        complain(&format!("controllers: {}", listener.local_addr()?));
        line::serve_tls(listener, config, AGENT, doer);
    }
    Ok(())
}

fn read_log(folder: &Path, bytes: u64) -> Answer {
    let read = || {
        let mut log = File::open(folder.join("log"))?;
        let from = log.metadata()?.len().saturating_sub(bytes);
        log.seek(SeekFrom::Start(from))?;
        let mut last = Vec::new();
        log.take(bytes).read_to_end(&mut last)?;
        Ok(last)
    };
    let read = read().map_err(|error: io::Error| (Refusal::Disk, error.to_string()));
    read.map(|bytes| Reply::Log(bytes.into()))
}

fn read_kept(folder: &Path) -> Result<Kept, Box<dyn Error>> {
    let bytes = match fs::read(folder.join("state")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
        read => read?,
    };
    let packet = decode(&bytes)?;
    let hash = |index| Hash::read(packet.root().get(index)?.as_bytes()?);
    let is_wanted = packet.root().get(1).and_then(|it| it.as_bool()).ok_or("state: no state")?;
    Ok(Kept { is_wanted, current: hash(2), former: hash(3) })
}

fn write_kept(folder: &Path, kept: Kept) -> io::Result<()> {
    let hash = |hash: Option<Hash>| hash.map_or(Term::Undefined, Hash::to_term);
    let state = ubf!({state, (kept.is_wanted), (hash(kept.current)), (hash(kept.former))});
    let fresh = folder.join("state.new");
    let mut file = File::create(&fresh)?;
    file.write_all(&Encoder::new().encode(&state))?;
    file.sync_all()?;
    fs::rename(fresh, folder.join("state"))?;
    File::open(folder)?.sync_all()
}

fn ended(process: Process) -> impl FnOnce(String) -> Event + Send + 'static {
    move |how| Event::Machine(Input::Ended(process, how))
}

struct Agent<'a> {
    own: &'a [OsString],
    options: &'a Options,
    releases: Arc<Mutex<Releases>>,
    machine: Supervisor,
    nodes: UnixDatagram,
    /// By their numbers: each is watched by a thread, and not waited for until that has told.
    processes: HashMap<u32, OwnedFd>,
    waiting: HashMap<Ticket, SyncSender<Reply>>,
    tickets: Ticket,
    events: SyncSender<Event>,
}

impl Agent<'_> {
    fn decide(&mut self, heard: &Receiver<Event>, began: Instant) {
        loop {
            while let Some(output) = self.machine.poll_output() {
                self.obey(output, began.elapsed());
            }
            self.trim_log();
            let left = self.machine.poll_timeout().map(|at| at.saturating_sub(began.elapsed()));
            match heard.recv_timeout(left.unwrap_or(LOOK).min(LOOK)) {
                Ok(Event::Machine(input)) => {
                    if let Input::Ended(process, _) = &input {
                        self.hear_nodes(began.elapsed());
                        self.processes.remove(&process.pid);
                    }
                    self.machine.handle(input, began.elapsed());
                }
                Ok(Event::Said(read)) => {
                    self.hear_nodes(began.elapsed());
                    let _is_heard = read.send(()).is_ok();
                }
                Ok(Event::Asked(request, to)) => self.ask(&request, to, began.elapsed()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.machine.handle(Input::Tick, began.elapsed());
        }
    }

    fn hear_nodes(&mut self, now: Duration) {
        let mut bytes = [0; 4096];
        // More than the system keeps for a socket: nobody who always speaks is heard for ever.
        for _ in 0..64 {
            let Ok(count) = self.nodes.recv(&mut bytes) else { return };
            let text = String::from_utf8_lossy(bytes.get(..count).unwrap_or_default());
            let pid = text.lines().find_map(|line| line.strip_prefix("MAINPID=")?.parse().ok());
            if let Some(pid) = pid.filter(|_| text.lines().any(|line| line == "READY=1")) {
                self.machine.handle(Input::Ready(pid), now);
            }
        }
    }

    fn obey(&mut self, output: Output, now: Duration) {
        match output {
            Output::Launch { release, takes_over } => {
                let input = match self.launch(release, takes_over) {
                    Ok(process) => Input::Launched(process),
                    Err(error) => Input::NotLaunched(error.to_string()),
                };
                self.machine.handle(input, now);
            }
            Output::Terminate(process) => self.signal(process, false),
            Output::Kill(process) => self.signal(process, true),
            Output::Keep => {
                if let Err(error) = write_kept(&self.options.folder, self.machine.kept()) {
                    complain(&format!("the state cannot be stored: {error}"));
                }
            }
            Output::Answer(ticket, answer) => {
                if let Some(to) = self.waiting.remove(&ticket) {
                    tell(&to, answer);
                }
            }
        }
    }

    fn launch(&mut self, release: Hash, takes_over: bool) -> io::Result<Process> {
        let releases = self.releases.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = || io::Error::other("the release is not here, or not signed");
        let (program, more) = releases.program(release).ok_or_else(gone)?;
        let mut arguments = self.options.arguments.clone();
        arguments.extend(more.iter().map(OsString::from));
        arguments.extend(takes_over.then(|| "--take-over".into()));
        let folder = &self.options.folder;
        let launch = Launch { own: self.own, folder, release, program: &program, arguments };
        let (child, process, descriptor) = launch.start()?;
        drop(releases);
        self.watch(process, descriptor, Some(child))?;
        Ok(process)
    }

    fn watch(
        &mut self,
        process: Process,
        descriptor: OwnedFd,
        child: Option<std::process::Child>,
    ) -> io::Result<()> {
        self.processes.insert(process.pid, descriptor.try_clone()?);
        process::watch(descriptor, child, ended(process), self.events.clone());
        Ok(())
    }

    fn signal(&self, process: Process, kills: bool) {
        if let Some(descriptor) = self.processes.get(&process.pid) {
            process::signal(descriptor, kills);
        }
    }

    fn ask(&mut self, request: &Request, to: SyncSender<Reply>, now: Duration) {
        let releases = Arc::clone(&self.releases);
        let mut releases = releases.lock().unwrap_or_else(PoisonError::into_inner);
        let order = match *request {
            Request::Start(hash) if releases.program(hash).is_some() => Order::Start(hash),
            Request::Switch(hash) if releases.program(hash).is_some() => Order::Switch(hash),
            Request::Stop => Order::Stop,
            Request::Drop(hash) if self.machine.forget(hash) => {
                return tell(&to, releases.drop_release(hash));
            }
            Request::Drop(_) => {
                let why = "this is the release that runs, or would".to_owned();
                return tell(&to, Err((Refusal::InUse, why)));
            }
            Request::Status => return tell(&to, self.status(&releases)),
            Request::Start(_)
            | Request::Switch(_)
            | Request::Put(_)
            | Request::Chunk(..)
            | Request::Log(_) => {
                let why = "no such release is here, signed by a key that is trusted".to_owned();
                return tell(&to, Err((Refusal::NoRelease, why)));
            }
        };
        self.tickets += 1;
        self.waiting.insert(self.tickets, to);
        self.machine.handle(Input::Order(self.tickets, order), now);
    }

    fn status(&self, releases: &Releases) -> Answer {
        let (phase, process) = self.machine.phase();
        let (starts, deaths, last) = self.machine.counts();
        let Kept { current, former, .. } = self.machine.kept();
        let disk = statvfs(&self.options.folder);
        Ok(Reply::Status(Box::new(Status {
            agent: AGENT.into(),
            phase,
            current,
            former,
            pid: process.map(|process| process.pid),
            starts,
            deaths,
            last: last.map(Into::into),
            releases: releases.manifests(),
            free: disk.map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        })))
    }

    /// A process that writes to a log goes on at the beginning of an empty one.
    fn trim_log(&self) {
        let path = self.options.folder.join("log");
        if fs::metadata(&path).is_ok_and(|log| log.len() > MAX_LOG_BYTES) {
            let _is_copied = fs::copy(&path, path.with_extension("old")).is_ok();
            let log = File::options().write(true).open(path);
            let _is_cut = log.and_then(|log| log.set_len(0)).is_ok();
        }
    }
}

/// Whoever has gone away meanwhile hears nothing.
fn tell(to: &SyncSender<Reply>, answer: Answer) {
    let reply = answer.unwrap_or_else(|(why, text)| Reply::Error(why, text));
    let _is_told = to.send(reply).is_ok();
}
