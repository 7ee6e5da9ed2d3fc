//! Questions about contracts, as they stand in a line.

use std::fmt;
use std::str::FromStr;

/// A question about contracts. Texts are UBF(B); terms are in postfix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// What is wrong with a text, or how it is printed (C1).
    Read {
        /// `2`, `1.16` or `1.12`.
        dialect: String,
        /// The contract.
        text: String,
    },
    /// Whether a term is of the type `t()` (C2).
    Takes {
        /// As above.
        dialect: String,
        /// Strings and tags are read as tuples (C2.5).
        as_stock: bool,
        /// The contract in which the type is.
        text: String,
        /// The term.
        term: String,
    },
    /// Whether a message is allowed in a state (C3).
    Message {
        /// What it is.
        way: Way,
        /// As above.
        dialect: String,
        /// The contract.
        text: String,
        /// The state.
        state: String,
        /// The message.
        term: String,
    },
    /// Whether a reply is allowed, if its request is (C3).
    Reply {
        /// As above.
        dialect: String,
        /// The contract.
        text: String,
        /// The state in which the request comes.
        state: String,
        /// The state that the reply names.
        next: String,
        /// The request.
        request: String,
        /// The reply.
        reply: String,
    },
    /// What breaks between two contracts (K1).
    Compare {
        /// The old contract.
        old: String,
        /// The new one.
        new: String,
    },
}

/// Which message is sent, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A request.
    Request,
    /// An event from the client.
    EventIn,
    /// An event from the server.
    EventOut,
}

impl Way {
    const ALL: [Self; 3] = [Self::Request, Self::EventIn, Self::EventOut];

    fn word(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::EventIn => "event_in",
            Self::EventOut => "event_out",
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { dialect, text } => write!(f, "read {dialect} {}", hex::encode(text)),
            Self::Takes { dialect, as_stock, text, term } => {
                let strings = if *as_stock { "stock" } else { "apart" };
                write!(f, "takes {dialect} {strings} {} {term}", hex::encode(text))
            }
            Self::Message { way, dialect, text, state, term } => {
                let (text, state) = (hex::encode(text), hex::encode(state));
                write!(f, "{} {dialect} {text} {state} {term}", way.word())
            }
            Self::Reply { dialect, text, state, next, request, reply } => {
                let [text, state, next] = [text, state, next].map(hex::encode);
                write!(f, "reply {dialect} {text} {state} {next} {request} ; {reply}")
            }
            Self::Compare { old, new } => {
                write!(f, "compare {} {}", hex::encode(old), hex::encode(new))
            }
        }
    }
}

impl FromStr for Question {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words = |count| line.splitn(count, ' ').collect::<Vec<&str>>();
        let is = |word: &str| line.split(' ').next() == Some(word);
        let way = Way::ALL.into_iter().find(|way| is(way.word()));
        let unknown = || format!("`{line}` is no question about contracts");
        if let Some(way) = way {
            let [_, dialect, contract, state, term] = words(5)[..] else { return Err(unknown()) };
            return Ok(Self::Message {
                way,
                dialect: dialect.to_owned(),
                text: text(contract)?,
                state: text(state)?,
                term: term.to_owned(),
            });
        }
        match words(6)[..] {
            ["read", dialect, contract] => {
                Ok(Self::Read { dialect: dialect.to_owned(), text: text(contract)? })
            }
            ["compare", old, new] => Ok(Self::Compare { old: text(old)?, new: text(new)? }),
            ["reply", dialect, contract, state, next, terms] => {
                let (request, reply) = terms.split_once(" ; ").ok_or_else(unknown)?;
                Ok(Self::Reply {
                    dialect: dialect.to_owned(),
                    text: text(contract)?,
                    state: text(state)?,
                    next: text(next)?,
                    request: request.to_owned(),
                    reply: reply.to_owned(),
                })
            }
            ["takes", ..] => {
                let [_, dialect, strings, contract, term] = words(5)[..] else {
                    return Err(unknown());
                };
                let as_stock = match strings {
                    "stock" => true,
                    "apart" => false,
                    other => return Err(format!("`{other}` is neither `stock` nor `apart`")),
                };
                let (dialect, term) = (dialect.to_owned(), term.to_owned());
                Ok(Self::Takes { dialect, as_stock, text: text(contract)?, term })
            }
            _ => Err(unknown()),
        }
    }
}

fn text(word: &str) -> Result<String, String> {
    let bytes = hex::decode(word).map_err(|_| format!("`{word}` is not hexadecimal"))?;
    String::from_utf8(bytes).map_err(|_| format!("`{word}` is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_reads_back_as_it_was_written() {
        for line in [
            "read 1.16 61",
            "takes 2 stock 61 i:1 i:2 t:2",
            "takes 2 apart 61 u",
            "request 2 61 73 a:6f6b",
            "event_in 2 61 73 i:1 t:1",
            "event_out 1.12 61 73 u",
            "reply 2 61 73 74 i:1 t:1 ; a:6f6b",
            "compare 61 62",
        ] {
            let question = line.parse::<Question>();
            assert_eq!(question.map(|question| question.to_string()), Ok(line.to_owned()));
        }
    }

    #[test]
    fn what_is_no_question_is_refused() {
        for line in
            ["", "read", "read 2", "read 2 6", "takes 2 61 u", "reply 2 61 73 74 i:1", "x 1"]
        {
            assert!(line.parse::<Question>().is_err(), "{line}");
        }
    }
}
