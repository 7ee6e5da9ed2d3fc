//! Unix sockets for a session, which knows addresses of the network alone.

use ubf_codec::Address;
use ubf_net::Target;

/// Names that stand for targets without an address of their own. They end in `.invalid`, which is a
/// name of nothing (RFC 6761), so that no server can mean one.
#[derive(Clone, Debug, Default)]
pub(crate) struct StandIns(Vec<(Address, Target)>);

impl StandIns {
    /// The address that a session is to know a target by.
    pub(crate) fn address(&mut self, target: Target) -> Option<Address> {
        if let Target::Network(address) | Target::Tls(address) = target {
            return Some(address);
        }
        let known = self.0.iter().find(|(_, known)| *known == target);
        if let Some((address, _)) = known {
            return Some(address.clone());
        }
        let address: Address =
            format!("{}-{}.invalid:1", label(&target), self.0.len()).parse().ok()?;
        self.0.push((address.clone(), target));
        Some(address)
    }

    /// What an address stands for that the program has named.
    pub(crate) fn target(&self, address: &Address) -> Target {
        let found = self.0.iter().find(|(stand_in, _)| stand_in == address);
        found.map_or_else(|| Target::Network(address.clone()), |(_, target)| target.clone())
    }
}

/// What people recognise the target by, as far as it can be said in a name.
fn label(target: &Target) -> String {
    /// Bytes of it. Chosen: with the number behind it, less than the 63 of a label.
    const MAX_BYTES: usize = 40;
    let shown = target.to_string();
    let mut label = String::new();
    for character in shown.chars().filter(char::is_ascii) {
        if character.is_ascii_alphanumeric() {
            label.push(character);
        } else if !label.is_empty() && !label.ends_with('-') {
            label.push('-');
        }
    }
    // The end of a path says more than its beginning.
    let tail = label.len().saturating_sub(MAX_BYTES);
    let label = label.get(tail..).unwrap_or_default().trim_matches('-');
    if label.is_empty() { "unix".to_owned() } else { label.to_owned() }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_name_that_people_recognise_and_no_server_can_mean() {
        let mut stand_ins = StandIns::default();
        let target: Target = "unix:/run/ubf/kv.sock".parse().unwrap();
        let address = stand_ins.address(target.clone()).unwrap();
        assert_eq!(address.to_string(), "unix-run-ubf-kv-sock-0.invalid:1");
        assert_eq!(stand_ins.target(&address), target);
        assert_eq!(stand_ins.address(target), Some(address.clone()), "the same, named twice");
        // Another path of the same letters is another name.
        let other = stand_ins.address("unix:/run/ubf-kv.sock".parse().unwrap()).unwrap();
        assert_ne!(other, address);
        let long: Target = format!("unix:/{}/ä.s", "x/".repeat(100)).parse().unwrap();
        assert!(stand_ins.address(long).is_some());
        let network: Address = "b.example:4000".parse().unwrap();
        assert_eq!(stand_ins.target(&network), Target::Network(network));
    }
}
