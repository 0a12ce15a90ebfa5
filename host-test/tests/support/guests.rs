//! Policies written down in core WebAssembly text, so that a test can have one that no decent toolchain would make.
#![allow(dead_code, reason = "each test file is a crate of its own and uses a part of this")]

use mandate_link::seam::wit;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap};

/// The component around a core module in text that exports what the world `policy` asks for.
pub fn component(wat: &str) -> Vec<u8> {
    encode(wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}\n{wat}")))
}

/// The same for a core module in bytes.
pub fn encode(module: Vec<u8>) -> Vec<u8> {
    encode_for(&wit::FILES, module)
}

type Files = [(&'static str, &'static str); 4];

/// An earlier contract, as it was.
macro_rules! earlier {
    ($version:literal) => {
        [
            (
                "world.wit",
                include_str!(concat!("../../../filter/seam/tests/contract-", $version, "/world.wit")),
            ),
            (
                "types.wit",
                include_str!(concat!("../../../filter/seam/tests/contract-", $version, "/types.wit")),
            ),
            (
                "request.wit",
                include_str!(concat!("../../../filter/seam/tests/contract-", $version, "/request.wit")),
            ),
            ("log.wit", include_str!(concat!("../../../filter/seam/tests/contract-", $version, "/log.wit"))),
        ]
    };
}

const FIRST: Files = earlier!("0.1.0");
const SECOND: Files = earlier!("0.1.1");

fn encode_for(files: &[(&str, &str)], mut module: Vec<u8>) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let mut contract = SourceMap::new();
    files.iter().for_each(|(name, text)| contract.push_str(name, *text));
    let package = resolve.push_group(contract.parse().map_err(|(_, error)| error).unwrap()).unwrap();
    let world = resolve.select_world(&[package], Some(wit::WORLD)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// A policy in parts. All that is left out behaves.
///
/// Its functions may call every import of the contract (`$method`, `$has-scope`, `$log`, …) and these:
/// - `$abstain`, `$deny (code) (message)`, `$allow (list)` make an answer of `check`, strings and lists as pointer and length
/// - `$refuse (list)` makes an answer of `configure`; `$accept` the other
///
/// Addresses below 1024 are the answers', those from 32768 on the allocator's; `$next` is where it goes on.
pub struct Guest<'a> {
    /// Fields of the module: functions, data, globals.
    pub fields: &'a str,
    /// Body of `configure`, with `$settings` and `$length`.
    pub configure: &'a str,
    /// Body of `check`, with `$request`; it need not give the request back.
    pub check: &'a str,
    /// Body of `cabi_realloc`, with `$old`, `$had`, `$align` and `$size`.
    pub realloc: &'a str,
    /// Pages of its memory.
    pub pages: u32,
    /// Whether the request is given back.
    pub returns: bool,
}

impl Default for Guest<'_> {
    fn default() -> Self {
        Self {
            fields: "",
            configure: "(call $accept)",
            check: "(call $abstain)",
            realloc: "
                ;; room at the next multiple of the alignment
                (local.set $at
                    (i32.and
                        (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
                        (i32.sub (i32.const 0) (local.get $align))))
                (global.set $next (i32.add (local.get $at) (local.get $size)))
                (local.get $at)",
            pages: 1,
            returns: true,
        }
    }
}

