//! What a policy says, read from its text.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use ubf_codec::Host;
use ubf_server::Peer;

use super::who::Who;
use crate::control::Role;

/// The key of the services that are not named.
const OTHERS: &str = "*";

/// Who may do what.
#[derive(Debug, Default)]
pub(super) struct Rules {
    connect: List,
    services: BTreeMap<String, List>,
    see: Vec<Who>,
    steer: Vec<Who>,
    /// Other nodes, which give and take rows.
    node: Vec<Who>,
    /// Whether it says anything of operators.
    has_control: bool,
}

/// Whoever is allowed and not denied.
#[derive(Debug, Default)]
struct List {
    /// `None`: everybody.
    allow: Option<Vec<Who>>,
    deny: Vec<Who>,
}

impl List {
    fn has(&self, peer: &Peer) -> bool {
        let is_one = |list: &[Who]| list.iter().any(|who| who.is(peer));
        self.allow.as_deref().is_none_or(is_one) && !is_one(&self.deny)
    }

    /// Whether it may have somebody from an address.
    fn may_have(&self, address: IpAddr) -> bool {
        let may_be = |who: &Who| who.may_be_from(address);
        let is_surely = |who: &Who| who.is_known_by_address() && who.may_be_from(address);
        self.allow.as_ref().is_none_or(|allow| allow.iter().any(may_be))
            && !self.deny.iter().any(is_surely)
    }
}

impl Rules {
    /// Reads a policy. `Err` has a line for each thing that is wrong.
    pub(super) fn read(text: &str, services: &[String]) -> Result<Self, Vec<String>> {
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| {
                let before = text.get(..span.start).unwrap_or(text);
                format!("line {}: ", before.matches('\n').count() + 1)
            });
            let message = error.message().lines().next().unwrap_or_default();
            vec![format!("{}{message}", line.unwrap_or_default())]
        })?;
        let mut reader = Reader { groups: BTreeMap::new(), problems: Vec::new() };
        for (name, texts) in &file.group {
            let members = reader.all(&format!("group.{name}"), texts);
            reader.groups.insert(name.clone(), members);
        }
        let mut rules = Self {
            connect: file.connect.map_or_else(List::default, |list| reader.list("connect", &list)),
            has_control: file.control.is_some(),
            ..Self::default()
        };
        for (name, list) in &file.service {
            let place = format!("service.{name}");
            if name != OTHERS && !services.contains(name) {
                let served = services.join(", ");
                reader.problems.push(format!("{place}: no such service is served: {served}"));
            }
            rules.services.insert(name.clone(), reader.list(&place, list));
        }
        if let Some(control) = file.control {
            rules.see = reader.all("control.see", &control.see);
            rules.steer = reader.all("control.steer", &control.steer);
            rules.node = reader.all("control.node", &control.node);
        }
        if reader.problems.is_empty() { Ok(rules) } else { Err(reader.problems) }
    }

    pub(super) fn may_connect(&self, peer: &Peer) -> bool {
        self.connect.has(peer)
    }

    pub(super) fn may_connect_from(&self, address: IpAddr) -> bool {
        self.connect.may_have(address)
    }

    pub(super) fn may_use(&self, peer: &Peer, service: &str) -> bool {
        let list = self.services.get(service).or_else(|| self.services.get(OTHERS));
        list.is_none_or(|list| list.has(peer))
    }

    /// What somebody may do who has shown to be an operator.
    pub(super) fn role(&self, peer: &Peer) -> Option<Role> {
        let is_one = |list: &[Who]| list.iter().any(|who| who.is(peer));
        if is_one(&self.steer) {
            Some(Role::Steer)
        } else {
            (is_one(&self.see) || !self.has_control).then_some(Role::See)
        }
    }

    /// U5: whether somebody who has shown a certificate is a node that may give and take rows.
    pub(super) fn is_node(&self, peer: &Peer) -> bool {
        self.node.iter().any(|who| who.is(peer))
    }

    /// U5: whether this is the host of such a node.
    pub(super) fn is_host_of_node(&self, host: &Host) -> bool {
        self.node.iter().any(|who| who.is_host(host))
    }
}

/// The form of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    group: BTreeMap<String, Vec<String>>,
    connect: Option<Lists>,
    #[serde(default)]
    service: BTreeMap<String, Lists>,
    control: Option<Roles>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    allow: Option<Vec<String>>,
    #[serde(default)]
    deny: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Roles {
    #[serde(default)]
    see: Vec<String>,
    #[serde(default)]
    steer: Vec<String>,
    #[serde(default)]
    node: Vec<String>,
}

struct Reader {
    groups: BTreeMap<String, Vec<Who>>,
    problems: Vec<String>,
}

impl Reader {
    fn list(&mut self, place: &str, list: &Lists) -> List {
        let allow = list.allow.as_ref().map(|allow| self.all(&format!("{place}.allow"), allow));
        List { allow, deny: self.all(&format!("{place}.deny"), &list.deny) }
    }

