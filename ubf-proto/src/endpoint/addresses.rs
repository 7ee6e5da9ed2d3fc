//! Addresses that an operator names (R4, R7, L1).

use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::net::IpAddr;

use ubf_codec::{Address, Host, NextIp};

use crate::random::Random;

/// As a NextIP has: what is longer, no client reads.
const MAX_ADDRESSES: usize = 16;
const MAX_BYTES: usize = 1_024;

/// R7: `0.0.0.0` and `::`, which no client can go to: they are where a server listens.
///
/// ```
/// use ubf_proto::endpoint::is_unspecified;
///
/// let is = |address: &str| is_unspecified(&address.parse().unwrap());
/// assert!(is("0.0.0.0:4000") && is("[::]:4000") && is("[::ffff:0.0.0.0]:4000"));
/// assert!(!is("127.0.0.1:4000") && !is("b.example:4000"));
/// ```
#[must_use]
pub const fn is_unspecified(address: &Address) -> bool {
    let ip = match &address.host {
        Host::V4(ip) => IpAddr::V4(*ip),
        Host::V6(ip) => IpAddr::V6(*ip),
        Host::Name(_) => return false,
    };
    ip.to_canonical().is_unspecified()
}

/// Whether clients can be told of these.
pub(super) fn can_be_told(addresses: &[Address]) -> bool {
    let bytes: usize = addresses.iter().map(|address| address.to_string().len() + 1).sum();
    addresses.len() <= MAX_ADDRESSES
        && bytes <= MAX_BYTES + 1
        && !addresses.iter().any(is_unspecified)
}

/// R4: the same addresses in an order for one client.
pub(super) fn shuffled(next_ip: &NextIp, random: &mut Random) -> NextIp {
    let mut addresses: Vec<Address> = next_ip.addresses().to_vec();
    random.shuffle(&mut addresses);
    NextIp::new(addresses).unwrap_or_else(|| next_ip.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(count: usize, bytes: usize) -> Vec<Address> {
        let name = |index: usize| {
            let mut name = alloc::format!("n{index:02}.");
            while name.len() < bytes - ":4000".len() {
                let is_dot = name.len() % 50 == 49 && name.len() + 2 < bytes - ":4000".len();
                name.push(if is_dot { '.' } else { 'a' });
            }
            alloc::format!("{name}:4000").parse().unwrap()
        };
        (0..count).map(name).collect()
    }

    #[test]
    fn l1_addresses_have_1024_bytes_at_most_and_are_16_at_most() {
        assert!(can_be_told(&named(16, 20)));
        assert!(!can_be_told(&named(17, 20)));
        // Sixteen with fifteen commas between them.
        assert!(can_be_told(&named(16, 63)));
        assert!(!can_be_told(&named(16, 64)));
        assert!(can_be_told(&[]));
    }
}
