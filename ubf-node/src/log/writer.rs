//! Writes lines without making anybody wait: a bounded queue and one thread.
//!
//! What reads the log may be slow, may have gone away, or may be a full disk. None of that may
//! stop or end the work that is logged: a line that finds no room is dropped and counted, and so is
//! one that cannot be written. When lines can be written again, one says how many are missing.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes of lines that wait to be written. Chosen: some ten thousand lines.
const MAX_WAITING_BYTES: usize = 1 << 20;

/// Hands lines to the thread that writes them. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct LineWriter(Arc<Shared>);

/// What says, in a line of the log, how many lines are missing.
type Missing = Box<dyn Fn(u64) -> String + Send>;

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is a line to write, or there will be none any longer.
    is_filled: Condvar,
    /// All that was handed in is written, or lost.
    is_empty: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// A line is being written: it has left `lines`.
    is_writing: bool,
    /// Lines that were dropped or not written, and not yet spoken of.
    missing: u64,
    /// All lines that were ever dropped or not written.
    lost: u64,
    is_failing: bool,
}

/// What became of the lines of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogHealth {
    pub(crate) is_failing: bool,
    pub(crate) lost: u64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LineWriter {
    /// Starts the thread. `missing` makes the line that says how many lines are missing.
    pub(crate) fn start(
        output: impl Write + Send + 'static,
        missing: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Self(Arc::clone(&shared));
        let missing: Missing = Box::new(missing);
        thread::Builder::new()
            .name("ubf-log".into())
            .spawn(move || write_lines(&shared, output, &missing))?;
        Ok(writer)
    }

    /// Hands in a line. It never waits for the output.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut queue = self.0.lock();
        if queue.bytes + line.len() > MAX_WAITING_BYTES {
            queue.missing += 1;
            queue.lost += 1;
            return;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line.into());
        drop(queue);
        self.0.is_filled.notify_one();
    }

    pub(crate) fn health(&self) -> LogHealth {
        let queue = self.0.lock();
        LogHealth { is_failing: queue.is_failing, lost: queue.lost }
    }

    /// Waits until what was handed in is written, and no longer than `at_most`.
    pub(crate) fn flush(&self, at_most: Duration) {
        let queue = self.0.lock();
        let is_busy = |queue: &mut Queue| queue.is_writing || !queue.lines.is_empty();
        // Whether it is written or not: there is nobody to tell.
        drop(self.0.is_empty.wait_timeout_while(queue, at_most, is_busy));
    }
}

fn write_lines(shared: &Shared, mut output: impl Write, missing: &Missing) {
    // Whether the last line was cut short: the next one begins on a line of its own.
    let mut is_torn = false;
    let mut queue = shared.lock();
    loop {
        let Some(line) = queue.lines.pop_front() else {
            shared.is_empty.notify_all();
            queue = shared.is_filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        queue.bytes -= line.len();
        queue.is_writing = true;
        let unspoken = std::mem::take(&mut queue.missing);
        drop(queue);
        let mut text = if is_torn { vec![b'\n'] } else { Vec::new() };
        if unspoken > 0 {
            text.extend_from_slice(missing(unspoken).as_bytes());
        }
        text.extend_from_slice(&line);
        let written = write_all(&mut output, &text);
        queue = shared.lock();
        queue.is_writing = false;
        queue.is_failing = written.is_err();
        match written {
            Ok(()) => is_torn = false,
            Err(count) => {
                is_torn |= count > 0;
                queue.missing += unspoken + 1;
                queue.lost += 1;
            }
        }
    }
}

/// Writes all, or says how many bytes of it were written.
fn write_all(output: &mut impl Write, text: &[u8]) -> Result<(), usize> {
    let mut written = 0;
    while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
        match output.write(rest) {
            Ok(0) => return Err(written),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(written),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// An output that takes so many bytes of each write as it is told, or fails.
    struct Told {
        answers: mpsc::Receiver<Option<usize>>,
        written: mpsc::Sender<String>,
    }

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Without an answer it waits, as a full pipe does.
            let Ok(Some(most)) = self.answers.recv() else {
                return Err(io::ErrorKind::Other.into());
            };
            let count = most.min(bytes.len());
            let _is_heard =
                self.written.send(String::from_utf8_lossy(&bytes[..count]).into()).is_ok();
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn started() -> (LineWriter, mpsc::Sender<Option<usize>>, mpsc::Receiver<String>) {
        let ((answer, answers), (written, lines)) = (mpsc::channel(), mpsc::channel());
        let writer =
            LineWriter::start(Told { answers, written }, |count| format!("{count} missing\n"));
        (writer.unwrap(), answer, lines)
    }

    #[test]
    fn nobody_waits_for_an_output_that_takes_nothing_and_what_is_missing_is_said() {
        let (writer, answer, lines) = started();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        // One line may be on its way already.
        for _ in 0..1026 {
            writer.push(&line);
        }
        let LogHealth { lost, .. } = writer.health();
        assert!((1..=2).contains(&lost), "{lost}");
        writer.flush(Duration::from_millis(1));
        for _ in 0..1026 - lost {
            answer.send(Some(usize::MAX)).unwrap();
        }
        let seen: String =
            (0..1026 - lost).map(|_| lines.recv_timeout(PATIENCE).unwrap()).collect();
        assert!(seen.contains(&format!("{lost} missing\nxxx")), "it says what is missing");
        assert_eq!(seen.lines().count() as u64, 1026 - lost + 1);
    }

    #[test]
    fn an_output_that_fails_costs_its_lines_and_a_torn_one_is_ended() {
        let (writer, answer, lines) = started();
        answer.send(None).unwrap();
        writer.push(b"one\n");
        writer.flush(PATIENCE);
        assert_eq!(writer.health(), LogHealth { is_failing: true, lost: 1 });
        for told in [Some(13), None, Some(usize::MAX)] {
            answer.send(told).unwrap();
        }
        writer.push(b"two\n");
        writer.flush(PATIENCE);
        assert_eq!(lines.recv().unwrap(), "1 missing\ntwo");
        writer.push(b"three\n");
        writer.flush(PATIENCE);
        assert_eq!(lines.recv().unwrap(), "\n2 missing\nthree\n");
        assert_eq!(writer.health(), LogHealth { is_failing: false, lost: 2 });
    }
}
