//! The contract `handoff` as a service.

use std::sync::Arc;

use ubf_server::{Call, Client, Failure, Handler, Peer, Reply, Versions};

use super::words::{Answer, Asked, Request, SHAPES, VERSIONS};
use super::{Handoffs, Own, is_elsewhere};
use crate::control::Asker;

/// What other nodes ask of this one.
#[derive(Clone, Debug)]
pub(crate) struct HandoffService(Arc<Own>);

impl HandoffService {
    pub(crate) fn new(handoffs: &Handoffs) -> Self {
        Self(Arc::clone(&handoffs.own))
    }
}

impl HandoffService {
    /// Whether a peer may ask for this. A policy may have changed since it has connected.
    fn admit(&self, peer: &Peer, request: &Request) -> Result<(), String> {
        if peer.address().is_none() {
            return Ok(());
        }
        let is_node = |elsewhere: &super::Elsewhere| elsewhere.is_node(peer);
        if !self.0.elsewhere.as_ref().is_some_and(is_node) {
            return Err("the policy here does not name you as a node: `node` in [control]".into());
        }
        // A file of this machine would be another node's.
        if let Asked::Offer { node, .. } = &request.what
            && !is_elsewhere(node)
        {
            return Err(format!("{node} is no address by which this machine finds yours"));
        }
        Ok(())
    }
}

impl Handler for HandoffService {
    type State = ();

    fn versions(&self) -> Versions {
        Versions::of(VERSIONS)
    }

    fn connect(&self, _: &Client) {}

    async fn request(&self, call: Call<()>) -> Result<Reply, Failure> {
        let Some(request) = Request::read(call.term()) else {
            return Ok(Reply::broken_contract(call.term(), SHAPES, "start"));
        };
        if let Err(why) = self.admit(call.peer(), &request) {
            return Ok(Reply::new(Answer::Refused(why).to_term(), "start"));
        }
        let own = Arc::clone(&self.0);
        let record = own.audit.clone().and_then(|audit| {
            let what = request.for_the_record()?;
            Some((audit, Asker::node(call.peer()), what))
        });
        let is_meant = |shift: &&Arc<super::Shift>| shift.service() == request.service;
        let Some(shift) = own.shifts.iter().find(is_meant).map(Arc::clone) else {
            let why = format!("{} has no rows here", request.service);
            return Ok(Reply::new(Answer::Refused(why).to_term(), "start"));
        };
        // What has begun is done, also if its connection is lost meanwhile: the machine has to know
        // what is stored.
        let heard = tokio::spawn(async move { shift.hear(&own, request).await });
        let answer = heard.await.map_err(|error| Failure::from(std::io::Error::other(error)))?;
        if let Some((audit, asker, what)) = record {
            audit.record(&asker, &what.to_string(), &answer.to_term().to_string());
        }
        Ok(Reply::new(answer.to_term(), "start"))
    }
}
