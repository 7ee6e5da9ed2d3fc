//! A node of one's own: pages that are signed, in two state versions and two of the contract.
//!
//! ```text
//! guestbook --data /tmp/guestbook --control /tmp/guestbook.socket --max-name 20
//! ```

use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use ubf_codec::{Version, Versioned};
use ubf_node::{Node, NodeService};
use ubf_service::{Caller, Do, Lost, StatefulService, Step, Table, Tx, forms, tables};

/// State version 1: how often a page was signed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Page1 {
    visits: u64,
}

/// State version 2: and by whom last.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
struct Page {
    visits: u64,
    last: String,
}

forms!(1 => Page1, 2 => Page);

impl Step<Page> for Page1 {
    fn up(self) -> Page {
        Page { visits: self.visits, last: String::new() }
    }

    fn down(new: &Page, lost: &mut Lost) -> Self {
        lost.field_if(!new.last.is_empty(), "last");
        Self { visits: new.visits }
    }
}

static PAGES: Table<String, Page> = Table::new("pages");

/// Which page, and who signs it.
#[derive(Versioned, Serialize, Deserialize)]
#[version(1..=2, Self)]
struct Sign(String, String);

/// How often it was signed, and who did it before.
#[derive(Versioned, Serialize, Deserialize)]
#[version(1..=2, Self)]
struct Signed(u64, String);

/// The service. What it can be told is what the options of this node are.
#[derive(Clone, clap::Args)]
struct Guestbook {
    /// The most letters of a name that are kept
    #[arg(long, default_value_t = 40)]
    max_name: usize,
}

impl StatefulService for Guestbook {
    type Request = Sign;
    type Reply = Signed;
    type Timer = ();
    const STATE: (u32, u32) = (1, 2);
    tables!(PAGES);

    /// Version 2 of the contract tells names, and wants rows that can hold them.
    fn needs(version: Version) -> u32 {
        version.get()
    }

    fn apply(&self, caller: &Caller<'_>, Sign(page, name): Sign, tx: &mut Tx<'_>) -> Do<Signed> {
        let name = name.chars().take(self.max_name).collect();
        let Page { visits, last: before } = tx.get(&PAGES, &page)?.unwrap_or_default();
        let last = if caller.version.get() == 1 { before.clone() } else { name };
        tx.put(&PAGES, &page, &Page { visits: visits + 1, last })?;
        Ok(Signed(visits + 1, before))
    }
}

fn main() -> ExitCode {
    Node::with_options("guestbook", env!("CARGO_PKG_VERSION"))
        .about("A guest book.")
        .service(NodeService::stateful("guestbook", Guestbook::clone))
        .main()
}
