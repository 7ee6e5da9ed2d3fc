//! `#[derive(Described)]`.

mod attributes;
mod case;

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Error, Fields, Generics, Ident, Result, parse_quote};

use self::attributes::{Container, Field, Replacement, Variant};
use self::case::Case;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let container = Container::of(&input.attrs)?;
    let name = &input.ident;
    let own_name = plain(name);
    let defined_as = match &container.name {
        Some(name) => name.value(),
        None => case::snake(&own_name),
    };
    let annotation = &container.annotation;
    let generics = bounded(&input.generics);
    let (generics, arguments, bounds) = generics.split_for_impl();

    let mut variants = TokenStream::new();
    let described = if let Some(replacement) = &container.replacement {
        replaced(replacement)
    } else if let Some(via) = &container.via {
        quote! { <#via as ::ubf_contract::Described>::describe(definitions) }
    } else {
        let wire_name = container.rename.clone().unwrap_or(own_name);
        match &input.data {
            Data::Struct(data) => {
                let parts = Parts::of(&data.fields, container.rename_all)?;
                if container.is_transparent {
                    parts.only(name)?
                } else {
                    parts.of_struct(&wire_name, name)?
                }
            }
            Data::Enum(data) => {
                let all =
                    data.variants.iter().map(|variant| described_variant(variant, &container));
                let all: Vec<Described> =
                    all.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
                if all.is_empty() {
                    return Err(Error::new(name.span(), "an enum without variants has no values"));
                }
                let names = all.iter().map(|variant| &variant.name);
                let indices = 0..all.len();
                let texts = all.iter().map(|variant| &variant.text);
                variants = quote! {
                    #[automatically_derived]
                    impl #generics ::ubf_contract::DescribedEnum for #name #arguments #bounds {
                        const VARIANTS: &'static [&'static str] = &[#(#names),*];

                        fn describe_variant(
                            index: usize,
                            definitions: &mut ::ubf_contract::Definitions,
                        ) -> ::core::option::Option<::ubf_contract::__private::String> {
                            ::core::option::Option::Some(match index {
                                #(#indices => { #texts })*
                                _ => return ::core::option::Option::None,
                            })
                        }
                    }
                };
                quote! { definitions.variants::<Self>() }
            }
            Data::Union(_) => return Err(Error::new(name.span(), "serde has no unions")),
        }
    };
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::ubf_contract::Described for #name #arguments #bounds {
            fn describe(
                definitions: &mut ::ubf_contract::Definitions,
            ) -> ::ubf_contract::__private::String {
                definitions.define::<Self>(#defined_as, #annotation, |definitions| { #described })
            }
        }

        #variants
    })
}

/// Each parameter has to be described too.
fn bounded(generics: &Generics) -> Generics {
    let mut generics = generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote! { ::ubf_contract::Described });
    }
    generics
}

/// The name without `r#`.
fn plain(name: &Ident) -> String {
    name.to_string().trim_start_matches("r#").to_owned()
}

