//! The contract `handoff` as a service.

use std::sync::Arc;

use ubf_server::{Call, Client, Failure, Handler, Reply, Versions};

use super::words::{Answer, Request, SHAPES, VERSION};
use super::{Handoffs, Own};

/// What other nodes ask of this one.
#[derive(Clone, Debug)]
pub(crate) struct HandoffService(Arc<Own>);

impl HandoffService {
    pub(crate) fn new(handoffs: &Handoffs) -> Self {
        Self(Arc::clone(&handoffs.own))
    }
}

impl Handler for HandoffService {
    type State = ();

    fn versions(&self) -> Versions {
        Versions::of([VERSION])
    }

    fn connect(&self, _: &Client) {}

    async fn request(&self, call: Call<()>) -> Result<Reply, Failure> {
        let Some(request) = Request::read(call.term()) else {
            return Ok(Reply::broken_contract(call.term(), SHAPES, "start"));
        };
        let own = Arc::clone(&self.0);
        let is_meant = |shift: &&Arc<super::Shift>| shift.service() == request.service;
        let Some(shift) = own.shifts.iter().find(is_meant).map(Arc::clone) else {
            let why = format!("{} has no rows here", request.service);
            return Ok(Reply::new(Answer::Refused(why).to_term(), "start"));
        };
        // What has begun is done, also if its connection is lost meanwhile: the machine has to know
        // what is stored.
        let heard = tokio::spawn(async move { shift.hear(&own, request).await });
        let answer = heard.await.map_err(|error| Failure::from(std::io::Error::other(error)))?;
        Ok(Reply::new(answer.to_term(), "start"))
    }
}
