//! The cost of a redirect: from the reply that says where to go to the first reply from there.

use std::time::{Duration, Instant};

use benches::Error;

use super::child::Child;
use super::peer::{Kind, Peer as _};
use super::ubf::Ubf;

/// One time for each of so many clients, which are sent from one server to another.
pub(crate) async fn microseconds(clients: usize) -> Result<Vec<f64>, Error> {
    let second = Child::start(Kind::Ubf, None)?;
    let first = Child::start(Kind::Ubf, Some(second.address))?;
    let mut times = Vec::with_capacity(clients);
    for _ in 0..clients {
        let mut caller = Ubf::connect(first.address).await?;
        Ubf::call(&mut caller).await?;
        let start = Instant::now();
        Ubf::call(&mut caller).await?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
        let address = caller.client.status().borrow().address.clone();
        if address.is_none_or(|address| address.to_string() != second.address.to_string()) {
            return Err("a client was not where it had been sent".into());
        }
        caller.client.close(Duration::from_secs(1)).await;
    }
    Ok(times)
}
