//! A slow and obvious reader of versioned packets (P1, P2), beside the oracle of bodies.
#![allow(
    clippy::indexing_slicing,
    reason = "an index into one's own input is obvious, and a wrong one fails a test"
)]

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::oracle::{Stop, broken, one, packet, packets, within_window};
use ubf_conformance::outcome::{Outcome, Packet, Side};
use ubf_conformance::settings::{Dialect, Limits, Settings};

/// Decodes a stream of versioned packets from that side. The bodies are in the extended dialect.
pub fn decode(side: Side, input: &[u8], limits: &Limits) -> Outcome<Packet> {
    let settings = extended(limits);
    packets(input.len(), |start| versioned_packet(side, input, start, &settings))
}

/// Decodes exactly one versioned packet: after it, only blanks may come (P1).
pub fn decode_one(side: Side, input: &[u8], limits: &Limits) -> Outcome<Packet> {
    let settings = extended(limits);
    one(input, &settings, versioned_packet(side, input, 0, &settings))
}

fn extended(limits: &Limits) -> Settings {
    Settings { dialect: Dialect::Extended, limits: limits.clone(), any_escape: false }
}

fn versioned_packet(
    side: Side,
    input: &[u8],
    start: usize,
    settings: &Settings,
) -> Result<(Packet, usize), Stop> {
    let header = within_window(input, start, settings, |window| {
        header(side, window, start, &settings.limits)
    })?;
    let (term, end) = packet(input, start, header.end, settings)?;
    let body = input[header.end..end].to_vec();
    Ok((Packet { version: header.version, next_ip: header.next_ip, body, term }, end))
}

struct Header {
    version: u32,
    next_ip: Option<String>,
    /// The offset of the body.
    end: usize,
}

fn header(side: Side, input: &[u8], start: usize, limits: &Limits) -> Result<Header, Stop> {
    let mut at = start;
    while input.get(at).is_some_and(|byte| b" \t\n\r".contains(byte)) {
        at += 1;
    }
    if at == input.len() {
        return Err(Stop::Blank);
    }
    let version = version(input, &mut at)?;
    space(input, &mut at)?;
    let next_ip = match side {
        Side::Client => None,
        Side::Server => {
            let next_ip = next_ip(input, &mut at, limits)?;
            space(input, &mut at)?;
            Some(next_ip)
        }
    };
    Ok(Header { version, next_ip, end: at })
}

fn peek(input: &[u8], at: usize) -> Result<u8, Stop> {
    input.get(at).copied().ok_or(Stop::Short)
}

fn version(input: &[u8], at: &mut usize) -> Result<u32, Stop> {
    if !peek(input, *at)?.is_ascii_digit() {
        return broken("bad-version", *at);
    }
    let mut version = 0_u64;
    let mut digits = 0;
    while peek(input, *at)?.is_ascii_digit() {
        if digits > 0 && version == 0 {
            return broken("bad-version", *at);
        }
        version = version * 10 + u64::from(input[*at] - b'0');
        if version > 2_147_483_647 {
            return broken("version-too-large", *at);
        }
        digits += 1;
        *at += 1;
    }
    Ok(u32::try_from(version).unwrap_or(u32::MAX))
}

fn space(input: &[u8], at: &mut usize) -> Result<(), Stop> {
    if peek(input, *at)? != b' ' {
        return broken("missing-space", *at);
    }
    *at += 1;
    Ok(())
}

