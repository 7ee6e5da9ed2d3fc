//! Values as a file of settings has them.

use clap::ValueEnum;
use toml::Value;

pub(super) fn shown(value: &(impl ToString + ?Sized)) -> Value {
    Value::String(value.to_string())
}

pub(super) fn shown_word<T: ValueEnum>(value: &T) -> Value {
    shown(&value.to_possible_value().map(|word| word.get_name().to_owned()).unwrap_or_default())
}

pub(super) fn number(number: u64) -> Value {
    i64::try_from(number).map_or_else(|_| shown(&number), Value::Integer)
}

pub(super) fn list(values: impl Iterator<Item = impl ToString>) -> Value {
    Value::Array(values.map(|value| shown(&value)).collect())
}
