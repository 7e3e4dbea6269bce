//! The attribute `#[filter]` of the crate `sluice-filter`, which re-exports and documents it.

mod expand;

use proc_macro::TokenStream;

#[proc_macro_attribute]
#[expect(missing_docs, reason = "documented where it is re-exported, so that its examples can use the SDK")]
pub fn filter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::filter(arguments.into(), item.into()).unwrap_or_else(|error| error.into_compile_error()).into()
}
