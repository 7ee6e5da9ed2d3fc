//! Strangers: connections that send what no client would, or nothing, or read nothing, or go in the
//! midst of a packet.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use ubf_testing::random::Random;

use super::world::{PLACES, Stage, World};

/// What a stranger sends at most.
const MAX_BYTES: usize = 2 << 20;
/// How long a visit may take.
const MAX_TIME: Duration = Duration::from_secs(3);
const HELLO: &[u8] = b"0 {'negotiate'1\"echo\"#4&3&2&1&#}$";

/// One visit after another, until it is time to leave.
pub(crate) async fn come(world: Arc<World>, mut random: Random) {
    while !world.has_entered(Stage::Leaving) {
        let pause = Duration::from_millis(random.below(60) as u64);
        world.rest(pause, Stage::Leaving).await;
        let Some(&address) = world.addresses.get(random.below(PLACES)) else { return };
        // Most end with an error or by force: that is the point.
        if let Ok(Ok(stream)) = timeout(MAX_TIME, TcpStream::connect(address)).await {
            let visit = visit(&world, stream, &mut random);
            drop(timeout(MAX_TIME, visit).await);
        }
    }
}

async fn visit(world: &World, mut stream: TcpStream, random: &mut Random) -> io::Result<()> {
    match random.below(9) {
        0 => {
            world.count("strangers: reset in a packet", 1);
            stream.write_all(HELLO).await?;
            stream.write_all(b"1 {'run'1 2 \"half a pack").await?;
            stream.set_zero_linger()
        }
        1 => {
            world.count("strangers: half-closed", 1);
            stream.write_all(HELLO).await?;
            stream.write_all(b"1 'a'$1 'b'$1 {").await?;
            stream.shutdown().await?;
            drain(&mut stream).await
        }
        2 => {
            world.count("strangers: garbage", 1);
            let bytes: Vec<u8> = (0..random.below(4000)).map(|_| random.byte()).collect();
            stream.write_all(&bytes).await?;
            drain(&mut stream).await
        }
        3 => {
            world.count("strangers: slow bytes", 1);
            for byte in HELLO.iter().chain(b"1 \"rain rain rain rain rain rain rain rain rain rain")
            {
                stream.write_all(&[*byte]).await?;
                sleep(Duration::from_millis(30)).await;
            }
            drain(&mut stream).await
        }
        4 => {
            world.count("strangers: endless packets", 1);
            stream.write_all(HELLO).await?;
            let chunk = [b"1 \"".as_slice(), &[b'a'; 16 << 10]].concat();
            for _ in 0..MAX_BYTES / chunk.len() {
                stream.write_all(&chunk).await?;
            }
            drain(&mut stream).await
        }
        5 => {
            world.count("strangers: never reading", 1);
            stream.write_all(HELLO).await?;
            let call = [b"1 \"".as_slice(), &[b'a'; 1000], b"\"$"].concat();
            for _ in 0..MAX_BYTES / call.len() {
                stream.write_all(&call).await?;
            }
            sleep(MAX_TIME).await;
            Ok(())
        }
        6 => {
            world.count("strangers: silent", 1);
            let time = Duration::from_millis(random.below(2000) as u64);
            drop(timeout(time, drain(&mut stream)).await);
            Ok(())
        }
        7 => {
            world.count("strangers: negotiation floods", 1);
            for _ in 0..40 {
                stream.write_all(HELLO).await?;
            }
            drain(&mut stream).await
        }
        _ => {
            world.count("strangers: malformed version 0", 1);
            stream.write_all(HELLO).await?;
            let malformed: [&[u8]; 6] = [
                b"0 {'negotiate'}$",
                b"0 {'negotiate'1\"echo\"#&#}$",
                b"0 {'pong'}$",
                b"0 7$",
                b"00 'ping'$",
                b"0 ?$",
            ];
            stream.write_all(random.choose(&malformed).unwrap_or(&malformed[0])).await?;
            drain(&mut stream).await
        }
    }
}

/// Reads to the end.
async fn drain(stream: &mut TcpStream) -> io::Result<()> {
    let mut room = vec![0; 16 << 10];
    while stream.read(&mut room).await? > 0 {}
    Ok(())
}
