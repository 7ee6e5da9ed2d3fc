//! A plan as a file of TOML: what is read, and what is written to begin with.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use ubf_agent_core::{Hasher, Manifest, PublicKey, Signed};
use ubf_client::tls::ClientTls;
use ubf_contract::{Contract, Reader};
use ubf_fleet::{Gates, Plan, Way};
use ubf_proto::units;

use crate::admin::ControlPlace;
use crate::ui::reason::{causes, reason};

/// The most bytes of a plan, and of a contract in it (L1). Chosen: ten thousand nodes.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// What a rollout works with: its plan, the release, and how its nodes are reached.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) plan: Plan,
    pub(crate) manifest: Manifest,
    pub(crate) signed: Bytes,
    pub(crate) binary: PathBuf,
    pub(crate) nodes: Vec<NodePlace>,
    pub(crate) contracts: Vec<NewContract>,
    pub(crate) tls: Option<ClientTls>,
    /// What is shown to whoever answers `/metrics`.
    pub(crate) token: Option<String>,
    /// How long a step at a node may take.
    pub(crate) within: Duration,
}

/// How a node is reached.
#[derive(Debug)]
pub(crate) struct NodePlace {
    pub(crate) name: String,
    pub(crate) agent: ControlPlace,
    pub(crate) control: Option<ControlPlace>,
    /// Its `--admin-http`, HOST:PORT.
    pub(crate) metrics: Option<String>,
    /// Where clients are served: its contracts are asked for there.
    pub(crate) address: Option<String>,
}

