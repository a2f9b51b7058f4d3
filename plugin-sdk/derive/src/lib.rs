//! The derive macros of `codecgate-sdk`. They turn an author's types into the tables of `describe` and the code that
//! fills indices; documented with examples in that crate. They know names and Rust types, and no profile.

mod attributes;
mod choice;
mod commands;
mod fields;
mod names;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// A struct that is a response, or any list of fields: `#[derive(Fields)] struct Valve { open: bool }`.
///
/// Names become lowerCamel; `#[field("other_name")]` sets one.
#[proc_macro_derive(Fields, attributes(field))]
pub fn derive_fields(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    fields::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// A service of the profile: `#[derive(Service)] #[service("Meter")] struct Meter { reading: f64 }`. Fields as with
/// `#[derive(Fields)]`, which it includes.
#[proc_macro_derive(Service, attributes(service, field))]
pub fn derive_service(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    fields::derive_service(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// The commands of a codec, one variant each; a variant's fields are the parameters:
/// `#[command("SET_VALVE", service = "Meter", response = Valve)] SetValve { open: bool }`.
///
/// Without a name it is the variant's in SCREAMING_SNAKE, without `response` it is `NoFields`. The enum gets one constant per
/// variant, such as `Command::SET_VALVE`, whose `answer` makes the message for a device's answer.
#[proc_macro_derive(Commands, attributes(command, field))]
pub fn derive_commands(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    commands::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// An enum that is an `enum` of the profile, told as text: variants are SCREAMING_SNAKE, `#[choice("half open")]` sets one.
/// It can be a property, a response field and a parameter.
#[proc_macro_derive(Choice, attributes(choice))]
pub fn derive_choice(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    choice::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
