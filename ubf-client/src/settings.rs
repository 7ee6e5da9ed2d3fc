//! Settings that clients of a process have together: those of a pool are set alike.

use std::sync::{Arc, Mutex, PoisonError};

use ubf_proto::client::Config;

/// L1: settings that are kept for clients to come. Chosen: a pool has as many as it has servers,
/// and to compare them costs little beside a connection.
const MAX_KEPT: usize = 8;

/// Those of the clients that began last, the oldest first.
static KEPT: Mutex<Vec<Arc<Config>>> = Mutex::new(Vec::new());

/// These settings, in the memory of those of an earlier client if they are the same.
pub(crate) fn shared(config: Config) -> Arc<Config> {
    share(&mut KEPT.lock().unwrap_or_else(PoisonError::into_inner), config)
}

fn share(kept: &mut Vec<Arc<Config>>, config: Config) -> Arc<Config> {
    if let Some(known) = kept.iter().find(|known| ***known == config) {
        return Arc::clone(known);
    }
    if kept.len() >= MAX_KEPT {
        kept.remove(0);
    }
    let config = Arc::new(config);
    kept.push(Arc::clone(&config));
    config
}

#[cfg(test)]
mod tests {
    use ubf_proto::Versions;

    use super::*;

    #[test]
    fn what_is_set_alike_is_kept_once_and_of_others_the_last_eight() {
        let config = |version| Config::new(Vec::new(), Versions::of([version]));
        let mut kept = Vec::new();
        let first = share(&mut kept, config(1));
        assert!(Arc::ptr_eq(&first, &share(&mut kept, config(1))));
        let mut other = config(1);
        other.max_hops += 1;
        assert!(!Arc::ptr_eq(&first, &share(&mut kept, other)));
        for version in 2..=8 {
            share(&mut kept, config(version));
        }
        assert_eq!(kept.len(), MAX_KEPT);
        assert!(!Arc::ptr_eq(&first, &share(&mut kept, config(1))), "it was the oldest");
    }
}
