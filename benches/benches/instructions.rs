//! What requests take of the module in WebAssembly instructions, for where times are too noisy to compare.
#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program that reports, and writes the JSON that it indexes"
)]

use comfy_table::{Cell, CellAlignment, Table, presets};
use mandate_benches::count::{bound, first_sight, known, tool_call};
use mandate_benches::proxy::bundle::{five_policies, with_three_policies};
use mandate_benches::{NOW, Setup, headers};
use mandate_harness::VerifySignature;
use mandate_host::FILTER;
use mandate_host::tokens::Algorithm;
use serde_json::json;
use wasmtime::Result;

fn main() -> Result<()> {
    let setup = Setup::new(Algorithm::Es256)?;
    let bundle = five_policies(FILTER)?;
    let three = with_three_policies(&setup.configuration);
    let mut nothing_added = three.clone();
    nothing_added["upstream"] = json!({ "identity_headers": false, "forward_token": true });
    let mut anonymous = setup.configuration.clone();
    anonymous["routes"] = json!([{ "match": { "path_prefix": "/v1/" }, "anonymous": true }]);
    let usual = headers(&setup.authorization_at(NOW, 3, 0)?);
    let mut rows = vec![
        ("anonymous route".to_owned(), known(FILTER, &anonymous, &usual)?),
        ("known token, no policy".to_owned(), known(FILTER, &setup.configuration, &usual)?),
        ("known token, three policies".to_owned(), known(&bundle, &three, &usual)?),
        ("the same, adding no headers".to_owned(), known(&bundle, &nothing_added, &usual)?),
    ];
    for bytes in [1024, 65_536] {
        let taken = tool_call(FILTER, &setup, bytes)?;
        rows.push((format!("known token, a tool call of about {bytes} bytes"), taken));
    }
    for algorithm in [Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa] {
        let (by, signatures) = match algorithm {
            Algorithm::EdDsa => ("in the module", VerifySignature::Absent),
            _ => ("by the proxy", VerifySignature::Real),
        };
        let taken = bound(FILTER, &setup, algorithm, signatures)?;
        rows.push((format!("known token with a new DPoP proof, {algorithm}, verified {by}"), taken));
    }
    for algorithm in [Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa] {
        let setup = Setup::new(algorithm)?;
        let mut row = |what: &str, signatures| -> Result<()> {
            let taken = first_sight(FILTER, &setup, signatures)?;
            rows.push((format!("first sight of a token, {algorithm}, verified {what}"), taken));
            Ok(())
        };
        if algorithm != Algorithm::EdDsa {
            row("by the proxy", VerifySignature::Real)?;
        }
        row("in the module", VerifySignature::Absent)?;
    }
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(["one request", "instructions"]);
    for (what, taken) in rows {
        let taken = Cell::new(taken.to_string()).set_alignment(CellAlignment::Right);
        table.add_row([Cell::new(what), taken]);
    }
    println!("{table}");
    Ok(())
}
