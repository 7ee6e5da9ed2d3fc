//! `parse trees`: a module as Erlang's parser gives it, for the comparison with Erlang's external
//! term format.

use super::Value;
use super::random::Random;

const FUNCTIONS: u32 = 150;
const VARIABLES: [&str; 12] =
    ["State", "Pid", "Reply", "Msg", "From", "Key", "Value", "List", "Acc", "Rest", "Name", "Opts"];
const ATOMS: [&str; 14] = [
    "ok",
    "error",
    "infinity",
    "true",
    "false",
    "call",
    "cast",
    "info",
    "stop",
    "reply",
    "noreply",
    "normal",
    "timeout",
    "not_found",
];
const MODULES: [&str; 6] = ["gen_server", "lists", "io", "ets", "dict", "proplists"];
const FUNCTION_NAMES: [&str; 12] = [
    "handle_call",
    "handle_cast",
    "handle_info",
    "init",
    "terminate",
    "start_link",
    "lookup",
    "insert",
    "map",
    "foldl",
    "format",
    "get_value",
];
const OPERATORS: [&str; 6] = ["+", "-", "==", "=:=", "++", "<"];

pub(super) fn document() -> Value {
    let mut trees = Trees { random: Random::new(1986), line: 1 };
    Value::list((0..FUNCTIONS).map(|_| trees.function()))
}

struct Trees {
    random: Random,
    line: u32,
}

impl Trees {
    fn choose(&mut self, names: &[&str]) -> Value {
        Value::name(self.random.pick(names).unwrap_or_default())
    }

    /// `{Kind, Line, …}`
    fn node(&self, kind: &str, rest: impl IntoIterator<Item = Value>) -> Value {
        let head = [Value::name(kind), self.line.into()];
        Value::Tuple(head.into_iter().chain(rest).collect())
    }

    fn function(&mut self) -> Value {
        self.line += 2;
        let name = self.choose(&FUNCTION_NAMES);
        let arity = 1 + self.random.below(3);
        let start = self.line;
        let clauses = 1 + self.random.below(4);
        let clauses = Value::list((0..clauses).map(|_| self.clause(arity, 4)));
        Value::tuple([Value::name("function"), start.into(), name, arity.into(), clauses])
    }

    fn clause(&mut self, arity: u32, depth: u32) -> Value {
        self.line += 1;
        let patterns = Value::list((0..arity).map(|_| self.pattern(2)));
        let guards = if self.random.chance(20) {
            let variable = self.variable();
            let test = self.node("atom", [Value::name("is_list")]);
            Value::list([Value::list([self.node("call", [test, Value::list([variable])])])])
        } else {
            Value::List(Vec::new())
        };
        let head = self.node("clause", []);
        let expressions = 1 + self.random.below(5);
        let body = Value::list((0..expressions).map(|_| {
            self.line += 1;
            self.expression(depth)
        }));
        let Value::Tuple(mut clause) = head else { return head };
        clause.extend([patterns, guards, body]);
        Value::Tuple(clause)
    }

    fn variable(&mut self) -> Value {
        let name = self.choose(&VARIABLES);
        self.node("var", [name])
    }

    fn atom(&mut self) -> Value {
        let name = self.choose(&ATOMS);
        self.node("atom", [name])
    }

    fn leaf(&mut self) -> Value {
        match self.random.below(10) {
            0 => {
                let value = self.random.below(1000);
                self.node("integer", [value.into()])
            }
            1 => {
                let text = self
                    .random
                    .pick(&["~p~n", "not found: ~p~n", "request ~p in state ~p~n"])
                    .unwrap_or_default();
                self.node("string", [text.into()])
            }
            2 => self.node("nil", []),
            3..=5 => self.atom(),
            _ => self.variable(),
        }
    }

    fn pattern(&mut self, depth: u32) -> Value {
        match self.random.below(6) {
            0 | 1 if depth > 0 => {
                let count = 2 + self.random.below(2);
                let elements = Value::list((0..count).map(|_| self.pattern(depth - 1)));
                self.node("tuple", [elements])
            }
            2 if depth > 0 => {
                let (head, tail) = (self.pattern(depth - 1), self.variable());
                self.node("cons", [head, tail])
            }
            _ => self.leaf(),
        }
    }

    fn expression(&mut self, depth: u32) -> Value {
        if depth == 0 {
            return self.leaf();
        }
        match self.random.below(12) {
            0 | 1 => {
                let (pattern, value) = (self.pattern(1), self.expression(depth - 1));
                self.node("match", [pattern, value])
            }
            2..=4 => {
                let (module, function) = (self.choose(&MODULES), self.choose(&FUNCTION_NAMES));
                let (module, function) =
                    (self.node("atom", [module]), self.node("atom", [function]));
                let remote = self.node("remote", [module, function]);
                let count = 1 + self.random.below(3);
                let arguments = Value::list((0..count).map(|_| self.expression(depth - 1)));
                self.node("call", [remote, arguments])
            }
            5 | 6 => {
                let count = 2 + self.random.below(3);
                let elements = Value::list((0..count).map(|_| self.expression(depth - 1)));
                self.node("tuple", [elements])
            }
            7 => {
                let operator = self.choose(&OPERATORS);
                let (left, right) = (self.expression(depth - 1), self.expression(depth - 1));
                self.node("op", [operator, left, right])
            }
            8 => {
                let value = self.expression(depth - 1);
                let count = 2 + self.random.below(2);
                let clauses = Value::list((0..count).map(|_| self.clause(1, depth - 1)));
                self.node("case", [value, clauses])
            }
            _ => self.leaf(),
        }
    }
}
