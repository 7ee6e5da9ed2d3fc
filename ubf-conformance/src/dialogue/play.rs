//! Runs one end of a dialogue, and compares what it does with what it must.

use super::act::{Act, Channel};
use super::script::Part;
use super::told::Told;
use super::{Dialogue, Folder, Machine};
use crate::implementation::{Answer, Refusal};
use crate::outcome::Side;

/// How much is asked of an end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Strictness {
    /// What an operator can see is compared as well.
    pub with_notices: bool,
    /// All that it does between two steps is in the order of the dialogue. Else only what it does
    /// on each connection is, and what it says to its program: the rest is free.
    pub in_one_order: bool,
}

/// Runs one end of a dialogue.
///
/// # Errors
///
/// The end does not do what the dialogue says, or does more; or it does not answer.
pub fn play(
    machine: &mut dyn Machine,
    dialogue: &Dialogue,
    side: Side,
    strictness: Strictness,
) -> Answer<()> {
    let mut seen = Seen { acts: machine.begin(dialogue.beginning(side))?, strictness };
    // In a pipeline bytes of both directions cross: what a server has sent may stand later in a
    // dialogue that is written for both ends.
    let may_cross = side == Side::Server && dialogue.folder == Folder::Connections;
    for (index, step) in dialogue.steps.iter().enumerate() {
        let at_step = |problem: String| Refusal::Failed(format!("step {}: {problem}", index + 1));
        match step.part(side) {
            Part::NotIts => {}
            Part::Does(act) => seen.expect(&act).map_err(at_step)?,
            Part::Asks(act, told) => {
                seen.expect(&act).map_err(at_step)?;
                seen.acts.extend(machine.tell(&told)?);
            }
            Part::Told(told) => {
                if !may_cross || matches!(told, Told::At { .. }) {
                    seen.expect_nothing().map_err(at_step)?;
                }
                seen.acts.extend(machine.tell(&told)?);
            }
        }
    }
    seen.expect_nothing().map_err(|problem| Refusal::Failed(format!("at the end: {problem}")))
}

/// What an end has done, as far as the dialogue has not told of it.
struct Seen {
    acts: Vec<Act>,
    strictness: Strictness,
}

impl Seen {
    fn expect(&mut self, expected: &Act) -> Result<(), String> {
        if let Act::Notice { .. } = expected {
            return self.expect_notice(expected);
        }
        let is_next = |act: &&Act| match self.strictness.in_one_order {
            true => act.channel() != Channel::Operator,
            false => act.channel() == expected.channel(),
        };
        match self.acts.iter().position(|act| is_next(&act)) {
            Some(place) if self.acts.get(place).is_some_and(|act| act.agrees(expected)) => {
                self.acts.remove(place);
                Ok(())
            }
            place => {
                let got = place.and_then(|place| self.acts.get(place)).map(Act::shown);
                let got = got.unwrap_or_else(|| "nothing".to_owned());
                Err(format!("got `{got}`, expected `{}`", expected.shown()))
            }
        }
    }

    /// Notices have an order of their own, and those that the dialogue does not name do not matter.
    fn expect_notice(&mut self, expected: &Act) -> Result<(), String> {
        if !self.strictness.with_notices {
            return Ok(());
        }
        let Some(place) = self.acts.iter().position(|act| act == expected) else {
            return Err(format!("there is no `{expected}`"));
        };
        let mut index = 0;
        self.acts.retain(|act| {
            index += 1;
            index > place + 1 || act.channel() != Channel::Operator
        });
        Ok(())
    }

    fn expect_nothing(&self) -> Result<(), String> {
        match self.acts.iter().find(|act| act.channel() != Channel::Operator) {
            None => Ok(()),
            Some(act) => Err(format!("got `{}`, expected nothing before it", act.shown())),
        }
    }
}
