use std::ffi::OsString;

use clap::{CommandFactory as _, Parser};

use super::problem::Origin;
use super::*;

#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    options: Options,
}

/// A file that is gone after the test.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("ubf-node-{}-{name}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

fn load(flags: &[&str], variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    let options = Program::parse_from([&["ubf-server"], flags].concat()).options;
    let catalogue = crate::reference::reference().catalogue(()).unwrap();
    options.load_with(variables.collect::<Vec<(OsString, OsString)>>(), &catalogue)
}

fn problems(flags: &[&str], variables: &[(&str, &str)]) -> String {
    load(flags, variables).unwrap_err().to_text("ubf-server")
}

/// What is said of a file, with FILE in the place of its name.
fn problems_of(name: &str, text: &str) -> Vec<String> {
    let file = TempFile::new(name, text);
    let problems = load(&["--config", file.name()], &[]).unwrap_err();
    problems.lines().iter().map(|line| line.replace(file.name(), "FILE")).collect()
}

#[test]
fn the_command_line_is_consistent() {
    Program::command().debug_assert();
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file_and_the_file_over_the_defaults() {
    let file = TempFile::new(
        "layers",
        "listen = ['a:1', 'b:1']\nservice = 'kv'\n[drain]\ngrace = '5ms'\nhard-stop = 7\n\
         [limits]\nmax-packet-bytes = '2KiB'\nmax-pending = 3\n",
    );
    let flags = ["--config", file.name(), "--max-pending", "9", "--peers", "c:1", "--peers", "d:1"];
    let variables = [
        ("UBF_SERVE_LISTEN", "e:1,f:1"),
        ("UBF_SERVE_LIMITS_MAX_PENDING", "8"),
        ("UBF_SERVE_LIMITS_MAX_PACKET_BYTES", "4KiB"),
        ("UBF_SERVE_DRAIN_GRACE", ""),
        ("UBF_OTHER", "is not ours"),
    ];
    let Settings { listen, services, waits, config, limits, .. } =
        load(&flags, &variables).unwrap().settings;
    assert_eq!(listen, ["e:1", "f:1"]);
    assert_eq!(services.iter().map(|service| service.name).collect::<Vec<_>>(), ["kv"]);
    assert_eq!((waits.grace.as_millis(), waits.hard_stop.as_secs()), (5, 7));
    assert_eq!((config.max_pending, config.limits.max_packet_bytes), (9, 4096));
    assert_eq!(config.peers, ["c:1".parse().unwrap(), "d:1".parse().unwrap()]);
    assert_eq!(limits.max_connections, 10_000);
}

#[test]
fn sessions_have_a_table_of_their_own_and_can_be_switched_off() {
    let file = TempFile::new(
        "sessions",
        "[sessions]\nmax-sessions = 0\nmax-kept = '1MiB'\nmax-keep = '90s'\nmax-window = 7\n",
    );
    let sessions = load(&["--config", file.name()], &[]).unwrap().settings.sessions;
    assert_eq!((sessions.max_sessions, sessions.max_window), (0, 7));
    assert_eq!((sessions.max_kept, sessions.max_keep.as_secs()), (1 << 20, 90));
    let by_default = load(&[], &[]).unwrap().settings.sessions;
    assert_eq!(by_default, ubf_server::SessionLimits::default());
    let wrong = problems(&["--max-sessions=-1", "--max-keep=soon"], &[]);
    assert!(wrong.contains("--max-sessions: -1: a whole number is wanted"), "{wrong}");
    assert!(wrong.contains("--max-keep: soon: a time is wanted"), "{wrong}");
}

/// Each setting has a flag, a variable and a place in the file, and all three take what is shown.
#[test]
fn each_setting_can_be_set_in_each_layer_and_what_is_shown_can_be_read() {
    let flags = [
        "--listen=a:1,unix:/b",
        "--advertise=c:1",
        "--service=kv,echo",
        "--versions=1-3,kv=2",
        "--peers=d:1,e:1",
        "--reuse-port",
        "--control=/f",
        "--control-listen=127.0.0.1:4001",
        "--control-advertise=k:1",
        "--audit=/i",
        "--proxy-from=10.0.0.0/8,192.0.2.7",
        "--admin-http=127.0.0.1:9464",
        "--admin-http-tls",
        "--data=/h",
        "--standby",
        "--state-version=1",
        "--knows=1-2,kv=1-1",
        "--journal=/g \"h\"",
        "--gateway=far=c:1",
        "--classic=i:1,unix:/j",
        "--classic-shared",
        "--classic-versions=kv=2,echo=1",
        "--classic-start=kv",
        "--classic-flavour=joe",
        "--classic-events=never",
        "--classic-hello=false",
        "--classic-simplerpc",
        "--contract-mode=log",
        "--grace=1ms",
        "--hard-stop=2s",
        "--load-high=10",
        "--load-low=5",
        "--load-unit=calls",
        "--log=json",
        "--log-filter=info,ubf_server=debug",
        "--max-connections=1",
        "--max-connections-per-address=2",
        "--max-call-time=3m",
        "--max-packet-bytes=4KiB",
        "--max-negotiation-time=5s",
        "--max-packet-time=6s",
        "--max-idle-time=7s",
        "--max-write-time=8s",
        "--max-pending=9",
        "--max-pending-bytes=10KiB",
        "--max-unread-bytes=11KiB",
        "--max-sessions=12",
        "--max-sessions-per-address=13",
        "--max-window=14",
        "--max-bytes=15KiB",
        "--max-kept=16KiB",
        "--max-kept-in-all=17KiB",
        "--max-keep=18s",
    ];
    let contract = TempFile::new("contract", ubf_contract_text());
    let contract_flag = format!("--contract=kv={}", contract.name());
    let script = TempFile::new("script", "{service,\"played\",start}.");
    let script_flag = format!("--script={}", script.name());
    let token = TempFile::new("token", "0123456789abcdef");
    let token_flag = format!("--admin-token={}", token.name());
    let authority = ubf_net::testing::Authority::new("options");
    authority.sign_host("server", "a.example");
    let tls = [("cert", "server.pem"), ("key", "server.key"), ("client-ca", "ca.pem")];
    let tls = tls.map(|(flag, file)| format!("--tls-{flag}={}", authority.file(file).display()));
    let ca_flag = format!("--control-client-ca={}", authority.file("ca.pem").display());
    let node_flag = format!("--node-ca={}", authority.file("ca.pem").display());
    let http_ca_flag = format!("--admin-http-client-ca={}", authority.file("ca.pem").display());
    let policy = TempFile::new("policy", "[service.kv]");
    let policy_flag = format!("--policy={}", policy.name());
    let files = [
        contract_flag.as_str(),
        &script_flag,
        &token_flag,
        &tls[0],
        &tls[1],
        &tls[2],
        &ca_flag,
        &node_flag,
        &http_ca_flag,
        &policy_flag,
    ];
    let by_flags = load(&[&flags[..], &files].concat(), &[]).unwrap();
    // `store` says otherwise what `data` says.
    let all = |loaded: &Loaded| {
        let shown = loaded.shown.iter().filter(|shown| shown.key != "store");
        shown.map(|shown| (shown.key, shown.origin.clone())).collect::<Vec<_>>()
    };
    for (key, origin) in all(&by_flags) {
        assert!(matches!(origin, Origin::Flag(_)), "{key}: {origin}");
    }
    let values = |loaded: &Loaded| {
        let shown = loaded.shown.iter();
        shown.map(|shown| (shown.key, shown.value.clone())).collect::<Vec<_>>()
    };

    let file = TempFile::new("shown", &by_flags.to_text());
    let by_file = load(&["--config", file.name()], &[]).unwrap();
    assert_eq!(values(&by_file), values(&by_flags));
    let lines = std::fs::read_to_string(&file.0).unwrap();
    for (key, origin) in all(&by_file) {
        let Origin::File(_, line) = origin else { panic!("{key}: {origin}") };
        let name = key.rsplit('.').next().unwrap();
        assert!(lines.lines().nth(line - 1).unwrap().starts_with(&format!("{name} =")), "{key}");
    }

    let as_text = |value: &toml::Value| match (value.as_array(), value.as_str()) {
        (Some(parts), _) => {
            parts.iter().map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join(",")
        }
        (None, Some(text)) => text.to_owned(),
        (None, None) => value.to_string(),
    };
    let shown = by_flags.shown.iter();
    let variables: Vec<(String, String)> = shown
        .filter(|shown| shown.key != "store")
        .map(|shown| (reader::variable(shown.key), as_text(shown.value.as_ref().unwrap())))
        .collect();
    let variables: Vec<_> = variables.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let by_variables = load(&[], &variables).unwrap();
    assert_eq!(values(&by_variables), values(&by_flags));
    for (key, origin) in all(&by_variables) {
        assert!(matches!(origin, Origin::Variable(_)), "{key}: {origin}");
    }
}

fn ubf_contract_text() -> &'static str {
    crate::contract_text("kv", 1).unwrap()
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_its_place() {
    let file = TempFile::new(
        "wrong",
        "listn = ['a:1']\n\n[drain]\ngrace = 'soon'\nmax-pending = 1\n[limits]\nmax-packet-bytes = '16MB'\n",
    );
    let text = problems(
        &["--config", file.name(), "--log=yaml", "--service=kv,ech", "--peers=b"],
        &[("UBF_SERVE_LIMITS_MAX_CONECTIONS", "1"), ("UBF_SERVE_REUSE_PORT", "yes")],
    );
    let text = text.replace(file.name(), "FILE");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let mut wanted = [
        "ubf-server: FILE:1: listn: there is no such setting; did you mean listen?",
        "ubf-server: FILE:4: drain.grace: soon: a time is wanted, as in 250ms, 10s, 1.5m or 1h",
        "ubf-server: FILE:5: drain.max-pending: there is no such setting; did you mean \
         limits.max-pending?",
        "ubf-server: FILE:7: limits.max-packet-bytes: 16MB: a number of bytes is wanted, as in \
         4096, 64KiB, 16MiB or 1GiB",
        "ubf-server: --log: yaml: not one of text, json",
        "ubf-server: --service: ech: not one of echo, kv, irc, ledger; did you mean echo?",
        "ubf-server: --peers: b: not an address: expected one like 192.0.2.7:4000, \
         [2001:db8::1]:4000 or b.example:4000",
        "ubf-server: UBF_SERVE_LIMITS_MAX_CONECTIONS: there is no such variable; did you mean \
         UBF_SERVE_LIMITS_MAX_CONNECTIONS?",
        "ubf-server: UBF_SERVE_REUSE_PORT: yes: not one of true, false",
    ];
    wanted.sort_unstable();
    assert_eq!(lines, wanted);
}

#[test]
fn what_is_wrong_in_the_file_is_said_although_a_flag_wins() {
    let file = TempFile::new("beaten", "[limits]\nmax-pending = 0\n");
    let text = problems(&["--config", file.name(), "--max-pending=1"], &[]);
    assert!(text.contains(":2: limits.max-pending: 0: nothing would ever be read"), "{text}");
}

#[test]
fn a_file_that_is_no_toml_is_read_on_after_each_error() {
    let lines = problems_of("syntax", "listen = 'a:1\nservice = ['kv']\nversions = = 3\n[drain\n");
    let places: Vec<_> = lines.iter().map(|line| line.split(": ").next().unwrap()).collect();
    for place in ["FILE:1", "FILE:3", "FILE:4"] {
        assert!(places.contains(&place), "{place}: {lines:?}");
    }
}

#[test]
fn a_word_in_the_wrong_place_and_a_table_of_another_name_are_recognised() {
    let lines = problems_of(
        "places",
        "grace = '1s'\npeers = 2020-01-01\nlisten = [['a:1']]\n[limit]\nmax-pending = 1\n[drain]\nhard_stop = 1\n",
    );
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "FILE:1: grace: there is no such setting; did you mean drain.grace?",
            "FILE:2: peers: a date is here, one value is wanted",
            "FILE:3: listen: a list is here, one value is wanted",
            "FILE:4: limit: there is no such setting; did you mean limits?",
            "FILE:7: drain.hard_stop: there is no such setting; did you mean drain.hard-stop?",
        ]
    );
}

