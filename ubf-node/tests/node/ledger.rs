//! `ledger` in the program: its contracts, and accounts that survive it.

use std::time::Duration;

use ubf_client::{Client, Level, SessionPlan};
use ubf_codec::Term;
use ubf_net::testing::within;

use crate::folder::Folder;
use crate::process::{Program, command};

fn start(folder: &Folder, more: &[&str]) -> Program {
    let data = folder.file("data");
    let arguments =
        ["--listen", "127.0.0.1:0", "--log", "json", "--service", "ledger", "--data", &data];
    Program::spawn(command(&[&arguments[..], more].concat()))
}

async fn connect(program: &Program, version: u32) -> Client {
    let client = Client::builder()
        .address(program.address())
        .service("ledger")
        .versions([version])
        .session(SessionPlan::demanded(Level::Durable))
        .call_time(Duration::from_secs(60))
        .connect();
    within(client).await.unwrap()
}

async fn ask(client: &Client, request: &str) -> String {
    let request: Term = request.parse().unwrap();
    within(client.call(request)).await.unwrap().response().to_string()
}

#[tokio::test]
async fn c4_the_ledger_keeps_its_contracts() {
    let folder = Folder::new("ledger-contracts");
    let program = start(&folder, &["--contract-mode", "enforce"]);
    let clients =
        [connect(&program, 1).await, connect(&program, 2).await, connect(&program, 3).await];
    for (version, request, reply) in [
        (1, r#"{open,"Joe",300}"#, "ok"),
        (1, r#"{open,"Joe",300}"#, "{error,exists}"),
        (2, r#"{open,"Mike",700}"#, "ok"),
        (2, r#"{limit,"Joe",50}"#, "ok"),
        (2, r#"{limit,"Robert",50}"#, "{error,no_account}"),
        (1, r#"{transfer,"Joe","Mike",340}"#, "{ok,1}"),
        (1, r#"{transfer,"Joe","Mike",11}"#, "{error,no_cover}"),
        (3, r#"{transfer,"Joe","Mike",10,"a book"}"#, "{ok,2}"),
        (1, r#"{balance,"Joe"}"#, "{balance,-50}"),
        (2, r#"{balance,"Joe"}"#, "{balance,-50,50}"),
        (3, r#"{balance,"Joe"}"#, "{balance,-50,50,2}"),
        (1, "sum", "{sum,2,1000,1000,2}"),
        (1, "{accounts,?,1}", r#"{accounts,[{"Joe",-50}],"Joe"}"#),
        (3, r#"{accounts,"Joe",9}"#, r#"{accounts,[{"Mike",1050}],?}"#),
        (1, "{transfers,1,9}", r#"{transfers,[{2,"Joe","Mike",10}],?}"#),
        (3, "{transfers,1,9}", r#"{transfers,[{2,"Joe","Mike",10,"a book"}],?}"#),
    ] {
        let client = &clients[version - 1];
        assert_eq!(ask(client, request).await, reply, "version {version}: {request}");
    }
    let broken = ask(&clients[0], r#"{transfer,"Joe","Mike",0}"#).await;
    assert!(broken.starts_with("{clientBrokeContract,{transfer,"), "{broken}");
    drop(clients);
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));

    // Another process has the same accounts, also after `kill -9`.
    for _ in 0..2 {
        let mut program = start(&folder, &[]);
        let client = connect(&program, 1).await;
        assert_eq!(ask(&client, "sum").await, "{sum,2,1000,1000,2}");
        program.kill();
    }
}
