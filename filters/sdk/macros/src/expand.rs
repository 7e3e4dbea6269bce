use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Ident, ImplItem, ItemImpl, Meta, Result, Token, Type, parse_quote};

/// Completes the implementation with what its methods say, and exports it.
pub(crate) fn filter(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments: Arguments = syn::parse2(arguments)?;
    let mut implementation: ItemImpl = syn::parse2(item)?;
    let filter = check_shape(&implementation)?.clone();

    let defined = Defined::of(&implementation);
    let plan = plan(&defined, &arguments)?;
    for (name, item) in [
        ("Config", parse_quote! { type Config = ::sluice_filter::NoConfig; }),
        ("State", parse_quote! { type State = (); }),
        ("PLAN", parse_quote! { const PLAN: ::sluice_filter::Plan = #plan; }),
        ("configure", configure()),
    ] {
        if !defined.has(name) {
            implementation.items.push(item);
        }
    }
    let state = arguments.state.then(|| quote!(, state));
    Ok(quote! {
        #implementation
        ::sluice_filter::export!(#filter #state);
    })
}

/// The attribute's arguments: how many bytes of a body are buffered, and whether a state is handed on.
struct Arguments {
    request: Option<Expr>,
    response: Option<Expr>,
    state: bool,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut arguments = Self { request: None, response: None, state: false };
        for argument in Punctuated::<Meta, Token![,]>::parse_terminated(input)? {
            let path = argument.path().clone();
            let name = path.get_ident().map(Ident::to_string).unwrap_or_default();
            let twice = match (name.as_str(), argument) {
                ("request_body", Meta::NameValue(limit)) => arguments.request.replace(limit.value).is_some(),
                ("response_body", Meta::NameValue(limit)) => {
                    arguments.response.replace(limit.value).is_some()
                }
                ("state", Meta::Path(_)) => std::mem::replace(&mut arguments.state, true),
                _ => {
                    let sentence = "expected `request_body = BYTES`, `response_body = BYTES` or `state`";
                    return Err(Error::new_spanned(path, sentence));
                }
            };
            if twice {
                return Err(Error::new_spanned(path, "given twice"));
            }
        }
        Ok(arguments)
    }
}

/// The names of an implementation's items, with where they are.
struct Defined {
    names: Vec<Ident>,
}

impl Defined {
    fn of(implementation: &ItemImpl) -> Self {
        let names = implementation.items.iter().filter_map(|item| match item {
            ImplItem::Fn(method) => Some(method.sig.ident.clone()),
            ImplItem::Type(associated) => Some(associated.ident.clone()),
            ImplItem::Const(associated) => Some(associated.ident.clone()),
            _ => None,
        });
        Self { names: names.collect() }
    }

    fn find(&self, name: &str) -> Option<&Ident> {
        self.names.iter().find(|other| *other == name)
    }

    fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

fn check_shape(implementation: &ItemImpl) -> Result<&Type> {
    let names_filter = implementation
        .trait_
        .as_ref()
        .and_then(|(path, _)| path.segments.last())
        .is_some_and(|segment| segment.ident == "Filter");
    if !names_filter {
        return Err(Error::new(Span::call_site(), "#[filter] belongs on an `impl Filter for …`"));
    }
    if !implementation.generics.params.is_empty() {
        let sentence = "a component exports one type: the filter cannot be generic";
        return Err(Error::new_spanned(&implementation.generics, sentence));
    }
    Ok(&implementation.self_ty)
}

fn plan(defined: &Defined, arguments: &Arguments) -> Result<TokenStream> {
    let phases = [
        ("on_request", quote!(REQUEST)),
        ("on_request_trailers", quote!(REQUEST_TRAILERS)),
        ("on_response", quote!(RESPONSE)),
        ("on_response_trailers", quote!(RESPONSE_TRAILERS)),
        ("on_end", quote!(END)),
    ];
    let phases = phases.iter().filter(|(method, _)| defined.has(method)).map(|(_, phase)| phase);
    let request = body_mode(defined, "request", arguments.request.as_ref())?;
    let response = body_mode(defined, "response", arguments.response.as_ref())?;
    Ok(quote! {
        ::sluice_filter::Plan::NOTHING
            #(.with(::sluice_filter::Phases::#phases))*
            .request_body(#request)
            .response_body(#response)
    })
}

/// How a body is taken. A limit without its method, or a method without its limit, is a mistake that would otherwise show as
/// a filter that is never called.
fn body_mode(defined: &Defined, side: &str, limit: Option<&Expr>) -> Result<TokenStream> {
    let (on_chunk, on_body) = (format!("on_{side}_chunk"), format!("on_{side}_body"));
    // The filter's own plan may choose between the two by its configuration.
    let chosen_later = defined.has("plan") || defined.has("PLAN");
    match (defined.find(&on_chunk), defined.find(&on_body), limit) {
        (Some(_), Some(whole), _) if !chosen_later => Err(Error::new_spanned(
            whole,
            format!("a body comes either in chunks or whole: `{on_chunk}` is defined, too"),
        )),
        (None, None, Some(limit)) | (Some(_), None, Some(limit)) => {
            Err(Error::new_spanned(limit, format!("a limit for a body that no `{on_body}` takes")))
        }
        (_, Some(_), Some(limit)) => Ok(quote!(::sluice_filter::BodyMode::Buffered(#limit))),
        (None, Some(whole), None) if !chosen_later => {
            let sentence =
                format!("how many bytes at most? Say `#[filter({side}_body = BYTES)]`, or define `plan`");
            Err(Error::new_spanned(whole, sentence))
        }
        (Some(_), None, None) => Ok(quote!(::sluice_filter::BodyMode::Stream)),
        _ => Ok(quote!(::sluice_filter::BodyMode::None)),
    }
}

fn configure() -> ImplItem {
    parse_quote! {
        fn configure(_: Self::Config) -> ::core::result::Result<Self, ::sluice_filter::Error> {
            ::core::result::Result::Ok(<Self as ::core::default::Default>::default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(arguments: TokenStream, item: TokenStream) -> String {
        filter(arguments, item).unwrap().to_string().replace(' ', "")
    }

    fn refusal(arguments: TokenStream, item: TokenStream) -> String {
        filter(arguments, item).unwrap_err().to_string()
    }

    #[test]
    fn the_plan_names_the_phases_that_are_defined() {
        let expanded = expand(
            quote!(),
            quote!(impl Filter for F { fn on_request(&mut self) {} fn on_end(&mut self) {} }),
        );
        assert!(
            expanded.contains(
                "NOTHING.with(::sluice_filter::Phases::REQUEST).with(::sluice_filter::Phases::END)"
            )
        );
        assert!(!expanded.contains("RESPONSE"));
    }

    #[test]
    fn what_is_defined_is_not_filled_in() {
        let expanded = expand(
            quote!(),
            quote!(impl sluice_filter::Filter for F {
                type Config = C;
                type State = S;
                const PLAN: Plan = Plan::NOTHING;
                fn configure(config: C) -> Result<Self, Error> { Ok(F) }
            }),
        );
        assert!(
            !expanded.contains("NoConfig") && !expanded.contains("default") && !expanded.contains("Phases")
        );
    }

    #[test]
    fn a_chunk_method_streams_and_a_limit_buffers() {
        let expanded = expand(
            quote!(response_body = 64 * 1024),
            quote!(impl Filter for F { fn on_request_chunk(&mut self) {} fn on_response_body(&mut self) {} }),
        );
        assert!(expanded.contains(".request_body(::sluice_filter::BodyMode::Stream)"));
        assert!(expanded.contains(".response_body(::sluice_filter::BodyMode::Buffered(64*1024))"));
    }

    #[test]
    fn a_body_method_needs_a_limit_or_a_plan() {
        let whole = quote!(impl Filter for F { fn on_request_body(&mut self) {} });
        assert_eq!(
            refusal(quote!(), whole),
            "how many bytes at most? Say `#[filter(request_body = BYTES)]`, or define `plan`"
        );
        let planned =
            quote!(impl Filter for F { fn on_request_body(&mut self) {} fn plan(&self) -> Plan { P } });
        assert!(expand(quote!(), planned).contains(".request_body(::sluice_filter::BodyMode::None)"));
    }

    #[test]
    fn a_limit_without_its_method_is_refused() {
        let nothing = quote!(impl Filter for F {});
        assert_eq!(
            refusal(quote!(request_body = 1), nothing),
            "a limit for a body that no `on_request_body` takes"
        );
    }

    #[test]
    fn chunks_and_a_whole_body_exclude_each_other() {
        let both =
            quote!(impl Filter for F { fn on_request_body(&mut self) {} fn on_request_chunk(&mut self) {} });
        assert!(
            refusal(quote!(request_body = 1), both).starts_with("a body comes either in chunks or whole")
        );
    }

    #[test]
    fn a_state_is_exported_where_the_attribute_says_so() {
        let nothing = quote!(impl Filter for F {});
        assert!(expand(quote!(), nothing.clone()).ends_with("::sluice_filter::export!(F);"));
        assert!(expand(quote!(state), nothing.clone()).ends_with("::sluice_filter::export!(F,state);"));
        let both = quote!(impl Filter for F { fn on_request_body(&mut self) {} });
        let expanded = expand(quote!(state, request_body = 7), both);
        assert!(expanded.contains("Buffered(7)") && expanded.contains("export!(F,state)"));
        assert_eq!(refusal(quote!(state, state), nothing.clone()), "given twice");
        assert!(refusal(quote!(state = 1), nothing).starts_with("expected `request_body"));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        assert_eq!(refusal(quote!(), quote!(impl F {})), "#[filter] belongs on an `impl Filter for …`");
        assert_eq!(
            refusal(quote!(), quote!(impl Clone for F {})),
            "#[filter] belongs on an `impl Filter for …`"
        );
        assert!(
            refusal(
                quote!(),
                quote!(
                    impl<T> Filter for F<T> {}
                )
            )
            .starts_with("a component exports one type")
        );
        assert!(
            refusal(quote!(limit = 1), quote!(impl Filter for F {})).starts_with("expected `request_body")
        );
    }
}
