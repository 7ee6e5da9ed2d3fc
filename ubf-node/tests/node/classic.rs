//! The program with stock clients, played byte for byte.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::process::{Program, command, exchange, rest, run};

const HELLO: &str = "{'ubf1.0'\"meta_server\"\"\\n\\n Type 'info'$ for information\\n\\n\"}$\n";

/// A program, and where it serves stock peers.
struct Stock {
    program: Program,
    address: String,
}

impl Stock {
    fn start(arguments: &[&str]) -> Self {
        let mut program = Program::start(&[&["--classic", "127.0.0.1:0"], arguments].concat());
        let listening = program.logs("listening for stock peers");
        let address = listening["address"].as_str().unwrap().to_owned();
        Self { program, address }
    }

    /// A client that has heard the hello.
    fn connect(&self) -> TcpStream {
        connect(&self.address)
    }

    /// The session of a service.
    fn client(&self, service: &str) -> TcpStream {
        let mut stream = self.connect();
        let start = format!("{{'startSession',\"{service}\",#}}$\n");
        exchange(&mut stream, &start, "{{'ok''ok'}'start'}$\n");
        stream
    }

    /// Ends it by a signal, and wants nothing lost.
    fn stop(self) {
        self.program.signal("TERM");
        assert_eq!(self.program.status(), Some(0));
    }
}

fn connect(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    exchange(&mut stream, "", &hello());
    stream
}

fn hello() -> String {
    HELLO.replace("\\n", "\n")
}

struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ubf-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _is_gone = std::fs::remove_file(&self.0).is_ok();
    }
}

#[test]
fn stock_and_versioned_clients_have_one_store() {
    let stock = Stock::start(&["--service=kv,echo", "--versions=1-3", "--classic-versions=kv=1"]);
    let mut services = stock.connect();
    exchange(&mut services, "'services'$", "{#\"echo\"&\"kv\"&'start'}$\n");
    let mut client = stock.client("kv");
    exchange(&mut client, "{'put',\"a\",7}$", "{'ok''start'}$\n");
    let mut versioned = stock.program.connect();
    versioned.write_all(b"0 {'negotiate'1\"kv\"#1&#}$").unwrap();
    let mut agreed = String::new();
    while !agreed.ends_with('$') {
        let mut byte = [0];
        versioned.read_exact(&mut byte).unwrap();
        agreed.push(byte[0].into());
    }
    exchange(&mut versioned, "1 {'get'\"a\"}$", "1 ? {{'value'7}'start'}$");
    // Its contract is the one of the version that is set.
    client.write_all(b"{'scan',\"\",9}$").unwrap();
    let mut broken = [0; 25];
    client.read_exact(&mut broken).unwrap();
    assert_eq!(&broken, b"{{'clientBrokeContract'{'");
    drop((client, services, versioned));
    stock.stop();
}

#[test]
fn the_rows_of_a_store_on_disk_are_there_for_stock_clients() {
    let folder = std::env::temp_dir().join(format!("ubf-{}-classic-data", std::process::id()));
    let arguments = ["--service=kv", "--data", folder.to_str().unwrap(), "--classic-versions=kv=1"];
    let mut stock = Stock::start(&arguments);
    let mut client = stock.client("kv");
    exchange(&mut client, "{'put',\"a\",7}$", "{'ok''start'}$\n");
    stock.program.kill();
    let stock = Stock::start(&arguments);
    let mut client = stock.client("kv");
    exchange(&mut client, "{'get',\"a\"}$", "{{'value'7}'start'}$\n");
    drop(client);
    stock.stop();
    std::fs::remove_dir_all(&folder).unwrap();
}

