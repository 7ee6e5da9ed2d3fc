//! Releases: only those that are signed, whole, and have room.

use std::fs;
use std::io::Write as _;

use ubf_agent_core::{Phase, Refusal, Reply, Request, SecretKey};

use crate::agent::Agent;
use crate::node::{Kind, Release, key, manifest};

#[test]
fn f1_only_what_is_signed_by_a_known_key_is_taken() {
    let agent = Agent::start(&[]);
    let mut controller = agent.controller();
    let release = Release::new(34, Kind::Serves);
    let stranger = SecretKey::read(&"2b".repeat(32)).unwrap();
    let by_stranger = stranger.sign(&manifest(34, &release.binary)).to_bytes();
    assert_eq!(controller.refused(&Request::Put(by_stranger.into())), Refusal::Signature);
    // One bit of the signature, which stands last, and one of what is signed.
    let signed = release.signed.to_bytes();
    let end = signed.len() - 10;
    for place in [end, 40] {
        let mut forged = signed.clone();
        forged[place] ^= 1;
        let why = controller.refused(&Request::Put(forged.into()));
        assert!(matches!(why, Refusal::Signature | Refusal::Manifest), "{why}");
    }
    let unsigned = manifest(34, &release.binary).to_bytes();
    assert_eq!(controller.refused(&Request::Put(unsigned.into())), Refusal::Manifest);
    let chunk = Request::Chunk(release.hash, 0, release.binary.clone().into());
    assert_eq!(controller.refused(&chunk), Refusal::NoRelease);
    assert_eq!(controller.refused(&Request::Start(release.hash)), Refusal::NoRelease);
    assert_eq!(controller.status().releases.len(), 0);
}

#[test]
fn f1_a_release_whose_bytes_are_others_is_let_go_of() {
    let agent = Agent::start(&[]);
    let mut controller = agent.controller();
    let release = Release::new(34, Kind::Serves);
    let put = Request::Put(release.signed.to_bytes().into());
    assert_eq!(controller.ask(&put), Reply::At(0));
    let mut other = release.binary.clone();
    other[20] ^= 1;
    let chunk = Request::Chunk(release.hash, 0, other.into());
    assert_eq!(controller.refused(&chunk), Refusal::Hash);
    assert_eq!(controller.refused(&Request::Start(release.hash)), Refusal::NoRelease);
    controller.put(&release);
    assert_eq!(controller.ask(&put), Reply::Stored, "again costs nothing");
    // It stays while another agent trusts the key, and only so long.
    let mut agent = agent;
    agent.restart("exec \"$0\" \"$@\"");
    assert_eq!(agent.controller().status().releases, [release.signed.to_bytes()]);
    let other = SecretKey::read(&"2b".repeat(32)).unwrap().public();
    fs::write(agent.folder.join("key"), other.to_string()).unwrap();
    agent.restart("exec \"$0\" \"$@\"");
    assert_eq!(agent.controller().status().releases.len(), 0);
    let start = Request::Start(release.hash);
    assert_eq!(agent.controller().refused(&start), Refusal::NoRelease);
}

#[test]
fn f1_a_controller_that_vanishes_in_put_is_followed_by_one_that_goes_on() {
    let agent = Agent::start(&[]);
    let release = Release::of(34, vec![7; 3 << 20]);
    let put = Request::Put(release.signed.to_bytes().into());
    let piece = |offset: usize| {
        let bytes = release.binary[offset..offset + (1 << 20)].to_vec();
        Request::Chunk(release.hash, offset as u64, bytes.into())
    };
    let mut controller = agent.controller();
    assert_eq!(controller.ask(&put), Reply::At(0));
    assert_eq!(controller.ask(&piece(0)), Reply::At(1 << 20));
    // It goes away in the middle of a packet.
    controller.stream.write_all(b"1 {'chunk'32~0123").unwrap();
    drop(controller);
    let mut controller = agent.controller();
    assert_eq!(controller.ask(&put), Reply::At(1 << 20));
    assert_eq!(controller.refused(&piece(0)), Refusal::Offset);
    assert_eq!(controller.refused(&piece(2 << 20)), Refusal::Offset);
    assert_eq!(controller.ask(&piece(1 << 20)), Reply::At(2 << 20));
    assert_eq!(controller.ask(&piece(2 << 20)), Reply::Stored);
}