/// `?`, or the addresses in their canonical form, joined by commas.
fn next_ip(input: &[u8], at: &mut usize, limits: &Limits) -> Result<String, Stop> {
    match peek(input, *at)? {
        b'?' => {
            *at += 1;
            return Ok("?".to_owned());
        }
        b'"' => *at += 1,
        _ => return broken("bad-next-ip", *at),
    }
    let first = *at;
    let mut addresses = Vec::new();
    let mut begin = first;
    loop {
        let byte = peek(input, *at)?;
        let is_separator = byte == b',' || byte == b'"';
        if *at == begin && is_separator {
            return broken("bad-next-ip", *at);
        }
        if is_separator {
            match address(&input[begin..*at]) {
                Some(address) => addresses.push(address),
                None => return broken("bad-next-ip", begin),
            }
        }
        if byte == b'"' {
            *at += 1;
            return Ok(addresses.join(","));
        }
        if *at - first == limits.max_next_ip_bytes as usize {
            return broken("limit-next-ip-bytes", *at);
        }
        if *at == begin && addresses.len() == limits.max_next_ip_addresses as usize {
            return broken("limit-next-ip-addresses", *at);
        }
        *at += 1;
        if byte == b',' {
            begin = *at;
        }
    }
}

/// `host:port`, with the numbers of an IP address in their canonical form.
fn address(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let (host, port) = text.rsplit_once(':')?;
    let port_is_written_plainly =
        !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit());
    if !port_is_written_plainly || port.parse::<u16>().is_err() {
        return None;
    }
    let host = match host.strip_prefix('[') {
        Some(rest) => {
            let address: Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
            format!("[{address}]")
        }
        None => match host.parse::<Ipv4Addr>() {
            Ok(address) => address.to_string(),
            Err(_) if is_name(host) => host.to_owned(),
            Err(_) => return None,
        },
    };
    Some(format!("{host}:{port}"))
}

fn is_name(host: &str) -> bool {
    let labels: Vec<&str> = host.split('.').collect();
    let good = |label: &&str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let is_a_number = |label: &str| {
        let lower = label.to_ascii_lowercase();
        let is_hex =
            lower.starts_with("0x") && lower.bytes().skip(2).all(|byte| byte.is_ascii_hexdigit());
        is_hex || label.bytes().all(|byte| byte.is_ascii_digit())
    };
    let last_is_a_number = labels.last().is_some_and(|label| is_a_number(label));
    host.len() <= 253 && labels.iter().all(good) && !last_is_a_number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(side: Side, input: &str) -> String {
        decode(side, input.as_bytes(), &Limits::default()).to_string()
    }

    #[test]
    fn reads_a_clients_packet() {
        assert_eq!(read(Side::Client, "10 {1}$\n"), "10 7b317d24 i:1 t:1 ; complete");
        assert_eq!(read(Side::Client, "0 'a'$10 1$"), "0 27612724 a:61 ; 10 3124 i:1 ; complete");
    }

    #[test]
    fn reads_a_servers_packet() {
        assert_eq!(read(Side::Server, "10 ? 1$"), "10 ? 3124 i:1 ; complete");
        assert_eq!(read(Side::Server, "10 \"[2001:DB8::0:1]:1,b_-c.example:65535\" 1$"), {
            "10 [2001:db8::1]:1,b_-c.example:65535 3124 i:1 ; complete"
        });
    }

    #[test]
    fn names_the_first_wrong_byte() {
        for (input, end) in [
            ("x", "error bad-version 0"),
            ("01 ? 1$", "error bad-version 1"),
            ("2147483648 ? 1$", "error version-too-large 9"),
            ("1$", "error missing-space 1"),
            ("1  ? 1$", "error bad-next-ip 2"),
            ("1 ?1$", "error missing-space 3"),
            ("1 \"\" 1$", "error bad-next-ip 3"),
            ("1 \"a:1,\" 1$", "error bad-next-ip 7"),
            ("1 \"a:1,b:01\" 1$", "error bad-next-ip 7"),
            ("1 \"1.2.3.256:1\" 1$", "error bad-next-ip 3"),
            ("1 \"-a:1\" 1$", "error bad-next-ip 3"),
            ("1 ? >", "error nothing-to-store 4"),
        ] {
            assert_eq!(read(Side::Server, input), end, "{input}");
        }
    }

    #[test]
    fn waits_where_more_may_come() {
        for input in ["1", "1 ", "1 \"", "1 \"!", "1 ?", "1 ? ", "1 ? 1"] {
            assert_eq!(read(Side::Server, input), "incomplete", "{input}");
        }
    }
}
