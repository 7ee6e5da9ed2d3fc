//! Contracts from code: what Rust types are in UBF(B), and the rules of a service.

mod agreement;
mod builder;
mod definitions;
mod foreign;

use alloc::string::String;

pub use self::agreement::Disagreement;
pub use self::builder::{AnyRules, BuildError, ContractBuilder, Message, Rules};
pub use self::definitions::Definitions;

/// A Rust type that has a form in contracts: what serde and `ubf-codec` write of its values.
///
/// It is derived, with the feature `derive`. A [`ContractBuilder`] makes a contract of such types,
/// and a test holds that against the contract in the file: so the two cannot go apart unseen.
///
#[cfg_attr(feature = "derive", doc = "```")]
#[cfg_attr(not(feature = "derive"), doc = "```text")]
/// use serde::{Deserialize, Serialize};
/// use ubf_contract::{ContractBuilder, Described, Message, Reader};
///
/// #[derive(Serialize, Deserialize, Described)]
/// #[serde(rename_all = "snake_case")]
/// enum Request {
///     Open,
///     Close,
///     Order(Order),
/// }
///
/// /// What a customer wants.
/// #[derive(Serialize, Deserialize, Described)]
/// #[serde(rename = "order")]
/// struct Order {
///     #[contract(type = "1..99")]
///     count: u8,
///     note: Option<String>,
/// }
///
/// #[derive(Serialize, Deserialize, Described)]
/// #[serde(rename_all = "snake_case")]
/// enum Response {
///     Done,
///     No(String),
/// }
///
/// let code = ContractBuilder::new("shop", "1")
///     .state("start", |rules| {
///         let done = Message::variant::<Response>("done");
///         let no = Message::variant::<Response>("no");
///         rules.call(Message::variant::<Request>("open"), [(done, "opened"), (no, "start")]);
///     })
///     .state("opened", |rules| {
///         rules.call(Message::variant::<Request>("close"), [(Message::variant::<Response>("done"),
///         "start")]); rules.call(Message::variant::<Request>("order"),
///         [(Message::of::<Response>(), "opened")]);
///     })
///     .build()?;
/// let file = r#"+NAME("shop").
/// +VSN("1").
///
/// +TYPES
///   open() :: open;
///   done() :: done;
///   no() :: {no, ubfstring()};
///   close() :: close;
///   order() :: {order, order_2()};
///   order_2() :: #order{count :: 1..99, note :: ubfstring()?} "What a customer wants.";
///   response() :: done | {no, ubfstring()}.
///
/// +STATE start
///   open() => done() & opened | no() & start.
///
/// +STATE opened
///   close() => done() & start;
///   order() => response() & opened.
/// "#;
/// assert_eq!(String::from_utf8(code.print())?, file);
///
/// // The test of a service: the file and the code allow the same, however they are written.
/// let file = Reader::new().read(file)?;
/// file.agrees_with(&code)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What becomes what
/// | Rust | UBF(B) |
/// |---|---|
/// | `bool` | `boolean()` |
/// | `u8`, other integers | `byte()`, a range: `-128..127` |
/// | `f32`, `f64` | `float()`, also for an `f32`, which is not read from all of them |
/// | `char` | `{'#S', [byte()]{1,4}}` |
/// | `str`, `String` | `ubfstring()`, though not all of them are UTF-8 |
/// | `Bytes`, `#[serde(with = "serde_bytes")]` | `binary()` |
/// | `Option<T>`, and fields with `skip_serializing_if` | `T \| undefined`, or `t()?` |
/// | `()` | `undefined` |
/// | `Vec<T>`, slices, sets | `[T]` |
/// | tuples, arrays | `{A, B}` |
/// | `Box<T>`, `&T`, `Cow<T>`, … | what `T` is |
/// | `Result<T, E>` | `{'Ok', T} \| {'Err', E}` |
/// | maps, [`Term`](ubf_codec::Term) | `any()`: a map has a tag, and contracts have no word for tags |
/// | struct, struct variant | `#name{field :: T}` |
/// | tuple struct, tuple variant, newtype variant | `{name, A, B}` |
/// | unit struct, unit variant | `name` |
/// | newtype struct, `transparent` | what is in it |
/// | enum | its variants, `a \| b`; of `untagged` ones, what is in them |
/// | `into`, `from`, `try_from` | what that type is |
///
/// A struct and an enum is a type of the contract, called as in Rust, in `snake_case`; if two would
/// have one name, or it is a built-in type's, with a number behind it. The first paragraph of its
/// documentation is its annotation.
///
/// # Attributes
/// The names are those of serde: `rename`, `rename_all`, `rename_all_fields`, `skip` count. So does
/// `#[contract(…)]`:
///
/// | attribute | at | means |
/// |---|---|---|
/// | `name = "…"` | type | another name in the contract |
/// | `type = "1..99"` | type, field | this type of UBF(B), whatever the Rust type is |
/// | `as = Type` | type, field | what that type is |
///
/// What serde writes in a way that contracts have no words for is an error of the compiler that
/// says what to do: `flatten`, `tag`, `with`, `skip_serializing` alone, names that differ between
/// the two sides.
///
/// # By hand
/// ```
/// use ubf_contract::{Definitions, Described};
///
/// struct Percent(u8);
///
/// impl Described for Percent {
///     fn describe(definitions: &mut Definitions) -> String {
///         definitions.define::<Self>("percent", "of the whole", |_| "0..100".into())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no form in contracts",
    note = "derive `Described` for it, or say what it is with `#[contract(type = \"…\")]` where it \
            is used"
)]
pub trait Described {
    /// The type, as it is written in a contract. What it refers to is put into `definitions`.
    fn describe(definitions: &mut Definitions) -> String;
}

/// An enum whose variants can be messages of their own.
pub trait DescribedEnum: Described {
    /// Their names on the wire.
    const VARIANTS: &'static [&'static str];

    /// One of them, as it is written in a contract; `None` beyond the last.
    fn describe_variant(index: usize, definitions: &mut Definitions) -> Option<String>;
}
