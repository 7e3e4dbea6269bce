//! Bindings of the filter contract.
wit_bindgen::generate!({
    path: "wit",
    world: "artifact",
    pub_export_macro: true,
    export_macro_name: "export_artifact",
    default_bindings_module: "sluice_filter",
});
