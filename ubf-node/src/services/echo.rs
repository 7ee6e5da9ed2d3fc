//! `echo`: the reply to a request R is `{R,'start'}`, in any version.

use bytes::Bytes;
use ubf_codec::Version;
use ubf_proto::Versions;
use ubf_server::{Call, Client, Failure, Handler, Reply};

/// Answers each request with itself.
///
/// The request's bytes are put into the reply as they came: what the client shortened with
/// registers stays short.
#[derive(Clone, Debug)]
pub struct Echo {
    versions: Versions,
}

impl Echo {
    /// The service in these versions.
    #[must_use]
    pub const fn new(versions: Versions) -> Self {
        Self { versions }
    }
}

impl Handler for Echo {
    type State = ();

    fn versions(&self) -> Versions {
        self.versions.clone()
    }

    fn connect(&self, _: &Client) {}

    /// Nothing is kept.
    fn export_state(&self, (): &()) -> Option<Bytes> {
        Some(Bytes::new())
    }

    fn import_state(&self, _: &Client, exported: Bytes) -> Option<()> {
        exported.is_empty().then_some(())
    }

    fn request_now(&self, call: &Call<()>) -> Option<Result<Reply, Failure>> {
        Some(Ok(reply(call)))
    }

    fn answers_now(&self, _: Version) -> bool {
        true
    }

    async fn request(&self, call: Call<()>) -> Result<Reply, Failure> {
        Ok(reply(&call))
    }
}

fn reply(call: &Call<()>) -> Reply {
    Reply::written(|body| {
        body.extend_from_slice(b"{");
        body.extend_from_slice(call.source());
        body.extend_from_slice(b"'start'}$");
    })
}
