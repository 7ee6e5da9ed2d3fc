//! What is asked for.

use ubf_codec::{Term, ubf};

/// The requests of a load.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Requests {
    /// The same one always.
    Same(Term),
    /// `{call,Client,Number}`: each call by its client and its number there, both from 1, so that a
    /// server can keep a journal of what it executed.
    Numbered,
    /// `{transfer,From,To,1}` of the service `ledger`, between accounts that are named `0`, `1` and so
    /// on: from which one to which is a matter of the client and of the call's number. A reply is
    /// `{ok,Number}`.
    Transfers {
        /// How many accounts there are: two at least.
        accounts: u64,
    },
}

impl Requests {
    /// A string that fills a packet's body, up to and with its `$`, to this many bytes. The
    /// smallest is `""$`.
    #[must_use]
    pub fn of_size(bytes: usize) -> Self {
        Self::Same(Term::string("x".repeat(bytes.saturating_sub(3))))
    }

    /// The request of a client's call; both count from 1.
    #[must_use]
    pub fn term(&self, client: u64, number: u64) -> Term {
        match self {
            Self::Same(term) => term.clone(),
            Self::Numbered => ubf!({call, (client), (number)}),
            Self::Transfers { accounts } => {
                let accounts = (*accounts).max(2);
                let from = client.wrapping_add(number) % accounts;
                let to = (from + 1 + client % (accounts - 1)) % accounts;
                let [from, to] = [from, to].map(|account| account.to_string());
                ubf!({transfer, (from.as_str()), (to.as_str()), 1})
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ubf_codec::Encoder;

    use super::*;

    #[test]
    fn a_request_has_the_size_that_was_asked_for() {
        for bytes in [3, 4, 100, 12345] {
            assert_eq!(Encoder::new().encode(&Requests::of_size(bytes).term(1, 1)).len(), bytes);
        }
    }

    #[test]
    fn a_transfer_is_between_two_accounts() {
        let term = |client, number| Requests::Transfers { accounts: 3 }.term(client, number);
        assert_eq!(term(1, 1).to_string(), r#"{transfer,"2","1",1}"#);
        assert_eq!(term(2, 1).to_string(), r#"{transfer,"0","1",1}"#);
        assert_eq!(term(2, 2).to_string(), r#"{transfer,"1","2",1}"#);
    }

    #[test]
    fn a_numbered_request_says_whose_and_which_it_is() {
        assert_eq!(Requests::Numbered.term(3, 41).to_string(), "{call,3,41}");
    }
}
