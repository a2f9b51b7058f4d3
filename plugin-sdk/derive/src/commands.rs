//! `#[derive(Commands)]`: an enum's variants as the table of commands, and parameters by index back into a variant.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, LitInt, Result, Variant, parse_quote};

use crate::attributes::Attributes;
use crate::fields::{Column, columns, table};
use crate::names::screaming_snake;

/// What one variant becomes.
struct Parts {
    row: TokenStream,
    arm: TokenStream,
    constant: TokenStream,
}

/// `#[derive(Commands)]`
pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(body) = &input.data else {
        return Err(syn::Error::new_spanned(&input.ident, "this derive is for enums, one variant for each command"));
    };
    let mut rows = Vec::new();
    let mut arms = Vec::new();
    let mut constants = Vec::new();
    for (index, variant) in body.variants.iter().enumerate() {
        let parts = parts(index, variant, &input.vis)?;
        rows.push(parts.row);
        arms.push(parts.arm);
        constants.push(parts.constant);
    }
    let name = &input.ident;
    let (generics, arguments, conditions) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics #name #arguments #conditions {
            #(#constants)*
        }

        #[automatically_derived]
        impl #generics ::codecgate_sdk::Commands for #name #arguments #conditions {
            const TABLE: &'static [::codecgate_sdk::wire::CommandDescription] = &[#(#rows),*];

            fn from_fields(
                index: u16,
                fields: ::std::vec::Vec<::codecgate_sdk::wire::Field>,
            ) -> ::codecgate_sdk::Result<Self> {
                match index {
                    #(#arms)*
                    other => ::core::result::Result::Err(::codecgate_sdk::derived::unknown_command(other)),
                }
            }
        }
    })
}

fn parts(index: usize, variant: &Variant, visibility: &syn::Visibility) -> Result<Parts> {
    let Ok(index) = u16::try_from(index) else {
        return Err(syn::Error::new_spanned(variant, "more commands than an index can name"));
    };
    let index = LitInt::new(&format!("{index}u16"), variant.ident.span());
    let attributes = Attributes::find(&variant.attrs, "command", &["service", "response"])?;
    let Some(service) = attributes.service.as_ref() else {
        let hint = "which service does the command belong to? #[command(service = \"Meter\")]";
        return Err(syn::Error::new_spanned(variant, hint));
    };
    let constant = format_ident!("{}", screaming_snake(&variant.ident.to_string()), span = variant.ident.span());
    let name = attributes.name_or(constant.to_string());
    let response = attributes.response.clone().unwrap_or_else(|| parse_quote!(::codecgate_sdk::NoFields));
    let columns = columns(&variant.fields)?;
    let params = table(&columns, &quote!(FromValue));
    let about = format!("`{name}` of the service `{}`.", service.value());
    Ok(Parts {
        row: quote! {
            ::codecgate_sdk::wire::CommandDescription {
                service: #service,
                name: #name,
                params: #params,
                response: <#response as ::codecgate_sdk::Fields>::FIELDS,
            }
        },
        arm: arm(&index, variant, &columns),
        constant: quote! {
            #[doc = #about]
            #[allow(dead_code, reason = "a codec need not tell which command an answer is for")]
            #visibility const #constant: ::codecgate_sdk::CommandRef<#response> =
                ::codecgate_sdk::derived::command_ref(#index);
        },
    })
}

/// `0u16 => { .. Ok(Self::SetValve { open: .. }) }`
fn arm(index: &LitInt, variant: &Variant, columns: &[Column]) -> TokenStream {
    let ident = &variant.ident;
    let slots: Vec<_> = (0..columns.len()).map(|at| format_ident!("slot{at}")).collect();
    let indices = columns.iter().map(|column| &column.index);
    let idents = columns.iter().map(|column| &column.ident);
    let names = columns.iter().map(|column| &column.name);
    quote! {
        #index => {
            #(let mut #slots = ::core::option::Option::None;)*
            for field in fields {
                match field.index {
                    #(#indices => #slots = ::core::option::Option::Some(field.value),)*
                    other => return ::core::result::Result::Err(::codecgate_sdk::derived::unknown_parameter(other)),
                }
            }
            ::core::result::Result::Ok(Self::#ident {
                #(#idents: ::codecgate_sdk::derived::parameter(#names, #slots)?,)*
            })
        }
    }
}
