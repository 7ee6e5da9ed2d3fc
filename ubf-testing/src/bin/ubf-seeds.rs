//! Writes the seeds of the fuzz targets, made from the specification's vectors, to
//! `fuzz/target/corpus/<target>/`, where fuzzers find and keep their inputs.
//!
//! A file is named by its contents, so that the same seed is written once and nothing else is
//! touched.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for the terminal")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use ubf_conformance::files::Files;
use ubf_conformance::ours::postfix;
use ubf_conformance::outcome::Side;
use ubf_conformance::settings::Settings;
use ubf_conformance::vectors::{self, Expected, Vector};
use ubf_testing::random::Random;
use ubf_testing::targets;
use ubf_testing::targets::Scenario;

/// Longer inputs make a fuzzer slow and show nothing that shorter ones do not.
const MAX_INPUT_BYTES: usize = 400;

fn main() -> ExitCode {
    match seed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn seed() -> Result<(), String> {
    let mut seeds: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    for vector in vectors::load(&Files::built_in())? {
        for (target, seed) in seeds_of(&vector)? {
            seeds.entry(target).or_default().push(seed);
        }
    }
    for seed in long_seeds() {
        seeds.entry("decode_chunks").or_default().push([&[1, 6, 0, 2], seed.as_slice()].concat());
        seeds.entry("decode").or_default().push(seed.clone());
        seeds.entry("differential").or_default().push(seed);
    }
    // The bytes that make a term, or a script, have no meaning that could be written down.
    let mut random = Random::new(0);
    for target in ["round_trip", "client_session", "server_session", "classic", "resumes"] {
        for _ in 0..64 {
            let length = 1 + random.below(256);
            seeds.entry(target).or_default().push((0..length).map(|_| random.byte()).collect());
        }
    }

    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/target/corpus");
    for (target, _) in targets::ALL {
        let seeds = seeds.remove(target).unwrap_or_default();
        write(&corpus.join(target), &seeds).map_err(|error| format!("{target}: {error}"))?;
        println!("{target}: {} seeds", seeds.len());
    }
    Ok(())
}

fn seeds_of(vector: &Vector) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
    let mut seeds = Vec::new();
    if vector.input.len() > MAX_INPUT_BYTES {
        return Ok(seeds);
    }
    if let Expected::Packet(expected) = &vector.expected {
        let settings = Settings { limits: vector.limits.clone(), ..Settings::default() };
        seeds.push(("packet", Scenario::write(&settings, expected.side, &vector.input)));
        return Ok(seeds);
    }
    // Where both dialects agree, one of them is enough.
    if let Some(settings) = vector.settings().first() {
        let scenario = Scenario::write(settings, Side::Client, &vector.input);
        seeds.push(("decode_chunks", [&[1, 6, 0, 2], scenario.as_slice()].concat()));
        seeds.push(("decode", scenario.clone()));
        seeds.push(("differential", scenario));
    }
    if let Expected::Accept { terms, .. } = &vector.expected {
        seeds.push(("serde", vector.input.clone()));
        for term in terms {
            seeds.push(("notation", postfix::term(term)?.to_string().into_bytes()));
        }
    }
    Ok(seeds)
}

/// Packets of more than a thousand bytes that end near a limit, on both sides of it.
fn long_seeds() -> Vec<Vec<u8>> {
    // 18 to 63 times 64 terms, or bytes of text, or of the packet.
    const NEAR: [[u8; 8]; 5] = [
        [255, 15, 18, 63, 31, 7, 63, 3],
        [255, 15, 23, 63, 31, 7, 63, 3],
        [255, 15, 34, 63, 31, 7, 63, 3],
        [255, 15, 63, 18, 31, 7, 63, 3],
        [24, 15, 63, 63, 31, 7, 63, 3],
    ];
    const MIDDLES: [&[u8]; 5] =
        [b"??1{}#", b"1234567890123456 ", b"#1&`a`{?}", b"\"abc\"'de'", b"3~abc~%no%"];
    const TAILS: [&[u8]; 3] = [b"}$", b"{1 2}>a a a}$", b"}$1$"];
    let middles = NEAR.iter().flat_map(|limits| MIDDLES.map(|middle| (*limits, middle)));
    let all = middles.flat_map(|(limits, middle)| TAILS.map(|tail| (limits, [b"{", middle, tail])));
    all.flat_map(|(limits, parts)| {
        [100, 150, 254].map(|times| Scenario::write_long(limits, times, parts))
    })
    .collect()
}

fn write(directory: &Path, seeds: &[Vec<u8>]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for seed in seeds {
        fs::write(directory.join(format!("{:016x}", fnv(seed))), seed)?;
    }
    Ok(())
}

/// FNV-1a of 64 bits: short, and the same for ever.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
