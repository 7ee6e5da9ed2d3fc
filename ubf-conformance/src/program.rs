//! Another program as an implementation, spoken to over its standard input and output.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::contracts::Question;
use crate::dialogue::{Act, Beginning, Machine, Told, read_acts, read_lines_of};
use crate::implementation::{Answer, Implementation, Refusal, Style};
use crate::line_protocol::Request;
use crate::outcome::{Outcome, Packet, Side};
use crate::settings::{Dialect, Limits, Settings};

/// Bytes of an answer. Chosen: the longest right one, a term of 64 MiB in hexadecimal, is shorter.
const MAX_ANSWER_BYTES: u64 = 256 * 1024 * 1024;

/// How often the program may hang before it is asked nothing more: each time costs the time limit.
const MAX_HANGS: u32 = 10;

/// A program that speaks the [line protocol](crate::line_protocol). It is started anew after it has
/// hung, or crashed, or answered what nobody asked.
#[derive(Debug)]
pub struct Program {
    program: String,
    arguments: Vec<String>,
    timeout: Duration,
    /// One question at a time.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Running>,
    hangs: u32,
}

impl Program {
    /// Starts the program. Each answer must come within `timeout`.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start(program: &str, arguments: &[String], timeout: Duration) -> Result<Self, String> {
        let it = Self {
            program: program.to_owned(),
            arguments: arguments.to_vec(),
            timeout,
            state: Mutex::default(),
        };
        let running = Running::start(&it.program, &it.arguments)?;
        it.state.lock().unwrap_or_else(PoisonError::into_inner).running = Some(running);
        Ok(it)
    }

    fn ask(&self, request: &Request) -> Answer<String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.hangs >= MAX_HANGS {
            return Err(Refusal::Hung(format!("not asked: it has hung {MAX_HANGS} times")));
        }
        let running = match &mut state.running {
            Some(running) => running,
            none => {
                let started = Running::start(&self.program, &self.arguments);
                none.insert(started.map_err(Refusal::Crashed)?)
            }
        };
        let answer = running.ask(&request.to_string(), self.timeout);
        if matches!(answer, Err(Refusal::Hung(_) | Refusal::Crashed(_))) {
            state.running = None;
        }
        state.hangs += u32::from(matches!(answer, Err(Refusal::Hung(_))));
        match answer?.as_str() {
            "unsupported" => Err(Refusal::Unsupported),
            answer => match answer.strip_prefix("problem ") {
                Some(problem) => Err(Refusal::Failed(format!("it says: {problem}"))),
                None => Ok(answer.to_owned()),
            },
        }
    }
}

/// A process, and the two threads that write to it and read from it, since either may block. The
/// threads end when the pipes do, and the pipes when the process and its children are killed.
#[derive(Debug)]
struct Running {
    child: Child,
    requests: SyncSender<String>,
    answers: Receiver<io::Result<String>>,
}

impl Running {
    fn start(program: &str, arguments: &[String]) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        in_a_group_of_its_own(&mut command);
        let mut child =
            command.spawn().map_err(|error| format!("cannot start `{program}`: {error}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("`{program}` has no pipes"));
        };
        let (requests, to_write) = sync_channel(1);
        let (read, answers) = sync_channel(1);
        thread::spawn(move || write(input, &to_write));
        thread::spawn(move || read_lines(output, &read));
        Ok(Self { child, requests, answers })
    }

    fn ask(&mut self, request: &str, timeout: Duration) -> Answer<String> {
        match self.answers.try_recv() {
            Err(TryRecvError::Empty) => {}
            Ok(Ok(line)) => {
                let line: String = line.chars().take(60).collect();
                return Err(Refusal::Crashed(format!("it answers what nobody asked: `{line}`")));
            }
            Ok(Err(error)) => return Err(self.gone(&error)),
            Err(TryRecvError::Disconnected) => return Err(self.ended()),
        }
        if self.requests.send(format!("{request}\n")).is_err() {
            return Err(self.ended());
        }
        match self.answers.recv_timeout(timeout) {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(error)) => Err(self.gone(&error)),
            Err(RecvTimeoutError::Timeout) => {
                Err(Refusal::Hung(format!("no answer within {} s", timeout.as_secs_f64())))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
        }
    }