    fn all(&mut self, place: &str, texts: &[String]) -> Vec<Who> {
        let mut all = Vec::new();
        for text in texts {
            if let Some(group) = text.strip_prefix('@') {
                match self.groups.get(group) {
                    Some(members) => all.extend(members.iter().cloned()),
                    // Groups are read in their order, and have no groups in them.
                    None => self.problems.push(format!("{place}: there is no group {group} here")),
                }
                continue;
            }
            match text.parse() {
                Ok(who) => all.push(who),
                Err(wrong) => self.problems.push(format!("{place}: {wrong}")),
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use ubf_server::Identity;

    use super::*;

    fn read(text: &str) -> Result<Rules, Vec<String>> {
        Rules::read(text, &["kv".to_owned(), "echo".to_owned()])
    }

    fn peer(address: &str, name: &str) -> Peer {
        Peer::Tcp(address.parse().unwrap()).with_identity(Identity::new(name).unwrap())
    }

    const EXAMPLE: &str = r#"
        [group]
        tills = ["spiffe://shop.example/till/*"]
        office = ["10.1.0.0/16"]

        [connect]
        allow = ["@tills", "@office"]
        deny = ["10.1.99.0/24"]

        [service.kv]
        allow = ["@tills"]

        [service."*"]
        allow = ["@office"]

        [control]
        see = ["*.shop.example"]
        steer = ["ops-*.shop.example from 10.1.0.0/16"]
    "#;

    #[test]
    fn who_is_allowed_and_not_denied_may() {
        let rules = read(EXAMPLE).unwrap();
        let till = peer("192.0.2.7:1", "spiffe://shop.example/till/7");
        let clerk = Peer::Tcp("10.1.2.3:1".parse().unwrap());
        let banned = Peer::Tcp("10.1.99.3:1".parse().unwrap());
        let stranger = peer("192.0.2.7:1", "spiffe://other.example/till/7");
        assert!(rules.may_connect(&till) && rules.may_connect(&clerk));
        assert!(!rules.may_connect(&banned) && !rules.may_connect(&stranger));
        // Before a handshake nobody knows the name.
        assert!(rules.may_connect_from("192.0.2.7".parse().unwrap()));
        assert!(!rules.may_connect_from("10.1.99.3".parse().unwrap()));
        assert!(rules.may_use(&till, "kv") && !rules.may_use(&till, "echo"));
        assert!(!rules.may_use(&clerk, "kv") && rules.may_use(&clerk, "echo"));
    }

    #[test]
    fn operators_see_or_steer_and_who_is_not_named_does_neither() {
        let rules = read(EXAMPLE).unwrap();
        let role = |address, name| rules.role(&peer(address, name));
        assert_eq!(role("10.1.2.3:1", "ops-1.shop.example"), Some(Role::Steer));
        assert_eq!(role("192.0.2.7:1", "ops-1.shop.example"), Some(Role::See));
        assert_eq!(role("10.1.2.3:1", "ops-1.other.example"), None);
        // A policy that says nothing of them lets those with a certificate see.
        assert_eq!(read("").unwrap().role(&peer("10.1.2.3:1", "ops")), Some(Role::See));
        assert_eq!(read("[control]").unwrap().role(&peer("10.1.2.3:1", "ops")), None);
    }

    #[test]
    fn u5_nodes_are_those_that_are_named_and_no_operator_is_one() {
        let rules = r#"[control]
            steer = ["ops-*.example"]
            node = ["node-*.example from 10.1.0.0/16", "10.2.0.7"]"#;
        let rules = read(rules).unwrap();
        let node = peer("10.1.2.3:1", "node-a.example");
        assert!(rules.is_node(&node) && rules.role(&node).is_none());
        assert!(!rules.is_node(&peer("192.0.2.7:1", "node-a.example")));
        assert!(!rules.is_node(&peer("10.1.2.3:1", "ops-1.example")));
        for (host, is_one) in [
            ("node-b.example", true),
            ("ops-1.example", false),
            ("10.2.0.7", true),
            ("10.2.0.8", false),
            // Its certificate is for the address alone.
            ("10.1.2.3", false),
        ] {
            let address: ubf_codec::Address = format!("{host}:4001").parse().unwrap();
            assert_eq!(rules.is_host_of_node(&address.host), is_one, "{host}");
        }
        // A policy that says nothing of nodes, and one that says nothing at all, have none.
        for text in ["", "[control]\nsteer = [\"*\"]"] {
            assert!(!read(text).unwrap().is_node(&node), "{text}");
        }
    }

    #[test]
    fn an_empty_policy_forbids_nothing_and_an_empty_list_everything() {
        let stranger = Peer::Tcp("192.0.2.7:1".parse().unwrap());
        let rules = read("").unwrap();
        assert!(rules.may_connect(&stranger) && rules.may_use(&stranger, "kv"));
        let rules = read("[service.kv]\nallow = []").unwrap();
        assert!(!rules.may_use(&stranger, "kv") && rules.may_use(&stranger, "echo"));
    }

    #[test]
    fn all_that_is_wrong_is_said_with_its_place() {
        for (text, wanted) in [
            ("[connect]\nallow = [\"10.1.2.3/16\"]", "connect.allow: 10.1.2.3/16: the address"),
            ("[service.vk]\n", "service.vk: no such service is served: kv, echo"),
            ("[service.kv]\ndeny = [\"@x\"]", "service.kv.deny: there is no group x here"),
            ("[group]\na = [\"@b\"]\nb = []", "group.a: there is no group b here"),
            ("\n[conect]\n", "line 2: unknown field `conect`"),
            ("[connect]\nalow = []\n", "line 2: unknown field `alow`"),
            ("[control]\nsteer = \"ops\"\n", "line 2: invalid type: string"),
            ("[connect\n", "line 1: "),
        ] {
            let problems = read(text).unwrap_err();
            assert!(problems.iter().any(|line| line.starts_with(wanted)), "{text}: {problems:?}");
        }
        let both = "[connect]\nallow = [\"\"]\ndeny = [\"a b\"]";
        assert_eq!(read(both).unwrap_err().len(), 2);
    }
}
