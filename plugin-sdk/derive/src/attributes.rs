//! What stands in `#[service(..)]`, `#[field(..)]`, `#[command(..)]`, `#[choice(..)]`. Every key that is not known is an error.

use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Ident, LitStr, Result, Token, Type};

/// The content of one of our attributes: a leading name and keys.
#[derive(Default)]
pub(crate) struct Attributes {
    /// `"Meter"`
    pub(crate) name: Option<LitStr>,
    /// `service = "Meter"`
    pub(crate) service: Option<LitStr>,
    /// `response = Valve`
    pub(crate) response: Option<Type>,
}

impl Attributes {
    /// The attribute called `key`; empty when it is not there. `allowed` are its keys.
    pub(crate) fn find(list: &[Attribute], key: &str, allowed: &[&str]) -> Result<Self> {
        let mut found = list.iter().filter(|attribute| attribute.path().is_ident(key));
        let Some(attribute) = found.next() else { return Ok(Self::default()) };
        if let Some(second) = found.next() {
            return Err(syn::Error::new_spanned(second, format!("#[{key}] stands here twice")));
        }
        let parsed: Self = attribute.parse_args()?;
        let keys = [("service", parsed.service.is_some()), ("response", parsed.response.is_some())];
        for (name, given) in keys {
            if given && !allowed.contains(&name) {
                return Err(syn::Error::new_spanned(attribute, format!("#[{key}] takes no `{name}`")));
            }
        }
        if parsed.name.as_ref().is_some_and(|name| name.value().is_empty()) {
            return Err(syn::Error::new_spanned(attribute, "a name cannot be empty"));
        }
        Ok(parsed)
    }

    /// The name given, or the one that follows from the Rust name.
    pub(crate) fn name_or(&self, otherwise: String) -> String {
        self.name.as_ref().map_or(otherwise, LitStr::value)
    }
}

impl Parse for Attributes {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut parsed = Self::default();
        while !input.is_empty() {
            if input.peek(LitStr) {
                parsed.name = Some(input.parse()?);
            } else {
                let key: Ident = input.parse()?;
                match key.to_string().as_str() {
                    "service" => {
                        input.parse::<Token![=]>()?;
                        parsed.service = Some(input.parse()?);
                    }
                    "response" => {
                        input.parse::<Token![=]>()?;
                        parsed.response = Some(input.parse()?);
                    }
                    _ => {
                        return Err(syn::Error::new_spanned(
                            key,
                            "expected a name in quotes, `service = \"..\"` or `response = ..`",
                        ));
                    }
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(parsed)
    }
}
