//! Runs the tests once for each mutant, and says which of them nobody notices.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Tests that are run.
pub struct Selection {
    /// The arguments of the `cargo test` that builds them.
    pub arguments: &'static str,
    /// Only tests in these modules are run; all of them if there is none.
    pub modules: &'static [&'static str],
}

impl Selection {
    /// All tests of what `cargo test` builds with these arguments.
    pub const fn whole(arguments: &'static str) -> Self {
        Self { arguments, modules: &[] }
    }

    fn has(&self, test: &str) -> bool {
        let module = test.split("::").next().unwrap_or(test);
        self.modules.is_empty() || self.modules.contains(&module)
    }
}

/// A program of tests.
pub struct Program {
    name: String,
    selection: &'static Selection,
    group: usize,
    path: PathBuf,
    folder: PathBuf,
}

/// One test.
pub struct Test {
    program: usize,
    name: String,
    /// How long it takes when no mutant is on.
    time: Duration,
    reached: HashSet<usize>,
}

/// All tests that pass without a mutant.
pub struct Tests {
    programs: Vec<Program>,
    tests: Vec<Test>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A test fails.
    Caught,
    /// A test does not end.
    Timeout,
    /// Tests run the code, and pass.
    Missed,
    /// No test runs the code.
    Unreached,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    pub name: String,
    pub outcome: Outcome,
    /// The program of tests that noticed.
    pub by: Option<String>,
}

#[derive(Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Builds the tests of the copy, with one `cargo test` for each selection.
pub fn build(copy: &Path, selections: &'static [Selection]) -> Result<Vec<Program>, String> {
    let mut all = Vec::new();
    for (selection, group) in selections.iter().zip(0..) {
        let mut command = Command::new("cargo");
        command
            .args(["test", "--offline", "--no-run", "--message-format", "json"])
            .args(selection.arguments.split(' '));
        command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Awarnings").current_dir(copy);
        // Overflows are to be noticed as they are in a plain build of tests, but sooner.
        command
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "0");
        let built = command
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("cannot run cargo: {error}"))?;
        if !built.status.success() {
            return Err(format!("cargo test --no-run {} fails", selection.arguments));
        }
        for line in built.stdout.split(|&byte| byte == b'\n') {
            let Ok(artifact) = serde_json::from_slice::<Artifact>(line) else { continue };
            let (Some(path), Some(manifest), Some(target)) =
                (artifact.executable, artifact.manifest_path, artifact.target)
            else {
                continue;
            };
            if artifact.profile.is_some_and(|profile| profile.test) {
                let folder = manifest.parent().unwrap_or(copy).to_path_buf();
                all.push(Program { name: target.name, selection, group, path, folder });
            }
        }
    }
    Ok(all)
}

/// Runs each test without a mutant: how long it takes, and which mutants it comes by. Those that
/// fail are left out.
pub fn baseline(programs: Vec<Program>, scratch: &Path) -> Result<Tests, String> {
    let mut tests = Vec::new();
    for (number, program) in programs.iter().enumerate() {
        let listed = Command::new(&program.path)
            .arg("--list")
            .current_dir(&program.folder)
            .output()
            .map_err(|error| error.to_string())?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let before = tests.len();
        let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
        for name in names.filter(|name| program.selection.has(name)) {
            let reached = scratch.join("reached");
            drop(fs::remove_file(&reached));
            let start = Instant::now();
            if !wait(
                program.command(&[name], 60).env("UBF_MUTANTS_REACHED", &reached),
                Duration::from_secs(60),
            )?
            .is_pass()
            {
                println!("{} {name} fails or takes long without a mutant: left out", program.name);
                continue;
            }
            let time = start.elapsed();
            let text = fs::read_to_string(&reached).unwrap_or_default();
            let reached = text.lines().filter_map(|line| line.parse().ok()).collect();
            tests.push(Test { program: number, name: name.to_owned(), time, reached });
        }
        println!("{}: {} tests", program.name, tests.len() - before);
    }
    tests.sort_by_key(|test| test.time);
    Ok(Tests { programs, tests })
}

