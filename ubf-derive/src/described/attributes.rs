//! What the attributes `serde` and `contract` say, as far as it changes what is written.

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, Expr, ExprLit, Lit, LitStr, Result, Token, Type};

use super::case::Case;

/// What stands in the contract in the place of what the derive would write there.
pub(super) enum Replacement {
    /// A type of UBF(B).
    Text(LitStr),
    /// What that type is in the contract.
    Type(Box<Type>),
}

/// The attributes of a struct or an enum.
#[derive(Default)]
pub(super) struct Container {
    pub(super) rename: Option<String>,
    pub(super) rename_all: Case,
    pub(super) rename_all_fields: Case,
    pub(super) is_transparent: bool,
    pub(super) is_untagged: bool,
    /// Of `into`, `from` and `try_from`: the type that is written and read instead.
    pub(super) via: Option<Type>,
    pub(super) replacement: Option<Replacement>,
    /// Its name in the contract.
    pub(super) name: Option<LitStr>,
    pub(super) annotation: String,
}

/// The attributes of a variant.
#[derive(Default)]
pub(super) struct Variant {
    pub(super) rename: Option<String>,
    pub(super) rename_all: Option<Case>,
    pub(super) is_untagged: bool,
    pub(super) is_skipped: bool,
}

/// The attributes of a field.
#[derive(Default)]
pub(super) struct Field {
    pub(super) rename: Option<String>,
    pub(super) is_skipped: bool,
    /// Its place in a record may hold `undefined`, whatever its type is.
    pub(super) may_be_missing: bool,
    pub(super) replacement: Option<Replacement>,
}

/// What an attribute means that no contract can say.
fn untold(what: &str) -> String {
    format!(
        "{what}, and UBF(B) has no word for terms with tags: \
         say what is allowed with #[contract(type = \"any()\")]"
    )
}

impl Container {
    pub(super) fn of(attributes: &[Attribute]) -> Result<Self> {
        let mut container = Self { annotation: annotation(attributes), ..Self::default() };
        each(attributes, "contract", |name, meta| match name {
            "name" => {
                container.name = Some(text(meta)?);
                Ok(())
            }
            "type" | "as" => replace(&mut container.replacement, name, meta),
            _ => Err(meta.error("expected `name`, `type` or `as`")),
        })?;
        // What is replaced may be written in any way.
        if container.replacement.is_none() {
            each(attributes, "serde", |name, meta| container.serde(name, meta))?;
        }
        Ok(container)
    }

    fn serde(&mut self, name: &str, meta: &ParseNestedMeta<'_>) -> Result<()> {
        match name {
            "rename" => self.rename = Some(both(meta)?.value()),
            "rename_all" => self.rename_all = Case::named(&both(meta)?)?,
            "rename_all_fields" => self.rename_all_fields = Case::named(&both(meta)?)?,
            "transparent" => self.is_transparent = true,
            "untagged" => self.is_untagged = true,
            "into" | "from" | "try_from" => {
                let other: Type = text(meta)?.parse()?;
                let words = |one: &Type| one.to_token_stream().to_string();
                if self.via.as_ref().is_some_and(|via| words(via) != words(&other)) {
                    return Err(meta.error("what is written is of another type than what is read"));
                }
                self.via = Some(other);
            }
            "default" | "deny_unknown_fields" | "bound" | "crate" | "expecting" => skip(meta)?,
            "tag" | "content" => {
                return Err(meta.error(untold("such an enum is written as a list with a tag")));
            }
            _ => return Err(unknown(meta)),
        }
        Ok(())
    }
}

impl Variant {
    pub(super) fn of(attributes: &[Attribute]) -> Result<Self> {
        let mut variant = Self::default();
        each(attributes, "contract", |_, meta| Err(meta.error("a variant has no such attribute")))?;
        let mut halves = Halves::default();
        each(attributes, "serde", |name, meta| {
            match name {
                "rename" => variant.rename = Some(both(meta)?.value()),
                "rename_all" => variant.rename_all = Some(Case::named(&both(meta)?)?),
                "untagged" => variant.is_untagged = true,
                "alias" | "other" | "bound" | "borrow" => skip(meta)?,
                "with" | "serialize_with" | "deserialize_with" => {
                    return Err(
                        meta.error("expected it at a field, where a contract can replace it")
                    );
                }
                _ if halves.take(name, meta) => {}
                _ => return Err(unknown(meta)),
            }
            Ok(())
        })?;
        variant.is_skipped = halves.are_both()?;
        Ok(variant)
    }
}

