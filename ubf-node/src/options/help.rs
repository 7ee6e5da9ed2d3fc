//! What the help says beside the options: examples, and all of it for nodes whose services are not
//! ours.

use clap::Command;

use super::words::Named;

/// The examples of the reference server, and what holds for all nodes behind them.
const EXAMPLES: &str = "\
Examples:
  Serve echo in versions 1 to 3 on port 4000:
    $ PROGRAM --listen 127.0.0.1:4000 --versions 1-3

  A store, and echo beside it, on two addresses; clients go to b when this server drains or is lost:
    $ PROGRAM --listen 0.0.0.0:4000 --listen '[::]:4000' --service kv,echo \\
        --advertise a.example:4000 --peers a.example:4000,b.example:4000

  The same from a file, but for the port; and what that comes to, line by line:
    $ PROGRAM --config server.toml --listen 127.0.0.1:4001
    $ PROGRAM --config server.toml --listen 127.0.0.1:4001 --check-config

  A store whose values survive this process, also when it is killed:
    $ PROGRAM --listen 127.0.0.1:4000 --service kv --data /var/lib/ubf

  The same store for stock clients, which know no versions, on a port of their own:
    $ PROGRAM --listen 127.0.0.1:4000 --service kv --classic 127.0.0.1:4001 \\
        --classic-versions kv=2
    $ ubf call --classic --start kv 127.0.0.1:4001 '{put,\"a\",1}'

  A gateway: stock clients keep their connections while versioned servers behind it come and go:
    $ PROGRAM --classic 127.0.0.1:4001 --gateway kv=a.example:4000,b.example:4000

  Any server, played from a file:
    $ PROGRAM --classic 127.0.0.1:4001 --script door.script --contract door=door.con

  Watched by Prometheus, and by people in a browser, from this machine:
    $ PROGRAM --listen 127.0.0.1:4000 --admin-http 127.0.0.1:9464 &
    $ curl http://127.0.0.1:9464/metrics

  Under an operator's control:
    $ PROGRAM --listen 127.0.0.1:4000 --control /run/ubf.socket &
    $ ubf admin --control /run/ubf.socket status

Settings:
  Each is a flag, a variable of the environment, and a line of the file. Flags win over variables,
  and variables over the file. A variable has the name that the file has, with the name of the table
  before it: UBF_SERVE_LISTEN, UBF_SERVE_DRAIN_GRACE. A server.toml:

    listen = [\"0.0.0.0:4000\", \"[::]:4000\"]
    advertise = \"a.example:4000\"
    peers = \"a.example:4000,b.example:4000\"
    service = [\"kv\", \"echo\"]
    versions = { kv = \"1-3\", echo = \"1-5,9,10,14\" }

    [drain]
    grace = \"30s\"

    [limits]
    max-packet-bytes = \"16MiB\"

    [sessions]
    max-keep = \"5m\"

    [log]
    form = \"json\"

Scripts:
  A script is terms in Erlang's notation. The first rule that fits answers; '_' fits everything, and
  so does '$1', which keeps what it fits for the reply; '$_' is all of the message. A door.script:

    {service,\"door\",shut}.                      % the state in which sessions begin
    {start,'_',welcome}.                          % or {start,Argument,Reply,State}
    {reject,{key,'_'},wrong_door}.                % no session begins
    {request,shut,{open,7},creak,open}.           % state, request, reply, next state
    {request,'_',{say,'$1'},{said,'$1'},'_',[{heard,'$1'}]}.  % any state, which stays; events
    {event,open,{knock,'$1'},[{knocked,'$1'}]}.   % an event of the client
    {crash,'_',boom}.

Signals:
  SIGTERM, SIGQUIT  drain: clients are sent to --peers for --grace, then calls in progress have
           --hard-stop. Without peers there is no grace: nobody could take the clients
           over. The second one stops now, as SIGINT does.
  SIGHUP   opens the journal and the audit log again, reads the certificates and the policy again,
           and the file of --config again: peers, load marks, grace, hard stop and log filter are
           taken from it.

Exit status:
  0  stopped; each call that was begun was answered, and no answer was lost
  1  could not start
  2  the command line, a variable or the file is wrong
  3  stopped, and a call was cut, or answers were lost that sessions kept
  4  stopped by itself, because of a fault in this program";

/// The examples of a node whose services are not ours.
const OWN_EXAMPLES: &str = "\
Examples:
  Serve on port 4000, with rows that survive this process, also when it is killed:
    $ PROGRAM --listen 127.0.0.1:4000 --data /var/lib/PROGRAM

  The same under an operator's control; and a new release in its place while clients call:
    $ PROGRAM --listen 127.0.0.1:4000 --data /var/lib/PROGRAM --control /run/PROGRAM.socket &
    $ ubf admin --control /run/PROGRAM.socket status
    $ ubf upgrade --control /run/PROGRAM.socket

  One of several nodes, any of which may own the rows:
    $ PROGRAM --listen 0.0.0.0:4000 --advertise b.example:4000 --standby \\
        --store postgres://PROGRAM@db.example/PROGRAM

  All settings from a file, but for the port; and what that comes to, line by line:
    $ PROGRAM --config PROGRAM.toml --listen 127.0.0.1:4001 --check-config
";

/// Where the part of the help begins that is the same for all nodes.
const COMMON: &str = "\nSettings:\n";

/// What the help says of a service.
pub(crate) struct ServiceHelp {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The oldest and the newest state version, if it has rows.
    pub(crate) state: Option<(u32, u32)>,
}

/// The command line of a node whose services are not ours.
pub(crate) fn adapted(command: Command, program: &str, services: &[ServiceHelp]) -> Command {
    let names = services.iter().map(|service| service.name).collect::<Vec<_>>().join(",");
    let about = services.iter().map(|service| (service.name, service.about)).collect::<Vec<_>>();
    let states = services.iter().filter_map(|ServiceHelp { name, state, .. }| {
        let (oldest, newest) = (*state)?;
        Some(format!("{name} has {oldest} to {newest}; "))
    });
    let states: String = states.collect();
    let service = format!(
        "What to serve; several with commas, or the flag again. Clients that name no service get \
         the first. [default: {names}]"
    );
    let state_version = format!(
        "The state version in which a new store is written, and with it what can be said; for one \
         service as \"NAME=VERSION\". {states}[default: the newest]"
    );
    let versions = "The versions to speak, as \"1-5,9,10,14\"; for one service as \"NAME=1-3\". A \
                    service speaks those of them that it has. [default: all that it has]";
    let (_, common) = EXAMPLES.split_once(COMMON).unwrap_or_default();
    command
        .mut_arg("service", |arg| arg.help(service).value_parser(Named::new(&about)))
        .mut_arg("state_version", |arg| arg.help(state_version))
        .mut_arg("versions", |arg| arg.help(versions))
        .after_long_help(OWN_EXAMPLES.replace("PROGRAM", program) + COMMON + common)
}

/// What the end of the help says, for a program of this name.
#[must_use]
pub fn examples(program: &str) -> String {
    EXAMPLES.replace("PROGRAM", program)
}
