//! What wit-bindgen makes of `wit/`. The SDK's own types stand in front of it; only the export macro of a filter's
//! component reaches in from outside.

#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::allow_attributes_without_reason,
    clippy::unwrap_used,
    clippy::panic,
    reason = "generated code"
)]

wit_bindgen::generate!({
    path: "wit",
    world: "artifact",
    pub_export_macro: true,
    export_macro_name: "export_artifact",
    default_bindings_module: "sluice_filter::bindings",
    // Strings and lists that go to the host are lowered from borrowed data: an edit or a log line allocates nothing.
    ownership: Borrowing { duplicate_if_necessary: false },
    additional_derives: [PartialEq],
});

/// The one export that a filter may leave out, in a world of its own: a component that exports both is of both worlds.
pub mod stateful {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package sluice:sdk;

            world stateful {
                export sluice:filter/state@0.1.0;
            }
        ",
        world: "sluice:sdk/stateful",
        pub_export_macro: true,
        export_macro_name: "export_state",
        default_bindings_module: "sluice_filter::bindings::stateful",
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}