    fn gone(&mut self, error: &io::Error) -> Refusal {
        Refusal::Crashed(format!("its answer cannot be read: {error}"))
    }

    /// Its output has ended: it has too, or it will never answer.
    fn ended(&mut self) -> Refusal {
        match self.child.try_wait() {
            Ok(Some(status)) => Refusal::Crashed(format!("it has ended: {status}")),
            Ok(None) | Err(_) => Refusal::Crashed("it has closed its output".to_owned()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        kill_group(&self.child);
        // It may have ended by itself, and then there is nobody to stop.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(unix)]
fn in_a_group_of_its_own(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn in_a_group_of_its_own(_: &mut Command) {}

/// Children of the program, which may hold its pipes open: those of a shell, say.
#[cfg(unix)]
fn kill_group(child: &Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // There may be nobody left.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
fn kill_group(_: &Child) {}

fn write(mut input: ChildStdin, requests: &Receiver<String>) {
    while let Ok(request) = requests.recv() {
        if input.write_all(request.as_bytes()).and_then(|()| input.flush()).is_err() {
            // The reader sees that the program is gone, or that it does not answer.
            return;
        }
    }
}

fn read_lines(output: ChildStdout, answers: &SyncSender<io::Result<String>>) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        let read = output.by_ref().take(MAX_ANSWER_BYTES).read_until(b'\n', &mut line);
        let answer = match read {
            Ok(0) => return,
            Ok(_) if line.last() == Some(&b'\n') => {
                let text = String::from_utf8_lossy(&line);
                Ok(text.trim_end_matches(['\n', '\r']).to_owned())
            }
            Ok(count) if count as u64 == MAX_ANSWER_BYTES => {
                Err(io::Error::other(format!("it is longer than {MAX_ANSWER_BYTES} bytes")))
            }
            Ok(_) => Err(io::Error::other("it stops in the middle of a line")),
            Err(error) => Err(error),
        };
        let is_last = answer.is_err();
        if answers.send(answer).is_err() || is_last {
            return;
        }
    }
}

impl Implementation for Program {
    fn name(&self) -> String {
        self.program.clone()
    }

    fn decode(&self, input: &[u8], settings: &Settings) -> Answer<Outcome> {
        let answer = self.ask(&Request::Decode(settings.clone(), input.to_vec()))?;
        Outcome::<String>::parse(&answer).map_err(Refusal::Failed)
    }

    fn decode_one(&self, input: &[u8], settings: &Settings) -> Answer<Outcome> {
        let answer = self.ask(&Request::DecodeOne(settings.clone(), input.to_vec()))?;
        Outcome::<String>::parse(&answer).map_err(Refusal::Failed)
    }

    fn decode_packets(&self, side: Side, input: &[u8], limits: &Limits) -> Answer<Outcome<Packet>> {
        let answer = self.ask(&Request::Packets(side, limits.clone(), input.to_vec()))?;
        Outcome::<Packet>::parse(&answer, side).map_err(Refusal::Failed)
    }

    fn encode(&self, term: &str, style: Style, dialect: Dialect) -> Answer<Vec<u8>> {
        let answer = self.ask(&Request::Encode(style, dialect, term.to_owned()))?;
        hex::decode(&answer).map_err(|_| {
            let answer: String = answer.chars().take(60).collect();
            Refusal::Failed(format!("`{answer}` is not hexadecimal"))
        })
    }

    fn contract(&self, question: &Question) -> Answer<String> {
        self.ask(&Request::Contract(question.clone()))
    }
}

impl Machine for &Program {
    fn classic(&mut self, line: &str) -> Answer<Vec<String>> {
        let answer = self.ask(&Request::Classic(line.to_owned()))?;
        read_lines_of(&answer).map_err(Refusal::Failed)
    }

    fn begin(&mut self, beginning: &Beginning) -> Answer<Vec<Act>> {
        let answer = self.ask(&Request::Begin(beginning.clone()))?;
        read_acts(&answer).map_err(Refusal::Failed)
    }

    fn tell(&mut self, told: &Told) -> Answer<Vec<Act>> {
        let answer = self.ask(&Request::Tell(told.clone()))?;
        read_acts(&answer).map_err(Refusal::Failed)
    }
}
