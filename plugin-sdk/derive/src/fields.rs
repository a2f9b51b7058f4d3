//! `#[derive(Fields)]` and `#[derive(Service)]`: a struct's fields as a table, and its values with their indices.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Field, Fields, Ident, LitInt, Result, Type};

use crate::attributes::Attributes;
use crate::names::lower_camel;

/// One field of a struct or of a command.
pub(crate) struct Column {
    /// The Rust name.
    pub(crate) ident: Ident,
    /// The name in the profile.
    pub(crate) name: String,
    /// The Rust type.
    pub(crate) ty: Type,
    /// Position in the table, as a `u16` literal.
    pub(crate) index: LitInt,
}

/// The columns of `fields`, which need names that differ.
pub(crate) fn columns(fields: &Fields) -> Result<Vec<Column>> {
    if let Fields::Unnamed(unnamed) = fields {
        return Err(syn::Error::new_spanned(unnamed, "the fields need names: they are the names in the profile"));
    }
    let mut names = HashSet::new();
    fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let column = column(index, field)?;
            if names.insert(column.name.clone()) {
                return Ok(column);
            }
            Err(syn::Error::new_spanned(field, format!("the name {:?} is taken", column.name)))
        })
        .collect()
}

fn column(index: usize, field: &Field) -> Result<Column> {
    let Some(ident) = field.ident.clone() else {
        return Err(syn::Error::new_spanned(field, "the field needs a name"));
    };
    let Ok(index) = u16::try_from(index) else {
        return Err(syn::Error::new_spanned(field, "more fields than an index can name"));
    };
    let attributes = Attributes::find(&field.attrs, "field", &[])?;
    let name = attributes.name_or(lower_camel(&ident.unraw().to_string()));
    let index = LitInt::new(&format!("{index}u16"), ident.span());
    Ok(Column { ident, name, ty: field.ty.clone(), index })
}

/// The table of columns, typed by `side`: `IntoValue` or `FromValue`.
pub(crate) fn table(columns: &[Column], side: &TokenStream) -> TokenStream {
    let rows = columns.iter().map(|Column { name, ty, .. }| {
        quote! {
            ::codecgate_sdk::wire::FieldDescription {
                name: #name,
                value_type: <#ty as ::codecgate_sdk::#side>::TYPE,
            }
        }
    });
    quote! { &[#(#rows),*] }
}

/// `#[derive(Fields)]`
pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(body) = &input.data else {
        return Err(syn::Error::new_spanned(&input.ident, "this derive is for structs"));
    };
    let columns = columns(&body.fields)?;
    let table = table(&columns, &quote!(IntoValue));
    let count = columns.len();
    let pushes = columns.iter().map(|Column { ident, index, .. }| {
        quote! {
            if let ::core::option::Option::Some(value) = ::codecgate_sdk::IntoValue::into_value(self.#ident) {
                fields.push(::codecgate_sdk::wire::Field { index: #index, value });
            }
        }
    });
    let name = &input.ident;
    let (generics, arguments, conditions) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::codecgate_sdk::Fields for #name #arguments #conditions {
            const FIELDS: &'static [::codecgate_sdk::wire::FieldDescription] = #table;

            fn into_fields(self) -> ::std::vec::Vec<::codecgate_sdk::wire::Field> {
                let mut fields = ::std::vec::Vec::with_capacity(#count);
                #(#pushes)*
                fields
            }
        }
    })
}

/// `#[derive(Service)]`
pub(crate) fn derive_service(input: &DeriveInput) -> Result<TokenStream> {
    let Some(id) = Attributes::find(&input.attrs, "service", &[])?.name else {
        return Err(syn::Error::new_spanned(&input.ident, "which service? #[service(\"Meter\")]"));
    };
    let fields = derive(input)?;
    let name = &input.ident;
    let (generics, arguments, conditions) = input.generics.split_for_impl();
    Ok(quote! {
        #fields

        #[automatically_derived]
        impl #generics ::codecgate_sdk::Service for #name #arguments #conditions {
            const ID: &'static str = #id;
        }
    })
}
