//! The cost of a redirect: from the reply that says where to go to the first reply from there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use benches::Error;

use super::child::{Child, Place};
use super::peer::{Kind, Peer as _, Target};
use super::ubf::{Caller, Ubf};

/// One time for each of so many clients, which are sent from one server to another.
pub(crate) async fn microseconds(clients: usize, place: &Place) -> Result<Vec<f64>, Error> {
    let second = Child::start(Kind::Ubf, place)?;
    let next_ip = Some(second.address);
    let first = Child::start(Kind::Ubf, &Place { next_ip, ..place.clone() })?;
    let mut times = Vec::with_capacity(clients);
    for _ in 0..clients * 4 {
        if times.len() == clients {
            return Ok(times);
        }
        let mut caller = Ubf::connect(Target::new(first.address)).await?;
        Ubf::call(&mut caller).await?;
        // A client that came before the one before it was gone has been sent on already, and tells
        // nothing.
        if is_at(&caller, first.address) {
            // One connection more than the first server wants.
            let other = Ubf::connect(Target::new(first.address)).await?;
            Ubf::call(&mut caller).await?;
            let start = Instant::now();
            let is_on_the_way = !is_at(&caller, second.address);
            Ubf::call(&mut caller).await?;
            if is_on_the_way && is_at(&caller, second.address) {
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
            other.client.close(Duration::from_secs(1)).await;
        }
        caller.client.close(Duration::from_secs(1)).await;
    }
    Err("clients are not sent from one server to the other".into())
}

fn is_at(caller: &Caller, address: SocketAddr) -> bool {
    caller
        .client
        .status()
        .borrow()
        .address
        .as_ref()
        .is_some_and(|at| at.to_string() == address.to_string())
}
