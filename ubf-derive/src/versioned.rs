//! `#[derive(Versioned)]`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{DeriveInput, Error, LitInt, Result, Token, Type, parse_quote};

/// The highest version there is.
const MAX_VERSION: u32 = i32::MAX.unsigned_abs();
/// Versions that one message may name. Chosen: far more than a contract has, and few enough for the
/// compiler.
const MAX_VERSIONS: u32 = 1024;

/// `1, v1::Request` or `2..=3, v2::Request`.
struct Form {
    first: u32,
    last: u32,
    form: Type,
    span: Span,
}

impl Parse for Form {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let literal: LitInt = input.parse()?;
        let first = version(&literal)?;
        let last = if input.peek(Token![..=]) {
            input.parse::<Token![..=]>()?;
            let last: LitInt = input.parse()?;
            let number = version(&last)?;
            if number < first {
                return Err(Error::new(last.span(), format!("expected {first} or more")));
            }
            number
        } else {
            first
        };
        input.parse::<Token![,]>()?;
        let form = input.parse()?;
        if !input.is_empty() {
            return Err(input.error("expected nothing behind the type"));
        }
        Ok(Self { first, last, form, span: literal.span() })
    }
}

fn version(literal: &LitInt) -> Result<u32> {
    let number = literal.base10_parse()?;
    if (1..=MAX_VERSION).contains(&number) {
        Ok(number)
    } else {
        Err(Error::new(literal.span(), format!("a version is a number from 1 to {MAX_VERSION}")))
    }
}

impl Form {
    /// Whether the message itself is what is written.
    fn is_self(&self) -> bool {
        matches!(&self.form, Type::Path(path) if path.path.is_ident("Self"))
    }
}

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let forms = forms(input)?;
    let name = &input.ident;
    let mut bounded = input.generics.clone();
    if forms.iter().any(Form::is_self) && !bounded.params.is_empty() {
        // Whether the type can be written depends on its parameters.
        bounded.make_where_clause().predicates.push(parse_quote! {
            Self: ::ubf_codec::__private::Serialize + ::ubf_codec::__private::DeserializeOwned
        });
    }
    let (generics, arguments, bounds) = bounded.split_for_impl();
    let numbers = forms.iter().flat_map(|form| form.first..=form.last);
    let write = forms.iter().map(|form| {
        let (pattern, ty) = (pattern(form), &form.form);
        let write = if form.is_self() {
            quote! { ::ubf_codec::__private::write(version, self) }
        } else {
            quote! { ::ubf_codec::__private::write_as::<Self, #ty>(version, self) }
        };
        quote! { #pattern => #write, }
    });
    let read = forms.iter().map(|form| {
        let (pattern, ty) = (pattern(form), &form.form);
        let read = if form.is_self() {
            quote! { ::ubf_codec::__private::read::<Self>(version, term) }
        } else {
            quote! { ::ubf_codec::__private::read_as::<Self, #ty>(version, term) }
        };
        quote! { #pattern => #read, }
    });
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::ubf_codec::Versioned for #name #arguments #bounds {
            const VERSIONS: &'static [::ubf_codec::Version] =
                &[#(::ubf_codec::__private::version(#numbers)),*];

            fn to_term(
                &self,
                version: ::ubf_codec::Version,
            ) -> ::core::result::Result<::ubf_codec::Term, ::ubf_codec::VersionedError> {
                match version.get() {
                    #(#write)*
                    _ => ::core::result::Result::Err(::ubf_codec::VersionedError::no_form(version)),
                }
            }

            fn from_term(
                version: ::ubf_codec::Version,
                term: ::ubf_codec::TermRef<'_>,
            ) -> ::core::result::Result<Self, ::ubf_codec::VersionedError> {
                match version.get() {
                    #(#read)*
                    _ => ::core::result::Result::Err(::ubf_codec::VersionedError::no_form(version)),
                }
            }
        }
    })
}

fn pattern(form: &Form) -> TokenStream {
    let (first, last) = (form.first, form.last);
    if first == last {
        quote! { #first }
    } else {
        quote! { #first..=#last }
    }
}

/// The forms, lowest version first. No version has two.
fn forms(input: &DeriveInput) -> Result<Vec<Form>> {
    let attributes = input.attrs.iter().filter(|attribute| attribute.path().is_ident("version"));
    let mut forms = attributes.map(syn::Attribute::parse_args).collect::<Result<Vec<Form>>>()?;
    if forms.is_empty() {
        let example = "#[version(1, v1::Request)]";
        let problem = format!("no version is named: expected one or more like `{example}`");
        return Err(Error::new(input.ident.span(), problem));
    }
    forms.sort_by_key(|form| form.first);
    let mut count = 0_u32;
    for (index, form) in forms.iter().enumerate() {
        if let Some(before) = index.checked_sub(1).and_then(|before| forms.get(before))
            && form.first <= before.last
        {
            let problem = format!("version {} is named twice", form.first);
            return Err(Error::new(form.span, problem));
        }
        count = count.saturating_add(form.last - form.first).saturating_add(1);
        if count > MAX_VERSIONS {
            let problem = format!("more than {MAX_VERSIONS} versions are named");
            return Err(Error::new(form.span, problem));
        }
    }
    Ok(forms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(input: &DeriveInput) -> String {
        expand(input).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_said() {
        let none = parse_quote! { struct Get(u32); };
        assert_eq!(
            problem(&none),
            "no version is named: expected one or more like `#[version(1, v1::Request)]`"
        );
        let twice = parse_quote! { #[version(1..=3, A)] #[version(3, B)] struct Get(u32); };
        assert_eq!(problem(&twice), "version 3 is named twice");
        let zero = parse_quote! { #[version(0, A)] struct Get(u32); };
        assert_eq!(problem(&zero), "a version is a number from 1 to 2147483647");
        let backwards = parse_quote! { #[version(3..=2, A)] struct Get(u32); };
        assert_eq!(problem(&backwards), "expected 3 or more");
        let many = parse_quote! { #[version(1..=2147483647, A)] struct Get(u32); };
        assert_eq!(problem(&many), "more than 1024 versions are named");
        let no_type = parse_quote! { #[version(1)] struct Get(u32); };
        assert_eq!(problem(&no_type), "expected `,`");
    }

    #[test]
    fn the_versions_are_in_order_whatever_order_they_are_named_in() {
        let input = parse_quote! { #[version(4, Self)] #[version(1..=2, A)] struct Get(u32); };
        let found = forms(&input).unwrap();
        let found: Vec<_> = found.iter().map(|form| (form.first, form.last)).collect();
        assert_eq!(found, [(1, 2), (4, 4)]);
    }
}