#[test]
fn f1_a_full_disk_costs_the_release_and_nothing_else() {
    let mut agent = Agent::start(&[]);
    let small = Release::new(34, Kind::Serves);
    agent.controller().put(&small);
    let before = agent.controller().start(&small);
    // No file may be larger than 64 KiB, as on a disk that is full.
    agent.restart("trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\"");
    let mut controller = agent.controller();
    let large = Release::of(35, vec![7; 3 << 20]);
    let put = Request::Put(large.signed.to_bytes().into());
    // Where the place on the disk cannot be taken before, it is found when the bytes come.
    let mut reply = controller.ask(&put);
    if reply == Reply::At(0) {
        let piece = large.binary[..1 << 20].to_vec().into();
        reply = controller.ask(&Request::Chunk(large.hash, 0, piece));
    }
    assert!(matches!(reply, Reply::Error(Refusal::DiskFull, _)), "{reply:?}");
    assert!(!agent.folder.join("coming").exists());
    let status = controller.status();
    assert_eq!((status.phase, status.pid), (Phase::Running, Some(before)));
    assert_eq!(status.releases, [small.signed.to_bytes()]);
    assert!(status.free > 0);
}

#[test]
fn f1_a_release_is_kept_until_it_is_dropped_and_not_while_it_runs() {
    let agent = Agent::start(&[]);
    let mut controller = agent.controller();
    let release = Release::new(34, Kind::Serves);
    let other = Release::new(35, Kind::Serves);
    controller.put(&release);
    controller.put(&other);
    controller.start(&release);
    assert_eq!(controller.refused(&Request::Drop(release.hash)), Refusal::InUse);
    assert_eq!(controller.ask(&Request::Drop(other.hash)), Reply::Dropped);
    assert_eq!(controller.ask(&Request::Drop(other.hash)), Reply::Dropped, "again");
    assert_eq!(controller.status().releases.len(), 1);
    // One binary with two manifests would be two releases of one name.
    let renamed = key().sign(&manifest(99, &release.binary)).to_bytes();
    assert_eq!(controller.refused(&Request::Put(renamed.into())), Refusal::InUse);
}

#[test]
fn l1_no_more_than_16_releases_and_no_chunk_above_a_mebibyte() {
    let agent = Agent::start(&[]);
    let mut controller = agent.controller();
    for number in 0..16 {
        controller.put(&Release::new(number, Kind::DiesAtOnce));
    }
    let one_more = Release::of(16, vec![0; 2 << 20]);
    let put = Request::Put(one_more.signed.to_bytes().into());
    assert_eq!(controller.refused(&put), Refusal::TooMany);
    let first = Release::new(0, Kind::DiesAtOnce);
    assert_eq!(controller.ask(&Request::Drop(first.hash)), Reply::Dropped);
    assert_eq!(controller.ask(&put), Reply::At(0));
    let chunk = |bytes| Request::Chunk(one_more.hash, 0, vec![0; bytes].into());
    assert_eq!(controller.refused(&chunk((1 << 20) + 1)), Refusal::TooLarge);
    assert_eq!(controller.ask(&chunk(1 << 20)), Reply::At(1 << 20));
    // One that is not whole is dropped, too: what still comes of it is of nothing.
    assert_eq!(controller.ask(&Request::Drop(one_more.hash)), Reply::Dropped);
    assert_eq!(controller.refused(&chunk(1)), Refusal::NoRelease);
}