/// A contract of the release, which is held against the one that nodes tell.
#[derive(Debug)]
pub(crate) struct NewContract {
    pub(crate) service: String,
    pub(crate) version: u32,
    pub(crate) contract: Contract,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PlanFile {
    release: PathBuf,
    binary: PathBuf,
    keys: Vec<PathBuf>,
    canary: Option<usize>,
    wave: Option<usize>,
    soak: Option<String>,
    way: Option<WayWord>,
    step_time: Option<String>,
    #[serde(default)]
    gates: GatesTable,
    tls: Option<TlsTable>,
    token: Option<PathBuf>,
    #[serde(default)]
    contract: Vec<ContractTable>,
    node: Vec<NodeTable>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WayWord {
    /// The release takes over from the one before, on the same machine
    InPlace,
    /// The node is stopped, which sends its clients elsewhere, and started again
    Restart,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct GatesTable {
    max_failed_ppm: Option<u64>,
    max_crashes: Option<u64>,
    max_losses: Option<u64>,
    max_p99_percent: Option<u64>,
    min_p99: Option<String>,
    min_calls_percent: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsTable {
    ca: Option<PathBuf>,
    cert: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContractTable {
    service: String,
    version: u32,
    file: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeTable {
    name: String,
    agent: String,
    control: Option<String>,
    metrics: Option<String>,
    address: Option<String>,
}

impl Fleet {
    /// Reads a plan and all that it names, and makes sure that the release is what was signed.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = String::from_utf8(read(path)?).map_err(|error| of(path, &error))?;
        let file: PlanFile = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| lines_before(&text, span.start));
            format!("{}:{line}: {}", path.display(), error.message())
        })?;
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Self::of(file, &folder)
    }

    fn of(file: PlanFile, folder: &Path) -> Result<Self, String> {
        let (release, binary) = (folder.join(&file.release), folder.join(&file.binary));
        let keys = file.keys.iter().map(|key| {
            let key = folder.join(key);
            let text = String::from_utf8_lossy(&read(&key)?).into_owned();
            text.parse::<PublicKey>().map_err(|error| of(&key, &error))
        });
        let keys = keys.collect::<Result<Vec<_>, String>>()?;
        let signed = Signed::read(&read(&release)?).map_err(|error| of(&release, &error))?;
        let manifest = signed.check(&keys).map_err(|error| of(&release, &error))?;
        check_binary(&binary, &manifest)?;
        let names = file.node.iter().map(|node| node.name.clone()).collect();
        let mut plan = Plan::new(manifest.hash, names).map_err(|error| error.to_string())?;
        plan.canary = file.canary.unwrap_or(plan.canary);
        plan.wave = file.wave.unwrap_or(plan.wave);
        if let Some(soak) = &file.soak {
            plan.soak_ms = millis(time("soak", soak)?);
        }
        plan.way = match file.way {
            None | Some(WayWord::InPlace) => Way::InPlace,
            Some(WayWord::Restart) => Way::Restart,
        };
        plan.gates = gates(&file.gates)?;
        let plan = plan.checked().map_err(|error| error.to_string())?;
        let tls = file.tls.as_ref().map(|tls| client_tls(tls, folder)).transpose()?;
        let token = file.token.as_ref().map(|token| first_line(&folder.join(token))).transpose()?;
        let contracts = file.contract.into_iter().map(|table| contract(table, folder));
        let contracts = contracts.collect::<Result<_, String>>()?;
        let within = file.step_time.as_deref().map(|text| time("step-time", text)).transpose()?;
        let nodes = file.node.into_iter().map(|node| place(node, folder)).collect::<Vec<_>>();
        let needs_tls = |place: &ControlPlace| matches!(place, ControlPlace::Network(_));
        let is_far = |node: &NodePlace| {
            needs_tls(&node.agent) || node.control.as_ref().is_some_and(needs_tls)
        };
        if tls.is_none() && nodes.iter().any(is_far) {
            return Err("ubfs:// wants a certificate to show: [tls] with ca, cert and key".into());
        }
        Ok(Self {
            plan,
            manifest,
            signed: signed.to_bytes().into(),
            binary,
            nodes,
            contracts,
            tls,
            token,
            within: within.unwrap_or(Duration::from_secs(180)),
        })
    }
}

fn place(node: NodeTable, folder: &Path) -> NodePlace {
    // A path begins where the plan is, as those of its files do.
    let place = |text: String| match text.parse() {
        Ok(ControlPlace::Network(address)) => ControlPlace::Network(address),
        Ok(ControlPlace::Socket(path)) => ControlPlace::Socket(folder.join(path)),
        Err(never) => match never {},
    };
    let NodeTable { name, agent, control, metrics, address } = node;
    NodePlace { name, agent: place(agent), control: control.map(place), metrics, address }
}

fn gates(table: &GatesTable) -> Result<Gates, String> {
    let mut gates = Gates::default();
    for (gate, wanted) in [
        (&mut gates.max_failed_ppm, table.max_failed_ppm),
        (&mut gates.max_crashes, table.max_crashes),
        (&mut gates.max_losses, table.max_losses),
        (&mut gates.max_p99_percent, table.max_p99_percent),
        (&mut gates.min_calls_percent, table.min_calls_percent),
    ] {
        *gate = wanted.unwrap_or(*gate);
    }
    if let Some(text) = &table.min_p99 {
        let micros = time("min-p99", text)?.as_micros();
        gates.min_p99_us = u64::try_from(micros).unwrap_or(u64::MAX);
    }
    Ok(gates)
}

fn client_tls(table: &TlsTable, folder: &Path) -> Result<ClientTls, String> {
    let trusting = match &table.ca {
        Some(ca) => ClientTls::trusting(folder.join(ca)),
        None => ClientTls::of_system(),
    };
    let showing =
        trusting.and_then(|tls| tls.showing(folder.join(&table.cert), folder.join(&table.key)));
    showing.map_err(|error| causes(&error))
}

fn contract(table: ContractTable, folder: &Path) -> Result<NewContract, String> {
    let ContractTable { service, version, file } = table;
    let file = folder.join(file);
    let contract = Reader::new().read(&read(&file)?).map_err(|error| of(&file, &error))?;
    Ok(NewContract { service, version, contract })
}

fn first_line(path: &Path) -> Result<String, String> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

fn check_binary(path: &Path, manifest: &Manifest) -> Result<(), String> {
    let hashed = || {
        let (mut file, mut hasher, mut all) = (fs::File::open(path)?, Hasher::default(), 0);
        let mut bytes = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut bytes)?;
            if count == 0 {
                return Ok((hasher.finish(), all));
            }
            hasher.update(bytes.get(..count).unwrap_or_default());
            all += count as u64;
        }
    };
    let hashed =
        hashed().map_err(|error: io::Error| format!("{}: {}", path.display(), reason(&error)));
    if hashed? == (manifest.hash, manifest.bytes) {
        Ok(())
    } else {
        Err(format!("{} is not what was signed", path.display()))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let read = || {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes =
        read().map_err(|error: io::Error| format!("{}: {}", path.display(), reason(&error)))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("{}: more than {MAX_FILE_BYTES} bytes", path.display()));
    }
    Ok(bytes)
}

fn of(path: &Path, error: &dyn std::error::Error) -> String {
    format!("{}: {error}", path.display())
}

fn time(name: &str, text: &str) -> Result<Duration, String> {
    units::parse_time(text).map_err(|error| format!("{name}: {error}"))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn lines_before(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).matches('\n').count() + 1
}

/// What a plan that is written has in it.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) release: &'a Path,
    pub(crate) binary: &'a Path,
    pub(crate) keys: &'a [PathBuf],
    pub(crate) nodes: &'a [DraftNode],
    pub(crate) canary: usize,
    pub(crate) wave: Option<usize>,
    pub(crate) soak: Duration,
    pub(crate) way: WayWord,
}