impl Guest<'_> {
    /// The component.
    pub fn component(&self) -> Vec<u8> {
        component(&self.wat(&format!("{IMPORTS}{LATER_IMPORTS}")))
    }

    /// The component as it was made for 0.1.0, which has fewer imports.
    pub fn first_component(&self) -> Vec<u8> {
        self.earlier_component(&FIRST, &IMPORTS.replace("@0.1.2", "@0.1.0"))
    }

    /// The component as it was made for 0.1.1, which has fewer cases of `obligation`.
    pub fn second_component(&self) -> Vec<u8> {
        let imports = format!("{IMPORTS}{LATER_IMPORTS}").replace("@0.1.2", "@0.1.1");
        self.earlier_component(&SECOND, &imports)
    }

    fn earlier_component(&self, files: &Files, imports: &str) -> Vec<u8> {
        let wat = self.wat(imports);
        encode_for(files, wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}")))
    }

    fn wat(&self, imports: &str) -> String {
        let Self { fields, configure, check, realloc, pages, returns } = self;
        let give_back = if *returns { "(call $drop (local.get $request))" } else { "" };
        format!(
            r#"(module
            {imports}
            (memory (export "memory") {pages})
            (global $next (mut i32) (i32.const 32768))
            (data (i32.const 256) "guest0.1.0A policy of a test.")
            (func (export "cabi_realloc")
                (param $old i32) (param $had i32) (param $align i32) (param $size i32) (result i32) (local $at i32)
                {realloc})
            (func (export "describe") (result i32)
                (call $pair (i32.const 128) (i32.const 256) (i32.const 5))
                (call $pair (i32.const 136) (i32.const 261) (i32.const 5))
                (call $pair (i32.const 144) (i32.const 266) (i32.const 19))
                (i32.const 128))
            (func (export "configure") (param $settings i32) (param $length i32) (result i32)
                {configure})
            (func (export "check") (param $request i32) (result i32) (local $answer i32)
                (local.set $answer (block (result i32) {check}))
                {give_back}
                (local.get $answer))
            {ANSWERS}
            {fields})"#
        )
    }
}

/// A policy with this body of `check`.
pub fn check(body: &str) -> Vec<u8> {
    Guest { check: body, ..Guest::default() }.component()
}

/// A policy with these fields of the module and this body of `check`.
pub fn check_with(fields: &str, body: &str) -> Vec<u8> {
    Guest { fields, check: body, ..Guest::default() }.component()
}

const IMPORTS: &str = r#"
    (import "mandate:policy/request@0.1.2" "[method]request.method" (func $method (param i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.path" (func $path (param i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.header" (func $header (param i32 i32 i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.principal" (func $principal (param i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.agent" (func $agent (param i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.depth" (func $depth (param i32) (result i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.hop" (func $hop (param i32 i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.has-scope"
        (func $has-scope (param i32 i32 i32) (result i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.scopes" (func $scopes (param i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.claim" (func $claim (param i32 i32 i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.route" (func $route (param i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.now" (func $now (param i32) (result i64)))
    (import "mandate:policy/request@0.1.2" "[resource-drop]request" (func $drop (param i32)))
    (import "mandate:policy/log@0.1.2" "log" (func $log (param i32 i32 i32)))"#;

/// What came after 0.1.0.
const LATER_IMPORTS: &str = r#"
    (import "mandate:policy/request@0.1.2" "[method]request.action" (func $action (param i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.argument" (func $argument (param i32 i32 i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.arguments" (func $arguments (param i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.authority" (func $authority (param i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.query" (func $query (param i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.header-values"
        (func $header-values (param i32 i32 i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.header-names" (func $header-names (param i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.claim-json" (func $claim-json (param i32 i32 i32 i32)))
    (import "mandate:policy/request@0.1.2" "[method]request.hop-kind" (func $hop-kind (param i32 i32 i32)))"#;

const ANSWERS: &str = r"
    ;; two words at an address
    (func $pair (param $at i32) (param $first i32) (param $second i32)
        (i32.store (local.get $at) (local.get $first))
        (i32.store offset=4 (local.get $at) (local.get $second)))
    (func $allow (param $list i32) (param $len i32) (result i32)
        (i32.store8 (i32.const 16) (i32.const 0))
        (call $pair (i32.const 20) (local.get $list) (local.get $len))
        (i32.const 16))
    (func $deny (param $code i32) (param $code-len i32) (param $message i32) (param $message-len i32) (result i32)
        (i32.store8 (i32.const 16) (i32.const 1))
        (call $pair (i32.const 20) (local.get $code) (local.get $code-len))
        (call $pair (i32.const 28) (local.get $message) (local.get $message-len))
        (i32.const 16))
    (func $abstain (result i32)
        (i32.store8 (i32.const 16) (i32.const 2))
        (i32.const 16))
    (func $accept (result i32)
        (i32.store8 (i32.const 64) (i32.const 0))
        (i32.const 64))
    (func $refuse (param $list i32) (param $len i32) (result i32)
        (i32.store8 (i32.const 64) (i32.const 1))
        (call $pair (i32.const 68) (local.get $list) (local.get $len))
        (i32.const 64))";