impl Field {
    pub(super) fn of(attributes: &[Attribute]) -> Result<Self> {
        let mut field = Self::default();
        each(attributes, "contract", |name, meta| match name {
            "type" | "as" => replace(&mut field.replacement, name, meta),
            _ => Err(meta.error("expected `type` or `as`")),
        })?;
        let mut halves = Halves::default();
        each(attributes, "serde", |name, meta| {
            match name {
                "rename" => field.rename = Some(both(meta)?.value()),
                "skip_serializing_if" => {
                    skip(meta)?;
                    field.may_be_missing = true;
                }
                "default" | "alias" | "bound" | "borrow" => skip(meta)?,
                "flatten" => {
                    let what = "a struct with flattened fields is written as a list with a tag";
                    return Err(meta.error(format!("{}, at the struct", untold(what))));
                }
                "with" | "serialize_with" | "deserialize_with" => {
                    let way = text(meta)?;
                    if field.replacement.is_none() && way.value() == "serde_bytes" {
                        field.replacement =
                            Some(Replacement::Text(LitStr::new("binary()", way.span())));
                    } else if field.replacement.is_none() {
                        return Err(meta.error(
                            "the field is written by that code: say what it is with \
                             #[contract(type = \"…\")] or #[contract(as = Type)]",
                        ));
                    }
                }
                _ if halves.take(name, meta) => {}
                _ => return Err(unknown(meta)),
            }
            Ok(())
        })?;
        field.is_skipped = halves.are_both()?;
        Ok(field)
    }
}

/// `skip_serializing` and `skip_deserializing`, which are `skip` together, and for which there is
/// no contract alone.
#[derive(Default)]
struct Halves {
    written: bool,
    read: bool,
    place: Option<Span>,
}

impl Halves {
    fn take(&mut self, name: &str, meta: &ParseNestedMeta<'_>) -> bool {
        match name {
            "skip" => (self.written, self.read) = (true, true),
            "skip_serializing" => self.written = true,
            "skip_deserializing" => self.read = true,
            _ => return false,
        }
        self.place = meta.path.get_ident().map(syn::Ident::span);
        true
    }

    fn are_both(self) -> Result<bool> {
        if self.written == self.read {
            return Ok(self.written);
        }
        Err(Error::new(
            self.place.unwrap_or_else(Span::call_site),
            "a contract is for both sides, and what one writes the other does not read: use `skip`",
        ))
    }
}

/// Shows each word of these attributes, with its name, to `look`.
fn each(
    attributes: &[Attribute],
    name: &str,
    mut look: impl FnMut(&str, &ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(name)) {
        attribute.parse_nested_meta(|meta| {
            let word = meta.path.require_ident()?.to_string();
            look(word.trim_start_matches("r#"), &meta)
        })?;
    }
    Ok(())
}

/// `= "text"`
fn text(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    meta.value()?.parse()
}

/// `= "text"`, or `(serialize = "text", deserialize = "text")`, twice the same.
fn both(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    if meta.input.peek(Token![=]) {
        return text(meta);
    }
    let (mut written, mut read) = (None, None);
    meta.parse_nested_meta(|side| {
        let name = text(&side)?;
        if side.path.is_ident("serialize") {
            written = Some(name);
        } else if side.path.is_ident("deserialize") {
            read = Some(name);
        } else {
            return Err(side.error("expected `serialize` or `deserialize`"));
        }
        Ok(())
    })?;
    match (written, read) {
        (Some(written), Some(read)) if written.value() == read.value() => Ok(written),
        _ => {
            Err(meta.error("a contract is for both sides: what is written has to be what is read"))
        }
    }
}

/// Reads over whatever an attribute has that changes nothing.
fn skip(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        meta.parse_nested_meta(|inner| skip(&inner))?;
    }
    Ok(())
}

fn replace(place: &mut Option<Replacement>, name: &str, meta: &ParseNestedMeta<'_>) -> Result<()> {
    if place.is_some() {
        return Err(meta.error("`type` and `as` are said once"));
    }
    *place = Some(if name == "as" {
        Replacement::Type(Box::new(meta.value()?.parse()?))
    } else {
        Replacement::Text(text(meta)?)
    });
    Ok(())
}

fn unknown(meta: &ParseNestedMeta<'_>) -> Error {
    meta.error(
        "contracts do not know this attribute of serde: say what the type is with \
         #[contract(type = \"…\")] or #[contract(as = Type)]",
    )
}

/// The first paragraph of the documentation, on one line. Annotations have no escapes, so that `"`
/// becomes `'`.
fn annotation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| {
        let pair = attribute.meta.require_name_value().ok()?;
        let is_text = pair.path.is_ident("doc");
        if let Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) = &pair.value
            && is_text
        {
            return Some(line.value());
        }
        None
    });
    let lines: Vec<String> = lines.map(|line| line.trim().replace('"', "'")).collect();
    let paragraph = lines.iter().skip_while(|line| line.is_empty());
    let paragraph: Vec<&str> =
        paragraph.take_while(|line| !line.is_empty()).map(String::as_str).collect();
    paragraph.join(" ")
}
