//! `kv` over a socket: its limit.

use ubf_node::services::Kv;
use ubf_server::{Server, Versions};

use crate::contracts::held;
use crate::support::start;

#[tokio::test]
async fn a_store_takes_no_more_than_its_limit_however_small_the_packets_are() {
    let server =
        start(Server::builder().service("kv", held("kv", Kv::new(&Versions::of([3]))))).await;
    let mut client = server.connect().await;
    let agreed = "3 ? {'agreed'1\"kv\"#3&#{'max_packet'16777216}&}$";
    // Pages are larger than what clients usually accept.
    let asked = "0 {'negotiate'1\"kv\"#3&#{'max_packet'67108864}&}$";
    client.exchange(asked, agreed).await;
    // A string of 1 KiB, 2^15 times: each value is 36 MiB when it is read.
    let bomb =
        |key| format!("3 {{'put'{key}\"{}\">a{}a}}$", "x".repeat(1 << 10), "{aa}>a".repeat(15));
    for key in 1..=7 {
        client.exchange(&bomb(key), &format!("3 ? {{{{'ok'{key}}}'start'}}$")).await;
    }
    client.exchange(&bomb(8), "3 ? {{'error''full'}'start'}$").await;
    client.exchange("3 {'put'8 1}$", "3 ? {{'ok'8}'start'}$").await;
    // A page that is asked for all of it has one of them.
    client.send("3 {'scan'? 1000}$").await;
    let mut page = vec![0; "3 ? {{'page'#{1".len()];
    tokio::io::AsyncReadExt::read_exact(&mut client.stream, &mut page).await.unwrap();
    let mut bytes = page.len();
    let mut piece = vec![0; 1 << 20];
    let mut end = Vec::new();
    while !end.ends_with(b"1}&1}'start'}$") {
        let count = tokio::io::AsyncReadExt::read(&mut client.stream, &mut piece).await.unwrap();
        assert!(count > 0, "it closed");
        bytes += count;
        end.extend_from_slice(&piece[..count]);
        end.drain(..end.len().saturating_sub(64));
    }
    assert!((32 << 20..40 << 20).contains(&bytes), "{bytes}");
    drop(client);
    server.stop().await;
}