#[test]
fn names_from_before_there_were_tables_are_read_with_a_warning() {
    let file = TempFile::new(
        "old",
        "grace-ms = 1500\nmax-call-ms = 2000\nmax-pending = 7\nlog = 'json'\nload-high = 9\n\
         load-unit = 'sessions'\npeers = 'b:1'\n",
    );
    let loaded = load(&["--config", file.name()], &[]).unwrap();
    let Settings { waits, limits, config, log, load: plan, .. } = loaded.settings;
    assert_eq!((waits.grace.as_millis(), limits.max_call_time.as_millis()), (1500, 2000));
    assert_eq!((config.max_pending, log), (7, crate::log::LogForm::Json));
    assert_eq!((plan.as_ref().unwrap().low, plan.unwrap().high), (4, 9));
    let warnings = loaded.warnings.lines();
    assert_eq!(warnings.len(), 6, "{warnings:?}");
    let wanted =
        format!("{}:1: grace-ms: an old name; write grace in the table [drain]", file.name());
    assert!(warnings.contains(&wanted), "{warnings:?}");
}

#[test]
fn versions_are_said_for_all_services_and_for_each() {
    let read = |text: &str, services: &str| {
        let flags = ["--versions", text, "--service", services];
        let versions = load(&flags, &[]).unwrap().settings.versions;
        ["echo", "kv"].map(|service| versions.of(service).unwrap().to_string())
    };
    assert_eq!(read("1-5,9, 10,14,9", "echo,kv"), ["1-5,9,10,14", "1-5,9,10,14"]);
    assert_eq!(read("kv=1-3,5,echo=1", "echo,kv"), ["1", "1-3,5"]);
    assert_eq!(read("7,8,kv=2", "echo,kv"), ["7,8", "2"]);
    assert_eq!(read("kv=2", "echo,kv"), ["1-3", "2"]);
    let all = format!("1-{}", ubf_server::Versions::MAX_LEN);
    assert_eq!(read(&all, "echo"), [all.clone(), all]);
    for text in ["0", "1-", "5-1", "1-4000000000", "1-1025", "2147483648", "one", "kv="] {
        assert!(load(&["--service=kv", "--versions", text], &[]).is_err(), "{text}");
    }
    assert!(problems(&["--versions=irc=1"], &[]).contains("--versions: irc is not served"));
    let text = problems(&["--versions=ekho=1"], &[]);
    assert!(text.contains("ekho: not one of echo, kv, irc, ledger; did you mean echo?"), "{text}");
    assert!(problems(&["--versions=kv=1,kv=2", "--service=kv"], &[]).contains("named twice"));

    let file = TempFile::new("versions", "service = ['echo', 'kv']\n[versions]\nkv = '1-3'\n");
    let versions = load(&["--config", file.name()], &[]).unwrap().settings.versions;
    assert_eq!(versions.to_string(), "1-3,kv=1-3");
}