/// A node of the command line: `a=/run/a/agent,control=/run/a/control,metrics=127.0.0.1:9464`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DraftNode {
    name: String,
    /// The names of the file, and their values.
    places: Vec<(&'static str, String)>,
}

impl std::str::FromStr for DraftNode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('=').ok_or("NAME=AGENT is expected")?;
        let mut parts = rest.split(',');
        let agent = parts.next().filter(|agent| !agent.is_empty() && !name.is_empty());
        let mut places = vec![("agent", agent.ok_or("NAME=AGENT is expected")?.to_owned())];
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let key = ["control", "metrics", "address"].into_iter().find(|known| *known == key);
            let key = key.ok_or("behind the agent stand control=, metrics= and address=")?;
            places.push((key, value.to_owned()));
        }
        Ok(Self { name: name.to_owned(), places })
    }
}

impl Draft<'_> {
    /// As a file, with a word on each line. Paths are absolute: the file may lie anywhere.
    pub(crate) fn text(&self) -> Result<String, String> {
        let absolute = |path: &Path| {
            let path = std::path::absolute(path).map_err(|error| error.to_string())?;
            path.to_str().map(quoted).ok_or_else(|| format!("{}: no UTF-8", path.display()))
        };
        let keys: Vec<_> =
            self.keys.iter().map(|key| absolute(key)).collect::<Result<_, String>>()?;
        let wave = self.wave.unwrap_or_else(|| self.nodes.len().div_ceil(4).max(1));
        let way = match self.way {
            WayWord::InPlace => "in-place",
            WayWord::Restart => "restart",
        };
        let mut text = format!(
            "\
# A rollout: `ubf rollout run` does what stands here.

# The signed manifest, its binary, and whose signature is trusted.
release = {}
binary = {}
keys = [{}]

# The first nodes are the canary. The others follow in waves, each watched for so long.
canary = {}
wave = {wave}
soak = {}
# \"in-place\": the release takes over on its machine. \"restart\": the node is stopped and started.
way = {}

# What stops it and takes it back: changed nodes against the others at the same time.
[gates]
max-failed-ppm = 0
max-crashes = 0
max-losses = 0
max-p99-percent = 300
min-p99 = \"100ms\"
min-calls-percent = 10
",
            absolute(self.release)?,
            absolute(self.binary)?,
            keys.join(", "),
            self.canary,
            quoted(&units::time(self.soak)),
            quoted(way),
        );
        for node in self.nodes {
            // A string takes all that is written.
            let _is_written = write!(text, "\n[[node]]\nname = {}\n", quoted(&node.name)).is_ok();
            for (key, place) in &node.places {
                let is_path = *key == "agent" || *key == "control";
                let is_file = is_path && !place.starts_with("ubfs://");
                let place = if is_file { absolute(Path::new(place))? } else { quoted(place) };
                let _is_written = writeln!(text, "{key} = {place}").is_ok();
            }
        }
        Ok(text)
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_read_as_what_it_says_and_its_defaults_are_those_of_the_machine() {
        let nodes: Vec<DraftNode> = ["a=/run/a/agent,control=/run/a/control", "b=ubfs://b:4100"]
            .map(|node| node.parse().unwrap())
            .into();
        let draft = Draft {
            release: Path::new("/r/35.release"),
            binary: Path::new("/r/it \"is\""),
            keys: &[PathBuf::from("/r/key")],
            nodes: &nodes,
            canary: 1,
            wave: None,
            soak: Duration::from_millis(1_500),
            way: WayWord::InPlace,
        };
        let file: PlanFile = toml::from_str(&draft.text().unwrap()).unwrap();
        assert_eq!(file.binary, Path::new("/r/it \"is\""));
        assert_eq!((file.canary, file.wave, file.way), (Some(1), Some(1), Some(WayWord::InPlace)));
        let soak = units::parse_time(&file.soak.unwrap()).unwrap();
        assert_eq!(soak, Duration::from_millis(1_500));
        assert_eq!(gates(&file.gates).unwrap(), Gates::default());
        let places: Vec<_> =
            file.node.into_iter().map(|node| place(node, Path::new("/else"))).collect();
        assert_eq!(places[0].agent, ControlPlace::Socket("/run/a/agent".into()));
        assert_eq!(places[0].control, Some(ControlPlace::Socket("/run/a/control".into())));
        assert!(matches!(places[1].agent, ControlPlace::Network(_)));
    }

    #[test]
    fn a_node_of_the_command_line_has_a_name_and_an_agent() {
        let read = |text: &str| text.parse::<DraftNode>();
        assert_eq!(read("a=x,metrics=m:1").unwrap().places[1], ("metrics", "m:1".to_owned()));
        for text in ["a", "=x", "a=", "a=x,color=red"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
