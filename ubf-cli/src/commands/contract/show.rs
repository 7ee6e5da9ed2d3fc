//! `ubf contract show`: the states, as text or as a diagram.

use std::fmt::{self, Write as _};
use std::io;

use ubf_contract::{Contract, ContractDialect, Outcome, Rule, RuleKind, Type};

use super::told;
use crate::args::contract::ShowContract;
use crate::ui::output::Output;
use crate::ui::status::Status;

pub(crate) fn run(args: &ShowContract, output: &mut Output) -> io::Result<Status> {
    let contract = match told::contract(&args.file, &args.source, &args.server, output)? {
        Ok((_, contract)) => contract,
        Err(status) => return Ok(status),
    };
    if args.text {
        output.bytes(&contract.print())?;
        return Ok(Status::Good);
    }
    let mut text = String::new();
    let drawn = if args.mermaid {
        mermaid(&contract, &mut text)
    } else if args.graphviz {
        graphviz(&contract, &mut text)
    } else {
        states(&contract, &mut text)
    };
    // Writing to a string cannot fail.
    debug_assert!(drawn.is_ok());
    output.text(text)?;
    Ok(Status::Good)
}

fn name(one: &Type, dialect: ContractDialect) -> String {
    one.display(dialect).to_string()
}

fn next(outcome: &Outcome) -> String {
    outcome.next.as_ref().map(ubf_codec::Text::to_latin1).unwrap_or_default()
}

/// For people.
fn states(contract: &Contract, text: &mut String) -> fmt::Result {
    writeln!(text, "{}", contract.name().text.to_latin1())?;
    for state in contract.states() {
        writeln!(text, "\n{}", state.name.to_latin1())?;
        rules(&state.rules, contract.dialect(), text)?;
    }
    if !contract.any_state().is_empty() {
        text.push_str("\nin any state\n");
        rules(contract.any_state(), contract.dialect(), text)?;
    }
    Ok(())
}

fn rules(rules: &[Rule], dialect: ContractDialect, text: &mut String) -> fmt::Result {
    for rule in rules {
        match &rule.kind {
            RuleKind::Call { request, outcomes } => {
                let mut start = name(request, dialect);
                for outcome in outcomes {
                    let response = name(&outcome.response, dialect);
                    let to = match &outcome.next {
                        Some(_) => format!(", then {}", next(outcome)),
                        None => String::new(),
                    };
                    writeln!(text, "  {start} -> {response}{to}")?;
                    start = " ".repeat(start.chars().count());
                }
            }
            RuleKind::EventOut(event) => {
                writeln!(text, "  event to the client: {}", name(event, dialect))?;
            }
            RuleKind::EventIn(event) => {
                writeln!(text, "  event from the client: {}", name(event, dialect))?;
            }
        }
    }
    Ok(())
}

/// What leads from each state to others: from, to, request and response.
fn arrows(contract: &Contract) -> Vec<(String, String, String)> {
    let dialect = contract.dialect();
    let mut arrows: Vec<(String, String, String)> = Vec::new();
    for state in contract.states() {
        for rule in &state.rules {
            let RuleKind::Call { request, outcomes } = &rule.kind else { continue };
            for outcome in outcomes {
                let label =
                    format!("{} / {}", name(request, dialect), name(&outcome.response, dialect));
                arrows.push((state.name.to_latin1(), next(outcome), label));
            }
        }
    }
    arrows
}

/// Names of states as Mermaid wants them: one identifier each.
fn identifier(contract: &Contract, state: &str) -> String {
    let place = contract.states().iter().position(|one| one.name.to_latin1() == state);
    place.map_or_else(|| "[*]".to_owned(), |place| format!("s{place}"))
}

fn mermaid(contract: &Contract, text: &mut String) -> fmt::Result {
    text.push_str("stateDiagram-v2\n");
    for (place, state) in contract.states().iter().enumerate() {
        writeln!(text, "  s{place} : {}", state.name.to_latin1())?;
    }
    for state in contract.entry_states() {
        writeln!(text, "  [*] --> {}", identifier(contract, &state.name.to_latin1()))?;
    }
    for (from, to, label) in arrows(contract) {
        let (from, to) = (identifier(contract, &from), identifier(contract, &to));
        writeln!(text, "  {from} --> {to} : {label}")?;
    }
    Ok(())
}

fn graphviz(contract: &Contract, text: &mut String) -> fmt::Result {
    // The quotes that Graphviz wants.
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    writeln!(text, "digraph {} {{", quoted(&contract.name().text.to_latin1()))?;
    for state in contract.states() {
        let name = quoted(&state.name.to_latin1());
        let is_entry = contract.entry_states().any(|entry| entry.name == state.name);
        writeln!(text, "  {name}{};", if is_entry { " [style=bold]" } else { "" })?;
    }
    for (from, to, label) in arrows(contract) {
        writeln!(text, "  {} -> {} [label={}];", quoted(&from), quoted(&to), quoted(&label))?;
    }
    text.push_str("}\n");
    Ok(())
}
