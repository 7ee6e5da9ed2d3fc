//! Five nodes, the links to them, and which of them has the rows.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};
use ubf_store::testing::TestPostgres;

use super::counts::{Counts, KILLS};
use super::disks::{self, SMALL_DISKS};
use super::node::{Node, Plan, Process, Rows, free_address};
use super::proxy::Proxy;
use super::world::World;

pub(crate) const NODES: usize = 5;
/// For an aimed fault to come.
pub(crate) const FAULT_TIME: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(20);

pub(crate) struct Cluster {
    pub(crate) world: Arc<World>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Vec<Proxy>,
    /// The node that has the rows, as far as it is known.
    pub(crate) owner: usize,
    pub(crate) counts: Counts,
    /// After the nodes: it ends when they have ended.
    pub(crate) database: Option<TestPostgres>,
}

impl Cluster {
    /// Starts all nodes. The first one has the rows.
    pub(crate) async fn start(
        world: Arc<World>,
        folder: &Path,
        database: Option<TestPostgres>,
        mutant: Option<&'static str>,
    ) -> Result<Self, String> {
        let rows = match &database {
            Some(database) => Rows::Postgres { url: database.url() },
            None => Rows::Redb,
        };
        let plan = Plan { folder: folder.to_owned(), rows, mutant };
        let (mut nodes, mut links) = (Vec::new(), Vec::new());
        for number in 0..NODES {
            let failed = |error: std::io::Error| format!("no address is free: {error}");
            let ports = [free_address().map_err(failed)?, free_address().map_err(failed)?];
            let [listen, _] = ports;
            let link = Proxy::start(listen).await.map_err(failed)?;
            let node = Node::new(plan.clone(), number, ports, link.address);
            if number < SMALL_DISKS && disks::are_here() && database.is_none() {
                disks::make(&node.data())?;
            }
            nodes.push(node);
            links.push(link);
        }
        let counts = Counts::default();
        let mut cluster = Self { world, nodes, links, owner: 0, counts, database };
        for number in 0..NODES {
            // In folders of their own, the others wait for rows.
            let begins = number == 0 && !cluster.is_shared();
            cluster.node(number)?.start(if begins { &[] } else { &["--standby"] })?;
            if number == 0 {
                cluster.find_owner().await?;
            }
        }
        cluster.all_answer().await?;
        Ok(cluster)
    }

    /// Waits until all nodes have opened their stores, and can be asked.
    pub(crate) async fn all_answer(&mut self) -> Result<(), String> {
        let until = Instant::now() + FAULT_TIME;
        for number in 0..NODES {
            while UnixStream::connect(self.node(number)?.control()).await.is_err() {
                if Instant::now() >= until {
                    return Err(format!("node {number} does not answer"));
                }
                sleep(LOOK).await;
            }
        }
        Ok(())
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.database.is_some()
    }

    /// Where clients find the nodes.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.links.iter().map(|link| link.address.to_string()).collect()
    }

    pub(crate) fn node(&mut self, number: usize) -> Result<&mut Node, String> {
        self.nodes.get_mut(number).ok_or_else(|| format!("there is no node {number}"))
    }

    pub(crate) fn link(&self, number: usize) -> Result<&Proxy, String> {
        self.links.get(number).ok_or_else(|| format!("there is no link {number}"))
    }

    pub(crate) fn process(&mut self, number: usize) -> Result<&mut Process, String> {
        self.node(number)?.process()
    }

    /// Another node than the owner.
    pub(crate) fn other(&self, choice: usize) -> usize {
        (self.owner + 1 + choice % (NODES - 1)) % NODES
    }

    /// Starts a node again.
    pub(crate) fn start_again(&mut self, number: usize) -> Result<(), String> {
        self.node(number)?.start(&["--standby"])
    }

    /// A process has been killed: it is counted, and the next one is started.
    pub(crate) fn killed(&mut self, number: usize, how: &str) -> Result<(), String> {
        self.counts.add(KILLS);
        self.counts.add(how);
        self.start_again(number)
    }

    /// Waits until a node serves the rows.
    pub(crate) async fn find_owner(&mut self) -> Result<(), String> {
        let until = Instant::now() + self.world.patience();
        while Instant::now() < until {
            for step in 0..NODES {
                let number = (self.owner + step) % NODES;
                if self.owns(number).await {
                    self.owner = number;
                    return Ok(());
                }
            }
            sleep(LOOK).await;
        }
        Err(format!("nobody owns the rows after {} s", self.world.patience().as_secs()))
    }

    async fn owns(&self, number: usize) -> bool {
        let node = self.nodes.get(number).filter(|node| node.process.is_some());
        match node {
            Some(node) => node.owns().await,
            None => false,
        }
    }

    /// Whether a node serves the rows that is not the owner of before, as far as is seen at once.
    pub(crate) async fn another_owns(&self) -> bool {
        for choice in 0..NODES - 1 {
            if self.owns(self.other(choice)).await {
                return true;
            }
        }
        false
    }

    /// Starts whatever has ended, so that the rows can be read.
    pub(crate) fn start_all_again(&mut self) -> Result<(), String> {
        for number in 0..NODES {
            if self.process(number)?.ended().is_some() {
                self.start_again(number)?;
            }
        }
        Ok(())
    }

    /// No process has ended by itself.
    pub(crate) fn all_live(&mut self) -> Result<(), String> {
        for node in &mut self.nodes {
            let number = node.number;
            if let Some(status) = node.process()?.ended() {
                return Err(format!("node {number} has ended by itself: {status}"));
            }
        }
        Ok(())
    }
}
