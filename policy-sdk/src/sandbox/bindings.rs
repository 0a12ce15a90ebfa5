//! The contract of `wit/`, as `wit-bindgen` sees it. Records and variants are the SDK's own types: a contract that they do
//! not fit does not compile.

wit_bindgen::generate!({
    path: "wit",
    world: "policy",
    pub_export_macro: true,
    default_bindings_module: "mandate_policy::sandbox::bindings",
    with: {
        "mandate:policy/request@0.1.2/action": crate::Action,
        "mandate:policy/request@0.1.2/claim": crate::Claim,
        "mandate:policy/request@0.1.2/identity": crate::Identity,
        "mandate:policy/request@0.1.2/route": crate::Route,
        "mandate:policy/types@0.1.2/denial": crate::Denial,
        "mandate:policy/types@0.1.2/field": crate::Field,
        "mandate:policy/types@0.1.2/obligation": crate::Obligation,
        "mandate:policy/types@0.1.2/problem": crate::Problem,
        "mandate:policy/types@0.1.2/verdict": crate::Verdict,
    },
    generate_all,
});