#[test]
fn a_server_is_not_its_own_peer() {
    let settings = load(&["--advertise=a:1", "--peers=a:1,b:2"], &[]).unwrap().settings;
    assert_eq!(settings.config.peers, ["b:2".parse().unwrap()]);
}

#[test]
fn load_marks_are_complete_or_an_error() {
    let plan = |flags: &[&str]| load(flags, &[]).map(|loaded| loaded.settings.load);
    let found = plan(&["--load-high=100", "--peers=b:2"]).unwrap().unwrap();
    assert_eq!((found.unit, found.low, found.high), (ubf_server::LoadUnit::Sessions, 80, 100));
    let shown = load(&["--load-high=100", "--peers=b:2"], &[]).unwrap().to_text();
    assert!(shown.contains("low = 80  # default\nunit = \"connections\"  # default\n"), "{shown}");
    let flags = ["--load-high=9", "--load-low=9", "--load-unit=calls", "--peers=b:2"];
    assert_eq!(plan(&flags).unwrap().unwrap().unit, ubf_server::LoadUnit::Calls);
    for flags in [
        &["--load-high=9"][..],
        &["--load-low=9", "--peers=b:2"],
        &["--load-unit=calls", "--peers=b:2"],
        &["--load-high=9", "--load-low=10", "--peers=b:2"],
    ] {
        assert!(plan(flags).is_err(), "{flags:?}");
    }
}

#[test]
fn a_queue_without_room_is_an_error() {
    for flag in [
        "--max-pending=0",
        "--max-pending-bytes=0",
        "--max-unread-bytes=0KiB",
        "--max-connections=0",
        "--max-connections-per-address=0",
        "--max-packet-bytes=0",
        "--max-window=0",
        "--max-kept=0",
        "--max-packet-bytes=4GiB",
    ] {
        assert!(load(&[flag], &[]).is_err(), "{flag}");
    }
}