const DOOR: &str = "
{service,\"door\",shut}.
{reject,{key,'_'},wrong_door}.
{start,{name,'$1'},{welcome,'$1'},open}.
{start,'_',ok}.
{request,shut,{open,7},creak,open}.
{request,open,{say,'$1'},{said,'$1'},'_',[{heard,'$1'}]}.
{request,open,lie,lies,open}.
{event,open,{knock,'$1'},[{heard,'$1'}]}.
{crash,'_',boom}.
";
const CONTRACT: &str = "+NAME(\"door\"). +VSN(\"1\"). +TYPES
    open() :: {open,integer()}; say() :: {say,string()}; creak() :: creak; lie() :: lie;
    said() :: {said,string()}; heard() :: {heard,any()}; knock() :: {knock,any()}; boom() :: boom.
    +STATE shut open() => creak() & open.
    +STATE open say() => said() & open; lie() => creak() & open; boom() => creak() & open;
        EVENT => heard(); EVENT <= knock().";

#[test]
fn a_script_plays_a_server_under_its_contract() {
    let script = TempFile::new("door.script", DOOR);
    let contract = TempFile::new("door.con", CONTRACT);
    let contract = format!("door={}", contract.text());
    let flags = ["--script", script.text(), "--contract", &contract, "--classic-events=at-once"];
    let stock = Stock::start(&flags);
    let mut client = stock.connect();
    let refused = "{{'error''wrong_door'}'start'}$\n";
    exchange(&mut client, "{'startSession',\"door\",{'key',1}}$", refused);
    exchange(&mut client, "{'startSession',\"door\",#}$", "{{'ok''ok'}'shut'}$\n");
    exchange(&mut client, "{'open',7}$", "{'creak''open'}$\n");
    exchange(&mut client, "{'event_in',{'knock',1}}$", "{'event_out'{'heard'1}}$\n");
    let lies = "{{'serverBrokeContract'{'lie''lies'}#{'prim'1 1'creak'}&}'open'}$\n";
    exchange(&mut client, "'lie'$", lies);
    client.write_all(b"'boom'$").unwrap();
    assert_eq!(rest(client), "");
    let mut named = stock.connect();
    let welcome = "{{'ok'{'welcome'\"Joe\"}}'open'}$\n";
    exchange(&mut named, "{'startSession',\"door\",{'name',\"Joe\"}}$", welcome);
    let said = "{{'said'#104&}'open'}$\n{'event_out'{'heard'#104&}}$\n";
    exchange(&mut named, "{'say',#104&}$", said);
    drop(named);
    // Versioned clients play with it, too: they begin in its first state.
    let mut versioned = stock.program.connect();
    exchange(&mut versioned, "1 {'open'7}$", "1 ? {'creak''open'}$");
    drop(versioned);
    stock.stop();
}

#[test]
fn a_server_of_one_service_says_its_name_and_has_no_meta_level() {
    let script =
        TempFile::new("plain.script", "{service,\"door\",s}\n{request,s,'$1',{got,'$1'},s}");
    let flags = ["--script", script.text(), "--classic-start=door", "--classic-simplerpc"];
    let stock = Stock::start(&flags);
    let mut client = TcpStream::connect(&stock.address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    exchange(&mut client, "", &hello().replace("meta_server", "door"));
    exchange(&mut client, "'services'$", "{'got''services'}$\n");
    drop(client);
    stock.stop();
}

#[test]
fn one_address_can_serve_both_kinds() {
    let program = Program::start(&["--classic-shared"]);
    let mut versioned = program.connect();
    exchange(&mut versioned, "1 1$", "1 ? {1'start'}$");
    let mut stock = program.connect();
    exchange(&mut stock, "", &hello());
    exchange(&mut stock, "'services'$", "{#\"echo\"&'start'}$\n");
    drop((versioned, stock));
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

/// Versioned servers are drained one after the other; the stock client has one connection.
#[test]
fn what_comes_and_goes_behind_a_gateway_is_not_noticed_in_front_of_it() {
    let second = Program::start(&["--versions=1,2"]);
    let to_second = format!("--peers={}", second.address());
    let first = Program::start(&[&to_second, "--versions=1,2", "--grace=10s"]);
    let to_first = format!("--gateway=echo={}", first.address());
    let gateway = Stock::start(&[&to_first]);
    let mut client = gateway.client("echo");
    exchange(&mut client, "{'hi',1}$", "{{'hi'1}'start'}$\n");
    first.signal("TERM");
    for number in 0..50 {
        let (request, reply) =
            (format!("{{'n',{number}}}$"), format!("{{{{'n'{number}}}'start'}}$\n"));
        exchange(&mut client, &request, &reply);
    }
    assert_eq!(first.status(), Some(0));
    exchange(&mut client, "'moved'$", "{'moved''start'}$\n");
    // It is as the servers inside are: their contract, and no second word for a start.
    client.write_all(b"'contract'$").unwrap();
    let mut told = [0; 28];
    client.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"{'contract'{{'name'\"echo\"}{'");
    drop(client);
    gateway.stop();
    second.signal("TERM");
    assert_eq!(second.status(), Some(0));
}

#[test]
fn what_is_wrong_with_the_settings_is_said() {
    let script = TempFile::new("bad.script", "{service,\"a\",s}\n{request,s}");
    let says = |arguments: &[&str], status: i32, words: &str| {
        let output = run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(words), "{said}");
    };
    let place = format!("--script: {}:2: a service, start, reject", script.text());
    says(&["--classic", "127.0.0.1:0", "--script", script.text()], 2, &place);
    says(&["--script", "absent"], 2, "--script: cannot read absent: ");
    says(&["--classic-start=door"], 2, "--classic-start: door: not one of echo");
    says(&["--classic-versions=kv=2"], 2, "--classic-versions: kv: not one of echo");
    says(&["--classic-versions=echo"], 2, "NAME=VERSION is wanted");
    says(&["--classic-flavour=jo"], 2, "jo: not one of erl2, erl116, joe; did you mean joe?");
    says(&["--classic=127.0.0.1:0", "--classic-shared"], 2, "there is no address to share");
    says(&["--gateway=echo"], 2, "--gateway: echo: NAME=ADDRESSES is wanted");
    says(&["--gateway=echo=here"], 2, "here: not an address");
    says(&["--service=echo", "--gateway=echo=a:1"], 2, "--gateway: echo is served twice");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = format!("--gateway=echo={nobody}");
    says(&["--classic", "127.0.0.1:0", &gateway], 1, "no server can be used");
    let output = command(&["--classic", "127.0.0.1:0", "--check-config"])
        .stdout(std::process::Stdio::piped())
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("listen = []  # default"), "{shown}");
    assert!(shown.contains("[classic]\nlisten = [\"127.0.0.1:0\"]  # --classic"), "{shown}");
}