fn replaced(replacement: &Replacement) -> TokenStream {
    match replacement {
        Replacement::Text(text) => quote! { ::ubf_contract::__private::String::from(#text) },
        Replacement::Type(other) => {
            quote! { <#other as ::ubf_contract::Described>::describe(definitions) }
        }
    }
}

/// A variant: its name, and the code that makes its text.
struct Described {
    name: String,
    text: TokenStream,
}

/// `None` for one that is skipped.
fn described_variant(variant: &syn::Variant, container: &Container) -> Result<Option<Described>> {
    let attributes = Variant::of(&variant.attrs)?;
    if attributes.is_skipped {
        return Ok(None);
    }
    let own_name = plain(&variant.ident);
    let name = attributes.rename.unwrap_or_else(|| container.rename_all.of_variant(&own_name));
    let case = attributes.rename_all.unwrap_or(container.rename_all_fields);
    let parts = Parts::of(&variant.fields, case)?;
    let text = if container.is_untagged || attributes.is_untagged {
        parts.of_untagged(&variant.ident)?
    } else {
        parts.of_variant(&name)
    };
    Ok(Some(Described { name, text }))
}

/// The fields of a struct or of a variant, without those that are skipped.
struct Parts {
    style: Style,
    /// Names, and the code that makes the text of each. Only fields of records have names.
    parts: Vec<(String, TokenStream)>,
}

/// The forms that serde tells apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Unit,
    /// One field without a name; whether it is skipped.
    Newtype {
        is_skipped: bool,
    },
    Tuple,
    Record,
}

impl Parts {
    fn of(fields: &Fields, case: Case) -> Result<Self> {
        let mut parts = Vec::new();
        for field in fields {
            let attributes = Field::of(&field.attrs)?;
            if attributes.is_skipped {
                continue;
            }
            let name = match (&attributes.rename, &field.ident) {
                (Some(name), _) => name.clone(),
                (None, Some(name)) => case.of_field(&plain(name)),
                (None, None) => String::new(),
            };
            let own_type = &field.ty;
            let mut text = match &attributes.replacement {
                Some(replacement) => replaced(replacement),
                None => {
                    quote! { <#own_type as ::ubf_contract::Described>::describe(definitions) }
                }
            };
            if attributes.may_be_missing {
                if field.ident.is_none() {
                    let problem = "only a field with a name may be left out";
                    return Err(Error::new(field.ty.span(), problem));
                }
                text = quote! { ::ubf_contract::Definitions::optional(#text) };
            }
            parts.push((name, text));
        }
        let style = match fields {
            Fields::Unit => Style::Unit,
            Fields::Named(_) => Style::Record,
            Fields::Unnamed(all) if all.unnamed.len() == 1 => {
                Style::Newtype { is_skipped: parts.is_empty() }
            }
            Fields::Unnamed(_) => Style::Tuple,
        };
        Ok(Self { style, parts })
    }

    /// The code for the only field of a transparent struct.
    fn only(&self, at: &Ident) -> Result<TokenStream> {
        match self.parts.as_slice() {
            [(_, text)] => Ok(text.clone()),
            _ => {
                Err(Error::new(at.span(), "a transparent struct has one field that is not skipped"))
            }
        }
    }

    fn of_struct(&self, name: &str, at: &Ident) -> Result<TokenStream> {
        match self.style {
            Style::Newtype { is_skipped: true } => {
                Err(Error::new(at.span(), "the only field is skipped: use a unit struct"))
            }
            Style::Newtype { is_skipped: false } => self.only(at),
            Style::Unit | Style::Tuple | Style::Record => Ok(self.of_variant(name)),
        }
    }

    /// The code for `name`, `{name, …}` or `#name{…}`.
    fn of_variant(&self, name: &str) -> TokenStream {
        let texts = self.parts.iter().map(|(_, text)| text);
        match self.style {
            Style::Unit | Style::Newtype { is_skipped: true } => {
                quote! { definitions.atom(#name) }
            }
            Style::Newtype { is_skipped: false } | Style::Tuple => quote! {
                let parts = [definitions.atom(#name), #(#texts),*];
                ::ubf_contract::Definitions::tuple(&parts)
            },
            Style::Record => {
                let names = self.parts.iter().map(|(name, _)| name);
                quote! {
                    let fields = [#((#names, #texts)),*];
                    definitions.record(#name, &fields)
                }
            }
        }
    }

    fn of_untagged(&self, at: &Ident) -> Result<TokenStream> {
        let texts = self.parts.iter().map(|(_, text)| text);
        match self.style {
            Style::Unit | Style::Newtype { is_skipped: true } => {
                Ok(quote! { ::ubf_contract::__private::String::from("undefined") })
            }
            Style::Newtype { is_skipped: false } => self.only(at),
            Style::Tuple => Ok(quote! {
                let parts = [#(#texts),*];
                ::ubf_contract::Definitions::tuple(&parts)
            }),
            Style::Record => Err(Error::new(
                at.span(),
                "an untagged variant with named fields is written as a record, which is not read \
                 where its name is not known: give it unnamed fields",
            )),
        }
    }
}

#[cfg(test)]
mod tests;
