//! From settings to a running client.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, oneshot, watch};
use tracing::{Instrument as _, info_span};
use ubf_proto::client::Config;

#[cfg(feature = "tls")]
use crate::attempt::over_tls;
use crate::builder::Builder;
use crate::call_table::CallTable;
use crate::connect_error::ConnectError;
use crate::driver::{Driver, Ends, OpeningClients};
use crate::events;
use crate::handle::{Client, Purpose, Shared};
use crate::showing::{FirstOutcome, Viewers};
use crate::status::Status;

impl Builder {
    /// Checks the settings, and starts the task that is the client.
    pub(crate) fn begin(
        self,
        first_outcome: Option<oneshot::Sender<FirstOutcome>>,
    ) -> Result<Client, ConnectError> {
        let Self {
            mut config,
            bad_address,
            stand_ins,
            connector,
            #[cfg(feature = "tls")]
            tls,
            first_agreement_time: _,
            seed,
            max_events,
            max_event_bytes,
            keeps_events,
            max_reply_bytes,
            close_time,
            opening_hook,
            notice_hook,
            wire_hook,
            tracer,
            #[cfg(feature = "contract")]
            contracts,
        } = self;
        #[cfg(feature = "contract")]
        let contracts = contracts.contracts();
        #[cfg(feature = "system-roots")]
        let tls = match tls {
            None if config.tls && connector.is_none() => {
                let tls = ubf_net::tls::ClientTls::of_system().map_err(ConnectError::Tls)?;
                Some(tls)
            }
            given => given,
        };
        let has_common_addresses = connector.is_none();
        #[cfg(feature = "tls")]
        let connector = match tls {
            Some(tls) => Some(over_tls(tls, connector)),
            None => connector,
        };
        if let Some((address, error)) = bad_address {
            return Err(ConnectError::BadAddress { address, error });
        }
        check(&config, connector.is_some())?;
        config.max_pending = config.max_pending.clamp(1, Semaphore::MAX_PERMITS);
        config.max_in_flight = config.max_in_flight.max(1);
        // Nothing here is secret (N9, N7): two clients should not do the same at the same moment.
        let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        let (status_sender, status) = watch::channel(Status::new());
        let (event_sink, events) = events::channel(max_events, max_event_bytes, keeps_events);
        let table = Arc::new(CallTable::new(config.max_pending, max_reply_bytes));
        let handles = {
            let (table, call_time) = (Arc::clone(&table), config.call_time);
            #[cfg(feature = "contract")]
            let contracts = contracts.clone();
            move |purpose, events| {
                Client::new(Shared {
                    table: Arc::clone(&table),
                    status: status.clone(),
                    events: Mutex::new(events),
                    call_time,
                    purpose,
                    tracer: tracer.clone(),
                    #[cfg(feature = "contract")]
                    contracts: contracts.clone(),
                })
            }
        };
        let client = handles(Purpose::Handle, Some(events));
        let opening_clients: OpeningClients =
            Box::new(move |connection| handles(Purpose::Opening(connection), None));
        let ends = Ends {
            table,
            events: event_sink,
            connector,
            stand_ins,
            has_common_addresses,
            opener: opening_hook.map(|hook| (hook, opening_clients)),
            #[cfg(feature = "contract")]
            contracts,
        };
        let viewers = Viewers { status: status_sender, notice_hook, wire_hook, first_outcome };
        // The task ends when the last handle is dropped: nobody has to hold it.
        let span = info_span!("ubf_client", service = %config.service);
        let driver = Driver::new(config, seed, close_time, ends, viewers);
        drop(tokio::spawn(driver.run().instrument(span)));
        Ok(client)
    }
}

/// What is of no use is found before anything is begun.
fn check(config: &Config, has_connector: bool) -> Result<(), ConnectError> {
    if config.addresses.is_empty() {
        return Err(ConnectError::NoAddress);
    }
    if !config.versions.iter().any(|version| Some(version) >= config.floor) {
        return Err(ConnectError::NoVersion);
    }
    if config.tls && !has_connector {
        return Err(ConnectError::TlsUnavailable);
    }
    Ok(())
}
