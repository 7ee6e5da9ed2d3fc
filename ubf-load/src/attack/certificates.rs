//! Certificates that a server must refuse: who shows one is nobody, whatever it says.

use ubf_net::tls::ClientTls;

use super::finding::{Finding, Tally};
use super::forger;
use super::target::{Target, TargetTls};
use super::wire::Wire;

/// Whether a client with this certificate is served. In TLS 1.3 it hears only afterwards that it is
/// not trusted.
async fn is_served(target: &Target, client: &ClientTls) -> bool {
    match Wire::open_as(target, Some(client)).await {
        Ok(wire) => wire.agree(target).await.is_ok(),
        Err(_) => false,
    }
}

/// S9: a server that wants to see certificates takes those of its authority, and of their time.
pub(super) async fn falsehoods(target: &Target) -> Finding {
    let Some(tls) = &target.tls else { return Finding::new("there is no TLS") };
    let bare = match tls.client.clone().showing_none() {
        Ok(bare) => bare,
        Err(error) => return Finding::fault(error.to_string()),
    };
    if is_served(target, &bare).await {
        return Finding::new("the server wants to see no certificate: nobody is anybody")
            .but(!tls.wrong.is_empty(), "and so it refuses none of --wrong-cert");
    }
    let mut tally = Tally::default();
    tally.add("refused");
    for (what, client) in all(tls, &bare) {
        let word = match client {
            Ok(client) if is_served(target, &client).await => format!("{what} is let in"),
            Ok(_) => "refused".into(),
            Err(error) => error,
        };
        tally.add(word);
    }
    tally.expect(&["refused"])
}

/// Each, and what it is.
fn all<'t>(
    tls: &'t TargetTls,
    bare: &'t ClientTls,
) -> impl Iterator<Item = (String, Result<ClientTls, String>)> + 't {
    let made =
        forger::certificates(tls.client.identity().as_ref()).into_iter().map(|(what, made)| {
            let client = made.and_then(|(certificate, key)| {
                let client = bare.clone().showing_pem(&certificate, &key);
                client.map_err(|error| error.to_string())
            });
            (what.to_owned(), client)
        });
    let given = tls.wrong.iter().map(|client| {
        let identity = client.identity();
        let name = identity.as_ref().map_or("a certificate", |identity| identity.name());
        (format!("{name}, which is wrong,"), Ok(client.clone()))
    });
    made.chain(given)
}
