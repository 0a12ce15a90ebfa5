//! What is in a component, or in a bundle.

use super::AuthoringError;
use crate::oracle::{Description, Oracle};
use mandate_link::seam::limits::PAGE_BYTES;
use mandate_link::seam::list;
use serde::{Deserialize, Serialize};
use std::path::Path;
use wasmparser::{Encoding, Parser, Payload};
use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldItem};

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Contents {
    /// A component, perhaps a policy.
    Component {
        /// SHA-256 of the component, in lower-case hex.
        sha256: String,
        /// Its size in bytes.
        bytes: usize,
        /// What it asks the host for: the contract's interfaces, if it is a policy.
        imports: Vec<Function>,
        /// What it offers.
        exports: Vec<Function>,
        /// Its core modules: a policy has its code in one of them.
        modules: Vec<CoreModule>,
        /// What it says of itself, if it can be asked.
        description: Option<Description>,
        /// Why it cannot be linked, if it cannot.
        refused: Option<String>,
    },
    /// A filter with policies.
    Bundle {
        /// Its size in bytes.
        bytes: usize,
        /// The policies, in the order of the bundle.
        policies: Vec<BundledPolicy>,
    },
    /// A core module without policies: the plain filter, perhaps.
    Module {
        /// Its size in bytes.
        bytes: usize,
        /// The memory that it starts with, in bytes.
        memory_bytes: u64,
        /// Whether policies can be linked into it.
        filter: bool,
        /// Why not, if they cannot.
        refused: Option<String>,
    },
}

/// A function of an interface, or of the component itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Function {
    /// The interface, as in `mandate:policy/request@0.1.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The function.
    pub name: String,
}

/// A core module in a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoreModule {
    /// Its size in bytes.
    pub bytes: u64,
    /// The memory that it starts with, in bytes: `limits.memory_bytes` must be at least this.
    pub memory_bytes: u64,
}

/// A policy in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundledPolicy {
    /// What a configuration calls it.
    pub name: String,
    /// SHA-256 of its component, in lower-case hex.
    pub sha256: String,
    /// The memory that it starts with, in bytes.
    pub memory_bytes: u64,
}

/// Looks into a file that was read from `path`.
///
/// # Errors
/// [`AuthoringError::Unreadable`] if it is no WebAssembly, or damaged.
pub fn inspect(path: &Path, bytes: &[u8]) -> Result<Contents, AuthoringError> {
    let unreadable = |why: String| AuthoringError::Unreadable { path: path.to_owned(), why };
    if Parser::is_component(bytes) {
        return component(bytes).map_err(unreadable);
    }
    if !Parser::is_core_wasm(bytes) {
        return Err(unreadable("it is no WebAssembly in the binary format".to_owned()));
    }
    module(bytes).map_err(unreadable)
}

fn component(bytes: &[u8]) -> Result<Contents, String> {
    let (imports, exports) = match wit_component::decode(bytes) {
        Ok(DecodedWasm::Component(resolve, world)) => {
            let world = resolve.worlds.get(world).ok_or("its world is not there")?;
            let of = |items: Vec<(String, &WorldItem)>| {
                items.into_iter().flat_map(|(name, item)| functions(&resolve, name, item)).collect::<Vec<_>>()
            };
            let named = |key: &wit_parser::WorldKey| resolve.name_world_key(key);
            (
                of(world.imports.iter().map(|(key, item)| (named(key), item)).collect()),
                of(world.exports.iter().map(|(key, item)| (named(key), item)).collect()),
            )
        }
        Ok(DecodedWasm::WitPackage(..)) => return Err("it is a WIT package, which has no code".to_owned()),
        Err(error) => return Err(format!("{error:#}")),
    };
    let refused = mandate_link::check(bytes).err().map(|refusal| refusal.to_string());
    Ok(Contents::Component {
        sha256: mandate_link::digest(bytes),
        bytes: bytes.len(),
        imports,
        exports,
        modules: core_modules(bytes).map_err(|e| e.to_string())?,
        description: describe(bytes),
        refused,
    })
}

fn functions(resolve: &Resolve, name: String, item: &WorldItem) -> Vec<Function> {
    match item {
        WorldItem::Interface { id, .. } => {
            let interface = resolve.interfaces.get(*id);
            let names = interface.into_iter().flat_map(|interface| interface.functions.keys());
            names.map(|function| Function { interface: Some(name.clone()), name: function.clone() }).collect()
        }
        WorldItem::Function(_) => vec![Function { interface: None, name }],
        WorldItem::Type { .. } => Vec::new(),
    }
}

/// What it says of itself; nothing, if it is no policy or fails: then that is the smaller problem.
fn describe(bytes: &[u8]) -> Option<Description> {
    let mut oracle = Oracle::new().ok()?;
    oracle.add("policy", bytes).ok()?;
    oracle.describe("policy").ok()
}

fn core_modules(bytes: &[u8]) -> wasmparser::Result<Vec<CoreModule>> {
    let mut modules: Vec<CoreModule> = Vec::new();
    let mut component = true;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding, .. } => component = encoding == Encoding::Component,
            Payload::ModuleSection { unchecked_range, .. } => {
                let bytes = unchecked_range.end.saturating_sub(unchecked_range.start);
                modules.push(CoreModule { bytes, memory_bytes: 0 });
            }
            Payload::MemorySection(memories) if !component => {
                for memory in memories {
                    if let Some(module) = modules.last_mut() {
                        let bytes = memory?.initial.saturating_mul(PAGE_BYTES);
                        module.memory_bytes = module.memory_bytes.saturating_add(bytes);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(modules)
}

fn module(bytes: &[u8]) -> Result<Contents, String> {
    /// As the linker writes it, see [`list`].
    #[derive(Deserialize)]
    struct Named {
        name: String,
        sha256: String,
    }
    let mut memories = Vec::new();
    let mut named: Option<Vec<Named>> = None;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|e| e.to_string())? {
            Payload::MemorySection(section) => {
                for memory in section {
                    memories.push(memory.map_err(|e| e.to_string())?.initial.saturating_mul(PAGE_BYTES));
                }
            }
            Payload::CustomSection(section) if section.name() == list::SECTION => {
                let list = serde_json::from_slice(section.data());
                named = Some(list.map_err(|e| format!("its list of policies is damaged: {e}"))?);
            }
            _ => {}
        }
    }
    Ok(match named {
        // The filter's own memory comes first, and then one for each policy.
        Some(named) => Contents::Bundle {
            bytes: bytes.len(),
            policies: named
                .into_iter()
                .zip(memories.into_iter().skip(1))
                .map(|(Named { name, sha256 }, memory_bytes)| BundledPolicy { name, sha256, memory_bytes })
                .collect(),
        },
        None => {
            let memory_bytes = memories.into_iter().fold(0, u64::saturating_add);
            let refused = mandate_link::check_filter(bytes).err().map(|why| why.to_string());
            Contents::Module { bytes: bytes.len(), memory_bytes, filter: refused.is_none(), refused }
        }
    })
}
