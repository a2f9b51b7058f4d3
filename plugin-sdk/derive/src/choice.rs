//! `#[derive(Choice)]`: an enum of texts, as a property or a parameter.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, Result};

use crate::attributes::Attributes;
use crate::names::screaming_snake;

/// `#[derive(Choice)]`
pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(body) = &input.data else {
        return Err(syn::Error::new_spanned(&input.ident, "this derive is for enums"));
    };
    let mut idents = Vec::new();
    let mut texts = Vec::new();
    for variant in &body.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(syn::Error::new_spanned(variant, "a choice is a name and nothing more"));
        }
        let text = Attributes::find(&variant.attrs, "choice", &[])?.name_or(screaming_snake(&variant.ident.to_string()));
        if texts.contains(&text) {
            return Err(syn::Error::new_spanned(variant, format!("the text {text:?} is taken")));
        }
        idents.push(&variant.ident);
        texts.push(text);
    }
    if texts.is_empty() {
        return Err(syn::Error::new_spanned(&input.ident, "a choice of nothing"));
    }
    let wanted = format!("one of {}", texts.join(", "));
    let name = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::codecgate_sdk::IntoValue for #name {
            const TYPE: ::codecgate_sdk::wire::ValueType = ::codecgate_sdk::wire::ValueType::Text;

            fn into_value(self) -> ::core::option::Option<::codecgate_sdk::wire::Value> {
                let text = match self { #(Self::#idents => #texts,)* };
                ::core::option::Option::Some(::codecgate_sdk::wire::Value::Text(::std::string::String::from(text)))
            }
        }

        #[automatically_derived]
        impl ::codecgate_sdk::FromValue for #name {
            const TYPE: ::codecgate_sdk::wire::ValueType = ::codecgate_sdk::wire::ValueType::Text;

            fn from_value(
                value: ::core::option::Option<::codecgate_sdk::wire::Value>,
            ) -> ::core::result::Result<Self, ::std::borrow::Cow<'static, str>> {
                if let ::core::option::Option::Some(::codecgate_sdk::wire::Value::Text(text)) = &value {
                    match text.as_str() {
                        #(#texts => return ::core::result::Result::Ok(Self::#idents),)*
                        _ => {}
                    }
                }
                ::core::result::Result::Err(::codecgate_sdk::derived::unfit(#wanted, value.as_ref()))
            }
        }
    })
}
