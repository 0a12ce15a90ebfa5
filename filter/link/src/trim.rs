//! Leaving out the callbacks that do nothing.

use crate::LinkError;
use crate::filter::FEATURES;
use wasm_encoder::reencode::{Reencode as _, RoundtripReencoder};
use wasm_encoder::{ExportSection, Module, RawSection};
use wasmparser::{Parser, Payload, Validator};

/// Callbacks of the proxy-wasm ABI that the filter leaves to the crate's defaults, which do nothing. A proxy skips what a
/// module does not export, and each spared callback is a call into the virtual machine less, for every request.
const IDLE_CALLBACKS: [&str; 18] = [
    "proxy_on_done",
    "proxy_on_downstream_connection_close",
    "proxy_on_downstream_data",
    "proxy_on_foreign_function",
    "proxy_on_grpc_close",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_receive_initial_metadata",
    "proxy_on_grpc_receive_trailing_metadata",
    "proxy_on_log",
    "proxy_on_new_connection",
    "proxy_on_queue_ready",
    "proxy_on_request_metadata",
    "proxy_on_response_body",
    "proxy_on_response_headers",
    "proxy_on_response_metadata",
    "proxy_on_response_trailers",
    "proxy_on_upstream_connection_close",
    "proxy_on_upstream_data",
];

/// Whether an export of the filter is a callback that does nothing.
pub(crate) fn is_idle(export: &str) -> bool {
    IDLE_CALLBACKS.binary_search(&export).is_ok()
}

/// The filter without the callbacks that do nothing. Policies can still be linked into it.
///
/// # Errors
/// [`LinkError::Filter`] if it is no module.
pub fn trim(filter: &[u8]) -> Result<Vec<u8>, LinkError> {
    let wrong = |error: wasmparser::Error| LinkError::Filter(error.to_string());
    if !Parser::is_core_wasm(filter) {
        return Err(LinkError::Filter("it is no core module".to_owned()));
    }
    Validator::new_with_features(FEATURES).validate_all(filter).map_err(wrong)?;
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(filter) {
        let payload = payload.map_err(wrong)?;
        if let Payload::ExportSection(exports) = payload {
            let mut kept = ExportSection::new();
            for export in exports {
                let export = export.map_err(wrong)?;
                if let (false, Ok(kind)) = (is_idle(export.name), RoundtripReencoder.export_kind(export.kind))
                {
                    kept.export(export.name, kind, export.index);
                }
            }
            module.section(&kept);
        } else if let Some((id, range)) = payload.as_section() {
            let place = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
            let data = place.and_then(|(start, end)| filter.get(start..end)).unwrap_or_default();
            module.section(&RawSection { id, data });
        }
    }
    Ok(module.finish())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn idle_callbacks_are_sorted_for_the_search() {
        assert!(IDLE_CALLBACKS.is_sorted());
        assert!(is_idle("proxy_on_log") && !is_idle("proxy_on_request_headers"));
    }

    #[test]
    fn nothing_but_idle_callbacks_goes() {
        let module = wat::parse_str(
            r#"(module (func $f) (memory 1) (export "proxy_on_log" (func $f)) (export "memory" (memory 0))
                (export "mandate_seam_call" (func $f)) (export "proxy_on_tick" (func $f)) (data "x"))"#,
        );
        let wanted = wat::parse_str(
            r#"(module (func $f) (memory 1) (export "memory" (memory 0))
                (export "mandate_seam_call" (func $f)) (export "proxy_on_tick" (func $f)) (data "x"))"#,
        );
        let strip = |module: Vec<u8>| trim(&module).unwrap();
        assert_eq!(strip(module.unwrap()), strip(wanted.unwrap()));
        assert!(trim(b"no module").is_err());
    }
}