impl Program {
    /// Runs these tests, with so many seconds of a processor.
    fn command(&self, tests: &[&str], seconds: u64) -> Command {
        // A mutant may ask for all memory that there is, or for ever go on.
        let limits =
            format!("ulimit -v 4000000; ulimit -t {seconds}; exec \"$0\" -q --exact \"$@\"");
        let mut command = Command::new("sh");
        command.arg("-c").arg(limits).arg(&self.path).args(tests).current_dir(&self.folder);
        command
            .env("RUST_TEST_THREADS", "1")
            .env("PROPTEST_CASES", "32")
            .env("PROPTEST_RNG_SEED", "1");
        command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1").env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

#[derive(PartialEq)]
enum End {
    Pass,
    Fail,
    Never,
}

impl End {
    fn is_pass(&self) -> bool {
        *self == Self::Pass
    }
}

fn wait(command: &mut Command, most: Duration) -> Result<End, String> {
    use std::os::unix::process::ExitStatusExt;

    const SIGXCPU: i32 = 24;
    const SIGKILL: i32 = 9;
    let mut child = command.spawn().map_err(|error| format!("cannot run tests: {error}"))?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(match status.signal() {
                None if status.success() => End::Pass,
                Some(SIGXCPU | SIGKILL) => End::Never,
                _ => End::Fail,
            });
        }
        // Time of a processor is bounded by the system; here ends what sleeps.
        if start.elapsed() > most {
            child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
            return Ok(End::Never);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Runs those mutants, by number and name, that `log` does not hold yet, and appends to it.
pub fn all(
    mutants: &[(usize, String)],
    tests: &Tests,
    jobs: usize,
    log: &Path,
) -> Result<BTreeMap<String, Record>, String> {
    let mut known: BTreeMap<String, Record> = BTreeMap::new();
    for line in fs::read_to_string(log).unwrap_or_default().lines() {
        let record: Record =
            serde_json::from_str(line).map_err(|error| format!("{}: {error}", log.display()))?;
        known.insert(record.name.clone(), record);
    }
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .map_err(|error| format!("{}: {error}", log.display()))?;
    let open: Vec<&(usize, String)> =
        mutants.iter().filter(|(_, name)| !known.contains_key(name)).collect();
    let (next, shared) = (AtomicUsize::new(0), Mutex::new((file, known)));
    thread::scope(|scope| {
        let work = || -> Result<(), String> {
            while let Some((number, name)) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
                let record = one(*number, name, tests)?;
                let line = serde_json::to_string(&record).map_err(|error| error.to_string())?;
                let mut shared = shared.lock().map_err(|error| error.to_string())?;
                writeln!(shared.0, "{line}").map_err(|error| error.to_string())?;
                shared.1.insert(record.name.clone(), record);
            }
            Ok(())
        };
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| "a worker panicked".to_owned())?)
    })?;
    Ok(shared.into_inner().map_err(|error| error.to_string())?.1)
}

/// Tests that are so quick run together.
const QUICK: Duration = Duration::from_millis(100);

fn one(number: usize, name: &str, all: &Tests) -> Result<Record, String> {
    let record = |outcome, by: Option<&Program>| {
        Ok(Record { name: name.to_owned(), outcome, by: by.map(|program| program.name.clone()) })
    };
    let reaching: Vec<&Test> =
        all.tests.iter().filter(|test| test.reached.contains(&number)).collect();
    if reaching.is_empty() {
        return record(Outcome::Unreached, None);
    }
    // What is quick first, each program once; then the slow ones, one by one. The crates' own tests
    // before those that go through both.
    let mut runs: Vec<(bool, usize, Duration, usize, Vec<&str>)> = Vec::new();
    for test in reaching {
        let (is_slow, group) = (test.time > QUICK, all.programs[test.program].group);
        let same = runs.iter_mut().find(|run| !is_slow && !run.0 && run.3 == test.program);
        match same {
            Some(run) => {
                run.2 += test.time;
                run.4.push(&test.name);
            }
            None => runs.push((is_slow, group, test.time, test.program, vec![&test.name])),
        }
    }
    runs.sort();
    for (_, _, time, program, names) in runs {
        let program = &all.programs[program];
        let seconds = 2 + 4 * time.as_secs().max(u64::from(time.subsec_millis() > 500));
        let most = Duration::from_secs(12) + 20 * time;
        match wait(program.command(&names, seconds).env("UBF_MUTANT", number.to_string()), most)? {
            End::Pass => {}
            End::Fail => return record(Outcome::Caught, Some(program)),
            End::Never => return record(Outcome::Timeout, Some(program)),
        }
    }
    record(Outcome::Missed, None)
}
